//! Questions of servers in front: which request they are about.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{CONNECTION, HOST, UPGRADE};

use super::head::head;
use super::{folded, site};
use crate::config::OuterServer;
use crate::forward_auth::Asked;
use crate::identity::client::{Client, Peer, Scheme};
use crate::listener::framing;
use crate::message::{Fields, Name, RequestHead, Value};
use crate::proxy::headers;

/// The head of a question, as that of any request.
///
/// The other reading: that server's own fields, each there once; whatever else says something of the request says the
/// same. Where there is no such request, nothing of the question is changed. What the server may send on itself has
/// nothing in it that the gateway would drop, but for what such servers set.
pub(super) fn forward_auth(bytes: &[u8]) {
    let Some(mut head) = head(bytes).filter(|head| head.headers.len() < 200) else { return };
    let Ok(host) = framing::check(&mut head) else { return };
    let (sent, prefixes) = (head.clone(), ["/_2fa".to_owned()]);
    let Some(asked) = Asked::by(sent.uri.path(), &prefixes, &OuterServer::ALL) else { return };
    let server = named_in(sent.uri.path());
    let Ok(original) = asked.restore(&mut head, host) else {
        assert_eq!((&head.method, &head.uri, &head.headers), (&sent.method, &sent.uri, &sent.headers));
        return;
    };
    let about = About::read(server, &sent);
    assert_eq!((head.method.as_str(), head.uri.to_string()), (about.method.as_str(), about.target.clone()));
    assert_eq!(head.headers.get_all(HOST).collect::<Vec<_>>(), [about.host.as_str()]);
    nothing_contradicts(&sent.headers, &about);
    let switches = [CONNECTION, UPGRADE].map(|name| head.headers.get(name).map(Value::as_bytes));
    assert!([[None, None], [Some(&b"upgrade"[..]), Some(b"websocket")]].contains(&switches), "{switches:?}");

    let checked = original.check(&head);
    assert_eq!(checked, framing::check(&mut head), "nothing that has to be checked is left out");
    if checked.is_err() {
        return;
    }
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let peer = Peer::Unix;
    let client = Client { address: Some(address), scheme: Scheme::Https, peer, trusted: true, outer_login: false };
    if original.is_sent_as_judged(&head, &site(), &client).is_ok() {
        is_settled(&head, &client, server);
    }
}

/// Which request a question is about, as simply read as can be.
struct About {
    method: String,
    target: String,
    host: String,
}

impl About {
    fn read(server: &str, sent: &RequestHead) -> Self {
        let only = |name: &str| {
            let mut values = sent.headers.get_all(name);
            let value = values.next().and_then(|value| str::from_utf8(value.as_bytes()).ok()).expect("text");
            assert!(values.next().is_none(), "{name} is there twice");
            value.to_owned()
        };
        let address = "/_2fa/auth/envoy";
        let [method, target, host] = match server {
            "nginx" => [only("x-original-method"), only("x-original-uri"), only("host")],
            "envoy" => {
                let target = sent.uri.to_string();
                [sent.method.to_string(), target.strip_prefix(address).expect("asked there").to_owned(), only("host")]
            }
            _ => [only("x-forwarded-method"), only("x-forwarded-uri"), only("x-forwarded-host")],
        };
        assert!(target.starts_with('/'), "{target}");
        assert!(["http", "https", "ws", "wss"].contains(&only("x-forwarded-proto").to_ascii_lowercase().as_str()));
        only("x-forwarded-for").rsplit(',').next().map(str::trim).filter(|it| !it.is_empty()).expect("somebody");
        Self { method, target, host }
    }
}

fn named_in(path: &str) -> &str {
    let rest = path.strip_prefix("/_2fa/auth/").expect("asked there");
    OuterServer::ALL.map(OuterServer::name).into_iter().find(|name| rest.starts_with(name)).expect("a server")
}

fn nothing_contradicts(headers: &Fields, about: &About) {
    for (name, value) in headers.iter() {
        let value = str::from_utf8(value.as_bytes()).unwrap_or("\u{fffd}");
        let agrees = match name.as_str() {
            "x-original-method" | "x-forwarded-method" => value == about.method,
            "x-original-uri" | "x-original-url" | "x-forwarded-uri" | "x-rewrite-url" => {
                value == about.target || (value.contains("://") && value.ends_with(&about.target))
            }
            "x-original-host" | "x-forwarded-host" => value.eq_ignore_ascii_case(&about.host),
            _ => true,
        };
        assert!(agrees, "{name}: {value}");
    }
}

/// Whether what the gateway would drop is only what servers in front set, or end.
fn is_settled(sent: &RequestHead, client: &Client, server: &str) {
    let (mut left, sent) = (sent.clone(), &sent.headers);
    let left = headers::strip(&mut left, &site(), client);
    let named: Vec<_> = sent.get_all(CONNECTION).map(Value::as_bytes).collect();
    let dropped = sent.keys().filter(|name| !left.headers.contains_key(name.as_str()));
    for name in dropped.map(Name::as_str) {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_of_hop = ["keep-alive", "proxy-connection", "te", "trailer", "expect", "http2-settings", "upgrade"];
        let is_of_way = ["x-forwarded-", "x-original-"].iter().any(|start| name.starts_with(start))
            || (name.starts_with("x-envoy-") && server == "envoy");
        let ours = ["x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor", "x-vestibule-verified-at"];
        let says_where_from = name.ends_with("-ip") || name.ends_with("-addr");
        let others = ["forwarded", "x-forwarded", "x-host", "x-rewrite-url", "connection"];
        let is_known =
            is_of_hop.contains(&name) || is_of_way || ours.contains(&name) || says_where_from || others.contains(&name);
        assert!(is_plain && is_known && folded(name) != "remote-user", "{name} would be dropped, beside {named:?}");
    }
}
