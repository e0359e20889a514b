//! Where a body ends, as it is read and as it is written (RFC 9112, sections 6 and 7).

use std::io;
use std::mem::take;
use std::task::{Context, Poll, ready};

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::fields::{self, NoHead};
use super::{MOST_FIELDS, Receiver};
use crate::body::BodyError;
use crate::message::{Fields, Value};

/// The longest line with the size of a chunk, in bytes, and how much of a body's lines may be beside the sizes: that means
/// nothing to anybody (section 7.1.1).
const SIZE_LINE: usize = 4 * 1024;
const EXTENSIONS: usize = 16 * 1024;

/// How the end of a body is told (section 6.3), and how much of it is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes; none is the end, whatever told it.
    Length(u64),
    Chunked(Chunked),
    /// The connection ends with it.
    Closed,
}

/// A body of chunks (section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunked {
    next: Next,
    /// How much may yet stand beside the sizes.
    extensions: usize,
    /// Whether there may be spaces after a size.
    is_padded: bool,
}

/// What comes next in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Size,
    Data(u64),
    /// The end of the line after a chunk.
    DataEnd,
    /// Of which so many bytes are known, and not the end.
    Trailers(usize),
}

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More has to come first.
    Nothing,
}

impl Framing {
    /// How many bytes are to come, if that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::Closed => None,
        }
    }

    /// Takes the next piece off what was received. Nothing is only skipped (`advance`): what is empty would hold on to it.
    pub(crate) fn read(&mut self, received: &mut Bytes) -> io::Result<Piece> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(piece(left, received)),
            Self::Closed if received.is_empty() => Ok(Piece::Nothing),
            Self::Closed => Ok(Piece::Data(take(received))),
            Self::Chunked(chunked) => {
                let piece = chunked.read(received)?;
                if matches!(piece, Piece::End | Piece::Trailers(_)) {
                    *self = Self::Length(0);
                }
                Ok(piece)
            }
        }
    }
}

impl Framing {
    /// The next piece of what comes. [`Nothing`](Piece::Nothing) if the connection has ended before.
    pub(crate) fn poll(&mut self, receiver: &mut Receiver, cx: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        loop {
            let piece = self.read(&mut receiver.bytes)?;
            if piece != Piece::Nothing || ready!(receiver.poll(cx))? == 0 {
                return Poll::Ready(Ok(piece));
            }
        }
    }
}

impl Chunked {
    /// That of a request, from its beginning on.
    pub(crate) const fn of_request() -> Self {
        Self { next: Next::Size, extensions: EXTENSIONS, is_padded: false }
    }

    /// That of an answer, from its beginning on. Old servers have room for eight digits, and fill it up with spaces.
    pub(crate) const fn of_answer() -> Self {
        Self { is_padded: true, ..Self::of_request() }
    }

    fn read(&mut self, received: &mut Bytes) -> io::Result<Piece> {
        loop {
            match &mut self.next {
                Next::Size => match size(received, &mut self.extensions, self.is_padded)? {
                    None => return Ok(Piece::Nothing),
                    Some(0) => self.next = Next::Trailers(0),
                    Some(size) => self.next = Next::Data(size),
                },
                Next::Data(left) => {
                    let piece = piece(left, received);
                    if *left == 0 {
                        self.next = Next::DataEnd;
                    }
                    return Ok(piece);
                }
                Next::DataEnd => match received.get(..2) {
                    None => return Ok(Piece::Nothing),
                    Some(b"\r\n") => {
                        drop(received.split_to(2));
                        self.next = Next::Size;
                    }
                    Some(_) => return Err(malformed("a chunk that is longer than its size")),
                },
                Next::Trailers(known) => return trailers(received, known),
            }
        }
    }
}

fn piece(left: &mut u64, received: &mut Bytes) -> Piece {
    if received.is_empty() {
        return Piece::Nothing;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
    *left -= count as u64;
    Piece::Data(received.split_to(count))
}

/// Takes the line with the size of a chunk off, and what stands beside the size off what may.
fn size(received: &mut Bytes, extensions: &mut usize, is_padded: bool) -> io::Result<Option<u64>> {
    // The library takes a line without any digit for the last chunk.
    if received.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
        return Err(malformed("a chunk without a size"));
    }
    let (length, size) = match httparse::parse_chunk_size(received) {
        Ok(httparse::Status::Complete(complete)) if complete.0 <= SIZE_LINE => complete,
        Ok(httparse::Status::Partial) if received.len() < SIZE_LINE && !received.contains(&b'\n') => return Ok(None),
        Ok(_) => return Err(malformed("a line with the size of a chunk that is too long, or ends in another way")),
        Err(_) => return Err(malformed("a size of a chunk that is none")),
    };
    let line = &received[..length - 2];
    // Where others see the end of the line, the library may see more of what stands after the size.
    if line.contains(&b'\n') {
        return Err(malformed("a line with the size of a chunk that ends in two ways"));
    }
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !is_padded && line.get(digits).is_some_and(|&byte| byte != b';') {
        return Err(malformed("a size of a chunk with a space after it"));
    }
    *extensions =
        extensions.checked_sub(line.len() - digits).ok_or_else(|| malformed("too much beside the sizes of chunks"))?;
    drop(received.split_to(length));
    Ok(Some(size))
}

