//! nginx with `auth_request`, and those that ask as it does.
//!
//! It keeps nothing of a refusal but the status, and takes any but 401 and 403 for an error of its own. So the client's
//! answer is asked for at `…/nginx/answer`, by the location that `error_page 401` leads to.

use http::HeaderName;

use super::{Adapter, Refusal, Source};
use crate::config::OuterServer;

pub(super) static ADAPTER: Adapter = Adapter {
    server: OuterServer::Nginx,
    method: Source::Field(HeaderName::from_static("x-original-method")),
    target: Source::Field(HeaderName::from_static("x-original-uri")),
    host: Source::Question,
    adds: &[],
    refusal: Refusal::AskedFor,
};
