//! Tells HTTP/2 from HTTP/1 by a client's first bytes, where no handshake says which it is.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client in HTTP/2 says first (RFC 9113, section 3.4). No request in HTTP/1 begins like that.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client has said so far.
pub(crate) struct Begun {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Begun {
    /// Reads no more than it takes to tell. How long that may take is up to the caller.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut begun = Self { bytes: [0; PREFACE.len()], length: 0 };
        while begun.length < PREFACE.len() && PREFACE.starts_with(begun.bytes()) {
            match stream.read(&mut begun.bytes[begun.length..]).await? {
                0 => break,
                count => begun.length += count,
            }
        }
        Ok(begun)
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.bytes() == PREFACE
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// What is told of a client that says this in pieces of that size, and what is left in the stream.
    async fn read_in_pieces(said: &[u8], piece: usize) -> (Begun, Vec<u8>) {
        let (mut client, mut server) = duplex(piece);
        let said = said.to_vec();
        tokio::spawn(async move { client.write_all(&said).await });
        let begun = Begun::read(&mut server).await.expect("read");
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.expect("read");
        (begun, rest)
    }

    #[tokio::test]
    async fn only_the_whole_preface_is_http_2_and_nothing_is_lost() {
        let whole = [PREFACE.as_slice(), b"more"].concat();
        let rows: [(&[u8], bool); 7] = [
            (&whole, true),
            (PREFACE, true),
            (&PREFACE[..23], false),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", false),
            (b"P", false),
            (b"", false),
        ];
        for (said, is_http2) in rows {
            for piece in [1, 5, 24, 100] {
                let (begun, rest) = read_in_pieces(said, piece).await;
                assert_eq!(begun.is_http2(), is_http2, "{said:?} by {piece}");
                assert_eq!([begun.bytes(), &rest].concat(), said);
            }
        }
    }
}
