//! Whose word it is who has logged in: the one place where the sources differ.

use std::sync::Arc;

use super::cache::Answers;
pub use super::cache::Login;
use super::client::Client;
use super::credentials::Credentials;
use super::outer_login::OuterLogin;
use super::probe::{Freshness, LastAnswer, Prober};
use super::token::Tokens;
use super::{Identity, Verdict};
use crate::clock::Clock;
use crate::config::{self, Site};
use crate::message::RequestHead;
use crate::second_factor::Timestamp;
use crate::upstream::Pool;

/// Who has logged in at one site. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub enum Source {
    /// The dashboard is asked.
    Probe(Prober),
    /// A login in front of the gateway says so in header fields.
    Header(Arc<OuterLogin>),
    /// A signed token says so.
    Token(Arc<Tokens>),
}

impl Source {
    /// The one that the site has, with nothing known yet.
    ///
    /// # Panics
    /// If the site's places or keys do not parse; a checked configuration has none of these.
    pub fn new(site: Arc<Site>, clock: Clock) -> Self {
        match site.identity.source.clone() {
            config::Source::Probe(probe) => Self::Probe(Prober::new(site, probe, clock)),
            config::Source::Header(_) => Self::Header(Arc::new(OuterLogin::new(site, clock))),
            config::Source::Token(token) => Self::Token(Arc::new(Tokens::new(&site, token, clock))),
        }
    }

    /// What it says of whoever sent this request. What can't be used is logged once, here.
    ///
    /// `credentials` and `client` are those of `head`.
    pub async fn identify(
        &self,
        credentials: &Credentials,
        head: &RequestHead,
        client: &Client,
        pool: &Pool,
        freshness: Freshness,
    ) -> Verdict {
        match self {
            Self::Probe(prober) => prober.identify(credentials, head, client, pool, freshness).await,
            Self::Header(login) => login.identify(head, client),
            // Boxed: it seldom waits, and the future of every request would carry the room for it along.
            Self::Token(tokens) => match tokens.remembered(head, freshness) {
                Some(identity) => Verdict::Identified(identity),
                None => Box::pin(tokens.identify(credentials.carries(), head, freshness)).await,
            },
        }
    }

