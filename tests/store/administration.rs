//! Administration: lists, resets and requirements, never beyond the own organization.

use vestibule::second_factor::account::{AccountId, Factor, OrganizationId, Requirement};
use vestibule::second_factor::event::{Actor, EventKind};
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::throttle::{Bucket, Charge, Failures};
use vestibule::store::{AccountQuery, Counts, Effect, Sighting};

use crate::world::{NOON, World, at, by, by_operator, days, new_session, pending_enrollment, sighting};

on_every_engine! {
    a_list_is_ordered_by_name_then_address_then_user_id,
    a_list_is_paged_and_says_how_long_it_is,
    a_list_has_one_organization_or_all,
    a_list_can_leave_out_those_without_a_second_factor,
    a_search_finds_names_addresses_and_user_ids_in_any_case,
    a_search_takes_every_character_for_itself,
    a_list_says_who_is_locked_and_how_many_recovery_codes_are_left,
    counts_are_of_one_organization,
    a_reset_throws_everything_of_the_key_away,
    a_reset_leaves_everybody_else_alone,
    an_admin_resets_nobody_of_another_organization,
    an_account_is_found_in_its_own_organization_alone,
    only_an_account_with_a_key_can_be_reset,
    the_operator_resets_in_the_named_organization_alone,
    a_requirement_is_set_once,
    an_admin_sets_the_own_organizations_requirement_alone,
}

fn all() -> AccountQuery {
    AccountQuery { organization: None, enrolled_only: false, search: None, now: NOON, offset: 0, limit: u64::MAX }
}

/// The user ids of a list, and its total.
async fn listed(world: &World, query: AccountQuery) -> (Vec<String>, u64) {
    let page = world.other.accounts(query).await.expect("listed");
    (page.rows.into_iter().map(|row| row.account.key.user.clone()).collect(), page.total)
}

async fn named(world: &World, user: &str, name: Option<&str>, email: Option<&str>) {
    let seen = Sighting { name: name.map(Into::into), email: email.map(Into::into), ..sighting("acme", user) };
    world.store.sight(seen).await.expect("sighted");
}

async fn a_list_is_ordered_by_name_then_address_then_user_id(world: World) {
    named(&world, "9", Some("Ann"), Some("b@acme.example")).await;
    named(&world, "8", Some("ann"), Some("A@acme.example")).await;
    named(&world, "7", Some("Ann Lee"), Some("a@acme.example")).await;
    named(&world, "6", None, Some("z@acme.example")).await;
    named(&world, "5", None, None).await;
    named(&world, "4", None, None).await;
    named(&world, "3", Some("Zoe"), None).await;
    named(&world, "2", Some("bob"), None).await;
    let ordered = ["4", "5", "6", "8", "9", "7", "2", "3"].map(String::from);
    assert_eq!(listed(&world, all()).await, (ordered.to_vec(), 8));
    named(&world, "9", Some("Zz Top"), None).await;
    let renamed = ["4", "5", "6", "8", "7", "2", "3", "9"].map(String::from);
    assert_eq!(listed(&world, all()).await, (renamed.to_vec(), 8));
}

async fn a_list_is_paged_and_says_how_long_it_is(world: World) {
    for user in ["a", "b", "c", "d", "e"] {
        world.visitor("acme", user).await;
    }
    let page = async |offset, limit| listed(&world, AccountQuery { offset, limit, ..all() }).await;
    assert_eq!(page(0, 2).await, (vec!["a".into(), "b".into()], 5));
    assert_eq!(page(4, 2).await, (vec!["e".into()], 5));
    assert_eq!(page(5, 2).await, (vec![], 5));
    assert_eq!(page(u64::MAX, 2).await, (vec![], 5));
    assert_eq!(page(0, 0).await, (vec![], 5));
}

