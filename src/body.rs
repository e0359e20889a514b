//! What travels in requests to the dashboard and in answers to clients: one type, never a whole body at once.

mod term;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use self::term::Term;
use crate::listener::Incoming;
use crate::pace::Pace;
use crate::upstream;

/// How long a body may stand still before it is given up: at least this long, at most twice as long.
pub const STANDSTILL: Duration = Duration::from_mins(2);

/// Over how much waiting for a client the pace of what it sends counts: a body that stands still or comes too
/// slowly is given up after this long, or twice as long.
pub const UPLOAD_STRETCH: Duration = Duration::from_mins(1);

/// The same for what a client takes of an answer. Longer, since it is seen only in what the system's buffer has room for,
/// now and then.
pub const ANSWER_STRETCH: Duration = STANDSTILL;

/// After how long an answer without a known length counts as one that lives on. What lives on ends within five seconds of its
/// session, of which it takes one to notice that.
pub const LASTING: Duration = Duration::from_secs(3);

/// A body on its way.
#[derive(Debug)]
pub enum Body {
    /// All of it is here: a page of ours, a short answer of the dashboard, or nothing.
    Own(Option<Bytes>),
    /// Streamed from a client.
    Client(Box<Upload>),
    /// Streamed from the dashboard.
    Upstream(Box<Download>),
}

/// Why a body ends before its end. Whoever receives it sees that it did.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its sender broke off.
    #[error("the message broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// Its sender gave it up without saying that anything is wrong.
    #[error("the message was given up")]
    Cut,
    /// From a client it came too slowly ([`UPLOAD_STRETCH`]), from a dashboard nothing came for [`STANDSTILL`].
    #[error("the message did not come in time")]
    Stalled,
    /// What it was opened with has ended: the session, or the gateway.
    #[error("the leave to receive it has ended")]
    Ended,
    /// Its end was withheld (`Body::with_leave_for_its_end`).
    #[error("the leave to send it has ended")]
    Withheld,
}

impl BodyError {
    pub(crate) fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

/// Whether the end of a body may be sent; asked once the end is at hand.
pub(crate) type Leave = Pin<Box<dyn Future<Output = bool> + Send>>;

impl Body {
    /// No body.
    pub const fn empty() -> Self {
        Self::Own(None)
    }

    /// A body that is here as a whole.
    pub fn own(bytes: impl Into<Bytes>) -> Self {
        Self::Own(Some(bytes.into()).filter(|b: &Bytes| !b.is_empty()))
    }

    /// What a client sends.
    pub fn client(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self::Client(Box::new(Upload { incoming, progress: None, pace: Pace::over(UPLOAD_STRETCH), end: End::Free }))
    }

    /// The same body, whose end waits until `leave` says that it may be sent. Without that, it breaks off. What has no body
    /// has no end to wait for.
    pub(crate) fn with_leave_for_its_end(mut self, leave: impl Future<Output = bool> + Send + 'static) -> Self {
        if let Self::Client(upload) = &mut self {
            upload.end = End::Asks(Box::pin(leave));
        }
        self
    }

    /// Ready once it has to end before its end. To be polled while nobody takes what came of it last; whoever does hears of it
    /// with what comes next.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        match self {
            Self::Upstream(download) if !download.incoming.is_end_stream() => {
                download.term.poll(cx).map(|()| BodyError::Ended)
            }
            Self::Own(_) | Self::Client(_) | Self::Upstream(_) => Poll::Pending,
        }
    }

    /// How far the sending of this body gets. `None` for a body that is there as a whole.
    pub(crate) fn watch(&mut self) -> Option<Arc<Progress>> {
        match self {
            Self::Client(upload) => Some(Arc::clone(upload.progress.get_or_insert_default())),
            Self::Own(_) | Self::Upstream(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Client(upload) => upload.poll(cx),
            Self::Upstream(download) => download.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Client(upload) => upload.incoming.is_end_stream() && matches!(upload.end, End::Free),
            Self::Upstream(download) => download.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Client(upload) => upload.incoming.size_hint(),
            Self::Upstream(download) => download.incoming.size_hint(),
        }
    }
}

/// What a client sends. Its trailers are dropped: nothing in them may ever be taken for a header field.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    progress: Option<Arc<Progress>>,
    pace: Pace,
    end: End,
}

/// The end of what a client sends.
enum End {
    /// It goes on as it comes.
    Free,
    /// It will have to wait for leave.
    Asks(Leave),
    /// It came, and waits: the last piece if there is one, or the end after it.
    Came(Box<(Leave, Option<Frame<Bytes>>)>),
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Free => "Free",
            Self::Asks(_) => "Asks",
            Self::Came(_) => "Came",
        })
    }
}

