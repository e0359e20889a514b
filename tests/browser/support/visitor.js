// Somebody at a browser: what people do with the pages, in words.

import assert from "node:assert/strict";

import { Authenticator } from "./authenticator.js";

export class Visitor {
  /** What the browser had to complain about. */
  complaints = [];

  constructor(name, site, context, page) {
    this.name = name;
    this.site = site;
    this.context = context;
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) this.complaints.push(message.text());
    });
  }

  /** Does something that leads to another page, and waits until it is there. */
  async follow(action) {
    const loaded = this.page.waitForEvent("load");
    await action();
    await loaded;
  }

  /** Opens an address; answers with its status. */
  async open(path) {
    const response = await this.page.goto(this.site.url + path);
    return response.status();
  }

  /** The path and query that the browser shows. */
  get at() {
    return this.page.url().slice(this.site.url.length);
  }

  /** Fails unless the browser shows one of the gateway's own pages, whatever the query. */
  assertAt(path) {
    assert.equal(new URL(this.page.url()).pathname, path);
  }

  /** Everything to read on the page. */
  text() {
    return this.page.locator("body").innerText();
  }

  /** Wants to see a page of the dashboard, and logs in at the dashboard for that. */
  async logIn(wanted = "/admin/") {
    await this.open(wanted);
    await this.page.fill("#id_username", this.name);
    await this.page.fill("#id_password", `${this.name}-pass`);
    await this.follow(() => this.page.click("#login-form [type=submit]"));
  }

  /** Logs out at the dashboard. */
  async logOut() {
    await this.open("/admin/");
    await this.follow(() => this.page.click("#logout-form button"));
  }

  /** Fails unless the browser shows the dashboard to this visitor. */
  async assertInside(path = "/admin/") {
    assert.equal(this.at, path);
    assert.equal(await this.page.locator("#user-tools strong").textContent(), this.name);
  }

  /** Scans the QR code that the page shows. */
  async scan() {
    this.authenticator = Authenticator.scan(await this.page.screenshot({ fullPage: true }));
    return this.authenticator;
  }

  /** Gives a code where one is asked for. */
  async giveCode(code, form = this.page.locator("form:has(input[name=code])").first()) {
    const sendsItself = this.site.scripts && (await form.getAttribute("data-auto-submit")) !== null;
    const field = form.locator("input[name=code]");
    await this.follow(async () => {
      await field.fill(code);
      if (!sendsItself) await field.press("Enter");
    });
  }

  /** Types a ticket where one is asked for. */
  async giveTicket(ticket) {
    await this.page.fill("input[name=ticket]", ticket);
    await this.follow(() => this.page.press("input[name=ticket]", "Enter"));
  }

  /** Scans the key that is shown and confirms it; returns the recovery codes, which are shown on the next page. */
  async enroll() {
    this.assertAt("/_2fa/enroll");
    await this.scan();
    await this.giveCode(await this.authenticator.freshCode());
    this.recoveryCodes = await this.shownRecoveryCodes();
    assert.equal(this.recoveryCodes.length, 10, await this.text());
    return this.recoveryCodes;
  }

  /** Recovery codes to read on the page. */
  async shownRecoveryCodes() {
    return (await this.text()).match(/\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b/g) ?? [];
  }

  /** Goes on from the page with the recovery codes. */
  async goOn() {
    await this.follow(() => this.page.getByRole("link", { name: /continue/i }).click());
  }

  /** Logs in for the first time where a second factor is required. */
  async logInAndEnroll(wanted) {
    await this.logIn(wanted);
    await this.enroll();
    await this.goOn();
  }

  /** Logs in with a code. */
  async logInWithCode(wanted) {
    await this.logIn(wanted);
    this.assertAt("/_2fa/verify");
    await this.giveCode(await this.authenticator.freshCode());
  }

  /** The form that is sent to that address below `/_2fa/`, opened if it is folded away. */
  async form(address) {
    const form = this.page.locator(`form[action$="/_2fa/${address}"]`).first();
    await form.waitFor({ state: "attached" });
    const fold = this.page.locator("details", { has: form });
    if ((await fold.count()) > 0 && (await fold.first().getAttribute("open")) === null) {
      await fold.first().locator("summary").click();
    }
    return form;
  }

  /** Sends a form with its button, and a code if it asks for one. */
  async send(form) {
    if ((await form.locator("input[name=code]").count()) > 0) {
      await this.giveCode(await this.authenticator.freshCode(), form);
    } else {
      await this.follow(() => form.locator("button:not([type=button])").first().click());
    }
  }

  async sendForm(address) {
    await this.send(await this.form(address));
  }

  /** Fails unless the page announces that something is done, in words that `pattern` matches. */
  async assertAnnounced(pattern) {
    await this.page.getByRole("status").filter({ hasText: pattern }).waitFor();
  }
}
