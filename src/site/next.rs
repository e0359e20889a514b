//! Where a visitor may be sent on: only ever a path on the same site.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Rule, rule};
use crate::config::Site;

/// Longest `next` that is kept, in bytes.
const LONGEST: usize = 2048;

/// Own pages that a visitor can be sent on to. The others only make sense where they are.
const OWN_PAGES: [&str; 4] = ["/profile", "/settings", "/settings/security", "/settings/audit"];

/// `next`, if it is a path (with query and fragment) on the same site, however often it is decoded on the way; else `/`.
///
/// Neither the dashboard's logout nor the gateway's own pages, other than those of the profile and the settings, are
/// places to be sent on to.
pub fn safe_next<'a>(site: &Site, next: &'a str) -> &'a str {
    if is_safe(site, next) { next } else { "/" }
}

fn is_safe(site: &Site, next: &str) -> bool {
    if next.len() > LONGEST || !next.bytes().all(is_sent_by_browsers) {
        return false;
    }
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let Some(path) = decoded(path) else { return false };
    is_a_place(site, &path) && rule(site, next.split('#').next().unwrap_or_default()) != Rule::Logout
}

/// Visible ASCII without the backslash, which browsers take for a slash, and without what they always escape.
fn is_sent_by_browsers(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\\\"<>`".contains(&byte)
}

/// The path without escapes, if it stays on the site as it is and each time it is decoded.
fn decoded(path: &str) -> Option<Cow<'_, str>> {
    const ROUNDS: usize = 4;
    let mut path = Cow::Borrowed(path);
    for _ in 0..ROUNDS {
        if !stays_on_site(&path) {
            return None;
        }
        let next = percent_decode_str(&path).decode_utf8().ok()?.into_owned();
        if next == path {
            return Some(path);
        }
        path = Cow::Owned(next);
    }
    None
}

