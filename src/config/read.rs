//! From text to the configuration as written, past everything that stands in the way: each syntax error, unknown key
//! and wrong type is noted and left out, so that one reading finds them all.

use std::collections::HashSet;
use std::mem;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::file::{File, tables};
use super::problem::{Problem, Wrong};

/// What could be read of a file.
pub(super) struct Reading {
    pub(super) file: File,
    pub(super) problems: Vec<Problem>,
    /// Keys that are there, if not as they should be: they are not to be called missing.
    pub(super) excused: HashSet<Place>,
    /// Lines with syntax errors: whatever else is found on them is a consequence.
    pub(super) broken_lines: HashSet<usize>,
}

/// A key in one certain table: where the table begins in the file, and the key's name.
pub(super) type Place = (usize, String);

/// Reads a file as far as it goes.
pub(super) fn read(text: &str) -> Reading {
    let (readable, mut problems) = leave_out_unclosed(text);
    let (mut root, errors) = DeTable::parse_recoverable(&readable);
    problems.extend(errors.iter().map(|error| syntax_problem(text, error)));
    let mut broken_lines = HashSet::new();
    // One for each line: what the parser says after the first is mostly a consequence.
    problems.retain(|problem| broken_lines.insert(problem.line));
    let mut reading = Reading { file: File::default(), problems, excused: HashSet::new(), broken_lines };
    let start = root.span().start;
    reading.leave_out_unknown_keys(text, "", start, root.get_mut());
    reading.file = reading.leave_out_wrong_types(text, root);
    reading
}

fn syntax_problem(text: &str, error: &Error) -> Problem {
    let (what, right) = match error.message().split_once(", expected ") {
        Some((what, "literal string")) => (what, "quotes around it".to_owned()),
        Some((what, expected)) => (what, format!("here should be {expected}")),
        None => (error.message(), "see https://toml.io for how TOML is written".to_owned()),
    };
    Problem::new(text, error.span().unwrap_or_default(), "", Wrong::new(what, right))
}

/// A bracket that is never closed swallows the rest of the file, and each line of it becomes an error. So what stands in
/// such brackets is blanked, byte for byte, and the rest can be read in its place.
fn leave_out_unclosed(text: &str) -> (String, Vec<Problem>) {
    let (mut readable, mut problems) = (text.to_owned(), Vec::new());
    while is_unclosed(&readable) {
        let opening = opening_line(&readable);
        let rest = &readable[opening..];
        let lines = rest.split_inclusive('\n');
        let length = lines.clone().next().unwrap_or(rest).len();
        let blank: usize =
            length + lines.skip(1).take_while(|line| !begins_something(line)).map(str::len).sum::<usize>();
        let wrong = Wrong::new("a bracket is opened here and never closed", "\"]\" or \"}\" where it ends");
        problems.push(Problem::new(text, opening..opening + rest[..length].trim_end().len(), "", wrong));
        let blanked: String = rest[..blank].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        readable.replace_range(opening..opening + blank, &blanked);
    }
    (readable, problems)
}

fn is_unclosed(text: &str) -> bool {
    let (_, errors) = DeTable::parse_recoverable(text);
    errors
        .iter()
        .any(|error| ["unclosed array,", "unclosed inline table,"].iter().any(|it| error.message().starts_with(it)))
}

/// Where the line begins on which a bracket is opened that is not closed any more: the last one before which all are.
fn opening_line(text: &str) -> usize {
    let beginnings = text.match_indices('\n').map(|(newline, _)| newline + 1);
    beginnings.rev().find(|beginning| !is_unclosed(&text[..*beginning])).unwrap_or(0)
}

