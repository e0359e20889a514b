//! Parameters in a query: recognized however the dashboard may read them, and taken out where it may not see them.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::percent_decode;

/// Whether this part of a query, of those between `&`, could be read as the parameter.
///
/// Frameworks read names differently (escapes, `%u0074` too; `token[]` and `[token]`; `auth[token` for `auth_token`; a NUL
/// for the end; `;` between parameters; `.` for `_`; letter case): what one of them takes for the parameter is one.
pub(crate) fn could_name(part: &str, parameter: &str) -> bool {
    part.split(';').any(|pair| {
        let name = name_of(pair);
        read(&name).take_while(|byte| !is_bracket(*byte)).eq(meant(parameter))
            || read(&name).map(without_bracket).eq(meant(parameter))
    })
}

/// Whether its name could be read as one that begins like this.
pub(crate) fn could_begin(part: &str, beginning: &str) -> bool {
    part.split(';').any(|pair| {
        let name = name_of(pair);
        let mut read = read(&name).map(without_bracket);
        meant(beginning).all(|byte| read.next() == Some(byte))
    })
}

fn name_of(pair: &str) -> Cow<'_, str> {
    let name = pair.split('=').next().unwrap_or_default();
    if name.contains("%u00") { name.replace("%u00", "%").into() } else { name.into() }
}

fn read(name: &str) -> impl Iterator<Item = u8> {
    without_marks(percent_decode(name.as_bytes()).take_while(|&byte| byte != 0).map(folded))
}

fn meant(parameter: &str) -> impl Iterator<Item = u8> {
    without_marks(parameter.bytes().map(folded))
}

const fn folded(byte: u8) -> u8 {
    match byte {
        b' ' | b'+' | b'.' | b'\t' => b'_',
        _ => byte.to_ascii_lowercase(),
    }
}

const fn is_bracket(byte: u8) -> bool {
    matches!(byte, b'[' | b']')
}

const fn without_bracket(byte: u8) -> u8 {
    if byte == b'[' { b'_' } else { byte }
}

/// Without what stands before a name and does not count.
fn without_marks(name: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    name.skip_while(|&byte| byte == b'_' || is_bracket(byte))
}

/// Takes the parameters out of a request's query. The rest stays as it was, byte for byte.
pub(crate) fn strip(uri: &mut Uri, parameters: &[String]) {
    let Some(query) = uri.query().filter(|_| !parameters.is_empty()) else { return };
    let stays = |part: &&str| !parameters.iter().any(|parameter| could_name(part, parameter));
    let rest: Vec<_> = query.split('&').filter(stays).collect();
    if rest.len() == query.split('&').count() {
        return;
    }
    let target = match rest.as_slice() {
        [] => uri.path().to_owned(),
        rest => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.try_into().expect("a shorter query of the same characters"));
    *uri = Uri::from_parts(parts).expect("the same parts as before");
}

/// Whether [`strip`] would take anything out of a request's query.
pub(crate) fn is_stripped(uri: &Uri, parameters: &[String]) -> bool {
    let mut parts = uri.query().filter(|_| !parameters.is_empty()).into_iter().flat_map(|query| query.split('&'));
    parts.any(|part| parameters.iter().any(|parameter| could_name(part, parameter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_the_parameter_goes_and_the_rest_stays_as_it_was() {
        let parameters = ["auth", "token", "api_key"].map(str::to_owned);
        let rows = [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?x=1&&y=%61uth&z", "/a?x=1&&y=%61uth&z"),
            ("/a?author=1&xauth=2", "/a?author=1&xauth=2"),
            ("/a?auth=1", "/a"),
            ("/a?auth", "/a"),
            ("/a?x=1&auth=1&y=+%20", "/a?x=1&y=+%20"),
            ("/a?x=1&AUTH=1&%61uth=2&auth[]=3&token=4", "/a?x=1"),
            ("/a?x=1;auth=2&y=3", "/a?y=3"),
            ("/a?[auth]=1&]auth=2&a%u0075th=3&auth%00x=4&x[auth]=5", "/a?x[auth]=5"),
            ("/a?api[key=1&api[key]=2&api.key]=3&api%5bkey=4", "/a?api[key]=2"),
            ("/a%2Fb?token=1&download=x", "/a%2Fb?download=x"),
            ("http://insights.example/a?auth=1&x", "http://insights.example/a?x"),
        ];
        for (target, expected) in rows {
            let mut uri: Uri = target.parse().expect("a target");
            assert_eq!(is_stripped(&uri, &parameters), target != expected, "{target}");
            strip(&mut uri, &parameters);
            assert_eq!(uri.to_string(), expected, "{target}");
            assert!(!is_stripped(&uri, &parameters), "nothing is left of them in {expected}");
            let mut uri: Uri = target.parse().expect("a target");
            strip(&mut uri, &[]);
            assert_eq!(uri.to_string(), target);
        }
    }

    #[test]
    fn a_name_begins_like_another_however_it_is_spelled() {
        for part in ["app_sid", "app_sid.0=x", "APP%5Fsid1=x", "app.sid_2", "_app_sid=", "x=1;app_sid2=3", "app[sid"] {
            assert!(could_begin(part, "app_sid"), "{part}");
        }
        for part in ["", "app_si=x", "xapp_sid=1", "sid", "x=app_sid", "app_s;id"] {
            assert!(!could_begin(part, "app_sid"), "{part}");
        }
    }
}
