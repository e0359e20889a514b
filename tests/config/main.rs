//! The configuration: that mistakes are found, all at once; what the values mean; and that the files we ship say what the
//! code does.

mod documents;
mod meaning;
mod mistakes;
mod reference;
mod sources;

use std::path::{Path, PathBuf};

use vestibule::config::problem::Problems;
use vestibule::config::{Config, parse};

/// The smallest configuration that passes, to be changed in one place.
const SMALL: &str = r#"
[server]
listen = ["127.0.0.1:8080"]

[store]
[session]
[totp]
[log]
[operations]

[[site]]
name = "insights"
hosts = ["insights.acme.example"]
upstream = "http://127.0.0.1:3000"

[site.identity]
url = "/api/me"
user = "/id"
organization = "/company"

[site.identity.anonymous]
[site.organization]
[site.enrollment]
"#;

fn read(text: &str) -> Result<Config, Problems> {
    parse(text, Path::new("/etc/vestibule/vestibule.toml"))
}

/// [`SMALL`] with these lines in the table under that header, instead of those for the same keys.
fn small_with(header: &str, lines: &str) -> String {
    let keys: Vec<_> = lines.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
    let mut inside = false;
    let mut text = String::new();
    for line in SMALL.lines() {
        let is_header = line.starts_with('[');
        inside = if is_header { line == header } else { inside };
        let replaced = inside && line.split_once(" = ").is_some_and(|(key, _)| keys.contains(&key));
        text += if replaced { "" } else { line };
        text += "\n";
        if is_header && inside {
            text += lines;
            text += "\n";
        }
    }
    assert!(text.contains(lines), "there is no {header}");
    text
}

/// The folder of the files that operators copy.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}
