//! One connection in HTTP/1 (RFC 9112): its requests one after the other, and its end.

mod answer;
mod body;
mod head;
mod telling;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncWriteExt, split};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::WaitForCancellationFuture;

use self::answer::Outgoing;
use self::body::Reading;
pub(super) use self::body::Upload;
use self::head::{Head, Heads};
use self::telling::Telling;
use super::Door;
use super::connection::{Accepted, BUFFER};
use super::incoming::Incoming;
use super::interim::Interim;
use super::occupied::{Occupied, occupying};
use super::terms::Term;
use super::turns::{Turn, Turns};
use super::wire::{self, Wire};
use super::worker::{NEWCOMERS, Worker};
use crate::alarm::Alarm;
use crate::body::Body;
use crate::http1::framing::Framing;
use crate::http1::{Receiver, Stream, Writer};
use crate::identity::client::Arrival;
use crate::message::{Request, Response};

/// How long a connection may be without a request, the time in which its head comes included.
pub(super) const HEAD: Duration = Duration::from_secs(30);

/// How long a head that has begun may take to end once the gateway stops.
const LAST_HEADS: Duration = Duration::from_secs(5);

/// After how long without a request a connection forgets what it remembers of the last one.
const TIRED: Duration = Duration::from_secs(2);

/// How long is still read from a client that was answered before all it sent was read: closing on unread bytes would take the
/// answer away from it.
const LEAVE: Duration = Duration::from_secs(2);

/// Answers the requests of one connection until either side ends it, or it becomes a tunnel, which keeps the seat.
pub(super) async fn converse<S: Accepted, D: Door>(worker: &Worker<D>, wire: Wire<S>, arrival: Arrival) {
    let breaks_off = Arc::clone(wire.breaks_off());
    let conversation = Conversation { worker, arrival, term: worker.terms.current(), breaks_off };
    let occupied = Occupied::new(Arc::clone(wire.seat()));
    let (reader, mut writer) = split::<Box<dyn Stream>>(Box::new(wire));
    let mut receiver = Receiver::new(reader, BUFFER);
    let stopped = pin!(worker.stop.cancelled());
    let mut pause = Pause { alarm: Alarm::default(), stopped, heads: Heads::default(), memory: None, is_first: true };
    loop {
        let remembers = worker.door.is_one_client(arrival.peer);
        let head = match pause.end(&mut receiver, remembers, &worker.turns).await {
            Came::Head(head) => head,
            Came::Malformed(status) => return Box::pin(refuse(&conversation, status, receiver, writer)).await,
            Came::Nothing => return Box::pin(take_leave(Some(receiver), writer)).await,
            Came::Stop => return drop(timeout(LEAVE, writer.shutdown()).await),
        };
        let memory = pause.memory.get_or_insert_default();
        let mut asked = Some((head, worker.turns.begin(), receiver, writer));
        // Boxed, for it is gone while the connection rests, and built there, since there is room before there is anything that
        // would have to be dropped if there were none: otherwise its 4 kB are copied.
        let room = Box::new_uninit();
        let exchange = Box::into_pin(Box::write(room, conversation.exchange(memory, &mut asked)));
        match occupying(Some(occupied.clone()), exchange).await {
            Next::Request(next) => (receiver, writer) = next,
            Next::Leave(receiver, writer) => return Box::pin(take_leave(receiver, writer)).await,
            Next::Over => return,
        }
    }
}

/// The time between two requests.
struct Pause<'a, 'b, M> {
    alarm: Alarm,
    stopped: Pin<&'a mut WaitForCancellationFuture<'b>>,
    heads: Heads,
    /// What is remembered of the last request.
    memory: Option<Box<M>>,
    /// Whether there was no request before.
    is_first: bool,
}

/// What ends it.
enum Came {
    Head(Head),
    /// Something else, for which this is the answer.
    Malformed(StatusCode),
    /// Nothing, or not all of it, in time or before the client ended the connection.
    Nothing,
    /// There is an end of the gateway.
    Stop,
}

impl<M> Pause<'_, '_, M> {
    /// Waits for a head, with no more memory than it needs.
    async fn end(&mut self, receiver: &mut Receiver, remembers: bool, turns: &Turns) -> Came {
        let (since, mut known) = (Instant::now(), 0);
        let (mut polls, mut place) = (0, turns.place());
        let mut stopped_at = None;
        let came = poll_fn(|cx| {
            // For whoever is woken there is something to read, mostly: that is left alone until it is their turn.
            if polls > 0 {
                ready!(place.poll(cx));
            }
            polls += 1;
            loop {
                match self.heads.read(&mut receiver.bytes, known, remembers) {
                    Ok(Some(head)) => return Poll::Ready(Came::Head(head)),
                    Ok(None) => known = receiver.bytes.len(),
                    Err(status) => return Poll::Ready(Came::Malformed(status)),
                }
                match receiver.poll(cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0)) => return Poll::Ready(Came::Nothing),
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "a connection broke off");
                        return Poll::Ready(Came::Nothing);
                    }
                    Poll::Pending => break,
                }
            }
            if self.stopped.as_mut().poll(cx).is_ready() {
                let grace = match (receiver.bytes.is_empty(), self.is_first) {
                    (false, _) => LAST_HEADS,
                    (true, true) => NEWCOMERS,
                    (true, false) => Duration::ZERO,
                };
                let stopped = *stopped_at.get_or_insert_with(Instant::now);
                return self.alarm.poll(cx, stopped + grace).map(|()| Came::Stop);
            }
            if self.memory.is_some() {
                ready!(self.alarm.poll(cx, since + TIRED));
                (self.memory, self.heads) = (None, Heads::default());
            }
            self.alarm.poll(cx, since + HEAD).map(|()| Came::Nothing)
        })
        .await;
        self.is_first = false;
        if let (Came::Head(_), 1) = (&came, polls) {
            poll_fn(|cx| place.poll(cx)).await;
        }
        came
    }
}

