//! The vocabulary of the journeys: a world, people who visit it, and what they see there.
//!
//! Only in here are statuses, fields and cookies; the stories are about people.

pub(crate) mod authenticator;
pub(crate) mod dashboard;
mod hardening;
pub(crate) mod http;
pub(crate) mod issuer;
pub(crate) mod outer_server;
pub(crate) mod page;
pub(crate) mod program;
mod sight;
pub(crate) mod signer;
pub(crate) mod time;
pub(crate) mod visitor;
pub(crate) mod world;

pub(crate) use sight::Sight;
pub(crate) use world::{optional, required};

/// Waits for all of them, begun together.
pub(crate) async fn at_once<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(cx) {
                *done = Some(value);
            }
        }
        if waiting.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

/// How long to wait before looking again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    http::within(what, async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}
