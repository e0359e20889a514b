//! Header fields on the way: stripped first, then set.

use std::ops::Deref;

use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderName, HeaderValue, Version};

use super::ProxyError;
use super::introduction::{self, Introduction, introduce};
use crate::body::Body;
use crate::config::{Site, Source};
use crate::identity::client::{Client, Scheme};
use crate::identity::credentials;
use crate::listener::switch::Switch;
use crate::memory::Memory;
use crate::message::{Fields, KnownNames, Name, Request, RequestHead};
use crate::second_factor::policy::Traveler;
use crate::second_factor::session::Presented;
use crate::session_cookie::would_set_ours;
use crate::tokens::tokens;
use crate::via;

/// The head of a client's request once it is stripped, or the request with that head.
///
/// [`strip`] alone makes one, and nothing that a client says can be put into it afterwards, so that whoever gets one need
/// not look again:
///
/// ```compile_fail
/// use vestibule::proxy::headers::Stripped;
/// let mut head = vestibule::message::RequestHead::default();
/// let stripped = Stripped(&mut head);
/// ```
pub struct Stripped<T>(T);

impl<T: Deref> Deref for Stripped<T> {
    type Target = T::Target;

    fn deref(&self) -> &T::Target {
        &self.0
    }
}

/// The fields of a stripped head, for another one of which they are all the same before it is stripped.
#[derive(Debug, Clone)]
pub(crate) struct StrippedFields(Fields);

impl StrippedFields {
    /// The head with these fields in place of its own, stripped.
    pub(crate) fn put_into(self, head: &mut RequestHead) -> Stripped<&mut RequestHead> {
        head.headers = self.0;
        Stripped(head)
    }
}

impl Stripped<&mut RequestHead> {
    /// Its fields, for later.
    pub(crate) fn share(&mut self) -> StrippedFields {
        self.0.headers.share();
        StrippedFields(self.0.headers.clone())
    }

    /// Takes the gateway's own cookie out, and returns the session that it names ([`Memory::take_cookie`]).
    pub fn take_cookie(&mut self, memory: &Memory, scheme: Scheme) -> Option<Presented> {
        memory.take_cookie(&mut self.0.headers, scheme)
    }

    /// Takes every credential out ([`credentials::withhold`]).
    pub fn withhold(&mut self, site: &Site) {
        credentials::withhold(self.0, site);
    }

    /// The request with this head and that body. Its fields are moved, not copied.
    pub fn take_request(&mut self, body: Body) -> Stripped<Box<Request<Body>>> {
        let head = RequestHead {
            method: self.0.method.clone(),
            uri: self.0.uri.clone(),
            version: self.0.version,
            headers: std::mem::take(&mut self.0.headers),
            extensions: std::mem::take(&mut self.0.extensions),
        };
        Stripped(Box::new(Request::from_parts(head, body)))
    }
}

impl Stripped<Box<Request<Body>>> {
    /// The client's side of a switch to another protocol.
    pub(super) fn upgrade(&mut self) -> Switch {
        Switch::of(&mut self.0)
    }

    /// Has it ask for no WebSocket.
    pub(super) fn remove_switch(&mut self) {
        self.0.headers_mut().remove(CONNECTION);
        self.0.headers_mut().remove(UPGRADE);
    }

    /// Says the gateway's own key to a WebSocket.
    pub(super) fn set_websocket_key(&mut self, key: HeaderValue) {
        self.0.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// Drops every field of a client's request that only the gateway may set, in every spelling, and every field whose
/// name is not made of letters, digits and dashes. Done before anything else reads the fields.
///
/// Also drops what is meant for this hop alone, with what `Connection` names, so that the identity is asked for with the
/// very fields that are forwarded. What is left of `Connection` and `Upgrade` asks for a WebSocket. `X-Forwarded-For`,
/// `-Proto` and `-Host` stay, for whoever knows whether the peer is to be believed; they are replaced on forwarding. What
/// the login in front of the site says stays if it is `client` that says it.
pub fn strip<'a>(head: &'a mut RequestHead, site: &Site, client: &Client) -> Stripped<&'a mut RequestHead> {
    let headers = &mut head.headers;
    let websocket = asks_for_websocket(headers);
    let named = named_in_connection(headers);
    headers.retain(|name, _| stays(name, site, client) && (!is_among(&name, &named) || is_of_outer_login(&name, site)));
    if websocket && [UPGRADE, CONNECTION].iter().all(|name| passes(name.as_str(), site, client)) {
        set_switch(headers);
    }
    Stripped(head)
}

