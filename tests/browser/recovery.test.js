import assert from "node:assert/strict";

import { assertAccessible } from "./support/accessibility.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard();

journey("a recovery code logs in once, and leads to a new authenticator", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  const [recoveryCode] = bob.recoveryCodes;
  const lost = bob.authenticator;
  await bob.logOut();
  await bob.logIn();
  await useRecoveryCode(bob, recoveryCode);
  await bob.assertInside();

  await bob.open("/_2fa/profile");
  await assertAccessible(bob.page, "the profile after a recovery code");
  assert.match(await bob.text(), /You logged in with a recovery code/);
  await bob.sendForm("profile/replace");
  await bob.enroll();
  assert.notEqual(bob.authenticator.secret, lost.secret);
  await bob.goOn();

  await bob.logOut();
  await bob.logIn();
  await bob.giveCode(await lost.freshCode());
  bob.assertAt("/_2fa/verify");
  await bob.giveCode(await bob.authenticator.freshCode());
  await bob.assertInside();
});

journey("a used recovery code is refused", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  const [used, unused] = bob.recoveryCodes;
  await bob.logOut();
  await bob.logIn();
  await useRecoveryCode(bob, used);
  await bob.assertInside();
  await bob.logOut();
  await bob.logIn();
  await useRecoveryCode(bob, used);
  bob.assertAt("/_2fa/recover");
  assert.equal(await bob.page.getByRole("alert").count(), 1);
  await assertAccessible(bob.page, "the recovery page after a refusal");
  await giveRecoveryCode(bob, unused.toLowerCase().replaceAll("-", " "));
  await bob.assertInside();
});

journey("new recovery codes replace all older ones", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  const [old] = bob.recoveryCodes;
  await bob.open("/_2fa/profile");
  await bob.sendForm("profile/recovery-codes");
  const [fresh] = await bob.shownRecoveryCodes();
  await bob.logOut();
  await bob.logIn();
  await useRecoveryCode(bob, old);
  bob.assertAt("/_2fa/recover");
  await giveRecoveryCode(bob, fresh);
  await bob.assertInside();
});

async function useRecoveryCode(visitor, code) {
  await visitor.follow(() => visitor.page.getByRole("link", { name: /recovery code/i }).click());
  visitor.assertAt("/_2fa/recover");
  await giveRecoveryCode(visitor, code);
}

async function giveRecoveryCode(visitor, code) {
  await visitor.page.fill("input[name=recovery_code]", code);
  await visitor.follow(() => visitor.page.press("input[name=recovery_code]", "Enter"));
}
