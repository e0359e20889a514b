//! Who has logged in by another word than the dashboard's: that of a login in front, or of a signed token.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use serde_json::Value as Json;

use super::identity::is_a_name;
use super::wire::to_its_end;
use super::{fields, first_line, folded};
use crate::clock::Clock;
use crate::config::{
    self, Algorithm, Bind, Credential, Identity, Keys, Secret, SharedSecret, Site, Source, TokenPlace, Value,
};
use crate::identity::Verdict;
use crate::identity::client::{Client, Peer, Scheme};
use crate::identity::credentials::{Carries, Credentials, LastBinding};
use crate::identity::outer_login::OuterLogin;
use crate::identity::probe::Freshness;
use crate::identity::token::Tokens;
use crate::identity::token::keys::KeySet;
use crate::identity::token::place::{Carried, find};
use crate::message::{Fields, Name, RequestHead};
use crate::proxy::headers;
use crate::second_factor::Timestamp;
use crate::second_factor::digests::DigestKeys;
use crate::second_factor::key_check::KeyCheck;
use crate::second_factor::sealing::Keyring;
use crate::second_factor::session::BindingCheck;
use crate::site::sample;

/// What the signer and the site have in common, and what the login in front shows.
const SECRET: &[u8] = b"a secret of 32 bytes or even more";

/// Seconds since 1970, and how far clocks may differ.
const NOW: i64 = 1_800_000_000;
const LEEWAY: i64 = 10;

/// A header on the first line, claims after it; and all of it as a whole token.
///
/// The other reading: JSON as everybody reads it. Whoever is named is named there, in a token that is signed with the
/// secret, by a name that stands there once, for this site and for now. Nothing else that could be made of such a token
/// without the secret names anybody.
pub(super) fn token(bytes: &[u8]) {
    static TOKENS: LazyLock<Tokens> =
        LazyLock::new(|| tokens(&[Algorithm::Hs256], Keys::Secret(Secret::new(SECRET.to_vec()))));
    if let Some(Verdict::Identified(_)) = said(&TOKENS, bytes) {
        let text = str::from_utf8(bytes).expect("text");
        let (signed, signature) = text.rsplit_once('.').expect("three parts");
        assert_eq!(signature, encoded(&mac(SECRET, signed)));
    }
    let (header, claims) = first_line(bytes);
    let token = signed_by(SECRET, header, claims);
    match said(&TOKENS, token.as_bytes()) {
        Some(Verdict::Identified(identity)) => {
            is_good(header, claims, (&identity.user, &identity.organization));
            is_only_this(&TOKENS, (header, claims), &token);
        }
        Some(Verdict::Anonymous) => {
            assert!(json(claims)["exp"].as_f64().expect("a time").trunc() <= seconds(NOW - LEEWAY));
        }
        Some(Verdict::NotCarried) => panic!("there is a token"),
        Some(Verdict::Unknown(_)) | None => {}
    }
}

fn is_good(header: &[u8], claims: &[u8], (user, organization): (&str, &str)) {
    let (header, claims) = (json(header), json(claims));
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none() && header.get("b64").is_none());
    let time = |name: &str| claims.get(name).map(|time| time.as_f64().expect("a time").trunc());
    assert!(time("exp").expect("an end") > seconds(NOW - LEEWAY));
    assert!(time("nbf").is_none_or(|begin| begin <= seconds(NOW + LEEWAY)));
    let ours = |name: &Json| name == "insights" || name == "reports";
    assert!(claims["iss"] == "https://login.example");
    assert!(ours(&claims["aud"]) || claims["aud"].as_array().is_some_and(|several| several.iter().any(ours)));
    for (text, name) in [(user, "sub"), (organization, "org")] {
        let said = match &claims[name] {
            Json::String(said) => said.clone(),
            other => other.as_number().expect("text or a number").to_string(),
        };
        assert_eq!(text, said);
        assert!(is_a_name(text), "{text:?}");
    }
}

