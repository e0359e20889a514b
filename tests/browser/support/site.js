// A real dashboard behind the real gateway, and browsers in front: a fresh gateway for each journey.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { chromium } from "playwright-core";

import { twoOrganizations } from "./dashboards.js";
import { TARGET } from "./places.js";
import { Program, run } from "./programs.js";
import { Visitor } from "./visitor.js";

const VESTIBULE = path.join(TARGET, "debug", "vestibule");
const REPORTS = path.join(TARGET, "tests", "browser");

/** A headless Chromium, closed when the tests of the file are over. */
export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Tests may run as root, where Chromium has no sandbox, and they visit no page but their own.
    args: ["--no-sandbox"],
  });
  after(() => browser.close());
  return browser;
}

/** A dashboard and a browser for all journeys of a file. Gives the function that tells one. */
export async function openDashboard(kind = twoOrganizations) {
  const browser = await openBrowser();
  const folder = await mkdtemp(path.join(tmpdir(), "vestibule-dashboard-"));
  const program = kind.start(folder);
  after(async () => {
    await program.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const [, address] = await program.prints(/(http:\/\/127\.0\.0\.1:\d+)/);

  /** A test with a gateway of its own. On failure, what can be seen of it is kept in a folder below `target/tests`. */
  return function journey(name, { requirement = "required", guard = "none", scripts = true }, story) {
    test(name, async () => {
      const site = new Site(browser, scripts);
      try {
        await site.open((folder) => kind.configuration({ address, folder, requirement, guard }));
        await story(site);
        site.assertNoComplaints();
      } catch (failure) {
        failure.message += `\n(pictures and log: ${await site.report(name)})`;
        throw failure;
      } finally {
        await site.close();
      }
    });
  };
}

/** A gateway in front of the dashboard, with nobody enrolled. */
class Site {
  #browser;
  #folder;
  #file;
  #gateway;
  #visitors = [];

  constructor(browser, scripts) {
    this.#browser = browser;
    this.scripts = scripts;
  }

  async open(configuration) {
    this.#folder = await mkdtemp(path.join(tmpdir(), "vestibule-journey-"));
    this.#file = path.join(this.#folder, "vestibule.toml");
    await writeFile(this.#file, configuration(this.#folder));
    this.#gateway = new Program(VESTIBULE, ["serve", "--config", this.#file]);
    const [, address] = await this.#gateway.prints(/listening address=(127\.0\.0\.1:\d+)/);
    this.url = `http://${address}`;
  }

  /** What the operator's command answers. */
  operator(...command) {
    return JSON.parse(run(VESTIBULE, [...command, "--json", "--config", this.#file]));
  }

  /** Somebody with a browser of their own. */
  async visitor(name) {
    const context = await this.#browser.newContext({ javaScriptEnabled: this.scripts });
    context.setDefaultTimeout(15_000);
    const visitor = new Visitor(name, this, context, await context.newPage());
    this.#visitors.push(visitor);
    return visitor;
  }

  assertNoComplaints() {
    assert.deepEqual(this.#visitors.flatMap((visitor) => visitor.complaints), []);
  }

  async report(name) {
    const folder = path.join(REPORTS, name.replaceAll(/\W+/g, "-"));
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "gateway.log"), this.#gateway.output);
    for (const visitor of this.#visitors) {
      await visitor.page.screenshot({ path: path.join(folder, `${visitor.name}.png`), fullPage: true });
      await writeFile(path.join(folder, `${visitor.name}.html`), await visitor.page.content());
    }
    return folder;
  }

  async close() {
    for (const { context } of this.#visitors) await context.close();
    await this.#gateway?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
