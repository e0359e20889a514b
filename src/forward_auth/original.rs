//! The original request, out of a question about it: what is missing, doubled or contradicts itself is no request.

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::uri::{self, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, Uri, Version};

use super::{Asked, Question, Source};
use crate::config::{Credential, Site};
use crate::identity::client::{self, Client, FORWARDED_FOR, FORWARDED_PROTO, Scheme};
use crate::listener::framing::{self, BadRequest, Host};
use crate::message::{Fields, Name, RequestHead, Several, Value};
use crate::proxy::headers;
use crate::site::query;
use crate::tokens::tokens;

/// Why a question is about no request that could be decided on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Whoever asks is believed about nobody.
    #[error("who asks is not one of trusted_proxies")]
    Untrusted,
    /// A field that says what the original request was is missing or empty.
    #[error("{0} is missing or empty")]
    Missing(HeaderName),
    /// It is there several times.
    #[error("{0} is there several times")]
    Several(HeaderName),
    /// It says nothing that could be in a request.
    #[error("{0} is malformed")]
    Malformed(HeaderName),
    /// What follows the endpoint's address is no target.
    #[error("no target follows the address")]
    NoTarget,
    /// Another field says something else of the request.
    #[error("{0} contradicts what is asked")]
    Contradiction(HeaderName),
    /// The gateway would have dropped this field, and the outer server passes it on.
    #[error("{0} may not reach the dashboard")]
    Unstripped(HeaderName),
    /// The same of a parameter in the query.
    #[error("a parameter of the query may not reach the dashboard")]
    UnstrippedQuery,
    /// The site has its pages below another prefix than the endpoint.
    #[error("the site has another prefix")]
    AnotherPrefix,
}

/// A question whose head has become that of the original request.
pub struct Original<'a> {
    asked: Asked<'a>,
    host: Host,
}

impl<'a> Asked<'a> {
    /// Makes the head of a question that of the request it is about. Nothing changes if it is about none.
    ///
    /// The head must have been through [`framing::check`], which found this host, and come from somebody who is believed. It
    /// is that of another request now, which has to be [checked](Original::check) as well.
    pub fn restore(self, head: &mut RequestHead, host: Host) -> Result<Original<'a>, Denied> {
        let (method, target) = (self.method(head)?, self.target(head)?);
        let (host, scheme) = (self.host(head, host)?, scheme(&head.headers)?);
        let said = Said { method: &method, target: target.as_str(), host: host.authority(), scheme };
        let contradicts = |(name, value): &(Name<'_>, Value<'_>)| !said.agrees(name, value.as_bytes());
        if let Some((name, _)) = head.headers.iter().find(contradicts) {
            return Err(Denied::Contradiction(name.to_owned()));
        }
        if !client::is_named(one(&head.headers, &FORWARDED_FOR)?) {
            return Err(Denied::Malformed(FORWARDED_FOR));
        }
        // Most have none of these fields.
        let may_switch = OF_A_SWITCH.iter().any(|name| head.headers.contains_key(name));
        let is_websocket = may_switch && asks_for_websocket(&method, &head.headers)?;

        let mut parts = uri::Parts::default();
        parts.path_and_query = Some(target);
        head.uri = Uri::from_parts(parts).map_err(|_| Denied::NoTarget)?;
        head.method = method;
        if let Source::Field(_) = self.adapter.host {
            head.headers.insert(HOST, &host);
        }
        if may_switch {
            head.headers.remove(CONNECTION);
            head.headers.remove(UPGRADE);
        }
        if is_websocket {
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        if head.version == Version::HTTP_2 {
            // Its head was put as in HTTP/1.1, and has been changed since.
            head.version = Version::HTTP_11;
        }
        Ok(Original { asked: self, host })
    }

    fn method(&self, head: &RequestHead) -> Result<Method, Denied> {
        match &self.adapter.method {
            Source::Question => Ok(head.method.clone()),
            Source::Field(name) => {
                let value = one(&head.headers, name)?;
                Method::from_bytes(value.as_bytes()).map_err(|_| Denied::Malformed(name.clone()))
            }
        }
    }

    fn target(&self, head: &RequestHead) -> Result<PathAndQuery, Denied> {
        match &self.adapter.target {
            Source::Field(name) => {
                let value = one(&head.headers, name)?;
                path_and_query(value.as_bytes()).ok_or_else(|| Denied::Malformed(name.clone()))
            }
            Source::Question => {
                let asked = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
                let rest = self.address().iter().try_fold(asked, |rest, part| rest.strip_prefix(part));
                rest.and_then(|rest| path_and_query(rest.as_bytes())).ok_or(Denied::NoTarget)
            }
        }
    }

    fn host(&self, head: &RequestHead, asked: Host) -> Result<Host, Denied> {
        match &self.adapter.host {
            Source::Question => Ok(asked),
            Source::Field(name) => {
                Host::parse(one(&head.headers, name)?).ok_or_else(|| Denied::Malformed(name.clone()))
            }
        }
    }
}

