//! The change feed: what makes somebody's cache wrong is told, by whichever gateway it was done.

use vestibule::second_factor::account::Requirement;
use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::throttle::Bucket;
use vestibule::store::{CHANGES_KEPT, Change, Cursor, Effect, Expired, NewSession, Sighting};

use crate::world::{
    NOON, World, at, by, by_operator, confirmation, days, new_session, pending_enrollment, recovery_codes, sighting,
    token,
};

on_every_engine! {
    a_new_store_has_no_changes,
    a_change_is_told_once_and_in_order,
    a_renamed_account_is_told,
    a_visitor_who_is_known_changes_nothing,
    what_concerns_no_cache_is_not_told,
    an_enrollment_is_told,
    every_session_that_ends_is_told,
    a_session_that_steps_up_is_told_by_its_old_token,
    a_reset_is_told_with_every_session,
    a_requirement_is_told,
    what_failed_is_not_told,
    a_reader_that_stayed_away_too_long_is_told_so,
}

/// What another gateway reads since it last looked.
struct Reader {
    world: World,
    cursor: Cursor,
}

impl Reader {
    async fn of(world: &World) -> Self {
        Self { world: world.clone(), cursor: world.other.cursor().await.expect("read") }
    }

    async fn news(&mut self) -> Vec<Change> {
        let (changes, cursor) = self.world.other.changes_since(self.cursor).await.expect("read");
        assert_eq!(self.world.store.cursor().await.expect("read"), cursor);
        self.cursor = cursor;
        changes
    }
}

async fn a_new_store_has_no_changes(world: World) {
    let mut reader = Reader::of(&world).await;
    assert_eq!(reader.news().await, []);
    assert_eq!(world.store.changes_since(Cursor(0)).await.expect("read"), (vec![], reader.cursor));
}

async fn a_change_is_told_once_and_in_order(world: World) {
    let mut reader = Reader::of(&world).await;
    let start = reader.cursor;
    let ann = world.person("acme", "ann").await;
    world.store.end_session(ann.session.digest, None, by(ann.id, NOON)).await.expect("ended");
    let both = [Change::Account(ann.id), Change::Session(ann.session.digest)];
    assert_eq!(reader.news().await, both);
    assert_eq!(reader.news().await, []);
    assert_eq!(world.store.changes_since(start).await.expect("read"), (both.to_vec(), reader.cursor));
}

async fn a_renamed_account_is_told(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let mut reader = Reader::of(&world).await;
    let renamed = Sighting { name: Some("Ann".into()), ..sighting("acme", "ann") };
    world.store.sight(renamed).await.expect("sighted");
    assert_eq!(reader.news().await, [Change::Account(ann.id)]);
}

async fn a_visitor_who_is_known_changes_nothing(world: World) {
    let named = Sighting { name: Some("Ann".into()), ..sighting("acme", "ann") };
    world.store.sight(named.clone()).await.expect("sighted");
    let mut reader = Reader::of(&world).await;
    world.store.sight(named).await.expect("sighted");
    world.store.sight(sighting("acme", "ann")).await.expect("sighted");
    assert_eq!(reader.news().await, []);
}

async fn what_concerns_no_cache_is_not_told(world: World) {
    let ann = world.person("acme", "ann").await;
    let mut reader = Reader::of(&world).await;
    let pending = world.pending(ann.id).await;
    world.fail(ann.id, Bucket::Code, 20).await;
    world.recover(&ann, 0, days(1)).await;
    world
        .give_code(ann.id, 101, Effect::SignIn(NewSession { instead_of: Some(pending), ..new_session() }), days(1))
        .await;
    world.give_code(ann.id, 102, Effect::RegenerateRecoveryCodes(recovery_codes()), days(1)).await;
    world.store.touch(vec![(ann.session.id, days(1))]).await.expect("touched");
    assert_eq!(reader.news().await, []);
}

async fn an_enrollment_is_told(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let pending = world.enrollment(ann.id).await;
    let mut reader = Reader::of(&world).await;
    let confirmed = world.store.confirm_enrollment(confirmation(pending, 100), by(ann.id, at(1)));
    confirmed.await.expect("answered");
    assert_eq!(reader.news().await, [Change::Account(ann.id)]);
}

async fn every_session_that_ends_is_told(world: World) {
    let ann = world.person("acme", "ann").await;
    let (second, third) = (world.sign_in(ann.id, 101, at(1)).await, world.sign_in(ann.id, 102, at(2)).await);
    let fourth = world.sign_in(ann.id, 103, at(3)).await;
    let mut reader = Reader::of(&world).await;
    let out = world.store.end_session(ann.session.digest, Some(EventKind::LoggedOut), by(ann.id, at(4)));
    assert!(out.await.expect("answered"));
    assert!(world.store.end_own_session(ann.id, second.id, by(ann.id, at(5))).await.expect("answered"));
    let effect = Effect::SignIn(NewSession { instead_of: Some(third.digest), ..new_session() });
    world.give_code(ann.id, 104, effect, at(6)).await;
    let ended = [ann.session.digest, second.digest, third.digest].map(Change::Session);
    assert_eq!(reader.news().await, ended);
    let in_a_day = Expired { now: days(1), idle_since: at(4), verified_before: at(4) };
    world.store.prune(in_a_day, 10).await.expect("pruned");
    assert_eq!(reader.news().await.last(), Some(&Change::Session(fourth.digest)));
}

