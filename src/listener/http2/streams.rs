//! The streams of one connection in HTTP/2: each a task, for as long as its client takes what it is sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::traffic::{Stream, Traffic};
use crate::body::{ANSWER_STRETCH, Body, BodyError};
use crate::listener::connection::PanicNote;
use crate::listener::crowd::Seat;
use crate::listener::occupied::{Occupied, occupying};
use crate::message::Response;
use crate::pace::Pace;

/// Runs the streams of one connection, each as a task. One that is dropped is reset.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Arc<Traffic>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, work: F) {
        let stream = Stream::begin(&self.0);
        // A stream that becomes a tunnel goes on as another task, which it starts itself.
        let room = Occupied::now();
        let work = PIECE.scope(Cell::new(Piece::Awaited), async move {
            let _note = PanicNote;
            while_taken(work).await;
            drop(stream);
        });
        tokio::spawn(occupying(room, work));
    }
}

/// Leave for one request to be in progress: of the worker, and of its client, who is there for as long.
pub(super) struct Room {
    _of: [Option<OwnedSemaphorePermit>; 2],
    _seat: Arc<Seat>,
}

impl Room {
    /// One of each of these, as far as there are any, on the connection with that seat.
    pub(super) fn take(from: &[Option<Arc<Semaphore>>; 2], seat: &Arc<Seat>) -> Option<Self> {
        let take = |of: &Option<Arc<Semaphore>>| of.as_ref().map(|of| Arc::clone(of).try_acquire_owned()).transpose();
        Some(Self { _of: [take(&from[0]).ok()?, take(&from[1]).ok()?], _seat: Arc::clone(seat) })
    }
}

/// Where the answer of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// Nothing is there to be sent. What it is waited for has limits of its own.
    Awaited,
    /// This many bytes of it were handed to the library, and it has not asked for more: the client takes none.
    Handed(usize),
}

tokio::task_local! {
    static PIECE: Cell<Piece>;
}

/// Works on a stream until it is done, or its client has taken nothing, or too little, for too long.
async fn while_taken(work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    let mut pace = Pace::over(ANSWER_STRETCH);
    let (mut before, mut taken) = (Piece::Awaited, 0);
    poll_fn(|cx| {
        if work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let piece = PIECE.with(Cell::get);
        if piece != before
            && let Piece::Handed(all) = std::mem::replace(&mut before, piece)
        {
            pace.moved(all.wrapping_sub(taken));
            taken = all;
        }
        match piece {
            Piece::Awaited => Poll::Pending,
            Piece::Handed(_) => pace.poll(cx),
        }
    })
    .await;
}

/// A body that tells its stream how far it is. It comes in pieces of the size of a frame: the library takes a piece as a
/// whole, however little of it the client does.
pub(super) struct Outgoing {
    body: Body,
    rest: Bytes,
    handed: usize,
}

impl Outgoing {
    /// An answer with such a body.
    pub(super) fn of(answer: Response<Body>) -> http::Response<Self> {
        http::Response::from(answer).map(|body| Self { body, rest: Bytes::new(), handed: 0 })
    }
}

/// The largest frame that every client takes (section 4.2).
const FRAME: usize = 16 * 1024;

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            PIECE.with(|piece| piece.set(Piece::Awaited));
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(FRAME);
        self.handed = self.handed.wrapping_add(length);
        PIECE.with(|piece| piece.set(Piece::Handed(self.handed)));
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}
