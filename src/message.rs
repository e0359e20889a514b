//! Requests and answers on their way through the gateway, whatever they came in.
//!
//! They have the shape of those of the `http` crate, and its methods, addresses and statuses. Only their fields are kept in
//! another way ([`Fields`]): what comes as lines and goes as lines need not be a map in between.

mod fields;

use http::{Extensions, Method, StatusCode, Uri, Version};

pub use self::fields::{Change, FieldName, FieldValue, Fields, KnownNames, Name, Several, Value};

/// A request with this body.
#[derive(Debug)]
pub struct Request<B> {
    head: RequestHead,
    body: B,
}

/// What a request begins with.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version of HTTP that it came in.
    pub version: Version,
    /// The fields.
    pub headers: Fields,
    /// What it carries along in this process.
    pub extensions: Extensions,
}

/// An answer with this body.
#[derive(Debug)]
pub struct Response<B> {
    head: ResponseHead,
    body: B,
}

/// Whether no answer with this status has a body, whatever its fields say (RFC 9110, section 6.4.1). To `HEAD`, none has one.
pub const fn has_no_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 100..200 | 204 | 304)
}

/// What an answer begins with.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: Fields,
    /// What it carries along in this process.
    pub extensions: Extensions,
}

impl<B> Request<B> {
    /// A `GET` of `/` without fields.
    pub fn new(body: B) -> Self {
        Self { head: RequestHead::default(), body }
    }

    /// Of these parts.
    pub const fn from_parts(head: RequestHead, body: B) -> Self {
        Self { head, body }
    }

    /// Taken apart.
    pub fn into_parts(self) -> (RequestHead, B) {
        (self.head, self.body)
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.head.method
    }

    /// The method.
    pub const fn method_mut(&mut self) -> &mut Method {
        &mut self.head.method
    }

    /// The version of HTTP that it came in.
    pub const fn version_mut(&mut self) -> &mut Version {
        &mut self.head.version
    }

    /// The target.
    pub const fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The version of HTTP that it came in.
    pub const fn version(&self) -> Version {
        self.head.version
    }

    /// The fields.
    pub const fn headers(&self) -> &Fields {
        &self.head.headers
    }

    /// The fields.
    pub const fn headers_mut(&mut self) -> &mut Fields {
        &mut self.head.headers
    }

    /// What it carries along in this process.
    pub const fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// The body.
    pub const fn body(&self) -> &B {
        &self.body
    }

    /// The body.
    pub const fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The same with another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Request<C> {
        Request { head: self.head, body: change(self.body) }
    }
}

impl<B> Response<B> {
    /// With status 200 and without fields.
    pub fn new(body: B) -> Self {
        Self { head: ResponseHead::default(), body }
    }

    /// Taken apart.
    pub fn into_parts(self) -> (ResponseHead, B) {
        (self.head, self.body)
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The status.
    pub const fn status_mut(&mut self) -> &mut StatusCode {
        &mut self.head.status
    }

    /// The fields.
    pub const fn headers(&self) -> &Fields {
        &self.head.headers
    }

    /// The fields.
    pub const fn headers_mut(&mut self) -> &mut Fields {
        &mut self.head.headers
    }

    /// The body.
    pub const fn body(&self) -> &B {
        &self.body
    }

    /// The same with another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Response<C> {
        Response { head: self.head, body: change(self.body) }
    }
}

impl From<http::request::Parts> for RequestHead {
    fn from(parts: http::request::Parts) -> Self {
        let http::request::Parts { method, uri, version, headers, extensions, .. } = parts;
        Self { method, uri, version, headers: Fields::from(&headers), extensions }
    }
}

impl From<RequestHead> for http::request::Parts {
    fn from(head: RequestHead) -> Self {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = head.method;
        parts.uri = head.uri;
        parts.version = head.version;
        parts.headers = head.headers.to_map();
        parts.extensions = head.extensions;
        parts
    }
}

impl<B> From<http::Request<B>> for Request<B> {
    fn from(request: http::Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self { head: parts.into(), body }
    }
}

impl<B> From<http::Response<B>> for Response<B> {
    fn from(response: http::Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        let http::response::Parts { status, headers, extensions, .. } = parts;
        Self { head: ResponseHead { status, headers: Fields::from(&headers), extensions }, body }
    }
}

impl<B> From<Response<B>> for http::Response<B> {
    fn from(response: Response<B>) -> Self {
        let mut made = Self::new(response.body);
        *made.status_mut() = response.head.status;
        *made.headers_mut() = response.head.headers.to_map();
        *made.extensions_mut() = response.head.extensions;
        made
    }
}
