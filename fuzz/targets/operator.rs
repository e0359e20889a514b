//! What operators write, and the certificates they have.

use std::path::Path;

use crate::config::{self, PathPattern};
use crate::listener::certificate::not_after;
use crate::render::{Document, render};
use crate::site::{Rule, rule};

const DOCUMENTS: [Document; 7] = [
    Document::Nginx,
    Document::Caddy,
    Document::Traefik,
    Document::TraefikStatic,
    Document::Haproxy,
    Document::HaproxyLua,
    Document::Envoy,
];

/// A configuration file.
///
/// The other reading: TOML as everybody reads it. Of what is taken, every path that it says is open, is, and servers in
/// front get texts that are whole. Of what is not, each problem has a place in the file, and can be shown.
pub(super) fn configuration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    // Files are read that the text names: not those that have no end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("..") {
        return;
    }
    match config::parse(text, Path::new("/nonexistent/vestibule.toml")) {
        Ok(config) => {
            toml::from_str::<toml::Table>(text).expect("TOML");
            assert!(!config.sites.is_empty());
            for site in &config.sites {
                for pattern in site.public.iter().chain(&site.logout) {
                    let (PathPattern::Path(target) | PathPattern::Below(target) | PathPattern::Target(target)) =
                        pattern;
                    assert!(matches!(rule(site, target), Rule::Public | Rule::Logout), "{target:?} is not open");
                }
                assert_eq!(rule(site, &format!("{}/verify", site.prefix)), Rule::Own);
            }
            for document in DOCUMENTS {
                // A text without places that were not filled in, and without what would end a line or a word in it.
                if let Ok(text) = render(document, &config) {
                    assert!(
                        !text.contains(['«', '»', '\u{fffd}']) && !text.replace('\n', "").contains(char::is_control)
                    );
                }
            }
        }
        Err(problems) => {
            let lines = text.split('\n').count();
            assert!(problems.iter().count() > 0);
            for problem in &problems {
                assert!((1..=lines).contains(&problem.line) && problem.column > 0, "{problem:?}");
                assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
            }
            assert!(!problems.to_string().is_empty() && problems.to_json().is_array());
        }
    }
}

/// A certificate. The other reading: year and time of day stand in it as they are said.
pub(super) fn certificate(bytes: &[u8]) {
    let Some(end) = not_after(bytes).filter(|end| end.as_secs() > 0) else { return };
    let digits = end.rfc3339().replace(['-', ':', 'T'], "");
    let digits = digits.strip_suffix('Z').expect("UTC");
    let stands = |digits: &str| bytes.windows(digits.len()).any(|part| part == digits.as_bytes());
    assert!(stands(&digits[2..4]) && stands(&digits[8..]), "{digits}");
}
