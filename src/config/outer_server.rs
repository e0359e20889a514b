//! The servers in front that can ask about a request, and send it on themselves.

/// One of them. Each asks in a way of its own, at an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OuterServer {
    /// nginx, and those that ask as its `auth_request` does.
    Nginx,
    /// Traefik's `forwardAuth`.
    Traefik,
    /// Caddy's `forward_auth`.
    Caddy,
    /// HAProxy, by a script.
    Haproxy,
    /// Envoy's `ext_authz`.
    Envoy,
}

impl OuterServer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Nginx, Self::Traefik, Self::Caddy, Self::Haproxy, Self::Envoy];

    /// How it is called in configurations and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }
}
