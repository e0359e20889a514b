//! Guessing that the limits of an account do not hold off: with many passwords, or with much time.

use crate::house::House;
use crate::support::{Sight, required, until};

/// The log's lines of that event, of all gateways.
fn told(logs: &[String], event: &str) -> Vec<serde_json::Value> {
    let lines = logs.iter().flat_map(|log| log.lines()).filter_map(|line| serde_json::from_str(line).ok());
    lines.filter(|line: &serde_json::Value| line["event"] == event).collect()
}

/// THR-10, LOG-01: whoever tries each of many accounts once, and whoever tries one many times, is told of within a minute,
/// once, whichever gateway notices; and the owner sees it, too.
#[tokio::test]
async fn guessing_is_noticed_at_one_account_and_across_many() {
    let house = House::open(required()).await;
    let second = house.installation.serve().await;
    let mut alice = house.enrolled("alice").await;
    let mut bob = house.enrolled("bob").await;
    for number in 0..19 {
        let victim = house.enrolled(&format!("victim{number}")).await;
        let wrong = victim.authenticator().wrong_code();
        house.challenged(&victim, 2).await.gives(&wrong).await.shows(Sight::CodeRefused);
    }
    let mut thief = house.challenged(&bob, 2).await;
    for wrong in bob.authenticator().wrong_codes(5) {
        thief.gives(&wrong).await.shows(Sight::CodeRefused);
    }
    for wrong in ["AAAA-AAAA-AAAA-AAA2", "AAAA-AAAA-AAAA-AAA3", "AAAA-AAAA-AAAA-AAA4", "no", "code"] {
        thief.recovers_with(wrong).await.shows(Sight::RecoveryCodeRefused);
    }
    let (account, organization) = ("guessing_at_account", "guessing_at_organization");
    let logs = || [house.running.log(), second.log()];
    until("both are noticed", async || [account, organization].iter().all(|event| !told(&logs(), event).is_empty()))
        .await;
    let mut raised = 0;
    for running in [&house.running, &second] {
        let metrics = running.asked("/metrics").await.text();
        for at in ["account", "organization"] {
            let line = format!("vestibule_guessing_alarms_total{{at=\"{at}\"}} ");
            let count = metrics.lines().find_map(|text| text.strip_prefix(&*line)).expect("it is counted");
            raised += count.parse::<u32>().expect("a number");
        }
    }
    assert_eq!(raised, 2, "one each");
    let (of_bob, of_acme) = (told(&logs(), account), told(&logs(), organization));
    assert_eq!((of_bob.len(), of_acme.len()), (1, 1), "{of_bob:?} {of_acme:?}");
    assert_eq!((&of_bob[0]["level"], &of_bob[0]["failures"]), (&"WARN".into(), &10.into()), "{of_bob:?}");
    assert_eq!(of_bob[0]["account"], house.account("bob"));
    assert_eq!((&of_acme[0]["level"], &of_acme[0]["accounts"]), (&"WARN".into(), &20.into()), "{of_acme:?}");
    assert_eq!(house.number("SELECT count(*) FROM audit WHERE kind LIKE 'guessing%'"), 2);

    let audit = alice.opens("/_2fa/settings/audit").await;
    audit.says("Alarm: many wrong codes within a day");
    audit.says("Alarm: wrong codes at many accounts within an hour");
    let profile = bob.opens("/_2fa/profile").await;
    profile.says("Many wrong codes were entered within a day");
    profile.says("A wrong recovery code was entered");
}

/// THR-10, THR-07: whoever has no password raises no alarm.
#[tokio::test]
async fn nobody_without_the_first_factor_raises_an_alarm() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    for number in 0..30 {
        let stranger = bob.elsewhere();
        for page in ["verify", "recover", "enroll"] {
            let form = stranger.form_request(&format!("/_2fa/{page}"), &[("code", &format!("{number:06}"))]);
            house.gives_nothing_for(form).await;
        }
    }
    assert_eq!(house.number("SELECT count(*) FROM failed_tries"), 0, "and what alarms are about is failed tries");
}
