import assert from "node:assert/strict";

import { assertAccessible } from "./support/accessibility.js";
import { openDashboard } from "./support/site.js";

const journey = await openDashboard();

for (const [how, scripts] of [["", true], [" without scripts", false]]) {
  journey(`an admin issues a ticket, and it is good once${how}`, { guard: "ticket", scripts }, async (site) => {
    const [alice, bob] = [await site.visitor("alice"), await site.visitor("bob")];
    await alice.logIn();
    await assertAsksForTicket(alice);
    assert.match(await alice.text(), /Whoever operates this site can give you one/);
    await alice.giveTicket(site.operator("accounts", "ticket", "alice@acme.example").ticket);
    await alice.enroll();

    await bob.logIn();
    await assertAsksForTicket(bob);
    if (scripts) await assertAccessible(bob.page, "the page that asks for a ticket");
    const first = await issue(alice, "bob");
    if (scripts) await assertAccessible(alice.page, "the new ticket");
    await alice.follow(() => alice.page.getByRole("link", { name: "Done" }).click());
    alice.assertAt("/_2fa/settings/security");
    assert.doesNotMatch(await alice.text(), new RegExp(first));

    await bob.giveTicket(first.replace(/.$/, (last) => (last === "0" ? "1" : "0")));
    await assertAsksForTicket(bob);
    assert.match(await bob.page.getByRole("alert").innerText(), /That ticket was not accepted/);
    if (scripts) await assertAccessible(bob.page, "the page that did not accept a ticket");
    await bob.giveTicket(first.toLowerCase());
    await bob.enroll();
    await bob.goOn();
    await bob.assertInside();

    await alice.open("/_2fa/settings/security?q=bob");
    await alice.follow(() => alice.page.getByRole("button", { name: "Reset bob" }).click());
    await alice.send(await alice.form("settings/security/reset"));
    const second = await shownTicket(alice);
    await bob.open("/admin/");
    await assertAsksForTicket(bob);
    assert.match(await bob.text(), /An administrator reset your/);
    await bob.giveTicket(first);
    assert.match(await bob.page.getByRole("alert").innerText(), /That ticket was not accepted/);
    await bob.giveTicket(second);
    await bob.enroll();
    await bob.goOn();
    await bob.assertInside();
  });
}

/** Issues a ticket for somebody; returns it as the page shows it. */
async function issue(admin, user) {
  await admin.open("/_2fa/settings/security");
  await admin.page.fill("input[name=user]", user);
  await admin.follow(() => admin.page.press("input[name=user]", "Enter"));
  return shownTicket(admin);
}

async function shownTicket(admin) {
  const ticket = await admin.page.locator("#ticket").innerText();
  assert.match(ticket, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){5}$/);
  return ticket;
}

/** Fails if the page does not ask for a ticket, or shows a key. */
async function assertAsksForTicket(visitor) {
  visitor.assertAt("/_2fa/enroll");
  assert.equal(await visitor.page.locator("input[name=ticket]").count(), 1);
  assert.equal(await visitor.page.locator(".qr, #secret, a[href^='otpauth:']").count(), 0);
}