async fn a_list_has_one_organization_or_all(world: World) {
    for (organization, user) in [("acme", "a"), ("globex", "b"), ("acme", "c")] {
        world.visitor(organization, user).await;
    }
    let globex = Some(world.organization("globex").await.id);
    assert_eq!(listed(&world, AccountQuery { organization: globex, ..all() }).await, (vec!["b".into()], 1));
    assert_eq!(listed(&world, all()).await, (vec!["a".into(), "b".into(), "c".into()], 3));
    let nowhere = Some(OrganizationId(4711));
    assert_eq!(listed(&world, AccountQuery { organization: nowhere, ..all() }).await, (vec![], 0));
}

async fn a_list_can_leave_out_those_without_a_second_factor(world: World) {
    world.visitor("acme", "a").await;
    let bob = world.person("acme", "b").await;
    world.person("globex", "c").await;
    let acme = Some(world.organization("acme").await.id);
    let enrolled = |organization| AccountQuery { organization, enrolled_only: true, ..all() };
    assert_eq!(listed(&world, enrolled(acme)).await, (vec!["b".into()], 1));
    assert_eq!(listed(&world, enrolled(None)).await, (vec!["b".into(), "c".into()], 2));
    let found = AccountQuery { search: Some("B".into()), ..enrolled(acme) };
    assert_eq!(listed(&world, found).await, (vec!["b".into()], 1));
    world.give_code(bob.id, 101, Effect::Disable, at(30)).await;
    assert_eq!(listed(&world, enrolled(acme)).await, (vec![], 0));
}

async fn a_search_finds_names_addresses_and_user_ids_in_any_case(world: World) {
    named(&world, "U-17", Some("Ann Lee"), Some("ann@acme.example")).await;
    named(&world, "U-18", Some("Bob \u{c4}rzte"), Some("Bob@ACME.example")).await;
    let globex = Sighting { name: Some("Ann Globex".into()), ..sighting("globex", "1") };
    world.store.sight(globex).await.expect("sighted");
    let acme = Some(world.organization("acme").await.id);
    let find = async |text: &str| {
        listed(&world, AccountQuery { organization: acme, search: Some(text.into()), ..all() }).await.0
    };
    for text in ["ann", "ANN", "n l", "u-17", "ann@", "Ann Lee"] {
        assert_eq!(find(text).await, ["U-17"], "{text}");
    }
    for text in ["bob@acme", "\u{c4}RZTE", "-18"] {
        assert_eq!(find(text).await, ["U-18"], "{text}");
    }
    for text in ["U-1", "acme.EXAMPLE", "", "@"] {
        assert_eq!(find(text).await, ["U-17", "U-18"], "{text}");
    }
    for text in ["globex", "Lee ann", "leeann", "U-17 ", "\u{e4}rzte"] {
        assert_eq!(find(text).await, [""; 0], "{text}");
    }
}

async fn a_search_takes_every_character_for_itself(world: World) {
    let strange = ["100%", "a_b", "c\\d", "e'f", "g\"h", "i*j", "k?l", "m[n]", "o.p", "plain"];
    for user in strange {
        world.visitor("acme", user).await;
    }
    for character in ["%", "_", "\\", "'", "\"", "*", "?", "[", "."] {
        let only = strange.iter().find(|user| user.contains(character)).expect("one has it");
        let found = listed(&world, AccountQuery { search: Some(character.into()), ..all() }).await;
        assert_eq!(found, (vec![(*only).to_owned()], 1), "{character}");
    }
}

async fn a_list_says_who_is_locked_and_how_many_recovery_codes_are_left(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    world.fail(ann.id, Bucket::Code, 20).await;
    world.fail(bob.id, Bucket::Code, 19).await;
    world.fail(bob.id, Bucket::Recovery, 25).await;
    world.recover(&bob, 0, days(1)).await;
    let rows = world.store.accounts(AccountQuery { now: days(1), ..all() }).await.expect("listed").rows;
    let told: Vec<_> = rows.iter().map(|row| (row.locked, row.recovery_codes_left)).collect();
    assert_eq!(told, [(true, 10), (false, 9)]);
    assert_eq!(rows[0].account, world.account(ann.id).await);
}

