//! What the gateway says to the dashboard of a request: who passes, and where it comes from.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue};

use super::ProxyError;
use crate::identity::client::Client;
use crate::message::{Fields, Value};
use crate::second_factor::Timestamp;
use crate::second_factor::policy::Traveler;

const USER: HeaderName = HeaderName::from_static("x-vestibule-user");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-vestibule-organization");
const FACTOR: HeaderName = HeaderName::from_static("x-vestibule-factor");
const VERIFIED_AT: HeaderName = HeaderName::from_static("x-vestibule-verified-at");

/// What was said the last time: somebody's address, names and time of verification as the values of fields.
#[derive(Debug, Default)]
pub(crate) struct Said {
    hop: Option<(IpAddr, HeaderValue)>,
    user: Option<HeaderValue>,
    organization: Option<HeaderValue>,
    verified_at: Option<(Timestamp, HeaderValue)>,
}

/// Who passes, and where the request comes from.
pub(crate) struct Introduction<'a> {
    pub(crate) traveler: Option<&'a Traveler>,
    pub(crate) client: &'a Client,
    pub(crate) said: &'a mut Said,
}

/// Sets every field that only the gateway may set, on a head that was stripped of them.
pub(super) fn introduce(headers: &mut Fields, introduction: Introduction<'_>) -> Result<(), ProxyError> {
    let Introduction { traveler, client, said } = introduction;
    set_traveler(headers, traveler, said)?;
    client.forward(headers, hop(client, said));
    Ok(())
}

fn hop<'a>(client: &Client, said: &'a mut Said) -> Option<&'a HeaderValue> {
    let address = client.peer.address()?;
    if said.hop.as_ref().is_none_or(|(of, _)| *of != address) {
        said.hop = Some((address, client.hop()?));
    }
    said.hop.as_ref().map(|(_, hop)| hop)
}

/// Whether it is one of the fields that name who passes.
pub(super) fn is_ours(name: &str) -> bool {
    [USER, ORGANIZATION, FACTOR, VERIFIED_AT].iter().any(|ours| ours.as_str() == name)
}

/// Names who passes: every such field, with nothing in it where nobody is named.
pub(super) fn set_traveler(
    headers: &mut Fields,
    traveler: Option<&Traveler>,
    said: &mut Said,
) -> Result<(), ProxyError> {
    let nothing = Value::default();
    let (user, organization) = match traveler {
        Some(Traveler { key, .. }) => {
            (speakable(&key.user, &mut said.user)?, speakable(&key.organization, &mut said.organization)?)
        }
        None => (nothing, nothing),
    };
    let (factor, at) = match traveler.and_then(|traveler| traveler.verified) {
        Some(verified) => (verified.by.as_str(), rfc3339(verified.at, &mut said.verified_at)),
        None => ("none", nothing),
    };
    headers.insert(USER, user);
    headers.insert(ORGANIZATION, organization);
    headers.insert(FACTOR, HeaderValue::from_static(factor));
    headers.insert(VERIFIED_AT, at);
    Ok(())
}

/// A name as the value of a field, if whoever reads the field reads the same name.
fn speakable<'a>(name: &str, said: &'a mut Option<HeaderValue>) -> Result<Value<'a>, ProxyError> {
    let is_said = said.as_ref().is_some_and(|said| said.as_bytes() == name.as_bytes());
    if !is_said && name.trim_ascii() != name {
        return Err(ProxyError::Unspeakable);
    }
    if !is_said {
        *said = Some(HeaderValue::from_bytes(name.as_bytes()).map_err(|_| ProxyError::Unspeakable)?);
    }
    Ok(said.as_ref().map(Value::from).unwrap_or_default())
}

/// RFC 3339 in UTC, to the second.
fn rfc3339(time: Timestamp, said: &mut Option<(Timestamp, HeaderValue)>) -> Value<'_> {
    if said.as_ref().is_none_or(|(of, _)| *of != time) {
        *said = HeaderValue::try_from(time.rfc3339()).ok().map(|value| (time, value));
    }
    said.as_ref().map(|(_, said)| Value::from(said)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::HOST;

    use super::*;
    use crate::identity::client::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, Peer, Scheme};
    use crate::second_factor::account::{AccountId, AccountKey, OrganizationId};
    use crate::second_factor::policy::Verified;
    use crate::second_factor::session::{SessionId, VerifiedBy};

    const PEER: Peer = Peer::Tcp(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

    fn traveler(user: &str, by: Option<VerifiedBy>) -> Traveler {
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
        introduce(&mut headers, Introduction { traveler, client: &client(PEER, false), said: &mut Said::default() })
            .map(|()| headers)
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
    fn whoever_came_last_nobody_is_named_but_who_passes_now() {
        let others =
            [("42", Some(VerifiedBy::Totp)), ("43", None), ("43", Some(VerifiedBy::RecoveryCode)), (" 43", None)];
        let mut said = Said::default();
        for (user, by) in others.into_iter().chain(others).chain(others.into_iter().rev()) {
            let mut traveler = traveler(user, by);
            for at in [1_800_000_000, 1_800_000_001] {
                traveler.verified = traveler.verified.map(|v| Verified { at: Timestamp::from_secs(at), ..v });
                let mut headers = Fields::new();
                let introduction =
                    Introduction { traveler: Some(&traveler), client: &client(PEER, false), said: &mut said };
                let introduced_again = introduce(&mut headers, introduction).map(|()| headers);
                assert_eq!(introduced_again.ok(), introduced(Some(&traveler)).ok(), "{user:?}");
            }
        }
    }

    #[test]
    fn whoever_came_last_the_address_is_that_of_the_peer_now() {
        let mut said = Said::default();
        let peers = [PEER, PEER, Peer::Tcp(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8))), Peer::Unix, PEER];
        let addresses = peers.map(|peer| {
            let mut headers = Fields::new();
            let introduction = Introduction { traveler: None, client: &client(peer, false), said: &mut said };
            introduce(&mut headers, introduction).expect("said");
            headers.get(FORWARDED_FOR).map(|value| value.to_str().expect("text").to_owned())
        });
        let addresses = addresses.each_ref().map(Option::as_deref);
        let [first, second] = ["192.0.2.7", "192.0.2.8"].map(Some);
        assert_eq!(addresses, [first, first, second, None, first]);
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
        introduce(&mut headers, Introduction { traveler: None, client, said: &mut Said::default() }).expect("said");
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
