//! Answers that are made here: pages, redirects and problems, with the header fields that all of them have.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use vestibule_templates::Markup;

use crate::body::Body;
use crate::identity::client::Scheme;
use crate::message::{Fields, Response};

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// An HTML page.
pub fn page(status: StatusCode, markup: Markup) -> Response<Body> {
    with_type(status, "text/html; charset=utf-8", markup.into_string())
}

/// A JSON document.
pub fn json(status: StatusCode, value: &Value) -> Response<Body> {
    with_type(status, "application/json", value.to_string())
}

/// What a program reads when it does not get what it asked for (RFC 9457), with the extension members `reason` and,
/// where there is something to open, `verify_url`.
pub fn problem(status: StatusCode, reason: &'static str, title: &str, detail: &str) -> Problem {
    Problem { status, reason, title: title.to_owned(), detail: detail.to_owned(), verify_url: None }
}

/// A problem on its way to become an answer.
pub struct Problem {
    status: StatusCode,
    reason: &'static str,
    title: String,
    detail: String,
    verify_url: Option<String>,
}

impl Problem {
    /// Adds the address of the page that solves it.
    #[must_use]
    pub fn verify_url(self, url: String) -> Self {
        Self { verify_url: Some(url), ..self }
    }

    /// The answer.
    pub fn respond(self) -> Response<Body> {
        let mut members = json!({
            "type": format!("urn:vestibule:problem:{}", self.reason),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "reason": self.reason,
        });
        if let (Some(url), Some(members)) = (self.verify_url, members.as_object_mut()) {
            members.insert("verify_url".to_owned(), url.into());
        }
        with_type(self.status, "application/problem+json", members.to_string())
    }
}

/// Sends the browser to another address with a GET (RFC 9110 section 15.4.4).
pub fn see_other(location: &str) -> Response<Body> {
    let mut response = bare(StatusCode::SEE_OTHER, Body::empty());
    match HeaderValue::try_from(location) {
        Ok(location) => response.headers_mut().insert(LOCATION, location),
        // Only a path with control bytes gets here, and those are no path of ours: the front page is safe.
        Err(_) => response.headers_mut().insert(LOCATION, HeaderValue::from_static("/")),
    }
    response
}

/// Sets a cookie in the answer.
pub fn set_cookie(response: &mut Response<Body>, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// The fields that every answer made here has. Assets keep their own `Cache-Control`.
pub fn harden(headers: &mut Fields, scheme: Scheme) {
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if scheme == Scheme::Https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn with_type(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = bare(status, Body::own(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn bare(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
