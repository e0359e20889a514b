import assert from "node:assert/strict";

import { assertAccessible } from "./support/accessibility.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard();

journey("where it is optional, a user switches the second factor on and off", { requirement: "optional" }, async (site) => {
  const carol = await site.visitor("carol");
  await carol.logIn();
  await carol.assertInside();

  await carol.open("/_2fa/profile");
  await assertAccessible(carol.page, "the profile with the switch off");
  await carol.sendForm("profile/enable");
  await carol.enroll();
  await carol.goOn();

  await carol.logOut();
  await carol.logInWithCode();
  await carol.assertInside();

  await carol.open("/_2fa/profile");
  await assertAccessible(carol.page, "the profile with the switch on");
  await carol.sendForm("profile/disable");
  carol.assertAt("/_2fa/profile");
  await carol.logOut();
  await carol.logIn();
  await carol.assertInside();
});

journey("the switch does not take a wrong code", { requirement: "optional" }, async (site) => {
  const carol = await site.visitor("carol");
  await carol.logIn();
  await carol.open("/_2fa/profile");
  await carol.sendForm("profile/enable");
  await carol.enroll();
  await carol.open("/_2fa/profile");
  await carol.giveCode(carol.authenticator.usedCode(), await carol.form("profile/disable"));
  assert.equal(await carol.page.getByRole("alert").count(), 1);
  await assertAccessible(carol.page, "the profile after a refusal");
  await carol.logOut();
  await carol.logIn();
  carol.assertAt("/_2fa/verify");
});

journey("where it is required, the switch is shown and locked", {}, async (site) => {
  const bob = await site.visitor("bob");
  await bob.logInAndEnroll();
  await bob.open("/_2fa/profile");
  await assertAccessible(bob.page, "the profile with the switch locked");
  assert.match(await bob.text(), /requires/i);
  const enabled = bob.page.locator('form[action$="/profile/disable"] button:enabled');
  assert.equal(await enabled.count(), 0);
});
