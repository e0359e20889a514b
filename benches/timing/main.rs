//! Whether an answer takes longer the closer a guess is: for each kind of secret, two kinds of guesses in turn, and a
//! statistic of how long they took. `benches/README.md` says how to read it.
#![expect(clippy::print_stdout, reason = "it answers on standard output")]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures on the machine's clock, and no rule depends on what comes of it"
)]

#[expect(dead_code, reason = "a few of its words are enough here")]
#[path = "../../tests/attacks/house.rs"]
mod house;
#[expect(dead_code, reason = "a few of its words are enough here")]
#[path = "../../tests/binary/installation.rs"]
mod installation;
#[expect(dead_code, reason = "a few of its words are enough here")]
#[path = "../../tests/attacks/origin.rs"]
mod origin;
mod parts;
mod statistics;
#[expect(dead_code, unused_imports, reason = "a few of its words are enough here")]
#[path = "../../tests/journeys/support/mod.rs"]
mod support;
mod whole;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;

/// Two guesses, and what takes one of them.
pub(crate) struct Comparison<'a> {
    pub(crate) what: &'a str,
    pub(crate) samples: usize,
    /// What is done before each sample, and not measured.
    pub(crate) prepare: &'a mut dyn FnMut(),
    /// The first of two kinds of guesses, or the other; whatever it returns has to be made.
    pub(crate) guess: &'a mut dyn FnMut(bool) -> usize,
}

fn main() {
    // To see that it runs takes seconds.
    let quick = !std::env::args().any(|argument| argument == "--measure");
    println!("{:58} {:>8} {:>12} {:>12} {:>9} {:>7}", "first, second", "samples", "first", "second", "more", "t");
    parts::measure(if quick { 100 } else { 200_000 });
    whole::measure(if quick { 10 } else { 5_000 });
}
