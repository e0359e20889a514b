//! Where a body ends: of an answer as it is read, of a request as it is written (RFC 9112, sections 6 and 7).

use std::io;

use bytes::buf::Chain;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::head::{self, Head};
use crate::body::BodyError;
use crate::upstream::{UpstreamError, check_length};

/// The longest line with the size of a chunk, in bytes: what else stands in it means nothing to anybody.
const SIZE_LINE: usize = 4 * 1024;

/// The most fields after a body.
const TRAILERS: usize = 100;

/// How the end of an answer's body is told (section 6.3), and how much of it is to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; none is the end, whatever told it.
    Length(u64),
    Chunked(Chunked),
    /// The connection ends with it.
    Closed,
}

/// What comes next in a body of chunks (section 7.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    Size,
    Data(u64),
    /// The end of the line after a chunk.
    DataEnd,
    Trailers,
}

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More has to come first.
    Nothing,
}

impl Framing {
    /// How the body of that answer to a request of that method ends. One that could be told in two ways is refused.
    pub(super) fn of(head: &Head, method: &Method) -> Result<Self, UpstreamError> {
        check_length(&head.headers)?;
        let length = length(&head.headers)?;
        let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
        if is_chunked && !head.is_current {
            return Err(UpstreamError::Malformed("a transfer coding in HTTP/1.0"));
        }
        let has_none = method == Method::HEAD
            || head.status.is_informational()
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match length {
            _ if has_none => Self::Length(0),
            Some(length) => Self::Length(length),
            None if is_chunked => Self::Chunked(Chunked::Size),
            None => Self::Closed,
        })
    }

    /// How many bytes are to come, if that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::Closed => None,
        }
    }

    /// Takes the next piece off what was received.
    pub(super) fn read(&mut self, received: &mut BytesMut) -> io::Result<Piece> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(take(left, received)),
            Self::Closed if received.is_empty() => Ok(Piece::Nothing),
            Self::Closed => Ok(Piece::Data(received.split().freeze())),
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

impl Chunked {
    fn read(&mut self, received: &mut BytesMut) -> io::Result<Piece> {
        loop {
            match self {
                Self::Size => match size(received)? {
                    None => return Ok(Piece::Nothing),
                    Some(0) => *self = Self::Trailers,
                    Some(size) => *self = Self::Data(size),
                },
                Self::Data(left) => {
                    let piece = take(left, received);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(piece);
                }
                Self::DataEnd => match received.get(..2) {
                    None => return Ok(Piece::Nothing),
                    Some(b"\r\n") => {
                        received.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(malformed("a chunk that is longer than its size")),
                },
                Self::Trailers => return trailers(received),
            }
        }
    }
}

fn take(left: &mut u64, received: &mut BytesMut) -> Piece {
    if received.is_empty() {
        return Piece::Nothing;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
    *left -= count as u64;
    Piece::Data(received.split_to(count).freeze())
}

/// Takes the line with the size of a chunk off.
fn size(received: &mut BytesMut) -> io::Result<Option<u64>> {
    // The library takes a line without any digit for the last chunk.
    if received.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
        return Err(malformed("a chunk without a size"));
    }
    match httparse::parse_chunk_size(received) {
        Ok(httparse::Status::Complete((length, size))) if length <= SIZE_LINE => {
            // Where others see the end of the line, the library may see more of what stands after the size.
            if received[..length - 2].contains(&b'\n') {
                return Err(malformed("a line with the size of a chunk that ends in two ways"));
            }
            received.advance(length);
            Ok(Some(size))
        }
        Ok(httparse::Status::Partial) if received.len() < SIZE_LINE => Ok(None),
        Ok(_) => Err(malformed("a line with the size of a chunk that is too long")),
        Err(_) => Err(malformed("a size of a chunk that is none")),
    }
}

/// Takes everything after the last chunk off.
fn trailers(received: &mut BytesMut) -> io::Result<Piece> {
    let mut room = [httparse::EMPTY_HEADER; TRAILERS];
    let (length, fields) = match httparse::parse_headers(received, &mut room) {
        Ok(httparse::Status::Complete(complete)) if complete.0 <= head::MOST => complete,
        Ok(httparse::Status::Partial) if received.len() < head::MOST => return Ok(Piece::Nothing),
        Ok(_) => return Err(malformed("trailers that are too large")),
        Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    };
    // The library takes a line feed for the end of a line. Where a body ends may be told in one way only.
    let mut lines = received[..length].split_inclusive(|&byte| byte == b'\n');
    if lines.any(|line| !line.ends_with(b"\r\n")) {
        return Err(malformed("trailers with a line that ends in another way"));
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(io::Error::other)?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(io::Error::other)?);
    }
    received.advance(length);
    Ok(if trailers.is_empty() { Piece::End } else { Piece::Trailers(trailers) })
}

