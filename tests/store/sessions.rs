//! Sessions: opened, used, renewed and ended.

use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::session::{Binding, PendingSession, SessionId, VerifiedBy};
use vestibule::store::{Acceptance, Effect, NewSession, PENDING_SESSIONS, SessionRecord};

use crate::world::{NOON, World, at, by, new_session, pending_enrollment, pending_session, session_of, token};

on_every_engine! {
    a_pending_session_is_read_back_as_it_was_opened_long_after_it_ran_out,
    the_oldest_pending_session_makes_room_for_the_hundred_and_first,
    whoever_opens_many_pending_sessions_crowds_out_nobody_elsewhere,
    pending_sessions_of_others_make_no_room,
    a_pending_session_takes_its_enrollment_along,
    a_verified_session_is_read_back_as_it_was_opened,
    a_session_is_seen_later_but_never_earlier,
    the_use_of_a_session_that_ended_is_passed_over,
    a_session_takes_the_place_of_the_pending_one,
    a_session_takes_the_place_of_a_verified_one,
    stepping_up_changes_the_token_and_keeps_the_time_of_verification,
    stepping_up_moves_the_enrollment_along,
    nobody_steps_up_in_a_session_of_somebody_else,
    a_session_ends_once,
    the_end_of_a_session_that_ran_out_is_not_logged,
    an_owner_ends_own_sessions_alone,
    an_owner_sees_own_sessions_the_last_used_first,
}

async fn a_pending_session_is_read_back_as_it_was_opened_long_after_it_ran_out(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let bound = PendingSession { binding: Some(Binding([7; 32])), ..pending_session(ann.id, at(-86_400)) };
    let free = pending_session(ann.id, NOON);
    for session in [bound, free] {
        world.store.open_pending(session.clone(), None).await.expect("opened");
        assert_eq!(world.other.pending_session(session.digest).await.expect("read"), Some(session.clone()));
        assert_eq!(world.store.verified_session(session.digest).await.expect("read"), None, "it is no verified one");
    }
    assert_eq!(world.store.pending_session(token()).await.expect("read"), None);
}

async fn the_oldest_pending_session_makes_room_for_the_hundred_and_first(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let limit = i64::try_from(PENDING_SESSIONS).expect("a small number");
    // Opened in no order of time: the one of second 0 is the oldest, and the last.
    let sessions: Vec<_> = (0..limit).rev().map(|second| pending_session(ann.id, at(second))).collect();
    for session in &sessions {
        world.store.open_pending(session.clone(), None).await.expect("opened");
    }
    let newest = pending_session(ann.id, at(limit));
    world.store.open_pending(newest.clone(), None).await.expect("opened");
    for session in &sessions {
        let there = world.store.pending_session(session.digest).await.expect("read").is_some();
        assert_eq!(there, session.opened != at(0), "{:?}", session.opened);
    }
    let clock_set_back = pending_session(ann.id, at(-500));
    world.store.open_pending(clock_set_back.clone(), None).await.expect("opened");
    for session in [newest, clock_set_back] {
        assert!(world.store.pending_session(session.digest).await.expect("read").is_some());
    }
}

async fn whoever_opens_many_pending_sessions_crowds_out_nobody_elsewhere(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let opens = async |address: Option<&str>, second| {
        let session = pending_session(ann.id, at(second));
        let from = address.map(|address| address.parse().expect("an address"));
        world.store.open_pending(session.clone(), from).await.expect("opened");
        session.digest
    };
    let owners = [opens(Some("192.0.2.1"), 0).await, opens(Some("2001:db8:1::1"), 0).await, opens(None, 0).await];
    // From one address, and from as many addresses as one has in a network.
    for second in 1..300 {
        opens(Some("198.51.100.7"), second).await;
        opens(Some(&format!("2001:db8:2:{second:x}::7")), second).await;
    }
    // From fewer places than leave each but one.
    for second in 300..600 {
        opens(Some(&format!("203.0.113.{}", second % 40)), second).await;
    }
    for owner in owners {
        assert!(world.store.pending_session(owner).await.expect("read").is_some());
    }
}

async fn pending_sessions_of_others_make_no_room(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.visitor("acme", "bob").await);
    let of_bob = world.pending(bob.id).await;
    for _ in 0..=PENDING_SESSIONS {
        world.pending(ann.id).await;
    }
    assert!(world.store.pending_session(of_bob).await.expect("read").is_some());
}

