//! Attacks on the built program from outside: raw bytes in front of it, a dashboard behind it that keeps every byte, and
//! its store to look into. Each test names the lines of REQUIREMENTS.md that it holds.

mod codes;
mod cookies;
mod enrollment;
mod faults;
mod forms;
mod guessing;
mod headers;
mod house;
#[expect(dead_code, reason = "these stories need only a part of an installation")]
#[path = "../binary/installation.rs"]
mod installation;
mod organizations;
mod origin;
mod passage;
mod races;
mod recovery;
mod secrets;
mod sessions;
mod smuggling;
mod store;
#[expect(dead_code, reason = "these stories need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;
