//! Caddy with the `forward_auth` directive. Its questions are the client's request, with another method and address.

use http::HeaderName;

use super::{Adapter, Refusal, Source};
use crate::config::OuterServer;

pub(super) static ADAPTER: Adapter = Adapter {
    server: OuterServer::Caddy,
    method: Source::Field(HeaderName::from_static("x-forwarded-method")),
    target: Source::Field(HeaderName::from_static("x-forwarded-uri")),
    host: Source::Field(HeaderName::from_static("x-forwarded-host")),
    adds: &[],
    refusal: Refusal::PassedOn,
};
