//! Requests in HTTP/1.1 (RFC 9112): whoever waits for an answer moves its connection along, and nobody else does.

mod answer;
mod connection;
mod head;
mod message;
mod upload;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::StatusCode;

pub(super) use self::answer::Answer;
pub(super) use self::connection::Connection;
use self::head::Head;
use self::message::Message;
use self::upload::Upload;
use super::pool::Link;
use super::{
    Incoming, OnEarlyHints, Pool, Purpose, Switched, UNASKED_SWITCH, UpstreamError, in_time, logs_the_connection_in,
};
use crate::body::Body;
use crate::message::{Request, Response};

/// How many interim answers (RFC 9110, section 15.2) may come before the answer: the last would be read as quickly as the
/// first, with nobody else of the worker having a turn.
const MOST_INTERIM: usize = 1_000;

/// Why there is no head of an answer.
enum Unanswered {
    /// Nothing of the request was sent.
    Unsent(io::Error),
    Failed(UpstreamError),
}

impl From<UpstreamError> for Unanswered {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

impl Pool {
    /// As [`exchange`](Self::exchange), in HTTP/1.1.
    pub(super) async fn exchange_in_http1(
        &self,
        mut request: Box<Request<Body>>,
        purpose: Purpose,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let is_shared = purpose == Purpose::Exchange && !logs_the_connection_in(request.headers());
        let (mut link, mut reused) = self.link(purpose).await?;
        // Not before there is a connection: a client that waits to go on does so once its body is looked at.
        let mut message = poll_fn(|cx| Poll::Ready(Message::of(&mut request, cx))).await?;
        // Many wait for their answers at a time, and what they do not need is others' memory meanwhile.
        drop(request);
        let progress = message.progress();
        let (head, upload) = loop {
            let answered = {
                let conversation = pin!(converse(&mut link.connection, &mut message));
                in_time(conversation, &mut link.alarm, progress.as_deref(), self.http1.answer_timeout).await
            };
            match answered {
                Some(Ok(answered)) => break answered,
                Some(Err(Unanswered::Unsent(_))) if reused => (link, reused) = self.link(purpose).await?,
                Some(Err(Unanswered::Unsent(error))) => return Err(UpstreamError::broken(error)),
                Some(Err(Unanswered::Failed(error))) => return Err(error),
                None => return Err(UpstreamError::TimedOut { what: "answer" }),
            }
        };
        let pool =
            (is_shared && head.leaves_the_connection_to_others(&message.method)).then(|| Arc::clone(&self.http1));
        let framing = head.framing(&message.method)?;
        let mut response = Response::new(match (head.status, purpose) {
            (StatusCode::SWITCHING_PROTOCOLS, Purpose::Switch) if upload.is_none() => {
                Incoming::switched(Switched::Http1(link.connection))
            }
            // What is left of the request would be taken for what is said after it.
            (StatusCode::SWITCHING_PROTOCOLS, Purpose::Switch) => {
                return Err(UpstreamError::Malformed("a switch of protocols in the middle of the request"));
            }
            (StatusCode::SWITCHING_PROTOCOLS, Purpose::Exchange) => {
                return Err(UpstreamError::Malformed(UNASKED_SWITCH));
            }
            _ => Answer::new(link, framing, upload, pool).into_incoming(),
        });
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    /// A connection, and whether it was used before.
    async fn link(&self, purpose: Purpose) -> Result<(Box<Link>, bool), UpstreamError> {
        match purpose {
            Purpose::Exchange => self.http1.connection().await,
            Purpose::Switch => Ok((self.http1.dedicated().await?, false)),
        }
    }
}

/// Sends the message, and returns the head of its final answer, and what is left to be sent.
async fn converse(connection: &mut Connection, message: &mut Message) -> Result<(Head, Option<Upload>), Unanswered> {
    connection.send(&mut message.bytes).await.map_err(Unanswered::Unsent)?;
    let (rest, writer) = (message.rest.take(), &mut connection.writer);
    let mut upload = rest.and_then(|rest| Some(Upload::begin(rest, writer.take()?)));
    let (mut known, mut interim) = (0, 0);
    let head = poll_fn(|cx| {
        connection.advance(&mut upload, cx).map_err(UpstreamError::Upload)?;
        poll_head(connection, cx, message.hints.as_ref(), (&mut known, &mut interim))
    });
    let head = head.await?;
    Ok((head, upload.map(Upload::go_on)))
}

fn poll_head(
    connection: &mut Connection,
    cx: &mut Context<'_>,
    hints: Option<&OnEarlyHints>,
    (known, interim): (&mut usize, &mut usize),
) -> Poll<Result<Head, UpstreamError>> {
    loop {
        while let Some(head) = head::read(&mut connection.receiver.bytes, std::mem::take(known))? {
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            *interim += 1;
            if *interim > MOST_INTERIM {
                return Poll::Ready(Err(UpstreamError::Malformed("too many interim answers before it")));
            }
            if let (StatusCode::EARLY_HINTS, Some(hints)) = (head.status, hints) {
                hints.say(&head.headers);
            }
        }
        *known = connection.receiver.bytes.len();
        if ready!(connection.receiver.poll(cx)).map_err(UpstreamError::broken)? == 0 {
            return Poll::Ready(Err(UpstreamError::broken(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
    }
}
