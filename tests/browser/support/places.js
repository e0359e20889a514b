// Where things are.

import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** What cargo builds, and what `tests/run` installs. */
export const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");
