import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { assertAccessible } from "./support/accessibility.js";
import { TARGET } from "./support/places.js";
import { run } from "./support/programs.js";
import { openBrowser } from "./support/site.js";

const folder = await mkdtemp(path.join(tmpdir(), "vestibule-gallery-"));
after(() => rm(folder, { recursive: true, force: true }));
run(path.join(TARGET, "debug", "examples", "gallery"), [folder]);

const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://gallery");
  try {
    const content = await readFile(path.join(folder, decodeURIComponent(pathname)));
    response.setHeader("content-type", types[path.extname(pathname)] ?? "application/octet-stream");
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => (server.closeAllConnections(), server.close()));

const pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".html") && name !== "index.html");
const browser = await openBrowser();

test("the gallery has the pages of every part of the journey", () => {
  for (const part of ["challenge", "enroll", "recover", "profile", "settings", "security", "audit", "limited"]) {
    assert.ok(pages.some((name) => name.includes(part)), `${part} is among ${pages.join(", ")}`);
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`every page is accessible, ${colorScheme} and ${width} pixels wide`, async (t) => {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      const missing = [];
      page.on("response", (response) => response.status() === 404 && missing.push(response.url()));
      for (const name of pages) {
        await t.test(name, async () => {
          await page.goto(`http://127.0.0.1:${server.address().port}/${name}`);
          await assertAccessible(page, name);
          assert.deepEqual(missing.splice(0), [], "everything that the page loads is there");
        });
      }
      await context.close();
    });
  }
}
