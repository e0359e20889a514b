//! The one place where errors become answers.
//!
//! What a client reads is worded by the templates from a kind; what the log reads is the chain of causes.

use http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use vestibule_templates::{self as templates, FailureKind};

use crate::audience::Audience;
use crate::body::Body;
use crate::forward_auth::Denied;
use crate::identity::Unknown;
use crate::key_file::KeyError;
use crate::listener::framing::BadRequest;
use crate::message::Response;
use crate::pages::appearance::Appearance;
use crate::proxy::ProxyError;
use crate::respond;
use crate::second_factor::sealing::Unsealable;
use crate::store::StoreError;
use crate::telemetry::{RequestId, causes};
use crate::upstream::UpstreamError;

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Its framing or its target is no good.
    #[error("bad request")]
    Framing(#[from] BadRequest),
    /// It is a server's question about another request, and that can't be decided on.
    #[error("a question about no request that can be decided on")]
    Question(#[from] Denied),
    /// What a server in front was refused is allowed by now.
    #[error("the visitor may pass by now")]
    PassesNow,
    /// No site answers on its host.
    #[error("no site answers on that host")]
    UnknownHost,
    /// It came without TLS from another machine.
    #[error("without TLS from another machine, the session cookie would travel in the clear")]
    Insecure,
    /// There is no such page, account or session.
    #[error("no such page")]
    NotFound,
    /// The page does not take that method.
    #[error("the page takes {allow} only")]
    MethodNotAllowed {
        /// The methods it takes.
        allow: &'static str,
    },
    /// Nothing shows that the form was sent from this site.
    #[error("the form was not sent from this site: {0}")]
    SentFromElsewhere(&'static str),
    /// The form is of another kind.
    #[error("the form is not application/x-www-form-urlencoded")]
    UnsupportedMediaType,
    /// The form is too large.
    #[error("the form is too large")]
    TooLarge,
    /// The form did not arrive whole, or has not what it must have.
    #[error("the form is no good: {0}")]
    BadForm(&'static str),
    /// Nobody is logged in at the dashboard.
    #[error("nobody is logged in")]
    LoginNeeded,
    /// The dashboard did not say who is logged in.
    #[error("the dashboard did not say who is logged in: {0:?}")]
    IdentityUnknown(Unknown),
    /// The way to the dashboard failed.
    #[error("no answer of the dashboard")]
    Proxy(#[from] ProxyError),
    /// The store did not answer.
    #[error("no answer of the store")]
    Store(#[from] StoreError),
    /// The keys can't be used.
    #[error("the keys can't be used")]
    Keys(#[from] KeyError),
    /// A sealed secret does not open.
    #[error("a sealed secret can't be used")]
    Sealed(#[from] Unsealable),
    /// Our own fault.
    #[error("internal: {0}")]
    Internal(&'static str),
}

/// For whom a failure is worded, and how its page looks.
pub struct Reader<'a> {
    /// A person or a program.
    pub audience: Audience,
    /// The look of the site; `None` where no site is known.
    pub appearance: Option<&'a Appearance>,
    /// The dashboard's login page.
    pub login: Option<&'a str>,
    /// What the request is called in the log.
    pub id: RequestId,
    /// The path that was asked for, if asking again can help and is safe.
    pub retry: Option<&'a str>,
}

impl Failure {
    /// The answer, logged on the way if somebody has to look into it.
    pub fn respond(&self, reader: &Reader<'_>) -> Response<Body> {
        let (status, kind, reason) = self.kind(reader);
        self.log(status, reader.id);
        let mut response = match reader.audience {
            Audience::Person => {
                let plain = Appearance::plain();
                let appearance = reader.appearance.unwrap_or(&plain);
                let frame = appearance.frame(None, templates::Navigation::Hidden);
                let id = reader.id.to_string();
                let retry = reader.retry.filter(|_| status.is_server_error());
                let view = templates::Failure { frame: &frame, kind, request: &id, retry };
                respond::page(status, templates::failure(&view))
            }
            Audience::Program => {
                let title = status.canonical_reason().unwrap_or("Refused");
                let detail = format!("See the gateway's log for request {}.", reader.id);
                respond::problem(status, reason, title, &detail).respond()
            }
        };
        if let Self::MethodNotAllowed { allow } = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Self::PassesNow = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
        }
        if self.ends_the_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn kind<'a>(&self, reader: &Reader<'a>) -> (StatusCode, FailureKind<'a>, &'static str) {
        use StatusCode as S;
        match self {
            Self::Framing(bad) => (bad.status(), FailureKind::BadRequest, "bad_request"),
            Self::BadForm(_) => (S::BAD_REQUEST, FailureKind::BadRequest, "bad_request"),
            Self::Question(_) => (S::FORBIDDEN, FailureKind::BadRequest, "bad_request"),
            Self::PassesNow => (S::SERVICE_UNAVAILABLE, FailureKind::StoreUnavailable, "try_again"),
            Self::UnknownHost => (S::MISDIRECTED_REQUEST, FailureKind::UnknownHost, "unknown_host"),
            Self::Insecure => (S::FORBIDDEN, FailureKind::HttpsNeeded, "https_needed"),
            Self::NotFound => (S::NOT_FOUND, FailureKind::NotFound, "not_found"),
            Self::MethodNotAllowed { .. } => {
                (S::METHOD_NOT_ALLOWED, FailureKind::MethodNotAllowed, "method_not_allowed")
            }
            Self::SentFromElsewhere(_) => (S::FORBIDDEN, FailureKind::SentFromElsewhere, "sent_from_elsewhere"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, FailureKind::UnsupportedMediaType, "unsupported_media_type")
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, FailureKind::TooLarge, "too_large"),
            Self::LoginNeeded => (S::UNAUTHORIZED, FailureKind::LoginNeeded { login: reader.login }, "login_required"),
            Self::IdentityUnknown(Unknown::TimedOut) => {
                (S::SERVICE_UNAVAILABLE, FailureKind::IdentityUnknown, "identity_unknown")
            }
            Self::IdentityUnknown(Unknown::Unreachable | Unknown::Unusable) => {
                (S::BAD_GATEWAY, FailureKind::IdentityUnknown, "identity_unknown")
            }
            Self::Proxy(error) => of_proxy(error),
            Self::Store(_) | Self::Keys(KeyError::Store(_)) => {
                (S::SERVICE_UNAVAILABLE, FailureKind::StoreUnavailable, "store_unavailable")
            }
            Self::Keys(_) | Self::Sealed(_) | Self::Internal(_) => {
                (S::INTERNAL_SERVER_ERROR, FailureKind::Internal, "internal")
            }
        }
    }

    fn log(&self, status: StatusCode, id: RequestId) {
        if status.is_server_error() && self.needs_looking_into() {
            tracing::error!(request = %id, status = status.as_u16(), error = causes(self), "request failed");
        } else {
            tracing::debug!(request = %id, status = status.as_u16(), error = causes(self), "request refused");
        }
    }

    /// Whether somebody has to look into it who can do something about it. Whoever likes can send requests that go round in
    /// circles, or that HTTP/2 has no words for; what the dashboard did not say is logged by whoever asked it.
    const fn needs_looking_into(&self) -> bool {
        let is_of_the_client = matches!(
            self,
            Self::Proxy(ProxyError::Loop(_) | ProxyError::Upstream(UpstreamError::Http2(_))) | Self::PassesNow
        );
        !is_of_the_client && !matches!(self, Self::IdentityUnknown(_))
    }

    /// After these nobody can be sure where the next request begins, or a body is left that nobody will read.
    const fn ends_the_connection(&self) -> bool {
        matches!(self, Self::Framing(_) | Self::TooLarge | Self::UnknownHost)
    }
}

fn of_proxy(error: &ProxyError) -> (StatusCode, FailureKind<'static>, &'static str) {
    use StatusCode as S;
    match error {
        ProxyError::Upstream(UpstreamError::TimedOut { .. }) => {
            (S::GATEWAY_TIMEOUT, FailureKind::UpstreamTimedOut, "upstream_timed_out")
        }
        ProxyError::Upstream(_) | ProxyError::Unspeakable => {
            (S::BAD_GATEWAY, FailureKind::UpstreamUnreachable, "upstream_unreachable")
        }
        ProxyError::Loop(_) => (S::LOOP_DETECTED, FailureKind::UpstreamUnreachable, "loop_detected"),
        ProxyError::AnotherLogin => (S::UNAUTHORIZED, FailureKind::LoginNeeded { login: None }, "login_required"),
        ProxyError::Stalled => (S::REQUEST_TIMEOUT, FailureKind::BadRequest, "request_timeout"),
        ProxyError::Client(_) => (S::BAD_REQUEST, FailureKind::BadRequest, "bad_request"),
        ProxyError::ForeignOrigin => (S::FORBIDDEN, FailureKind::SentFromElsewhere, "sent_from_elsewhere"),
    }
}