async fn a_pending_session_takes_its_enrollment_along(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ended = world.enrollment(ann.id).await;
    assert!(world.store.end_session(ended.session, None, by(ann.id, NOON)).await.expect("ended"));
    assert_eq!(world.store.pending_enrollment(ended.session, NOON).await.expect("read"), None);
    let crowded_out = world.enrollment(ann.id).await;
    for _ in 0..PENDING_SESSIONS {
        world.pending(ann.id).await;
    }
    assert_eq!(world.store.pending_enrollment(crowded_out.session, NOON).await.expect("read"), None);
}

async fn a_verified_session_is_read_back_as_it_was_opened(world: World) {
    let ann = world.person("acme", "ann").await;
    let new = NewSession { binding: Some(Binding([9; 32])), ..new_session() };
    let opened = session_of(world.give_code(ann.id, 101, Effect::SignIn(new.clone()), at(30)).await);
    assert_eq!((opened.digest, opened.binding, opened.account), (new.digest, new.binding, ann.id));
    assert_eq!((opened.verified_at, opened.code_at, opened.last_seen), (at(30), at(30), at(30)));
    assert_eq!(opened.by, VerifiedBy::Totp);
    assert_eq!(world.other.verified_session(new.digest).await.expect("read"), Some(opened));
    assert_eq!(world.store.pending_session(new.digest).await.expect("read"), None, "it is no pending one");
    assert_eq!(world.store.verified_session(token()).await.expect("read"), None);
}

async fn a_session_is_seen_later_but_never_earlier(world: World) {
    let ann = world.person("acme", "ann").await;
    let last_seen =
        async || world.store.verified_session(ann.session.digest).await.expect("read").expect("a session").last_seen;
    for (seen, expected) in [(at(60), at(60)), (at(30), at(60)), (at(90), at(90))] {
        world.store.touch(vec![(ann.session.id, seen)]).await.expect("touched");
        assert_eq!(last_seen().await, expected);
    }
    world.store.touch(vec![(ann.session.id, at(200)), (ann.session.id, at(100))]).await.expect("touched");
    assert_eq!(last_seen().await, at(200));
    world.store.touch(vec![]).await.expect("nothing to do");
}

async fn the_use_of_a_session_that_ended_is_passed_over(world: World) {
    let ann = world.person("acme", "ann").await;
    world.store.end_session(ann.session.digest, None, by(ann.id, NOON)).await.expect("ended");
    let next = world.sign_in(ann.id, 101, at(30)).await;
    assert_ne!(next.id, ann.session.id, "a late touch would move another session");
    world.store.touch(vec![(ann.session.id, at(500)), (next.id, at(60))]).await.expect("touched");
    assert!(!world.is_signed_in(&ann.session).await);
    let next = world.store.verified_session(next.digest).await.expect("read").expect("a session");
    assert_eq!(next.last_seen, at(60));
}

async fn a_session_takes_the_place_of_the_pending_one(world: World) {
    let ann = world.person("acme", "ann").await;
    let (this_one, another) = (world.pending(ann.id).await, world.pending(ann.id).await);
    let new = NewSession { instead_of: Some(this_one), ..new_session() };
    session_of(world.give_code(ann.id, 101, Effect::SignIn(new), at(30)).await);
    assert_eq!(world.store.pending_session(this_one).await.expect("read"), None);
    assert!(world.store.pending_session(another).await.expect("read").is_some(), "another browser's");
}

async fn a_session_takes_the_place_of_a_verified_one(world: World) {
    let ann = world.person("acme", "ann").await;
    let new = NewSession { instead_of: Some(ann.session.digest), ..new_session() };
    let opened = session_of(world.give_code(ann.id, 101, Effect::SignIn(new), at(30)).await);
    assert!(!world.is_signed_in(&ann.session).await);
    let gone_already = NewSession { instead_of: Some(ann.session.digest), ..new_session() };
    session_of(world.give_code(ann.id, 102, Effect::SignIn(gone_already), at(60)).await);
    assert!(world.is_signed_in(&opened).await);
}

