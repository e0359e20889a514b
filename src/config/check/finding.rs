//! How the rules speak: a value has its form or is reported, and the checking goes on.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use crate::config::problem::{Problem, Wrong};
use crate::config::read::Place;

/// A file while it is checked.
pub(super) struct Check<'a> {
    pub(super) text: &'a str,
    /// The file's folder, from which relative paths count.
    pub(super) folder: &'a Path,
    pub(super) excused: HashSet<Place>,
    /// Whether the whole file was TOML: if not, what is missing may stand where it broke.
    pub(super) whole: bool,
    pub(super) problems: Vec<Problem>,
}

/// A value in the form that it should have, or what is wrong with it.
pub(super) type Form<T> = Result<T, Wrong>;

/// A value, unless a problem was reported instead.
pub(super) type Checked<T> = Result<T, Reported>;

/// That there is a problem, and that it is reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

impl Check<'_> {
    /// Notes a problem with what stands at that place.
    pub(super) fn report(&mut self, span: Range<usize>, key: &str, wrong: Wrong) -> Reported {
        self.problems.push(Problem::new(self.text, span, key, wrong));
        Reported
    }

    /// The value that a form gave, which stands at that place.
    pub(super) fn at<T>(&mut self, span: Range<usize>, key: &str, form: Form<T>) -> Checked<T> {
        form.map_err(|wrong| self.report(span, key, wrong))
    }

    /// A value that must be there, in its form.
    pub(super) fn one<V: AsRef<str>, T>(
        &mut self,
        key: &str,
        written: &Spanned<V>,
        form: impl FnOnce(&str) -> Form<T>,
    ) -> Checked<T> {
        self.at(written.span(), key, form(written.get_ref().as_ref()))
    }

    /// A value that may be left out.
    pub(super) fn optional<V: AsRef<str>, T>(
        &mut self,
        key: &str,
        written: Option<&Spanned<V>>,
        form: impl FnOnce(&str) -> Form<T>,
    ) -> Checked<Option<T>> {
        written.map(|written| self.one(key, written, form)).transpose()
    }

    /// Every value of a list; each that has not its form is reported.
    pub(super) fn list<V: AsRef<str>, T>(
        &mut self,
        key: &str,
        written: &[Spanned<V>],
        form: impl Fn(&str) -> Form<T>,
    ) -> Checked<Vec<T>> {
        // Collected twice, since collecting into a result would stop at the first problem.
        let checked: Vec<_> = written.iter().map(|written| self.one(key, written, &form)).collect();
        checked.into_iter().collect()
    }

    /// A key that can't be left out of a table. `example` is how it could be written.
    pub(super) fn present<'f, T>(
        &mut self,
        key: &str,
        table: Range<usize>,
        written: Option<&'f T>,
        example: &str,
    ) -> Checked<&'f T> {
        written.ok_or_else(|| {
            let name = key.rsplit('.').next().unwrap_or(key);
            if !self.is_excused(table.start, name) {
                let wrong = Wrong::new(format!("missing key {name:?}"), format!("add {example}"));
                self.report(table, key, wrong);
            }
            Reported
        })
    }

    /// The elements of a list that can't be empty. `right` is what an element should be.
    pub(super) fn not_empty<'f, T>(
        &mut self,
        key: &str,
        table: Range<usize>,
        written: &'f Spanned<Vec<T>>,
        right: &str,
    ) -> Checked<&'f [T]> {
        if written.get_ref().is_empty() {
            let name = key.rsplit('.').next().unwrap_or(key);
            if !self.is_excused(table.start, name) {
                self.report(written.span(), key, Wrong::new(format!("{name:?} is empty"), right));
            }
            return Err(Reported);
        }
        Ok(written.get_ref())
    }

    /// Whether a key was written in the table that begins there, but could not be read; that is reported already.
    pub(super) fn is_excused(&self, table: usize, name: &str) -> bool {
        !self.whole || self.excused.contains(&(table, name.to_owned()))
    }
}
