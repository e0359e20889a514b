//! What is wrong with a configuration file: where, what, and what would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::json;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 if the file could not be read.
    pub line: usize,
    /// Character in the line, from 1; 0 if the file could not be read.
    pub column: usize,
    /// The key with its tables, as `site.identity.url`; empty where no key can be named.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
    span: Range<usize>,
}

impl Problem {
    /// A problem with the part of `text` that `span` stands for, in bytes.
    pub(super) fn new(text: &str, span: Range<usize>, key: &str, wrong: Wrong) -> Self {
        let span = within(text, span);
        let before = &text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.to_owned(),
            message: wrong.what,
            help: wrong.right,
            span,
        }
    }
}

/// The part of `span` that can be cut out of `text`.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    start..text.ceil_char_boundary(span.end).max(start)
}

/// A text in which every password of a URL is stars, as many as it has bytes: a line that is shown may end in a log.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = url.find(['"', '\'', '\n', ' ']).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        // Without an "@", what looks like a port may be a password whose end is missing.
        let user = url.rfind('@').unwrap_or_else(|| url.find(['/', '?']).unwrap_or(url.len()));
        match url[..user].split_once(':') {
            Some((name, word)) if url[user..].starts_with('@') || !(name == "[" || is_number(word)) => {
                shown.extend([name, ":", &"*".repeat(word.len()), &url[user..]]);
            }
            _ => shown.push_str(url),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong, and what would be right: the two halves of every message.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) right: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, right: impl Into<String>) -> Self {
        Self { what: what.into(), right: right.into() }
    }
}

/// Everything that is wrong with a file, ordered by place. Shown as text, each with its line and the place underlined.
#[derive(Debug, Clone)]
pub struct Problems {
    file: PathBuf,
    text: String,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Self { file: file.to_owned(), text: without_passwords(text), found: problems }
    }

    /// A file of which nothing is known but why.
    pub(super) fn unreadable(file: &Path, wrong: Wrong) -> Self {
        let Wrong { what: message, right: help } = wrong;
        let problem = Problem { line: 0, column: 0, key: String::new(), message, help, span: 0..0 };
        Self { file: file.to_owned(), text: String::new(), found: vec![problem] }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Each problem; there is at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.found.iter()
    }

    /// For programs: an array of objects with `file`, `line`, `column`, `key`, `message` and `help`.
    pub fn to_json(&self) -> serde_json::Value {
        let file = self.file.display().to_string();
        let object = |problem: &Problem| {
            let Problem { line, column, key, message, help, span: _ } = problem;
            json!({ "file": file, "line": line, "column": column, "key": key, "message": message, "help": help })
        };
        self.iter().map(object).collect()
    }

    fn draw(&self, problem: &Problem) -> String {
        let mut title = Level::ERROR.primary_title(&problem.message);
        if !problem.key.is_empty() {
            title = title.id(&problem.key);
        }
        let file = self.file.display().to_string();
        let group = if problem.line == 0 {
            title.element(annotate_snippets::Origin::path(file)).element(Level::HELP.message(&problem.help))
        } else {
            let place = AnnotationKind::Primary.span(problem.span.clone()).label(&problem.help);
            title.element(Snippet::source(&self.text).path(file).annotation(place))
        };
        Renderer::plain().render(&[group])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self {
            writeln!(f, "{}\n", self.draw(problem))?;
        }
        match self.found.len() {
            1 => write!(f, "1 problem in {}", self.file.display()),
            many => write!(f, "{many} problems in {}", self.file.display()),
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (text, shown) in [
            ("url = \"postgres://v:se:cr@et@db/v\" # x", "url = \"postgres://v:********@db/v\" # x"),
            ("url = 'postgres://v:passé@db'", "url = 'postgres://v:******@db'"),
            ("url = \"postgres://v:secret/v\"", "url = \"postgres://v:******/v\""),
            ("url = \"postgres://v@db:5432/v\"", "url = \"postgres://v@db:5432/v\""),
            (
                "upstream = \"http://127.0.0.1:3000\"\nurl = \"/x\"",
                "upstream = \"http://127.0.0.1:3000\"\nurl = \"/x\"",
            ),
            ("a = \"http://[::1]:80\"", "a = \"http://[::1]:80\""),
        ] {
            assert_eq!(without_passwords(text), shown);
            assert_eq!(without_passwords(text).len(), text.len());
        }
    }
}
