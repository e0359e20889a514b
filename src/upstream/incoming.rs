//! What comes after the head of an answer, in either version of HTTP.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::http1;
use super::http2::{self, StreamLease};
use crate::body::BodyError;
use crate::http1::Stream;
use crate::http2::Tunnel;

/// The body of an answer with what it comes on, or what was switched to. Dropped before its end, it closes that.
#[derive(Debug)]
pub struct Incoming(State);

#[derive(Debug)]
enum State {
    /// All that there will be.
    Whole(Option<Bytes>),
    Http1(Box<http1::Answer>),
    Http2(Box<http2::Answer>),
    Switched(Box<Switched>),
}

impl Incoming {
    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self(State::Whole(None))
    }

    pub(super) fn whole(body: Bytes) -> Self {
        Self(State::Whole(Some(body).filter(|body| !body.is_empty())))
    }

    pub(super) fn in_http1(answer: http1::Answer) -> Self {
        Self(State::Http1(Box::new(answer)))
    }

    pub(super) fn in_http2(answer: http2::Answer) -> Self {
        if answer.is_over() {
            answer.settle();
            return Self::empty();
        }
        Self(State::Http2(Box::new(answer)))
    }

    pub(super) fn switched(to: Switched) -> Self {
        Self(State::Switched(Box::new(to)))
    }

    /// All of the body, if it came with the head.
    pub(crate) fn into_whole(self) -> Result<Bytes, Self> {
        match self.0 {
            State::Whole(body) => Ok(body.unwrap_or_default()),
            other => Err(Self(other)),
        }
    }

    /// What was switched to, of an answer that says so.
    pub(crate) fn into_switched(self) -> Option<Switched> {
        match self.0 {
            State::Switched(switched) => Some(*switched),
            State::Whole(_) | State::Http1(_) | State::Http2(_) => None,
        }
    }

    /// The next of the body. With an error it is over, and what it came on is closed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (polled, is_over) = match &mut self.0 {
            State::Whole(body) => return Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            State::Switched(_) => return Poll::Ready(None),
            State::Http1(answer) => (ready!(answer.poll(cx)), answer.left() == Some(0)),
            State::Http2(answer) => (ready!(answer.poll(cx)), answer.is_over()),
        };
        match &polled {
            Some(Ok(_)) if !is_over => {}
            Some(Ok(_)) | None => self.settle(),
            Some(Err(_)) => *self = Self::empty(),
        }
        Poll::Ready(polled)
    }

    /// All of it was taken.
    fn settle(&mut self) {
        match std::mem::replace(self, Self::empty()).0 {
            State::Http1(answer) => answer.settle(),
            State::Http2(answer) => answer.settle(),
            State::Whole(_) | State::Switched(_) => {}
        }
    }

    /// Whether all of the body was taken.
    pub(crate) const fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Whole(None) | State::Switched(_))
    }

    /// How much of the body is to come, as far as that is known.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            State::Http1(answer) => answer.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            State::Http2(answer) => answer.size_hint(),
            State::Switched(_) => SizeHint::with_exact(0),
        }
    }
}

/// A connection, or a stream of one, that speaks another protocol by now.
#[derive(Debug)]
pub(crate) enum Switched {
    Http1(http1::Connection),
    Http2(Tunnel<StreamLease>),
}

impl Switched {
    /// What is said from now on.
    pub(crate) fn into_stream(self) -> Option<Box<dyn Stream>> {
        match self {
            Self::Http1(connection) => connection.into_stream(),
            Self::Http2(tunnel) => Some(Box::new(tunnel)),
        }
    }
}