async fn counts_are_of_one_organization(world: World) {
    world.visitor("acme", "a").await;
    world.person("acme", "b").await;
    world.person("globex", "c").await;
    let counts = async |name| {
        let organization = world.organization(name).await.id;
        world.store.counts(organization).await.expect("counted")
    };
    assert_eq!(counts("acme").await, Counts { accounts: 2, enrolled: 1 });
    assert_eq!(counts("globex").await, Counts { accounts: 1, enrolled: 1 });
    let nowhere = world.store.counts(OrganizationId(4711)).await.expect("counted");
    assert_eq!(nowhere, Counts { accounts: 0, enrolled: 0 });
}

async fn a_reset_throws_everything_of_the_key_away(world: World) {
    let (ann, admin) = (world.person("acme", "ann").await, world.person("acme", "admin").await);
    let elsewhere = world.sign_in(ann.id, 101, at(30)).await;
    let pending = world.pending(ann.id).await;
    let replacement = pending_enrollment(ann.id, ann.session.digest, at(60));
    world.give_code(ann.id, 102, Effect::StartReplacement(replacement), at(60)).await;
    for bucket in Bucket::ALL {
        world.fail(ann.id, bucket, 21).await;
    }
    let authority = world.admin(&admin).await;
    let reset = world.store.reset_account(authority, ann.id, by(admin.id, days(1))).await.expect("answered");
    let reset = reset.expect("an account with a key");
    assert_eq!((reset.id, reset.factor), (ann.id, Factor::Reset { at: days(1) }));
    assert_eq!(world.account(ann.id).await, reset);
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read"), None);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 0);
    assert!(!world.is_signed_in(&ann.session).await && !world.is_signed_in(&elsewhere).await);
    assert_eq!(world.store.pending_session(pending).await.expect("read"), None);
    assert_eq!(world.store.pending_enrollment(ann.session.digest, at(60)).await.expect("read"), None);
    for bucket in Bucket::ALL {
        let fresh = Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(days(1)) });
        assert_eq!(world.charge(ann.id, bucket, days(1)).await, fresh);
    }
}

async fn a_reset_leaves_everybody_else_alone(world: World) {
    let (ann, admin) = (world.person("acme", "ann").await, world.person("acme", "admin").await);
    let bob = world.person("acme", "bob").await;
    world.fail(bob.id, Bucket::Code, 3).await;
    let before = world.account(bob.id).await;
    let authority = world.admin(&admin).await;
    world.store.reset_account(authority, ann.id, by(admin.id, at(5))).await.expect("answered").expect("reset");
    assert_eq!(world.account(bob.id).await, before);
    assert!(world.is_signed_in(&bob.session).await && world.is_signed_in(&admin.session).await);
    assert_eq!(world.store.recovery_codes_left(bob.id).await.expect("counted"), 10);
    assert!(matches!(world.charge(bob.id, Bucket::Code, days(1)).await, Charge::Compare(f) if f.in_a_row == 4));
}

async fn an_admin_resets_nobody_of_another_organization(world: World) {
    let (ann, admin) = (world.person("acme", "ann").await, world.person("globex", "admin").await);
    let (before, log) = (world.account(ann.id).await, world.audit_log().await);
    let authority = world.admin(&admin).await;
    for nobody in [ann.id, AccountId(4711)] {
        let answer = world.store.reset_account(authority, nobody, by(admin.id, at(5))).await.expect("answered");
        assert_eq!(answer, None);
    }
    assert_eq!(world.account(ann.id).await, before);
    assert!(world.is_signed_in(&ann.session).await);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 10);
    assert_eq!(world.audit_log().await, log);
    world.sign_in(ann.id, 101, at(30)).await;
}

