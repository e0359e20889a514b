//! The audit log: what happened, to whom, by whom, as people were called at the time.

use vestibule::second_factor::account::{AccountId, OrganizationId};
use vestibule::second_factor::event::{Actor, Event, EventKind, Occasion};
use vestibule::second_factor::policy::Authority;
use vestibule::store::{AuditEntry, AuditQuery, Effect, Sighting};

use crate::world::{
    NOON, World, at, by, by_operator, confirmation, new_session, pending_enrollment, recovery_codes, sighting, token,
};

on_every_engine! {
    every_change_writes_its_entry_and_nothing_else_does,
    an_entry_says_who_whom_when_and_from_where,
    names_stay_as_they_were_at_the_time,
    every_kind_of_event_reads_back,
    what_a_later_release_wrote_is_read_by_its_word,
    an_entry_may_be_about_the_whole_organization,
    nobody_is_recorded_in_another_organization,
    the_log_is_read_by_organization_and_by_account_newest_first,
}

async fn every_change_writes_its_entry_and_nothing_else_does(world: World) {
    let ann = world.person("acme", "ann").await;
    world.sign_in(ann.id, 101, at(10)).await;
    world.give_code(ann.id, 101, Effect::SignIn(new_session()), at(11)).await;
    world.give_code(ann.id, 102, Effect::StepUp { session: ann.session.id, digest: token() }, at(12)).await;
    let recovered = world.recover(&ann, 0, at(13)).await;
    world.give_code(ann.id, 103, Effect::RegenerateRecoveryCodes(recovery_codes()), at(14)).await;
    let pending = pending_enrollment(ann.id, recovered.digest, at(15));
    world.give_code(ann.id, 104, Effect::StartReplacement(pending.clone()), at(15)).await;
    let replaced = world.store.confirm_enrollment(confirmation(pending.clone(), 105), by(ann.id, at(16)));
    replaced.await.expect("answered");
    world.store.confirm_enrollment(confirmation(pending, 106), by(ann.id, at(17))).await.expect("answered");
    world.give_code(ann.id, 107, Effect::Disable, at(18)).await;
    world.enrollment(ann.id).await;
    world.enroll(ann.id).await;
    let acme = Authority::Operator(world.organization("acme").await.id);
    world.store.reset_account(acme, ann.id, by_operator(at(20))).await.expect("answered");
    world.store.reset_account(acme, ann.id, by_operator(at(21))).await.expect("answered");
    let kinds: Vec<_> = world.audit_log().await.into_iter().map(|entry| entry.kind).collect();
    let expected = [
        EventKind::Enrolled,
        EventKind::Verified,
        EventKind::Verified,
        EventKind::RecoveryCodeUsed,
        EventKind::RecoveryCodesRegenerated,
        EventKind::Verified,
        EventKind::Replaced,
        EventKind::Disabled,
        EventKind::Enrolled,
        EventKind::Reset,
    ];
    assert_eq!(kinds, expected);
}

async fn an_entry_says_who_whom_when_and_from_where(world: World) {
    let (ann, admin) = (world.person("acme", "ann").await, world.person("acme", "admin").await);
    let authority = world.admin(&admin).await;
    world.store.reset_account(authority, ann.id, by(admin.id, at(5))).await.expect("answered").expect("reset");
    let last = world.audit_log().await.pop().expect("an entry");
    let expected = AuditEntry {
        number: last.number,
        at: at(5),
        kind: EventKind::Reset,
        word: "reset".into(),
        actor: Actor::Account(admin.id),
        actor_name: Some("admin".into()),
        subject: Some(ann.id),
        subject_name: Some("ann".into()),
        organization: "acme".into(),
        address: Some("192.0.2.7".parse().expect("an address")),
        request: Some("r-1".into()),
    };
    assert_eq!(last, expected);
}

async fn names_stay_as_they_were_at_the_time(world: World) {
    let called = |name: &str| Sighting { name: Some(name.into()), ..sighting("acme", "7") };
    let (ann, organization) = world.store.sight(called("Ann")).await.expect("sighted");
    let event = Event { kind: EventKind::CodeRefused, subject: Some(ann.id) };
    world.store.record(organization.id, event, by(ann.id, at(1))).await.expect("recorded");
    world.store.sight(called("Ann Lee")).await.expect("sighted");
    world.store.record(organization.id, event, by(ann.id, at(2))).await.expect("recorded");
    let log = world.audit_log().await;
    let names: Vec<_> = log.iter().map(|e| (e.actor_name.as_deref(), e.subject_name.as_deref())).collect();
    assert_eq!(names, [(Some("Ann"), Some("Ann")), (Some("Ann Lee"), Some("Ann Lee"))]);
}

