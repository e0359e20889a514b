//! The fields of one connection's requests, which the library has in a map.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, PoisonError};

use http::uri::Authority;
use http::{HeaderMap, request};

use crate::message::{Fields, RequestHead};

/// Up to how many bytes in the names and values of a head its fields are remembered.
const REMEMBERED: usize = 4096;

/// Makes the heads of a connection's requests.
///
/// Whoever asks for one thing again and again, or for many alike, says another target at most: fields that came twice for the
/// same host are not copied a third time, and are known to be the same.
#[derive(Default)]
pub(super) struct Heads(Mutex<Option<Last>>);

/// What the last head had.
struct Last {
    /// As it was sent: without a `Host`, it is what the dashboard gets as one.
    authority: Option<Box<str>>,
    print: Print,
    /// Its fields, [shared](Fields::share), if those before were most likely the same.
    fields: Option<Fields>,
}

/// What tells fields from others, mostly.
#[derive(PartialEq, Eq)]
struct Print {
    /// In their names and values.
    bytes: usize,
    hash: u64,
}

impl Print {
    fn of(map: &HeaderMap) -> Self {
        let (mut bytes, mut hasher) = (0, DefaultHasher::new());
        for part in map.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]) {
            bytes += part.len();
            hasher.write(part);
        }
        Self { bytes, hash: hasher.finish() }
    }
}

impl Heads {
    /// The head of a request. `remembers` says whether it may have to do with the last one, and with the next.
    pub(super) fn of(&self, parts: request::Parts, remembers: bool) -> RequestHead {
        let request::Parts { method, uri, version, headers, extensions, .. } = parts;
        let headers = if remembers { self.fields(uri.authority(), &headers) } else { Fields::from(&headers) };
        RequestHead { method, uri, version, headers, extensions }
    }

    fn fields(&self, authority: Option<&Authority>, map: &HeaderMap) -> Fields {
        let authority = authority.map(Authority::as_str);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_the_same = last.as_ref().filter(|last| last.authority.as_deref() == authority);
        if let Some(fields) = of_the_same.and_then(|last| last.fields.as_ref())
            && fields.is_of(map)
        {
            return fields.clone();
        }
        let (mut fields, print) = (Fields::from(map), Print::of(map));
        if print.bytes <= REMEMBERED && of_the_same.is_some_and(|last| last.print == print) {
            fields.share();
        }
        *last = Some(Last { authority: authority.map(Box::from), print, fields: fields.clone_if_shared() });
        fields
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(heads: &Heads, (target, fields): (&str, &[(&str, &str)])) -> RequestHead {
        let request = fields.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
        heads.of(request.body(()).expect("a request").into_parts().0, true)
    }

    #[test]
    fn whatever_the_last_head_was_this_one_is_as_it_came() {
        let all: [(&str, &[(&str, &str)]); 13] = [
            ("https://a/x", &[("cookie", "a=1"), ("accept", "b")]),
            ("https://A/x", &[("cookie", "a=1"), ("accept", "b")]),
            ("https://b/x", &[("cookie", "a=1"), ("accept", "b")]),
            ("/x", &[("cookie", "a=1"), ("accept", "b")]),
            ("https://a/y", &[("cookie", "a=1"), ("accept", "b")]),
            ("https://a/x", &[("cookie", "a=2"), ("accept", "b")]),
            ("https://a/x", &[("cookie", "a=1"), ("accept", "c")]),
            ("https://a/x", &[("accept", "b"), ("cookie", "a=1")]),
            ("https://a/x", &[("cookie", "a=1"), ("accent", "b")]),
            ("https://a/x", &[("cookie", "a=1b"), ("accept", "")]),
            ("https://a/x", &[("cookie", "a=1")]),
            ("https://a/x", &[("cookie", "a=1"), ("accept", "b"), ("x", "")]),
            ("https://a/x", &[]),
        ];
        for last in all {
            for this in all {
                let heads = Heads::default();
                for came in [last, last, last, this, this, this, last] {
                    let (head, alone) = (head(&heads, came), head(&Heads::default(), came));
                    assert_eq!((head.uri, head.headers), (alone.uri, alone.headers), "{came:?} after {last:?}");
                }
            }
        }
    }

    #[test]
    fn fields_that_came_twice_are_known_to_be_the_same_for_the_same_host_alone() {
        let heads = Heads::default();
        let came = |target: &str, value: &str| head(&heads, (target, &[("cookie", value)])).headers;
        assert!(came("https://a/", "a=1").clone_if_shared().is_none(), "they may never come again");
        let second = came("https://a/x", "a=1");
        assert!(second.is_copy_of(&came("https://a/", "a=1")));
        for (target, value) in [("https://b/", "a=1"), ("https://A/", "a=1"), ("/", "a=1"), ("https://a/", "a=2")] {
            for _ in 0..3 {
                assert!(!came(target, value).is_copy_of(&second), "{target} {value}");
            }
        }
        let alike = ["a=1", "a=2", "a=1", "a=2"].map(|value| came("https://a/", value));
        assert!(alike.iter().all(|fields| fields.clone_if_shared().is_none()), "none came twice in a row");
        let long = "x".repeat(REMEMBERED);
        let again = [(); 3].map(|()| came("https://a/", &long));
        assert!(again.iter().all(|fields| fields.clone_if_shared().is_none()), "too much to remember");
    }

    #[test]
    fn nothing_is_remembered_where_others_come_on_the_same_connection() {
        let heads = Heads::default();
        for _ in 0..3 {
            let parts = Request::get("https://a/").header("cookie", "a=1").body(()).expect("a request").into_parts().0;
            assert!(heads.of(parts, false).headers.clone_if_shared().is_none());
        }
    }
}
