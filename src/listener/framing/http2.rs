//! What HTTP/2 asks of a request beyond that (RFC 9113, section 8), and how it is put so that the rest of the gateway
//! reads it as one in HTTP/1.1.

use h2::ext::Protocol;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderValue, Method};

use super::BadRequest;
use crate::http1::MOST_FIELDS;
use crate::http2::CONNECTION_SPECIFIC;
use crate::message::{Fields, RequestHead, Value};

/// In how many pieces cookies may come. Browsers that send each by itself have at most 180 of a site.
const CRUMBS: usize = 256;

/// Refuses what is malformed; names the host in `Host`, joins the pieces of cookies, puts the way to ask for a WebSocket as
/// that of HTTP/1.1. With cookies joined there may be as many fields as in HTTP/1.1.
pub(super) fn settle(head: &mut RequestHead) -> Result<(), BadRequest> {
    check_fields(&head.headers)?;
    if let (Some(authority), false) = (head.uri.authority(), head.headers.contains_key(HOST)) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BadRequest::Host)?;
        head.headers.insert(HOST, host);
    }
    join_cookies(&mut head.headers)?;
    if head.method == Method::CONNECT && asks_for_websocket(head) {
        // What is said on the stream is no body.
        if head.headers.contains_key(CONTENT_LENGTH) {
            return Err(BadRequest::Length);
        }
        head.method = Method::GET;
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    if head.headers.len() > MOST_FIELDS { Err(BadRequest::TooManyFields) } else { Ok(()) }
}

fn check_fields(headers: &Fields) -> Result<(), BadRequest> {
    let of_the_connection = CONNECTION_SPECIFIC.iter().any(|name| headers.contains_key(name));
    let other_codings = headers.get_all(TE).any(|te| te != "trailers");
    // In HTTP/1.1 the dashboard would read another value than was judged here.
    let is_padded = headers.values().any(Value::is_padded);
    if of_the_connection || other_codings || is_padded {
        return Err(BadRequest::Field);
    }
    Ok(())
}

/// Section 8.2.3: what follows reads, counts and forwards one `Cookie`.
fn join_cookies(headers: &mut Fields) -> Result<(), BadRequest> {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).map(Value::as_bytes).collect();
    if crumbs.len() > CRUMBS {
        return Err(BadRequest::TooManyFields);
    }
    if crumbs.len() > 1 {
        // An empty one at an end would leave space around the value.
        let said: Vec<&[u8]> = crumbs.into_iter().filter(|crumb| !crumb.is_empty()).collect();
        let joined = HeaderValue::from_bytes(&said.join(&b"; "[..])).map_err(|_| BadRequest::Field)?;
        headers.insert(COOKIE, joined);
    }
    Ok(())
}

