//! Forms: sent from this site, of the one kind that is read, and not too large.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{CONTENT_TYPE, ORIGIN};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::failure::Failure;
use crate::identity::client::Scheme;
use crate::listener::Incoming;
use crate::message::{Fields, Value};
use crate::visit::Visit;

/// The most that a form can have, in bytes.
const LIMIT: usize = 16 * 1024;
/// How long it can take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// The fields of a form.
pub(crate) struct Form(Vec<(String, String)>);

/// Reads a form, if something proves that a page of this site sent it.
pub(super) async fn read(visit: &Visit<'_>, body: Incoming) -> Result<Form, Failure> {
    let headers = &visit.head.headers;
    prove_same_origin(headers, visit.client.scheme, visit.host.authority().as_bytes())?;
    if !is_form(headers) {
        return Err(Failure::UnsupportedMediaType);
    }
    let bytes = match tokio::time::timeout(PATIENCE, Limited::new(body, LIMIT).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Failure::TooLarge),
        Ok(Err(_)) => return Err(Failure::BadForm("it broke off")),
        Err(_) => return Err(Failure::BadForm("it did not arrive in time")),
    };
    Ok(Form::parse(&bytes))
}

impl Form {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value of a field that is there exactly once: of a repeated one nobody can say which counts.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// The value of a field, empty if it is missing or repeated: what is no code is a failed try like any other.
    pub(crate) fn typed(&self, name: &str) -> &str {
        self.one(name).unwrap_or_default()
    }

    /// Whether the field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, value)| field == name && !value.is_empty())
    }
}

/// The value of a parameter in a query, if it is there exactly once.
pub(crate) fn query_one<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name).map(|(_, v)| v);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn is_form(headers: &Fields) -> bool {
    let Ok(Some(only)) = headers.only(CONTENT_TYPE) else { return false };
    let essence = only.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Whether the browser says that a page of this very origin sent the request: by `Sec-Fetch-Site: same-origin`, or by
/// an `Origin` equal to the site's own. Where both speak, neither may say otherwise (an `Origin: null` says nothing).
pub(crate) fn prove_same_origin(headers: &Fields, scheme: Scheme, authority: &[u8]) -> Result<(), Failure> {
    let refused = |why| Err(Failure::SentFromElsewhere(why));
    let (Ok(site), Ok(origin)) = (headers.only("sec-fetch-site"), headers.only(ORIGIN)) else {
        return refused("Sec-Fetch-Site or Origin is there twice");
    };
    let own_origin = match origin.map(Value::as_bytes) {
        None | Some(b"null") => None,
        Some(origin) => Some(is_own(origin, scheme, authority)),
    };
    match (site.map(Value::as_bytes), own_origin) {
        (_, Some(false)) => {
            refused("its Origin is another one; behind a server that ends TLS, list that in trusted_proxies")
        }
        (Some(b"same-origin"), _) | (None, Some(true)) => Ok(()),
        (Some(_), _) => refused("Sec-Fetch-Site names another site"),
        (None, None) => refused("neither Sec-Fetch-Site nor Origin says where from"),
    }
}

fn is_own(origin: &[u8], scheme: Scheme, authority: &[u8]) -> bool {
    let (prefix, default_port): (&[u8], &str) = match scheme {
        Scheme::Http => (b"http://", ":80"),
        Scheme::Https => (b"https://", ":443"),
    };
    let bare = |authority: &[u8]| {
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(default_port.as_bytes()).map(<[u8]>::to_vec).unwrap_or(authority)
    };
    origin.strip_prefix(prefix).is_some_and(|theirs| bare(theirs) == bare(authority))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_this_very_origin_can_send_a_form() {
        let own = "https://dash.example";
        let rows: [(Option<&str>, Option<&str>, bool); 20] = [
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), Some("https://DASH.example:443"), true),
            (Some("same-origin"), Some("null"), true),
            (Some("same-origin"), Some("https://evil.example"), false),
            (Some("same-site"), Some(own), false),
            (Some("same-site"), None, false),
            (Some("cross-site"), Some(own), false),
            (Some("cross-site"), None, false),
            (Some("none"), None, false),
            (Some("none"), Some(own), false),
            (Some(""), Some(own), false),
            (Some("Same-Origin"), None, false),
            (None, Some(own), true),
            (None, Some("http://dash.example"), false),
            (None, Some("https://dash.example:8443"), false),
            (None, Some("https://dash.example.evil.example"), false),
            (None, Some("null"), false),
            (None, Some(""), false),
            (None, None, false),
        ];
        for (site, origin, expected) in rows {
            let mut headers = Fields::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let proved = prove_same_origin(&headers, Scheme::Https, b"dash.example").is_ok();
            assert_eq!(proved, expected, "{site:?} {origin:?}");
            headers.append(ORIGIN, HeaderValue::from_static("https://evil.example"));
            assert!(
                prove_same_origin(&headers, Scheme::Https, b"dash.example").is_err(),
                "{site:?} {origin:?} and evil"
            );
        }
    }

    #[test]
    fn a_repeated_field_has_no_value() {
        let form = Form::parse(b"code=1&code=2&next=%2Fa&code%5B%5D=3");
        assert_eq!((form.one("code"), form.typed("code"), form.one("next")), (None, "", Some("/a")));
        assert_eq!(query_one("q=a&page=2&page=3", "page"), None);
    }
}