async fn stepping_up_changes_the_token_and_keeps_the_time_of_verification(world: World) {
    let ann = world.person("acme", "ann").await;
    let digest = token();
    let effect = Effect::StepUp { session: ann.session.id, digest };
    let renewed = session_of(world.give_code(ann.id, 101, effect, at(600)).await);
    let expected = vestibule::second_factor::session::VerifiedSession {
        digest,
        code_at: at(600),
        last_seen: at(600),
        ..ann.session.clone()
    };
    assert_eq!(renewed, expected);
    assert_eq!(world.store.verified_session(digest).await.expect("read"), Some(expected));
    assert!(!world.is_signed_in(&ann.session).await, "the old token is good for nothing");
}

async fn stepping_up_moves_the_enrollment_along(world: World) {
    let ann = world.person("acme", "ann").await;
    let pending = pending_enrollment(ann.id, ann.session.digest, at(30));
    world.give_code(ann.id, 101, Effect::StartReplacement(pending.clone()), at(30)).await;
    let digest = token();
    world.give_code(ann.id, 102, Effect::StepUp { session: ann.session.id, digest }, at(60)).await;
    let moved = world.store.pending_enrollment(digest, at(60)).await.expect("read").expect("an enrollment");
    assert_eq!(moved.secret, pending.secret);
    assert_eq!(world.store.pending_enrollment(ann.session.digest, at(60)).await.expect("read"), None);
}

async fn nobody_steps_up_in_a_session_of_somebody_else(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    for session in [bob.session.id, SessionId(4711)] {
        let effect = Effect::StepUp { session, digest: token() };
        assert_eq!(world.give_code(ann.id, 101, effect, at(30)).await, Acceptance::Gone);
    }
    assert!(world.is_signed_in(&bob.session).await);
    world.sign_in(ann.id, 101, at(60)).await;
}

async fn a_session_ends_once(world: World) {
    let ann = world.person("acme", "ann").await;
    let pending = world.pending(ann.id).await;
    for digest in [pending, ann.session.digest] {
        let end = async || {
            world.other.end_session(digest, Some(EventKind::LoggedOut), by(ann.id, at(5))).await.expect("answered")
        };
        assert!(end().await);
        assert!(!end().await);
    }
    assert!(!world.is_signed_in(&ann.session).await);
    assert_eq!(world.store.pending_session(pending).await.expect("read"), None);
    let log = world.audit_log().await;
    let ends: Vec<_> = log.iter().filter(|entry| entry.kind == EventKind::LoggedOut).collect();
    assert_eq!(ends.len(), 1, "of the verified one alone");
    assert_eq!((ends[0].subject, ends[0].at), (Some(ann.id), at(5)));
}

async fn the_end_of_a_session_that_ran_out_is_not_logged(world: World) {
    let ann = world.person("acme", "ann").await;
    let before = world.audit_log().await;
    assert!(world.store.end_session(ann.session.digest, None, by(ann.id, NOON)).await.expect("ended"));
    assert_eq!(world.audit_log().await, before);
}

async fn an_owner_ends_own_sessions_alone(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let end = async |account, session| world.store.end_own_session(account, session, by(account, at(9))).await;
    assert!(!end(ann.id, bob.session.id).await.expect("answered"));
    assert!(world.is_signed_in(&bob.session).await);
    assert!(end(bob.id, bob.session.id).await.expect("answered"));
    assert!(!end(bob.id, bob.session.id).await.expect("answered"));
    assert!(!world.is_signed_in(&bob.session).await);
    let last = world.audit_log().await.pop().expect("an entry");
    assert_eq!((last.kind, last.subject), (EventKind::SessionEnded, Some(bob.id)));
}

async fn an_owner_sees_own_sessions_the_last_used_first(world: World) {
    let (ann, _bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let new = NewSession { address: None, browser: "Lynx \u{1f600}".into(), ..new_session() };
    let second = session_of(world.give_code(ann.id, 101, Effect::SignIn(new), at(30)).await);
    world.store.touch(vec![(ann.session.id, at(60))]).await.expect("touched");
    let first = vestibule::second_factor::session::VerifiedSession { last_seen: at(60), ..ann.session.clone() };
    let address = Some("2001:db8::7".parse().expect("an address"));
    let expected = [
        SessionRecord { session: first, address, browser: "Firefox".into() },
        SessionRecord { session: second, address: None, browser: "Lynx \u{1f600}".into() },
    ];
    assert_eq!(world.store.sessions_of(ann.id).await.expect("listed"), expected);
}
