//! The PROXY protocol, versions 1 and 2: the header by which a balancer names the client before that says anything.
//!
//! The names of things, and every "must" here, are those of HAProxy's `proxy-protocol.txt`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::Opening;
use super::wire::FIRST_BYTES;
use crate::identity::client::Peer;

/// What version 2 begins with. No HTTP and no TLS does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, with its end of line.
const LONGEST_LINE: usize = 107;

/// The most that may follow the first 16 bytes of version 2: the addresses, and what a balancer tells beside them.
const LONGEST_REST: u16 = 2048;

/// Why there is no client to speak to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// The connection broke off, or ended within the header.
    #[error("a PROXY header did not come as a whole")]
    Broken(#[from] io::Error),
    /// What came is no header, or none that can be meant.
    #[error("a PROXY header was expected: {0}")]
    Malformed(&'static str),
}

/// Whom a connection of this peer is from: the peer itself, or whom it names where it has to name somebody; a balancer, if
/// it names nobody. `None` is nobody who may come in; the log has the reason.
pub(super) async fn source(opening: Opening, stream: &mut (impl AsyncRead + Unpin), peer: Peer) -> Option<Peer> {
    match opening {
        Opening::Client => return Some(peer),
        Opening::Header => {}
        Opening::Refused => {
            tracing::debug!(?peer, "a connection was refused: only trusted proxies may name clients");
            return None;
        }
    }
    match timeout(FIRST_BYTES, read(stream)).await {
        Ok(Ok(source)) => Some(source.map_or(Peer::Balancer(peer.address()), Peer::Tcp)),
        Ok(Err(error)) => {
            tracing::debug!(?peer, %error, "a connection was refused");
            None
        }
        Err(_) => {
            tracing::debug!(?peer, "a PROXY header took too long");
            None
        }
    }
}

/// Reads a header and not one byte more. Returns the address that it names as the client's; `None` if the connection is
/// the balancer's own (`UNKNOWN`, `LOCAL`, an unspecified family).
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, HeaderError> {
    // Both versions are longer than this.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    let source = if start == SIGNATURE {
        binary(stream).await?
    } else if start.starts_with(b"PROXY ") {
        line(stream, &start).await?
    } else {
        return Err(HeaderError::Malformed("this is none"));
    };
    Ok(source.map(|address| address.to_canonical()))
}

