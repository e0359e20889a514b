//! Where in a request a token is, and that there is one.

use http::header::{AUTHORIZATION, COOKIE};

use crate::config::TokenPlace;
use crate::message::{Fields, RequestHead};
use crate::session_cookie::pairs;
use crate::site::cookie::pieces;
use crate::site::query::could_name;

/// What a request carries in the token's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Carried<'a> {
    /// Nothing.
    Nothing,
    /// One, whatever it is worth.
    One(&'a [u8]),
    /// Several, or something of which the dashboard might make more than is seen here.
    NotOne,
}

/// The token of a request.
pub(crate) fn find<'a>(place: &TokenPlace, head: &'a RequestHead) -> Carried<'a> {
    match place {
        TokenPlace::Cookie(name) => in_cookie(name, &head.headers),
        TokenPlace::Header(name) => one(head.headers.get_all(name).map(|line| Some(line.as_bytes()))),
        TokenPlace::Bearer => one(head.headers.get_all(AUTHORIZATION).map(|line| after_bearer(line.as_bytes()))),
    }
}

/// Every cookie counts that some framework reads as this one, wherever it sees one begin: which of two it takes is not
/// known here.
fn in_cookie<'a>(name: &str, headers: &'a Fields) -> Carried<'a> {
    let spelled = pieces(headers).filter(|piece| could_name(piece, name)).count();
    let mut all = headers.get_all(COOKIE).flat_map(|line| pairs(line.as_bytes()));
    match (spelled, all.find(|(found, _)| *found == name.as_bytes())) {
        (0, None) => Carried::Nothing,
        (1, Some((_, token))) => Carried::One(token),
        (_, None | Some(_)) => Carried::NotOne,
    }
}

/// The only one of these; `None` in place of one that is no token.
fn one<'a>(mut found: impl Iterator<Item = Option<&'a [u8]>>) -> Carried<'a> {
    match (found.next(), found.next()) {
        (None, _) => Carried::Nothing,
        (Some(Some(token)), None) => Carried::One(token),
        (Some(_), _) => Carried::NotOne,
    }
}

/// What follows the scheme, whose case does not matter (RFC 9110, section 11.1).
fn after_bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = credentials.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Request};

    use super::*;

    fn carried(place: &TokenPlace, fields: &[(&str, &str)]) -> String {
        let mut request = Request::builder();
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
        }
        let head = request.body(()).expect("a request").into_parts().0.into();
        match find(place, &head) {
            Carried::One(token) => String::from_utf8_lossy(token).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_token_in_a_cookie_is_the_only_one_by_any_spelling_of_its_name() {
        let place = TokenPlace::Cookie("app_token".into());
        let rows: &[(&[&str], &str)] = &[
            (&[], "Nothing"),
            (&["sid=1; app_tokens=2; xapp_token=3"], "Nothing"),
            (&["app_token=t"], "t"),
            (&["sid=1;  app_token=t; theme=dark"], "t"),
            (&["sid=1", "app_token=t"], "t"),
            (&["app_token="], ""),
            (&["app_token=\"t\""], "\"t\""),
            (&["app_token=t; app_token=t"], "NotOne"),
            (&["app_token=t; app_token=u"], "NotOne"),
            (&["app_token=t", "app_token=u"], "NotOne"),
            (&["app_token=t; app_token="], "NotOne"),
            (&["app_token=t; App_Token=u"], "NotOne"),
            (&["app_token=t; app%5Ftoken=u"], "NotOne"),
            (&["app_token=t; app.token=u"], "NotOne"),
            (&["app_token=t; app_token[x]=u"], "NotOne"),
            (&["app_token=t; \u{2003}app_token=u"], "NotOne"),
            (&["App_Token=t"], "NotOne"),
            (&["$Version=1; app_token=t; $Path=/"], "t"),
        ];
        for (lines, expected) in rows {
            let fields: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            assert_eq!(carried(&place, &fields), *expected, "{lines:?}");
        }
    }

    /// What Starlette, Django, aiohttp, Tomcat, Rack, PHP, ASP.NET and others make of a line.
    #[test]
    fn a_cookie_that_another_server_would_see_begin_elsewhere_counts() {
        let rows: &[&[u8]] = &[
            b"\xa0app_token=u",
            b"\x85app_token=u",
            b"app_token\xa0=u",
            b"app_token =u",
            b"app_token\t= u",
            b"\xffapp_token=u",
            b"\xc2\xa0app_token=u",
            b"x=1 app_token=u",
            b"x=1\tapp_token=u",
            b"x=1, app_token=u",
            b"x=1,app_token=u",
            b"x=\"a\" app_token=u",
            b"x=\"a\"app_token=u",
            b"x=\"; app_token=u",
            b"x=\"a\\\"; app_token=u; y=\"",
            b"\"app_token\"=u",
            b"=app_token=u",
            b"==app_token=u",
            b"$Version=1, app_token=u",
            b"x=1\\app_token=u",
            b"x=1 app%5ftoken=u",
            b"x=1,App.Token[]=u",
            b"app_token",
        ];
        let place = TokenPlace::Cookie("app_token".into());
        for other in rows {
            for line in [[b"app_token=t; ", *other].concat(), [*other, b"; app_token=t"].concat()] {
                let mut head = RequestHead::default();
                head.headers.insert(COOKIE, HeaderValue::from_bytes(&line).expect("a field value"));
                assert_eq!(find(&place, &head), Carried::NotOne, "{}", line.escape_ascii());
                head.headers.insert(COOKIE, HeaderValue::from_bytes(other).expect("a field value"));
                let alone = find(&place, &head);
                assert!(alone == Carried::NotOne || alone == Carried::One(b"u"), "{}", other.escape_ascii());
            }
        }
    }

    #[test]
    fn a_token_in_a_field_is_all_that_is_in_it() {
        let place = TokenPlace::Header(HeaderName::from_static("x-token"));
        assert_eq!(carried(&place, &[("x-other", "t")]), "Nothing");
        assert_eq!(carried(&place, &[("X-Token", "t")]), "t");
        assert_eq!(carried(&place, &[("X-Token", "t"), ("x-token", "t")]), "NotOne");
        let rows: &[(&[&str], &str)] = &[
            (&[], "Nothing"),
            (&["Bearer t"], "t"),
            (&["bEARER   t"], "t"),
            (&["Bearer t u"], "t u"),
            (&["Basic t"], "NotOne"),
            (&["Bearer"], "NotOne"),
            (&["Bearert"], "NotOne"),
            (&["t"], "NotOne"),
            (&[""], "NotOne"),
            (&["Bearer t", "Bearer t"], "NotOne"),
            (&["Bearer t", "Basic u"], "NotOne"),
        ];
        for (lines, expected) in rows {
            let fields: Vec<_> = lines.iter().map(|line| ("authorization", *line)).collect();
            assert_eq!(carried(&TokenPlace::Bearer, &fields), *expected, "{lines:?}");
        }
    }
}
