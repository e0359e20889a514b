// An authenticator app: scans QR codes and shows each code once.

import { createHmac } from "node:crypto";

import { run } from "./programs.js";
import { until } from "./until.js";

const STEP = 30_000;
/** Milliseconds that sending a code may take before its step is over. */
const MARGIN = 5_000;

/** One entry of an authenticator app, as a QR code brings it. */
export class Authenticator {
  #key;
  #lastStep = 0;
  #lastCode;

  /** Reads the QR code in a picture (PNG). */
  static scan(picture) {
    return new Authenticator(run("zbarimg", ["--quiet", "--raw", "-"], picture).trim());
  }

  /** Reads an `otpauth:` address. */
  constructor(address) {
    const { protocol, host, pathname, searchParams } = new URL(address);
    if (protocol !== "otpauth:" || host !== "totp") throw new Error(`no address of a TOTP key: ${protocol}//${host}`);
    this.label = decodeURIComponent(pathname.slice(1));
    this.issuer = searchParams.get("issuer");
    this.secret = searchParams.get("secret");
    this.#key = fromBase32(this.secret);
  }

  /**
   * The earliest code that is still good and was not shown before. Three are good at any moment, so the first three
   * come at once; whoever needs more waits for the next step.
   */
  async freshCode() {
    const earliest = () => Math.max(this.#lastStep + 1, stepAt(Date.now() + MARGIN) - 1);
    await until("the next code is good", () => earliest() <= stepAt(Date.now()) + 1, 2 * STEP);
    this.#lastStep = earliest();
    this.#lastCode = codeAt(this.#key, this.#lastStep);
    return this.#lastCode;
  }

  /** The code that was shown last. */
  usedCode() {
    return this.#lastCode;
  }

  /** Six digits that are none of the codes of these minutes. */
  wrongCode() {
    const now = stepAt(Date.now());
    const good = [-3, -2, -1, 0, 1, 2, 3].map((offset) => codeAt(this.#key, now + offset));
    return ["000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"].find(
      (code) => !good.includes(code),
    );
  }
}

/** RFC 6238 with SHA-1, 6 digits and 30 seconds. */
export function codeAt(key, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = mac[mac.length - 1] & 0xf;
  const number = (mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000;
  return String(number).padStart(6, "0");
}

export function fromBase32(text) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...text].map((character) => {
    const value = alphabet.indexOf(character);
    if (value < 0) throw new Error("that is not base32");
    return value.toString(2).padStart(5, "0");
  });
  return Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

function stepAt(time) {
  return Math.floor(time / STEP);
}
