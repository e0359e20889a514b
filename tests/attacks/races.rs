//! Forms that arrive at the same moment: round after round, exactly one of them succeeds.

use crate::house::House;
use crate::support::http::{Answer, HeldBack, Request};
use crate::support::visitor::Visitor;
use crate::support::{Sight, at_once, required, until};

/// How many send at once, and from how many browsers: an account may have twenty pending sessions.
const SENDERS: u32 = 50;
const BROWSERS: u32 = 10;

const ROUNDS: u32 = 200;

/// Has all of them arrive but for their bodies, and then those all at once.
async fn race(house: &House, forms: impl IntoIterator<Item = Request>) -> Vec<Answer> {
    let held_back = at_once(forms.into_iter().map(|form| form.hold_back(house.gateway()))).await;
    let answers = at_once(held_back.into_iter().map(HeldBack::comes)).await;
    for answer in &answers {
        // Anything else would be an answer to something else than the code.
        assert!([303, 403, 429].contains(&answer.status), "{}: {}", answer.status, answer.text());
    }
    answers
}

fn successes(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 303 && answer.cookies().next().is_some()).count()
}

/// Browsers of one person, each asked for a code.
async fn browsers(house: &House, person: &Visitor) -> Vec<Visitor> {
    let mut browsers = Vec::new();
    for number in 10..10 + BROWSERS {
        browsers.push(house.challenged(person, number).await);
    }
    browsers
}

/// The same form of each of them in turn.
fn forms(browsers: &[Visitor], target: &str, fields: &[(&str, &str)]) -> Vec<Request> {
    let turns = browsers.iter().cycle().take(SENDERS as usize);
    turns.map(|browser| browser.form_request(target, fields)).collect()
}

/// Somebody's browsers, and what the store had before the first round.
async fn contest(house: &House) -> (Visitor, Vec<Visitor>) {
    let bob = house.enrolled("bob").await;
    let browsers = browsers(house, &bob).await;
    house.changes(
        "CREATE TABLE kept_codes AS SELECT * FROM recovery_codes;
         CREATE TABLE kept_pending AS SELECT * FROM pending_sessions",
    );
    (bob, browsers)
}

/// Puts that back: no code is used, and each browser is asked for one.
fn begins_anew(house: &House) {
    house.forgets_codes();
    house.changes(
        "DELETE FROM sessions; DELETE FROM pending_sessions; INSERT INTO pending_sessions SELECT * FROM kept_pending;
         INSERT OR IGNORE INTO recovery_codes SELECT * FROM kept_codes",
    );
}

/// I3, OTP-03: of fifty submissions of one code, from ten browsers at the same moment, one succeeds, 200 times over.
#[tokio::test]
async fn of_fifty_submissions_of_one_code_one_succeeds() {
    let house = House::open(required().with("workers = 1", "workers = 2")).await;
    let (bob, browsers) = contest(&house).await;
    for round in 0..ROUNDS {
        begins_anew(&house);
        let code = bob.authenticator().code(0);
        let answers = race(&house, forms(&browsers, "/_2fa/verify", &[("code", &code)])).await;
        assert_eq!(successes(&answers), 1, "round {round}");
        assert_eq!(house.number("SELECT count(*) FROM sessions"), 1, "round {round}");
    }
}

/// I3, REC-03: the same of a recovery code.
#[tokio::test]
async fn of_fifty_submissions_of_one_recovery_code_one_succeeds() {
    let house = House::open(required().with("workers = 1", "workers = 2")).await;
    let (bob, browsers) = contest(&house).await;
    for round in 0..ROUNDS {
        begins_anew(&house);
        let code = &bob.recovery_codes[round as usize % 10];
        let answers = race(&house, forms(&browsers, "/_2fa/recover", &[("recovery_code", code)])).await;
        assert_eq!(successes(&answers), 1, "round {round}");
        assert_eq!(house.number("SELECT count(*) FROM recovery_codes"), 9, "round {round}");
        assert_eq!(house.number("SELECT count(*) FROM sessions"), 1, "round {round}");
    }
}

/// ENR-07, I1: whoever gives a code in the moment of a reset is out afterwards, whichever came first.
#[tokio::test]
async fn nobody_is_let_in_by_a_code_in_the_moment_of_a_reset() {
    let house = House::open(required().with("workers = 1", "workers = 2")).await;
    let alice = house.enrolled("alice").await;
    let bob = house.enrolled("bob").await;
    let account = house.account("bob");
    house.changes(&format!("CREATE TABLE kept AS SELECT secret, enrolled_at FROM accounts WHERE id = {account}"));
    // How many turns of the runtime the reset comes later: more after rounds that it won, fewer after others. So the two
    // stay about level, however fast the machine is.
    let mut lead = 0;
    let mut let_in = 0;
    for round in 0..ROUNDS {
        // As if there had been no reset yet; the gateway reads of it as of any change by another process.
        house.changes(&format!(
            "UPDATE accounts SET (secret, enrolled_at) = (SELECT * FROM kept), last_step = 0, reset_at = NULL
             WHERE id = {account};
             INSERT INTO changes (at, account) VALUES ((SELECT max(at) FROM changes), {account})"
        ));
        let mut browser = bob.elsewhere();
        browser.has_cookie("sid", &format!("bob-{}", 10 + round));
        until("the gateway knows that he has a key", async || {
            browser.is_sent("/reports").await.is_some_and(|to| to.starts_with("/_2fa/verify"))
        })
        .await;
        let code = bob.authenticator().code(0);
        let verification = browser.form_request("/_2fa/verify", &[("code", &code)]);
        let reset = alice.form_request("/_2fa/settings/security/reset", &[("account", &account.to_string())]);
        let mut held_back = at_once([verification, reset].map(|form| form.hold_back(house.gateway()))).await;
        let (reset, verification) = (held_back.remove(1), held_back.remove(0));
        let reset = async {
            for _ in 0..lead {
                tokio::task::yield_now().await;
            }
            reset.comes().await
        };
        let (verification, reset) = tokio::join!(verification.comes(), reset);
        assert_eq!(reset.status, 303, "round {round}: {}", reset.text());
        assert!([303, 403].contains(&verification.status), "round {round}: {}", verification.text());
        let won = successes(std::slice::from_ref(&verification));
        lead = if won == 0 { 2 * lead + 1 } else { lead / 2 };
        let_in += won;
        for (name, value, _) in verification.cookies() {
            browser.has_cookie(name, value);
        }
        house.gives_nothing_for(browser.navigation("/reports")).await;
        for what in ["sessions", "recovery_codes", "pending_sessions"] {
            let left = house.number(&format!("SELECT count(*) FROM {what} WHERE account = {account}"));
            assert!(left == 0 || what == "pending_sessions", "round {round}: {left} {what}");
        }
        assert_eq!(
            house.number(&format!("SELECT count(secret) FROM accounts WHERE id = {account}")),
            0,
            "round {round}"
        );
    }
    assert!((1..ROUNDS as usize).contains(&let_in), "the two overlapped: the code came first {let_in} times");
    let mut alice = alice;
    alice.opens("/_2fa/profile").await.shows(Sight::Profile);
}
