//! Sending on what passes, and forgetting what that may have changed: for whom a login stands.

use std::mem::forget;
use std::sync::{Arc, OnceLock};

use http::StatusCode;
use http::header::SET_COOKIE;
use http_body::Body as _;

use super::detached::detached;
use super::held_back::HeldBack;
use crate::body::Body;
use crate::failure::Failure;
use crate::identity::credentials::{Carries, Credentials};
use crate::identity::source::{Login, Source};
use crate::listener::Incoming;
use crate::memory::Memory;
use crate::message::Response;
use crate::proxy::{self, Way};
use crate::second_factor::policy::Passage;
use crate::visit::Visit;

impl Visit<'_> {
    /// Sends the request on, and forgets who its credentials stand for if the answer may have changed that.
    pub(super) async fn forward(
        &mut self,
        passage: Passage,
        credentials: &Credentials,
        body: Incoming,
    ) -> Result<Response<Body>, Failure> {
        let (source, changes_something) = (&self.dashboard.source, !self.head.method.is_safe());
        let request = {
            let mut body = Body::client(body);
            if !body.is_end_stream()
                && let Some(traveler) = passage.traveler()
            {
                body = body.with_leave_for_its_end(HeldBack::of(self, traveler, credentials).still_passes());
            }
            self.head.take_request(body)
        };
        let unanswered = changes_something.then(|| Unanswered { source, credentials });
        let response = proxy::forward(passage, request, self.client, self.way()).await?;
        forget(unanswered);
        if may_end_a_login(&response) {
            source.forget(credentials);
        } else if changes_something {
            source.note_turn();
        }
        Ok(response)
    }

    /// Sends a request on that may be a login, and forgets what that makes worthless: of everybody, since who has logged
    /// in can be named in other ways than this request names them (with one more cookie, from another browser).
    ///
    /// A client that goes away changes nothing of that: the dashboard logs it in all the same, if only later. Where no
    /// credential stands for anybody yet, there is nothing to forget.
    pub(super) async fn forward_to_the_end(
        &mut self,
        passage: Passage,
        body: Incoming,
    ) -> Result<Response<Body>, Failure> {
        let credentials = self.credentials();
        let changes_something = !self.head.method.is_safe();
        let body = Body::client(body);
        if credentials.carries() != Carries::Carried {
            let request = self.head.take_request(body);
            return Ok(proxy::forward(passage, request, self.client, self.way()).await?);
        }
        let (site, source) = (Arc::clone(&self.dashboard.site), self.dashboard.source.clone());
        // From when all of it was sent until it is answered: whoever holds it back holds up nobody.
        let login = Arc::new(OnceLock::new());
        let body = if changes_something { beginning(body, source.clone(), Arc::clone(&login)) } else { body };
        let request = self.head.take_request(body);
        let (pool, tunnels, client) = (self.pool.clone(), self.gateway.tunnels.clone(), self.client.clone());
        let unfinished = source.clone();
        let exchange = async move {
            let way = Way { site: &site, pool: &pool, tunnels: &tunnels, memory: Memory::NONE };
            let answer = proxy::forward(passage, request, &client, way).await;
            let is_login = changes_something || answer.as_ref().map_or(true, leads_elsewhere);
            if is_login {
                source.forget_all();
            } else if answer.as_ref().is_ok_and(may_end_a_login) {
                source.forget(&credentials);
            }
            drop(login);
            answer.map_err(Failure::from)
        };
        let given_up = move || {
            unfinished.expect_a_change(&credentials);
            unfinished.forget_all();
            Err(Failure::Internal("a request that nobody waits for anymore was given up"))
        };
        Box::pin(detached(exchange, given_up))
            .await
            .unwrap_or(Err(Failure::Internal("a request to a public path ended in a panic")))
    }

    /// The way to the dashboard, for as long as the client waits.
    fn way(&self) -> Way<'_> {
        Way { site: &self.dashboard.site, pool: self.pool, tunnels: &self.gateway.tunnels, memory: self.memory }
    }
}

/// A request that may have changed for whom a login stands. Dropped, it is taken to have: the client did not wait for the
/// answer, or none came, and the dashboard can have done all the same what it was sent for.
struct Unanswered<'a> {
    source: &'a Source,
    credentials: &'a Credentials,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.source.forget(self.credentials);
    }
}

/// The body of what may be a login, which begins once all of it is there.
fn beginning(body: Body, source: Source, login: Arc<OnceLock<Option<Login>>>) -> Body {
    let begin = move || _ = login.set(source.login());
    if body.is_end_stream() {
        begin();
        return body;
    }
    body.with_leave_for_its_end(async move {
        begin();
        true
    })
}

/// Whether the dashboard may think differently of these credentials from now on.
fn may_end_a_login(response: &Response<Body>) -> bool {
    let refused = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    refused || response.headers().contains_key(SET_COOKIE)
}

/// As the last step of a login by link or by another server does, which comes as a GET.
fn leads_elsewhere(response: &Response<Body>) -> bool {
    response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED
}
