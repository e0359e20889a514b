//! HAProxy with the Lua file that comes with its configuration: it has no way of its own to ask.

use http::HeaderName;

use super::{Adapter, Refusal, Source};
use crate::config::OuterServer;

pub(super) static ADAPTER: Adapter = Adapter {
    server: OuterServer::Haproxy,
    method: Source::Field(HeaderName::from_static("x-forwarded-method")),
    target: Source::Field(HeaderName::from_static("x-forwarded-uri")),
    host: Source::Field(HeaderName::from_static("x-forwarded-host")),
    adds: &[],
    refusal: Refusal::PassedOn,
};
