//! What holds for every answer: the cookie's attributes, and the fields that harden the gateway's own pages.

use super::dashboard::MARK;
use super::http::Answer;

/// The gateway's cookie over plain HTTP.
pub(super) const SESSION: &str = "vestibule";

/// The gateway's cookie over TLS.
pub(super) const TLS_SESSION: &str = "__Host-vestibule";

/// Fails unless the answer is as every answer of the gateway's own has to be, whatever it was asked for.
pub(super) fn is_hardened(answer: &Answer, tls: bool) {
    for (name, value, attributes) in answer.cookies().filter(|(name, _, _)| [SESSION, TLS_SESSION].contains(name)) {
        let end = if value.is_empty() { "; Max-Age=0" } else { "" };
        let secure = if name == TLS_SESSION { " Secure;" } else { "" };
        assert_eq!(attributes.trim_start(), format!("Path=/;{secure} HttpOnly; SameSite=Lax{end}"), "{name}");
        assert!(
            value.is_empty() || answer.field(MARK).is_none(),
            "with the dashboard's answer it is taken away at most"
        );
    }
    let strict = answer.field("strict-transport-security").is_some();
    assert_eq!(strict, tls && answer.field(MARK).is_none(), "over TLS, and never without");
    // Heads that are too large are answered before there is anybody to write a page.
    if answer.field(MARK).is_some() || answer.status == 431 {
        return;
    }
    let policy = answer.field("content-security-policy").unwrap_or_default();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "no {part} in {policy:?}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = answer.text();
    for inline in ["<script>", "<style>", " style=", " onclick="] {
        assert!(!text.contains(inline), "{inline} on a page");
    }
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.field("referrer-policy"), Some("same-origin"));
    let cached = answer.field("cache-control").unwrap_or_default();
    assert!(cached == "no-store" || cached.contains("immutable"), "{cached}");
}
