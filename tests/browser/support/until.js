// Waits for a condition, with a deadline.

const LOOK_AGAIN = 50;

/** Waits until `condition` holds; says `what` did not come about if it takes longer than `deadline` milliseconds. */
export async function until(what, condition, deadline = 30_000) {
  const end = Date.now() + deadline;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${deadline / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
}
