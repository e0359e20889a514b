//! The client's side of a switch to another protocol, in either version of HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use crate::http1::Stream;
use crate::message::Request;

/// What a client will say and hear once its request is answered with a switch.
pub(crate) struct Switch(Way);

/// Where it comes once it is there.
type Coming = oneshot::Receiver<Box<dyn Stream>>;

enum Way {
    Http1(Coming),
    Http2(OnUpgrade),
    None,
}

/// What a request in HTTP/1.1 carries along that asks for a switch: whoever comes first has it.
#[derive(Clone)]
struct Offer(Arc<Mutex<Option<Coming>>>);

impl Switch {
    /// That of this request. Without one, there will be nothing to say and to hear.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        if let Some(Offer(offer)) = request.extensions_mut().remove() {
            let offered = offer.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Self(offered.map_or(Way::None, Way::Http1));
        }
        // The library looks for it in a request of its own kind.
        let mut carrier = http::Request::new(());
        std::mem::swap(carrier.extensions_mut(), request.extensions_mut());
        let upgrade = hyper::upgrade::on(&mut carrier);
        std::mem::swap(carrier.extensions_mut(), request.extensions_mut());
        Self(Way::Http2(upgrade))
    }

    /// Has a request in HTTP/1.1 carry the offer of a switch along. What is switched to is sent there.
    pub(super) fn offer<B>(request: &mut Request<B>) -> oneshot::Sender<Box<dyn Stream>> {
        let (sender, receiver) = oneshot::channel();
        request.extensions_mut().insert(Offer(Arc::new(Mutex::new(Some(receiver)))));
        sender
    }

    /// Waits for the switch. `None` if there is none.
    pub(crate) async fn into_stream(self) -> Option<Box<dyn Stream>> {
        match self.0 {
            Way::Http1(offered) => offered.await.ok(),
            Way::Http2(upgrade) => Some(Box::new(TokioIo::new(upgrade.await.ok()?))),
            Way::None => None,
        }
    }
}