/// The length that the fields say, which must all say the same.
fn length(headers: &HeaderMap) -> Result<Option<u64>, UpstreamError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    let digits = first.to_str().ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) if lengths.all(|other| other == first) => Ok(Some(length)),
        _ => Err(UpstreamError::Malformed("a length that is none, or several")),
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// How the body of a request is written, and how much of it is to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Length(u64),
    Chunked,
}

impl Coding {
    /// As the fields of the request say it. `None` if they say nothing. No body is as long as a length that is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, BodyError> {
        if headers.contains_key(TRANSFER_ENCODING) {
            return Ok(Some(Self::Chunked));
        }
        let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
        let length = length.to_str().ok().and_then(|digits| digits.parse().ok()).ok_or(BodyError::Cut)?;
        Ok(Some(Self::Length(length)))
    }

    /// A piece as it is written.
    pub(super) fn piece(&mut self, data: Bytes) -> Result<Written, BodyError> {
        match self {
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(BodyError::Cut)?;
                Ok(Bytes::new().chain(data).chain(&b""[..]))
            }
            // A chunk of no size would be the last one.
            Self::Chunked if data.is_empty() => Ok(Bytes::new().chain(data).chain(&b""[..])),
            Self::Chunked => Ok(Bytes::from(format!("{:x}\r\n", data.len())).chain(data).chain(&b"\r\n"[..])),
        }
    }

    /// What is written after the last piece. Breaks off if there is more to come.
    pub(super) const fn end(&self) -> Result<&'static [u8], BodyError> {
        match self {
            Self::Length(0) => Ok(b""),
            Self::Length(_) => Err(BodyError::Cut),
            Self::Chunked => Ok(b"0\r\n\r\n"),
        }
    }
}

/// A piece with what stands around it.
pub(super) type Written = Chain<Chain<Bytes, Bytes>, &'static [u8]>;

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(head: &str, method: &Method) -> Result<Framing, UpstreamError> {
        let mut received = BytesMut::from(head);
        let head = head::read(&mut received).expect("a head").expect("a whole one");
        Framing::of(&head, method)
    }

    /// What is read of a body that comes in pieces of that size: the data, the trailers, and what is left; nothing of
    /// one that is malformed or does not end.
    fn read(mut framing: Framing, body: &[u8], size: usize) -> Option<(Vec<u8>, HeaderMap, Vec<u8>)> {
        let (mut received, mut data, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
        let mut coming = body.chunks(size);
        loop {
            match framing.read(&mut received).ok()? {
                Piece::Data(piece) => data.extend_from_slice(&piece),
                Piece::Trailers(fields) => trailers = fields,
                Piece::End => {
                    return Some((data, trailers, [&received[..], &coming.collect::<Vec<_>>().concat()].concat()));
                }
                Piece::Nothing => received.extend_from_slice(coming.next()?),
            }
        }
    }

    #[test]
    fn the_end_of_a_body_is_told_as_the_rfc_says() {
        let (get, head) = (&Method::GET, &Method::HEAD);
        let chunked = || Some(Framing::Chunked(Chunked::Size));
        let rows = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(5))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(5))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head, Some(Framing::Length(0))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", get, chunked()),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head, Some(Framing::Length(0))),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(0))),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(0))),
            ("HTTP/1.1 200 OK\r\n\r\n", get, Some(Framing::Closed)),
            ("HTTP/1.0 200 OK\r\n\r\n", get, Some(Framing::Closed)),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", get, None),
        ];
        for (head, method, expected) in rows {
            assert_eq!(framing(head, method).ok(), expected, "{method} {head:?}");
        }
    }

    #[test]
    fn a_body_is_the_same_in_whatever_pieces_it_comes() {
        let chunks = b"5;a=b\r\nhello\r\n1 \r\n,\r\n00006\r\n world\r\n0\r\nDigest: x\r\n\r\nHTTP/1.1";
        let digest = HeaderMap::from_iter([(HeaderName::from_static("digest"), HeaderValue::from_static("x"))]);
        for size in 1..=chunks.len() {
            let whole = read(Framing::Chunked(Chunked::Size), chunks, size).expect("well formed");
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
        let many = format!("0\r\na: {}\r\n\r\n", "b".repeat(head::MOST));
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
            &endless,
            &many,
        ];
        for body in rows {
            for size in [1, body.len().max(1)] {
                let end = read(Framing::Chunked(Chunked::Size), body.as_bytes(), size);
                assert_eq!(end, None, "{body:?} in pieces of {size}");
            }
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
