import assert from "node:assert/strict";

import { assertAccessible } from "./support/accessibility.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard();

journey("the first login enrolls, and every later one asks for a code", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logIn("/admin/auth/group/?q=acme");
  bob.assertAt("/_2fa/enroll");
  await assertAccessible(bob.page);

  const { issuer, label } = await bob.scan();
  assert.equal(issuer, "Acme Insights");
  assert.match(label, /bob/);
  assert.ok((await bob.text()).replaceAll(/\s/g, "").includes(bob.authenticator.secret), "the secret is there to type");
  const shown = bob.authenticator.secret;
  await bob.page.reload();
  assert.equal((await bob.scan()).secret, shown, "a reload shows the same key");

  await bob.enroll();
  assert.equal(new Set(bob.recoveryCodes).size, 10);
  await assertAccessible(bob.page, "the recovery codes");
  await bob.goOn();
  await bob.assertInside("/admin/auth/group/?q=acme");

  // Chromium may refuse to show the answer to a form again, and says so with a page of its own.
  await bob.page.goBack().catch(() => {});
  assert.deepEqual(await bob.shownRecoveryCodes(), [], "recovery codes are shown once");

  await bob.logOut();
  await bob.logIn("/admin/auth/user/?o=1&q=b%26b");
  bob.assertAt("/_2fa/verify");
  await assertAccessible(bob.page);
  await bob.giveCode(await bob.authenticator.freshCode());
  await bob.assertInside("/admin/auth/user/?o=1&q=b%26b");
});

journey("a wrong code and a used code are refused alike, and the field has the focus", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  await bob.logOut();
  await bob.logIn();

  const refusals = [];
  for (const code of [bob.authenticator.wrongCode(), bob.authenticator.usedCode()]) {
    await bob.giveCode(code);
    bob.assertAt("/_2fa/verify");
    const field = bob.page.locator("input[name=code]");
    assert.ok(await field.evaluate((element) => element === document.activeElement), "the field has the focus");
    assert.equal(await field.inputValue(), "");
    await assertAccessible(bob.page, "the challenge after a refusal");
    refusals.push((await bob.page.getByRole("alert").innerText()).replaceAll(/\d\d:\d\d(:\d\d)?/g, "TIME"));
  }
  assert.equal(refusals[0], refusals[1]);

  await bob.giveCode(await bob.authenticator.freshCode());
  await bob.assertInside();
});

journey("a code can be typed with spaces", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  await bob.logOut();
  await bob.logIn();
  const code = await bob.authenticator.freshCode();
  await bob.giveCode(`${code.slice(0, 3)} ${code.slice(3)}`);
  await bob.assertInside();
});

journey("nothing of the dashboard is shown before the code", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  await bob.logOut();
  await bob.logIn();
  for (const path of ["/admin/", "/admin/auth/user/", "/admin/password_change/", "/_2fa/profile"]) {
    await bob.open(path);
    bob.assertAt("/_2fa/verify");
  }
  const program = await bob.page.request.get(`${site.url}/admin/auth/user/`, { headers: { accept: "application/json" } });
  assert.equal(program.status(), 401);
  assert.equal((await program.json()).reason, "second_factor_required");
});

journey("the gateway's own logout ends the session", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  await bob.open("/_2fa/profile");
  await bob.sendForm("logout");
  await bob.open("/admin/");
  bob.assertAt("/_2fa/verify");
});

journey("everything works without JavaScript", { scripts: false }, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll("/admin/auth/group/");
  await bob.assertInside("/admin/auth/group/");
  await bob.logOut();
  await bob.logIn();
  await bob.giveCode(bob.authenticator.wrongCode());
  assert.equal(await bob.page.getByRole("alert").count(), 1);
  await bob.giveCode(await bob.authenticator.freshCode());
  await bob.assertInside();
});
