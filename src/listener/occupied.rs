//! What a request takes of the room there is, for whoever goes on with it after its client is gone.

use std::cell::RefCell;
use std::sync::Arc;

/// The seat of a connection, in HTTP/2 with room for one request: taken for as long as somebody has a clone of this.
#[derive(Clone)]
pub struct Occupied {
    _what: Arc<dyn Send + Sync>,
}

tokio::task_local! {
    static OWN: RefCell<Option<Occupied>>;
}

impl Occupied {
    pub(super) fn new(what: Arc<impl Send + Sync + 'static>) -> Self {
        Self { _what: what }
    }

    /// What the request that is answered in this task occupies, if it is known.
    pub fn now() -> Option<Self> {
        OWN.try_with(|own| own.borrow().clone()).ok().flatten()
    }

    /// Has the work that this is called in occupy that until it ends.
    pub(super) fn take(self) {
        OWN.with(|own| own.replace(Some(self)));
    }
}

/// Work that occupies that, and may take something else in its place.
pub(super) async fn occupying<T>(what: Option<Occupied>, work: impl Future<Output = T>) -> T {
    OWN.scope(RefCell::new(what), work).await
}
