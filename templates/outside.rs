//! Text from outside, made fit to be shown, linked to or sent along.

use std::fmt::Write as _;

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 120;

/// A name or an address as one short line: no control characters, nothing that turns the direction of what stands
/// around it, nothing invisible; a dash if nothing is left.
pub(crate) fn shown(text: &str) -> String {
    let mut visible = text
        .chars()
        .filter(|c| !is_hidden(*c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .skip_while(|c| *c == ' ');
    let mut line: String = visible.by_ref().take(LONGEST).collect();
    if visible.next().is_some() {
        line.push('…');
    }
    line.truncate(line.trim_end().len());
    if line.is_empty() { "–".to_owned() } else { line }
}

/// Control characters that are no space, bidirectional controls, zero-width and tag characters.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// `path` if it is a path on the same site, else `/`. The gateway has checked what it calls `next`; a link is worth
/// a second look.
pub(crate) fn local(path: &str) -> &str {
    let rest = path.strip_prefix('/');
    let stays = rest.is_some_and(|rest| !rest.starts_with(['/', '\\'])) && !path.contains(|c: char| c.is_control());
    if stays { path } else { "/" }
}

/// `text` as the value of a query parameter: all but unreserved characters (RFC 3986 section 2.3) is escaped.
pub(crate) fn query_value(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Names that browsers give themselves, the more particular ones first: most also claim to be Chrome and Safari.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome (headless)"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Names of systems in what browsers say of themselves, the more particular ones first.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// A `User-Agent` in words: `Firefox on Linux`; what is not known is shown as it is.
pub(crate) fn browser(agent: &str) -> String {
    let find =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if agent.trim().is_empty() => "Unknown browser".to_owned(),
        (None, _) => shown(agent),
    }
}

/// A span of time in words: `45 seconds`, `2 minutes 40 seconds`, `1 minute`.
pub(crate) fn span(seconds: u64) -> String {
    let unit = |n: u64, name: &str| format!("{n} {name}{}", if n == 1 { "" } else { "s" });
    match (seconds / 60, seconds % 60) {
        (0, seconds) => unit(seconds, "second"),
        (minutes, 0) => unit(minutes, "minute"),
        (minutes, seconds) => format!("{} {}", unit(minutes, "minute"), unit(seconds, "second")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_visible_line() {
        assert_eq!(shown("  Ada\r\n\tLovelace "), "Ada   Lovelace");
        assert_eq!(shown("user\u{202e}nimda\u{2066}\u{200b}\0\u{7f}\u{85}"), "usernimda");
        assert_eq!(shown(&"x".repeat(10_000)), format!("{}…", "x".repeat(LONGEST)));
        assert_eq!(shown("\u{200f}\u{feff} "), "–");
    }

    #[test]
    fn only_a_path_on_the_same_site_is_linked_to() {
        for good in ["/", "/reports?from=1#top", "/_2fa/profile"] {
            assert_eq!(local(good), good);
        }
        for bad in ["javascript:alert(1)", "//evil.example", "/\\evil.example", "https://evil.example", "", "/\t/evil"]
        {
            assert_eq!(local(bad), "/", "{bad}");
        }
    }

    #[test]
    fn browsers_are_named_by_what_they_are_and_not_by_what_they_claim() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1", "Safari on iPhone"),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", "Unknown browser"),
        ];
        for (agent, words) in cases {
            assert_eq!(browser(agent), words);
        }
    }

    #[test]
    fn a_query_value_can_not_leave_its_parameter() {
        assert_eq!(query_value("/a b?c=d&e=ü#f"), "%2Fa%20b%3Fc%3Dd%26e%3D%C3%BC%23f");
    }

    #[test]
    fn spans_are_said_in_minutes_and_seconds() {
        assert_eq!(
            [span(1), span(45), span(60), span(160), span(900)].join(", "),
            "1 second, 45 seconds, 1 minute, 2 minutes 40 seconds, 15 minutes"
        );
    }
}
