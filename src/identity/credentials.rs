//! What a request carries of the dashboard's credentials.
//!
//! The dashboard is asked with these, the answer is kept for exactly these, and sessions are bound to one of them.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use http::header::{AUTHORIZATION, COOKIE};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::client::{Client, Scheme};
use super::token;
use crate::config::{Bind, Credential, Site, Source, Token, TokenPlace};
use crate::entropy;
use crate::message::{Fields, KnownNames, Name, RequestHead, Value};
use crate::second_factor::digests::{DigestKeys, joined, sha256};
use crate::second_factor::session::{Binding, BindingCheck};
use crate::session_cookie::pairs;
use crate::site::cookie::{around, pieces};
use crate::site::query::{self, could_begin, could_name};
use crate::via;

/// A request's credentials, without the secrets in them: small, and good after the request is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    key: Key,
    carries: Carries,
    bound: Bound,
}

/// Whether a request carries any credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// It does: the dashboard can be asked whose they are.
    Carried,
    /// It does not, at a site where every request of somebody who is logged in would: nobody is.
    Nothing,
    /// It does not, at a site whose credentials live in fields or parameters that a page's navigation never carries.
    NotCarried,
}

/// Keyed hash of everything by which the dashboard could tell this request's probe from another: SipHash-1-3 with 128 bits
/// (Aumasson and Bernstein, 2012), under a secret that is drawn anew with each start. Who knows neither the secret nor any
/// hash can't work out which requests have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u128);

/// What it is worth depends on nobody seeing it.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// What the request shows of the credential that sessions are bound to, before the key comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Unbound,
    NotCarried,
    Carried(Option<[u8; 32]>),
}

/// The keyed digest of a credential that was carried, with what it is of. Of one process: its keys stay.
#[derive(Debug, Default)]
pub struct LastBinding(Option<([u8; 32], Binding)>);

impl LastBinding {
    fn of(&mut self, carried: [u8; 32], keys: &DigestKeys) -> Binding {
        match self.0 {
            Some((last, binding)) if last == carried => binding,
            _ => self.0.insert((carried, keys.binding(&carried))).1,
        }
    }
}

impl Credentials {
    /// Reads them from the head of a request: after the gateway's own cookie was taken out and what clients may not send
    /// was stripped, and before anything is added. `host` is the site's host as it was asked for.
    pub fn of(site: &Site, head: &RequestHead, client: &Client, host: &str) -> Self {
        Self::read(key(site, head, client, host), site, head)
    }

    fn read(key: Key, site: &Site, head: &RequestHead) -> Self {
        let carries = carries(site, head);
        Self { key, carries, bound: bound(site, head, carries) }
    }

    /// Whether there are any.
    pub const fn carries(&self) -> Carries {
        self.carries
    }

