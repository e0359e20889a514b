//! The endpoint where outer servers ask for leave: what it gives, what it refuses, and what it does not read.

mod asking;
mod bodies;
mod changes;
mod http2;
mod leave;
mod mutations;
mod refusals;
mod sources;
#[expect(dead_code, reason = "these tests need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;

/// Questions are put to the gateway itself.
const OUTER_SERVER: Option<support::outer_server::Manner> = None;
