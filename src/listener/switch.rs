//! The client's side of a switch to another protocol, in either version of HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::http1::Stream;
use crate::message::Request;

/// What a client will say and hear once its request is answered with a switch.
pub(crate) struct Switch(Option<Coming>);

/// Where it comes once it is there.
type Coming = oneshot::Receiver<Box<dyn Stream>>;

/// What a request carries along that asks for a switch: whoever comes first has it.
#[derive(Clone)]
struct Offer(Arc<Mutex<Option<Coming>>>);

impl Switch {
    /// That of this request. Without one, there will be nothing to say and to hear.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        let offer: Option<Offer> = request.extensions_mut().remove();
        Self(offer.and_then(|Offer(offer)| offer.lock().unwrap_or_else(PoisonError::into_inner).take()))
    }

    /// Has a request carry the offer of a switch along. What is switched to is sent there.
    pub(super) fn offer<B>(request: &mut Request<B>) -> oneshot::Sender<Box<dyn Stream>> {
        let (sender, receiver) = oneshot::channel();
        request.extensions_mut().insert(Offer(Arc::new(Mutex::new(Some(receiver)))));
        sender
    }

    /// Waits for the switch. `None` if there is none.
    pub(crate) async fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.0?.await.ok()
    }
}
