//! The fields of a head as they are read and written, and where it may end.

use bytes::Bytes;

use super::LARGEST_HEAD;
use crate::message::{FieldName, FieldValue, Fields};

/// What fields take together, unless there are many or large ones.
const USUAL: usize = 1024;

/// Why there is no head, or no trailers, and won't be.
pub(crate) enum NoHead {
    /// It is larger than [`LARGEST_HEAD`].
    TooLarge,
    /// The parser takes it for none.
    Malformed(httparse::Error),
}

/// What the parser made of a head, or of trailers, in so many bytes that were received. `None` if more has to come first. One
/// that is larger than [`LARGEST_HEAD`] is refused in whatever pieces it comes.
pub(crate) fn whole<T>(
    parsed: httparse::Result<T>,
    length: impl FnOnce(&T) -> usize,
    received: usize,
) -> Result<Option<T>, NoHead> {
    match parsed {
        Ok(httparse::Status::Complete(whole)) if length(&whole) <= LARGEST_HEAD => Ok(Some(whole)),
        Ok(httparse::Status::Partial) if received < LARGEST_HEAD => Ok(None),
        Ok(_) => Err(NoHead::TooLarge),
        Err(error) => Err(NoHead::Malformed(error)),
    }
}

/// Those that were parsed in these bytes, which they keep.
pub(crate) fn read(bytes: &Bytes, parsed: &[httparse::Header<'_>]) -> Fields {
    Fields::of_received(bytes.clone(), parsed.iter().map(|field| (field.name, field.value)))
}

/// Writes one field.
pub(crate) fn write_one(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    // One by one: what is of a constant length is written as a number.
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// Writes all of them, each line by itself.
pub(crate) fn write(bytes: &mut Vec<u8>, fields: &Fields) {
    let write = || {
        let mut written = Vec::with_capacity(USUAL);
        write_lines(&mut written, fields.iter());
        written
    };
    match fields.written(write) {
        Some(written) => bytes.extend_from_slice(written),
        None => write_lines(bytes, fields.iter()),
    }
}

/// Writes lines.
pub(crate) fn write_lines(bytes: &mut Vec<u8>, lines: impl Iterator<Item = (impl FieldName, impl FieldValue)>) {
    for (name, value) in lines {
        write_one(bytes, name.text(), value.bytes());
    }
}

/// Whether the parser may have something to say of a head, or of trailers, of which it wanted more than the first `known`
/// bytes. What comes byte by byte is not read as often from its beginning.
pub(crate) fn may_be_whole(received: &[u8], known: usize) -> bool {
    !received.is_empty() && (known == 0 || received.len() >= LARGEST_HEAD || may_end(received, known))
}

/// Whether there is an empty line that ends with what came after the first `known` bytes, which had none.
fn may_end(received: &[u8], known: usize) -> bool {
    let start = known.saturating_sub(3);
    memchr::memchr_iter(b'\n', &received[start..]).any(|at| {
        let line = &received[..start + at];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.is_empty() || line.ends_with(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is a line for the parser, in a head or in trailers, is a field to everybody.
    #[test]
    fn names_and_values_that_were_parsed_are_such() {
        let mut accepted = 0;
        for byte in 0..=u8::MAX {
            // The parser looks at many at once where there are many.
            let lines = ["", &"x".repeat(80)].map(|more| {
                let in_name = [b"a", &[byte][..], b"b", more.as_bytes(), b": c\r\n\r\n"].concat();
                let in_value = [b"a: b", &[byte][..], b"c", more.as_bytes(), b"\r\n\r\n"].concat();
                [in_name, in_value]
            });
            for line in lines.into_iter().flatten() {
                let mut room = [httparse::EMPTY_HEADER; 2];
                let parsed = httparse::parse_headers(&line, &mut room);
                let Ok(httparse::Status::Complete((_, parsed))) = parsed else { continue };
                accepted += parsed.len();
                assert_eq!(read(&Bytes::copy_from_slice(&line), parsed).to_map().len(), parsed.len());
            }
        }
        assert!(accepted > 500, "{accepted}");
    }

    #[test]
    fn an_empty_line_is_seen_with_its_last_byte_and_not_before() {
        for head in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "a\n\r\n", "a\r\n\n", "\r\n", "\n"]
        {
            let head = head.as_bytes();
            for known in 0..head.len() {
                assert!(may_end(head, known), "{head:?} of which {known} were known");
                let all_but_one = &head[..head.len() - 1];
                assert!(known > all_but_one.len() || !may_end(all_but_one, known), "{head:?}, {known}");
            }
        }
    }
}
