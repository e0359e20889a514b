//! Envoy with `ext_authz` over HTTP. Its questions are the head of the client's request, with the endpoint's address
//! (`path_prefix`) before the target.

use super::{Adapter, Refusal, Source};
use crate::config::OuterServer;

pub(super) static ADAPTER: Adapter = Adapter {
    server: OuterServer::Envoy,
    method: Source::Question,
    target: Source::Question,
    host: Source::Question,
    adds: &["x-envoy-"],
    refusal: Refusal::PassedOn,
};