    /// What the request shows of the credential that sessions are bound to; not computed again where it is the last one.
    pub fn binding_check(&self, keys: &DigestKeys, last: &mut LastBinding) -> BindingCheck {
        match self.bound {
            Bound::Unbound => BindingCheck::Unbound,
            Bound::NotCarried => BindingCheck::NotCarried,
            Bound::Carried(digest) => BindingCheck::Carried(digest.map(|digest| last.of(digest, keys))),
        }
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}

/// The fields of a request that its probe carries, as they are: credentials, and what the dashboard may compare with the
/// login they came from. Cookies and `Authorization` are among them even where the operator counts neither as a
/// credential: should the dashboard honor one after all, then in the probe as well.
pub(super) fn carried_fields<'a>(
    site: &'a Site,
    head: &'a RequestHead,
    client: &'a Client,
) -> impl Iterator<Item = (Name<'a>, Value<'a>)> {
    const ALWAYS: KnownNames = KnownNames::of(&["cookie", "authorization", "host", "user-agent"]);
    static OF_ANYBODY: KnownNames = ALWAYS;
    static OF_TRUSTED: KnownNames = ALWAYS.and(&["x-forwarded-for", "x-forwarded-host"]);
    let names = if client.trusted { &OF_TRUSTED } else { &OF_ANYBODY };
    // Most sites have none beside these, and then the names of other lines are not looked at.
    let is_other = |credential: &Credential| matches!(credential, Credential::Header(field) if *field != AUTHORIZATION);
    let others = site.credentials.iter().any(is_other).then_some(|name: Name<'_>| is_credential(site, &name));
    head.headers.iter_of(names, others)
}

/// The parts of a request's query that its probe carries, as they were sent.
///
/// Whatever could be read as the parameter goes along, and goes along whole: every framework reads the same in the probe.
pub(super) fn carried_query<'a>(site: &'a Site, head: &'a RequestHead) -> impl Iterator<Item = &'a str> {
    let query = head.uri.query().filter(|_| site.credentials.iter().any(|c| matches!(c, Credential::Query(_))));
    query.into_iter().flat_map(|query| query.split('&')).filter(|part| {
        site.credentials.iter().any(|credential| match credential {
            Credential::Query(parameter) => could_name(part, parameter),
            Credential::Cookie | Credential::Header(_) => false,
        })
    })
}

/// Takes every credential out of a request: the dashboard can't but answer it as nobody's.
pub fn withhold(head: &mut RequestHead, site: &Site) {
    head.headers.retain(|name, _| !(matches!(&*name, "cookie" | "authorization") || is_credential(site, &name)));
    let parameters = site.credentials.iter().filter_map(|credential| match credential {
        Credential::Query(parameter) => Some(parameter.clone()),
        Credential::Cookie | Credential::Header(_) => None,
    });
    query::strip(&mut head.uri, &parameters.collect::<Vec<_>>());
}

/// Whether a field other than cookies is one.
fn is_credential(site: &Site, name: &str) -> bool {
    site.credentials.iter().any(|credential| matches!(credential, Credential::Header(field) if field == name))
}

fn carries(site: &Site, head: &RequestHead) -> Carries {
    let is_carried = |credential: &Credential| match credential {
        Credential::Cookie => head.headers.contains_key(COOKIE),
        Credential::Header(field) => head.headers.contains_key(field),
        Credential::Query(_) => false,
    };
    if site.credentials.iter().any(is_carried) || carried_query(site, head).next().is_some() {
        Carries::Carried
    } else if site.credentials.contains(&Credential::Cookie) {
        Carries::Nothing
    } else {
        Carries::NotCarried
    }
}

fn key(site: &Site, head: &RequestHead, client: &Client, host: &str) -> Key {
    let mut hash = Hash::new();
    let flags = u64::from(client.scheme == Scheme::Https) << 1 | u64::from(client.trusted);
    hash.number((via::rounds(&head.headers) as u64) << 2 | flags);
    hash.address(client.address);
    hash.address(client.peer.address());
    hash.pair(site.name.as_bytes(), host.as_bytes());
    carried_fields(site, head, client).for_each(|(name, value)| hash.field(name, value.as_bytes()));
    // No field is called this, so no list of fields looks like one that is followed by a query.
    for part in carried_query(site, head) {
        hash.pair(b"?", part.as_bytes());
    }
    hash.finish()
}

/// A hash over numbers, pairs of texts with their lengths before them, and addresses with their kind: no two lists give the
/// same bytes.
struct Hash(SipHasher13);

impl Hash {
    fn new() -> Self {
        static SECRET: LazyLock<[u8; 16]> = LazyLock::new(entropy::random);
        Self(SipHasher13::new_with_key(&SECRET))
    }

    fn number(&mut self, number: u64) {
        self.0.write_u64(number);
    }

    fn pair(&mut self, first: &[u8], second: &[u8]) {
        // Neither is as long as half of this has room for.
        self.number((first.len() as u64) << 32 | second.len() as u64);
        self.0.write(first);
        self.0.write(second);
    }

    /// A pair, with the number of a name that has one in place of its length and its letters.
    fn field(&mut self, name: Name<'_>, value: &[u8]) {
        /// No name is as long.
        const NUMBERED: u64 = 1 << 63;
        match name.number() {
            Some(number) => {
                self.number(NUMBERED | (number as u64) << 32 | value.len() as u64);
                self.0.write(value);
            }
            None => self.pair(name.as_bytes(), value),
        }
    }

    fn address(&mut self, address: Option<IpAddr>) {
        match address {
            None => self.number(0),
            Some(IpAddr::V4(address)) => self.number(4 << 32 | u64::from(address.to_bits())),
            Some(IpAddr::V6(address)) => {
                self.number(6 << 32);
                self.0.write(&address.octets());
            }
        }
    }

    fn finish(self) -> Key {
        Key(self.0.finish128().as_u128())
    }
}

fn bound(site: &Site, head: &RequestHead, carries: Carries) -> Bound {
    let digest = match &site.bind {
        None => return Bound::Unbound,
        Some(Bind::Cookie(bound)) => {
            login_cookies(head, |name| name == bound.as_bytes(), |piece| could_name(piece, bound))
        }
        Some(Bind::CookiesBeginning(start)) => {
            login_cookies(head, |name| name.starts_with(start.as_bytes()), |piece| could_begin(piece, start))
        }
        // With another credential in its place it is a request that could have carried this one.
        Some(Bind::Header(_) | Bind::Claim(_)) if carries == Carries::NotCarried => return Bound::NotCarried,
        Some(Bind::Header(field)) => {
            let lines = head.headers.get_all(field);
            digest(lines.map(|value| (field.as_str().as_bytes(), value.as_bytes())))
        }
        Some(Bind::Claim(pointer)) => {
            let claim = token::claim(site, head, pointer);
            digest(claim.iter().map(|claim| (pointer.as_bytes(), claim.as_bytes())))
        }
    };
    Bound::Carried(digest)
}

/// Digest of those cookies; `None` if there are none. Whatever else the dashboard could take for one of them is part of it:
/// a login that is carried beside the one that a session is bound to is another one.
fn login_cookies(
    head: &RequestHead,
    is_one: impl Fn(&[u8]) -> bool,
    could_be: impl Fn(&str) -> bool,
) -> Option<[u8; 32]> {
    let exact = || cookies(head).filter(|(name, _)| is_one(name));
    let spelled = pieces(&head.headers).filter(|piece| could_be(piece)).count();
    match exact().count() {
        0 => None,
        count if count == spelled => digest(exact()),
        _ => digest(exact().chain(around(&head.headers, could_be).map(|part| (&b""[..], part)))),
    }
}

fn cookies(head: &RequestHead) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.headers.get_all(COOKIE).flat_map(|line| pairs(line.as_bytes()))
}

