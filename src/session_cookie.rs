//! Vestibule's own cookie: found, taken out of what the dashboard gets, and set.

use std::iter::once;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use http::header::COOKIE;
use memchr::memchr_iter;

use crate::identity::client::Scheme;
use crate::message::{Change, Fields, Value};
use crate::second_factor::session::{COOKIE_VALUE_BYTES, Presented, SessionToken};

/// The cookie over TLS: browsers take one of this name only from the host itself, over TLS, for every path.
const SECURE_NAME: &str = "__Host-vestibule";
/// The cookie over plain HTTP.
const PLAIN_NAME: &str = "vestibule";

const fn name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => SECURE_NAME,
        Scheme::Http => PLAIN_NAME,
    }
}

/// Takes the gateway's cookies out of a request, and returns the session that they name.
///
/// Every pair of either name is removed from every `Cookie` line; what is left stays as it was, byte for byte, and a
/// line with nothing left is dropped. A session is named only if exactly one pair has the name for this scheme, for
/// nobody can tell which of several the browser got from here. Names are compared byte for byte, and neither names nor
/// values are unquoted or decoded.
///
/// A value that is the last one is not read again.
pub fn take(headers: &mut Fields, scheme: Scheme, last: &mut LastCookie) -> Option<Presented> {
    let mut found = Found { name: name(scheme), count: 0, presented: None, last };
    headers.change(COOKIE, |line| without_ours(line.as_bytes(), &mut found));
    found.presented.filter(|_| found.count == 1)
}

/// The last value that named a session, and which.
#[derive(Default)]
pub struct LastCookie(Option<([u8; COOKIE_VALUE_BYTES], Presented)>);

/// There are secrets in it.
impl std::fmt::Debug for LastCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastCookie")
    }
}

impl LastCookie {
    /// The session that a value names.
    fn read(&mut self, value: &[u8]) -> Option<Presented> {
        let value: [u8; _] = value.try_into().ok()?;
        match self.0 {
            Some((last, presented)) if is_same(&last, &value) => Some(presented),
            _ => Some(self.0.insert((value, Presented::parse(&value)?)).1),
        }
    }
}

/// Where a server in front has one connection for many, one of the two is somebody else's: how much of them is the same may not
/// show in how long this takes.
fn is_same(one: &[u8; COOKIE_VALUE_BYTES], other: &[u8; COOKIE_VALUE_BYTES]) -> bool {
    one.iter().zip(other).fold(0, |differences, (one, other)| differences | (one ^ other)) == 0
}

/// The pairs of a `Cookie` line as (name, value), in order; what has no `=` is none. Nothing but spaces and tabs before
/// the name is taken off.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    segments(line).filter_map(pair)
}

/// The `Set-Cookie` value that gives a browser its session, until the browser is closed.
pub fn set(token: &SessionToken, scheme: Scheme) -> HeaderValue {
    header(&token.cookie_value(), scheme, "")
}

/// The `Set-Cookie` value that takes it away.
pub fn clear(scheme: Scheme) -> HeaderValue {
    header("", scheme, "; Max-Age=0")
}

/// Whether a dashboard's `Set-Cookie` value would have a browser send a cookie by one of our names, or one that somebody
/// could take for it.
pub fn would_set_ours(set_cookie: Value<'_>) -> bool {
    // A cookie without a name is sent as its value alone: `=vestibule=x` as `vestibule=x`.
    let cookie = set_cookie.as_bytes();
    let start = cookie.iter().position(|byte| !matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(cookie.len());
    let name = cookie[start..].split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii();
    [SECURE_NAME, PLAIN_NAME].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

fn header(value: &str, scheme: Scheme, end: &str) -> HeaderValue {
    let secure = match scheme {
        Scheme::Https => "; Secure",
        Scheme::Http => "",
    };
    let text = format!("{}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{end}", name(scheme));
    HeaderValue::try_from(text).expect("base64url is visible ASCII")
}

fn pair(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let segment = without_padding(segment);
    let equals = segment.iter().position(|&byte| byte == b'=')?;
    Some((&segment[..equals], &segment[equals + 1..]))
}

/// What stands between semicolons.
fn segments(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    spans(line).map(|span| &line[span])
}

/// Where it stands.
fn spans(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    memchr_iter(b';', line).chain(once(line.len())).map(move |end| {
        let span = start..end;
        start = end + 1;
        span
    })
}

/// The values found under the name for this scheme.
struct Found<'a> {
    name: &'static str,
    count: usize,
    presented: Option<Presented>,
    last: &'a mut LastCookie,
}

impl Found<'_> {
    fn note(&mut self, name: &str, value: &[u8]) {
        if name == self.name {
            self.count += 1;
            self.presented = self.last.read(value);
        }
    }
}

