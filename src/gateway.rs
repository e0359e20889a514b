//! What all requests share, and [`Worker::answer`]: the whole journey of one request.

pub mod arrived;
mod detached;
mod held_back;
mod outer;
mod passing;

use std::sync::Arc;

use http::Method;
use http::header::{SET_COOKIE, UPGRADE};

use self::arrived::Arrived;
use crate::audience::Audience;
use crate::body::Body;
use crate::clock::Clock;
use crate::config::{Config, Site};
use crate::failure::{Failure, Reader};
use crate::forward_auth::{Asked, Original};
use crate::identity::client::{Arrival, Peer};
use crate::identity::credentials::Credentials;
use crate::identity::probe::Freshness;
use crate::identity::source::Source;
use crate::key_file::Keys;
use crate::listener::{Door, Incoming, Opening, Share};
use crate::memory::{Memories, Memory};
use crate::message::{Request, RequestHead, Response};
use crate::pages::appearance::Appearance;
use crate::pages::stop;
use crate::proxy::tunnels::Tunnels;
#[cfg(test)]
use crate::second_factor::Timestamp;
use crate::second_factor::policy::{Decision, Passage, Standing, decide};
use crate::site::{Rule, Sites, rule, target};
use crate::standing::Standings;
use crate::store::Store;
#[cfg(test)]
use crate::store::sqlite::SqliteStore;
use crate::telemetry::{Metrics, Outcome, RequestIds, causes};
use crate::upstream::Pool;
use crate::visit::{Place, Seen, Visit};
use crate::{pages, respond, session_cookie};

/// What all requests of this process share.
pub struct Gateway {
    /// What the operator wants.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What is remembered of it.
    pub standings: Arc<Standings>,
    /// What seals secrets at rest.
    pub keys: Arc<Keys>,
    /// The protected dashboards, in the order of the configuration.
    pub dashboards: Vec<Arc<Dashboard>>,
    /// What lives on after the head of an answer.
    pub tunnels: Arc<Tunnels>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    sites: Sites,
    ids: Arc<RequestIds>,
}

/// One protected dashboard.
pub struct Dashboard {
    /// What the operator says of it.
    pub site: Arc<Site>,
    /// Who has logged in there.
    pub source: Source,
    /// How the gateway's own pages look at it.
    pub appearance: Appearance,
}

impl Gateway {
    /// The gateway of a configuration, its store and its keys.
    pub fn new(config: Config, clock: Clock, store: Arc<dyn Store>, keys: Keys) -> Self {
        Self {
            dashboards: config.sites.iter().map(|site| Arc::new(Dashboard::new(site, &clock))).collect(),
            standings: Arc::new(Standings::new(Arc::clone(&store), clock.clone(), config.session)),
            tunnels: Arc::default(),
            metrics: Arc::default(),
            sites: Sites::new(&config),
            ids: Arc::default(),
            config,
            clock,
            store,
            keys: Arc::new(keys),
        }
    }

    /// The same gateway by another configuration: what it keeps, remembers, counts and has open is one with this one's.
    /// A dashboard of which the operator says nothing new stays the same one.
    #[must_use]
    pub fn by(&self, config: Config) -> Self {
        let same = |site: &Arc<Site>| self.dashboards.iter().find(|d| d.site == *site).map(Arc::clone);
        let dashboard = |site| same(site).unwrap_or_else(|| Arc::new(Dashboard::new(site, &self.clock)));
        Self {
            dashboards: config.sites.iter().map(dashboard).collect(),
            standings: Arc::clone(&self.standings),
            tunnels: Arc::clone(&self.tunnels),
            metrics: Arc::clone(&self.metrics),
            sites: Sites::new(&config),
            ids: Arc::clone(&self.ids),
            config,
            clock: self.clock.clone(),
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
        }
    }

    /// Whether all that this peer sends on one connection comes from one client ([`Door::is_one_client`]).
    fn is_one_client(&self, peer: Peer) -> bool {
        !peer.is_trusted(&self.config.server.trusted_proxies)
    }
}

#[cfg(test)]
impl Gateway {
    /// One that keeps what it keeps in a folder, at a time that stands still.
    pub(crate) async fn in_folder(config: Config, folder: &std::path::Path, now: Timestamp) -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.join("store.db")).expect("a new store"));
        let keys = Keys::open(&folder.join("store.key"), Arc::clone(&store)).await.expect("a new key file");
        Self::new(config, Clock::from_fn(move || now), store, keys)
    }
}