/// Digest of all names and values in order; `None` if there are none.
fn digest<'a>(credentials: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<[u8; 32]> {
    let all = joined(credentials.flat_map(|(name, value)| [name, value]));
    (!all.is_empty()).then(|| sha256(&all))
}

/// A visitor's last credentials, with what they were read of.
#[derive(Default)]
pub struct LastCredentials(Option<Last>);

struct Last {
    site: Arc<Site>,
    credentials: Credentials,
    /// The request, if its fields can be told from others at once.
    request: Option<LastRequest>,
}

struct LastRequest {
    fields: Fields,
    client: Client,
    host: Box<str>,
}

impl LastCredentials {
    /// [`Credentials::of`], with nothing read again of fields that are known to be the last, and of others no more than what
    /// tells whether they carry the same.
    pub fn of(&mut self, site: &Arc<Site>, head: &RequestHead, client: &Client, host: &str) -> Credentials {
        if let Some(last) = self.0.as_ref().filter(|last| last.is_of(site, head, client, host)) {
            return last.credentials;
        }
        let key = key(site, head, client, host);
        let credentials = match &self.0 {
            Some(Last { site: last, credentials, .. })
                if credentials.key == key && Arc::ptr_eq(last, site) && is_all_in_key(site) =>
            {
                *credentials
            }
            _ => Credentials::read(key, site, head),
        };
        let fields = head.headers.clone_if_shared();
        let request = fields.map(|fields| LastRequest { fields, client: client.clone(), host: host.into() });
        self.0 = Some(Last { site: Arc::clone(site), credentials, request });
        credentials
    }
}

impl Last {
    /// Whether nothing that is read is another: where no parameter is a credential, nothing is but fields.
    fn is_of(&self, site: &Arc<Site>, head: &RequestHead, client: &Client, host: &str) -> bool {
        self.request
            .as_ref()
            .is_some_and(|last| last.fields.is_copy_of(&head.headers) && last.client == *client && *last.host == *host)
            && Arc::ptr_eq(&self.site, site)
            && !site.credentials.iter().any(|credential| matches!(credential, Credential::Query(_)))
    }
}

/// Whether all that is read of a request at this site has its part in the key, as cookies and `Authorization` always have.
fn is_all_in_key(site: &Site) -> bool {
    match (&site.bind, &site.identity.source) {
        (Some(Bind::Header(field)), _)
        | (Some(Bind::Claim(_)), Source::Token(Token { place: TokenPlace::Header(field), .. })) => {
            is_credential(site, field.as_str())
        }
        (None | Some(Bind::Cookie(_) | Bind::CookiesBeginning(_) | Bind::Claim(_)), _) => true,
    }
}