fn stays(name: Name<'_>, site: &Site, client: &Client) -> bool {
    if is_usual(name) && !is_of_outer_login(&name, site) {
        return !is_among(&name, &site.strip);
    }
    // What sends the body on still goes by `Transfer-Encoding`.
    (!is_for_this_hop(&name) || &*name == "transfer-encoding") && passes(&name, site, client)
}

fn is_among(name: &str, names: &[HeaderName]) -> bool {
    names.iter().any(|other| other.as_str() == name)
}

/// Every spelling that some server reads as the same name differs from it in characters that are neither letters nor
/// digits. Once none but dashes are left, comparing is enough.
fn passes(name: &str, site: &Site, client: &Client) -> bool {
    if is_of_outer_login(name, site) {
        return client.outer_login;
    }
    if !is_plain(name) || is_among(name, &site.strip) {
        return false;
    }
    match name.as_bytes()[0] {
        b'x' if name.starts_with("x-forwarded-") => is_replaced(name),
        b'x' if ["x-vestibule", "x-original-", "x-envoy-"].iter().any(|start| name.starts_with(start)) => false,
        b'x' | b'f' | b't' | b'c' => !says_where_from(name) && !is_misleading(name),
        _ => true,
    }
}

/// Whether the gateway says it of a client anew.
fn is_replaced(name: &str) -> bool {
    matches!(name, "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host")
}

/// Whether its value may be believed by whoever is behind a proxy, beside `X-Forwarded-*`, `X-Original-*`, `X-Envoy-*` and
/// what [misleads](is_misleading).
fn says_where_from(name: &str) -> bool {
    matches!(
        name,
        "forwarded"
            | "x-forwarded"
            | "x-real-ip"
            | "x-rewrite-url"
            | "x-scheme"
            | "x-url-scheme"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-host"
            | "x-remote-ip"
            | "x-remote-addr"
            | "true-client-ip"
            | "client-ip"
            | "cf-connecting-ip"
            | "fastly-client-ip"
            | "fly-client-ip"
    )
}

/// Whether by it a server in front tells dashboards that they have another path than was asked for, or that it has sent one
/// of theirs itself: what is judged here would not be what is answered there. pgAdmin and `OctoPrint` take the value of
/// `X-Script-Name` off the beginning of the path, and what is open below `/static/` would open everything.
fn is_misleading(name: &str) -> bool {
    matches!(name, "x-script-name" | "x-traversal-path" | "x-sendfile-type" | "x-accel-mapping")
}

/// Whether the login in front of the site alone may set it.
fn is_of_outer_login(name: &str, site: &Site) -> bool {
    match &site.identity.source {
        Source::Header(login) => is_among(name, &login.fields),
        Source::Probe(_) | Source::Token(_) => false,
    }
}

fn is_secret_of_outer_login(name: &str, site: &Site) -> bool {
    match &site.identity.source {
        Source::Header(login) => login.secret.as_ref().is_some_and(|secret| secret.field.as_str() == name),
        Source::Probe(_) | Source::Token(_) => false,
    }
}