impl Dashboard {
    fn new(site: &Arc<Site>, clock: &Clock) -> Self {
        Self {
            site: Arc::clone(site),
            source: Source::new(Arc::clone(site), clock.clone()),
            appearance: Appearance::of(site),
        }
    }
}

/// One of the threads that answer requests: the gateway, and connections and memories that no other thread uses.
pub struct Worker {
    gateway: Arc<Gateway>,
    pools: Vec<Pool>,
    memories: Memories,
}

/// Which connections a worker goes on with at a dashboard.
pub enum Connections {
    /// Those it had at the dashboard with this place in the old configuration.
    Kept(usize),
    /// Some of its own, to where those of this pool lead.
    New(Pool),
}

/// An answer, by who made it.
enum Answer {
    /// The gateway.
    Own(Response<Body>),
    /// The dashboard: passed on unchanged.
    Dashboard(Response<Body>),
    /// The gateway, for an outer server alone.
    Leave(Response<Body>),
}

/// Who sends a request to the dashboard once it has a passage.
enum Sender<'a> {
    /// The gateway, with this body.
    Gateway(Incoming),
    /// The outer server that asks for leave to.
    Outer(Original<'a>),
}

impl Worker {
    /// A worker without connections yet, which will have some of its own to where those of `pools` lead: one for each
    /// dashboard, in their order.
    pub fn new(gateway: Arc<Gateway>, pools: &[Pool]) -> Self {
        Self { gateway, pools: pools.iter().map(Pool::sibling).collect(), memories: Memories::default() }
    }

    /// The gateway it answers for.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The same worker for another gateway, with connections as said: one of `connections` for each of its dashboards,
    /// in their order.
    #[must_use]
    pub fn by(&self, gateway: Arc<Gateway>, connections: &[Connections]) -> Self {
        let pool = |connections: &Connections| match connections {
            Connections::Kept(index) => self.pools[*index].clone(),
            Connections::New(pool) => pool.sibling(),
        };
        Self { gateway, pools: connections.iter().map(pool).collect(), memories: Memories::default() }
    }

    /// The journey: host, client and header hygiene, own page or rule for the path, identity, standing, decision.
    async fn journey(
        &self,
        head: &mut RequestHead,
        sender: Sender<'_>,
        arrived: &mut Arrived<'_>,
    ) -> Result<Answer, Failure> {
        let gateway = &*self.gateway;
        let outer = match &sender {
            Sender::Gateway(_) => None,
            Sender::Outer(original) => Some(original),
        };
        let (settled, head) = arrived.settle(&self.gateway, head, outer)?;
        let dashboard = &gateway.dashboards[settled.site];
        let site = &dashboard.site;
        let mut visit = Visit {
            gateway,
            dashboard,
            pool: &self.pools[settled.site],
            head,
            host: &settled.host,
            client: &settled.client,
            memory: arrived.memory,
            presented: settled.presented,
            id: arrived.id,
            now: gateway.clock.now(),
            turns: dashboard.source.turns(),
        };
        match rule(site, visit.target()) {
            // What seldom happens is boxed, here and below, so that it takes no room in the future of every request.
            Rule::Own => {
                gateway.metrics.count(Outcome::OwnPage);
                let Sender::Gateway(body) = sender else { return Err(Failure::NotFound) };
                Box::pin(pages::answer(&mut visit, body)).await.map(Answer::Own)
            }
            Rule::Logout if is_known(&visit.head.method) => Box::pin(visit.log_out(sender)).await,
            Rule::Public if is_known(&visit.head.method) => visit.open(sender).await,
            Rule::UntilLogin if is_plain_reading(&visit.head) => Box::pin(visit.until_login(sender)).await,
            Rule::BySession => visit.protected(Place::OwnPages, sender).await,
            Rule::Logout | Rule::Public | Rule::UntilLogin | Rule::Protected => {
                visit.protected(Place::Dashboard, sender).await
            }
        }
    }
}

impl Door for Worker {
    fn opening(&self, peer: Peer) -> Opening {
        let server = &self.gateway.config.server;
        match (server.proxy_protocol, peer.is_trusted(&server.trusted_proxies)) {
            (false, _) => Opening::Client,
            (true, true) => Opening::Header,
            (true, false) => Opening::Refused,
        }
    }

