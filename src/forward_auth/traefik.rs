//! Traefik with the `ForwardAuth` middleware. Its questions go to the gateway's own address, as `Host` says.

use http::HeaderName;

use super::{Adapter, Refusal, Source};
use crate::config::OuterServer;

pub(super) static ADAPTER: Adapter = Adapter {
    server: OuterServer::Traefik,
    method: Source::Field(HeaderName::from_static("x-forwarded-method")),
    target: Source::Field(HeaderName::from_static("x-forwarded-uri")),
    host: Source::Field(HeaderName::from_static("x-forwarded-host")),
    // Of its middleware `PassTLSClientCert`; a client's own it drops.
    adds: &["x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info"],
    refusal: Refusal::PassedOn,
};