/// Whether a line looks like a key or a table, rather than the inside of an array.
fn begins_something(line: &str) -> bool {
    let is_key = |key: &str| key.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    line.trim_start().starts_with('[') || line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

impl Reading {
    fn leave_out_unknown_keys(&mut self, text: &str, path: &str, start: usize, table: &mut DeTable<'_>) {
        let Some(known) = known_keys(path) else { return };
        let unknown: Vec<_> = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).cloned().collect();
        for key in unknown {
            let name = key.get_ref().as_ref();
            table.remove(name);
            let meant = nearest(name, known);
            self.excused.extend(meant.map(|meant| (start, meant.to_owned())));
            let wrong = unknown_key(name, meant, known);
            self.problems.push(Problem::new(text, key.span(), &join(path, name), wrong));
        }
        for (key, value) in table.iter_mut() {
            let start = value.span().start;
            self.descend(text, &join(path, key.get_ref()), start, value.get_mut());
        }
    }

    fn descend(&mut self, text: &str, path: &str, start: usize, value: &mut DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.leave_out_unknown_keys(text, path, start, table),
            DeValue::Array(array) => {
                for element in array.iter_mut() {
                    let start = element.span().start;
                    self.descend(text, path, start, element.get_mut());
                }
            }
            _ => {}
        }
    }

    /// Serde stops at the first value of a wrong type; so that value is taken out, and serde asked again.
    fn leave_out_wrong_types(&mut self, text: &str, mut root: Spanned<DeTable<'_>>) -> File {
        loop {
            let error = match File::deserialize(Deserializer::from(root.clone())) {
                Ok(file) => return file,
                Err(error) => error,
            };
            let span = error.span().unwrap_or_default();
            let start = root.span().start;
            let taken = take_out(root.get_mut(), start, &span);
            let key = taken.as_ref().map_or("", |(key, _)| key);
            self.problems.push(Problem::new(text, span, key, wrong_type(key, error.message())));
            match taken {
                Some((_, place)) => self.excused.insert(place),
                None => return File::default(),
            };
        }
    }
}

fn known_keys(path: &str) -> Option<&'static [&'static str]> {
    tables().into_iter().find(|(table, _)| *table == path).map(|(_, keys)| keys)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |key: &str| strsim::damerau_levenshtein(key, name);
    let nearest = known.iter().copied().min_by_key(|key| distance(key))?;
    (distance(nearest) <= (name.chars().count() / 3).max(1)).then_some(nearest)
}

fn unknown_key(name: &str, meant: Option<&str>, known: &[&'static str]) -> Wrong {
    let elsewhere = || tables().into_iter().skip(1).find(|(_, keys)| keys.contains(&name));
    let right = match (meant, elsewhere()) {
        (Some(meant), _) => format!("did you mean {meant:?}?"),
        (None, Some(("site", _))) => "it belongs in [[site]], before the tables that follow it".to_owned(),
        (None, Some((table, _))) => format!("it belongs in [{table}]"),
        (None, None) => format!("known here are {}", known.join(", ")),
    };
    Wrong::new(format!("unknown key {name:?}"), right)
}

/// Takes the value with this place in the file out of a table that begins at `start`. Returns its key with all tables,
/// and the place of that key.
fn take_out(table: &mut DeTable<'_>, start: usize, span: &Range<usize>) -> Option<(String, Place)> {
    let whole = table.iter().find(|(_, value)| value.span() == *span).map(|(key, _)| key.get_ref().to_string());
    if let Some(name) = whole {
        table.remove(name.as_str());
        return Some((name.clone(), (start, name)));
    }
    table.iter_mut().find_map(|(key, value)| {
        let name = key.get_ref().as_ref();
        let (path, place) = take_out_below(value, span)?;
        Some(match place {
            Some(place) => (join(name, &path), place),
            None => (name.to_owned(), (start, name.to_owned())),
        })
    })
}

/// The same below one value. Without a place, what was taken out is an element of it, which has no key of its own.
fn take_out_below(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<(String, Option<Place>)> {
    let start = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, start, span).map(|(path, place)| (path, Some(place))),
        DeValue::Array(array) => array.iter_mut().find_map(|element| take_out_below(element, span)).or_else(|| {
            let elements = array.len();
            *array =
                mem::replace(array, DeArray::new()).into_iter().filter(|element| element.span() != *span).collect();
            (array.len() < elements).then(|| (String::new(), None))
        }),
        _ => None,
    }
}

/// Puts serde's words into those of somebody who writes TOML.
fn wrong_type(key: &str, message: &str) -> Wrong {
    let (found, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let what = match found {
        "map" => "wrong type: a table".to_owned(),
        "sequence" => "wrong type: an array".to_owned(),
        other => format!("wrong type: {other}"),
    };
    let right = match expected {
        "a sequence" if key == "site" || key == "server.tls.more" => {
            format!("here should be two brackets, [[{key}]]: there may be several")
        }
        "a sequence" => "here should be an array, as [\"…\", \"…\"]".to_owned(),
        "a string" => "here should be text in quotes".to_owned(),
        "a boolean" => "here should be true or false".to_owned(),
        "i64" => "here should be a whole number".to_owned(),
        "a table" => format!("here should be a table, [{key}]"),
        other => format!("here should be {other}"),
    };
    Wrong::new(what, right)
}