/// What becomes of a line, whose pairs of our names are noted. Mostly they stand at its end, and the rest is a part of it.
fn without_ours(line: &[u8], found: &mut Found<'_>) -> Change {
    let mut is_changed = false;
    let mut rest: Option<Range<usize>> = None;
    let mut behind = Vec::new();
    for span in spans(line) {
        if let Some((name, value)) = ours(&line[span.clone()]) {
            found.note(name, value);
            is_changed = true;
            continue;
        }
        match &mut rest {
            // A line does not begin with the space that stood after a removed pair.
            None if is_changed => rest = Some(span.end - without_padding(&line[span.clone()]).len()..span.end),
            None => rest = Some(span),
            Some(rest) if rest.end + 1 == span.start => rest.end = span.end,
            Some(_) => behind.extend_from_slice(&line[span.start - 1..span.end]),
        }
    }
    match rest {
        _ if !is_changed => Change::Keep,
        Some(rest) if !behind.is_empty() => Change::Put(field_value([&line[rest], &*behind].concat())),
        Some(rest) if !rest.is_empty() => Change::Narrow(rest),
        Some(_) | None => Change::Drop,
    }
}

/// The name and the value of a pair of ours.
fn ours(segment: &[u8]) -> Option<(&'static str, &[u8])> {
    let segment = without_padding(segment);
    let value = |name: &'static str| Some((name, segment.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?));
    [SECURE_NAME, PLAIN_NAME].into_iter().find_map(value)
}

fn without_padding(segment: &[u8]) -> &[u8] {
    let start = segment.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    &segment[start.unwrap_or(segment.len())..]
}

