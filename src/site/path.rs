//! Whether a path can be read in one way only.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Whether every server and framework takes `path` for the same names in the same order.
///
/// Only the characters that RFC 3986 has for paths stand for themselves (and `[` and `]`, which browsers send so), but
/// never `;`. An escape is plain only where one is needed: for a letter outside of ASCII, or for a mark that has no
/// meaning in a path.
pub(crate) fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut segments = rest.split('/');
    // The last segment alone may be empty: the path of a folder.
    let last = segments.next_back().unwrap_or_default();
    (last.is_empty() || is_plain_segment(last)) && segments.all(is_plain_segment)
}

fn is_plain_segment(segment: &str) -> bool {
    // Dots are steps to some, and so are dots with spaces after them to file systems that cut these off.
    unescaped(segment).is_some_and(|name| !name.chars().all(|c| matches!(c, '.' | ' ')))
}

/// What the segment stands for, if it is written plainly.
fn unescaped(segment: &str) -> Option<Cow<'_, str>> {
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => after_needed_escape(after)?,
            _ if stands_for_itself(byte) => after,
            _ => return None,
        };
    }
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    // What is no letter outside of ASCII may turn into a dot or slash where names are brought to a common form.
    name.chars().all(|c| c.is_ascii() || c.is_alphanumeric()).then_some(name)
}

fn after_needed_escape(after_percent: &[u8]) -> Option<&[u8]> {
    let (&[high, low], rest) = after_percent.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    (byte >= 0x80 || b" !\"$&'()*+,:<=>@[]^`{|}".contains(&byte)).then_some(rest)
}

fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@[]".contains(&byte)
}
