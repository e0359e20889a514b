//! What the decision on one request costs: all of it, and its parts. A visitor with a verified session asks again.
//!
//! Every part is the one that the gateway uses, with a real store and a dashboard that was asked once. Allocations are
//! counted, too. Run it with `cargo bench --bench decision`.

use std::future::{Future, poll_fn};
use std::io::{self, Read as _, Write as _};
use std::mem::replace;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use divan::{AllocProfiler, Bencher};
use http::Request;
use mimalloc::MiMalloc;
use tokio::runtime::Runtime;
use vestibule::clock::Clock;
use vestibule::config::{self, Site};
use vestibule::entropy;
use vestibule::gateway::Gateway;
use vestibule::gateway::arrived::Arrived;
use vestibule::identity::Identity;
use vestibule::identity::client::{Arrival, Client, Peer, Scheme};
use vestibule::identity::credentials::Credentials;
use vestibule::identity::probe::{Freshness, LastAnswer};
use vestibule::key_file::Keys;
use vestibule::listener::framing;
use vestibule::memory::Memory;
use vestibule::message::RequestHead;
use vestibule::opening::open_store;
use vestibule::proxy::headers::{self, Stripped};
use vestibule::second_factor::account::AccountKey;
use vestibule::second_factor::enrollment::PendingEnrollment;
use vestibule::second_factor::event::{Actor, Occasion};
use vestibule::second_factor::sealing::Purpose;
use vestibule::second_factor::session::{Kind, PendingSession, SessionToken};
use vestibule::second_factor::totp::Step;
use vestibule::session_cookie::{self, LastCookie};
use vestibule::site::{Rule, rule};
use vestibule::store::{Acceptance, Confirmation, NewSession, Sighting};
use vestibule::telemetry::RequestIds;
use vestibule::upstream::Pool;
use vestibule::visit::{Place, Seen, Visit, Visitor};

#[global_allocator]
static ALLOCATIONS: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ARRIVAL: Arrival = Arrival { peer: Peer::Tcp(PEER), scheme: Scheme::Http };

fn main() {
    // So many in a row: to ask for the time takes about as long as what is measured.
    divan::Divan::default().sample_count(200).sample_size(64).config_with_args().main();
}

/// What no plain proxy does, for the first request of a connection: to find out whose it is by its cookies, and whether they
/// pass.
#[divan::bench]
fn decision(bencher: Bencher) {
    let world = World::get();
    bencher.with_inputs(|| world.first_visit()).bench_local_refs(go_on);
}

/// The same for one whose fields came twice before.
#[divan::bench]
fn decision_again(bencher: Bencher) {
    let (world, memory) = (World::get(), Memory::default());
    let mut head = world.arrived.clone();
    head.headers.share();
    decide(world, &mut head.clone(), &memory);
    with_visit(world, &mut head, &memory, |visit| bencher.bench_local(|| pass(visit)));
}

/// From the head as it arrived to the passage, for the first request of a connection.
#[divan::bench]
fn whole_decision(bencher: Bencher) {
    let world = World::get();
    bencher.with_inputs(|| (world.arrived.clone(), Memory::default())).bench_local_refs(|(head, memory)| {
        decide(world, head, memory);
    });
}

/// The same for one that comes after one of the same visitor with other fields, as those for a page and for its pictures are.
#[divan::bench]
fn whole_decision_for_the_same_visitor(bencher: Bencher) {
    let world = World::get();
    let memory = Memory::default();
    decide(world, &mut world.arrived.clone(), &memory);
    bencher.with_inputs(|| world.arrived.clone()).bench_local_refs(|head| decide(world, head, &memory));
}

/// The same for one that comes after two with the same fields.
#[divan::bench]
fn whole_decision_again(bencher: Bencher) {
    let world = World::get();
    let memory = Memory::default();
    let mut arrived = world.arrived.clone();
    arrived.headers.share();
    decide(world, &mut arrived.clone(), &memory);
    bencher.with_inputs(|| arrived.clone()).bench_local_refs(|head| decide(world, head, &memory));
}

