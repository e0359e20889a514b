//! The configuration of the server in front, printed from ours: what it asks Vestibule, what it passes on, what it keeps
//! from the dashboard.
//!
//! Each server is a file, with the text of its configuration in the folder of that name. `plan` settles what is the same
//! for all of them, and lets through only values that mean nothing in any of their languages.

mod caddy;
mod envoy;
mod fill;
mod haproxy;
mod nginx;
mod plan;
mod strip;
mod traefik;

use crate::config::{Config, OuterServer};

/// A text that a server in front reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `nginx.conf`.
    Nginx,
    /// The `Caddyfile`.
    Caddy,
    /// Traefik's routers, services and middlewares.
    Traefik,
    /// Traefik's entry point, which is read at its start.
    TraefikStatic,
    /// `haproxy.cfg`.
    Haproxy,
    /// The script that HAProxy asks by.
    HaproxyLua,
    /// Envoy's bootstrap.
    Envoy,
}

impl Document {
    /// Who reads it.
    const fn server(self) -> OuterServer {
        match self {
            Self::Nginx => OuterServer::Nginx,
            Self::Caddy => OuterServer::Caddy,
            Self::Traefik | Self::TraefikStatic => OuterServer::Traefik,
            Self::Haproxy | Self::HaproxyLua => OuterServer::Haproxy,
            Self::Envoy => OuterServer::Envoy,
        }
    }
}

/// Why a configuration can't be printed for a server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {right}")]
pub struct Refused {
    what: String,
    right: String,
}

impl Refused {
    fn new(what: impl Into<String>, right: impl Into<String>) -> Self {
        Self { what: what.into(), right: right.into() }
    }
}

/// The text for a server in front of all sites of a configuration, complete: it loads as it is.
///
/// Every path in the configuration must be absolute.
pub fn render(document: Document, config: &Config) -> Result<String, Refused> {
    let plan = plan::Plan::of(config, document.server())?;
    match document {
        Document::Nginx => Ok(nginx::render(&plan)),
        Document::Caddy => Ok(caddy::render(&plan)),
        Document::Traefik => traefik::render(&plan),
        Document::TraefikStatic => Ok(traefik::STATIC.to_owned()),
        Document::Haproxy => Ok(haproxy::render(&plan)),
        Document::HaproxyLua => Ok(haproxy::LUA.to_owned()),
        Document::Envoy => envoy::render(&plan),
    }
}