async fn an_account_is_found_in_its_own_organization_alone(world: World) {
    let ann = world.person("acme", "ann").await.id;
    let zoe = world.person("globex", "zoe").await.id;
    let (acme, globex) = (world.account(ann).await.organization, world.account(zoe).await.organization);
    let found = async |organization, account| {
        let found = world.store.account_of(organization, account).await.expect("read");
        found.map(|account| (account.id, account.organization))
    };
    assert_eq!(found(acme, ann).await, Some((ann, acme)));
    assert_eq!(found(globex, zoe).await, Some((zoe, globex)));
    for (organization, account) in [(acme, zoe), (globex, ann), (acme, AccountId(1_000_000))] {
        assert_eq!(found(organization, account).await, None);
    }
}

async fn only_an_account_with_a_key_can_be_reset(world: World) {
    let (ann, admin) = (world.visitor("acme", "ann").await, world.person("acme", "admin").await);
    let pending = world.enrollment(ann.id).await;
    let authority = world.admin(&admin).await;
    let reset = async || world.store.reset_account(authority, ann.id, by(admin.id, at(5))).await.expect("answered");
    assert_eq!(reset().await, None);
    assert_eq!(world.account(ann.id).await.factor, Factor::NotEnrolled);
    assert!(world.store.pending_enrollment(pending.session, NOON).await.expect("read").is_some(), "nothing is done");
    world.enroll(ann.id).await;
    assert!(reset().await.is_some());
    assert_eq!(reset().await, None, "there is no key any more");
}

async fn the_operator_resets_in_the_named_organization_alone(world: World) {
    let ann = world.person("acme", "ann").await;
    world.person("globex", "bob").await;
    let (acme, globex) = (world.organization("acme").await.id, world.organization("globex").await.id);
    let reset = async |organization| {
        world
            .store
            .reset_account(Authority::Operator(organization), ann.id, by_operator(at(5)))
            .await
            .expect("answered")
    };
    assert_eq!(reset(globex).await, None);
    assert!(reset(acme).await.is_some());
    let last = world.audit_log().await.pop().expect("an entry");
    assert_eq!((last.kind, last.actor, last.actor_name), (EventKind::Reset, Actor::Operator, None));
}

async fn a_requirement_is_set_once(world: World) {
    let admin = world.person("acme", "admin").await;
    let authority = world.admin(&admin).await;
    let set = async |requirement| {
        world.store.set_requirement(authority, requirement, by(admin.id, at(5))).await.expect("answered")
    };
    assert!(!set(Requirement::Optional).await, "it asks for that already");
    assert!(set(Requirement::Required).await);
    assert!(!set(Requirement::Required).await);
    assert_eq!(world.organization("acme").await.requirement, Requirement::Required);
    let (_, seen) = world.other.account(admin.id).await.expect("read").expect("an account");
    assert_eq!(seen.requirement, Requirement::Required);
    assert!(set(Requirement::Optional).await);
    let kinds: Vec<_> = world.audit_log().await.into_iter().map(|entry| (entry.kind, entry.subject)).skip(1).collect();
    assert_eq!(kinds, [(EventKind::RequirementTurnedOn, None), (EventKind::RequirementTurnedOff, None)]);
}

async fn an_admin_sets_the_own_organizations_requirement_alone(world: World) {
    let admin = world.person("acme", "admin").await;
    world.visitor("globex", "bob").await;
    let authority = world.admin(&admin).await;
    let set = world.store.set_requirement(authority, Requirement::Required, by(admin.id, at(5)));
    assert!(set.await.expect("answered"));
    assert_eq!(world.organization("globex").await.requirement, Requirement::Optional);
    let nowhere = Authority::Operator(OrganizationId(4711));
    let set = world.store.set_requirement(nowhere, Requirement::Required, by_operator(at(5)));
    assert!(!set.await.expect("answered"));
    world.give_code(admin.id, 101, Effect::SignIn(new_session()), at(30)).await;
}