    fn share(&self, peer: Peer) -> Share {
        let server = &self.gateway.config.server;
        match (peer, server.connections_per_client) {
            (Peer::Unix | Peer::Balancer(_), _) => Share::All,
            (peer, _) if peer.is_trusted(&server.trusted_proxies) => Share::All,
            (Peer::Tcp(_), Some(most)) => Share::Most(most.get()),
            // It may be a server in front that forwards everybody.
            (Peer::Tcp(address), None) if address.to_canonical().is_loopback() => Share::All,
            (Peer::Tcp(_), None) => Share::Usual,
        }
    }

    fn is_one_client(&self, peer: Peer) -> bool {
        self.gateway.is_one_client(peer)
    }

    fn turned_away(&self) {
        self.gateway.metrics.count_turned_away();
    }

    fn pass(&self) {
        self.memories.pass();
    }

    type Memory = Memory;

    async fn answer(&self, request: Box<Request<Incoming>>, arrival: Arrival, memory: &Memory) -> Response<Body> {
        let (mut head, body) = (*request).into_parts();
        let id = self.gateway.ids.next();
        let visitors = self.visitors_memory(arrival.peer, &head.headers);
        let mut arrived = Arrived::new((id, arrival), &head, visitors.as_deref().unwrap_or(memory));
        let servers = &self.gateway.config.server.forward_auth;
        let answer = match Asked::by(head.uri.path(), self.gateway.sites.prefixes(), servers) {
            None => match self.journey(&mut head, Sender::Gateway(body), &mut arrived).await {
                Ok(answer) => answer,
                Err(failure) => Answer::Own(self.fail(&failure, &head, &arrived)),
            },
            Some(asked) => Box::pin(self.ask(asked, &mut head, body, &mut arrived)).await,
        };
        let (by, response) = match answer {
            Answer::Dashboard(response) => ("dashboard", response),
            Answer::Own(mut response) => {
                respond::harden(response.headers_mut(), arrived.scheme);
                ("gateway", response)
            }
            Answer::Leave(response) => ("gateway", response),
        };
        // The query is left out: dashboards take tokens there.
        tracing::debug!(
            request = %id, method = %head.method, path = ?head.uri.path(), status = response.status().as_u16(), by,
            "answered"
        );
        response
    }
}

impl Worker {
    fn fail(&self, failure: &Failure, head: &RequestHead, arrived: &Arrived<'_>) -> Response<Body> {
        let dashboard = arrived.site.map(|index| &self.gateway.dashboards[index]);
        let own = dashboard.is_some_and(|d| rule(&d.site, target(head)) == Rule::Own);
        let audience = if own { Audience::of_own_page(&head.headers) } else { arrived.audience };
        failure.respond(&Reader {
            audience,
            appearance: dashboard.map(|d| &d.appearance),
            login: dashboard.and_then(|d| d.site.login.as_deref()),
            id: arrived.id,
            retry: Some(target(head)).filter(|_| head.method.is_safe()),
        })
    }
}

