//! The end of the journey for a request that an outer server sends on: leave to do so, or what its client gets instead.

use http::header::CONNECTION;
use http::{HeaderValue, Method};
use http_body::Body as _;

use super::{Answer, Arrived, Sender, Worker};
use crate::audience::Audience;
use crate::body::Body;
use crate::failure::Failure;
use crate::forward_auth::{self, Asked, Denied, Original, Question};
use crate::identity::credentials::Carries;
use crate::listener::{Incoming, framing};
use crate::message::{Fields, RequestHead, Response};
use crate::second_factor::policy::Passage;
use crate::visit::Visit;
use crate::{proxy, respond};

impl Worker {
    /// Answers a question of an outer server. A body that comes with it says nothing, and is not waited for.
    pub(super) async fn ask(
        &self,
        asked: Asked<'_>,
        head: &mut RequestHead,
        body: Incoming,
        arrived: &mut Arrived<'_>,
    ) -> Answer {
        let is_over = body.is_end_stream();
        drop(body);
        let answer = match self.lead(asked, head, arrived).await {
            Ok(answer) => answer,
            Err(failure) => Answer::Own(self.fail(&failure, head, arrived)),
        };
        let mut answer = match answer {
            Answer::Leave(response) => Answer::Leave(response),
            // Only leave is given with a status of success, whatever went wrong on the way.
            Answer::Own(response) | Answer::Dashboard(response) if response.status().is_success() => {
                let mistaken = Failure::Internal("a page for an outer server");
                Answer::Own(asked.refuse(self.fail(&mistaken, head, arrived)))
            }
            Answer::Own(response) | Answer::Dashboard(response) => Answer::Own(asked.refuse(response)),
        };
        if !is_over {
            answer.head().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// Leads the request that is asked about on the way of every request.
    async fn lead(
        &self,
        asked: Asked<'_>,
        head: &mut RequestHead,
        arrived: &mut Arrived<'_>,
    ) -> Result<Answer, Failure> {
        let host = framing::check(head)?;
        if !arrived.arrival.peer.is_trusted(&self.gateway.config.server.trusted_proxies) {
            return Err(Denied::Untrusted.into());
        }
        let original = asked.restore(head, host)?;
        arrived.audience = Audience::of(&head.method, &head.headers);
        self.journey(head, Sender::Outer(original), arrived).await
    }
}

impl Answer {
    /// No leave, for a server that asks for its client's answer by itself.
    pub(super) fn refused() -> Self {
        Self::Own(forward_auth::refusal())
    }

    fn head(&mut self) -> &mut Fields {
        match self {
            Self::Own(response) | Self::Dashboard(response) | Self::Leave(response) => response.headers_mut(),
        }
    }
}

impl Sender<'_> {
    /// Whether the client's answer will be asked for by another question, so that nothing is opened for this one.
    pub(super) const fn asks_again(&self) -> bool {
        match self {
            Self::Gateway(_) => false,
            Self::Outer(original) => original.is_silent(),
        }
    }
}

impl Visit<'_> {
    /// A path that is open to everybody. What the dashboard answers is not seen here, so that whatever may be a login is
    /// one: what was known of anybody is forgotten, and a session that is not bound to a login ends.
    pub(super) async fn open_in_front(&self, passage: Passage, original: &Original<'_>) -> Result<Answer, Failure> {
        if !self.head.method.is_safe() {
            let credentials = self.credentials();
            if credentials.carries() == Carries::Carried {
                self.dashboard.source.expect_a_change(&credentials);
                self.dashboard.source.forget_all();
            }
            if self.dashboard.site.bind.is_none() {
                self.end_presented().await?;
            }
        }
        self.hand_over(passage, original)
    }

    /// Leave for the outer server to send the request on; or, where it asks what to tell a client that may pass by now,
    /// the way to ask again.
    pub(super) fn hand_over(&self, passage: Passage, original: &Original<'_>) -> Result<Answer, Failure> {
        let (head, site) = (&*self.head, &self.dashboard.site);
        original.is_unambiguous(head, site)?;
        let hand_over = |last: &mut _| proxy::hand_over(passage, &head.headers, self.client, site, last);
        let fields = self.memory.with_leave(hand_over)?;
        match original.question() {
            Question::Leave => Ok(Answer::Leave(forward_auth::leave(fields))),
            Question::Answer => self.ask_again().map(Answer::Own),
        }
    }

    fn ask_again(&self) -> Result<Response<Body>, Failure> {
        let head = &*self.head;
        match (Audience::of(&head.method, &head.headers), &head.method) {
            (Audience::Person, &Method::GET | &Method::HEAD) => {
                Ok(respond::see_other(&self.safe_next(Some(self.target()))))
            }
            (Audience::Person | Audience::Program, _) => Err(Failure::PassesNow),
        }
    }
}
