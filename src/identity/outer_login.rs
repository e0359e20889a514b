//! A login in front of the gateway: whether a request came through it, and whom its header fields name.
//!
//! | the request | the verdict |
//! |---|---|
//! | is not from a trusted peer, or that peer does not prove itself: by the secret or, where there is none, by being on this machine | unknown |
//! | has one of the fields, or the secret's, in a spelling that some server reads as the same name | unknown |
//! | has no field for the user | anonymous: nobody has logged in there |
//! | has a field twice; the user or the organization empty, blank, longer than 256 characters, with a control character, `,` or `;`, or not in UTF-8 | unknown |
//! | has all that is needed, each once | identified |
//!
//! Where the verdict is *unknown* in the first two rows, the fields are dropped as well: the dashboard never sees them.

use std::sync::Arc;

use super::answer::{Reader, Unusable};
use super::client::{Client, Peer};
use super::complaint::Complaint;
use super::value::Document;
use super::{Identity, Unknown, Verdict};
use crate::clock::Clock;
use crate::config::{self, SharedSecret, Site, Source, Value};
use crate::message::{Fields, Name, RequestHead};

/// Whether this request comes from the login in front of the site, and what its fields say is believed. `headers` are
/// those of the request as they came.
pub(super) fn vouches(site: &Site, client: &Client, headers: &Fields) -> bool {
    let Source::Header(login) = &site.identity.source else { return false };
    client.trusted && proves_itself(login.secret.as_ref(), client.peer, headers) && !has_odd_spelling(login, headers)
}

/// Where there is a secret, it has to be shown from wherever.
fn proves_itself(secret: Option<&SharedSecret>, peer: Peer, headers: &Fields) -> bool {
    match (secret, peer) {
        (Some(secret), _) => {
            let Ok(Some(shown)) = headers.only(&secret.field) else { return false };
            secret.value.is(shown.as_bytes())
        }
        (None, Peer::Unix) => true,
        (None, Peer::Tcp(address)) => address.is_loopback(),
        (None, Peer::Balancer(_)) => false,
    }
}

/// Whether a client tries to say something by a name that servers may read as that of one of the fields, such as
/// `x_forwarded_user`: the login in front would have to know that, and drop it.
fn has_odd_spelling(login: &config::OuterLogin, headers: &Fields) -> bool {
    let fields = || login.fields.iter().chain(login.secret.as_ref().map(|secret| &secret.field));
    let is_odd = |name: &Name<'_>| name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-');
    let is_like_one = |name: Name<'_>| fields().any(|field| letters(field.as_str()).eq(letters(&name)));
    headers.keys().filter(is_odd).any(is_like_one)
}

fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric)
}

/// Reads what the login in front of one site says.
#[derive(Debug)]
pub struct OuterLogin {
    site: Arc<Site>,
    reader: Reader,
    complaint: Complaint,
}

/// Why it is not known who has logged in; for the log.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the request did not come through the login in front, or that did not prove itself")]
    Elsewhere,
    #[error("what the login in front says can't be used")]
    Unusable(#[from] Unusable),
}

impl OuterLogin {
    pub(crate) fn new(site: Arc<Site>, clock: Clock) -> Self {
        let complaint = Complaint::new(&site.name, clock);
        Self { reader: Reader::new(&site.identity), site, complaint }
    }

    /// Whom the fields of this request name. `client` is that of `head`.
    pub(crate) fn identify(&self, head: &RequestHead, client: &Client) -> Verdict {
        match self.read(&head.headers, client) {
            Ok(Some(identity)) => Verdict::Identified(Arc::new(identity)),
            Ok(None) => Verdict::Anonymous,
            Err(refused) => {
                self.complaint.make(&refused);
                Verdict::Unknown(Unknown::Unusable)
            }
        }
    }

    fn read(&self, headers: &Fields, client: &Client) -> Result<Option<Identity>, Refused> {
        if !client.outer_login {
            return Err(Refused::Elsewhere);
        }
        let rules = &self.site.identity;
        let is_there = |value: &Value| matches!(value, Value::Header(field) if headers.contains_key(field));
        if !is_there(&rules.user) {
            return Ok(None);
        }
        let identity = self.reader.person(&Document { headers, json: None, html: None })?;
        let mut identity = identity.ok_or(Unusable::Missing("user"))?;
        if is_list(&identity.user) {
            return Err(Unusable::BadText("user").into());
        }
        if is_there(&rules.organization) && is_list(&identity.organization) {
            return Err(Unusable::BadText("organization").into());
        }
        identity.email = identity.email.filter(|email| !is_list(email));
        Ok(Some(identity))
    }
}