    /// Who it is, if the dashboard's answer is at hand at this moment; not searched for where it is the last one.
    pub fn cached<'a>(
        &self,
        credentials: &Credentials,
        last: &'a mut LastAnswer,
        now: Timestamp,
    ) -> Option<&'a Arc<Identity>> {
        match self {
            Self::Probe(prober) => prober.cached(credentials, last, now),
            Self::Header(_) | Self::Token(_) => None,
        }
    }

    /// A login that the dashboard is about to have before it as a whole; until this is dropped, no answer of its is used
    /// again.
    pub fn login(&self) -> Option<Login> {
        self.answers().map(Answers::login)
    }

    /// How many answers came by that may have changed for whom a login stands; none where that stands in the request.
    pub fn turns(&self) -> u64 {
        self.answers().map_or(0, |answers| answers.turns())
    }

    /// Counts one more.
    pub fn note_turn(&self) {
        if let Some(answers) = self.answers() {
            answers.note_turn();
        }
    }

    /// Drops what the dashboard said, and is being asked, of these credentials: it may think differently by now. What is
    /// known of others stands in the request itself.
    pub fn forget(&self, credentials: &Credentials) {
        if let Some(answers) = self.answers() {
            answers.forget(credentials.key());
        }
    }

    /// Keeps nothing of what the dashboard says of these credentials until a login or logout that is under way must have
    /// come to its end, and drops what is known of them.
    pub fn expect_a_change(&self, credentials: &Credentials) {
        if let Some(answers) = self.answers() {
            answers.unsettle(credentials.key());
        }
    }

    /// Drops what is known of all credentials: some login may stand for somebody else by now, and it can be written in many ways.
    pub fn forget_all(&self) {
        if let Some(answers) = self.answers() {
            answers.forget_all();
        }
    }

    /// What somebody has to be asked for.
    fn answers(&self) -> Option<&Arc<Answers>> {
        match self {
            Self::Probe(prober) => Some(prober.answers()),
            Self::Header(_) | Self::Token(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::COOKIE;

    use super::Freshness::{Cached, Fresh};
    use super::*;
    use crate::config::{Algorithm, Keys, OuterLogin as Front, Probe, Secret, Token, TokenPlace, Upstream, Value};
    use crate::identity::client::{Peer, Scheme};
    use crate::identity::loopback::{Loopback, answer};
    use crate::site::sample;

    const PATIENT: Duration = Duration::from_mins(1);

    /// A site, and whoever asks there.
    struct Scene {
        source: Source,
        site: Arc<Site>,
        client: Client,
        pool: Pool,
    }

    impl Scene {
        fn new(site: Site) -> Self {
            let address = "192.0.2.9".parse().expect("an address");
            let peer = Peer::Tcp(address);
            let client =
                Client { address: Some(address), scheme: Scheme::Https, peer, trusted: true, outer_login: true };
            let pool = Pool::new(&site.upstream).expect("an address");
            let site = Arc::new(site);
            let clock = Clock::from_fn(|| Timestamp::from_millis(0));
            Self { source: Source::new(Arc::clone(&site), clock), site, client, pool }
        }

        /// Before a dashboard, which has so long for its answer.
        fn before(dashboard: &Loopback, timeout: Duration) -> Self {
            let addresses = vec![dashboard.address()];
            let upstream = Upstream { addresses, connect_timeout: PATIENT, ..sample::site().upstream };
            let source = config::Source::Probe(Probe { timeout, ..sample::probe() });
            let identity = config::Identity { source, ..sample::identity() };
            Self::new(Site { upstream, identity, ..sample::site() })
        }

        fn credentials(&self, cookie: &'static str) -> Credentials {
            Credentials::of(&self.site, &head(cookie), &self.client, "insights.example")
        }

        async fn verdict(&self, cookie: &'static str, freshness: Freshness) -> Verdict {
            let credentials = self.credentials(cookie);
            self.source.identify(&credentials, &head(cookie), &self.client, &self.pool, freshness).await
        }

        async fn who(&self, cookie: &'static str, freshness: Freshness) -> String {
            match self.verdict(cookie, freshness).await {
                Verdict::Identified(identity) => identity.user.clone(),
                other => format!("{other:?}"),
            }
        }

        fn at_hand(&self, cookie: &'static str) -> Option<String> {
            let (now, mut last) = (Timestamp::from_millis(0), LastAnswer::default());
            let identity = self.source.cached(&self.credentials(cookie), &mut last, now);
            identity.map(|identity| identity.user.clone())
        }
    }

    fn head(cookie: &'static str) -> RequestHead {
        let mut head = RequestHead::default();
        head.headers.insert(COOKIE, HeaderValue::from_static(cookie));
        head
    }

    /// A dashboard that takes whoever asks for somebody else each time: `u1`, `u2`, and so on.
    async fn fickle() -> Loopback {
        let someone = |number| format!(r#"{{"id":"u{number}","company":{{"slug":"acme"}}}}"#);
        Loopback::answering(move |number| Some(answer("200 OK", &someone(number)))).await
    }

    const ALICE: &str = "sid=alice";
    const BOB: &str = "sid=bob";

    #[tokio::test]
    async fn what_the_dashboard_said_is_used_until_it_is_dropped() {
        let dashboard = fickle().await;
        let scene = Scene::before(&dashboard, PATIENT);
        assert_eq!(scene.at_hand(ALICE), None);
        assert_eq!((scene.who(ALICE, Cached).await, scene.who(ALICE, Cached).await), ("u1".into(), "u1".into()));
        assert_eq!(scene.who(BOB, Cached).await, "u2", "others are asked for");
        assert_eq!(scene.who(ALICE, Fresh).await, "u3");
        assert_eq!((scene.at_hand(ALICE), scene.at_hand(BOB)), (Some("u3".into()), Some("u2".into())));
        scene.source.forget(&scene.credentials(ALICE));
        assert_eq!((scene.at_hand(ALICE), scene.at_hand(BOB)), (None, Some("u2".into())));
        assert_eq!(scene.who(ALICE, Cached).await, "u4");
        scene.source.expect_a_change(&scene.credentials(ALICE));
        assert_eq!((scene.who(ALICE, Cached).await, scene.who(ALICE, Cached).await), ("u5".into(), "u6".into()));
        assert_eq!((scene.at_hand(ALICE), scene.at_hand(BOB)), (None, Some("u2".into())));
        scene.source.forget_all();
        assert_eq!((scene.at_hand(BOB), scene.who(BOB, Cached).await), (None, "u7".into()));
        assert_eq!(dashboard.times(), 7);
    }

    #[tokio::test]
    async fn while_the_dashboard_has_a_login_before_it_no_answer_is_used_again() {
        let scene = Scene::before(&fickle().await, PATIENT);
        assert_eq!(scene.who(ALICE, Cached).await, "u1");
        let first = scene.source.login().expect("the dashboard is asked");
        let second = scene.source.login();
        assert_eq!((scene.at_hand(ALICE), scene.who(ALICE, Cached).await), (None, "u2".into()));
        drop(first);
        assert_eq!((scene.at_hand(ALICE), scene.who(ALICE, Cached).await), (None, "u3".into()));
        drop(second);
        assert_eq!(scene.at_hand(ALICE), Some("u1".into()), "as nothing else made it void");
        assert_eq!(scene.who(BOB, Cached).await, "u4");
        assert_eq!(scene.at_hand(BOB), Some("u4".into()));
    }

    #[tokio::test]
    async fn whatever_may_have_changed_for_whom_a_login_stands_is_counted() {
        let scene = Scene::before(&fickle().await, PATIENT);
        assert_eq!(scene.who(ALICE, Cached).await, "u1");
        assert_eq!(scene.source.turns(), 0);
        scene.source.note_turn();
        assert_eq!(scene.source.turns(), 1);
        assert_eq!(scene.at_hand(ALICE), Some("u1".into()), "it is counted, no more");
        scene.source.forget(&scene.credentials(ALICE));
        assert_eq!(scene.source.turns(), 2);
        scene.source.expect_a_change(&scene.credentials(ALICE));
        assert_eq!(scene.source.turns(), 3);
        scene.source.forget_all();
        assert_eq!(scene.source.turns(), 4);
    }

    #[tokio::test]
    async fn what_is_no_answer_lets_nobody_in() {
        let too_long = answer("200 OK", &" ".repeat((1 << 20) + 1));
        let rows = [
            (Some(answer("401 Unauthorized", "")), "Anonymous"),
            (Some(answer("500 Internal Server Error", "")), "Unknown(Unusable)"),
            (Some(too_long), "Unknown(Unusable)"),
            (
                Some(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{".to_vec()),
                "Unknown(Unreachable)",
            ),
            (Some(b"what?\r\nconnection: close\r\n\r\n".to_vec()), "Unknown(Unreachable)"),
            (None, "Unknown(TimedOut)"),
        ];
        for (said, expected) in rows {
            let is_silent = said.is_none();
            let dashboard = Loopback::answering(move |_| said.clone()).await;
            let timeout = if is_silent { Duration::from_millis(50) } else { PATIENT };
            let scene = Scene::before(&dashboard, timeout);
            assert_eq!(scene.who(ALICE, Cached).await, expected);
            assert_eq!(scene.at_hand(ALICE), None, "{expected}");
        }
    }

    #[tokio::test]
    async fn where_the_request_itself_says_whose_it_is_nothing_is_at_hand_and_nothing_to_be_dropped() {
        let front = Front { fields: vec![COOKIE], secret: None };
        let token = Token {
            place: TokenPlace::Cookie("sid".into()),
            algorithms: vec![Algorithm::Hs256],
            keys: Keys::Secret(Secret::new(b"32 bytes that nobody else knows!".to_vec())),
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::ZERO,
        };
        let rows = [(config::Source::Header(front), "sid=alice"), (config::Source::Token(token), "Unknown(Unusable)")];
        for (source, expected) in rows {
            let (user, organization) = (Value::Header(COOKIE), Value::Fixed("acme".into()));
            let identity =
                config::Identity { source, user, organization, email: None, name: None, ..sample::identity() };
            let scene = Scene::new(Site { identity, ..sample::site() });
            scene.source.note_turn();
            scene.source.forget(&scene.credentials(ALICE));
            scene.source.expect_a_change(&scene.credentials(ALICE));
            scene.source.forget_all();
            assert_eq!(scene.who(ALICE, Cached).await, expected);
            assert_eq!((scene.at_hand(ALICE), scene.source.turns()), (None, 0));
            assert!(scene.source.login().is_none());
        }
    }
}