fn field_value(part_of_one: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(part_of_one)).expect("what is left of a field value is one as well")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::session::Kind;

    /// The value of `token(n)`; each is 44 characters, as real ones are.
    fn value(n: u8) -> String {
        token(n).cookie_value()
    }

    fn token(n: u8) -> SessionToken {
        SessionToken::new(Kind::Verified, [n; 32])
    }

    /// [`take`], with nothing remembered.
    fn take_once(headers: &mut Fields, scheme: Scheme) -> Option<Presented> {
        take(headers, scheme, &mut LastCookie::default())
    }

    /// What is left of the lines (in which `$1` and `$2` stand for values), and which of the values was presented.
    fn taken(scheme: Scheme, lines: &[&[u8]]) -> (Vec<Vec<u8>>, Option<u8>) {
        let mut headers = Fields::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(&filled(line)).expect("a field value"));
        }
        let presented = take_once(&mut headers, scheme);
        let number = presented.map(|p| (1..=2).find(|&n| p.digest == token(n).digest()).expect("one of the two"));
        assert_eq!(headers.get("accept").expect("it stays"), "*/*");
        (headers.get_all(COOKIE).map(|line| line.as_bytes().to_vec()).collect(), number)
    }

    fn filled(line: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = line;
        while let Some((&byte, after)) = rest.split_first() {
            if let (b'$', Some(n @ (b'1' | b'2'))) = (byte, after.first()) {
                out.extend_from_slice(value(n - b'0').as_bytes());
                rest = &after[1..];
            } else {
                out.push(byte);
                rest = after;
            }
        }
        out
    }

    #[test]
    fn the_one_pair_of_the_exact_name_is_the_session_and_the_rest_stays_as_it_was() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"__Host-vestibule=$1", b""),
            (b"__Host-vestibule=$1;", b""),
            (b"__Host-vestibule=$1; ", b""),
            (b"; __Host-vestibule=$1", b""),
            (b"a=1; __Host-vestibule=$1", b"a=1"),
            (b"__Host-vestibule=$1; a=1", b"a=1"),
            (b"__Host-vestibule=$1;a=1", b"a=1"),
            (b"__Host-vestibule=$1;  a=1 ;b", b"a=1 ;b"),
            (b"a=1; __Host-vestibule=$1; b=2", b"a=1; b=2"),
            (b"a=1; __Host-vestibule=$1; b=2; vestibule=$2; c=3", b"a=1; b=2; c=3"),
            (b"vestibule=$2; a=1; b=2; __Host-vestibule=$1", b"a=1; b=2"),
            (b"a=1;__Host-vestibule=$1;b=2", b"a=1;b=2"),
            (b"a=1;\t__Host-vestibule=$1;\tb=2", b"a=1;\tb=2"),
            (b"a=1 ;  b=2;;; __Host-vestibule=$1;;c", b"a=1 ;  b=2;;;;c"),
            (b"a=1; a=1; a=2; __Host-vestibule=$1; a=1", b"a=1; a=1; a=2; a=1"),
            (b"a=\"x; __Host-vestibule=$1; y\"", b"a=\"x; y\""),
            (b"$Version=1; __Host-vestibule=$1; $Path=/", b"$Version=1; $Path=/"),
            (b"a=\xff\x80; __Host-vestibule=$1; \xc2\xa0b=1", b"a=\xff\x80; \xc2\xa0b=1"),
            (b"a=; =; =b; ; __Host-vestibule=$1", b"a=; =; =b; "),
            (b"a=b=c; __Host-vestibule=$1; d==", b"a=b=c; d=="),
            (b"vestibule=$2; __Host-vestibule=$1; a=1", b"a=1"),
            (b"__Host-vestibule=$1; vestibule=$2", b""),
            (b"a=,; __Host-vestibule=$1; b={\"x\":1}", b"a=,; b={\"x\":1}"),
            (b"__host-vestibule=$2; __Host-vestibule=$1", b"__host-vestibule=$2"),
        ];
        for (line, rest) in rows {
            let expected = if rest.is_empty() { vec![] } else { vec![filled(rest)] };
            assert_eq!(taken(Scheme::Https, &[line]), (expected, Some(1)), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_only_resembles_the_name_is_no_session_and_stays() {
        let rows: &[&[u8]] = &[
            b"",
            b"a=1",
            b";",
            b"; ;",
            b"=",
            b"a=1;",
            b"__Host-vestibule",
            b"vestibule",
            b"__Host-vestibule =$1",
            b"__Host-vestibule\t=$1",
            b"__host-vestibule=$1",
            b"__HOST-VESTIBULE=$1",
            b"Vestibule=$1",
            b"__Host-vestibul=$1",
            b"__Host-vestibule2=$1",
            b"x__Host-vestibule=$1",
            b"__Secure-vestibule=$1",
            b"_Host-vestibule=$1",
            b"=__Host-vestibule=$1",
            b" =__Host-vestibule=$1",
            b"\"__Host-vestibule\"=$1",
            b"'__Host-vestibule'=$1",
            b"%5F%5FHost-vestibule=$1",
            b"__Host%2Dvestibule=$1",
            b"__Host-vestibule%3D$1",
            b"\xa0__Host-vestibule=$1",
            b"\x85__Host-vestibule=$1",
            b"\xc2\xa0__Host-vestibule=$1",
            b"\xc2\x85__Host-vestibule=$1",
            b"\xe2\x80\x80__Host-vestibule=$1",
            b"\xe3\x80\x80__Host-vestibule=$1",
            b"\xef\xbb\xbf__Host-vestibule=$1",
            b"a=1, __Host-vestibule=$1",
            b"a=1,__Host-vestibule=$1",
            b"a=1 __Host-vestibule=$1",
            b"$__Host-vestibule=$1",
            b"__Host-vestibule:$1",
            b"__Host-vestibule[]=$1",
            b"__Host-vestibule.=$1",
            b"a=__Host-vestibule=$1",
        ];
        for line in rows {
            for scheme in [Scheme::Https, Scheme::Http] {
                assert_eq!(taken(scheme, &[line]), (vec![filled(line)], None), "{}", String::from_utf8_lossy(line));
            }
        }
    }

    #[test]
    fn a_value_that_cannot_be_ours_is_no_session_and_is_taken_out_all_the_same() {
        let rows: &[&[u8]] = &[
            b"__Host-vestibule=",
            b"__Host-vestibule= $1",
            b"__Host-vestibule=$1 ;",
            b"__Host-vestibule=\"$1\"",
            b"__Host-vestibule=$1=",
            b"__Host-vestibule=$1x",
            b"__Host-vestibule==$1",
            b"__Host-vestibule=x$1",
            b"__Host-vestibule=%76",
            b"__Host-vestibule=\xff",
            b"__Host-vestibule=$1, a=1",
        ];
        for line in rows {
            assert_eq!(taken(Scheme::Https, &[line]), (vec![], None), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn of_several_none_counts_whatever_their_order() {
        let rows: &[&[&[u8]]] = &[
            &[b"__Host-vestibule=$1; __Host-vestibule=$2"],
            &[b"__Host-vestibule=$2; __Host-vestibule=$1"],
            &[b"__Host-vestibule=$1; __Host-vestibule=$1"],
            &[b"__Host-vestibule=$1; __Host-vestibule=bogus"],
            &[b"__Host-vestibule=bogus; __Host-vestibule=$1"],
            &[b"__Host-vestibule=; __Host-vestibule=$1"],
            &[b"__Host-vestibule=$1", b"__Host-vestibule=$2"],
            &[b"__Host-vestibule=$1", b"__Host-vestibule=$1"],
            &[b"__Host-vestibule=$1", b"__Host-vestibule=", b"__Host-vestibule=$2"],
        ];
        for lines in rows {
            assert_eq!(taken(Scheme::Https, lines), (vec![], None), "{:?}", lines.len());
        }
    }

    #[test]
    fn lines_and_crumbs_keep_their_order_and_only_empty_ones_go() {
        let crumbs: &[&[u8]] = &[b"a=1", b"__Host-vestibule=$1", b"b=2", b"a=1; vestibule=x"];
        assert_eq!(taken(Scheme::Https, crumbs), (vec![b"a=1".to_vec(), b"b=2".to_vec(), b"a=1".to_vec()], Some(1)));
        let one: &[&[u8]] = &[b"__Host-vestibule=$1; a=1", b"b=2"];
        assert_eq!(taken(Scheme::Https, one), (vec![b"a=1".to_vec(), b"b=2".to_vec()], Some(1)));
    }

    #[test]
    fn whatever_the_last_cookies_were_these_are_read_as_ever() {
        let long = "x".repeat(value(1).len());
        let mut near = [1; 32];
        near[31] = 2;
        let others = [long, format!("p{}", &value(1)[1..]), SessionToken::new(Kind::Verified, near).cookie_value()];
        let plain: [&[u8]; 9] = [
            b"__Host-vestibule=$1",
            b"__Host-vestibule=$2",
            b"__Host-vestibule=$1; a=1",
            b"__Host-vestibule=$1; a=2",
            b"__Host-vestibule=$1; vestibule=$2; a=1",
            b"vestibule=$1",
            b"__Host-vestibule=$1; __Host-vestibule=$2",
            b"a=1",
            b"",
        ];
        let mut lines: Vec<Vec<Vec<u8>>> = plain.iter().map(|line| vec![filled(line)]).collect();
        lines.extend(others.map(|value| vec![format!("__Host-vestibule={value}").into_bytes()]));
        lines.push(vec![filled(b"__Host-vestibule=$1"), filled(b"a=1")]);
        lines.push(vec![filled(b"__Host-vestibule=$1"), filled(b"__Host-vestibule=$1")]);
        lines.push(vec![]);
        let headers = |lines: &[Vec<u8>]| {
            let values = lines.iter().map(|line| HeaderValue::from_bytes(line).expect("a field value"));
            values.map(|value| (COOKIE, value)).collect::<Fields>()
        };
        let requests = || lines.iter().flat_map(|lines| [Scheme::Https, Scheme::Http].map(|scheme| (lines, scheme)));
        for before in requests() {
            for now in requests() {
                let mut last = LastCookie::default();
                for (lines, scheme) in [before, now, now] {
                    let (mut remembered, mut taken) = (headers(lines), headers(lines));
                    let found = take(&mut remembered, scheme, &mut last);
                    assert_eq!(found, take_once(&mut taken, scheme), "{lines:?}");
                    assert_eq!(remembered, taken, "{lines:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_that_is_the_last_one_is_not_read_again() {
        let (mut last, other) = (LastCookie::default(), Presented { kind: Kind::Pending, digest: token(2).digest() });
        let cookies = || Fields::from_iter([(COOKIE, set(&token(1), Scheme::Http))]);
        take(&mut cookies(), Scheme::Http, &mut last);
        last.0.as_mut().expect("it is remembered").1 = other;
        assert_eq!(take(&mut cookies(), Scheme::Http, &mut last), Some(other));
    }

    #[test]
    fn each_scheme_has_its_own_name_and_both_are_taken_out() {
        let line: &[&[u8]] = &[b"vestibule=$1; __Host-vestibule=$2; a=1"];
        assert_eq!(taken(Scheme::Http, line), (vec![b"a=1".to_vec()], Some(1)));
        assert_eq!(taken(Scheme::Https, line), (vec![b"a=1".to_vec()], Some(2)));
        assert_eq!(taken(Scheme::Https, &[b"vestibule=$1"]), (vec![], None));
        assert_eq!(taken(Scheme::Http, &[b"__Host-vestibule=$1"]), (vec![], None));
        assert_eq!(take_once(&mut Fields::new(), Scheme::Https), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_alone_and_ends_with_the_browser() {
        let secure = format!("__Host-vestibule={}; Path=/; Secure; HttpOnly; SameSite=Lax", value(1));
        assert_eq!(set(&token(1), Scheme::Https), secure);
        assert_eq!(set(&token(1), Scheme::Http), format!("vestibule={}; Path=/; HttpOnly; SameSite=Lax", value(1)));
        assert_eq!(clear(Scheme::Https), "__Host-vestibule=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        assert_eq!(clear(Scheme::Http), "vestibule=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn what_is_set_is_what_is_read_back() {
        for kind in [Kind::Pending, Kind::Verified] {
            let token = SessionToken::new(kind, [7; 32]);
            let header = set(&token, Scheme::Https);
            let pair = header.as_bytes().split(|&b| b == b';').next().expect("a pair");
            let mut headers = Fields::new();
            headers.insert(COOKIE, HeaderValue::from_bytes(pair).expect("a field value"));
            assert_eq!(take_once(&mut headers, Scheme::Https), Some(Presented { kind, digest: token.digest() }));
        }
    }

    #[test]
    fn a_dashboard_that_sets_our_cookie_is_noticed_in_every_spelling_that_browsers_send_back() {
        let ours = [
            "vestibule=x",
            "__Host-vestibule=x; Secure",
            " vestibule =x",
            "=vestibule=x",
            " = __Host-vestibule=x",
            "vestibule",
            "vestibule;",
            "Vestibule=x",
            "==vestibule=x",
        ];
        let others = ["a=vestibule", "vestibule2=x", "x; vestibule=1", ""];
        for text in ours {
            assert!(would_set_ours((&HeaderValue::from_static(text)).into()), "{text:?}");
        }
        for text in others {
            assert!(!would_set_ours((&HeaderValue::from_static(text)).into()), "{text:?}");
        }
    }
}
