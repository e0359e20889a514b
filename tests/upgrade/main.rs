//! A release in the place of another: gateways of this version and of the next on one store, which the next one has brought
//! further. Nobody notices, whichever of them answers.
//!
//! `tests/upgrade/next` makes the next version out of this tree and builds it, once for all tests.

mod balancer;
#[expect(dead_code, reason = "these stories need only a part of what the store's own do")]
#[path = "../store/cluster.rs"]
mod cluster;
mod file;
#[expect(dead_code, reason = "these stories need only a part of what the binary's own do")]
#[path = "../binary/installation.rs"]
mod installation;
mod load;
mod release;
mod server;
#[expect(dead_code, reason = "these stories need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;