/// Takes everything after the last chunk off.
fn trailers(received: &mut Bytes, known: &mut usize) -> io::Result<Piece> {
    if !fields::may_be_whole(received, *known) {
        *known = received.len();
        return Ok(Piece::Nothing);
    }
    let mut room = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let parsed = httparse::parse_headers(received, &mut room);
    let whole = fields::whole(parsed, |(length, _)| *length, received.len()).map_err(|refused| match refused {
        NoHead::TooLarge => malformed("trailers that are too large"),
        NoHead::Malformed(error) => io::Error::new(io::ErrorKind::InvalidData, error),
    });
    let Some((length, parsed)) = whole? else {
        *known = received.len();
        return Ok(Piece::Nothing);
    };
    // The library takes a line feed for the end of a line. Where a body ends may be told in one way only.
    let mut lines = received[..length].split_inclusive(|&byte| byte == b'\n');
    if lines.any(|line| !line.ends_with(b"\r\n")) {
        return Err(malformed("trailers with a line that ends in another way"));
    }
    let trailers = fields::read(received, parsed).to_map();
    drop(received.split_to(length));
    Ok(if trailers.is_empty() { Piece::End } else { Piece::Trailers(trailers) })
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// How a body is written, and how much of it is to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Length(u64),
    Chunked,
    /// The connection ends with it.
    Closed,
}

impl Coding {
    /// As the fields of a request say it. `None` if they say nothing.
    pub(crate) fn of(headers: &Fields) -> Result<Option<Self>, BodyError> {
        if headers.contains_key(TRANSFER_ENCODING) {
            return Ok(Some(Self::Chunked));
        }
        headers.get(CONTENT_LENGTH).map(Self::of_length).transpose()
    }

    /// That of a length, as it is said. No body is as long as one that is none.
    pub(crate) fn of_length(said: Value<'_>) -> Result<Self, BodyError> {
        said.to_str().and_then(|digits| digits.parse().ok()).map(Self::Length).ok_or(BodyError::Cut)
    }

    /// A piece as it is written.
    pub(crate) fn piece(&mut self, data: Bytes) -> Result<Written, BodyError> {
        match self {
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(BodyError::Cut)?;
                Ok(Bytes::new().chain(data).chain(&b""[..]))
            }
            Self::Closed => Ok(Bytes::new().chain(data).chain(&b""[..])),
            // A chunk of no size would be the last one.
            Self::Chunked if data.is_empty() => Ok(Bytes::new().chain(data).chain(&b""[..])),
            Self::Chunked => Ok(Bytes::from(format!("{:x}\r\n", data.len())).chain(data).chain(&b"\r\n"[..])),
        }
    }

    /// What is written after the last piece. Breaks off if there is more to come.
    pub(crate) const fn end(&self) -> Result<&'static [u8], BodyError> {
        match self {
            Self::Length(0) | Self::Closed => Ok(b""),
            Self::Length(_) => Err(BodyError::Cut),
            Self::Chunked => Ok(b"0\r\n\r\n"),
        }
    }
}

