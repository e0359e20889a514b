//! Reads along with the HTTP library, and spoils what it would settle silently, so that it refuses it.
//!
//! The library drops a `Content-Length` that stands beside `Transfer-Encoding`, one that is repeated, and whatever
//! follows a `#` in a target. Afterwards nobody can tell that it was there. So the line that makes a head ambiguous
//! is broken here: what remains is malformed, and is answered with 400 and the end of the connection.
//! Nothing rests on this for safety, since what is forwarded is written anew: whatever the library and this reading
//! understand differently is either refused or harmless.

use memchr::{memchr, memchr3};

/// Follows one connection from its first byte.
#[derive(Debug)]
pub(crate) struct Follower {
    at: Place,
    head: Head,
    /// The beginning of a line that is not there as a whole yet.
    begun: [u8; LINE],
    begun_length: usize,
    /// The last byte of the piece before.
    last: u8,
    asked_to_switch: bool,
}

/// As much of a line as is looked at: a name, a colon, spaces and a length. Where a longer one matters, it is refused.
const LINE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Fields,
    Body {
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    Trailers,
    /// No HTTP follows, or none that can be followed.
    Lost,
}

/// What the fields of the head so far say of the body's length.
#[derive(Debug, Default, Clone, Copy)]
struct Head {
    length: Option<u64>,
    has_encoding: bool,
}

enum Line {
    Fine,
    Ambiguous,
}

impl Follower {
    pub(crate) const fn new() -> Self {
        Self {
            at: Place::RequestLine,
            head: Head { length: None, has_encoding: false },
            begun: [0; LINE],
            begun_length: 0,
            last: 0,
            asked_to_switch: false,
        }
    }

    /// Reads what the client sent next, and spoils in it what must be refused.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) {
        let Some(&last) = bytes.last() else { return };
        while !bytes.is_empty() {
            let taken = match &mut self.at {
                Place::Lost => return,
                Place::Body { left } => {
                    let taken = skip(left, bytes.len());
                    if *left == 0 {
                        self.at = Place::RequestLine;
                    }
                    taken
                }
                Place::Chunk { left } => {
                    let taken = skip(left, bytes.len());
                    if *left == 0 {
                        self.at = Place::ChunkSize;
                    }
                    taken
                }
                Place::RequestLine | Place::Fields | Place::ChunkSize | Place::Trailers => self.read_line(bytes),
            };
            bytes = &mut bytes[taken..];
        }
        self.last = last;
    }

    /// Sees the first bytes of what is written to the client: after a switch of protocols no HTTP follows.
    pub(crate) fn written(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.asked_to_switch) && bytes.starts_with(b"HTTP/1.1 101") {
            self.at = Place::Lost;
        }
    }

    /// Whether all that was read are whole requests.
    pub(super) fn is_between_requests(&self) -> bool {
        self.at == Place::RequestLine && self.begun_length == 0
    }

    fn read_line(&mut self, bytes: &mut [u8]) -> usize {
        let end = memchr(b'\n', bytes);
        if self.at == Place::RequestLine
            && let Some(fragment) = memchr(b'#', &bytes[..end.unwrap_or(bytes.len())])
        {
            bytes[fragment] = 0;
            self.at = Place::Lost;
            return bytes.len();
        }
        let Some(end) = end else {
            self.begin_line(bytes);
            return bytes.len();
        };
        let before = if self.begun_length == 0 { b'\n' } else { self.last };
        let is_bare = *bytes[..end].last().unwrap_or(&before) != b'\r';
        let verdict = if self.at == Place::Trailers && is_bare {
            // To the library it is part of a line, to others its end.
            Line::Ambiguous
        } else if self.begun_length == 0 {
            self.line(&bytes[..end.min(LINE)])
        } else {
            self.begin_line(&bytes[..end]);
            let begun = self.begun;
            let line = &begun[..self.begun_length];
            self.begun_length = 0;
            self.line(line)
        };
        if matches!(verdict, Line::Ambiguous) {
            // The line's end itself is spared if it can be: before it has seen that of the head, the library does not
            // read what came in pieces.
            bytes[end.saturating_sub(1)] = 0;
            self.at = Place::Lost;
        }
        end + 1
    }

    fn begin_line(&mut self, piece: &[u8]) {
        let kept = piece.len().min(LINE - self.begun_length);
        self.begun[self.begun_length..self.begun_length + kept].copy_from_slice(&piece[..kept]);
        self.begun_length += kept;
    }

    /// The first [`LINE`] bytes of a line, or all of it without its LF.
    fn line(&mut self, line: &[u8]) -> Line {
        let is_cut = line.len() == LINE;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.at {
            // Empty lines before a request are skipped (RFC 9112, section 2.2).
            Place::RequestLine if line.is_empty() => {}
            Place::RequestLine => {
                self.head = Head::default();
                self.at = Place::Fields;
            }
            Place::Fields if line.is_empty() => self.at = self.head.body(),
            Place::Fields => return self.field(line, is_cut),
            Place::ChunkSize => match chunk_size(line) {
                Some(size) => self.at = chunk(size),
                None if is_cut => return Line::Ambiguous,
                None => self.at = Place::Lost,
            },
            Place::Trailers if line.is_empty() => self.at = Place::RequestLine,
            Place::Trailers | Place::Body { .. } | Place::Chunk { .. } | Place::Lost => {}
        }
        Line::Fine
    }

    fn field(&mut self, line: &[u8], is_cut: bool) -> Line {
        let value = |name: &[u8]| {
            let (start, rest) = line.split_at_checked(name.len())?;
            if start.eq_ignore_ascii_case(name) { rest.strip_prefix(b":") } else { None }
        };
        match line[0] | 0x20 {
            b'c' => {
                if let Some(length) = value(b"content-length") {
                    if self.head.has_encoding || self.head.length.is_some() || is_cut {
                        return Line::Ambiguous;
                    }
                    // One that is no number is refused by the library.
                    self.head.length = Some(std::str::from_utf8(length).map_or(0, |l| l.trim().parse().unwrap_or(0)));
                }
            }
            b't' if value(b"transfer-encoding").is_some() => {
                if self.head.length.is_some() {
                    return Line::Ambiguous;
                }
                self.head.has_encoding = true;
            }
            b'u' => self.asked_to_switch |= value(b"upgrade").is_some(),
            _ => {}
        }
        Line::Fine
    }
}

