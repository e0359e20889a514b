//! What a file of the source names, read out of its text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Absolute paths (`crate::store::Store`, `rusqlite::Connection`), without those in tests, comments and texts.
pub(crate) type Names = BTreeSet<String>;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `src`, with `/` between folders, in order. Files of tests alone are left out.
pub(crate) fn sources() -> Vec<String> {
    let mut files = Vec::new();
    collect(&root().join("src"), "", &mut files);
    files.retain(|file| !file.ends_with("/tests.rs") && !file.ends_with("/sample.rs") && !file.contains("/tests/"));
    files.sort();
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push(name);
        }
    }
}

pub(crate) fn names(file: &str) -> Names {
    names_in(file, &read(&root().join("src").join(file)))
}

pub(crate) fn names_in(file: &str, text: &str) -> Names {
    let module = module_of(file);
    let tokens = tokens(&without_tests(&code(text)));
    let mut names = Names::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at += 1;
            tree(&tokens, &mut at, &[], &mut |path| {
                names.insert(absolute(&module, path));
            });
        } else if is_name(&tokens[at]) {
            let path = path(&tokens, &mut at);
            if path.len() > 1 {
                names.insert(absolute(&module, &path));
            }
        } else {
            at += 1;
        }
    }
    names
}

/// The module that a file is, as the parts of its path.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| *part != "lib" && *part != "main").map(str::to_owned).collect()
}

/// A path without `self` and `super`.
fn absolute(module: &[String], path: &[String]) -> String {
    let mut base: Option<Vec<String>> = None;
    let mut rest = path;
    while let Some((first, more)) = rest.split_first() {
        match first.as_str() {
            "self" => base = Some(base.unwrap_or_else(|| module.to_vec())),
            "super" => {
                let mut upper = base.unwrap_or_else(|| module.to_vec());
                upper.pop();
                base = Some(upper);
            }
            _ => break,
        }
        rest = more;
    }
    let crate_word = || "crate".to_owned();
    match base {
        Some(base) => std::iter::once(crate_word()).chain(base).chain(rest.to_vec()).collect::<Vec<_>>().join("::"),
        None => path.join("::"),
    }
}

/// One path of names with `::` between.
fn path(tokens: &[String], at: &mut usize) -> Vec<String> {
    let mut path = vec![tokens[*at].clone()];
    *at += 1;
    while tokens.get(*at).is_some_and(|token| token == "::") && tokens.get(*at + 1).is_some_and(|t| is_name(t)) {
        path.push(tokens[*at + 1].clone());
        *at += 2;
    }
    path
}

/// The tree of a `use`, up to what ends it.
fn tree(tokens: &[String], at: &mut usize, prefix: &[String], found: &mut impl FnMut(&[String])) {
    let mut whole = prefix.to_vec();
    loop {
        match tokens.get(*at).map(String::as_str) {
            Some("::") => *at += 1,
            Some("{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    tree(tokens, at, &whole, found);
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            // `a::{self}` is `a`.
            Some("self") if !whole.is_empty() => *at += 1,
            Some("as") => *at += 2,
            Some(name) if is_name(name) => {
                whole.push(name.to_owned());
                *at += 1;
            }
            Some("*") => *at += 1,
            _ => break,
        }
    }
    found(&whole);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_name(rest) {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    tokens
}

/// The code up to the unit tests, which stand last in every file.
pub(crate) fn without_tests(code: &str) -> String {
    let end = code.match_indices("#[cfg(test)]").find(|(at, mark)| {
        let after = code[at + mark.len()..].trim_start();
        after.starts_with("mod ")
            && after.split_once(['{', ';']).is_some_and(|(head, _)| after[head.len()..].starts_with('{'))
    });
    code[..end.map_or(code.len(), |(at, _)| at)].to_owned()
}

/// The text without comments, and with empty texts and characters.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) =
            raw_text(rest).filter(|_| !code.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        {
            code.push_str("\"\"");
            length
        } else if first == '"' {
            code.push_str("\"\"");
            quoted(rest, '"')
        } else if first == '\'' && is_character(rest) {
            code.push_str("' '");
            quoted(rest, '\'')
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match () {
            () if rest[at..].starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            () if rest[at..].starts_with("*/") => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            () => at += rest[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    rest.len()
}

fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end)? + end.len();
    Some(rest.len() - inside.len() + length)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Whether it is a character, and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(second)) => second == '\'',
        _ => false,
    }
}
