//! The rest of a body on its way to the dashboard, whether its answer has begun or not.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::{Connection, Writer};
use super::message::Rest;
use crate::body::{BodyError, Progress};

/// How long the last bytes may take once the answer has come as a whole.
const LAST_BYTES: Duration = Duration::from_secs(30);

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
    Task(JoinHandle<End>),
    /// No more is taken of it.
    Refused,
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
    /// Begins to send it. The connection has no writer until that is done.
    pub(super) fn begin(rest: Rest, connection: &mut Connection) -> Self {
        let progress = rest.progress.clone();
        let state = match connection.writer.take() {
            Some(writer) => State::Waited(Box::pin(send(rest, writer))),
            None => State::Refused,
        };
        Self { progress, state }
    }

    /// To be polled while anything is waited for. Ready once it was sent as a whole, or broke off by itself.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Writer, BodyError>> {
        let end = match &mut self.state {
            State::Waited(sent) => ready!(sent.as_mut().poll(cx)),
            // A task that panicked has sent nobody knows what.
            State::Task(task) => ready!(Pin::new(task).poll(cx)).unwrap_or(End::Refused),
            State::Refused => return Poll::Pending,
        };
        self.state = State::Refused;
        match end {
            End::Whole(writer) => Poll::Ready(Ok(writer)),
            End::BrokeOff(reason) => Poll::Ready(Err(reason)),
            End::Refused => Poll::Pending,
        }
    }

    /// The head of the answer is there: what is not sent yet goes on by itself.
    pub(super) fn go_on(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Refused) {
            State::Waited(sent) => State::Task(tokio::spawn(sent)),
            other => other,
        };
    }

    /// The answer came as a whole: what was taken of the body is sent yet. `None` if that is not all of it.
    pub(super) async fn finish(mut self) -> Option<Writer> {
        if !self.progress.as_deref().is_none_or(Progress::is_complete) {
            return None;
        }
        timeout(LAST_BYTES, poll_fn(|cx| self.poll(cx))).await.ok()?.ok()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let State::Task(task) = &self.state {
            task.abort();
        }
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