async fn a_session_that_steps_up_is_told_by_its_old_token(world: World) {
    let ann = world.person("acme", "ann").await;
    let mut reader = Reader::of(&world).await;
    world.give_code(ann.id, 101, Effect::StepUp { session: ann.session.id, digest: token() }, at(1)).await;
    assert_eq!(reader.news().await, [Change::Session(ann.session.digest)]);
}

async fn a_reset_is_told_with_every_session(world: World) {
    let ann = world.person("acme", "ann").await;
    let second = world.sign_in(ann.id, 101, at(1)).await;
    let bob = world.person("acme", "bob").await;
    let mut reader = Reader::of(&world).await;
    let acme = Authority::Operator(world.organization("acme").await.id);
    world.store.reset_account(acme, ann.id, by_operator(at(5))).await.expect("answered").expect("reset");
    let mut expected =
        vec![Change::Account(ann.id), Change::Session(ann.session.digest), Change::Session(second.digest)];
    let told = reader.news().await;
    assert_eq!(told.len(), 3, "{told:?}");
    expected.retain(|change| !told.contains(change));
    assert_eq!(expected, []);
    world.give_code(bob.id, 101, Effect::Disable, at(6)).await;
    let told = reader.news().await;
    assert!(told.contains(&Change::Account(bob.id)) && told.contains(&Change::Session(bob.session.digest)), "{told:?}");
}

async fn a_requirement_is_told(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let mut reader = Reader::of(&world).await;
    let set = async || {
        let acme = Authority::Operator(ann.organization);
        world.store.set_requirement(acme, Requirement::Required, by_operator(at(1))).await.expect("answered")
    };
    assert!(set().await);
    assert_eq!(reader.news().await, [Change::Organization(ann.organization)]);
    assert!(!set().await);
    assert_eq!(reader.news().await, []);
}

async fn what_failed_is_not_told(world: World) {
    let ann = world.person("acme", "ann").await;
    let mut reader = Reader::of(&world).await;
    // It would end the session that it then can't open again under the same token.
    let new = NewSession { instead_of: Some(world.pending(ann.id).await), digest: ann.session.digest, ..new_session() };
    let matched = world.step(ann.id, 101).await;
    assert!(world.store.accept_step(ann.id, matched, Effect::SignIn(new), by(ann.id, at(1))).await.is_err());
    let pending = pending_enrollment(ann.id, ann.session.digest, at(1));
    world.store.confirm_enrollment(confirmation(pending, 101), by(ann.id, at(1))).await.expect("answered");
    assert!(!world.store.end_session(token(), None, by(ann.id, at(1))).await.expect("answered"));
    assert_eq!(reader.news().await, []);
}

async fn a_reader_that_stayed_away_too_long_is_told_so(world: World) {
    let never_here = Reader::of(&world).await.cursor;
    let ann = world.visitor("acme", "ann").await;
    let rename = async |name: &str, at| {
        let seen = Sighting { name: Some(name.into()), at, ..sighting("acme", "ann") };
        world.store.sight(seen).await.expect("sighted");
        world.store.cursor().await.expect("read")
    };
    let first = rename("a", NOON).await;
    let second = rename("b", at(1)).await;
    let third = rename("c", at(2)).await;
    let fourth = rename("d", days(1)).await;
    let now = days(1).plus(CHANGES_KEPT);
    let nothing_else = Expired { now, idle_since: NOON, verified_before: NOON };
    assert_eq!(world.store.prune(nothing_else, 100).await.expect("pruned"), 3);
    let since = async |cursor| world.other.changes_since(cursor).await.expect("read");
    for away in [never_here, first, second] {
        assert_eq!(since(away).await, (vec![Change::Everything], fourth));
    }
    assert_eq!(since(third).await, (vec![Change::Account(ann.id)], fourth), "nothing was missed");
    assert_eq!(since(fourth).await, (vec![], fourth));
    let long_after = Expired { now: days(300), ..nothing_else };
    world.store.prune(long_after, 100).await.expect("pruned");
    assert_eq!(since(fourth).await, (vec![], fourth), "the feed still knows where it stands");
    let fifth = rename("e", days(300)).await;
    assert!(fifth > fourth);
    assert_eq!(since(fourth).await, (vec![Change::Account(ann.id)], fifth));
    let from_another_store = Cursor(fifth.0 + 1000);
    assert_eq!(since(from_another_store).await, (vec![Change::Everything], fifth));
}