impl Head {
    const fn body(self) -> Place {
        match self {
            Self { has_encoding: true, .. } => Place::ChunkSize,
            Self { length: Some(left @ 1..), .. } => Place::Body { left },
            Self { length: Some(0) | None, .. } => Place::RequestLine,
        }
    }
}

/// What a chunk's first line says, up to its extension or the spaces before that. `None` if it does not end there, or is
/// no number: then the library refuses it as well.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = memchr3(b';', b' ', b'\t', line).or_else(|| (line.len() < LINE - 1).then_some(line.len()))?;
    u64::from_str_radix(std::str::from_utf8(&line[..end]).ok()?, 16).ok()
}

fn chunk(size: u64) -> Place {
    match size {
        0 => Place::Trailers,
        // The chunk and its CRLF.
        _ => size.checked_add(2).map_or(Place::Lost, |left| Place::Chunk { left }),
    }
}

fn skip(left: &mut u64, there: usize) -> usize {
    let taken = usize::try_from(*left).map_or(there, |left| left.min(there));
    *left -= taken as u64;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str =
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nX: y\r\n\r\n\
        13;ext=1\r\nContent-Length: 5\r\n\r\n0\r\nContent-Length: 5\r\n\r\n";
    const SPACED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        5 ;ext\r\n#\n#\r\n\r\n005\t\r\n#a#b#\r\n0 \r\nX: y\r\n\r\n";
    const BARE: &str = "\r\nGET / HTTP/1.1\nHost: a\nContent-Lengthy: 1\nTransfer-Encodings: x\n\n";

    /// What is left of a stream that arrives in pieces of this size.
    fn follow(stream: &str, piece: usize) -> String {
        let mut bytes = stream.as_bytes().to_vec();
        let mut follower = Follower::new();
        bytes.chunks_mut(piece).for_each(|piece| follower.read(piece));
        String::from_utf8(bytes).expect("it was text")
    }

    #[test]
    fn sound_requests_pass_in_whatever_pieces_they_come() {
        let stream = [PLAIN, CHUNKED, BARE, SPACED, PLAIN].concat();
        for piece in 1..stream.len() {
            assert_eq!(follow(&stream, piece), stream, "in pieces of {piece}");
        }
    }

    #[test]
    fn ambiguous_requests_are_spoiled_wherever_they_come_and_however_they_are_cut() {
        let ambiguous = [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nHost: a\r\nCONTENT-LENGTH:5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\ncontent-length: 6\r\n\r\n",
            "POST / HTTP/1.1\nContent-Length: 0\nTransfer-Encoding: chunked\n\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            // So far to the right that it is not kept until the line is there as a whole.
            "POST / HTTP/1.1\r\nContent-Length:                                                  5\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000000000000000000000000000000000000000000000000000005\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
        ];
        for before in ["", PLAIN, CHUNKED, BARE, SPACED] {
            for request in ambiguous {
                let stream = [before, request].concat();
                for piece in 1..=stream.len() {
                    let left = follow(&stream, piece);
                    assert!(left.starts_with(before), "what went before is whole");
                    assert_eq!(left.matches('\0').count(), 1, "{request:?} in pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_touched_after_a_switch_of_protocols() {
        let mut follower = Follower::new();
        follower.read(&mut b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec());
        follower.written(b"HTTP/1.1 101 Switching Protocols\r\n");
        let mut bytes = b"x\nContent-Length: 1\nContent-Length: 2\n".to_vec();
        let before = bytes.clone();
        follower.read(&mut bytes);
        assert_eq!(bytes, before);
    }

    #[test]
    fn a_refused_switch_goes_on_being_followed() {
        let mut follower = Follower::new();
        follower.read(&mut b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec());
        follower.written(b"HTTP/1.1 403 Forbidden\r\n");
        let mut bytes = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec();
        follower.read(&mut bytes);
        assert!(bytes.contains(&0));
    }
}
