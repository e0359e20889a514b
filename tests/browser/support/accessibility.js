// What every page owes to everybody who reads it.

import assert from "node:assert/strict";

import axe from "axe-core";

/** Fails if axe finds anything, or the page is wider than its window. */
export async function assertAccessible(page, what = page.url()) {
  await settled(page);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  assert.ok(violations.length === 0, `${what}\n${violations.map(inWords).join("\n")}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what} is ${overflow} pixels wider than its window`);
}

/** Waits until messages have been put where they are announced, and nothing moves any more. */
async function settled(page) {
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll("[role=status] p")].every((message) => message.textContent !== "") &&
      document.getAnimations().every((animation) => animation.playState !== "running"),
  );
}

function inWords({ id, help, nodes }) {
  const places = nodes.map(({ target, failureSummary }) => `    ${target.join(" ")}: ${failureSummary}`);
  return [`  ${id}: ${help}`, ...places].join("\n");
}
