//! A gateway that is killed in the middle of enrollments, codes and resets: what it had answered is so at the other, and no
//! code is accepted twice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::{Cluster, connect};
use crate::figures::counted;
use crate::nodes::Nodes;
use crate::support::visitor::Visitor;
use crate::support::{Sight, required};

/// How many rounds there are, unless `VESTIBULE_FAULTS_ROUNDS` says otherwise.
const ROUNDS: u32 = 8;

/// How many people there are in a round, besides an administrator and whom that one resets.
const PEOPLE: u32 = 4;

/// What somebody was answered, with the browser in which it was.
pub(crate) enum Answered {
    /// The authenticator is set up: this code was used, and that browser is signed in.
    Enrolled { browser: Visitor, code: String },
    /// This code was accepted, and that browser is signed in.
    Verified { browser: Visitor, code: String },
    /// Whose browser this was has no authenticator any more.
    Reset { browser: Visitor },
}

pub(crate) type Answers = Arc<Mutex<Vec<Answered>>>;

fn note(answers: &Answers, answered: Answered) {
    answers.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
}

/// Somebody sets up an authenticator, and gives its next code in another browser.
pub(crate) async fn enrolls_and_verifies(mut browser: Visitor, gateway: SocketAddr, answers: Answers) {
    browser.logs_in().await;
    browser.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    browser.scans();
    let code = browser.authenticator().code(0);
    browser.gives(&code).await.shows(Sight::RecoveryCodes);
    note(&answers, Answered::Enrolled { browser: browser.in_front_of(gateway), code });
    let mut elsewhere = browser.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    let code = elsewhere.authenticator().code(1);
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
    note(&answers, Answered::Verified { browser: elsewhere, code });
}

/// An administrator sets up an authenticator, and resets somebody's.
async fn resets(mut admin: Visitor, victim: Visitor, name: String, answers: Answers) {
    admin.logs_in().await;
    admin.enrolls().await;
    admin.resets(&name).await.announces(&name);
    note(&answers, Answered::Reset { browser: victim });
}

/// Has people begin, at the gateway that is then killed. Returns what they were answered.
async fn round(nodes: &mut Nodes, number: u32) -> Vec<Answered> {
    let company = format!("round-{number}");
    let hires = |login: &str, role: &str| {
        nodes.installation.dashboard.hires(login, &format!("Mx {login}"), &company);
        nodes.installation.dashboard.changes(login, |person| role.clone_into(&mut person.role));
        login.to_owned()
    };
    let victim = hires(&format!("victim-{number}"), "member");
    let mut at_second = nodes.installation.visitor(&nodes.second, &victim);
    at_second.logs_in().await;
    at_second.enrolls().await;

    let answers = Answers::default();
    let mut people = JoinSet::new();
    for person in 0..PEOPLE {
        let login = hires(&format!("person-{number}-{person}"), "member");
        let browser = nodes.installation.visitor(&nodes.first, &login);
        people.spawn(enrolls_and_verifies(browser, nodes.first.gateway(), Arc::clone(&answers)));
    }
    let admin = nodes.installation.visitor(&nodes.first, &hires(&format!("admin-{number}"), "admin"));
    people.spawn(resets(admin, at_second, format!("Mx {victim}"), Arc::clone(&answers)));
    // Each round it comes at another moment, before the first answer or after the last.
    sleep(Duration::from_millis(u64::from(number) * 97 % 700)).await;
    nodes.kill_first();
    while let Some(ended) = people.join_next().await {
        // Whoever was cut off in the middle has seen something that no story tells.
        drop(ended);
    }
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.drain(..).collect()
}

/// Fails unless what somebody was answered is so at a gateway.
pub(crate) async fn holds(gateway: SocketAddr, answered: Answered) {
    match answered {
        Answered::Enrolled { browser, code } | Answered::Verified { browser, code } => {
            let mut there = browser.in_front_of(gateway);
            there.opens("/reports").await.shows(Sight::Dashboard);
            is_used_up(&there, &code).await;
        }
        Answered::Reset { browser } => {
            let mut there = browser.in_front_of(gateway);
            assert!(there.opens("/reports").await.offers("/_2fa/enroll"), "a reset was lost");
        }
    }
}

async fn is_used_up(signed_in: &Visitor, code: &str) {
    let mut elsewhere = signed_in.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    elsewhere.gives(code).await.shows(Sight::CodeRefused);
}

/// How many there are, by that statement.
async fn count(nodes: &Nodes, sql: &str) -> i64 {
    if nodes.database.is_empty() {
        let file = rusqlite::Connection::open(nodes.installation.file("vestibule.db")).expect("the store is there");
        return file.query_row(sql, [], |row| row.get(0)).expect("asked");
    }
    let database = connect(&Cluster::shared().at(&nodes.database)).await;
    database.query_one(sql, &[]).await.expect("asked").get(0)
}

async fn survive(mut nodes: Nodes, engine: &str) {
    let rounds = std::env::var("VESTIBULE_FAULTS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut confirmed = 0;
    for number in 1..=rounds {
        if number > 1 {
            nodes.start_first().await;
        }
        let answers = round(&mut nodes, number).await;
        confirmed += answers.len();
        for answered in answers {
            holds(nodes.second.gateway(), answered).await;
        }
    }
    // Each authenticator gave two codes at most, the first of which confirmed it.
    let twice = "SELECT count(*) FROM (SELECT 1 FROM audit WHERE kind IN ('enrolled', 'verified')
                                       GROUP BY subject, subject_name, kind HAVING count(*) > 1) AS twice";
    assert_eq!(count(&nodes, twice).await, 0, "a code was accepted twice");
    let done = "SELECT count(*) FROM audit WHERE kind IN ('enrolled', 'verified', 'reset')
                AND subject_name NOT LIKE 'Mx admin%' AND (kind = 'reset' OR subject_name NOT LIKE 'Mx victim%')";
    let done = count(&nodes, done).await;
    let begun = rounds * (2 * PEOPLE + 1);
    counted(&format!("kills of a gateway on {engine}"), rounds);
    counted("what was begun, was done, and was answered", format!("{begun}, {done}, {confirmed}"));
    assert!(confirmed > 0, "nobody came far enough to be cut off");
    assert!(i64::try_from(confirmed).is_ok_and(|confirmed| confirmed <= done), "{confirmed} of {done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_had_answered_is_so_and_no_code_is_accepted_twice() {
    survive(Nodes::on(Cluster::shared(), required()).await, "PostgreSQL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_one_file() {
    survive(Nodes::on_a_file(required()).await, "SQLite").await;
}
