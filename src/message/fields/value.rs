//! The value of a field.

use std::fmt;

use http::HeaderValue;

/// The value of a field: any bytes but control characters.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Value<'a>(pub(super) &'a [u8]);

impl<'a> Value<'a> {
    /// These bytes, if a field may have them for its value.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let may_be_in_one = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        bytes.iter().all(may_be_in_one).then_some(Self(bytes))
    }

    /// As it was written.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// If it is made of nothing but visible ASCII, spaces and tabs.
    pub fn to_str(self) -> Option<&'a str> {
        // Looks at all of it at once: most values are text.
        let is_text = self.0.iter().fold(true, |is_text, byte| is_text & matches!(byte, b'\t' | b' '..=b'~'));
        std::str::from_utf8(self.0).ok().filter(|_| is_text)
    }

    /// Whether it has space around it, which is malformed in HTTP/2 (RFC 9113, section 8.2.1).
    pub(crate) fn is_padded(self) -> bool {
        let padding = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        padding(self.0.first()) || padding(self.0.last())
    }

    /// A copy that lives on.
    pub(crate) fn to_owned(self) -> HeaderValue {
        HeaderValue::from_bytes(self.0).expect("it is one")
    }
}

impl<'a> From<&'a HeaderValue> for Value<'a> {
    fn from(value: &'a HeaderValue) -> Self {
        Self(value.as_bytes())
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<HeaderValue> for Value<'_> {
    fn eq(&self, other: &HeaderValue) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What is a field's value, and may be put as one.
pub trait FieldValue {
    /// As it is written.
    fn bytes(&self) -> &[u8];
}

impl FieldValue for HeaderValue {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl FieldValue for &HeaderValue {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl FieldValue for Value<'_> {
    fn bytes(&self) -> &[u8] {
        self.0
    }
}