fn decide(world: &World, head: &mut RequestHead, memory: &Memory) {
    with_visit(world, head, memory, pass);
}

fn with_visit(world: &World, head: &mut RequestHead, memory: &Memory, and_then: impl FnOnce(&Visit<'_>)) {
    let mut arrived = Arrived::new((world.ids.next(), ARRIVAL), head, memory);
    let (settled, head) = arrived.settle(&world.gateway, head, None).expect("a sound head");
    and_then(&Visit { presented: settled.presented, ..world.visit(head, memory, &settled.host, &settled.client) });
}

fn pass(visit: &Visit<'_>) {
    assert_eq!(rule(&visit.dashboard.site, visit.target()), Rule::Protected);
    assert!(visit.passage_at_hand(&visit.credentials()).is_some());
}

#[divan::bench]
fn part_1_framing(bencher: Bencher) {
    let world = World::get();
    bencher.with_inputs(|| world.arrived.clone()).bench_local_refs(|head| framing::check(head).expect("a sound head"));
}

#[divan::bench]
fn part_2_strip(bencher: Bencher) {
    let world = World::get();
    let client = world.client(&world.arrived);
    bencher
        .with_inputs(|| world.arrived.clone())
        .bench_local_refs(|head| headers::strip(head, world.site(), &client).headers.len());
}

#[divan::bench]
fn part_3_own_cookie(bencher: Bencher) {
    let world = World::get();
    bencher.with_inputs(|| world.arrived.clone()).bench_local_refs(|head| {
        session_cookie::take(&mut head.headers, Scheme::Http, &mut LastCookie::default()).expect("a session")
    });
}

#[divan::bench]
fn part_4_credentials(bencher: Bencher) {
    let world = World::get();
    // Not the method of the visit, which remembers them.
    world.with_visit(|visit| {
        let (site, host) = (&visit.dashboard.site, visit.host.name());
        bencher.bench_local(|| Credentials::of(site, &visit.head, visit.client, host));
    });
}

#[divan::bench]
fn part_5_cached_identity(bencher: Bencher) {
    let world = World::get();
    world.with_visit(|visit| {
        let credentials = visit.credentials();
        bencher.bench_local(|| cached(visit, &credentials));
    });
}

#[divan::bench]
fn part_6_account_and_requirement(bencher: Bencher) {
    let world = World::get();
    world.with_visit(|visit| {
        let identity = cached(visit, &visit.credentials());
        let standings = &world.gateway.standings;
        bencher.bench_local(|| at_once(standings.of_identity(world.site(), &identity)).expect("remembered"));
    });
}

#[divan::bench]
fn part_7_session(bencher: Bencher) {
    let world = World::get();
    world.with_visit(|visit| {
        let digest = visit.presented.expect("a session").digest;
        let standings = &world.gateway.standings;
        bencher.bench_local(|| at_once(standings.session(digest)).expect("remembered").expect("a session"));
    });
}

#[divan::bench]
fn part_8_decide(bencher: Bencher) {
    let world = World::get();
    world.with_visit(|visit| {
        let visitor = look(visit);
        bencher.bench_local(|| visitor.decide());
    });
}

/// A gateway, a dashboard, and a visitor with a verified session.
struct World {
    gateway: Arc<Gateway>,
    pool: Pool,
    ids: RequestIds,
    /// The visitor's request, as it arrives.
    arrived: RequestHead,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    /// The one world, with everything about the visitor in memory.
    fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        let world = WORLD.get_or_init(|| Self::new().expect("a world"));
        world.runtime.block_on(world.remember());
        world
    }

    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("vestibule.toml");
        std::fs::write(&file, configuration(&dashboard()?, folder.path()))?;
        let config = config::load(&file)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (gateway, token) = runtime.block_on(async {
            let store = open_store(&config, &Occasion::of_the_gateway(Clock::system().now())).await?;
            let keys = Keys::open(&config.store.key_file, Arc::clone(&store)).await?;
            let gateway = Arc::new(Gateway::new(config, Clock::system(), store, keys));
            let token = enroll(&gateway).await?;
            Ok::<_, Box<dyn std::error::Error>>((gateway, token))
        })?;
        runtime.spawn(catch_up(Arc::clone(&gateway)));
        let pool = Pool::new(&gateway.config.sites[0].upstream)?;
        Ok(Self { gateway, pool, ids: RequestIds::default(), arrived: arrived(&token), runtime, _folder: folder })
    }

    async fn remember(&self) {
        self.gateway.standings.catch_up().await.expect("the store answers");
        let (mut head, host, client) = self.prepared();
        let memory = Memory::default();
        let visit = self.stripped(&mut head, &memory, &host, &client);
        let credentials = visit.credentials();
        // Asked anew each time, so that no answer gets too old while something is measured.
        for freshness in [Freshness::Fresh, Freshness::Cached] {
            let seen = visit.look(&credentials, Place::Dashboard, freshness).await.expect("the store answers");
            assert!(matches!(seen, Seen::Somebody(visitor) if visitor.session.is_some()), "they are signed in");
        }
    }

    fn with_visit(&self, measure: impl FnOnce(&Visit<'_>)) {
        let (mut head, host, client) = self.prepared();
        measure(&self.stripped(&mut head, &Memory::default(), &host, &client));
    }

    fn prepared(&self) -> (RequestHead, framing::Host, Client) {
        let mut head = self.arrived.clone();
        let host = framing::check(&mut head).expect("a sound head");
        let client = self.client(&head);
        (head, host, client)
    }

    /// A request to which nothing came before. It is decided when it goes on, and freed when it is dropped.
    fn first_visit(&self) -> Pin<Box<impl Future>> {
        let mut visit = Box::pin(async {
            let (mut head, host, client) = self.prepared();
            let memory = Memory::default();
            let stripped = headers::strip(&mut head, self.site(), &client);
            let mut visit = self.visit(stripped, &memory, &host, &client);
            pause().await;
            visit.presented = visit.head.take_cookie(visit.memory, visit.client.scheme);
            pass(&visit);
            pause().await;
        });
        go_on(&mut visit);
        visit
    }

    fn stripped<'a>(
        &'a self,
        head: &'a mut RequestHead,
        memory: &'a Memory,
        host: &'a framing::Host,
        client: &'a Client,
    ) -> Visit<'a> {
        let mut head = headers::strip(head, self.site(), client);
        let presented = head.take_cookie(memory, client.scheme);
        Visit { presented, ..self.visit(head, memory, host, client) }
    }

    fn visit<'a>(
        &'a self,
        head: Stripped<&'a mut RequestHead>,
        memory: &'a Memory,
        host: &'a framing::Host,
        client: &'a Client,
    ) -> Visit<'a> {
        Visit {
            gateway: &self.gateway,
            dashboard: &self.gateway.dashboards[0],
            pool: &self.pool,
            head,
            host,
            client,
            memory,
            presented: None,
            id: self.ids.next(),
            now: self.gateway.clock.now(),
            turns: 0,
        }
    }

    fn client(&self, head: &RequestHead) -> Client {
        Client::of(ARRIVAL, &head.headers, &self.gateway.config.server.trusted_proxies)
    }

    fn site(&self) -> &Site {
        &self.gateway.config.sites[0]
    }
}

