//! The journeys once more, for visitors who come to a server that asks the gateway for leave as nginx does.

#[path = "../journeys/audit.rs"]
mod audit;
#[path = "../journeys/challenge.rs"]
mod challenge;
#[path = "../journeys/bad_input/codes.rs"]
mod codes;
#[path = "../journeys/enrollment.rs"]
mod enrollment;
#[path = "../journeys/header_login.rs"]
mod header_login;
#[path = "../journeys/bad_input/next.rs"]
mod next;
#[path = "../journeys/organizations.rs"]
mod organizations;
#[path = "../journeys/bad_input/origins.rs"]
mod origins;
#[path = "../journeys/bad_input/probe.rs"]
mod probe;
#[path = "../journeys/profile.rs"]
mod profile;
#[path = "../journeys/programs.rs"]
mod programs;
#[path = "../journeys/public_paths.rs"]
mod public_paths;
#[path = "../journeys/recovery.rs"]
mod recovery;
#[path = "../journeys/requirement.rs"]
mod requirement;
#[path = "../journeys/security.rs"]
mod security;
#[path = "../journeys/sessions.rs"]
mod sessions;
#[path = "../journeys/settings.rs"]
mod settings;
#[path = "../journeys/sites.rs"]
mod sites;
#[path = "../journeys/bad_input/store.rs"]
mod store;
#[expect(dead_code, reason = "some stories are told at the gateway itself alone")]
#[path = "../journeys/support/mod.rs"]
mod support;
#[path = "../journeys/tickets.rs"]
mod tickets;
#[path = "../journeys/upstream.rs"]
mod upstream;

use support::outer_server::Manner;

/// Visitors come to this server.
const OUTER_SERVER: Option<Manner> = Some(Manner::Nginx);
