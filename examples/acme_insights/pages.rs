//! The dashboard's pages: what they say, put into the HTML files beside this one.

use std::borrow::Cow;

use http::HeaderMap;

use super::people::{Person, Role};

const FRAME: &str = include_str!("frame.html");
const LOGIN: &str = include_str!("login.html");
const OVERVIEW: &str = include_str!("overview.html");
const REPORTS: &str = include_str!("reports.html");

/// Media type and text of a file under `/static/`.
pub(crate) fn asset(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/static/style.css" => Some(("text/css; charset=utf-8", include_str!("static/style.css"))),
        "/static/live.js" => Some(("text/javascript; charset=utf-8", include_str!("static/live.js"))),
        "/static/icon.svg" => Some(("image/svg+xml", include_str!("static/icon.svg"))),
        _ => None,
    }
}

/// Asks for user and password, and says what was wrong the last time.
pub(crate) fn login(next: Option<Cow<'_, str>>, error: Option<&str>) -> String {
    let error = error.map(|error| format!("<p class=\"error\" role=\"alert\">{}</p>", escape(error)));
    let next = next.unwrap_or(Cow::Borrowed("/"));
    fill(LOGIN, &[("error", &error.unwrap_or_default()), ("next", &escape(&next))])
}

/// The first page: how business is, and how the reader came in.
pub(crate) fn overview(person: &Person, headers: &HeaderMap) -> String {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let factor = header("x-vestibule-factor").unwrap_or("nobody asked for one");
    let since = header("x-vestibule-verified-at").unwrap_or("–");
    let overview = fill(
        OVERVIEW,
        &[
            ("first name", &escape(person.name.split(' ').next().unwrap_or(person.name))),
            ("factor", &escape(factor)),
            ("since", &escape(since)),
            ("bars", &bars(&[42, 51, 48, 63, 70, 66, 81, 79, 92, 88, 104, 117])),
        ],
    );
    frame("Overview", person, &overview)
}

/// The second page, so that there is somewhere else to want to go.
pub(crate) fn reports(person: &Person, query: Option<&str>) -> String {
    let query = query.unwrap_or_default();
    let quarter = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "quarter");
    let quarter = quarter.map_or(Cow::Borrowed("all quarters"), |(_, quarter)| quarter);
    frame("Reports", person, &fill(REPORTS, &[("quarter", &escape(&quarter))]))
}

/// There is no such page.
pub(crate) fn not_found() -> String {
    "<!doctype html><html lang=\"en\"><title>Not found</title><h1>There is no such page</h1>".to_owned()
}

fn frame(title: &str, person: &Person, content: &str) -> String {
    let settings = match person.role {
        Role::Admin => "<a href=\"/_2fa/settings\">Settings</a>",
        Role::Member => "",
    };
    fill(
        FRAME,
        &[
            ("title", title),
            ("name", &escape(person.name)),
            ("company", &escape(person.company)),
            ("settings", settings),
            ("content", content),
        ],
    )
}

/// One bar of the chart a month, from its left edge.
fn bars(months: &[u32]) -> String {
    let bar = |(month, value): (usize, &u32)| {
        format!("<rect x=\"{}\" y=\"{}\" width=\"22\" height=\"{value}\" rx=\"3\"/>", month * 30 + 4, 120 - value)
    };
    months.iter().enumerate().map(bar).collect()
}

/// Puts HTML in the places of a page that are marked `{{name}}`.
fn fill(page: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(page.to_owned(), |page, (name, html)| page.replace(&format!("{{{{{name}}}}}"), html))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