/// Whether a server in front that sends a client's request on itself may be left alone with this field: because nothing
/// is wrong with it, or because such servers set it, or end it, whatever the client sent. `adds` are names that this very
/// server sets, or beginnings of such with a dash at the end.
///
/// What the dashboard may not see has to have been taken out before the question: that it is named in the answer is of no
/// use where a server does not know it.
pub(crate) fn is_settled_in_front(name: Name<'_>, site: &Site, client: &Client, adds: &[&str]) -> bool {
    let (name, is_usual) = (name.as_str(), is_usual(name));
    if !is_usual && is_for_this_hop(name) {
        return name != "proxy-authorization";
    }
    if is_of_outer_login(name, site) || is_secret_of_outer_login(name, site) {
        return client.outer_login;
    }
    let is_kept_back = kept_back(site, client).any(|kept| kept.as_str() == name);
    if is_usual || is_kept_back {
        return !is_kept_back;
    }
    if !is_plain(name) || is_misleading(name) {
        return false;
    }
    let is_added = |added: &&str| name == *added || (added.ends_with('-') && name.starts_with(added));
    let Some(rest) = name.strip_prefix("x-") else { return true };
    match (rest.strip_prefix("forwarded-"), rest.strip_prefix("original-")) {
        (Some(rest), _) => SET_IN_FRONT.contains(&rest) || adds.iter().any(is_added),
        (_, Some(rest)) => SAYING_WHAT_CAME.contains(&rest),
        _ if rest.starts_with("envoy-") => adds.iter().any(is_added),
        _ => !rest.starts_with("vestibule") || introduction::is_ours(name),
    }
}

/// The names of what the dashboard may not see of this client's request though they are spelled well: what the operator or
/// the site's source has stripped, and what the login in front alone may say. Where a client comes from is replaced.
pub(super) fn kept_back<'a>(site: &'a Site, client: &Client) -> impl Iterator<Item = &'a HeaderName> {
    let said_in_front = match &site.identity.source {
        Source::Header(login) if !client.outer_login => login.fields.as_slice(),
        Source::Header(_) | Source::Probe(_) | Source::Token(_) => &[],
    };
    site.strip.iter().chain(said_in_front).filter(|name| !is_replaced(name.as_str()))
}

/// What follows `X-Forwarded-` where servers in front, or others before them, say how a request came: no dashboard takes
/// it for a name.
const SET_IN_FRONT: [&str; 11] =
    ["for", "proto", "host", "port", "method", "uri", "url", "scheme", "server", "prefix", "ssl"];

/// What follows `X-Original-` where they say the same; it has to agree with the rest.
const SAYING_WHAT_CAME: [&str; 6] = ["method", "uri", "url", "host", "proto", "scheme"];

/// Looks at all of it at once: most names are plain.
fn is_plain(name: &str) -> bool {
    name.bytes().fold(true, |plain, byte| plain & PLAIN[usize::from(byte)])
}

/// The letters, digits and dash that names may be made of. They are in lower case by now.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < plain.len() {
        #[expect(clippy::cast_possible_truncation, reason = "there are 256 bytes")]
        let letter = byte as u8;
        plain[byte] = letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        byte += 1;
    }
    plain
};

/// Whether a field is for one hop alone (RFC 9110, section 7.6.1) or, in `Expect` and `HTTP2-Settings`, said to whoever is
/// at its end.
fn is_for_this_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "expect"
            | "http2-settings"
    )
}

/// The names that nearly every request has. They are plain, for the dashboard, and say nothing that is not replaced: what a
/// look at each of their letters would tell.
const USUAL: [&str; 26] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "cookie",
    "referer",
    "origin",
    "authorization",
    "cache-control",
    "content-type",
    "content-length",
    "if-none-match",
    "if-modified-since",
    "priority",
    "dnt",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "x-requested-with",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

/// Whether it is one of these.
fn is_usual(name: Name<'_>) -> bool {
    static SET: KnownNames = KnownNames::of(&USUAL);
    SET.has(name)
}