fn cached(visit: &Visit<'_>, credentials: &Credentials) -> Arc<Identity> {
    let (now, mut last) = (visit.gateway.clock.now(), LastAnswer::default());
    Arc::clone(visit.dashboard.source.cached(credentials, &mut last, now).expect("asked already"))
}

fn look(visit: &Visit<'_>) -> Box<Visitor> {
    let credentials = visit.credentials();
    match at_once(visit.look(&credentials, Place::Dashboard, Freshness::Cached)) {
        Ok(Seen::Somebody(visitor)) => visitor,
        _ => panic!("everything is in memory"),
    }
}

/// What does not have to wait.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("something is not in memory"),
    }
}

/// Goes on to its next [`pause`].
fn go_on(what: &mut Pin<Box<impl Future>>) {
    let polled = what.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it pauses once more");
}

async fn pause() {
    let mut paused = false;
    let pause = |_: &mut Context<'_>| if replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending };
    poll_fn(pause).await;
}

async fn catch_up(gateway: Arc<Gateway>) {
    let mut often = tokio::time::interval(Duration::from_millis(250));
    loop {
        often.tick().await;
        gateway.standings.catch_up().await.expect("the store answers");
    }
}

/// What a browser sends for a script of a page.
fn arrived(token: &SessionToken) -> RequestHead {
    let cookies =
        format!("theme=dark; login=user-000001; timezone=Europe%2FBerlin; vestibule={}", token.cookie_value());
    let fields = [
        ("host", "localhost"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "http://localhost/reports?week=31"),
        ("cookie", &cookies),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        ("x-requested-with", "XMLHttpRequest"),
        ("priority", "u=4"),
        ("dnt", "1"),
    ];
    let request =
        fields.iter().fold(Request::get("/reports/31"), |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0.into()
}

/// Somebody enrolls, and so has a verified session.
async fn enroll(gateway: &Gateway) -> Result<SessionToken, Box<dyn std::error::Error>> {
    let (store, now) = (&gateway.store, gateway.clock.now());
    let site = &gateway.config.sites[0];
    let key = AccountKey { realm: site.realm.clone(), organization: "acme".into(), user: "user-000001".into() };
    let initial = site.organization.initial();
    let (account, _) = store.sight(Sighting { key, email: None, name: None, initial, at: now }).await?;
    let session = SessionToken::new(Kind::Pending, entropy::random()).digest();
    let waiting = PendingSession { digest: session, account: account.id, binding: None, opened: now };
    store.open_pending(waiting, Some(PEER)).await?;
    let secret = gateway.keys.seal(Purpose::PendingSecret, &account.key, &[0; 20]).await?;
    let pending = PendingEnrollment { session, account: account.id, secret, started: now, ticket: None };
    store.start_enrollment(pending.clone()).await?;
    let token = SessionToken::new(Kind::Verified, entropy::random());
    let verified = NewSession {
        digest: token.digest(),
        binding: None,
        instead_of: Some(session),
        address: Some(PEER),
        browser: "Firefox".into(),
    };
    let secret = gateway.keys.seal(Purpose::TotpSecret, &account.key, &[0; 20]).await?;
    let confirmation = Confirmation { pending, secret, step: Step(1), recovery_codes: Vec::new(), session: verified };
    let occasion = Occasion { at: now, actor: Actor::Account(account.id), address: Some(PEER), request: None };
    let accepted = store.confirm_enrollment(confirmation, occasion).await?;
    assert!(matches!(accepted, Acceptance::Accepted(Some(_))), "a verified session");
    Ok(token)
}

fn configuration(dashboard: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
        [server]
        listen = ["127.0.0.1:0"]
        [store]
        url = "sqlite:{folder}/vestibule.db"
        key_file = "{folder}/vestibule.key"
        [[site]]
        name = "insights"
        hosts = ["*"]
        upstream = "http://{dashboard}"
        [site.identity]
        url = "/api/me"
        user = "/id"
        organization = "/company/slug"
        cache = "1m"
        [site.organization]
        requirement = "required"
        "#
    )
}

/// A dashboard that says of everybody that it is the same user.
fn dashboard() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let answer = r#"{"id": "user-000001", "company": {"slug": "acme"}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    );
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The whole question comes in one piece; if not, its answer is as good.
            let answered = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(answer.as_bytes()));
            answered.expect("the gateway waits for its answer");
        }
    });
    Ok(address.to_string())
}