/// There are secrets among the fields.
impl std::fmt::Debug for LastCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastCredentials")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
    use http::{HeaderValue, Request};

    use super::*;
    use crate::config::{Identity, Keys, Secret};
    use crate::identity::client::Peer;
    use crate::second_factor::key_check::KeyCheck;
    use crate::second_factor::sealing::Keyring;
    use crate::second_factor::session::Binding;
    use crate::site::sample;

    const COOKIE_BOUND: &str = "sid";

    fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut request = Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
        }
        request.body(()).expect("a request").into_parts().0.into()
    }

    fn client(peer: &str, scheme: Scheme, trusted: bool) -> Client {
        let address: IpAddr = peer.parse().expect("an address");
        Client { address: Some(address), scheme, peer: Peer::Tcp(address), trusted, outer_login: false }
    }

    fn visitor() -> Client {
        client("192.0.2.9", Scheme::Https, false)
    }

    fn site(credentials: &[&str], bind: Option<Bind>) -> Site {
        let credential = |text: &&str| match text.split_once(':') {
            Some(("query", name)) => Credential::Query(name.into()),
            Some((_, name)) => Credential::Header(name.parse().expect("a field name")),
            None => Credential::Cookie,
        };
        Site { credentials: credentials.iter().map(credential).collect(), bind, ..sample::site() }
    }

    fn of(site: &Site, head: &RequestHead) -> Credentials {
        Credentials::of(site, head, &visitor(), "insights.example")
    }

    /// The site's credentials, the target and fields of a request, and whether it carries any.
    type Row<'a> = (&'a [&'a str], &'a str, &'a [(&'a str, &'a str)], Carries);

    #[test]
    fn a_request_without_any_is_anonymous_only_where_the_login_lives_in_cookies() {
        let rows: &[Row] = &[
            (&["cookie"], "/", &[], Carries::Nothing),
            (&["cookie"], "/", &[("authorization", "x")], Carries::Nothing),
            (&["cookie"], "/", &[("cookie", "a=1")], Carries::Carried),
            (&["cookie", "header:authorization"], "/", &[("authorization", "x")], Carries::Carried),
            (&["cookie", "header:authorization"], "/", &[("accept", "x")], Carries::Nothing),
            (&["header:authorization"], "/", &[], Carries::NotCarried),
            (&["header:authorization"], "/", &[("cookie", "a=1")], Carries::NotCarried),
            (&["header:authorization"], "/", &[("authorization", "")], Carries::Carried),
            (&["header:x-api-key"], "/", &[("x-api-key", "k")], Carries::Carried),
            (&["query:access_token"], "/", &[], Carries::NotCarried),
            (&["query:access_token"], "/?x=access_token", &[], Carries::NotCarried),
            (&["query:access_token"], "/?access_token=t", &[], Carries::Carried),
            (&["query:access_token", "cookie"], "/?x=1", &[], Carries::Nothing),
        ];
        for (credentials, target, fields, expected) in rows {
            let carries = of(&site(credentials, None), &head(target, fields)).carries();
            assert_eq!(carries, *expected, "{credentials:?}, {target}, {fields:?}");
        }
    }

    #[test]
    fn whatever_a_framework_could_take_for_the_parameter_goes_along_as_it_was_sent() {
        let site = site(&["query:access_token", "query:key"], None);
        let rows: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("/?", &[]),
            ("/?a=1&b=2", &[]),
            ("/?access_token=t", &["access_token=t"]),
            ("/?a=1&access_token=t&b=2", &["access_token=t"]),
            ("/?access_token=1&access_token=2", &["access_token=1", "access_token=2"]),
            ("/?key=k&a&access_token=%20%2f", &["key=k", "access_token=%20%2f"]),
            ("/?access_token", &["access_token"]),
            ("/?access_token=", &["access_token="]),
            ("/?access%5Ftoken=t", &["access%5Ftoken=t"]),
            ("/?%61ccess_token=t", &["%61ccess_token=t"]),
            ("/?access_token[]=t&access_token[x]=u", &["access_token[]=t", "access_token[x]=u"]),
            ("/?access_token%5B%5D=t", &["access_token%5B%5D=t"]),
            (
                "/?access.token=t&access+token=u&%20access_token=v",
                &["access.token=t", "access+token=u", "%20access_token=v"],
            ),
            ("/?ACCESS_TOKEN=t", &["ACCESS_TOKEN=t"]),
            ("/?a=1;access_token=t", &["a=1;access_token=t"]),
            ("/?a=access_token&xaccess_token=1&access_tokenx=1", &[]),
            ("/?access_token=a=b", &["access_token=a=b"]),
        ];
        for (target, expected) in rows {
            let head = head(target, &[]);
            assert_eq!(carried_query(&site, &head).collect::<Vec<_>>(), *expected, "{target}");
        }
    }

    #[test]
    fn what_is_withheld_leaves_nothing_that_the_dashboard_could_know_somebody_by() {
        let site = site(&["header:x-api-key", "query:access_token"], None);
        let fields = [("cookie", "a=1"), ("authorization", "Basic x"), ("x-api-key", "k"), ("accept", "*/*")];
        let mut head = head("/in?access_token=t&x=1", &fields);
        withhold(&mut head, &site);
        assert_eq!(head.uri, "/in?x=1");
        assert_eq!(head.headers.keys().map(Name::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    fn carried(site: &Site, head: &RequestHead, client: &Client) -> Vec<String> {
        carried_fields(site, head, client)
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }

    #[test]
    fn the_probe_carries_every_line_of_every_credential_and_nothing_that_nobody_vouches_for() {
        let site = site(&["cookie", "header:authorization", "header:x-api-key", "header:cookie"], None);
        let fields = [
            ("host", "Insights.example:8443"),
            ("cookie", "a=1;  a=1; b=\u{e9}"),
            ("accept", "*/*"),
            ("cookie", "c=3"),
            ("authorization", "Basic x"),
            ("authorization", "Bearer y"),
            ("x-api-key", "k"),
            ("user-agent", "curl"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-host", "outer.example"),
            ("x-forwarded-proto", "https"),
            ("range", "bytes=0-1"),
        ];
        let head = head("/", &fields);
        let mut expected = vec![
            "host: Insights.example:8443",
            "cookie: a=1;  a=1; b=\u{e9}",
            "cookie: c=3",
            "authorization: Basic x",
            "authorization: Bearer y",
            "x-api-key: k",
            "user-agent: curl",
        ];
        assert_eq!(carried(&site, &head, &visitor()), expected);
        expected.extend(["x-forwarded-for: 198.51.100.1", "x-forwarded-host: outer.example"]);
        assert_eq!(carried(&site, &head, &client("10.0.0.1", Scheme::Https, true)), expected);
    }

    #[test]
    fn the_probe_carries_cookies_and_authorization_wherever_the_login_lives() {
        let head = head("/", &[("cookie", "a=1"), ("authorization", "x"), ("x-api-key", "k")]);
        for credentials in [&["cookie"][..], &["header:authorization"], &["query:t"]] {
            let carried = carried(&site(credentials, None), &head, &visitor());
            assert_eq!(carried, ["cookie: a=1", "authorization: x"], "{credentials:?}");
        }
    }

    #[test]
    fn every_input_of_the_probe_has_its_part_in_the_key() {
        let site = site(&["cookie", "header:authorization", "header:x-api-key", "header:x-api", "query:t"], None);
        let proxy = client("10.0.0.1", Scheme::Https, true);
        let key = |site: &Site, target: &str, fields: &[(&str, &str)], client: &Client, host: &str| {
            Credentials::of(site, &head(target, fields), client, host).key
        };
        let plain = |fields: &[(&str, &str)]| key(&site, "/", fields, &visitor(), "a.example");
        let forwarded = |fields: &[(&str, &str)]| key(&site, "/", fields, &proxy, "a.example");
        let from = |address, peer| {
            key(&site, "/", &[("cookie", "a=1; b=2")], &Client { address, peer, ..visitor() }, "a.example")
        };
        let other_site = Site { name: "other".into(), ..site.clone() };
        let longer_name = Site { name: format!("{}a", site.name), ..site.clone() };
        let keys = [
            // Whose bytes in a row are the same.
            plain(&[("x-api-key", "a=1; b=2")]),
            plain(&[("x-api", "-keya=1; b=2")]),
            plain(&[("x-api-key", "a"), ("x-api", "b")]),
            plain(&[("x-api-key", "ax-apib")]),
            plain(&[("cookie", "a=1"), ("user-agent", "x")]),
            plain(&[("cookie", "a=1?t=1")]),
            key(&site, "/?t=1", &[("cookie", "a=1")], &visitor(), "a.example"),
            key(&longer_name, "/", &[("cookie", "a=1; b=2")], &visitor(), ".example"),
            plain(&[("cookie", "a=1; b=2")]),
            plain(&[("cookie", "b=2; a=1")]),
            plain(&[("cookie", "a=1;b=2")]),
            plain(&[("cookie", "a=1"), ("cookie", "b=2")]),
            plain(&[("cookie", "b=2"), ("cookie", "a=1")]),
            plain(&[("cookie", "a=1; b=2; b=2")]),
            plain(&[("authorization", "a=1; b=2")]),
            plain(&[("authorization", "a"), ("x-api-key", "b")]),
            plain(&[("x-api-key", "b"), ("authorization", "a")]),
            plain(&[]),
            plain(&[("cookie", "a=1; b=2"), ("user-agent", "x")]),
            plain(&[("cookie", "a=1; b=2"), ("user-agent", "y")]),
            plain(&[("cookie", "a=1; b=2"), ("host", "a.example:1")]),
            key(&site, "/", &[("cookie", "a=1; b=2")], &visitor(), "b.example"),
            key(&other_site, "/", &[("cookie", "a=1; b=2")], &visitor(), "a.example"),
            key(&site, "/?t=1", &[("cookie", "a=1; b=2")], &visitor(), "a.example"),
            key(&site, "/?t=1&t=2", &[("cookie", "a=1; b=2")], &visitor(), "a.example"),
            key(&site, "/?t=1&T=2", &[("cookie", "a=1; b=2")], &visitor(), "a.example"),
            key(&site, "/", &[("cookie", "a=1; b=2")], &client("192.0.2.8", Scheme::Https, false), "a.example"),
            key(&site, "/", &[("cookie", "a=1; b=2")], &client("192.0.2.9", Scheme::Http, false), "a.example"),
            from(visitor().address, Peer::Unix),
            from(visitor().address, Peer::Tcp([192, 0, 2, 8].into())),
            from(None, visitor().peer),
            plain(&[("cookie", "a=1; b=2"), ("via", "1.1 vestibule")]),
            from(None, Peer::Unix),
            from(Some([0, 0, 0, 0].into()), Peer::Unix),
            from(Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()), Peer::Unix),
            from(Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into()), Peer::Unix),
            key(&site, "/", &[("cookie", "a=1; b=2")], &Client { trusted: true, ..visitor() }, "a.example"),
            forwarded(&[("cookie", "a=1; b=2")]),
            forwarded(&[("cookie", "a=1; b=2"), ("x-forwarded-for", "1.1.1.1")]),
            forwarded(&[("cookie", "a=1; b=2"), ("x-forwarded-host", "x.example")]),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != one), "key {at} is one of those before it");
        }
        let cookie = ("cookie", "a=1; b=2");
        let beside = plain(&[("accept", "x"), cookie, ("x-forwarded-for", "claimed")]);
        assert_eq!(plain(&[cookie]), beside, "what is not carried");
        let elsewhere = key(&site, "/other/path?x=1", &[cookie], &visitor(), "a.example");
        assert_eq!(plain(&[cookie]), elsewhere, "where the request goes");
    }

    fn check(site: &Site, fields: &[(&str, &str)]) -> BindingCheck {
        let keyring = Keyring::parse(&Keyring::new_file(&[1; 32])).expect("a new key file is good");
        let keys = KeyCheck::new(&keyring).digests;
        of(site, &head("/", fields)).binding_check(&keys, &mut LastBinding::default())
    }

    fn carried_binding(check: BindingCheck) -> Binding {
        match check {
            BindingCheck::Carried(Some(binding)) => binding,
            other => panic!("no binding: {other:?}"),
        }
    }

    #[test]
    fn what_a_request_is_bound_to_is_its_own_whatever_the_last_one_was() {
        let site = site(&["cookie"], Some(Bind::Cookie(COOKIE_BOUND.into())));
        let keys = KeyCheck::new(&Keyring::parse(&Keyring::new_file(&[1; 32])).expect("a key file")).digests;
        let mut last = LastBinding::default();
        for cookie in ["sid=1", "sid=1", "sid=2", "x=1", "sid=2", "sid=1"] {
            let fields = [("cookie", cookie)];
            let bound = of(&site, &head("/", &fields)).binding_check(&keys, &mut last);
            assert_eq!(bound, check(&site, &fields), "{cookie}");
        }
    }

    #[test]
    fn a_session_is_bound_to_the_named_cookie_alone() {
        assert_eq!(check(&site(&["cookie"], None), &[("cookie", "sid=1")]), BindingCheck::Unbound);
        let site = site(&["cookie", "header:authorization"], Some(Bind::Cookie(COOKIE_BOUND.into())));
        let of = |cookie: &str| carried_binding(check(&site, &[("cookie", cookie)]));
        assert_eq!(of("sid=1"), of("theme=dark; sid=1; lang=en"));
        for other in ["sid=2", "sid=1 ", "sid=\"1\"", "sid=1; sid=1", "sid=1; sid=2", "sid=2; sid=1", "sid=%31"] {
            assert_ne!(of("sid=1"), of(other), "{other}");
        }
        assert_ne!(of("sid=1; sid=2"), of("sid=2; sid=1"));
        for beside in ["x=1 sid=2", "x=1, sid=2", "x=\"a\"sid=2", "\u{a0}sid=2", "sid =2", "=sid=2", "SID=2"] {
            for line in [format!("sid=1; {beside}"), format!("{beside}; sid=1")] {
                assert_ne!(of("sid=1"), of(&line), "{line}");
            }
        }
        for (one, other) in [("x=1 sid=2", "x=1 sid=3"), ("x=1, sid=2", "y=1, sid=2"), ("SID=2", "Sid=2")] {
            assert_ne!(of(&format!("sid=1; {one}")), of(&format!("sid=1; {other}")), "{one} or {other}");
        }
        for without in
            [&[][..], &[("cookie", "SID=1")], &[("cookie", "sid")], &[("authorization", "x")], &[("cookie", "xsid=1")]]
        {
            assert_eq!(check(&site, without), BindingCheck::Carried(None), "{without:?}");
        }
    }

    #[test]
    fn sessions_stay_bound_from_one_version_to_the_next() {
        let digest =
            |hex: &str| Bound::Carried(Some(HEXLOWER.decode(hex.as_bytes()).expect("hex").try_into().expect("32")));
        // SHA-256 of all parts, each with its length before it: of \0\0\0\0\0\0\0\x03sid\0\0\0\0\0\0\0\x02=1
        let sid = digest("c4c5ccd9db2472d0c7c5b204f5ed24718c9d8ff95d0307d79c86ac581824c8c8");
        let (one, family) = (Bind::Cookie("sid".into()), Bind::CookiesBeginning("si".into()));
        for bind in [one, family] {
            let bound = of(&site(&["cookie"], Some(bind)), &head("/", &[("cookie", "a=1; sid==1; b=2")])).bound;
            assert_eq!(bound, sid);
        }
        let beside = site(&["cookie"], Some(Bind::Cookie("sid".into())));
        let bound = of(&beside, &head("/", &[("cookie", "sid=1; SID=2")])).bound;
        // Of "sid", "1", "", "sid=1", "", "SID=2"
        assert_eq!(bound, digest("7f52ac4ee494bdb05c840168db97f358606dac7debd6b905fef3f84146652cfb"));
        let field = site(&["header:authorization"], Some(Bind::Header(http::header::AUTHORIZATION)));
        let bound = of(&field, &head("/", &[("authorization", "x")])).bound;
        // Of "authorization", "x"
        assert_eq!(bound, digest("4183d8224fb9e7f0f8f63689fd7b4f7cfc9e6f338431cec9f8740bead7bb486c"));
        let bearer = format!("Bearer {}", token_of("1"));
        let bound = of(&site_of_tokens(TokenPlace::Bearer), &head("/?t=1", &[("authorization", &bearer)])).bound;
        // Of "/sid", "1"
        assert_eq!(bound, digest("34c255da953a417eae7afef5dee56b794b297e7ded28d94286c4eabcf94fd914"));
    }

    #[test]
    fn a_session_can_be_bound_to_all_cookies_of_a_family() {
        let site = site(&["cookie"], Some(Bind::CookiesBeginning("access-token-".into())));
        let of = |cookie: &str| carried_binding(check(&site, &[("cookie", cookie)]));
        assert_eq!(of("access-token-a=1; access-token-b=2"), of("x=1; access-token-a=1; y=2; access-token-b=2"));
        assert_ne!(of("access-token-a=1"), of("access-token-b=1"));
        assert_ne!(of("access-token-a=1"), of("access-token-a=1; access-token-b=2"));
        assert_ne!(of("access-token-a=1; access-token-b=2"), of("access-token-b=2; access-token-a=1"));
        for beside in ["x=1 access-token-a=2", "x, access-token-b=2", "Access-Token-c=1", "access%2dtoken-c=1"] {
            assert_ne!(of("access-token-a=1"), of(&format!("access-token-a=1; {beside}")), "{beside}");
        }
        assert_eq!(check(&site, &[("cookie", "access-token=1")]), BindingCheck::Carried(None));
        assert_eq!(check(&site, &[]), BindingCheck::Carried(None));
    }

    #[test]
    fn only_a_request_without_any_credential_cannot_carry_the_field_a_session_is_bound_to() {
        let bind = || Some(Bind::Header(http::header::AUTHORIZATION));
        let fields = site(&["header:authorization", "header:x-api-key"], bind());
        let of = |value| carried_binding(check(&fields, &[("authorization", value)]));
        assert_eq!(
            of("Bearer a"),
            carried_binding(check(&fields, &[("x-api-key", "k"), ("authorization", "Bearer a")]))
        );
        assert_ne!(of("Bearer a"), of("Bearer b"));
        assert_eq!(check(&fields, &[]), BindingCheck::NotCarried);
        assert_eq!(check(&fields, &[("cookie", "a=1")]), BindingCheck::NotCarried);
        assert_eq!(check(&fields, &[("x-api-key", "k")]), BindingCheck::Carried(None));
        let cookies = site(&["cookie", "header:authorization"], bind());
        assert_eq!(check(&cookies, &[]), BindingCheck::Carried(None));
        assert_eq!(check(&cookies, &[("cookie", "a=1")]), BindingCheck::Carried(None));
    }

    /// A site whose sessions are bound to a claim of the token in that place, which is none of its credentials.
    fn site_of_tokens(place: TokenPlace) -> Site {
        let source = Source::Token(Token {
            place,
            algorithms: Vec::new(),
            keys: Keys::Secret(Secret::new(Vec::new())),
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::ZERO,
        });
        let identity = Identity { source, ..sample::identity() };
        Site { identity, ..site(&["query:t"], Some(Bind::Claim("/sid".into()))) }
    }

    fn token_of(login: &str) -> String {
        let part = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
        format!("{}.{}.eA", part(r#"{"alg":"HS256"}"#), part(&format!(r#"{{"sid":"{login}"}}"#)))
    }

    #[test]
    fn whatever_the_last_request_was_credentials_are_those_of_this_one() {
        let sites = [
            site(&["cookie", "query:t"], Some(Bind::CookiesBeginning("sid".into()))),
            site(&["header:authorization", "query:t"], Some(Bind::Header(http::header::AUTHORIZATION))),
            site(&["header:authorization", "query:t"], Some(Bind::Header(http::header::REFERER))),
            site_of_tokens(TokenPlace::Header(http::header::REFERER)),
            site_of_tokens(TokenPlace::Bearer),
        ]
        .map(Arc::new);
        let tokens = ["1", "2"].map(token_of);
        let claimed = tokens.each_ref().map(|token| of(&sites[3], &head("/?t=1", &[("referer", token)])));
        assert!(claimed[0].key == claimed[1].key && claimed[0].bound != claimed[1].bound);
        let bearers = tokens.each_ref().map(|token| format!("Bearer {token}"));
        let lines = ["", "sid=1", "sid=2", "sid=1; sid2=1", "sid=1; a=1", "sid=1; a=2", "sid=1; a=11", "b=1"];
        let heads: Vec<_> = ["/", "/?t=1", "/?t=2"]
            .iter()
            .flat_map(|target| lines.map(|line| head(target, &[("cookie", line), ("authorization", line)])))
            .chain(tokens.map(|token| head("/?t=1", &[("referer", &token)])))
            .chain(bearers.map(|bearer| head("/?t=1", &[("authorization", &bearer)])))
            .chain([head("/", &[]), head("/", &[("cookie", "sid=1")]), head("/", &[("user-agent", "sid=1")])])
            .collect();
        let requests = || sites.iter().flat_map(|site| heads.iter().map(move |head| (site, head)));
        for (site_before, before) in requests() {
            for (site, head) in requests() {
                let mut last = LastCredentials::default();
                for (site, head) in [(site_before, before), (site, head), (site, head)] {
                    let remembered = last.of(site, head, &visitor(), "insights.example");
                    assert_eq!(remembered, of(site, head), "{head:?} after {before:?}");
                }
            }
        }
    }

    #[test]
    fn whoever_sent_the_last_request_with_the_same_fields_credentials_are_those_of_this_one() {
        let sites = [site(&["cookie"], None), site(&["query:t"], None)].map(Arc::new);
        let clients = [visitor(), client("192.0.2.10", Scheme::Https, false), client("192.0.2.9", Scheme::Http, true)];
        let mut first = head("/?t=1", &[("cookie", "sid=1")]);
        first.headers.share();
        let mut second = RequestHead { uri: "/?t=2".parse().expect("a target"), ..first.clone() };
        assert!(second.headers.is_copy_of(&first.headers));
        let third = second.clone();
        second.headers.append(COOKIE, HeaderValue::from_static("a=1"));
        let mut requests = Vec::new();
        for site in &sites {
            for client in &clients {
                for host in ["a", "b"] {
                    requests.extend([&first, &second, &third].map(|head| (site, head, client, host)));
                }
            }
        }
        let mut last = LastCredentials::default();
        for before in &requests {
            for request in &requests {
                for (site, head, client, host) in [before, request, request] {
                    let remembered = last.of(site, head, client, host);
                    assert_eq!(remembered, Credentials::of(site, head, client, host));
                }
            }
        }
    }

    #[test]
    fn what_was_read_for_the_last_request_is_not_again() {
        let site = Arc::new(site(&["cookie"], Some(Bind::Cookie(COOKIE_BOUND.into()))));
        let mut last = LastCredentials::default();
        let mut bound = |agent: &str, accept: &str| {
            let head = head("/", &[("cookie", "sid=1"), ("user-agent", agent), ("accept", accept)]);
            let bound = last.of(&site, &head, &visitor(), "a").bound;
            last.0.as_mut().expect("a request").credentials.bound = Bound::Carried(Some([8; 32]));
            bound
        };
        let first = bound("x", "a");
        assert_ne!(first, Bound::Carried(Some([8; 32])));
        assert_eq!(bound("x", "b"), Bound::Carried(Some([8; 32])), "the same credentials");
        assert_eq!(bound("y", "b"), first, "other ones");
    }

    #[test]
    fn fields_that_are_known_to_be_the_last_are_not_looked_at() {
        let site = Arc::new(site(&["cookie"], None));
        let mut last = LastCredentials::default();
        let mut head = head("/", &[("cookie", "sid=1")]);
        head.headers.share();
        last.of(&site, &head, &visitor(), "a");
        last.0.as_mut().expect("a request").credentials.key = Key(7);
        assert!(last.of(&site, &head, &visitor(), "a").key == Key(7));
        assert!(last.of(&site, &head, &visitor(), "b").key != Key(7));
    }

    #[test]
    fn what_is_remembered_shows_no_secret() {
        let site = Arc::new(site(&["cookie"], Some(Bind::Cookie(COOKIE_BOUND.into()))));
        let mut last = LastCredentials::default();
        let mut head = head("/", &[("cookie", "sid=correct-horse")]);
        head.headers.share();
        last.of(&site, &head, &visitor(), "insights.example");
        assert!(last.0.as_ref().is_some_and(|last| last.request.is_some()));
        assert_eq!(format!("{last:?}"), "LastCredentials");
    }

    #[test]
    fn credentials_hold_none_of_the_secrets() {
        let site = site(&["cookie"], Some(Bind::Cookie(COOKIE_BOUND.into())));
        let shown = format!("{:?}", of(&site, &head("/", &[("cookie", "sid=correct-horse")])));
        assert!(!shown.contains("correct-horse") && shown.contains("key: Key,"), "{shown}");
    }
}
