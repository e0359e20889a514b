import assert from "node:assert/strict";

import { assertAccessible } from "./support/accessibility.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard();

journey("an admin requires a second factor of the whole organization", { requirement: "optional" }, async (site) => {
  const [alice, bob, carol] = [await site.visitor("alice"), await site.visitor("bob"), await site.visitor("carol")];
  await bob.logIn();
  await bob.assertInside();

  await alice.logIn();
  await alice.open("/_2fa/profile");
  await alice.sendForm("profile/enable");
  await alice.enroll();
  await alice.open("/_2fa/settings");
  await assertAccessible(alice.page, "the settings");
  await turnRequirement(alice, "required");
  alice.assertAt("/_2fa/settings");

  await bob.open("/admin/");
  bob.assertAt("/_2fa/enroll");
  await carol.logIn();
  await carol.assertInside();

  await turnRequirement(alice, "optional");
  await bob.open("/admin/");
  await bob.assertInside();
});

journey("an admin finds an account, resets it, and its owner must enroll again", {}, async (site) => {
  const [alice, bob] = [await site.visitor("alice"), await site.visitor("bob")];
  await bob.logInAndEnroll();
  await alice.logInAndEnroll();

  await alice.open("/_2fa/settings/security");
  await assertAccessible(alice.page, "the list of accounts");
  assert.match(await alice.text(), /bob@acme\.example/);
  await alice.page.fill("input[name=q]", "bob@");
  await alice.follow(() => alice.page.press("input[name=q]", "Enter"));
  assert.match(alice.at, /q=bob%40/);
  assert.doesNotMatch(await alice.page.getByRole("table").innerText(), /alice@acme\.example/);

  await chooseForReset(alice, "bob");
  assert.match(await alice.page.getByRole("alertdialog").innerText(), /bob/);
  await assertAccessible(alice.page, "the question whether to reset");
  await alice.send(await alice.form("settings/security/reset"));
  alice.assertAt("/_2fa/settings/security");
  await alice.assertAnnounced(/bob was reset/);
  await assertAccessible(alice.page, "the list after a reset");

  await bob.open("/admin/");
  bob.assertAt("/_2fa/enroll");
  assert.match(await bob.text(), /An administrator reset your/);
  const old = bob.authenticator;
  await bob.enroll();
  assert.notEqual(bob.authenticator.secret, old.secret);
  await bob.goOn();
  await bob.assertInside();
});

journey("whoever is no admin gets the Limited access popup", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  for (const path of ["/_2fa/settings", "/_2fa/settings/security", "/_2fa/settings/audit"]) {
    assert.equal(await bob.open(path), 403);
    assert.match(await bob.page.getByRole("alertdialog").innerText(), /limited access/i);
    await assertAccessible(bob.page, "Limited access");
  }
});

journey("another organization's accounts do not exist for an admin", {}, async (site) => {
  const [alice, bob, dave] = [await site.visitor("alice"), await site.visitor("bob"), await site.visitor("dave")];
  await bob.logInAndEnroll();
  await alice.logInAndEnroll();
  await alice.open("/_2fa/settings/security?q=bob");
  await chooseForReset(alice, "bob");
  const bobsReset = alice.at;
  const account = await (await alice.form("settings/security/reset")).locator("[name=account]").inputValue();

  await dave.logInAndEnroll();
  await dave.open("/_2fa/settings/security");
  assert.match(await dave.text(), /dave@globex\.example/);
  assert.doesNotMatch(await dave.text(), /acme\.example/);
  assert.equal(await dave.open(bobsReset), 404);
  const neverSeen = await reset(dave, site, "999999");
  const ofAnother = await reset(dave, site, account);
  assert.deepEqual([neverSeen.status(), ofAnother.status()], [404, 404]);

  await bob.open("/admin/");
  await bob.assertInside();
});

journey("the audit log says who reset whom", {}, async (site) => {
  const [alice, bob] = [await site.visitor("alice"), await site.visitor("bob")];
  await bob.logInAndEnroll();
  await alice.logInAndEnroll();
  await alice.open("/_2fa/settings/security?q=bob");
  await chooseForReset(alice, "bob");
  await alice.send(await alice.form("settings/security/reset"));
  await alice.open("/_2fa/settings/audit");
  await assertAccessible(alice.page, "the audit log");
  const [entry] = (await alice.page.getByRole("row").allInnerTexts()).filter((row) => /reset/i.test(row));
  assert.match(entry, /alice/);
  assert.match(entry, /bob/);
});

/** Presses the switch, which offers the requirement that is not in force. */
async function turnRequirement(admin, requirement) {
  await admin.open("/_2fa/settings");
  const form = await admin.form("settings/requirement");
  assert.equal(await form.locator("[name=requirement]").inputValue(), requirement);
  await admin.send(form);
  await admin.assertAnnounced(new RegExp(`now ${requirement}`));
}

/** Presses the reset button in somebody's row of the list. */
async function chooseForReset(admin, name) {
  await admin.follow(() => admin.page.getByRole("button", { name: `Reset ${name}` }).click());
}

/** What the reset form of the page would send, with that account. */
function reset(admin, site, account) {
  return admin.page.request.post(`${site.url}/_2fa/settings/security/reset`, {
    form: { account },
    headers: { origin: site.url },
    maxRedirects: 0,
  });
}