impl Original<'_> {
    /// Checks its head as [`framing::check`] does that of every request, and returns the host it is for. Once is enough for
    /// what the question has in common with it.
    pub fn check(&self, head: &RequestHead) -> Result<Host, BadRequest> {
        framing::check_again(head)?;
        Ok(self.host.clone())
    }

    /// What is to be said of the request.
    pub const fn question(&self) -> Question {
        self.asked.question
    }

    /// Whether a refusal is all that will be said: for nothing has to be opened that somebody could go on with.
    pub const fn is_silent(&self) -> bool {
        self.asked.is_silent()
    }

    /// Whether the outer server sends the request on as it is judged here: without any field and parameter that the
    /// gateway would drop, but for those that every outer server sets itself.
    ///
    /// `head` is that of the original request, `client` its client, and nothing was dropped from it.
    pub fn is_sent_as_judged(&self, head: &RequestHead, site: &Site, client: &Client) -> Result<(), Denied> {
        if self.asked.prefix != site.prefix {
            return Err(Denied::AnotherPrefix);
        }
        let adds = self.asked.adapter.adds;
        let is_settled = |name: &Name<'_>| headers::is_settled_in_front(*name, site, client, adds);
        if let Some(name) = head.headers.keys().find(|name| !is_settled(name)) {
            return Err(Denied::Unstripped(name.to_owned()));
        }
        if query::is_stripped(&head.uri, &site.strip_query) {
            return Err(Denied::UnstrippedQuery);
        }
        Ok(())
    }

    /// Whether each credential is there once at most: of several, whoever reads them may take the first, the last or all,
    /// and outer servers pass on one. `head` is without the gateway's own cookie.
    pub fn is_unambiguous(&self, head: &RequestHead, site: &Site) -> Result<(), Denied> {
        let fields = site.credentials.iter().filter_map(|credential| match credential {
            Credential::Header(name) => Some(name),
            Credential::Cookie | Credential::Query(_) => None,
        });
        let several = |name: &&HeaderName| head.headers.only(*name).is_err();
        match [&COOKIE, &AUTHORIZATION].into_iter().chain(fields).find(several) {
            Some(name) => Err(Denied::Several(name.clone())),
            None => Ok(()),
        }
    }
}

/// The value of a field that is there once, and not empty.
fn one<'a>(headers: &'a Fields, name: &HeaderName) -> Result<Value<'a>, Denied> {
    match headers.only(name) {
        Ok(Some(value)) if !value.as_bytes().is_empty() => Ok(value),
        Ok(_) => Err(Denied::Missing(name.clone())),
        Err(Several) => Err(Denied::Several(name.clone())),
    }
}

/// A target in origin form, byte for byte: the library would end it at a `#`.
fn path_and_query(sent: &[u8]) -> Option<PathAndQuery> {
    let target = PathAndQuery::try_from(sent).ok()?;
    (sent.starts_with(b"/") && target.as_str().as_bytes() == sent).then_some(target)
}

fn scheme(headers: &Fields) -> Result<Scheme, Denied> {
    let value = one(headers, &FORWARDED_PROTO)?;
    named_scheme(value.as_bytes()).ok_or(Denied::Malformed(FORWARDED_PROTO))
}

fn named_scheme(value: &[u8]) -> Option<Scheme> {
    std::str::from_utf8(value).ok().and_then(Scheme::named)
}

/// What [`asks_for_websocket`] reads.
const OF_A_SWITCH: [HeaderName; 4] = [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];

/// Whether the original request asks for a WebSocket. Outer servers clear `Upgrade` in their questions, so the handshake's
/// other fields say so (RFC 6455, section 4.1).
fn asks_for_websocket(method: &Method, headers: &Fields) -> Result<bool, Denied> {
    let of_this_hop: [&[u8]; 5] = [b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"];
    let names_no_field =
        |token: &[u8]| token.is_empty() || of_this_hop.iter().any(|known| token.eq_ignore_ascii_case(known));
    if !tokens(headers, &CONNECTION).all(names_no_field) {
        // Fields that are left out on the way to the dashboard by one of the two servers, and not by the other.
        return Err(Denied::Unstripped(CONNECTION));
    }
    let handshake = [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION].iter().any(|name| headers.contains_key(name));
    let named = headers.get_all(UPGRADE).any(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    Ok(*method == Method::GET && (handshake || named))
}

/// What was read of the original request.
struct Said<'a> {
    method: &'a Method,
    target: &'a str,
    host: &'a str,
    scheme: Scheme,
}

impl Said<'_> {
    /// Whether a field says the same of the request, or nothing.
    fn agrees(&self, name: &str, value: &[u8]) -> bool {
        // Each of the names below begins with one of these, and few others do.
        if !name.starts_with(['x', 'f']) {
            return true;
        }
        match name {
            "x-original-method" | "x-forwarded-method" => value == self.method.as_str().as_bytes(),
            "x-original-uri"
            | "x-original-url"
            | "x-forwarded-uri"
            | "x-forwarded-url"
            | "x-rewrite-url"
            | "x-envoy-original-path" => self.is_target(value),
            "x-original-host" | "x-forwarded-host" | "x-host" => self.is_host(value),
            "x-forwarded-proto" | "x-forwarded-scheme" | "x-original-proto" | "x-original-scheme" | "x-scheme"
            | "x-url-scheme" => named_scheme(value) == Some(self.scheme),
            "forwarded" => self.agrees_with_all(value),
            _ => true,
        }
    }

    fn is_target(&self, value: &[u8]) -> bool {
        let absolute = || format!("{}://{}{}", self.scheme.as_str(), self.host, self.target);
        value == self.target.as_bytes() || (!value.starts_with(b"/") && value == absolute().as_bytes())
    }

    fn is_host(&self, value: &[u8]) -> bool {
        value.eq_ignore_ascii_case(self.host.as_bytes())
    }

    /// RFC 7239: what each hop says of the host and the scheme.
    fn agrees_with_all(&self, forwarded: &[u8]) -> bool {
        forwarded.split(|byte| matches!(byte, b',' | b';')).all(|pair| {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii();
            let value = halves.next().unwrap_or_default().trim_ascii();
            let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
            match name {
                _ if name.eq_ignore_ascii_case(b"host") => self.is_host(value),
                _ if name.eq_ignore_ascii_case(b"proto") => named_scheme(value) == Some(self.scheme),
                _ => true,
            }
        })
    }
}
