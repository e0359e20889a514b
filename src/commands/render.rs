//! `vestibule render`: the configuration of the server in front.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Common, Failed, output};
use crate::config;
use crate::render::{Document, render};

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Render {
    /// nginx.conf
    Nginx,
    /// Traefik's routers and middlewares, for its file provider
    Traefik {
        /// Traefik's own configuration instead: where it listens, and where the other file is
        #[arg(long = "static")]
        own: bool,
    },
    /// A Caddyfile
    Caddy,
    /// haproxy.cfg
    Haproxy {
        /// The script that it asks by instead
        #[arg(long)]
        lua: bool,
    },
    /// Envoy's bootstrap, in YAML
    Envoy,
}

impl Render {
    pub(super) fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        // Files that the configuration names are named to a server that runs elsewhere.
        let path = std::path::absolute(config::find(common.config.as_deref())?)?;
        let text = render(self.document(), &config::load(&path)?)?;
        if common.json {
            output::json(&json!({ "configuration": text }));
        } else {
            output::text(&text);
        }
        Ok(ExitCode::SUCCESS)
    }

    const fn document(self) -> Document {
        match self {
            Self::Nginx => Document::Nginx,
            Self::Traefik { own: false } => Document::Traefik,
            Self::Traefik { own: true } => Document::TraefikStatic,
            Self::Caddy => Document::Caddy,
            Self::Haproxy { lua: false } => Document::Haproxy,
            Self::Haproxy { lua: true } => Document::HaproxyLua,
            Self::Envoy => Document::Envoy,
        }
    }
}
