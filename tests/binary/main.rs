//! The binary as operators meet it: how it starts, what it says when it can't, what its commands do, what it logs.

mod check;
mod commands;
mod installation;
mod logs;
mod serve;
#[expect(dead_code, reason = "these stories need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;
mod trouble;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;