/// A piece with what stands around it.
pub(crate) type Written = Chain<Chain<Bytes, Bytes>, &'static [u8]>;

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::http1::LARGEST_HEAD;

    /// What is read of a body that comes in pieces of that size: the data, the trailers, and what is left; nothing of
    /// one that is malformed or does not end.
    fn read(mut framing: Framing, body: &[u8], size: usize) -> Option<(Vec<u8>, HeaderMap, Vec<u8>)> {
        let (mut received, mut data, mut trailers) = (Bytes::new(), Vec::new(), HeaderMap::new());
        let mut coming = body.chunks(size);
        loop {
            match framing.read(&mut received).ok()? {
                Piece::Data(piece) => data.extend_from_slice(&piece),
                Piece::Trailers(fields) => trailers = fields,
                Piece::End => {
                    return Some((data, trailers, [&received[..], &coming.collect::<Vec<_>>().concat()].concat()));
                }
                Piece::Nothing => received = Bytes::from([&received[..], coming.next()?].concat()),
            }
        }
    }

    #[test]
    fn a_body_is_the_same_in_whatever_pieces_it_comes() {
        let chunks = b"5;a=b\r\nhello\r\n1 \r\n,\r\n00006\r\n world\r\n0\r\nDigest: x\r\n\r\nHTTP/1.1";
        let digest = HeaderMap::from_iter([(HeaderName::from_static("digest"), HeaderValue::from_static("x"))]);
        for size in 1..=chunks.len() {
            let whole = read(Framing::Chunked(Chunked::of_answer()), chunks, size).expect("well formed");
            assert_eq!(whole, (b"hello, world".to_vec(), digest.clone(), b"HTTP/1.1".to_vec()), "in pieces of {size}");
            let length = read(Framing::Length(7), chunks, size).expect("long enough");
            assert_eq!(length, (chunks[..7].to_vec(), HeaderMap::new(), chunks[7..].to_vec()), "in pieces of {size}");
        }
        assert_eq!(read(Framing::Length(0), chunks, 1), Some((Vec::new(), HeaderMap::new(), chunks.to_vec())));
        assert_eq!(read(Framing::Length(100), chunks, 1), None, "it does not end");
        assert_eq!(read(Framing::Closed, chunks, 1), None, "that is up to the connection");
    }

    #[test]
    fn what_is_no_body_of_chunks_has_no_end() {
        let endless = format!("1;{}", "a".repeat(SIZE_LINE));
        let many = format!("0\r\na: {}\r\n\r\n", "b".repeat(LARGEST_HEAD));
        let chatty = format!("{}0\r\n\r\n", "1;abcdefg\r\nx\r\n".repeat(EXTENSIONS / 8 + 1));
        let rows = [
            "",
            "\r\n",
            ";\r\n\r\n",
            "x\r\n",
            " 0\r\n\r\n",
            "-1\r\n",
            "+0\r\n\r\n",
            "0x0\r\n\r\n",
            "0\n\n",
            "0\r\r\n\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\na0\r\n\r\n",
            "2\r\na",
            "0\r\n",
            "0\r\n\n",
            "0\r\na: b\n\r\n",
            "0\r\na: b\r\n\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\nName : x\r\n\r\n",
            "10000000000000000\r\n",
            "1 2\r\na\r\n0\r\n\r\n",
            "1;a\nb\r\nc\r\n0\r\n\r\n",
            "0;a\n\r\n\r\n",
            "1;a\n",
            &endless,
            &many,
            &chatty,
        ];
        for body in rows {
            for (size, chunked) in [(1, Chunked::of_answer()), (body.len().max(1), Chunked::of_request())] {
                let end = read(Framing::Chunked(chunked), body.as_bytes(), size);
                assert_eq!(end, None, "{body:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn after_a_size_there_are_spaces_in_answers_alone() {
        for body in ["1 \r\na\r\n0\r\n\r\n", "1\t;b\r\na\r\n0\r\n\r\n", "1\r\na\r\n0       \r\n\r\n"] {
            let read = |chunked| read(Framing::Chunked(chunked), body.as_bytes(), body.len());
            assert_eq!(read(Chunked::of_request()), None, "{body:?}");
            assert_eq!(read(Chunked::of_answer()), Some((b"a".to_vec(), HeaderMap::new(), Vec::new())), "{body:?}");
        }
    }

    #[test]
    fn a_body_is_written_as_long_as_it_was_said_to_be() {
        let written = |mut coding: Coding, pieces: &[&'static str]| {
            let mut written = Vec::new();
            for piece in pieces {
                let mut piece = coding.piece(Bytes::from_static(piece.as_bytes())).ok()?;
                written.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
            }
            written.extend_from_slice(coding.end().ok()?);
            String::from_utf8(written).ok()
        };
        assert_eq!(written(Coding::Length(5), &["he", "", "llo"]).as_deref(), Some("hello"));
        assert_eq!(written(Coding::Length(5), &["hell"]), None);
        assert_eq!(written(Coding::Length(5), &["hello", "!"]), None);
        let chunks = "2\r\nhe\r\na\r\nllo, world\r\n0\r\n\r\n";
        assert_eq!(written(Coding::Chunked, &["he", "", "llo, world"]).as_deref(), Some(chunks), "none of no size");
    }
}