impl Visit<'_> {
    /// A path that is open to everybody, and may set a login or a logout in motion.
    async fn open(&mut self, sender: Sender<'_>) -> Result<Answer, Failure> {
        let Decision::Pass(passage) = decide(&Standing::Public) else {
            return Err(Failure::Internal("public paths are open to everybody"));
        };
        let body = match sender {
            Sender::Gateway(body) => body,
            Sender::Outer(original) => return Box::pin(self.open_in_front(passage, &original)).await,
        };
        let response = self.forward_to_the_end(passage, body).await?;
        let sets_cookies = response.headers().contains_key(SET_COOKIE);
        if !self.head.method.is_safe() && sets_cookies && self.dashboard.site.bind.is_none() {
            // A login or a logout that the configuration does not name; where sessions are bound, the binding tells.
            Box::pin(self.end_presented()).await?;
        }
        Ok(Answer::Dashboard(response))
    }

    /// A path that ends the dashboard's login: the session ends with it. Should the store fail, the dashboard's login ends
    /// all the same, and the browser is left without the session, which another login of the same person would be let
    /// through with where it is not bound to one. Where an outer server sends the request on, nothing can be taken from
    /// the browser: there the logout has to wait.
    async fn log_out(&mut self, sender: Sender<'_>) -> Result<Answer, Failure> {
        let is_left = match self.end_presented().await {
            Ok(()) => false,
            Err(error) if matches!(sender, Sender::Outer(_)) && self.dashboard.site.bind.is_none() => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::error!(request = %self.id, error = causes(&error), "can't end the session of a login that ends");
                self.presented = None;
                true
            }
        };
        let credentials = self.credentials();
        // Until it is done, the dashboard says what was before; and nobody tells when that is, where an outer server sends the
        // request on, or where the client does not wait for the answer.
        self.dashboard.source.expect_a_change(&credentials);
        let mut answer = self.open(sender).await;
        self.dashboard.source.forget(&credentials);
        if let (true, Ok(Answer::Dashboard(response))) = (is_left, &mut answer) {
            response.headers_mut().append(SET_COOKIE, session_cookie::clear(self.client.scheme));
        }
        answer
    }

    /// A page that asks those to log in who have not, and shows others what is inside: nobody gets it as the dashboard
    /// shows it to nobody.
    async fn until_login(&mut self, sender: Sender<'_>) -> Result<Answer, Failure> {
        let credentials = self.credentials();
        let seen = self.look(&credentials, Place::OwnPages, Freshness::Cached).await?;
        let is_nobody = match &seen {
            Seen::Nobody => true,
            // Only the session says who that is: the dashboard can't.
            Seen::Somebody(visitor) => visitor.identity.is_none() && matches!(visitor.decide(), Decision::Pass(_)),
            Seen::Unsaid(_) => false,
        };
        if is_nobody {
            // Whoever has logged in since the dashboard was asked would be somebody.
            let sent = self.head.uri.clone();
            self.head.withhold(&self.dashboard.site);
            if matches!(sender, Sender::Outer(_)) && self.head.uri != sent {
                // An outer server sends the query on as it came.
                return stop::log_in(self).map(Answer::Own);
            }
            return self.open(sender).await;
        }
        self.by_standing(seen, &credentials, sender).await
    }

    /// A path for those who have a passage.
    async fn protected(&mut self, place: Place, sender: Sender<'_>) -> Result<Answer, Failure> {
        let credentials = self.credentials();
        if let Some(passage) = self.passage_at_hand(&credentials) {
            return self.let_through(passage, &credentials, sender).await;
        }
        let looked_up = async move {
            let seen = self.look(&credentials, place, Freshness::Cached).await?;
            self.by_standing(seen, &credentials, sender).await
        };
        Box::pin(looked_up).await
    }

    /// Lets through whoever has a passage, and shows everybody else the way to one.
    async fn by_standing(
        &mut self,
        seen: Seen,
        credentials: &Credentials,
        sender: Sender<'_>,
    ) -> Result<Answer, Failure> {
        let visitor = match seen {
            Seen::Somebody(visitor) => visitor,
            Seen::Nobody | Seen::Unsaid(_) if sender.asks_again() => return Ok(Answer::refused()),
            Seen::Nobody => {
                self.gateway.metrics.count(Outcome::LogIn);
                return stop::log_in(self).map(Answer::Own);
            }
            Seen::Unsaid(unknown) => {
                self.gateway.metrics.count(Outcome::Refused);
                return Err(Failure::IdentityUnknown(unknown));
            }
        };
        let (visitor, decision) = self.decide(visitor).await?;
        self.trace(&visitor.known, visitor.session.as_ref(), &decision);
        match decision {
            Decision::Pass(passage) => {
                // Not kept while the dashboard answers: thousands may wait for that.
                drop(visitor);
                self.let_through(passage, credentials, sender).await
            }
            Decision::Challenge | Decision::Enroll if sender.asks_again() => Ok(Answer::refused()),
            Decision::Challenge => {
                self.gateway.metrics.count(Outcome::Challenged);
                Box::pin(stop::challenge(self, &visitor)).await.map(Answer::Own)
            }
            Decision::Enroll => {
                self.gateway.metrics.count(Outcome::Enroll);
                Box::pin(stop::enroll(self, &visitor)).await.map(Answer::Own)
            }
        }
    }

    /// Lets a request through that has a passage.
    async fn let_through(
        &mut self,
        passage: Passage,
        credentials: &Credentials,
        sender: Sender<'_>,
    ) -> Result<Answer, Failure> {
        self.gateway.metrics.count(Outcome::Passed);
        match sender {
            Sender::Gateway(body) => self.forward(passage, credentials, body).await.map(Answer::Dashboard),
            Sender::Outer(original) => self.hand_over(passage, &original),
        }
    }
}

/// Whether it is known what a request with this method is for. Nobody has thought of the others who has opened a path to
/// everybody.
const fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
    )
}

/// Whether a request only reads: it neither sends anything nor becomes a WebSocket.
fn is_plain_reading(head: &RequestHead) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && !head.headers.contains_key(UPGRADE)
}
