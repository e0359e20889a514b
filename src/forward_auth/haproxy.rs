//! HAProxy with the Lua file that comes with its configuration: it has no way of its own to ask.

use http::HeaderName;

use super::{Adapter, Refusal, Source};

pub(super) static ADAPTER: Adapter = Adapter {
    name: "haproxy",
    method: Source::Field(HeaderName::from_static("x-forwarded-method")),
    target: Source::Field(HeaderName::from_static("x-forwarded-uri")),
    host: Source::Field(HeaderName::from_static("x-forwarded-host")),
    adds: &[],
    refusal: Refusal::PassedOn,
};