/// Whether this may be what became of several lines of one name.
fn is_list(text: &str) -> bool {
    text.contains([',', ';'])
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::config::Secret;
    use crate::identity::client::Scheme;
    use crate::site::sample;

    const SECRET: &str = "a secret of 32 bytes or even more";

    fn site(secret: bool) -> Site {
        let field = HeaderName::from_static("x-secret");
        let secret = secret.then(|| SharedSecret { field, value: Secret::new(SECRET.into()) });
        let user = HeaderName::from_static("x-user");
        let source = Source::Header(config::OuterLogin { fields: vec![user.clone()], secret });
        let organization = Value::Fixed("acme, inc.".into());
        let identity = config::Identity { source, user: Value::Header(user), organization, ..sample::identity() };
        Site { identity: config::Identity { email: None, name: None, ..identity }, ..sample::site() }
    }

    fn client(peer: &str, trusted: bool) -> Client {
        let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().expect("an address")) };
        Client { address: None, scheme: Scheme::Https, peer, trusted, outer_login: false }
    }

    fn headers(fields: &[(&'static str, &str)]) -> Fields {
        let mut headers = Fields::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
        }
        headers
    }

    #[test]
    fn a_trusted_peer_is_believed_by_its_secret_or_on_this_machine() {
        let rows = [
            ("127.0.0.1", true, false, true),
            ("127.9.9.9", true, false, true),
            ("::1", true, false, true),
            ("unix", true, false, true),
            ("10.0.0.1", true, false, false),
            ("::ffff:127.0.0.1", true, false, false),
            ("127.0.0.1", false, false, false),
            ("unix", false, false, false),
            ("10.0.0.1", true, true, true),
            ("unix", true, true, true),
            ("10.0.0.1", false, true, false),
        ];
        for (peer, trusted, secret, expected) in rows {
            let shown = headers(&[("x-user", "u7"), ("x-secret", SECRET)]);
            assert_eq!(vouches(&site(secret), &client(peer, trusted), &shown), expected, "{peer}, {trusted}, {secret}");
            let hidden = vouches(&site(true), &client(peer, trusted), &headers(&[("x-user", "u7")]));
            assert!(!hidden, "the secret is wanted from {peer}, too");
        }
        assert!(!vouches(&sample::site(), &client("unix", true), &headers(&[])), "where the dashboard is asked");
    }

    #[test]
    fn what_is_fixed_is_the_operators_word_and_may_have_a_comma() {
        let site = Arc::new(site(false));
        let login = OuterLogin::new(Arc::clone(&site), Clock::system());
        let client = Client { outer_login: true, ..client("unix", true) };
        let read = login.read(&headers(&[("x-user", "u7")]), &client).expect("a user").expect("somebody");
        assert_eq!((read.user.as_str(), read.organization.as_str()), ("u7", "acme, inc."));
        let doubled = login.read(&headers(&[("x-user", "u7"), ("x-user", "u7")]), &client);
        assert!(matches!(doubled, Err(Refused::Unusable(Unusable::WrongType("user")))));
        assert!(matches!(login.read(&headers(&[]), &client), Ok(None)));
    }

    #[test]
    fn a_spelling_that_some_server_reads_as_a_field_is_nobodys() {
        let with = |other: &'static str| {
            let sent = headers(&[("x-user", "u7"), ("x-secret", SECRET), (other, "root")]);
            vouches(&site(true), &client("10.0.0.1", true), &sent)
        };
        for odd in ["x_user", "x.user", "xuser_", "x-user|", "x_secret", "_x_user_"] {
            assert!(!with(odd), "{odd}");
        }
        for other in ["x_user2", "user", "x-user-", "x_", "_"] {
            assert!(with(other), "{other}");
        }
    }

    #[test]
    fn what_may_have_been_several_lines_is_nobodys() {
        let mut site = site(false);
        site.identity.organization = Value::Header(HeaderName::from_static("x-org"));
        site.identity.email = Some(Value::Header(HeaderName::from_static("x-email")));
        let login = OuterLogin::new(Arc::new(site), Clock::system());
        let client = Client { outer_login: true, ..client("unix", true) };
        let read = |user: &str, organization: &str, email: &str| {
            let sent = headers(&[("x-user", user), ("x-org", organization), ("x-email", email)]);
            let read = login.read(&sent, &client).map(|identity| identity.expect("somebody").email);
            read.map_err(|refused| match refused {
                Refused::Unusable(Unusable::BadText(which)) => which,
                other => panic!("{other}"),
            })
        };
        assert_eq!(read("u7", "acme", "ann@example.com"), Ok(Some("ann@example.com".to_owned())));
        assert_eq!(read("u7", "acme", "ann@example.com, bob@example.com"), Ok(None));
        assert_eq!([read("u7, u8", "acme", "a"), read("u7", "acme;globex", "a")], [Err("user"), Err("organization")]);
    }
}
