//! Paths: patterns of public ones, addresses on a site, and the prefix of the gateway's own pages.

use super::finding::Form;
use crate::config::PathPattern;
use crate::config::problem::Wrong;
use crate::site::is_plain;

const PATTERN: &str = "a path as \"/login\", everything below one as \"/static/*\", or one target with its query";

/// A path that is open to everybody, or that ends a login.
pub(super) fn pattern(text: &str) -> Form<PathPattern> {
    if let Some((path, query)) = text.split_once('?') {
        return exact(path, query);
    }
    unambiguous(text)?;
    if text == "/*" {
        return Err(Wrong::new("\"/*\" is every path there is: nothing would be protected", PATTERN));
    }
    let folder = text.strip_suffix('*').filter(|folder| folder.ends_with('/'));
    if folder.unwrap_or(text).contains('*') {
        return Err(Wrong::new(format!("{text:?} has a \"*\" that is not its whole last segment"), PATTERN));
    }
    plain(folder.unwrap_or(text))?;
    Ok(folder.map_or_else(|| PathPattern::Path(text.to_owned()), |folder| PathPattern::Below(folder.to_owned())))
}

fn exact(path: &str, query: &str) -> Form<PathPattern> {
    unambiguous(path)?;
    visible(query)?;
    if path.contains('*') || query.contains('*') {
        return Err(Wrong::new("an entry with a query is compared byte for byte: \"*\" means nothing in it", PATTERN));
    }
    plain(path)?;
    Ok(PathPattern::Target(format!("{path}?{query}")))
}

/// Refuses what would never be open, as it is no plain spelling.
fn plain(path: &str) -> Form<()> {
    if is_plain(path) {
        return Ok(());
    }
    let right = "the spelling that browsers send: escapes only where one is needed, and in UTF-8";
    Err(Wrong::new(format!("{path:?} is no plain spelling of a path, and would never match"), right))
}

/// Whether a pattern is for any path at or below the prefix.
pub(super) fn touches(pattern: &PathPattern, prefix: &str) -> bool {
    let own = format!("{prefix}/");
    match pattern {
        PathPattern::Path(path) => is_own(path, prefix),
        PathPattern::Below(folder) => own.starts_with(folder.as_str()) || folder.starts_with(&own),
        PathPattern::Target(target) => is_own(target, prefix),
    }
}

/// Whether a target on the site is one of the gateway's own pages.
pub(super) fn is_own(target: &str, prefix: &str) -> bool {
    let path = target.split('?').next().unwrap_or(target);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path, and a query if need be: something to ask for, or to send a browser to.
pub(super) fn target(text: &str) -> Form<String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    unambiguous(path)?;
    visible(query)?;
    Ok(text.to_owned())
}

/// A target in which `{next}` may stand for where somebody wanted to go.
pub(super) fn target_with_next(text: &str) -> Form<String> {
    let (path, _) = text.split_once('?').unwrap_or((text, ""));
    if path.contains("{next}") {
        return Err(Wrong::new("\"{next}\" stands in the path", "in the query, as \"/login?next={next}\""));
    }
    target(&text.replace("{next}", "next")).map(|_| text.to_owned())
}

/// The first part of the gateway's own pages.
pub(super) fn prefix(text: &str) -> Form<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if text.ends_with('/') || !text.bytes().all(plain) || unambiguous(text).is_err() {
        let right =
            "\"/\" and a name, as \"/_2fa\": letters, digits, \"-\", \"_\", \".\" and \"~\", no \"/\" at the end";
        return Err(Wrong::new(format!("{text:?} is no prefix"), right));
    }
    Ok(text.to_owned())
}

/// Refuses a path that two servers could read differently.
fn unambiguous(path: &str) -> Form<()> {
    let wrong = |what: String| Err(Wrong::new(what, "a path from the root, as \"/login\", plain and without detours"));
    if !path.starts_with('/') {
        return wrong(format!("{path:?} does not begin with \"/\""));
    }
    if path.contains("//") {
        return wrong(format!("{path:?} has an empty segment, \"//\""));
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return wrong(format!("{path:?} has a dot segment"));
    }
    if let Some(bad) = path.chars().find(|&character| !is_path_character(character)) {
        return wrong(format!("{path:?} has a {bad:?}"));
    }
    escapes(path)
}

fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@/%".contains(character)
}

/// Refuses escapes that are none, and escapes of what servers disagree on.
fn escapes(path: &str) -> Form<()> {
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err(Wrong::new(format!("{path:?} has a \"%\" that is no escape"), "\"%\" and two hex digits"));
        };
        if byte.is_ascii_control() || b"/\\.;%".contains(&byte) {
            let escape = &path[at..at + 3];
            let right = "a path without it: servers disagree on what it means, so it can't be public";
            return Err(Wrong::new(format!("{path:?} has an encoded character, {escape:?}"), right));
        }
    }
    Ok(())
}

fn visible(query: &str) -> Form<()> {
    match query.chars().find(|character| !character.is_ascii_graphic() || "\"#<>\\^`{|}".contains(*character)) {
        Some(bad) => Err(Wrong::new(format!("the query has a {bad:?}"), "the query as a browser sends it, escaped")),
        None => Ok(()),
    }
}
