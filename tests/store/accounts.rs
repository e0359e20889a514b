//! Accounts and organizations: made on first sight, told apart byte for byte.

use std::collections::HashSet;

use vestibule::second_factor::account::{Account, AccountId, AccountKey, Factor, Requirement};
use vestibule::second_factor::sealing::Sealed;
use vestibule::store::Sighting;

use crate::world::{World, sighting};

on_every_engine! {
    a_visitor_becomes_an_account_on_first_sight_and_stays_the_same,
    accounts_are_told_apart_byte_for_byte,
    the_name_and_the_address_follow_the_dashboard,
    a_dashboard_that_gives_no_name_takes_none_away,
    only_a_new_organization_starts_with_the_initial_requirement,
    an_account_is_found_by_its_number,
    a_user_is_found_in_that_organization_alone,
    organizations_are_listed_by_realm_and_name,
    the_first_key_check_stands,
    a_store_that_can_be_written_to_is_ready,
}

async fn a_visitor_becomes_an_account_on_first_sight_and_stays_the_same(world: World) {
    let seen = Sighting { email: Some("ann@acme.example".into()), name: Some("Ann".into()), ..sighting("acme", "7") };
    let (account, organization) = world.store.sight(seen.clone()).await.expect("sighted");
    assert_eq!(*account.key, seen.key);
    assert_eq!((account.email.as_deref(), account.name.as_deref()), (Some("ann@acme.example"), Some("Ann")));
    assert_eq!((account.factor, account.organization), (Factor::NotEnrolled, organization.id));
    assert_eq!((organization.realm.as_str(), organization.name.as_str()), ("site", "acme"));
    assert_eq!(organization.requirement, Requirement::Optional);
    for gateway in [&world.store, &world.other] {
        assert_eq!(gateway.sight(seen.clone()).await.expect("sighted"), (account.clone(), organization.clone()));
    }
}

async fn accounts_are_told_apart_byte_for_byte(world: World) {
    let keys = [
        ("site", "acme", "ann"),
        ("site", "acme", "Ann"),
        ("site", "acme", "ann "),
        ("site", "acme", "jos\u{e9}"),
        ("site", "acme", "jose\u{301}"),
        ("site", "acme", "7"),
        ("site", "acme", "07"),
        ("site", "acme", "7.0"),
        ("site", "acme", ""),
        ("site", "Acme", "ann"),
        ("site", "acme ", "ann"),
        ("Site", "acme", "ann"),
        ("site", "acm", "eann"),
    ];
    let mut ids = HashSet::new();
    let mut organizations = HashSet::new();
    for (realm, organization, user) in keys {
        let key = AccountKey { realm: realm.into(), organization: organization.into(), user: user.into() };
        let seen = Sighting { key: key.clone(), ..sighting("", "") };
        let (account, organization) = world.store.sight(seen.clone()).await.expect("sighted");
        assert_eq!(*account.key, key);
        assert_eq!(world.store.sight(seen).await.expect("sighted").0.id, account.id);
        ids.insert(account.id);
        organizations.insert(organization.id);
    }
    assert_eq!((ids.len(), organizations.len()), (keys.len(), 5));
}

async fn the_name_and_the_address_follow_the_dashboard(world: World) {
    let ann = world.visitor("acme", "7").await;
    let renamed =
        Sighting { email: Some("a@new.example".into()), name: Some("Ann Lee".into()), ..sighting("acme", "7") };
    let (seen, _) = world.store.sight(renamed).await.expect("sighted");
    assert_eq!(
        (seen.id, seen.email.as_deref(), seen.name.as_deref()),
        (ann.id, Some("a@new.example"), Some("Ann Lee"))
    );
    assert_eq!(world.account(ann.id).await, seen);
}

async fn a_dashboard_that_gives_no_name_takes_none_away(world: World) {
    let named = Sighting { name: Some("Ann".into()), email: Some("ann@acme.example".into()), ..sighting("acme", "7") };
    world.store.sight(named).await.expect("sighted");
    let only_mail = Sighting { email: Some("ann@new.example".into()), ..sighting("acme", "7") };
    let (seen, _) = world.store.sight(only_mail).await.expect("sighted");
    assert_eq!((seen.email.as_deref(), seen.name.as_deref()), (Some("ann@new.example"), Some("Ann")));
    let (seen_again, _) = world.store.sight(sighting("acme", "7")).await.expect("sighted");
    assert_eq!(seen_again, seen);
}

async fn only_a_new_organization_starts_with_the_initial_requirement(world: World) {
    let strict = |user| Sighting { initial: Requirement::Required, ..sighting("strict", user) };
    let (_, organization) = world.store.sight(strict("1")).await.expect("sighted");
    assert_eq!(organization.requirement, Requirement::Required);
    let (_, same) = world.store.sight(sighting("strict", "2")).await.expect("sighted");
    assert_eq!(same, organization);
}

async fn an_account_is_found_by_its_number(world: World) {
    let seen = world.store.sight(sighting("acme", "7")).await.expect("sighted");
    assert_eq!(world.other.account(seen.0.id).await.expect("read"), Some(seen));
    assert_eq!(world.store.account(AccountId(4711)).await.expect("read"), None);
}

async fn a_user_is_found_in_that_organization_alone(world: World) {
    let (ann, other) = (world.visitor("acme", "ann").await, world.visitor("globex", "ann").await);
    let find = async |account: &Account, user: &str| {
        world.other.account_of_user(account.organization, user.to_owned()).await.expect("looked up")
    };
    assert_eq!(find(&ann, "ann").await, Some(ann.clone()));
    assert_eq!(find(&other, "ann").await, Some(other.clone()));
    for nobody in ["Ann", "an", "ann ", "", "ann\0", "%"] {
        assert_eq!(find(&ann, nobody).await, None, "{nobody:?}");
    }
}

async fn organizations_are_listed_by_realm_and_name(world: World) {
    for (realm, name) in [("b", "acme"), ("a", "globex"), ("a", "acme"), ("a", "Zeta")] {
        let key = AccountKey { realm: realm.into(), organization: name.into(), user: "1".into() };
        world.store.sight(Sighting { key, ..sighting("", "") }).await.expect("sighted");
    }
    let listed = world.store.organizations().await.expect("listed");
    let names: Vec<_> = listed.iter().map(|o| (o.realm.as_str(), o.name.as_str())).collect();
    assert_eq!(names, [("a", "Zeta"), ("a", "acme"), ("a", "globex"), ("b", "acme")]);
}

async fn the_first_key_check_stands(world: World) {
    let (first, second) = (Sealed(vec![1, 2, 3]), Sealed(vec![4]));
    assert_eq!(world.store.key_check().await.expect("read"), None);
    assert_eq!(world.store.set_key_check(first.clone()).await.expect("set"), first);
    assert_eq!(world.other.set_key_check(second).await.expect("answered"), first);
    assert_eq!(world.other.key_check().await.expect("read"), Some(first));
}

async fn a_store_that_can_be_written_to_is_ready(world: World) {
    let before = world.store.cursor().await.expect("read");
    world.store.ready().await.expect("ready");
    world.other.ready().await.expect("ready");
    assert_eq!(world.store.cursor().await.expect("read"), before, "it means nothing to anybody");
}
