//! A site and a configuration for tests to start from.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    AdminRule, AnonymousEvidence, Config, Credential, Guard, Hosts, Identity, Log, LogFormat, LogLevel, Look,
    Operations, OrganizationPolicy, Probe, Server, Site, Source, Store, StoreUrl, Totp, TrustedProxies, Upstream,
    UpstreamAddress, UpstreamHttp, Value,
};
use crate::second_factor::account::Requirement;
use crate::second_factor::session::Limits;

/// A site with a login in cookies and a JSON answer, as the reference configuration has it.
pub(crate) fn site() -> Site {
    Site {
        name: "insights".into(),
        realm: "insights".into(),
        hosts: Hosts::Any,
        upstream: Upstream {
            addresses: vec![UpstreamAddress::Http { host: "127.0.0.1".into(), port: 3000 }],
            http: UpstreamHttp::Http1,
            host: None,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(4),
        },
        public: Vec::new(),
        public_until_login: Vec::new(),
        login: Some("/login".into()),
        logout: Vec::new(),
        after_logout: None,
        prefix: "/_2fa".into(),
        strip: Vec::new(),
        strip_query: Vec::new(),
        credentials: vec![Credential::Cookie, Credential::Header(http::header::AUTHORIZATION)],
        by_session: Vec::new(),
        bind: None,
        identity: identity(),
        organization: OrganizationPolicy::StartsWith(Requirement::Optional),
        enrollment: Guard::None,
        look: Look { title: "Acme Insights".into(), logo: None, accent: None },
    }
}

/// Who has logged in, by pointers into a JSON answer.
pub(crate) fn identity() -> Identity {
    Identity {
        source: Source::Probe(probe()),
        user: Value::Pointer("/id".into()),
        email: Some(Value::Pointer("/email".into())),
        name: Some(Value::Pointer("/name".into())),
        organization: Value::Pointer("/company/slug".into()),
        admin: AdminRule::Nobody,
    }
}

/// What the dashboard is asked.
pub(crate) fn probe() -> Probe {
    Probe {
        url: "/api/me".into(),
        anonymous: AnonymousEvidence { statuses: vec![401, 403], redirects: Vec::new(), without_user: true, css: None },
        cache: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
    }
}

/// A configuration without sites.
pub(crate) fn config() -> Config {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config {
        server: Server {
            listen: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            forward_auth: Vec::new(),
            h2c: false,
            proxy_protocol: false,
            tls: None,
            workers: NonZeroUsize::MIN,
            connections: None,
            connections_per_client: None,
        },
        operations: Operations { listen: loopback },
        store: Store { url: StoreUrl::Sqlite(PathBuf::new()), key_file: PathBuf::new(), audit_retention: None },
        session: Limits { idle: Duration::from_hours(1), lifetime: Duration::from_hours(12) },
        totp: Totp { issuer: "Acme Insights".into() },
        log: Log { format: LogFormat::Text, level: LogLevel::Info },
        sites: Vec::new(),
    }
}
