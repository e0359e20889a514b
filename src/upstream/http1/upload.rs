//! The rest of a body on its way to the dashboard, whether its answer has begun or not.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::message::Rest;
use crate::body::{BodyError, Progress};
use crate::http1::Writer;
use crate::upstream::LAST_BYTES;

/// What is left to be sent. Dropped, it is given up.
pub(super) struct Upload {
    /// `None` for a body whose last piece is there.
    progress: Option<Arc<Progress>>,
    state: State,
}

enum State {
    /// Moved along by whoever waits for the head of the answer.
    Waited(Pin<Box<dyn Future<Output = End> + Send>>),
    /// By itself.
    Task(AbortOnDropHandle<End>),
}

/// How it ended.
enum End {
    Whole(Writer),
    /// Its sender broke it off.
    BrokeOff(BodyError),
    /// The dashboard takes no more. Why, or whether it answers all the same, is seen by who reads.
    Refused,
}

impl Upload {
    /// Begins to send it by that writer.
    pub(super) fn begin(rest: Rest, writer: Writer) -> Self {
        Self { progress: rest.progress.clone(), state: State::Waited(Box::pin(send(rest, writer))) }
    }

    /// To be polled while anything is waited for. Ready once, when there is no more to send: with the writer if all was
    /// sent; an error is the body's own.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Writer>, BodyError>> {
        let end = match &mut self.state {
            State::Waited(sent) => ready!(sent.as_mut().poll(cx)),
            // A task that panicked has sent nobody knows what.
            State::Task(task) => ready!(Pin::new(task).poll(cx)).unwrap_or(End::Refused),
        };
        Poll::Ready(match end {
            End::Whole(writer) => Ok(Some(writer)),
            End::BrokeOff(reason) => Err(reason),
            End::Refused => Ok(None),
        })
    }

    /// The head of the answer is there: what is not sent yet goes on by itself.
    pub(super) fn go_on(self) -> Self {
        let state = match self.state {
            State::Waited(sent) => State::Task(AbortOnDropHandle::new(tokio::spawn(sent))),
            task @ State::Task(_) => task,
        };
        Self { state, ..self }
    }

    /// The answer came as a whole: what was taken of the body is sent yet. `None` if that is not all of it.
    pub(super) async fn finish(mut self) -> Option<Writer> {
        if !self.progress.as_deref().is_none_or(Progress::is_complete) {
            return None;
        }
        timeout(LAST_BYTES, poll_fn(|cx| self.poll(cx))).await.ok()?.ok().flatten()
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload")
    }
}

async fn send(rest: Rest, mut writer: Writer) -> End {
    let Rest { mut body, mut coding, .. } = rest;
    while let Some(frame) = body.frame().await {
        let data = match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => data,
            // Trailers, which nobody asked for.
            Ok(Err(_)) => continue,
            Err(reason) => return End::BrokeOff(reason),
        };
        let mut piece = match coding.piece(data) {
            Ok(piece) => piece,
            Err(reason) => return End::BrokeOff(reason),
        };
        if written(writer.write_all_buf(&mut piece).await, &mut writer).await.is_err() {
            return End::Refused;
        }
    }
    let end = match coding.end() {
        Ok(end) => end,
        Err(reason) => return End::BrokeOff(reason),
    };
    match written(writer.write_all(end).await, &mut writer).await {
        Ok(()) => End::Whole(writer),
        Err(_) => End::Refused,
    }
}

async fn written(result: io::Result<()>, writer: &mut Writer) -> io::Result<()> {
    result?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_bytes_are_not_waited_for_if_the_dashboard_takes_no_more() {
        let started = Instant::now();
        let task = AbortOnDropHandle::new(tokio::spawn(async { End::Refused }));
        for state in [State::Waited(Box::pin(async { End::Refused })), State::Task(task)] {
            assert!(Upload { progress: None, state }.finish().await.is_none());
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