/// Version 1, a line. It is read byte by byte: what follows it belongs to the client.
async fn line(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> Result<Option<IpAddr>, HeaderError> {
    let mut line = Vec::with_capacity(LONGEST_LINE);
    line.extend_from_slice(start);
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_LINE {
            return Err(HeaderError::Malformed("the line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let text = str::from_utf8(&line[..line.len() - 2]).map_err(|_| HeaderError::Malformed("the line is no text"))?;
    if text.contains(['\r', '\n']) {
        return Err(HeaderError::Malformed("the line has another in it"));
    }
    // Whatever follows is not to be looked at.
    if text == "PROXY UNKNOWN" || text.starts_with("PROXY UNKNOWN ") {
        return Ok(None);
    }
    named(text).map(Some).ok_or(HeaderError::Malformed("the line names no client"))
}

/// The client that a line names, without its end.
fn named(line: &str) -> Option<IpAddr> {
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let (source, _): (IpAddr, IpAddr) = match words.next()? {
        "TCP4" => (words.next()?.parse::<Ipv4Addr>().ok()?.into(), words.next()?.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (words.next()?.parse::<Ipv6Addr>().ok()?.into(), words.next()?.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let ports = is_port(words.next()?) && is_port(words.next()?);
    (ports && words.next().is_none()).then_some(source)
}

/// A number of 16 bits, written in the one way there is.
fn is_port(word: &str) -> bool {
    word.parse::<u16>().is_ok_and(|port| port.to_string() == word)
}

/// Version 2, after its signature.
async fn binary(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, HeaderError> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let command = stream.read_u8().await?;
    let family = stream.read_u8().await?;
    let length = stream.read_u16().await?;
    if !matches!(command, LOCAL | PROXY) {
        return Err(HeaderError::Malformed("another version or command"));
    }
    if length > LONGEST_REST {
        return Err(HeaderError::Malformed("it is too long"));
    }
    let mut rest = vec![0; usize::from(length)];
    stream.read_exact(&mut rest).await?;
    if command == LOCAL { Ok(None) } else { client(family, &rest) }
}

/// The client's address, which is the first of two; ports and more may follow.
fn client(family: u8, rest: &[u8]) -> Result<Option<IpAddr>, HeaderError> {
    const UNSPECIFIED: u8 = 0x00;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    let source = match family {
        UNSPECIFIED => return Ok(None),
        TCP_OVER_IPV4 => rest.first_chunk::<12>().and_then(|both| both.first_chunk::<4>()).map(|a| IpAddr::from(*a)),
        TCP_OVER_IPV6 => rest.first_chunk::<36>().and_then(|both| both.first_chunk::<16>()).map(|a| IpAddr::from(*a)),
        _ => return Err(HeaderError::Malformed("a client of another family than TCP over IP")),
    };
    source.map(Some).ok_or(HeaderError::Malformed("it is too short for its addresses"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header says, and what of `bytes` is left after it.
    async fn said(mut bytes: &[u8]) -> (Option<String>, usize) {
        let read = read(&mut bytes).await;
        let said = read.ok().map(|source| source.map_or_else(|| "peer".to_owned(), |address| address.to_string()));
        (said, bytes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_as_a_whole_is_not_waited_for() {
        for beginning in ["", "PROXY TCP4 192.0.2.1 ", "\r\n\r\n\0\r\nQUIT\n\x21\x11"] {
            let (mut balancer, mut stream) = tokio::io::duplex(1024);
            tokio::io::AsyncWriteExt::write_all(&mut balancer, beginning.as_bytes()).await.expect("written");
            let begun = tokio::time::Instant::now();
            assert_eq!(source(Opening::Header, &mut stream, Peer::Unix).await, None, "{beginning:?}");
            assert_eq!(begun.elapsed().as_secs(), FIRST_BYTES.as_secs(), "{beginning:?}");
        }
    }

    #[tokio::test]
    async fn who_names_nobody_speaks_for_itself_and_who_may_not_is_not_even_read() {
        let mut header = &b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"[..];
        assert_eq!(source(Opening::Client, &mut header, Peer::Unix).await, Some(Peer::Unix));
        assert_eq!(source(Opening::Refused, &mut header, Peer::Unix).await, None);
        let named = source(Opening::Header, &mut header, Peer::Unix).await;
        assert_eq!(named, Some(Peer::Tcp([192, 0, 2, 1].into())), "it was still there");
        let itself = Some(Peer::Balancer(None));
        assert_eq!(source(Opening::Header, &mut &b"PROXY UNKNOWN\r\n"[..], Peer::Unix).await, itself);
    }

    /// Version 2 with that command and family, and addresses of that many bytes: 1, 2, 3 and so on.
    fn version_2(command: u8, family: u8, length: u16) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(length.to_be_bytes());
        header.extend((1..=255).cycle().take(usize::from(length)));
        header
    }

    fn good() -> Vec<(Vec<u8>, &'static str)> {
        let mut longest = b"PROXY UNKNOWN ".to_vec();
        longest.resize(LONGEST_LINE - 2, b'x');
        longest.extend(b"\r\n");
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(), "192.0.2.1"),
            (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), "255.255.255.255"),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 0 1\r\n".to_vec(), "1.1.1.1"),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n".to_vec(), "2001:db8::1"),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n".to_vec(), "192.0.2.1"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "peer"),
            (b"PROXY UNKNOWN 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(), "peer"),
            (longest, "peer"),
            (version_2(0x21, 0x11, 12), "1.2.3.4"),
            (version_2(0x21, 0x11, 300), "1.2.3.4"),
            (version_2(0x21, 0x11, LONGEST_REST), "1.2.3.4"),
            (version_2(0x21, 0x21, 36), "102:304:506:708:90a:b0c:d0e:f10"),
            (version_2(0x21, 0x00, 0), "peer"),
            (version_2(0x21, 0x00, 20), "peer"),
            (version_2(0x20, 0x00, 0), "peer"),
            (version_2(0x20, 0x11, 12), "peer"),
            (version_2(0x20, 0x31, 216), "peer"),
        ]
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_what_follows_is_left_for_it() {
        for (header, expected) in good() {
            let with_more = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(
                said(&with_more).await,
                (Some(expected.to_owned()), 18),
                "{:?}",
                header.escape_ascii().to_string()
            );
        }
    }

    #[tokio::test]
    async fn a_header_that_is_cut_off_names_nobody() {
        for (header, _) in good() {
            for length in 0..header.len() {
                assert_eq!(said(&header[..length]).await.0, None, "{:?}", header[..length].escape_ascii().to_string());
            }
        }
    }

    #[tokio::test]
    async fn a_line_with_one_wrong_byte_never_names_another_client() {
        let header = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
        let source = 11..20;
        for at in (0..header.len()).filter(|at| !source.contains(at)) {
            for byte in 0..=255 {
                let mut changed = header.to_vec();
                changed[at] = byte;
                let said = said(&changed).await.0;
                assert!(said.is_none_or(|said| said == "192.0.2.1"), "{}", changed.escape_ascii());
            }
        }
    }

    #[rustfmt::skip]
    const NO_LINES: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00",
        b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", b" PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n", b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1\r\n", b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP4 192.0.2.1\t198.51.100.1 1 2\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n\n\n\n\n\n\n\n\n\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\nGET / HTTP/1.1\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rx\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n", b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", b"PROXY TCP4 0xc0.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1:5 198.51.100.1 1 2\r\n", b"PROXY TCP4 localhost 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 x 1 2\r\n", b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n", b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n", b"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 \r\n", b"PROXY TCP4 192.0.2.1 198.51.100.1  1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", b"PROXY UNIX /run/a /run/b 1 2\r\n", b"PROXY unknown\r\n",
        b"PROXY UNKNOWNX\r\n", b"PROXY \r\n\r\n\r\n\r\n", b"PROXY TCP4 \xff92.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY UNKNOWN\nGET / HTTP/1.1\r\n",
    ];

    #[tokio::test]
    async fn what_is_no_header_to_the_letter_names_nobody() {
        for line in NO_LINES {
            assert_eq!(said(line).await.0, None, "{}", line.escape_ascii());
        }
        let mut endless = b"PROXY UNKNOWN ".to_vec();
        endless.resize(LONGEST_LINE - 1, b'x');
        endless.extend(b"\r\n");
        assert_eq!(said(&endless).await.0, None, "one byte too long");
        for (command, family, length) in [
            (0x11, 0x11, 12),
            (0x31, 0x11, 12),
            (0x22, 0x11, 12),
            (0x01, 0x11, 12),
            (0x21, 0x11, 11),
            (0x21, 0x11, 0),
            (0x21, 0x21, 35),
            (0x21, 0x21, 12),
            (0x21, 0x10, 12),
            (0x21, 0x01, 12),
            (0x21, 0x12, 12),
            (0x21, 0x22, 36),
            (0x21, 0x31, 216),
            (0x21, 0x41, 36),
            (0x21, 0x11, LONGEST_REST + 1),
            (0x20, 0x00, u16::MAX),
        ] {
            let header = version_2(command, family, length);
            assert_eq!(said(&header).await.0, None, "{command:x} {family:x} {length}");
        }
        for at in 0..SIGNATURE.len() {
            let mut header = version_2(0x21, 0x11, 12);
            header[at] ^= 1;
            assert_eq!(said(&header).await.0, None, "another signature");
        }
    }
}