fn stays_on_site(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && !path.contains(|c: char| c == '\\' || c.is_control())
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn is_a_place(site: &Site, path: &str) -> bool {
    match path.strip_prefix(site.prefix.as_str()) {
        Some(own) if own.is_empty() || own.starts_with(['/', '?', '#', ';']) => OWN_PAGES.contains(&own),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PathPattern;
    use crate::site::sample;

    fn site() -> Site {
        Site {
            logout: vec![PathPattern::Path("/logout".into()), PathPattern::Target("/do?a=out".into())],
            ..sample::site()
        }
    }

    /// What stays on the site, odd as some of it is.
    #[rustfmt::skip]
    const KEPT: &[&str] = &[
        "/", "/reports", "/reports/", "/reports?year=2026&q=a+b", "/reports?back=https://elsewhere.example/",
        "/reports?x=//y", "/reports?x=../..", "/reports#summary", "/#/queues/%2F/name", "/a%2Fb", "/a%20b",
        "/caf%C3%A9", "/heroes;id=15", "/100%", "/%zz", "/a:b", "/@me", "/a.b/c..d", "/.well-known/x", "/~alice",
        "/a,b", "/a'b(c)*!$&+=", "/{id}|x", "/[slug]", "/?", "/??", "/?next=//evil.example", "/x?y=%0d%0a", "/x?y=%",
        "/_2fa/profile", "/_2fa/settings", "/_2fa/settings/security", "/_2fa/settings/security?q=bob&page=2",
        "/_2fa/settings/audit#x", "/_2fax", "/_2FA/verify", "/x/_2fa/verify", "/logouts", "/do?a=out2", "/login",
        "/javascript:alert(1)", "/https:/evil.example", "/%E2%80%AE", "/a%252Fb",
    ];

    #[test]
    fn a_path_on_the_site_is_kept_as_it_is() {
        for next in KEPT {
            assert_eq!(safe_next(&site(), next), *next);
        }
        let longest = format!("/{}", "a".repeat(LONGEST - 1));
        assert_eq!(safe_next(&site(), &longest), longest);
    }

    /// What leads away from the site, or might once somebody decodes it or browsers bring it to their form.
    #[rustfmt::skip]
    const ELSEWHERE: &[&str] = &[
        "", " ", "x", "reports", "?x", "#x", ".", "..", "./x", "../x", "*", ";", "@evil.example", ":80",
        "evil.example", "www.evil.example/x", "//", "///", "////evil.example", "//evil.example", "//evil.example/",
        "///evil.example", "//evil.example:443/x", "//user@evil.example", "//insights.acme.example",
        "//insights.acme.example@evil.example", "//evil%2eexample", "//google.com/%2f..", "//[::1]/", "//127.1",
        "//0x7f000001", "//\u{ff45}vil.example", "/\\", "/\\evil.example", "\\/evil.example", "\\\\evil.example",
        "\\evil.example", "/\\/evil.example", "//\\evil.example", "/\\\\evil.example", "/x\\y", "/x?\\",
        "/\\t/evil.example\\", "http://evil.example", "https://evil.example", "HTTPS://evil.example",
        "https:evil.example", "https:/evil.example", "https:///evil.example", "https:\\\\evil.example",
        "http://insights.acme.example/", "https://insights.acme.example/",
        "https://insights.acme.example.evil.example", "https://insights.acme.example@evil.example",
        "hTtPs://evil.example", "javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)",
        "javascript://%0aalert(1)", "data:text/html,x", "vbscript:x", "mailto:a@b", "tel:1", "ftp://evil.example",
        "file:///etc/passwd", "blob:x", "about:blank", "view-source:x", "ws://evil.example", " /reports", "\t/reports",
        "\n/reports", "/reports ", "/reports\n", "/re ports", "/re\tports", "/\t/evil.example", "/\n/evil.example",
        "/\r/evil.example", "/\u{0}/evil.example", "\t//evil.example", "\u{0}//evil.example",
        "\u{1}https://evil.example", "/x\r\nSet-Cookie: a=b", "/x\nLocation: https://evil.example", "/x\u{7f}",
        "/x\u{85}", "/x\u{2028}y", "/\u{ff0f}evil.example", "/\u{2215}evil.example", "/\u{3000}/evil.example",
        "\u{feff}/x", "/caf\u{e9}", "/x\u{202e}y", "/%2fevil.example", "/%2Fevil.example", "/%2f%2fevil.example",
        "%2f%2fevil.example", "%2fevil.example", "/%5cevil.example", "/%5Cevil.example", "%5c%5cevil.example",
        "/%5c%2fevil.example", "/%09/evil.example", "/%0a/evil.example", "/%0d%0aSet-Cookie:a=b", "/%00/evil.example",
        "/x%00", "/x%0a", "/x%7f", "/x%c2%85", "/%252fevil.example", "/%25252fevil.example",
        "/%2525252525252fevil.example", "/%255cevil.example", "/%250d%250aX:y", "/x//y", "/x//", "/x%2f/y", "/./",
        "/../", "/..", "/x/..", "/x/../y", "/..//evil.example", "/.//evil.example", "/x/..//evil.example",
        "/%2e%2e//evil.example", "/%2e%2e/x", "/%2e/x", "/.%2e/x", "/x/%252e%252e/y", "/..%2f..%2f", "/x%5c..%5cy",
        "/%ff", "/%c0%af", "/%c0%ae%c0%ae/x", "/\"onmouseover=x", "/<script>", "/x?<script>", "/x`y",
        "https%3A%2F%2Fevil.example", "https%3a//evil.example", "/_2fa", "/_2fa/", "/_2fa?x", "/_2fa/verify",
        "/_2fa/verify?next=/x", "/_2fa/verify#x", "/_2fa/enroll", "/_2fa/recover", "/_2fa/logout", "/_2fa/status",
        "/_2fa/auth/nginx", "/_2fa/assets/x", "/_2fa/profile/disable", "/_2fa/profile/", "/_2fa/settings/requirement",
        "/_2fa/settings/security/reset", "/_2fa;x/verify", "/_2fa/%76erify", "/%5f2fa/verify", "/%5f2fa/%6cogout",
        "/%255f2fa/logout", "/_2fa%2flogout", "/_2fa%3fx", "/_2fa/nothing", "/logout", "/logout?x=1", "/logout#x",
        "/do?a=out",
    ];

    #[test]
    fn whatever_could_lead_elsewhere_becomes_the_first_page() {
        assert!(ELSEWHERE.len() > 150);
        for next in ELSEWHERE {
            assert_eq!(safe_next(&site(), next), "/", "{next:?}");
        }
        assert_eq!(safe_next(&site(), &format!("/{}", "a".repeat(LONGEST))), "/");
    }
}
