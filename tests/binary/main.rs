//! The binary as operators meet it: how it starts, what it says when it can't, what its commands do, what it logs.

mod audit;
mod backup;
mod check;
#[expect(dead_code, reason = "these stories need only a part of what the store's own do")]
#[path = "../store/cluster.rs"]
mod cluster;
mod commands;
#[expect(dead_code, reason = "what gateways in trouble need is told elsewhere")]
mod installation;
mod logs;
mod postgres;
mod rotation;
mod serve;
#[expect(dead_code, reason = "these stories need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;
mod trouble;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;
