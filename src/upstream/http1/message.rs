//! A request as it is sent: what there is of it at once, and the rest.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;
use http::Method;
use http_body::Body as _;

use super::head;
use crate::body::{Body, Progress};
use crate::http1::fields;
use crate::http1::framing::Coding;
use crate::message::Request;
use crate::upstream::{OnEarlyHints, UpstreamError};

/// How much of a body goes with the head at most, but for the piece that makes it more.
const AT_ONCE: usize = 16 * 1024;

/// A request that is about to be sent.
pub(super) struct Message {
    /// The head, and what has come of the body.
    pub(super) bytes: Vec<u8>,
    pub(super) rest: Option<Rest>,
    pub(super) method: Method,
    pub(super) hints: Option<OnEarlyHints>,
}

/// What is to come of a body.
pub(super) struct Rest {
    pub(super) body: Body,
    pub(super) coding: Coding,
    /// `None` for a body whose last piece is there.
    pub(super) progress: Option<Arc<Progress>>,
}

impl Message {
    /// The message of a request, of which nothing is needed anymore.
    pub(super) fn of(request: &mut Request<Body>, cx: &mut Context<'_>) -> Result<Self, UpstreamError> {
        let mut bytes = head::write(request);
        let method = std::mem::take(request.method_mut());
        let hints = request.extensions_mut().remove();
        let mut body = std::mem::replace(request.body_mut(), Body::empty());
        let said = Coding::of(request.headers()).map_err(UpstreamError::Upload)?;
        let mut coding = match (said, body.size_hint().exact()) {
            (Some(coding), _) => coding,
            (None, Some(0)) => Coding::Length(0),
            (None, Some(length)) => {
                fields::write_one(&mut bytes, "content-length", length.to_string().as_bytes());
                Coding::Length(length)
            }
            (None, None) => {
                fields::write_one(&mut bytes, "transfer-encoding", b"chunked");
                Coding::Chunked
            }
        };
        bytes.extend_from_slice(b"\r\n");
        while bytes.len() < AT_ONCE {
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(frame)) => {
                    if let Ok(data) = frame.map_err(UpstreamError::Upload)?.into_data() {
                        bytes.put(coding.piece(data).map_err(UpstreamError::Upload)?);
                    }
                }
                Poll::Ready(None) => {
                    bytes.extend_from_slice(coding.end().map_err(UpstreamError::Upload)?);
                    return Ok(Self { bytes, rest: None, method, hints });
                }
            }
        }
        let progress = body.watch();
        Ok(Self { bytes, rest: Some(Rest { body, coding, progress }), method, hints })
    }

    /// How far the sending of what is left gets. `None` if nothing is.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.rest.as_ref().and_then(|rest| rest.progress.clone())
    }
}