impl Upload {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !matches!(self.end, End::Came(_)) {
            let piece = ready!(self.receive(cx)).transpose()?;
            let has_ended = piece.is_none() || self.incoming.is_end_stream();
            self.end = match std::mem::replace(&mut self.end, End::Free) {
                End::Asks(leave) if has_ended => End::Came(Box::new((leave, piece))),
                end => {
                    self.end = end;
                    return self.pass_on(piece);
                }
            };
        }
        let End::Came(waiting) = &mut self.end else { return Poll::Ready(None) };
        let (leave, last) = waiting.as_mut();
        let (may_end, last) = (ready!(leave.as_mut().poll(cx)), last.take());
        self.end = End::Free;
        if may_end { self.pass_on(last) } else { Poll::Ready(Some(Err(BodyError::Withheld))) }
    }

    fn pass_on(&self, piece: Option<Frame<Bytes>>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let is_last = piece.is_none() || self.incoming.is_end_stream();
        self.note(if is_last { Progress::end } else { Progress::advance });
        Poll::Ready(piece.map(Ok))
    }

    /// The next piece of data; nothing at the end.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => return self.pace.poll(cx).map(|()| Some(Err(BodyError::Stalled))),
                Poll::Ready(Some(Ok(frame))) => frame,
                ended @ Poll::Ready(Some(Err(_)) | None) => return ended,
            };
            self.pace.moved(frame.data_ref().map_or(0, Bytes::len));
            if frame.is_data() {
                return Poll::Ready(Some(Ok(frame)));
            }
            // Trailers are dropped, and what they end has ended.
            if self.incoming.is_end_stream() {
                return Poll::Ready(None);
            }
        }
    }

    fn note(&self, what: impl FnOnce(&Progress)) {
        if let Some(progress) = &self.progress {
            what(progress);
        }
    }
}

/// How far the sending of a body got: how many pieces were taken, or that the last one was.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

impl Progress {
    const END: u64 = u64::MAX;

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn end(&self) {
        self.0.store(Self::END, Ordering::Release);
    }

    /// Whether the last piece was taken to be sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.pieces() == Self::END
    }

    /// A number that changes with every piece.
    pub(crate) fn pieces(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What the dashboard sends, with the connection it comes on, which can be used again once all of it came.
#[derive(Debug)]
pub struct Download {
    /// Dropped first: whoever sees that the connection is closed finds it on no list of what is open.
    term: Term,
    incoming: upstream::Incoming,
    /// `None` if it may stand still.
    standstill: Option<Standstill>,
}

impl Download {
    /// A body that may not stand still for long.
    pub(crate) fn new(incoming: upstream::Incoming) -> Self {
        Self { incoming, standstill: Some(Standstill::default()), term: Term::Whole }
    }

    /// A body that may stand still, but is cut when `ended` resolves.
    pub(crate) fn until(self, ended: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { standstill: None, term: Term::until(ended), ..self }
    }

    /// Whether it may go on for as long as it likes, by what its head says.
    pub(crate) fn is_of_unknown_length(&self) -> bool {
        self.incoming.size_hint().exact().is_none()
    }

    /// A body that is cut when what `ended` makes resolves. That is made only if it still comes after [`LASTING`].
    pub(crate) fn if_it_lasts_until<E>(self, ended: impl FnOnce() -> E + Send + 'static) -> Self
    where
        E: Future<Output = ()> + Send + 'static,
    {
        Self { term: Term::soon_or_until(ended), ..self }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.incoming.poll(cx) {
            Poll::Pending => {
                let reason = ready!(self.wait(cx));
                self.cut(reason)
            }
            Poll::Ready(Some(Ok(_))) if self.term.is_over(cx) => self.cut(BodyError::Ended),
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    keep_trailers(trailers);
                }
                if let Some(standstill) = &mut self.standstill {
                    standstill.moved();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            ended @ Poll::Ready(Some(Err(_)) | None) => ended,
        }
    }

    /// Waits for what does not come, and says why no longer. One timer is enough at a time: a standstill takes longer.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        if self.term.poll(cx).is_ready() {
            return Poll::Ready(BodyError::Ended);
        }
        match &mut self.standstill {
            Some(standstill) if !self.term.is_open() => standstill.poll(cx).map(|()| BodyError::Stalled),
            _ => Poll::Pending,
        }
    }

    fn cut(&mut self, reason: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.incoming = upstream::Incoming::empty();
        Poll::Ready(Some(Err(reason)))
    }
}

/// Drops from trailers what means something only before a body (RFC 9110, section 6.5.1): there the gateway has looked at
/// it, here it has not.
pub(crate) fn keep_trailers(trailers: &mut HeaderMap) {
    let of_the_head = |name: &HeaderName| {
        let content = name.as_str().starts_with("content-") && name != "content-digest";
        content || HEAD_ONLY.contains(name)
    };
    let dropped: Vec<HeaderName> = trailers.keys().filter(|name| of_the_head(name)).cloned().collect();
    for name in dropped {
        trailers.remove(name);
    }
}

