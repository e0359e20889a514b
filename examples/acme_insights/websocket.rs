//! A WebSocket that says everything twice (RFC 6455): enough of one to see whether a gateway lets it live.

use std::io;

use aws_lc_rs::digest;
use data_encoding::BASE64;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::body::Body;

/// Section 1.3: what a server adds to the client's key.
const HANDSHAKE: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Frames longer than this close the connection.
const LONGEST_FRAME: u64 = 1 << 20;

/// Answers the handshake, and echoes what comes until either side closes.
pub(crate) fn echo(request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        let refusal = Response::builder().status(StatusCode::UPGRADE_REQUIRED).header(UPGRADE, "websocket");
        return refusal.body(Body::default()).expect("the parts are constants");
    };
    let accept = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), HANDSHAKE].concat());
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, BASE64.encode(accept.as_ref()));
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // How a client leaves is none of the dashboard's business.
            let _ = echo_frames(TokioIo::new(upgraded)).await;
        }
    });
    response.body(Body::default()).expect("base64 is printable")
}

/// Section 5.2, without extensions: sends each frame back unmasked, a ping as a pong, and ends after a close.
async fn echo_frames(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;
    loop {
        let (first, payload) = read_frame(&mut stream).await?;
        let (fin, opcode) = (first & 0x80, first & 0x0f);
        match opcode {
            PONG => {}
            PING => write_frame(&mut stream, fin | PONG, &payload).await?,
            _ => write_frame(&mut stream, first, &payload).await?,
        }
        if opcode == CLOSE {
            return stream.shutdown().await;
        }
    }
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let second = stream.read_u8().await?;
    let length = match second & 0x7f {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await?,
        short => short.into(),
    };
    if second & 0x80 == 0 || length > LONGEST_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await?;
    let mut payload = vec![0; usize::try_from(length).expect("a mebibyte fits")];
    stream.read_exact(&mut payload).await?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok((first, payload))
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), first: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(u8::try_from(short).expect("125 fits")),
        Ok(middle) => {
            frame.push(126);
            frame.extend(middle.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}