/// Any `CONNECT` but this one (RFC 8441, section 4) is left for those that are refused.
fn asks_for_websocket(head: &RequestHead) -> bool {
    head.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::super::check;
    use super::*;

    fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut request = Request::builder().version(Version::HTTP_2).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0.into()
    }

    fn refusal(target: &str, fields: &[(&str, &str)]) -> Option<BadRequest> {
        check(&mut head(target, fields)).err()
    }

    const HERE: &str = "https://a.example:8443/x?y";

    #[test]
    fn the_authority_is_the_host_and_the_target_is_in_origin_form() {
        for fields in [&[][..], &[("host", "a.example:8443")], &[("host", "A.example:8443")]] {
            let mut head = head(HERE, fields);
            let host = check(&mut head).expect("a good request");
            assert_eq!((host.name(), head.uri.to_string().as_str()), ("a.example", "/x?y"));
            assert_eq!(head.headers.get_all(HOST).count(), 1);
        }
        assert_eq!(refusal("/x", &[("host", "a.example")]), None, "as an intermediary may put it");
    }

    #[test]
    fn another_host_than_the_authority_is_refused() {
        assert_eq!(refusal(HERE, &[("host", "b.example:8443")]), Some(BadRequest::HostMismatch));
        assert_eq!(refusal(HERE, &[("host", "a.example")]), Some(BadRequest::HostMismatch));
        assert_eq!(refusal(HERE, &[("host", "a.example:8443"), ("host", "b")]), Some(BadRequest::HostCount));
        assert_eq!(refusal("/x", &[]), Some(BadRequest::HostCount));
        assert_eq!(refusal("https://u@a.example/", &[]), Some(BadRequest::Host));
        assert_eq!(refusal("ftp://a.example/", &[]), Some(BadRequest::Target));
    }

    #[test]
    fn fields_of_a_connection_are_refused() {
        for name in ["connection", "upgrade", "transfer-encoding", "keep-alive", "proxy-connection"] {
            assert_eq!(refusal(HERE, &[(name, "x")]), Some(BadRequest::Field), "{name}");
        }
        assert_eq!(refusal(HERE, &[("te", "trailers")]), None);
        assert_eq!(refusal(HERE, &[("te", "trailers, deflate")]), Some(BadRequest::Field));
        assert_eq!(refusal(HERE, &[("te", "trailers"), ("te", "gzip")]), Some(BadRequest::Field));
    }

    #[test]
    fn a_value_has_no_space_around_it() {
        assert_eq!(refusal(HERE, &[("x", "a b"), ("y", "")]), None);
        for value in [" a", "a ", "\ta", "a\t", " "] {
            assert_eq!(refusal(HERE, &[("x", value)]), Some(BadRequest::Field), "{value:?}");
        }
    }

    #[test]
    fn a_length_has_one_reading() {
        assert_eq!(refusal(HERE, &[("content-length", "5")]), None);
        assert_eq!(refusal(HERE, &[("content-length", "+5")]), Some(BadRequest::Length));
        assert_eq!(refusal(HERE, &[("content-length", "5"), ("content-length", "5")]), Some(BadRequest::Length));
    }

    #[test]
    fn cookies_in_pieces_become_one_in_their_order() {
        let mut head = head(HERE, &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3"), ("cookie", "a=4")]);
        check(&mut head).expect("a good request");
        let lines: Vec<_> = head.headers.get_all(COOKIE).collect();
        assert_eq!(lines, ["a=1; b=2; c=3; a=4"]);
        for (crumbs, joined) in [(&["", "a=1", "", "b=2", ""][..], "a=1; b=2"), (&["", ""], "")] {
            let crumbs: Vec<_> = crumbs.iter().map(|crumb| ("cookie", *crumb)).collect();
            let mut head = self::head(HERE, &crumbs);
            check(&mut head).expect("a good request");
            assert_eq!(head.headers.get(COOKIE).expect("one"), joined, "with no space around it");
        }
    }

    #[test]
    fn there_is_an_end_to_pieces_and_fields() {
        assert_eq!(refusal(HERE, &[("cookie", "a=1"); CRUMBS]), None);
        assert_eq!(refusal(HERE, &[("cookie", "a=1"); CRUMBS + 1]), Some(BadRequest::TooManyFields));
        assert_eq!(refusal(HERE, &[("x", "y"); MOST_FIELDS - 1]), None, "and the host");
        assert_eq!(refusal(HERE, &[("x", "y"); MOST_FIELDS]), Some(BadRequest::TooManyFields));
        assert_eq!(BadRequest::TooManyFields.status(), 431);
    }

    #[test]
    fn connect_asks_for_a_websocket_or_is_refused() {
        let asked = |protocol: Option<&'static str>| {
            let mut head = head(HERE, &[]);
            head.method = Method::CONNECT;
            if let Some(protocol) = protocol {
                head.extensions.insert(Protocol::from_static(protocol));
            }
            check(&mut head).map(|_| {
                let said = [CONNECTION, UPGRADE].map(|name| head.headers.get(name).map(Value::to_owned));
                (head.method, said)
            })
        };
        let as_in_http1 = (Method::GET, ["upgrade", "websocket"].map(|said| Some(HeaderValue::from_static(said))));
        assert_eq!(asked(Some("websocket")), Ok(as_in_http1));
        let mut with_length = head(HERE, &[("content-length", "0")]);
        with_length.method = Method::CONNECT;
        with_length.extensions.insert(Protocol::from_static("websocket"));
        assert_eq!(check(&mut with_length).err(), Some(BadRequest::Length), "what is said on it is no body");
        for other in [None, Some("connect-udp"), Some("WebSocket"), Some("websocket2"), Some("")] {
            assert_eq!(asked(other), Err(BadRequest::Method), "{other:?}");
        }
    }
}
