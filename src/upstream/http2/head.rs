//! The heads of requests and answers, as HTTP/2 writes what the rest of the gateway reads as HTTP/1.1.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use h2::ext::Protocol;
use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TE, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, StatusCode, Uri, Version};

use super::super::{Purpose, UpstreamError};
use crate::http2::CONNECTION_SPECIFIC;
use crate::message::{Fields, RequestHead, Response};

/// Puts the head of a request as HTTP/2 does: what was `Host` is the authority, and what asks for a WebSocket is a
/// `CONNECT` (RFC 8441, section 4).
pub(super) fn write(mut head: RequestHead, scheme: &Scheme, purpose: Purpose) -> Result<Parts, UpstreamError> {
    let mut target = head.uri.into_parts();
    target.scheme = Some(scheme.clone());
    target.authority = head.headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    head.headers.remove(HOST);
    head.uri = Uri::from_parts(target).map_err(|_| UpstreamError::Http2("such host or target"))?;
    for name in CONNECTION_SPECIFIC {
        head.headers.remove(name);
    }
    // What trailers an answer has are passed on, or dropped by whoever can't.
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    if purpose == Purpose::Switch {
        head.method = Method::CONNECT;
        head.headers.remove(SEC_WEBSOCKET_KEY);
        head.extensions.insert(Protocol::from_static("websocket"));
    }
    head.version = Version::HTTP_2;
    Ok(head.into())
}

/// Refuses an answer that is malformed in a way the library does not mind, and puts one that agrees to a WebSocket as
/// HTTP/1.1 does, with what agrees to the key that was `asked` with.
pub(super) fn read<B>(answer: &mut Response<B>, asked: &Fields, purpose: Purpose) -> Result<(), UpstreamError> {
    if super::has_padding(answer.headers()) {
        return Err(UpstreamError::Malformed("space around the value of a field"));
    }
    if purpose == Purpose::Exchange || !answer.status().is_success() {
        return Ok(());
    }
    if answer.status() != StatusCode::OK {
        return Err(UpstreamError::Malformed("a status for a WebSocket that is not 200"));
    }
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    if let Some(key) = asked.get(SEC_WEBSOCKET_KEY) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept(key.as_bytes()));
    }
    Ok(())
}

/// What agrees to a key (RFC 6455, section 4.2.2).
pub(crate) fn accept(key: &[u8]) -> HeaderValue {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat());
    HeaderValue::try_from(BASE64.encode(digest.as_ref())).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn written(fields: &[(&str, &str)], purpose: Purpose) -> Result<Parts, UpstreamError> {
        let mut request = Request::get("/a%2fb?c=d");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        write(request.body(()).expect("a request").into_parts().0.into(), &Scheme::HTTPS, purpose)
    }

    #[test]
    fn the_host_becomes_the_authority_and_what_is_for_a_connection_stays_behind() {
        let fields = [
            ("host", "Insights.example:8443"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=1; b=2"),
            ("cookie", "c=3"),
        ];
        let head = written(&fields, Purpose::Exchange).expect("a head");
        assert_eq!(head.uri.to_string(), "https://Insights.example:8443/a%2fb?c=d");
        assert_eq!(head.headers.len(), 3);
        assert_eq!(head.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2", "c=3"]);
        assert_eq!(head.headers[TE], "trailers");
    }

    #[test]
    fn what_asks_for_a_websocket_is_a_connect_without_a_key() {
        let fields = [("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x")];
        let head = written(&fields, Purpose::Switch).expect("a head");
        assert_eq!((head.method, head.uri.to_string().as_str()), (Method::CONNECT, "https://a/a%2fb?c=d"));
        assert_eq!(head.headers.keys().collect::<Vec<_>>(), [TE]);
        assert_eq!(head.extensions.get::<Protocol>().map(Protocol::as_str), Some("websocket"));
    }

    #[test]
    fn a_host_that_is_no_authority_can_not_be_said() {
        for fields in [&[][..], &[("host", "")], &[("host", "a b")]] {
            assert!(matches!(written(fields, Purpose::Exchange), Err(UpstreamError::Http2(_))), "{fields:?}");
        }
    }

    #[test]
    fn a_key_is_agreed_to_as_in_the_example_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
