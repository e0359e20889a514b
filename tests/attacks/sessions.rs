//! Sessions that were planted, stolen or over.

use std::net::Ipv4Addr;

use crate::house::{House, Kept, cookies};
use crate::support::http::Request;
use crate::support::{Sight, required};

/// SES-02, SES-03: a session that somebody planted in a browser is worth nothing to its owner after the login there, and
/// stands for nobody else.
#[tokio::test]
async fn a_planted_session_is_worth_nothing() {
    let house = House::open(required()).await;
    let (bob, mallory) = (house.enrolled("bob").await, house.enrolled("mallory").await);
    house.forgets_codes();
    let waiting = house.challenged(&mallory, 2).await;
    for (number, planted) in (10..).zip([mallory.session(), waiting.session()].into_iter().flatten()) {
        let mut victim = bob.elsewhere();
        victim.has_cookie("sid", &format!("bob-{number}"));
        victim.has_cookie("vestibule", &planted);
        victim.opens("/reports").await.shows(Sight::Challenge);
        let code = victim.authenticator().code(0);
        victim.gives(&code).await.shows(Sight::Dashboard);
        assert_ne!(victim.session(), Some(planted.clone()));
        house.forgets_codes();
        // Neither with the victim's login nor with the own one, which it was taken from.
        for login in [format!("bob-{number}"), "mallory-1".to_owned(), "mallory-2".to_owned()] {
            let request = Request::new("GET", "/reports").with("Host", house.gateway().to_string());
            let request = request.with("Cookie", format!("sid={login}; vestibule={planted}"));
            house.gives_nothing_for(request).await;
        }
    }
}

/// SES-02: what a browser had before it gave a code is worth nothing afterwards.
#[tokio::test]
async fn every_elevation_makes_a_new_value_and_ends_the_old_one() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    house.forgets_codes();
    let mut browser = house.challenged(&bob, 2).await;
    let mut values = vec![browser.session().expect("a pending session")];
    let code = browser.authenticator().code(0);
    browser.gives(&code).await.shows(Sight::Dashboard);
    values.push(browser.session().expect("a verified one"));
    browser.recovers_with(&bob.recovery_codes[1]).await.shows(Sight::Dashboard);
    values.push(browser.session().expect("a verified one, with a recovery code"));
    let last = values.pop().expect("a value");
    assert!(!values.contains(&last) && values[0] != values[1]);
    for old in values {
        let request = Request::new("GET", "/reports").with("Host", house.gateway().to_string());
        house.gives_nothing_for(request.with("Cookie", format!("sid=bob-2; vestibule={old}"))).await;
    }
    browser.opens("/reports").await.shows(Sight::Dashboard);
}

/// SES-05, ENR-07: whoever asks the same again and again on one connection gets nothing as soon as the session is over.
#[tokio::test]
async fn what_is_over_is_over_for_who_keeps_asking_the_same() {
    let house = House::open(required()).await;
    let mut alice = house.enrolled("alice").await;
    for by_reset in [true, false] {
        let mut bob = house.enrolled("bob").await;
        let request = Request::new("GET", "/reports").with("Host", house.gateway().to_string());
        let request = request.with("Cookie", cookies(&bob));
        let (mut first, mut second) = (Kept::to(&house).await, Kept::to(&house).await);
        for _ in 0..5 {
            for connection in [&mut first, &mut second] {
                assert!(connection.answers(&request).await.field("x-dashboard").is_some());
            }
        }
        if by_reset {
            alice.resets("The bob").await.shows(Sight::Security);
        } else {
            bob.opens("/_2fa/profile").await.shows(Sight::Profile);
            bob.submits("/_2fa/logout", &[]).await;
        }
        house.origin.forgets();
        for connection in [&mut first, &mut second] {
            for _ in 0..3 {
                let answer = connection.answers(&request).await;
                assert!(answer.field("x-dashboard").is_none(), "{} {:?}", answer.status, answer.fields);
            }
        }
        assert_eq!(house.origin.targets(), [""; 0]);
    }
}

/// SES-05: after a logout the cookies are worth nothing, with that login and with another.
#[tokio::test]
async fn a_session_that_was_logged_out_can_not_be_replayed() {
    let house = House::open(required()).await;
    let mut bob = house.enrolled("bob").await;
    let stolen = cookies(&bob);
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    bob.submits("/_2fa/logout", &[]).await;
    house.origin.forgets();
    for cookies in [stolen.clone(), stolen.replace("bob-1", "bob-2"), stolen.replace("bob-1", "carol-1")] {
        let request = Request::new("GET", "/reports").with("Host", house.gateway().to_string());
        house.gives_nothing_for(request.with("Cookie", cookies)).await;
    }
    assert_eq!(house.origin.targets(), [""; 0]);
}

/// SES-10: whoever has the password and opens challenges without end, with logins of their own, has at most a hundred of
/// them at a time, and those take the place of each other: the owner's stay, at the challenge and at the first enrollment.
#[tokio::test]
async fn nobody_is_crowded_out_of_a_challenge_by_somebody_elsewhere() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    house.forgets_codes();
    let mut owner = house.challenged(&bob, 2).await;
    let mut carol = house.visitor("carol", 1);
    carol.opens("/reports").await.shows(Sight::Enrollment);
    carol.scans();
    let host = house.gateway();
    for login in ["bob", "carol"] {
        for number in 100..230 {
            let request = format!(
                "GET /reports HTTP/1.1\r\nHost: {host}\r\nCookie: sid={login}-{number}\r\nSec-Fetch-Mode: navigate\r\n\
                 Connection: close\r\n\r\n"
            );
            let answer = house.hears_at(Ipv4Addr::new(127, 0, 0, 9), request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("vestibule=p"), "{answer}");
        }
        let pending = format!("SELECT count(*) FROM pending_sessions WHERE account = {}", house.account(login));
        assert_eq!(house.number(&pending), 100);
    }
    let code = owner.authenticator().code(0);
    owner.gives(&code).await.shows(Sight::Dashboard);
    carol.gives_a_fresh_code().await.shows(Sight::RecoveryCodes);
}
