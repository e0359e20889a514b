//! Gateways in trouble: several of them on one database, and each part of what they stand on failing in turn. Whatever
//! fails, nobody is let through who would not be, and nothing that was confirmed is lost.
//!
//! Each experiment has a figure. `cargo test --test faults -- --nocapture` prints them; with `VESTIBULE_FAULTS_STRICT` set
//! they have to be within their limits, which a busy machine may not allow. `VESTIBULE_FAULTS_ROUNDS=500` kills a gateway as often.

mod absence;
mod agreement;
mod clock;
#[expect(dead_code, reason = "these stories need only a part of what the store's own do")]
#[path = "../store/cluster.rs"]
mod cluster;
mod disk;
mod failover;
mod figures;
#[expect(dead_code, reason = "these stories need only a part of what the binary's own do")]
#[path = "../binary/installation.rs"]
mod installation;
mod kills;
mod link;
mod nodes;
mod server;
#[expect(dead_code, reason = "these stories need only a part of the journeys' words")]
#[path = "../journeys/support/mod.rs"]
mod support;

const OUTER_SERVER: Option<support::outer_server::Manner> = None;