async fn every_kind_of_event_reads_back(world: World) {
    let ann = world.visitor("acme", "ann").await;
    for kind in EventKind::ALL {
        let event = Event { kind: *kind, subject: Some(ann.id) };
        let occasion = Occasion { at: NOON, actor: Actor::Gateway, address: None, request: None };
        world.store.record(ann.organization, event, occasion).await.expect("recorded");
    }
    let kinds: Vec<_> = world.audit_log().await.into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, EventKind::ALL);
}

async fn an_entry_may_be_about_the_whole_organization(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let event = Event { kind: EventKind::RequirementTurnedOn, subject: None };
    world.store.record(ann.organization, event, by_operator(at(3))).await.expect("recorded");
    let entry = world.audit_log().await.pop().expect("an entry");
    assert_eq!((entry.subject, entry.subject_name, entry.actor), (None, None, Actor::Operator));
    assert_eq!((entry.organization.as_str(), entry.address, entry.request), ("acme", None, None));
}

async fn nobody_is_recorded_in_another_organization(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.visitor("globex", "bob").await);
    let event = |subject| Event { kind: EventKind::CodeRefused, subject: Some(subject) };
    for (organization, subject) in
        [(ann.organization, bob.id), (ann.organization, AccountId(4711)), (OrganizationId(4711), ann.id)]
    {
        assert!(world.store.record(organization, event(subject), by_operator(NOON)).await.is_err());
    }
    assert_eq!(world.audit_log().await, []);
}

async fn the_log_is_read_by_organization_and_by_account_newest_first(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let eve = world.person("globex", "eve").await;
    world.sign_in(ann.id, 101, at(10)).await;
    let [acme, globex] = [world.organization("acme").await.id, world.organization("globex").await.id];
    let all = AuditQuery { organization: None, subject: None, before: None, offset: 0, limit: 100 };
    let read = async |query: AuditQuery| {
        let page = world.other.audit(query).await.expect("read");
        assert!(page.rows.is_sorted_by(|a, b| a.number > b.number), "newest first");
        (page.rows.into_iter().map(|entry| entry.subject.expect("a person")).collect::<Vec<_>>(), page.total)
    };
    assert_eq!(read(all.clone()).await, (vec![ann.id, eve.id, bob.id, ann.id], 4));
    assert_eq!(read(AuditQuery { organization: Some(acme), ..all.clone() }).await, (vec![ann.id, bob.id, ann.id], 3));
    assert_eq!(read(AuditQuery { subject: Some(ann.id), ..all.clone() }).await, (vec![ann.id, ann.id], 2));
    let own = AuditQuery { organization: Some(acme), subject: Some(bob.id), ..all.clone() };
    assert_eq!(read(own).await, (vec![bob.id], 1));
    let foreign = AuditQuery { organization: Some(globex), subject: Some(ann.id), ..all.clone() };
    assert_eq!(read(foreign).await, (vec![], 0), "another organization's account does not exist");
    assert_eq!(read(AuditQuery { offset: 1, limit: 2, ..all.clone() }).await, (vec![eve.id, bob.id], 4));
    assert_eq!(read(AuditQuery { offset: 9, ..all.clone() }).await, (vec![], 4));
    let newest = world.other.audit(AuditQuery { limit: 1, ..all.clone() }).await.expect("read").rows[0].number;
    let older = AuditQuery { organization: Some(acme), before: Some(newest), ..all };
    assert_eq!(
        read(AuditQuery { limit: 1, ..older.clone() }).await,
        (vec![bob.id], 3),
        "newest first, behind that one"
    );
    assert_eq!(read(AuditQuery { before: Some(0), ..older }).await, (vec![], 3));
}

async fn what_a_later_release_wrote_is_read_by_its_word(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let event = Event { kind: EventKind::CodeRefused, subject: Some(ann.id) };
    world.store.record(ann.organization, event, by(ann.id, at(1))).await.expect("recorded");
    world.place.execute("UPDATE audit SET kind = 'thought_of_later'").await;
    world.store.record(ann.organization, event, by(ann.id, at(2))).await.expect("recorded");
    let log = world.audit_log().await;
    let told: Vec<_> = log.iter().map(|entry| (entry.kind, entry.word.as_str())).collect();
    assert_eq!(told, [(EventKind::Later, "thought_of_later"), (EventKind::CodeRefused, "code_refused")]);
}
