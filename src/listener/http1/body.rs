//! The body of a request on its way in: whoever reads it has that side of the connection for as long.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::http1::Receiver;
use crate::http1::framing::{Framing, Piece};
use crate::listener::interim::Interim;

/// What a client sends with a request.
pub(in crate::listener) struct Upload {
    /// `None` once it was given back.
    receiver: Option<Receiver>,
    framing: Framing,
    desk: Arc<Desk>,
    /// Where the client is told to go on, which it waits for.
    to_go_on: Option<Arc<Interim>>,
}

impl Upload {
    /// The next of it. Its end gives the connection back, as does dropping it. After an error it is over, and what came of it
    /// is not to be taken for a whole one.
    pub(in crate::listener) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(None) };
        if let Some(interim) = self.to_go_on.take() {
            interim.go_on();
        }
        let piece = match ready!(self.framing.poll(receiver, cx)) {
            Ok(Piece::Nothing) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        if piece.is_err() {
            // What follows is nobody's request.
            self.framing = Framing::Closed;
        }
        if piece.is_err() || self.framing.left() == Some(0) {
            self.give_back();
        }
        Poll::Ready(match piece {
            Ok(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Piece::End | Piece::Nothing) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Whether all of it was taken.
    pub(in crate::listener) const fn is_over(&self) -> bool {
        self.receiver.is_none()
    }

    /// How much of it is to come, if that is known.
    pub(in crate::listener) fn size_hint(&self) -> SizeHint {
        self.framing.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn give_back(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            let framing = std::mem::replace(&mut self.framing, Framing::Length(0));
            self.desk.give_back(receiver, framing);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.to_go_on.is_some() {
            // Whether the client will send it now, nobody knows.
            self.framing = Framing::Closed;
        }
        self.give_back();
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload")
    }
}

/// Where a body's reader gives the connection back, with how the rest of the body ends.
#[derive(Default)]
pub(super) struct Desk(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    returned: Option<(Receiver, Framing)>,
    waker: Option<Waker>,
}

impl Desk {
    fn give_back(&self, receiver: Receiver, framing: Framing) {
        let mut slot = self.lock();
        slot.returned = Some((receiver, framing));
        if let Some(waker) = slot.waker.take() {
            drop(slot);
            waker.wake();
        }
    }

    fn poll_returned(&self, cx: &Context<'_>) -> Poll<(Receiver, Framing)> {
        let mut slot = self.lock();
        if let Some(returned) = slot.returned.take() {
            return Poll::Ready(returned);
        }
        slot.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        Poll::Pending
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of a connection that requests come by, while one of them is answered.
pub(super) enum Reading {
    /// Nobody reads from it, and so much of the request's body is left.
    Here(Receiver, Framing),
    /// Somebody reads the body.
    Lent(Arc<Desk>),
}

impl Reading {
    /// For a request with such a body, and the body, if there is one. A client that waits to go on with it is told so by
    /// `to_go_on`.
    pub(super) fn of(receiver: Receiver, framing: Framing, to_go_on: Option<Arc<Interim>>) -> (Self, Option<Upload>) {
        if framing.left() == Some(0) {
            return (Self::Here(receiver, framing), None);
        }
        let desk = Arc::<Desk>::default();
        let upload = Upload { receiver: Some(receiver), framing, desk: Arc::clone(&desk), to_go_on };
        (Self::Lent(desk), Some(upload))
    }

    /// Ready if the client has gone away, as far as that can be seen: what it has said ahead hides it.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_returned(cx));
        let Self::Here(receiver, Framing::Length(0)) = self else { return Poll::Pending };
        if receiver.bytes.is_empty() && matches!(ready!(receiver.poll(cx)), Ok(0) | Err(_)) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Whether the next request can come, or may once somebody has read the body. Of a body that nobody reads, what is there
    /// is passed over: it has to be all of it.
    pub(super) fn goes_on(&mut self) -> bool {
        if self.poll_returned(&Context::from_waker(Waker::noop())).is_pending() {
            return true;
        }
        let Self::Here(receiver, framing) = self else { return true };
        loop {
            match framing.read(&mut receiver.bytes) {
                Ok(Piece::Data(_)) => {}
                Ok(Piece::End | Piece::Trailers(_)) => return true,
                Ok(Piece::Nothing) => return false,
                Err(_) => {
                    *framing = Framing::Closed;
                    return false;
                }
            }
        }
    }

    /// Waits until nobody reads the body anymore, and says whether the next request [can come](Self::goes_on).
    pub(super) async fn settle(&mut self) -> bool {
        poll_fn(|cx| self.poll_returned(cx)).await;
        self.goes_on()
    }

    /// The connection, unless somebody still reads from it.
    pub(super) fn into_receiver(self) -> Option<Receiver> {
        match self {
            Self::Here(receiver, _) => Some(receiver),
            Self::Lent(_) => None,
        }
    }

    fn poll_returned(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Self::Lent(desk) = self {
            let (mut receiver, framing) = ready!(desk.poll_returned(cx));
            if receiver.bytes.is_empty() {
                receiver.rest();
            }
            *self = Self::Here(receiver, framing);
        }
        Poll::Ready(())
    }
}
