//! The gateway as a whole, between real clients and a dashboard: how it comes to another configuration, which
//! certificates it shows, whom it takes its clients for, how many connections each may have, and which of several
//! dashboards it asks. And the built program: what signals do, and that nobody notices.

mod clients;
mod crowding;
mod http2;
mod in_service;
mod program;
mod proxy_protocol;
mod reload;
mod signal;
mod support;
mod tls;
mod upstreams;
