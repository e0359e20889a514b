// Starts the programs that a journey needs, and ends them.

import { spawn, spawnSync } from "node:child_process";

import { until } from "./until.js";

// Whatever becomes of the tests, no program stays behind: see the constructor.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/** A program that runs until it is stopped. */
export class Program {
  #child;
  #output = "";
  #ended;

  constructor(command, args, options = {}) {
    this.name = command;
    this.#child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (this.#output += text));
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve((this.#output += `${error}\n`)));
      this.#child.on("close", resolve);
    });
    this.#ended.then(() => (this.over = true));
    process.once("exit", () => this.#child.kill("SIGKILL"));
  }

  /** Everything it has printed. */
  get output() {
    return this.#output;
  }

  /** The first match of `pattern` in what it prints. */
  async prints(pattern) {
    await until(`${this.name} prints ${pattern}`, () => {
      if (this.over) throw new Error(`${this.name} has ended:\n${this.#output}`);
      return pattern.test(this.#output);
    });
    return this.#output.match(pattern);
  }

  /** Asks it to stop, and makes it. */
  async stop() {
    this.#child.kill("SIGTERM");
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await this.#ended;
    clearTimeout(patience);
  }
}

/** What a program that ends by itself prints; throws if it fails. */
export function run(command, args, input) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input });
  if (error) throw new Error(`${command} can't be started (tests/run installs it): ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with ${status}: ${stderr}`);
  return stdout.toString();
}
