//! The fields of a head as they are read and written, and where it may end.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Those that were parsed in these bytes, which they share. `None` if one of them is none.
pub(crate) fn read(bytes: &Bytes, parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        fields.append(name, HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).ok()?);
    }
    Some(fields)
}

/// Writes one field.
pub(crate) fn write_one(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    // One by one: what is of a constant length is written as a number.
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// Writes all of them, each line by itself.
pub(crate) fn write(bytes: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        write_one(bytes, name, value.as_bytes());
    }
}

/// Whether there may be an empty line that ends with what came after the first `known` bytes, which had none. What comes
/// byte by byte is not read as often from its beginning.
pub(crate) fn may_end(received: &[u8], known: usize) -> bool {
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