const HEAD_ONLY: [HeaderName; 16] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::LOCATION,
    header::MAX_FORWARDS,
    HeaderName::from_static("proxy-connection"),
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VARY,
    header::WWW_AUTHENTICATE,
];

/// Notices that nothing moves. Costs a timer only for a body that has to be waited for, and none for each of its pieces.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    timer: Option<Pin<Box<Sleep>>>,
    moved: bool,
}

impl Standstill {
    /// To be called when something came.
    pub(crate) const fn moved(&mut self) {
        self.moved = true;
    }

    /// To be polled while nothing comes. Ready once that has lasted too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(STANDSTILL)));
            ready!(timer.as_mut().poll(cx));
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(());
            }
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use h2::SendStream;
    use h2::client::ResponseFuture;
    use h2::server::SendResponse;
    use http::Request;
    use http_body_util::BodyExt;
    use tokio::io::duplex;
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::http2::Received;

    #[tokio::test(start_paused = true)]
    async fn a_standstill_is_noticed_and_movement_puts_it_off() {
        let started = Instant::now();
        let mut still = Standstill::default();
        poll_fn(|cx| still.poll(cx)).await;
        assert_eq!(started.elapsed().as_secs(), STANDSTILL.as_secs());

        let started = Instant::now();
        let mut moving = Standstill::default();
        assert!(poll_fn(|cx| Poll::Ready(moving.poll(cx))).await.is_pending());
        moving.moved();
        poll_fn(|cx| moving.poll(cx)).await;
        assert_eq!(started.elapsed().as_secs(), 2 * STANDSTILL.as_secs());
    }

    /// A body that comes in HTTP/2, what its client sends it with, and what both wait for, which is to be kept.
    async fn upload(length: Option<u64>) -> (Body, SendStream<Bytes>, (ResponseFuture, SendResponse<Bytes>)) {
        let (near, far) = duplex(1024);
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.expect("HTTP/2");
            while let Some(request) = connection.accept().await {
                // What answers it is kept as well.
                tell.send(request.expect("a request")).expect("heard");
            }
        });
        let (client, connection) = h2::client::handshake(near).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut request = Request::post("http://a/").body(()).expect("a request");
        request.headers_mut().extend(length.map(|length| (header::CONTENT_LENGTH, length.into())));
        let (answer, upload) = client.ready().await.expect("ready").send_request(request, false).expect("sent");
        let (request, respond) = told.recv().await.expect("a request");
        let (head, stream) = request.into_parts();
        let incoming = Incoming::in_http2(Received::after(&head.headers, stream), None);
        (Body::client(incoming), upload, (answer, respond))
    }

    /// How a body of one piece ends whose stream is reset for this reason, or ended without one.
    async fn end_of_upload(reset: Option<h2::Reason>) -> Option<BodyError> {
        let (mut body, mut upload, _answer) = upload(None).await;
        upload.send_data("piece".into(), reset.is_none()).expect("sent");
        assert!(matches!(body.frame().await, Some(Ok(_))), "a piece");
        if let Some(reason) = reset {
            upload.send_reset(reason);
        }
        body.frame().await.map(|frame| frame.expect_err("an end"))
    }

    /// How a body goes on whose length came in two pieces, without the end of its stream, once its end may or may not be
    /// sent.
    async fn end_of_length(may_end: bool) -> Option<Result<Bytes, BodyError>> {
        let (body, mut upload, _answer) = upload(Some(2)).await;
        let (say, said) = oneshot::channel();
        let mut body = body.with_leave_for_its_end(async { said.await.expect("said") });
        upload.send_data("a".into(), false).expect("sent");
        assert_eq!(body.frame().await.expect("a piece").expect("sound").into_data().expect("data"), "a");
        upload.send_data("b".into(), false).expect("sent");
        let mut frame = pin!(body.frame());
        assert!(timeout(Duration::from_secs(1), &mut frame).await.is_err(), "its last byte waits");
        say.send(may_end).expect("it waits");
        Some(frame.await?.map(|frame| frame.into_data().expect("data")))
    }

    #[tokio::test(start_paused = true)]
    async fn leave_for_the_end_is_asked_before_the_last_byte_of_a_length_though_its_stream_goes_on() {
        assert_eq!(end_of_length(true).await.expect("a piece").expect("leave"), "b");
        let withheld = end_of_length(false).await.expect("an end");
        assert!(matches!(withheld, Err(BodyError::Withheld)), "{withheld:?}");
    }

    #[tokio::test]
    async fn an_upload_is_whole_only_if_its_stream_has_ended() {
        assert!(end_of_upload(None).await.is_none());
        let cut = end_of_upload(Some(h2::Reason::NO_ERROR)).await;
        assert!(matches!(cut, Some(BodyError::Cut)), "{cut:?}");
        let broken = end_of_upload(Some(h2::Reason::CANCEL)).await;
        assert!(matches!(broken, Some(BodyError::Broken(_))), "{broken:?}");
    }
}
