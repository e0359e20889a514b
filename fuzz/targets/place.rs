//! Targets: whether a path is open, where a visitor is sent on to, and what of a query is a credential.

use std::path::{Component, Path};

use http::{Request, Uri};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{first_line_of_text, site};
use crate::config::{Credential, PathPattern, Site};
use crate::identity::credentials;
use crate::site::{Rule, query, rule};

/// A target, at a site where everything is open that can be.
///
/// The other readings: that of browsers (the `url` crate), that of a file system, and that of servers which decode a
/// path once more. Whatever is open is the same names in the same order to all of them.
pub(super) fn path_rule(bytes: &[u8]) {
    let Ok(target) = str::from_utf8(bytes) else { return };
    let open = Site { public: vec![PathPattern::Below("/".into())], ..site() };
    let path = target.split('?').next().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let rule = rule(&open, target);
    if rule == Rule::Protected {
        return;
    }
    let url = Url::parse(&format!("http://insights.acme.example{path}")).expect("a path");
    assert_eq!(url.path(), path, "browsers leave it as it is");
    assert_eq!(percent_decode_str(&decoded).decode_utf8_lossy(), decoded, "nothing is left to decode");
    let names: Vec<&str> = decoded.strip_prefix('/').expect("from the root").split('/').collect();
    let names = names.strip_suffix(&[""]).unwrap_or(&names);
    let components: Vec<_> = Path::new(&decoded).components().skip(1).collect();
    assert_eq!(components, names.iter().map(|name| Component::Normal(name.as_ref())).collect::<Vec<_>>());
    assert!(!decoded.contains(['\\', ';', '%']) && !decoded.contains(char::is_control), "{decoded:?}");
    assert_eq!(path.split('/').count(), decoded.split('/').count(), "no slash is encoded");
    if rule == Rule::Public {
        assert!(decoded != "/_2fa" && !decoded.starts_with("/_2fa/") && decoded != "/logout", "{decoded}");
    }
}

/// Where somebody asks to be sent on to. The other reading: that of a browser, after each decoding on the way.
pub(super) fn safe_next(bytes: &[u8]) {
    let Ok(next) = str::from_utf8(bytes) else { return };
    let site = site();
    let kept = crate::site::safe_next(&site, next);
    assert!(kept == next || kept == "/");
    assert!(kept.bytes().all(|byte| byte.is_ascii_graphic()), "{kept:?}");
    let here = Url::parse("https://insights.acme.example:8443/_2fa/verify?next=x").expect("an address");
    let end = kept.find(['?', '#']).unwrap_or(kept.len());
    let (mut path, rest) = (kept[..end].to_owned(), &kept[end..]);
    for _ in 0..4 {
        let there = here.join(&format!("{path}{rest}")).expect("an address");
        assert_eq!(there.origin(), here.origin(), "{there}");
        assert!(there.username().is_empty() && there.password().is_none(), "{there}");
        let places = ["/_2fa/profile", "/_2fa/settings", "/_2fa/settings/security", "/_2fa/settings/audit"];
        let own = there.path() == "/_2fa" || there.path().starts_with("/_2fa/");
        assert!(!own || places.contains(&there.path()), "{there}");
        assert!(there.path() != "/logout", "{there}");
        path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
    }
}