/// Makes the head ask for a WebSocket, or agree to one.
pub(super) fn set_switch(headers: &mut Fields) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether `Upgrade` names a WebSocket and nothing else, and `Connection` says that it is meant.
pub(super) fn asks_for_websocket(headers: &Fields) -> bool {
    let Ok(Some(protocol)) = headers.only(UPGRADE) else { return false };
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        && tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"))
}

/// The fields that `Connection` says are for this hop alone, and that may be: each once, however often it is named.
fn named_in_connection(headers: &Fields) -> Vec<HeaderName> {
    let mut named = Vec::new();
    // What nearly every server says is left out; the field of that name is dropped anyway.
    for token in tokens(headers, &CONNECTION).filter(|token| !token.eq_ignore_ascii_case(b"keep-alive")) {
        if let Ok(name) = HeaderName::from_bytes(token)
            && headers.contains_key(&name)
            && !is_end_to_end(name.as_str())
            && !named.contains(&name)
        {
            named.push(name);
        }
    }
    named
}

/// Fields that are never meant for one hop alone, whatever `Connection` says: without them the dashboard would see
/// another request, or another visitor.
fn is_end_to_end(name: &str) -> bool {
    matches!(name, "host" | "cookie" | "set-cookie" | "authorization" | "transfer-encoding" | "via")
        || is_replaced(name)
        || name.starts_with("content-")
}

/// Makes the head of a client's request, stripped for this site and client, the one that the dashboard gets: sets what the
/// gateway says. Nothing is done again that was done for the last request.
pub(crate) fn make_outgoing(
    Stripped(mut request): Stripped<Box<Request<Body>>>,
    site: &Site,
    introduction: &Introduction<'_>,
    last: &mut LastOutgoing,
) -> Result<Box<Request<Body>>, ProxyError> {
    let version = request.version();
    let headers = request.headers_mut();
    if let Some(outgoing) = last.of(headers, version, site, introduction) {
        *headers = outgoing;
        return Ok(request);
    }
    let stripped = headers.clone_if_shared();
    introduce(headers, introduction)?;
    if let Some(host) = &site.upstream.host {
        headers.insert(HOST, host);
    }
    via::add(headers, version)?;
    if let Some(stripped) = stripped {
        headers.share();
        let (client, traveler) = (introduction.client.clone(), introduction.traveler.cloned());
        let (host, outgoing) = (site.upstream.host.clone(), headers.clone());
        last.0 = Some(Box::new(Made { stripped, version, host, client, traveler, outgoing }));
    }
    Ok(request)
}

/// The fields of the last request as they went to the dashboard.
#[derive(Debug, Default)]
pub(crate) struct LastOutgoing(Option<Box<Made>>);

struct Made {
    stripped: Fields,
    version: Version,
    host: Option<HeaderValue>,
    client: Client,
    traveler: Option<Traveler>,
    outgoing: Fields,
}

/// There are secrets among them.
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made")
    }
}

impl LastOutgoing {
    /// Those of a request with these fields, if they were the last.
    fn of(&self, stripped: &Fields, version: Version, site: &Site, by: &Introduction<'_>) -> Option<Fields> {
        let last = self.0.as_ref()?;
        let is_same = last.stripped.is_copy_of(stripped)
            && last.version == version
            && last.host == site.upstream.host
            && last.client == *by.client
            && last.traveler.as_ref() == by.traveler;
        is_same.then(|| last.outgoing.clone())
    }
}

/// Makes the head of the dashboard's answer the one that the client gets. Returns whether a cookie was withheld that
/// would have taken the place of the gateway's own.
pub(crate) fn make_incoming(headers: &mut Fields) -> bool {
    let named = named_in_connection(headers);
    let mut withheld = false;
    headers.retain(|name, value| {
        let would_set_ours = &*name == "set-cookie" && would_set_ours(value);
        withheld |= would_set_ours;
        let is_for_client = !is_for_this_hop(&name) || &*name == "trailer";
        is_for_client && !is_among(&name, &named) && !would_set_ours
    });
    withheld
}

#[cfg(test)]
mod tests;
