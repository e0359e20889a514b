//! The one switch of protocols that is passed on: to a WebSocket (RFC 6455), and only once the dashboard has agreed.

use data_encoding::BASE64;
use http::header::{HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT};
use http::{HeaderValue, Method, StatusCode, Version};

use super::headers::{self, Stripped};
use super::tunnels::Open;
use super::{ProxyError, relay};
use crate::body::Body;
use crate::entropy;
use crate::identity::client::{Client, FORWARDED_HOST, Scheme};
use crate::listener::switch::Switch;
use crate::message::{Fields, Request, Response, Several, Value};
use crate::upstream::{Switched, accept};

/// A client that asks for a WebSocket.
pub(super) struct Asked {
    client: Switch,
    /// What the dashboard has to agree with to a key of the gateway's own.
    accept: Option<HeaderValue>,
}

/// The client's side of a switch, if its request asks for one that may be passed on.
///
/// Browsers send cookies along with a WebSocket whatever page asks for it, so the page must be the site's own. A request in
/// HTTP/2 gets a key, which HTTP/1.1 wants and HTTP/2 has not (RFC 8441, section 5).
pub(super) fn asked(request: &mut Stripped<Box<Request<Body>>>, client: &Client) -> Result<Option<Asked>, ProxyError> {
    if !headers::asks_for_websocket(request.headers()) {
        return Ok(None);
    }
    if request.method() != Method::GET || request.version() < Version::HTTP_11 {
        request.remove_switch();
        return Ok(None);
    }
    if !from_own_origin(request.headers(), client) {
        return Err(ProxyError::ForeignOrigin);
    }
    let accept = (request.version() == Version::HTTP_2).then(|| {
        let key = BASE64.encode(&entropy::random::<16>());
        let accept = accept(key.as_bytes());
        request.set_websocket_key(HeaderValue::try_from(key).expect("base64 is visible ASCII"));
        accept
    });
    Ok(Some(Asked { client: request.upgrade(), accept }))
}

/// Refuses a request for a WebSocket from a page of another origin. Its head says what it asks for as one in HTTP/1.1.
pub(super) fn refuse_foreign(headers: &Fields, client: &Client) -> Result<(), ProxyError> {
    let foreign = headers::asks_for_websocket(headers) && !from_own_origin(headers, client);
    if foreign { Err(ProxyError::ForeignOrigin) } else { Ok(()) }
}

impl Asked {
    /// Whether the head of the answer, which says that the protocol is switched, is about what was asked for.
    pub(super) fn is_agreed_to(&self, headers: &Fields) -> bool {
        let accepts = |accept| headers.get(SEC_WEBSOCKET_ACCEPT) == Some(Value::from(accept));
        headers::asks_for_websocket(headers) && self.accept.as_ref().is_none_or(accepts)
    }
}

pub(crate) fn from_own_origin(headers: &Fields, client: &Client) -> bool {
    let origin = match headers.only(ORIGIN) {
        Ok(Some(origin)) => origin,
        Ok(None) => return true,
        Err(Several) => return false,
    };
    let forwarded = headers.get(FORWARDED_HOST).filter(|_| client.trusted);
    let hosts = [headers.get(HOST), forwarded];
    hosts.into_iter().flatten().any(|host| is_origin(origin, client.scheme, host))
}

/// Whether `origin` is the scheme and host. Browsers leave the scheme's own port out; others may not.
fn is_origin(origin: Value<'_>, scheme: Scheme, host: Value<'_>) -> bool {
    let (Some(origin), Some(host)) = (origin.to_str(), host.to_str()) else { return false };
    let default_port = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    let bare = |host: &'_ str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    match origin.split_once("://") {
        Some((said, rest)) => said.eq_ignore_ascii_case(scheme.as_str()) && bare(rest) == bare(host),
        None => false,
    }
}

/// Agrees to the switch as the dashboard did, and relays what both sides say from then on, until one of them, the session
/// or the gateway ends it.
pub(super) fn switch(asked: Asked, mut headers: Fields, upstream: Option<Switched>, open: Open) -> Response<Body> {
    let Asked { client, accept } = asked;
    if accept.is_some() {
        headers.remove(SEC_WEBSOCKET_ACCEPT);
    }
    tokio::spawn(async move {
        tokio::select! {
            () = tunnel(client, upstream) => {}
            () = open.ended.cancelled() => {}
        }
        drop(open);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    headers::set_switch(&mut headers);
    *response.headers_mut() = headers;
    response
}

async fn tunnel(client: Switch, upstream: Option<Switched>) {
    // Whoever goes away before the switch leaves nothing to relay, and nobody to tell.
    let Some(upstream) = upstream else { return };
    if let Some(upstream) = upstream.into_stream()
        && let Some(client) = client.into_stream().await
    {
        let ended = relay::between(client, upstream).await;
        tracing::trace!(?ended, "a tunnel closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::client::Peer;

    fn from(origin: &[&'static str], host: &'static str, scheme: Scheme) -> bool {
        let mut headers = Fields::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers.insert(FORWARDED_HOST, HeaderValue::from_static("outer.example"));
        for origin in origin {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        from_own_origin(
            &headers,
            &Client { address: None, scheme, peer: Peer::Unix, trusted: scheme == Scheme::Https, outer_login: false },
        )
    }

    #[test]
    fn a_websocket_is_for_pages_of_the_same_origin() {
        use Scheme::{Http, Https};
        assert!(from(&[], "a.example", Http), "programs send none");
        assert!(from(&["http://a.example"], "a.example", Http));
        assert!(from(&["http://A.example:80"], "a.example", Http));
        assert!(from(&["http://a.example"], "a.example:80", Http));
        assert!(from(&["http://a.example:8080"], "a.example:8080", Http));
        assert!(from(&["https://a.example"], "a.example:443", Https));
        assert!(from(&["https://outer.example"], "a.example", Https), "as a trusted proxy says");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        use Scheme::{Http, Https};
        let foreign = [
            "http://b.example",
            "https://a.example",
            "http://a.example:8080",
            "null",
            "",
            "a.example",
            "http://a.example.evil",
        ];
        for origin in foreign {
            assert!(!from(&[origin], "a.example", Http), "{origin:?}");
        }
        assert!(!from(&["http://outer.example"], "a.example", Http), "nobody to believe said so");
        assert!(!from(&["https://a.example:80"], "a.example", Https));
        assert!(!from(&["http://a.example", "http://a.example"], "a.example", Http));
    }
}
