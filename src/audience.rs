//! Who will read an answer: a person in a browser, or a program.

use http::header::ACCEPT;
use http::{HeaderName, Method};

use crate::message::Fields;

/// How a browser came to send a request: `navigate` if it goes to a page.
pub(crate) const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Who will read an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person: pages and redirects.
    Person,
    /// A program (a script, an API client, a WebSocket): statuses and `application/problem+json`.
    Program,
}

impl Audience {
    /// Whom a request for the dashboard comes from: a navigation says so in `Sec-Fetch-Mode`; without that field, a GET
    /// or HEAD whose `Accept` names `text/html` is one.
    pub fn of(method: &Method, headers: &Fields) -> Self {
        let is_navigation = match headers.get(SEC_FETCH_MODE) {
            Some(mode) => mode == "navigate",
            None => matches!(*method, Method::GET | Method::HEAD) && accepts(headers, "text/html"),
        };
        if is_navigation { Self::Person } else { Self::Program }
    }

    /// Whom an answer of the gateway's own pages is for: a person, unless JSON is asked for and HTML is not.
    pub fn of_own_page(headers: &Fields) -> Self {
        if accepts(headers, "json") && !accepts(headers, "text/html") { Self::Program } else { Self::Person }
    }
}

fn accepts(headers: &Fields, what: &str) -> bool {
    headers.get_all(ACCEPT).any(|value| {
        let value = value.as_bytes();
        value.len() >= what.len() && value.windows(what.len()).any(|part| part.eq_ignore_ascii_case(what.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use Audience::{Person, Program};

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(fields: Lines) -> Fields {
        fields.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_navigation_is_a_person_and_everything_else_a_program() {
        const BROWSER: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
        let rows: [(Method, Lines, Audience); 8] = [
            (Method::GET, &[("sec-fetch-mode", "navigate")], Person),
            (Method::POST, &[("sec-fetch-mode", "navigate")], Person),
            (Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], Program),
            (Method::GET, &[("sec-fetch-mode", "websocket")], Program),
            (Method::GET, &[("accept", BROWSER)], Person),
            (Method::POST, &[("accept", BROWSER)], Program),
            (Method::GET, &[("accept", "*/*")], Program),
            (Method::GET, &[], Program),
        ];
        for (method, fields, expected) in rows {
            assert_eq!(Audience::of(&method, &headers(fields)), expected, "{method} {fields:?}");
        }
    }

    #[test]
    fn our_own_pages_are_for_people_unless_json_is_asked_for() {
        let rows: [(Lines, Audience); 4] = [
            (&[], Person),
            (&[("accept", "*/*")], Person),
            (&[("accept", "application/json")], Program),
            (&[("accept", "text/html, application/json")], Person),
        ];
        for (fields, expected) in rows {
            assert_eq!(Audience::of_own_page(&headers(fields)), expected, "{fields:?}");
        }
    }
}