/// A target. The other readings: those of the frameworks behind which a parameter could be a credential. Of what is
/// left after credentials were taken out, none of them reads one; and nothing else is taken.
pub(super) fn query_parameters(bytes: &[u8]) {
    let Some((target, _)) = first_line_of_text(bytes) else { return };
    let Ok(uri) = target.parse::<Uri>() else { return };
    let parameters = ["token", "auth_token"].map(str::to_owned);
    let mut stripped = uri.clone();
    query::strip(&mut stripped, &parameters);
    assert_eq!((stripped.path(), stripped.authority()), (uri.path(), uri.authority()));
    let left = stripped.query().unwrap_or_default();
    let mut parts = uri.query().unwrap_or_default().split('&');
    assert!(left.is_empty() || left.split('&').all(|part| parts.any(|other| other == part)), "in the same order");
    for part in uri.query().unwrap_or_default().split('&') {
        let decoded = percent_decode_str(part).decode_utf8_lossy().to_lowercase();
        let could_be = decoded.contains("token") || decoded.contains("%u");
        assert!(could_be || left.split('&').any(|other| other == part), "{part} was taken out");
    }
    for (framework, reads) in FRAMEWORKS {
        for name in reads(left) {
            let read = parameters.iter().any(|parameter| parameter.eq_ignore_ascii_case(&name));
            assert!(!read, "{framework} reads {name} in {left}");
        }
    }
    let mut head = Request::get(uri).body(()).expect("a request").into_parts().0.into();
    let credentials = parameters.map(Credential::Query).to_vec();
    credentials::withhold(&mut head, &Site { credentials, ..site() });
    assert_eq!(head.uri.query().unwrap_or_default(), left);
}

/// How a framework reads the names in a query.
type Reads = fn(&str) -> Vec<String>;

const FRAMEWORKS: [(&str, Reads); 5] =
    [("WHATWG", whatwg), ("PHP", php), ("qs", qs), ("Rack", rack), ("ASP.NET", asp_net)];

/// Names as they stand, decoded.
fn decoded(name: &str) -> String {
    percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn names(query: &str, separators: &[char]) -> Vec<String> {
    query.split(separators).map(|pair| pair.split('=').next().unwrap_or_default().to_owned()).collect()
}

fn whatwg(query: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// `php_register_variable_ex`: spaces in front are passed over, a NUL ends the name, spaces and dots become `_`, a
/// bracket ends it if it is closed and becomes `_` if it is not.
fn php(query: &str) -> Vec<String> {
    let read = |name: &String| {
        let name = decoded(name);
        let name = name.trim_start_matches(' ').split('\0').next().unwrap_or_default();
        let (start, bracket) = name.split_once('[').map_or((name, None), |(start, rest)| (start, Some(rest)));
        let start = start.replace([' ', '.'], "_");
        match bracket {
            Some(rest) if !rest.contains(']') => format!("{start}_{rest}"),
            Some(_) | None => start,
        }
    };
    names(query, &['&']).iter().map(read).collect()
}

/// Node's `qs`, which Express uses: what stands in front of the first pair of brackets, or in it if nothing does.
fn qs(query: &str) -> Vec<String> {
    let read = |part: &str| {
        let end = part.find("]=").map_or_else(|| part.find('=').unwrap_or(part.len()), |at| at + 1);
        let name = decoded(&part[..end]);
        let Some((start, rest)) = name.split_once('[') else { return name };
        match rest.split_once(']') {
            Some((inside, _)) if start.is_empty() && !inside.contains('[') => inside.to_owned(),
            Some((inside, _)) if !inside.contains('[') => start.to_owned(),
            _ => name,
        }
    };
    query.split('&').map(read).collect()
}

/// `Rack::QueryParser`: `/\A[\[\]]*([^\[\]]+)\]*/`, with semicolons between parameters as well in older ones.
fn rack(query: &str) -> Vec<String> {
    let read = |name: &String| {
        let name = decoded(name);
        name.trim_start_matches(['[', ']']).split(['[', ']']).next().unwrap_or_default().to_owned()
    };
    names(query, &['&', ';']).iter().map(read).collect()
}

/// `HttpUtility.UrlDecode`, which also knows `%u0041`.
fn asp_net(query: &str) -> Vec<String> {
    let read = |name: &String| {
        let mut pieces = name.split("%u");
        let mut read = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let code = piece.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
            match code {
                Some(character) => read.extend([character.to_string().as_str(), &piece[4..]]),
                None => read.extend(["%u", piece]),
            }
        }
        decoded(&read)
    };
    names(query, &['&']).iter().map(read).collect()
}
