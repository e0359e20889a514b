//! Envoy with `ext_authz` over HTTP. Its questions are the head of the client's request, with the endpoint's address
//! (`path_prefix`) before the target.

use super::{Adapter, Refusal, Source};

pub(super) static ADAPTER: Adapter = Adapter {
    name: "envoy",
    method: Source::Question,
    target: Source::Question,
    host: Source::Question,
    adds: &["x-envoy-"],
    refusal: Refusal::PassedOn,
};
