//! A store that somebody writes to, and what strangers have written to it.

use crate::house::House;
use crate::support::http::Request;
use crate::support::{Sight, at_once, required};

/// CRY-01, I7: a sealed key that was moved to another account opens for neither, and the operator is told.
#[tokio::test]
async fn a_key_that_was_moved_to_another_account_opens_for_neither() {
    let house = House::open(required()).await;
    let (bob, mallory) = (house.enrolled("bob").await, house.enrolled("mallory").await);
    let swap = format!(
        "UPDATE accounts SET secret = (SELECT secret FROM accounts o WHERE o.id = {b} + {m} - accounts.id) WHERE id IN ({b}, {m})",
        b = house.account("bob"),
        m = house.account("mallory")
    );
    // SQLite changes row by row: by way of a copy, so that both change.
    let swap = format!(
        "CREATE TEMP TABLE o AS SELECT id, secret FROM accounts; {}",
        swap.replace("FROM accounts o", "FROM temp.o o")
    );
    house.forgets_codes();
    house.changes(&swap);
    let codes = [&bob, &mallory].map(|person| person.authenticator().code(0));
    house.origin.forgets();
    for (number, person) in [(2, &bob), (3, &mallory)] {
        for code in &codes {
            let browser = house.challenged(person, number).await;
            let answer = house.gives_nothing_for(browser.form_request("/_2fa/verify", &[("code", code)])).await;
            assert_eq!(answer.status, 500);
        }
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    assert!(house.running.log().contains("\"level\":\"ERROR\""), "the operator is told");
    house.changes(&swap);
    house.forgets_codes();
    house.challenged(&bob, 4).await.gives(&codes[0]).await.shows(Sight::Dashboard);
}

/// DOS-03, THR-07: strangers cost a question each at most, and no write.
#[tokio::test]
async fn strangers_write_nothing_and_ask_once_each() {
    let house = House::open(required().with("workers = 1", "workers = 2")).await;
    let bob = house.enrolled("bob").await;
    let host = house.gateway().to_string();
    let before = (house.dump(), house.number("SELECT count(*) FROM pending_sessions"));
    house.origin.forgets();
    let bare = |method, target: &str| Request::new(method, target).with("Host", host.clone());
    let form = |target: &str| {
        bare("POST", target).with("Origin", format!("http://{host}")).form(&[("code", "000000"), ("user", "id-bob")])
    };
    for round in 0..50 {
        // With no login at all, and with ones that the dashboard does not know.
        let unknown = format!("sid={round}; vestibule=v{}", "A".repeat(43));
        let requests = vec![
            bare("GET", "/reports"),
            form("/_2fa/verify"),
            form("/_2fa/recover"),
            form("/_2fa/enroll"),
            form("/_2fa/profile/disable"),
            bare("GET", "/_2fa/settings/security"),
            bare("GET", "/reports").with("Cookie", unknown.clone()),
            form("/_2fa/verify").with("Cookie", unknown.clone()),
            bare("GET", "/_2fa/enroll").with("Cookie", unknown),
        ];
        at_once(requests.into_iter().map(|request| house.gives_nothing_for(request))).await;
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    let questions = house.origin.questions().len();
    assert!((1..=150).contains(&questions), "{questions} questions for 150 requests with a cookie");
    assert_eq!((house.dump(), house.number("SELECT count(*) FROM pending_sessions")), before);
    let mut browser = house.challenged(&bob, 2).await;
    let wrong = bob.authenticator().wrong_code();
    assert_eq!(browser.gives(&wrong).await.wait(), None, "it is the first failure");
}

/// OPS-03: what is for the operator is not to be had where visitors come in.
#[tokio::test]
async fn nothing_of_the_operators_is_shown_to_visitors() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    house.origin.forgets();
    let paths =
        ["/metrics", "/livez", "/readyz", "/debug", "/debug/pprof/", "/_2fa/metrics", "/_2fa/livez", "/_2fa/debug"];
    for path in paths {
        for who in [&bob, &bob.elsewhere()] {
            let answer = who.navigation(path).with("X-Forwarded-For", "127.0.0.1").send(house.gateway()).await;
            assert!(!answer.text().contains("vestibule_") && answer.text() != "ready\n", "{path}");
        }
    }
    // They are the dashboard's own paths, and take a passage like others.
    let own: Vec<_> = paths.iter().filter(|path| !path.starts_with("/_2fa")).collect();
    assert_eq!(house.origin.targets(), own.into_iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
}