/// What could be made of a good token without the secret.
fn is_only_this(tokens: &Tokens, (header, claims): (&[u8], &[u8]), token: &str) {
    let names_nobody = |token: &str| {
        assert!(matches!(said(tokens, token.as_bytes()), Some(Verdict::Unknown(_))), "{token}");
    };
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64url");
    bytes[0] ^= 1;
    for other in ["", &encoded(&bytes), &encoded(&bytes[1..]), &format!("{signature}="), &encoded(&mac(b"", signed))] {
        names_nobody(&format!("{signed}.{other}"));
    }
    let unsigned = encoded(br#"{"alg":"none"}"#);
    names_nobody(&format!("{unsigned}.{}.{signature}", encoded(claims)));
    names_nobody(&format!("{unsigned}.{}.", encoded(claims)));
    // By whoever signs: readers differ on which of two counts.
    let doubled = |object: &[u8], key: &[u8]| {
        let rest = object.trim_ascii().strip_prefix(b"{").expect("an object");
        [&b"{\""[..], key, b"\":0,", rest].concat()
    };
    names_nobody(&signed_by(SECRET, &doubled(header, b"alg"), claims));
    names_nobody(&signed_by(SECRET, header, &doubled(claims, b"s\\u0075b")));
}

#[expect(clippy::cast_precision_loss, reason = "so many seconds have a number of their own")]
const fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

fn json(text: &[u8]) -> Json {
    serde_json::from_slice(text).expect("JSON")
}

/// A token that is signed, and the public half of its key: the coordinates in a set, and both in PEM, where the byte before
/// them says how they are written.
const SIGNED: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJ1NyIsIm9yZyI6ImFjbWUiLCJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQiOiJpbnNpZ2h0cyIsImV4cCI6MTgwMDAwMDA2MH0.vnpoap50qZRg1yi4eOykeFotNSDp9X2fAiipMDAdmRfyEH7Wr8XZHUPtE1IPoxrMrbCzcRYdB4VaZDpnbRnbhA";
const POINT: [&str; 2] = ["zFkHDB-KAhGh0nsv_I-A78CzppAg_RsJ9T-RQ5g0ybI", "gzrplPGeEA9SAINR7NiWwUfRJtUPuwrFUl9Cv8BkUAg"];
const IN_PEM: &str = "zFkHDB+KAhGh0nsv/I+A78CzppAg/RsJ9T+RQ5g0ybKDOumU8Z4QD1IAg1Hs2JbBR9Em1Q+7CsVSX0K/wGRQ";

/// A key set, or a key in PEM.
///
/// The other reading: JSON as everybody reads it. A token is good by a set only if the very key is in it, for signatures,
/// and by nothing that is in it as the secret of an HMAC.
pub(super) fn key_set(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if KeySet::parse(text, &Algorithm::ALL).is_err() {
        return;
    }
    let tokens = tokens(&Algorithm::ALL, Keys::Text(text.into()));
    let names_somebody = |token: &str| matches!(said(&tokens, token.as_bytes()), Some(Verdict::Identified(_)));
    let claims = SIGNED.split('.').nth(1).expect("three parts");
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
    for secret in [text, text.trim(), ""] {
        assert!(!names_somebody(&signed_by(secret.as_bytes(), br#"{"alg":"HS256","kid":"1"}"#, &claims)));
    }
    if !names_somebody(SIGNED) {
        return;
    }
    if text.contains("-----BEGIN ") {
        assert!(text.split_whitespace().collect::<String>().contains(IN_PEM));
        return;
    }
    let set = json(bytes);
    let is_it = |key: &Json| {
        let is = |name: &str, value: &str| key[name] == value;
        let may_be = |name: &str, value: &str| key.get(name).is_none_or(|it| it == value);
        is("kty", "EC")
            && is("crv", "P-256")
            && is("x", POINT[0])
            && is("y", POINT[1])
            && may_be("use", "sig")
            && may_be("alg", "ES256")
            && may_be("kid", "1")
            && key.get("key_ops").is_none_or(|of| of.to_string().contains("\"verify\""))
    };
    assert!(set["keys"].as_array().expect("keys").iter().any(is_it));
}

fn tokens(algorithms: &[Algorithm], keys: Keys) -> Tokens {
    let rules = config::Token {
        place: TokenPlace::Bearer,
        algorithms: algorithms.to_vec(),
        keys,
        issuer: Some("https://login.example".into()),
        audience: vec!["insights".into(), "reports".into()],
        leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
    };
    let identity = Identity {
        source: Source::Token(rules.clone()),
        user: Value::Pointer("/sub".into()),
        organization: Value::Pointer("/org".into()),
        ..sample::identity()
    };
    let site = Site { identity, credentials: vec![Credential::Header(AUTHORIZATION)], ..sample::site() };
    Tokens::new(&site, rules, Clock::from_fn(|| Timestamp::from_secs(NOW)))
}

/// What is said of whoever shows this token; `None` if it can't be in a field.
fn said(tokens: &Tokens, token: &[u8]) -> Option<Verdict> {
    let mut head = empty_head();
    head.headers.insert(AUTHORIZATION, HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?);
    Some(to_its_end(tokens.identify(Carries::Carried, &head, Freshness::Cached)))
}

fn empty_head() -> RequestHead {
    RequestHead::default()
}

fn signed_by(secret: &[u8], header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = encoded(&mac(secret, &signed));
    format!("{signed}.{signature}")
}

fn mac(secret: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes()).as_ref().to_vec()
}

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Lines of `Cookie`.
///
/// The other readings: those of servers that end cookies at semicolons, at commas, at white space. Where there is one
/// token, or none, each of them finds that one, or none, however it reads names.
pub(super) fn token_cookie(bytes: &[u8]) {
    let mut head = empty_head();
    head.headers = cookies(bytes);
    let carried = find(&TokenPlace::Cookie("app_token".into()), &head);
    for ends in ENDS {
        let found = as_read(&head.headers, ends, "app_token");
        match &carried {
            Carried::Nothing => assert!(found.is_empty(), "{found:?}"),
            Carried::One(token) => {
                assert!(found.len() <= 1, "{found:?}");
                let is_plain = token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
                assert!(!is_plain || found == [token.to_vec()], "{found:?}");
            }
            Carried::NotOne => {}
        }
    }
}

/// Cookies on the first line, and after it what somebody has put beside them.
///
/// The other readings: as of [`token_cookie`]. If the login that sessions are bound to stays the same, each of them finds
/// the same logins in both.
pub(super) fn bound_cookie(bytes: &[u8]) {
    let (line, added) = first_line(bytes);
    let joined = [b"; ", &b", "[..], b" ", b"\n"];
    let added = added.split(|&byte| byte == b'\n').next().unwrap_or_default();
    for lines in joined.iter().flat_map(|mark| [[line, mark, added].concat(), [added, mark, line].concat()]) {
        let (before, after) = (cookies(line), cookies(&lines));
        let bound = binding(&before);
        // Without one, no session is good for the request.
        if bound != binding(&after) || bound == BindingCheck::Carried(None) {
            continue;
        }
        for ends in ENDS {
            let logins = [&before, &after].map(|headers| as_read(headers, ends, "sid"));
            assert_eq!(logins[0], logins[1], "{}", lines.escape_ascii());
        }
    }
}

fn binding(headers: &Fields) -> BindingCheck {
    static KEYS: LazyLock<DigestKeys> =
        LazyLock::new(|| KeyCheck::new(&Keyring::parse(&Keyring::new_file(&[7; 32])).expect("a key file")).digests);
    let site = Site { bind: Some(Bind::Cookie("sid".into())), ..sample::site() };
    let mut head = empty_head();
    head.headers.clone_from(headers);
    let credentials = Credentials::of(&site, &head, &client(Peer::Unix), "insights.acme.example");
    credentials.binding_check(&KEYS, &mut LastBinding::default())
}

fn cookies(lines: &[u8]) -> Fields {
    let lines = lines.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let mut headers = Fields::new();
    for line in lines.take(100) {
        headers.append(COOKIE, line);
    }
    headers
}

/// Where a server ends a cookie.
const ENDS: [&[u8]; 3] = [b";", b";,", b";, \t"];

/// The values of cookies that a server takes for those of this name: it takes white space off, and quotes off names, decodes
/// these, sees no difference between cases and between marks, and takes what is in brackets for a part of it.
fn as_read(headers: &Fields, ends: &[u8], wanted: &str) -> Vec<Vec<u8>> {
    let lines = headers.get_all(COOKIE);
    let pieces = lines.flat_map(|line| line.as_bytes().split(|byte| ends.contains(byte)));
    let pair = |piece: &[u8]| {
        let equals = piece.iter().position(|&byte| byte == b'=')?;
        let name = &piece[..equals];
        let blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | 0x85 | 0xa0);
        let start = name.iter().position(|byte| !blank(byte)).unwrap_or(name.len());
        let end = name.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        let name = percent_decode(&name[start..end]).map(|byte| if byte == b'.' { b'_' } else { byte });
        let name: Vec<u8> = name.skip_while(|byte| *byte == b' ').collect();
        let name = name.split(|byte| matches!(byte, 0 | b'[')).next().unwrap_or_default();
        name.eq_ignore_ascii_case(wanted.as_bytes()).then(|| piece[equals + 1..].trim_ascii().to_vec())
    };
    pieces.filter_map(pair).collect()
}

fn client(peer: Peer) -> Client {
    Client { address: None, scheme: Scheme::Https, peer, trusted: true, outer_login: false }
}

/// The first byte is `s` for a login in front that has to show a secret; the fields of a request follow on the next lines.
///
/// The other reading: a dashboard that sees no difference between marks and cases in names. Whoever is named is named to
/// it too, once and by nothing else; where nobody is, nobody is to it; and if the login in front is not believed, nothing
/// of its fields is left.
pub(super) fn outer_login(bytes: &[u8]) {
    let (line, rest) = first_line(bytes);
    let with_secret = line.starts_with(b"s");
    let site = Arc::new(site_behind_login(with_secret));
    let mut head = empty_head();
    head.headers = fields(rest);
    let peer = if with_secret { Peer::Tcp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))) } else { Peer::Unix };
    let client = client(peer).before(&site, &head.headers);
    let login = OuterLogin::new(Arc::clone(&site), Clock::from_fn(|| Timestamp::from_secs(NOW)));
    let verdict = login.identify(&head, &client);

    let said = |name: &str| {
        let lines = head.headers.iter().filter(|(spelled, _)| folded(spelled.as_str()) == name);
        lines.map(|(_, value)| value.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    if matches!(verdict, Verdict::Identified(_) | Verdict::Anonymous) {
        assert!(client.outer_login && (!with_secret || said("x-secret") == [SECRET]));
    }
    match verdict {
        Verdict::Identified(identity) => {
            for (name, value) in [("x-user", &identity.user), ("x-org", &identity.organization)] {
                assert_eq!(said(name), [value.as_bytes()], "{name}");
                assert!(is_a_name(value) && !value.contains([',', ';']), "{value:?}");
            }
            let email = identity.email.as_ref();
            assert!(email.is_none_or(|email| said("x-email") == [email.as_bytes()] && !email.contains(',')));
            assert!(!identity.admin);
        }
        Verdict::Anonymous => assert!(said("x-user").is_empty()),
        Verdict::Unknown(_) => {}
        Verdict::NotCarried => panic!("fields are always carried"),
    }
    let left = headers::strip(&mut head, &site, &client);
    let ours = |name: &Name<'_>| ["x-user", "x-org", "x-email"].contains(&folded(name.as_str()).as_str());
    assert!(client.outer_login || left.headers.keys().find(ours).is_none());
}

fn site_behind_login(with_secret: bool) -> Site {
    let [user, organization, email, secret] = ["x-user", "x-org", "x-email", "x-secret"].map(HeaderName::from_static);
    let shared = || SharedSecret { field: secret, value: Secret::new(SECRET.to_vec()) };
    let login = config::OuterLogin {
        fields: vec![user.clone(), organization.clone(), email.clone()],
        secret: with_secret.then(shared),
    };
    let identity = Identity {
        source: Source::Header(login),
        user: Value::Header(user),
        organization: Value::Header(organization),
        email: Some(Value::Header(email)),
        name: None,
        ..sample::identity()
    };
    Site { identity, ..sample::site() }
}
