//! The name of a field.

use std::fmt;
use std::ops::Deref;

use http::HeaderName;

use super::{Line, known, text};

/// The name of a field, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    text: &'a str,
    /// Where it is among the [known] ones.
    pub(super) place: known::Place,
}

impl<'a> Name<'a> {
    #[inline]
    pub(super) fn of(line: Line, names: &'a str) -> Self {
        Self { text: text(names, line.name), place: known::Place::of(line) }
    }

    /// As text.
    pub const fn as_str(self) -> &'a str {
        self.text
    }

    /// A number that no other name has, if it is one of those that nearly everybody uses. It means nothing to another build.
    pub(crate) const fn number(self) -> Option<usize> {
        self.place.number()
    }

    /// A copy that lives on.
    pub(crate) fn to_owned(self) -> HeaderName {
        HeaderName::from_bytes(self.text.as_bytes()).expect("it is one")
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text
    }
}

/// What is a field's name, and may be put as one.
pub trait FieldName {
    /// In lower case.
    fn text(&self) -> &str;
}

impl FieldName for HeaderName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl FieldName for Name<'_> {
    fn text(&self) -> &str {
        self.text
    }
}

/// For what tests write down.
#[cfg(any(test, fuzzing))]
impl FieldName for &str {
    fn text(&self) -> &str {
        self
    }
}

impl FieldName for &HeaderName {
    fn text(&self) -> &str {
        self.as_str()
    }
}
