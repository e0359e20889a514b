//! What the gateway says to the dashboard of a request: who passes, and where it comes from.

use http::{HeaderName, HeaderValue};

use super::ProxyError;
use crate::identity::client::Client;
use crate::message::{Fields, Value};
use crate::second_factor::policy::Traveler;

const USER: HeaderName = HeaderName::from_static("x-vestibule-user");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-vestibule-organization");
const FACTOR: HeaderName = HeaderName::from_static("x-vestibule-factor");
const VERIFIED_AT: HeaderName = HeaderName::from_static("x-vestibule-verified-at");

/// Who passes, and where the request comes from.
pub(crate) struct Introduction<'a> {
    pub(crate) traveler: Option<&'a Traveler>,
    pub(crate) client: &'a Client,
}

/// Sets every field that only the gateway may set, on a head that was stripped of them.
pub(super) fn introduce(headers: &mut Fields, introduction: &Introduction<'_>) -> Result<(), ProxyError> {
    set_traveler(headers, introduction.traveler)?;
    introduction.client.forward(headers);
    Ok(())
}

/// Whether it is one of the fields that name who passes.
pub(super) fn is_ours(name: &str) -> bool {
    [USER, ORGANIZATION, FACTOR, VERIFIED_AT].iter().any(|ours| ours.as_str() == name)
}

/// Names who passes: every such field, with nothing in it where nobody is named.
pub(super) fn set_traveler(headers: &mut Fields, traveler: Option<&Traveler>) -> Result<(), ProxyError> {
    let (user, organization) = match traveler {
        Some(Traveler { key, .. }) => (speakable(&key.user)?, speakable(&key.organization)?),
        None => (Value::default(), Value::default()),
    };
    headers.insert(USER, user);
    headers.insert(ORGANIZATION, organization);
    let (factor, at) = match traveler.and_then(|traveler| traveler.verified) {
        Some(verified) => (verified.by.as_str(), verified.at.rfc3339()),
        None => ("none", String::new()),
    };
    headers.insert(FACTOR, HeaderValue::from_static(factor));
    headers.insert(VERIFIED_AT, Value::of(at.as_bytes()).unwrap_or_default());
    Ok(())
}

/// A name as the value of a field, if whoever reads the field reads the same name.
fn speakable(name: &str) -> Result<Value<'_>, ProxyError> {
    Value::of(name.as_bytes()).filter(|_| name.trim_ascii() == name).ok_or(ProxyError::Unspeakable)
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use http::header::HOST;

    use super::*;
    use crate::identity::client::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, Peer, Scheme};
    use crate::second_factor::Timestamp;
    use crate::second_factor::account::{AccountId, AccountKey, OrganizationId};
    use crate::second_factor::policy::Verified;
    use crate::second_factor::session::{SessionId, VerifiedBy};

    const PEER: Peer = Peer::Tcp(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

    pub(in crate::proxy) fn traveler(user: &str, by: Option<VerifiedBy>) -> Traveler {
        let at = Timestamp::from_secs(1_800_000_000);
        Traveler {
            account: AccountId(1),
            key: Arc::new(AccountKey { realm: "insights".into(), organization: "acme".into(), user: user.into() }),
            organization: OrganizationId(1),
            verified: by.map(|by| Verified { session: SessionId(1), by, at, code_at: at }),
        }
    }

    fn client(peer: Peer, trusted: bool) -> Client {
        Client { address: None, scheme: Scheme::Https, peer, trusted, outer_login: false }
    }

    fn said(headers: &Fields) -> [&str; 4] {
        [USER, ORGANIZATION, FACTOR, VERIFIED_AT].map(|name| {
            assert_eq!(headers.get_all(&name).count(), 1, "{name} is always there, once");
            std::str::from_utf8(headers.get(&name).expect("it is").as_bytes()).expect("text")
        })
    }

    fn introduced(traveler: Option<&Traveler>) -> Result<Fields, ProxyError> {
        let mut headers = Fields::new();
        let introduction = Introduction { traveler, client: &client(PEER, false) };
        introduce(&mut headers, &introduction).map(|()| headers)
    }

    #[test]
    fn the_traveler_is_named_with_the_factor_they_gave() {
        let rows = [
            (Some(VerifiedBy::Totp), ["42", "acme", "totp", "2027-01-15T08:00:00Z"]),
            (Some(VerifiedBy::RecoveryCode), ["42", "acme", "recovery-code", "2027-01-15T08:00:00Z"]),
            (None, ["42", "acme", "none", ""]),
        ];
        for (by, expected) in rows {
            assert_eq!(said(&introduced(Some(&traveler("42", by))).expect("said")), expected);
        }
        assert_eq!(said(&introduced(None).expect("said")), ["", "", "none", ""]);
    }

    #[test]
    fn a_name_is_passed_on_as_it_is_or_not_at_all() {
        for user in ["a@b@c", "jürgen", "a, b; c=d", &"x".repeat(256)] {
            assert_eq!(said(&introduced(Some(&traveler(user, None))).expect("said"))[0], user);
        }
        for user in [" alice", "alice ", "a\r\nX-Vestibule-Factor: totp", "a\0b", "a\u{7f}"] {
            assert!(matches!(introduced(Some(&traveler(user, None))), Err(ProxyError::Unspeakable)), "{user:?}");
        }
    }

    fn forwarded(client: &Client, sent: &[(HeaderName, &'static str)]) -> [Option<String>; 3] {
        let mut headers = Fields::new();
        headers.insert(HOST, HeaderValue::from_static("insights.acme.example:8443"));
        for (name, value) in sent {
            headers.append(name, HeaderValue::from_static(value));
        }
        introduce(&mut headers, &Introduction { traveler: None, client }).expect("said");
        [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].map(|name| {
            assert!(headers.get_all(&name).count() <= 1, "{name} is there once at most");
            headers.get(name).map(|value| value.to_str().expect("text").to_owned())
        })
    }

    fn three(chain: Option<&str>, proto: &str, host: &str) -> [Option<String>; 3] {
        [chain.map(Into::into), Some(proto.into()), Some(host.into())]
    }

    const SENT: [(HeaderName, &str); 4] = [
        (FORWARDED_FOR, "203.0.113.9"),
        (FORWARDED_FOR, "198.51.100.2"),
        (FORWARDED_PROTO, "gopher"),
        (FORWARDED_HOST, "outer.example"),
    ];

    #[test]
    fn what_a_stranger_says_of_where_it_comes_from_is_replaced() {
        let host = "insights.acme.example:8443";
        assert_eq!(forwarded(&client(PEER, false), &SENT), three(Some("192.0.2.7"), "https", host));
        assert_eq!(forwarded(&client(PEER, false), &[]), three(Some("192.0.2.7"), "https", host));
        assert_eq!(forwarded(&client(Peer::Unix, false), &SENT), three(None, "https", host));
    }

    #[test]
    fn what_a_trusted_peer_says_is_continued() {
        let chain = Some("203.0.113.9, 198.51.100.2, 192.0.2.7");
        assert_eq!(forwarded(&client(PEER, true), &SENT), three(chain, "https", "outer.example"));
        let chain = Some("203.0.113.9, 198.51.100.2");
        assert_eq!(forwarded(&client(Peer::Unix, true), &SENT), three(chain, "https", "outer.example"));
        let doubtful = [(FORWARDED_HOST, "a"), (FORWARDED_HOST, "b")];
        let host = "insights.acme.example:8443";
        assert_eq!(forwarded(&client(PEER, true), &doubtful), three(Some("192.0.2.7"), "https", host));
    }
}
