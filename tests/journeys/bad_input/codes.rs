//! What is no code: each is a failed try like any other.

use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, required};

/// Whatever is in a field that should have six digits.
fn no_codes(right: &str) -> Vec<String> {
    let digits = |zero: char| -> String {
        let value = |digit: char| digit.to_digit(10).expect("a digit");
        right.chars().map(|digit| char::from_u32(zero as u32 + value(digit)).expect("a digit")).collect()
    };
    let mut no_codes: Vec<String> =
        ["", " ", "-", "abcdef", "\0", "123", "null", "undefined", "[]", "{}", "true"].map(String::from).into();
    // The right code, but not quite.
    no_codes.extend([
        format!("{right}0"),
        format!("0{right}"),
        right[..5].to_owned(),
        format!("+{right}"),
        format!("{right}.0"),
        format!("{right}e0"),
        format!("0x{right}"),
        format!("{right}\n"),
        format!("\t{right}"),
        format!("{right}\0"),
        format!("\u{a0}{right}"),
        format!("{}\u{200b}{}", &right[..3], &right[3..]),
        format!("{}.{}", &right[..3], &right[3..]),
        format!("{}\u{2212}{}", &right[..3], &right[3..]),
        format!("\"{right}\""),
        format!("{right},{right}"),
        format!("%{right}"),
        digits('\u{660}'),
        digits('\u{6f0}'),
        digits('\u{966}'),
        digits('\u{ff10}'),
        digits('\u{1d7ce}'),
        "9".repeat(10_000),
    ]);
    no_codes
}

/// Bob at a challenge, with no failures yet.
async fn challenged(world: &World) -> Visitor {
    let mut bob = world.enrolled("bob").await;
    world.passes(std::time::Duration::from_mins(2));
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob
}

/// Fails unless the last try was the first failure in a row: with four more of them the fifth is told to wait.
async fn was_charged(bob: &mut Visitor, what: &str) {
    for _ in 0..3 {
        assert_eq!(bob.posts("/_2fa/verify", &[("code", "x")]).await.wait(), None, "{what}");
    }
    assert!(bob.posts("/_2fa/verify", &[("code", "x")]).await.wait().is_some(), "{what} was not charged");
}

#[tokio::test]
async fn whatever_is_no_code_is_a_failed_try() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    for number in 0..no_codes("123456").len() {
        // Of a code that is good at this moment, and was not given before.
        let what = no_codes(&bob.authenticator().code(0)).remove(number);
        let page = bob.posts("/_2fa/verify", &[("code", &what)]).await;
        page.shows(Sight::CodeRefused);
        was_charged(&mut bob, &what).await;
        // A right code clears the failures.
        world.passes(std::time::Duration::from_mins(1));
        bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
        bob.loses_session();
        bob.opens("/reports").await.shows(Sight::Challenge);
        world.passes(std::time::Duration::from_mins(1));
    }
}

#[tokio::test]
async fn a_code_is_good_for_no_longer_because_its_form_comes_slowly() {
    let world = World::open(required()).await;
    let bob = challenged(&world).await;
    let code = bob.authenticator().code(0);
    let meanwhile = || world.passes(std::time::Duration::from_secs(90));
    assert_eq!(bob.posts_slowly("/_2fa/verify", &[("code", &code)], meanwhile).await, 403);
}

#[tokio::test]
async fn a_code_that_is_missing_repeated_or_in_another_field_is_a_failed_try() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let right = bob.authenticator().code(0);
    let forms: [&[(&str, &str)]; 8] = [
        &[],
        &[("next", "/reports")],
        &[("code", &right), ("code", &right)],
        &[("code", "000000"), ("code", &right)],
        &[("code[]", &right)],
        &[("Code", &right)],
        &[("recovery_code", &right)],
        &[("code ", &right)],
    ];
    for (number, fields) in forms.into_iter().enumerate() {
        bob.posts("/_2fa/verify", fields).await.shows(Sight::CodeRefused);
        if number == 4 {
            break;
        }
    }
    // The fifth had to wait after it: all five were charged.
    bob.posts("/_2fa/verify", forms[5]).await.shows(Sight::TooSoon);
    for fields in &forms[5..] {
        world.passes(std::time::Duration::from_mins(5));
        bob.opens("/reports").await;
        bob.posts("/_2fa/verify", fields).await.shows(Sight::CodeRefused);
    }
}

#[tokio::test]
async fn a_code_in_the_address_or_a_header_is_none() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let right = bob.authenticator().code(0);
    bob.posts(&format!("/_2fa/verify?code={right}"), &[]).await.shows(Sight::CodeRefused);
    let request = bob.form_request("/_2fa/verify", &[]).with("X-Code", right.clone()).with("Code", right.clone());
    bob.sends(request).await.shows(Sight::CodeRefused);
    bob.opens(&format!("/_2fa/verify?code={right}")).await.shows(Sight::Challenge);
    bob.gives(&right).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn whatever_is_no_recovery_code_is_a_failed_try_too() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let right = bob.recovery_codes[0].clone();
    let no_codes = [
        String::new(),
        "0".to_owned(),
        "-".to_owned(),
        right[..18].to_owned(),
        format!("{right}0"),
        format!("{right}\u{a0}"),
        format!("\t{right}"),
        format!("{right},{}", bob.recovery_codes[1]),
        "*".to_owned(),
        "%".to_owned(),
        "' OR 1=1 --".to_owned(),
        "A".repeat(10_000),
    ];
    for what in no_codes {
        bob.opens("/_2fa/recover").await;
        let page = bob.posts("/_2fa/recover", &[("recovery_code", &what)]).await;
        page.shows(Sight::RecoveryCodeRefused);
        world.passes(page.wait().unwrap_or_default());
    }
    bob.opens("/_2fa/recover").await;
    bob.posts("/_2fa/recover", &[("recovery_code", &right), ("recovery_code", &right)])
        .await
        .shows(Sight::RecoveryCodeRefused);
    world.passes(std::time::Duration::from_mins(15));
    bob.opens("/_2fa/recover").await;
    bob.posts("/_2fa/recover", &[("recovery_code", &right)]).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn enrollment_counts_them_as_well() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::Enrollment);
    for what in ["", "abcdef", "1234567", "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}"] {
        let page = bob.posts("/_2fa/enroll", &[("code", what)]).await;
        page.shows(Sight::FirstCodeRefused);
        assert_eq!(page.wait(), None);
    }
    assert!(bob.posts("/_2fa/enroll", &[]).await.wait().is_some());
    bob.posts("/_2fa/enroll", &[("code", "000000")]).await.shows(Sight::TooSoon);
}

#[tokio::test]
async fn the_time_that_a_client_claims_makes_no_code_good() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let later = bob.authenticator().code(10);
    let form =
        bob.form_request("/_2fa/verify", &[("code", &later), ("time", "1800000300"), ("timestamp", "1800000300")]);
    let form = form.with("Date", "Fri, 15 Jan 2027 08:07:00 GMT").with("X-Timestamp", "1800000420");
    bob.sends(form).await.shows(Sight::CodeRefused);
}