/// What stays the same on a connection.
struct Conversation<'a, D> {
    worker: &'a Worker<D>,
    arrival: Arrival,
    term: Arc<Term>,
    /// [`Wire::breaks_off`].
    breaks_off: Arc<AtomicBool>,
}

/// A request, and both sides of its connection.
type Asked<'a> = (Head, Turn<'a>, Receiver, Writer);

/// How a connection goes on after an answer.
enum Next {
    /// There may be another request.
    Request((Receiver, Writer)),
    /// Nothing more is answered. Somebody may still read from it.
    Leave(Option<Receiver>, Writer),
    /// It is closed, or somebody else's.
    Over,
}

impl<D: Door> Conversation<'_, D> {
    /// Answers one request, which it takes. If the client goes away, so does the answer.
    async fn exchange(&self, memory: &D::Memory, asked: &mut Option<Asked<'_>>) -> Next {
        let Some((mut head, turn, receiver, mut writer)) = asked.take() else { return Next::Over };
        let mut outgoing = Outgoing::to(&head);
        let interim = Interim::of(&mut head.request, head.said.waits_to_go_on);
        let to_go_on = interim.clone().filter(|_| head.said.waits_to_go_on);
        let (mut reading, upload) = Reading::of(receiver, head.said.framing, to_go_on);
        if let Some(upload) = upload {
            *head.request.body_mut() = Incoming::in_http1(upload);
        }
        // What is not needed while the answer is sent is gone by then.
        let (sending, switches) = {
            let telling = interim.map(Telling::of);
            let answered = self.answered((head.request, memory), telling, &mut reading, &mut writer).await;
            drop(turn);
            let Some((before, answer)) = answered else { return Next::Over };
            outgoing.is_persistent &= !self.term.is_over() && reading.goes_on();
            let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            (outgoing.answer(before, answer, &self.worker.dates), switches)
        };
        if switches && !(head.offer.is_some() && matches!(reading, Reading::Here(_, Framing::Length(0)))) {
            // Nobody has asked for it, or what is left of the request would be taken for what is said after it.
            return Next::Over;
        }
        let mut sending = match sending {
            Ok(sending) => sending,
            Err(error) => {
                tracing::debug!(%error, "an answer that can't be said");
                return Next::Leave(reading.into_receiver(), writer);
            }
        };
        // Its client is told by the end of the connection that it has all of it: one that comes before would tell it so as well.
        self.breaks_off.store(sending.ends_with_connection(), Ordering::Relaxed);
        match poll_fn(|cx| unless_gone(sending.poll(cx, &mut writer), &mut reading, cx)).await {
            None => return Next::Over,
            Some(Ok(_)) if switches => {
                hand_over(head.offer, reading, writer);
                return Next::Over;
            }
            Some(Ok(goes_on)) if goes_on && reading.settle().await => {}
            Some(Ok(_)) => return Next::Leave(reading.into_receiver(), writer),
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection broke off");
                // To shut the connection down would be an orderly end.
                let seems_whole = sending.ends_with_connection();
                return if seems_whole { Next::Over } else { Next::Leave(reading.into_receiver(), writer) };
            }
        }
        match reading.into_receiver() {
            Some(receiver) => Next::Request((receiver, writer)),
            None => Next::Over,
        }
    }

    /// The answer to a request, and what has to be written before it. `None` if the client went away before.
    async fn answered(
        &self,
        (request, memory): (Box<Request<Incoming>>, &D::Memory),
        mut telling: Option<Telling>,
        reading: &mut Reading,
        writer: &mut Writer,
    ) -> Option<(Vec<u8>, Response<Body>)> {
        let mut answer = pin!(self.worker.door.answer(request, self.arrival, memory));
        let answered = poll_fn(|cx| {
            let answered = match (answer.as_mut().poll(cx), &mut telling) {
                (Poll::Pending, Some(telling)) => telling.poll(cx, writer).map(Err),
                (answered, _) => answered.map(Ok),
            };
            unless_gone(answered, reading, cx)
        });
        let answer = answered.await?.ok()?;
        Some((telling.map(Telling::end).unwrap_or_default(), answer))
    }
}

/// What is done, or that the client goes away meanwhile.
fn unless_gone<T>(done: Poll<T>, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<Option<T>> {
    match done {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => reading.poll_gone(cx).map(|()| None),
    }
}

/// Hands a connection to whoever speaks another protocol on it. If nobody does, it is closed.
fn hand_over(offer: Option<oneshot::Sender<Box<dyn Stream>>>, reading: Reading, writer: Writer) {
    if let (Some(offer), Some(receiver)) = (offer, reading.into_receiver()) {
        drop(offer.send(receiver.into_stream(writer)));
    }
}

/// Answers what is no request.
async fn refuse<D>(conversation: &Conversation<'_, D>, status: StatusCode, receiver: Receiver, mut writer: Writer) {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    let Ok(mut sending) = Outgoing::to_malformed().answer(Vec::new(), answer, &conversation.worker.dates) else {
        return;
    };
    if poll_fn(|cx| sending.poll(cx, &mut writer)).await.is_ok() {
        take_leave(Some(receiver), writer).await;
    }
}

/// [`wire::take_leave`], without what came already.
async fn take_leave(receiver: Option<Receiver>, writer: Writer) {
    wire::take_leave(receiver.map(Receiver::into_reader), writer, LEAVE).await;
}

#[cfg(test)]
pub(super) mod tests;
