import assert from "node:assert/strict";
import { test } from "node:test";

import { Authenticator, codeAt, fromBase32 } from "./support/authenticator.js";
import { run } from "./support/programs.js";

test("the tests' authenticator shows the codes that oathtool shows", () => {
  const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
  for (const seconds of [59, 1_111_111_109, 2_000_000_000, 20_000_000_000]) {
    const shown = run("oathtool", ["--totp", "--base32", "--now", `@${seconds}`, secret]).trim();
    assert.equal(codeAt(fromBase32(secret), Math.floor(seconds / 30)), shown);
  }
});

test("the tests' authenticator never shows a code twice, and three at once", async () => {
  const authenticator = new Authenticator("otpauth://totp/Acme:bob?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme");
  const codes = [await authenticator.freshCode(), await authenticator.freshCode(), await authenticator.freshCode()];
  assert.equal(new Set(codes).size, 3);
  assert.equal(authenticator.usedCode(), codes[2]);
  assert.ok(!codes.includes(authenticator.wrongCode()));
});
