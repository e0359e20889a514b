//! People who come all the time: they set up authenticators, sign in, are reset. Each of their requests has to be answered
//! as it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::balancer::Balancer;
use crate::support::dashboard::Dashboard;
use crate::support::time::Time;
use crate::support::visitor::Visitor;
use crate::support::world::Place;
use crate::support::{Sight, until};

/// How long it may take until a reset is heard of everywhere, on a machine that has a lot to do.
const HEARD: Duration = Duration::from_secs(30);

/// How many people come at the same time.
const AT_ONCE: usize = 4;

pub(crate) struct Load {
    people: JoinSet<()>,
    rounds: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    /// Has people come by a balancer, until they are told to stop.
    pub(crate) fn begins(balancer: &Balancer, dashboard: &Dashboard) -> Self {
        let mut load = Self { people: JoinSet::new(), rounds: Arc::default(), is_over: Arc::default() };
        for lane in 0..AT_ONCE {
            let place = Place { gateway: balancer.address, dashboard: dashboard.clone(), time: Time { moved: None } };
            let (rounds, is_over) = (Arc::clone(&load.rounds), Arc::clone(&load.is_over));
            load.people.spawn(async move {
                for number in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    round(&place, &format!("{lane}-{number}")).await;
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        load
    }

    /// Waits until so many more rounds have been gone through.
    pub(crate) async fn goes_on(&mut self, more: usize) {
        let before = self.rounds.load(Ordering::SeqCst);
        until("people come and go", async || {
            // One who was answered otherwise than expected says so.
            if let Some(ended) = self.people.try_join_next() {
                ended.expect("nobody ends before the load does");
            }
            self.rounds.load(Ordering::SeqCst) >= before + more
        })
        .await;
    }

    /// Lets those who came go, and says how many rounds there were.
    pub(crate) async fn ends(mut self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.people.join_next().await {
            ended.expect("everybody was answered as they should");
        }
        self.rounds.load(Ordering::SeqCst)
    }
}

/// Somebody sets up an authenticator, signs in elsewhere, finds both codes used up, and is reset by an administrator.
async fn round(place: &Place, name: &str) {
    let company = format!("company-{name}");
    let hires = |login: String, role: &str| {
        place.dashboard.hires(&login, &format!("Mx {login}"), &company);
        place.dashboard.changes(&login, |person| role.clone_into(&mut person.role));
        Visitor::new(&login, place.clone())
    };
    let mut member = hires(format!("member-{name}"), "member");
    member.logs_in().await;
    member.opens("/reports").await.shows(Sight::Enrollment);
    member.scans();
    let confirming = member.authenticator().code(0);
    member.gives(&confirming).await.shows(Sight::RecoveryCodes);
    member.opens("/reports").await.shows(Sight::Dashboard);

    let mut elsewhere = challenged(&member).await;
    let code = elsewhere.authenticator().code(1);
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
    let mut thief = challenged(&member).await;
    for used in [&confirming, &code] {
        thief.gives(used).await.shows(Sight::CodeRefused);
    }
    elsewhere.opens("/_2fa/profile").await.shows(Sight::Profile);

    let mut admin = hires(format!("admin-{name}"), "admin");
    admin.logs_in().await;
    admin.enrolls().await;
    admin.resets(&format!("Mx {}", member.login)).await.announces(&member.login);
    admin.opens("/_2fa/settings/audit").await.shows(Sight::Audit);
    // Each gateway has heard of it within a second; whoever asks by then may still be let through.
    let deadline = Instant::now() + HEARD;
    while member.is_sent("/reports").await.is_none() {
        assert!(Instant::now() < deadline, "the reset of {} does not hold", member.login);
        sleep(Duration::from_millis(20)).await;
    }
    member.opens("/reports").await.shows(Sight::Enrollment);
}

async fn challenged(somebody: &Visitor) -> Visitor {
    let mut browser = somebody.elsewhere();
    browser.logs_in().await;
    browser.opens("/reports").await.shows(Sight::Challenge);
    browser
}
