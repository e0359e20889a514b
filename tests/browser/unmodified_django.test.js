import assert from "node:assert/strict";

import { unmodified } from "./support/dashboards.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard(unmodified);

journey("Django's admin as it comes gets a second factor", {}, async (site) => {
  const [alice, bob] = [await site.visitor("alice"), await site.visitor("bob")];
  await bob.open("/admin/auth/user/");
  bob.assertAt("/admin/login/");
  const sheets = await bob.page.evaluate(() => [...document.styleSheets].map((sheet) => sheet.cssRules.length));
  assert.ok(sheets.length > 0 && sheets.every((rules) => rules > 0), "the login page has its styles");

  await bob.logInAndEnroll("/admin/auth/user/?q=carol");
  await bob.assertInside("/admin/auth/user/?q=carol");
  await bob.logOut();
  await bob.logInWithCode();
  await bob.assertInside();
  assert.equal(await bob.open("/_2fa/settings"), 403);

  await alice.logInAndEnroll();
  await alice.open("/_2fa/settings/security");
  const rows = await alice.page.getByRole("row").allInnerTexts();
  assert.ok(["alice", "bob"].every((name) => rows.some((row) => row.includes(name))), rows.join("\n"));
});

journey("a form of Django's admin is sent through the gateway", {}, async (site) => {
  const alice = await site.visitor("alice");
  await alice.logInAndEnroll("/admin/auth/group/add/");
  await alice.page.fill("#id_name", "auditors");
  await alice.follow(() => alice.page.click("#group_form [name=_save]"));
  alice.assertAt("/admin/auth/group/");
  assert.match(await alice.text(), /auditors/);
});
