//! The way to the dashboard, for whoever has a passage.

mod handover;
pub mod headers;
pub(crate) mod introduction;
mod relay;
pub mod tunnels;
pub(crate) mod websocket;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};
use http_body::Body as _;

use crate::body::{Body, BodyError, Download};
use crate::config::Site;
use crate::identity::client::Client;
use crate::listener::EarlyHints;
use crate::memory::Memory;
use crate::message::{Fields, Request, Response};
use crate::second_factor::policy::{Passage, Traveler};
use crate::upstream::{Incoming, OnEarlyHints, Pool, Purpose, UpstreamError};
use crate::via::Loop;
pub use handover::{LastLeave, hand_over};
use headers::Stripped;
use introduction::Introduction;
use tunnels::{Open, Tunnels};

/// The way to one dashboard.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The site.
    pub site: &'a Site,
    /// This worker's connections to it.
    pub pool: &'a Pool,
    /// Where what lives on after the head of an answer is kept track of.
    pub tunnels: &'a Tunnels,
    /// What is remembered of the request's visitor.
    pub memory: &'a Memory,
}

/// Why a request got no answer of the dashboard.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The dashboard gave none.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The client broke off in the middle of its request, or what it sent is no body of HTTP.
    #[error("the client broke off")]
    Client(#[source] UpstreamError),
    /// Before all of the request had come, its credentials stood for somebody else, or for nobody that is known.
    #[error("somebody else is logged in by now, or nobody")]
    AnotherLogin,
    /// The client let its request stand still.
    #[error("the client did not send its request in time")]
    Stalled,
    /// A page of another origin asks for a WebSocket.
    #[error("a page of another origin asks for a WebSocket")]
    ForeignOrigin,
    /// The request came by several times already.
    #[error(transparent)]
    Loop(#[from] Loop),
    /// The visitor's user id or organization can't be said in a header field so that it is read as the same.
    #[error("the user id or organization can't be passed on in a header field")]
    Unspeakable,
}

/// Sends one request to the dashboard on the strength of a passage, and its answer back.
///
/// The request must have been through [`listener::framing::check`](crate::listener::framing::check), and stripped for this
/// client and site. Bodies stream both ways. An answer that lives on (a WebSocket, an event stream, whatever else without a
/// length lasts) is kept track of in the tunnels, and is cut when it has to end. If the returned future is dropped, so is
/// the request to the dashboard.
pub async fn forward(
    passage: Passage,
    mut request: Stripped<Box<Request<Body>>>,
    client: &Client,
    way: Way<'_>,
) -> Result<Response<Body>, ProxyError> {
    let switch = websocket::asked(&mut request, client)?;
    let traveler = passage.traveler();
    let request = make_outgoing(request, traveler, client, way)?;
    let purpose = if switch.is_some() { Purpose::Switch } else { Purpose::Exchange };
    let answer = way.pool.exchange(request, purpose).await.map_err(whose_fault)?;

    let (mut head, incoming) = answer.into_parts();
    let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if switched && !switch.as_ref().is_some_and(|asked| asked.is_agreed_to(&head.headers)) {
        return Err(UpstreamError::Malformed("a switch to another protocol than was asked for").into());
    }
    if headers::make_incoming(&mut head.headers) {
        tracing::warn!(site = %way.site.name, "withheld a cookie of the upstream that has the name of the gateway's own");
    }
    if let (true, Some(asked)) = (switched, switch) {
        let upstream = incoming.into_switched();
        return Ok(websocket::switch(asked, head.headers, upstream, open(way, traveler)));
    }
    let mut response = Response::new(body_of(incoming, &head.headers, way, traveler));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// What comes after the head of an answer, for as long as it may.
fn body_of(incoming: Incoming, headers: &Fields, way: Way<'_>, traveler: Option<&Traveler>) -> Body {
    let incoming = match incoming.into_whole() {
        Ok(whole) => return Body::own(whole),
        Err(incoming) => incoming,
    };
    let mut download = Download::new(incoming);
    if is_event_stream(headers) {
        let open = open(way, traveler);
        download = download.until(async move { open.ended.cancelled().await });
    } else if let Some(traveler) = traveler.filter(|_| download.is_of_unknown_length()) {
        // Pictures of a camera, lines of a log: whatever goes on is open as a WebSocket is.
        let (tunnels, traveler, site) = (way.tunnels.clone(), traveler.clone(), way.site.name.clone());
        download = download.if_it_lasts_until(move || {
            let open = tunnels.open(&traveler, &site);
            async move { open.ended.cancelled().await }
        });
    }
    Body::Upstream(Box::new(download))
}

/// Makes a client's request the one that the dashboard gets. Whatever else it carries in this process stays behind, but for
/// where early hints go.
fn make_outgoing(
    request: Stripped<Box<Request<Body>>>,
    traveler: Option<&Traveler>,
    client: &Client,
    way: Way<'_>,
) -> Result<Box<Request<Body>>, ProxyError> {
    let introduction = Introduction { traveler, client };
    let make = |last: &mut _| headers::make_outgoing(request, way.site, &introduction, last);
    let mut request = way.memory.with_outgoing(make)?;
    let hints = request.extensions_mut().remove::<EarlyHints>();
    request.extensions_mut().clear();
    // The next hop's is not the client's.
    let version = std::mem::take(request.version_mut());
    // In HTTP/2 the end of a stream says how long a body was; in HTTP/1.1 a field must.
    let is_chunked = version == Version::HTTP_2
        && !request.body().is_end_stream()
        && !request.headers().contains_key(CONTENT_LENGTH);
    if is_chunked {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(hints) = hints {
        request.extensions_mut().insert(OnEarlyHints::new(move |headers| hints.say(headers)));
    }
    Ok(request)
}

fn open(way: Way<'_>, traveler: Option<&Traveler>) -> Open {
    match traveler {
        Some(traveler) => way.tunnels.open(traveler, &way.site.name),
        None => way.tunnels.open_to_everybody(),
    }
}

fn is_event_stream(headers: &Fields) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Tells a client that broke off from a dashboard that did.
fn whose_fault(error: UpstreamError) -> ProxyError {
    let UpstreamError::Upload(reason) = &error else { return error.into() };
    match reason {
        BodyError::Stalled => ProxyError::Stalled,
        BodyError::Withheld => ProxyError::AnotherLogin,
        BodyError::Broken(_) | BodyError::Cut | BodyError::Ended => ProxyError::Client(error),
    }
}
