//! What people live through with a second factor: stories told with the words of `support`.

mod audit;
mod bad_input;
mod challenge;
mod enrollment;
mod header_login;
mod held_back;
mod live;
mod organizations;
mod outer_login;
mod own_way;
mod profile;
mod programs;
mod public_paths;
mod recovery;
mod requirement;
mod security;
mod sessions;
mod settings;
mod sites;
mod support;
mod tickets;
mod tokens;
mod trusted_proxies;
mod upstream;

/// Visitors come to the gateway itself. `tests/behind_nginx` and `tests/behind_traefik` tell most of this again.
const OUTER_SERVER: Option<support::outer_server::Manner> = None;
