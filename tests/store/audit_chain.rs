//! The chain of the audit log: what was changed, moved, put in or taken out is found, and named.

use std::sync::Arc;

use rusqlite::Connection;
use vestibule::audit_chain::{Flaw, Verdict, forget, grow, verify};
use vestibule::second_factor::digests::{DigestKeys, Link};
use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::key_check::KeyCheck;
use vestibule::second_factor::sealing::Keyring;
use vestibule::store::{self, Cut};

use crate::cluster::connect;
use crate::engines::{Place, on_postgres};
use crate::world::{World, at, by_operator};

on_every_engine! {
    a_log_that_nobody_touched_is_as_it_was_linked,
    a_changed_entry_is_named_whatever_was_changed,
    an_entry_that_was_taken_out_is_missed,
    entries_that_changed_places_are_named,
    an_entry_that_was_put_in_is_named,
    an_end_that_was_cut_off_is_missed_by_whoever_noted_it,
    an_end_that_was_moved_is_found,
    an_entry_is_linked_to_those_before_by_the_key_alone,
    gateways_that_link_at_once_make_one_chain,
    a_gateway_that_was_overtaken_links_nothing_twice,
    what_was_written_before_there_was_a_chain_is_linked_too,
    a_beginning_that_was_too_old_is_not_missed,
    a_beginning_that_somebody_else_cut_off_is_missed,
    what_was_deleted_by_a_gateway_of_before_is_missed_until_more_is_too_old,
    nothing_is_deleted_on_the_word_of_a_changed_entry,
    a_cut_is_within_the_chain,
    gateways_that_link_and_forget_at_once_leave_one_chain,
}

pub(crate) fn keys(byte: u8) -> DigestKeys {
    KeyCheck::new(&Keyring::parse(&Keyring::new_file(&[byte; 32])).expect("a key file")).digests
}

/// Somebody with database access does something.
async fn tampers(world: &World, sql: &str) {
    match &world.place {
        Place::Sqlite(file) => Connection::open(file).expect("opened").execute_batch(sql).expect("good SQL"),
        Place::Postgres(database) => connect(database).await.batch_execute(sql).await.expect("good SQL"),
    }
}

/// Ten entries, a second apart from noon on, all linked.
async fn linked(world: &World) -> Vec<i64> {
    write(world, 10).await;
    link(world).await;
    world.audit_log().await.iter().map(|entry| entry.number).collect()
}

async fn write(world: &World, entries: i64) {
    for second in 0..entries {
        world.store.record_of_store(EventKind::KeyAdded, by_operator(at(second))).await.expect("written");
    }
}

async fn link(world: &World) {
    grow(world.store.as_ref(), &keys(1)).await.expect("linked");
}

async fn forgets(world: &World, before: i64) -> u64 {
    forget(world.store.as_ref(), &keys(1), at(before), 500).await.expect("forgotten")
}

async fn verified(world: &World, noted: Option<store::Place>) -> Verdict {
    verify(world.other.as_ref(), &keys(1), noted).await.expect("verified")
}

async fn flaws(world: &World) -> Vec<Flaw> {
    verified(world, None).await.flaws
}

async fn end(world: &World) -> store::Place {
    world.store.chain_ends().await.expect("read").last
}

fn gone(places: [i64; 2], entries: &[i64]) -> Flaw {
    let (Some(&first_entry), Some(&last_entry)) = (entries.first(), entries.last()) else { panic!("no entries") };
    Flaw::Gone { first: places[0], last: places[1], first_entry, last_entry }
}

async fn a_log_that_nobody_touched_is_as_it_was_linked(world: World) {
    assert_eq!(verified(&world, None).await.entries, 0);
    let ann = world.person("acme", "ann").await;
    world.sign_in(ann.id, 101, at(1)).await;
    linked(&world).await;
    write(&world, 3).await;
    let verdict = verified(&world, None).await;
    assert_eq!((verdict.entries, verdict.new, verdict.flaws.as_slice()), (12, 3, &[][..]));
    grow(world.other.as_ref(), &keys(1)).await.expect("linked");
    let verdict = verified(&world, Some(verdict.end)).await;
    assert_eq!((verdict.entries, verdict.new, verdict.flaws.as_slice()), (15, 0, &[][..]));
    assert_eq!((verdict.cut, verdict.end), (0, end(&world).await));
    assert_eq!(world.audit_log().await.len(), 15, "the log itself reads as before");
}

async fn a_changed_entry_is_named_whatever_was_changed(world: World) {
    let entries = linked(&world).await;
    let changes = [
        "at = at + 1",
        "kind = 'key_retired'",
        "kind = 'nothing that is known'",
        "actor = 'gateway'",
        "actor = 'account', actor_account = 1",
        "actor_name = ''",
        "subject = 1",
        "subject_name = 'eve'",
        "organization = 1",
        "organization_name = 'acme'",
        "address = '192.0.2.1'",
        "address = 'nowhere'",
        "request = 'r'",
    ];
    tampers(&world, "CREATE TABLE before AS SELECT * FROM audit").await;
    for change in changes {
        let entry = entries[4];
        tampers(&world, &format!("UPDATE audit SET {change} WHERE number = {entry}")).await;
        assert_eq!(flaws(&world).await, [Flaw::Changed { place: 5, entry }], "{change}");
        tampers(&world, "DELETE FROM audit; INSERT INTO audit SELECT * FROM before").await;
        assert_eq!(flaws(&world).await, [], "as it was");
    }
    tampers(&world, "UPDATE audit_chain SET link = (SELECT link FROM audit_chain WHERE place = 4) WHERE place = 5")
        .await;
    let expected = [(5, 4), (6, 5)].map(|(place, index)| Flaw::Changed { place, entry: entries[index] });
    assert_eq!(flaws(&world).await, expected, "what is linked to a link that was changed can't be told from it");
}

async fn an_entry_that_was_taken_out_is_missed(world: World) {
    let entries = linked(&world).await;
    tampers(&world, &format!("DELETE FROM audit WHERE number IN ({}, {})", entries[3], entries[4])).await;
    assert_eq!(flaws(&world).await, [gone([4, 5], &entries[3..5])]);
    tampers(&world, "DELETE FROM audit_chain WHERE place IN (4, 5)").await;
    assert_eq!(flaws(&world).await, [Flaw::Missing { first: 4, last: 5 }]);
    // Moved together, the rest does not follow from what is left before it.
    for place in 6..=10 {
        tampers(&world, &format!("UPDATE audit_chain SET place = {} WHERE place = {place}", place - 2)).await;
    }
    let moved = (4..=8).zip(&entries[5..]).map(|(place, &entry)| Flaw::Changed { place, entry });
    let expected: Vec<_> = moved.chain([Flaw::Missing { first: 9, last: 10 }]).collect();
    assert_eq!(flaws(&world).await, expected);
}

async fn entries_that_changed_places_are_named(world: World) {
    let entries = linked(&world).await;
    for (from, to) in [(3, 0), (4, 3), (0, 4)] {
        tampers(&world, &format!("UPDATE audit_chain SET place = {to} WHERE place = {from}")).await;
    }
    let found = flaws(&world).await;
    assert!(found.contains(&Flaw::Changed { place: 3, entry: entries[3] }), "{found:?}");
    assert!(found.contains(&Flaw::Changed { place: 4, entry: entries[2] }), "{found:?}");
}

async fn an_entry_that_was_put_in_is_named(world: World) {
    let entries = linked(&world).await;
    // PostgreSQL needs to know that nobody writes any more who has drawn a number.
    write(&world, 1).await;
    link(&world).await;
    let columns = "at, kind, actor, organization, organization_name";
    let copied = |number: i64| {
        format!(
            "INSERT INTO audit (number, {columns}) SELECT {number}, {columns} FROM audit WHERE number = {}",
            entries[6]
        )
    };
    tampers(&world, &copied(-7)).await;
    link(&world).await;
    assert_eq!(flaws(&world).await, [Flaw::Unlinked { entry: -7 }]);
    tampers(&world, "DELETE FROM audit WHERE number = -7").await;
    tampers(&world, "DELETE FROM audit_chain WHERE place = 5").await;
    link(&world).await;
    let expected = [Flaw::Missing { first: 5, last: 5 }, Flaw::Unlinked { entry: entries[4] }];
    assert_eq!(flaws(&world).await, expected, "one whose place was taken away gets no other");
}

async fn an_end_that_was_cut_off_is_missed_by_whoever_noted_it(world: World) {
    linked(&world).await;
    let noted = Some(end(&world).await);
    let cut_off = "DELETE FROM audit WHERE number IN (SELECT entry FROM audit_chain WHERE place > 8);
                   DELETE FROM audit_chain WHERE place > 8;";
    tampers(&world, cut_off).await;
    assert_eq!(flaws(&world).await, [Flaw::Missing { first: 9, last: 10 }], "its end is written down");
    let unseen = "UPDATE audit_chain_ends SET place = 8, link = (SELECT link FROM audit_chain WHERE place = 8)";
    tampers(&world, unseen).await;
    assert_eq!(flaws(&world).await, [], "nothing else can show it");
    assert_eq!(verified(&world, noted).await.flaws, [Flaw::NotAsNoted { place: 10 }]);
    write(&world, 5).await;
    link(&world).await;
    let found = verified(&world, noted).await.flaws;
    assert!(found.contains(&Flaw::NotAsNoted { place: 10 }), "another one stands there now: {found:?}");
}

async fn an_end_that_was_moved_is_found(world: World) {
    linked(&world).await;
    let moved = "UPDATE audit_chain_ends SET place = 8, link = (SELECT link FROM audit_chain WHERE place = 8)";
    tampers(&world, moved).await;
    assert_eq!(flaws(&world).await, [Flaw::EndMoved { place: 8 }]);
    write(&world, 1).await;
    grow(world.store.as_ref(), &keys(1)).await.expect_err("there is something behind the end");
    assert_eq!(flaws(&world).await, [Flaw::EndMoved { place: 8 }]);
}

async fn an_entry_is_linked_to_those_before_by_the_key_alone(world: World) {
    let entries = linked(&world).await;
    let verdict = verify(world.store.as_ref(), &keys(2), None).await.expect("verified");
    let all: Vec<_> = (1..).zip(&entries).map(|(place, &entry)| Flaw::Changed { place, entry }).collect();
    assert_eq!(verdict.flaws, all);
}

async fn gateways_that_link_at_once_make_one_chain(world: World) {
    for _ in 0..10 {
        write(&world, 20).await;
        let links: Vec<_> = [&world.store, &world.other, &world.store, &world.other]
            .map(|store| {
                let store = Arc::clone(store);
                tokio::spawn(async move { grow(store.as_ref(), &keys(1)).await })
            })
            .into();
        for link in links {
            link.await.expect("no panic").expect("linked, or overtaken");
        }
    }
    let verdict = verified(&world, None).await;
    assert_eq!((verdict.entries, verdict.new, verdict.flaws.as_slice()), (200, 0, &[][..]));
}

async fn a_gateway_that_was_overtaken_links_nothing_twice(world: World) {
    linked(&world).await;
    let before = end(&world).await;
    write(&world, 1).await;
    let new = world.other.unlinked(i64::MIN, 10).await.expect("read");
    let slow = vec![(new[0].number, store::Place { number: before.number + 1, link: Link([7; 32]) })];
    link(&world).await;
    // Even where nothing of it is left that the slow one could run into.
    tampers(&world, "DELETE FROM audit_chain WHERE place = 11").await;
    assert!(!world.other.link(before, slow).await.expect("answered"));
    assert_eq!(end(&world).await.number, 11);
    let vanished = vec![(4711, store::Place { number: 12, link: Link([7; 32]) })];
    assert!(
        !world.other.link(end(&world).await, vanished).await.expect("answered"),
        "an entry that is gone has no place"
    );
    assert_eq!(end(&world).await.number, 11);
}

async fn what_was_written_before_there_was_a_chain_is_linked_too(world: World) {
    write(&world, 10).await;
    tampers(&world, "DROP TABLE audit_chain; DROP TABLE audit_chain_ends;").await;
    let upgrade = match &world.place {
        Place::Sqlite(_) => include_str!("../../src/store/sqlite/migrations/0002_audit_chain.sql"),
        Place::Postgres(_) => include_str!("../../src/store/postgres/migrations/0002_audit_chain.sql"),
    };
    tampers(&world, upgrade).await;
    let world = World::at(world.place).await;
    let before = world.audit_log().await;
    link(&world).await;
    let verdict = verified(&world, None).await;
    assert_eq!((verdict.entries, verdict.new, verdict.flaws.as_slice()), (10, 0, &[][..]));
    assert_eq!(world.audit_log().await, before);
}

async fn a_beginning_that_was_too_old_is_not_missed(world: World) {
    linked(&world).await;
    let noted = world.other.linked(2, 3).await.expect("read").into_iter().map(|linked| linked.place);
    let [third, fourth, fifth] = noted.collect::<Vec<_>>()[..] else { panic!("three places") };
    assert_eq!(forgets(&world, 4).await, 4);
    let verdict = verified(&world, Some(fifth)).await;
    assert_eq!((verdict.entries, verdict.cut, verdict.flaws.as_slice()), (6, 4, &[][..]));
    assert_eq!(verified(&world, Some(fourth)).await.flaws, [], "what is left begins with it");
    assert_eq!(verified(&world, Some(third)).await.flaws, [Flaw::NotedIsOld { place: 3 }]);
    let forged = Some(store::Place { link: Link([7; 32]), ..fourth });
    assert_eq!(verified(&world, forged).await.flaws, [Flaw::NotAsNoted { place: 4 }]);
    write(&world, 2).await;
    link(&world).await;
    assert_eq!(forgets(&world, 100).await, 7, "but for the newest");
    let verdict = verified(&world, None).await;
    assert_eq!((verdict.entries, verdict.cut, verdict.flaws.as_slice()), (1, 11, &[][..]));
}

async fn a_beginning_that_somebody_else_cut_off_is_missed(world: World) {
    let entries = linked(&world).await;
    assert_eq!(forgets(&world, 2).await, 2);
    let cut_off = |place| {
        format!(
            "DELETE FROM audit WHERE number IN (SELECT entry FROM audit_chain WHERE place <= {place});
             DELETE FROM audit_chain WHERE place <= {place};"
        )
    };
    tampers(&world, "CREATE TABLE old AS SELECT * FROM audit_chain_ends").await;
    tampers(&world, &cut_off(4)).await;
    assert_eq!(flaws(&world).await, [Flaw::Missing { first: 3, last: 4 }]);
    let forged = "UPDATE audit_chain_ends SET cut = 5, cut_link = (SELECT link FROM audit_chain WHERE place = 5)";
    tampers(&world, &format!("{forged}; {}", cut_off(5))).await;
    assert_eq!(flaws(&world).await, [Flaw::ForgedCut { place: 5 }, Flaw::Missing { first: 1, last: 5 }]);
    // When what comes next is too old, so is what was cut off.
    assert_eq!(forgets(&world, 8).await, 3);
    assert_eq!((flaws(&world).await, verified(&world, None).await.cut), (vec![], 8));
    tampers(&world, "DELETE FROM audit_chain_ends; INSERT INTO audit_chain_ends SELECT * FROM old").await;
    assert_eq!(flaws(&world).await, [Flaw::Missing { first: 3, last: 8 }], "an older word is not enough");
    assert_eq!(world.audit_log().await.iter().map(|entry| entry.number).collect::<Vec<_>>(), entries[8..]);
}

async fn what_was_deleted_by_a_gateway_of_before_is_missed_until_more_is_too_old(world: World) {
    let entries = linked(&world).await;
    tampers(&world, &format!("DELETE FROM audit WHERE number <= {}", entries[2])).await;
    assert_eq!(flaws(&world).await, [gone([1, 3], &entries[..3])]);
    assert_eq!(forgets(&world, 3).await, 0, "nothing of what is there is too old");
    assert_eq!(flaws(&world).await, [gone([1, 3], &entries[..3])]);
    assert_eq!(forgets(&world, 5).await, 2);
    let verdict = verified(&world, None).await;
    assert_eq!((verdict.entries, verdict.cut, verdict.flaws.as_slice()), (5, 5, &[][..]));
}

async fn nothing_is_deleted_on_the_word_of_a_changed_entry(world: World) {
    let entries = linked(&world).await;
    tampers(&world, "UPDATE audit SET at = 0").await;
    assert_eq!(forgets(&world, 5).await, 0);
    assert_eq!(world.audit_log().await.len(), entries.len());
    assert_eq!(flaws(&world).await.len(), entries.len());
}

async fn a_cut_is_within_the_chain(world: World) {
    linked(&world).await;
    let cut = |place: store::Place| Cut { place, seal: keys(1).cut(place.number, place.link) };
    let ends = async || world.store.chain_ends().await.expect("read");
    assert_eq!(world.store.cut_chain(cut(ends().await.last), vec![]).await.expect("answered"), 0);
    assert_eq!(ends().await.cut, None, "the last stays");
    assert_eq!(forgets(&world, 4).await, 4);
    let there = ends().await.cut.expect("a cut");
    let earlier = cut(store::Place { number: 3, ..there.place });
    assert_eq!(world.store.cut_chain(earlier, vec![]).await.expect("answered"), 0);
    assert_eq!(ends().await.cut, Some(there), "nothing comes back");
}

async fn gateways_that_link_and_forget_at_once_leave_one_chain(world: World) {
    for round in 1..=10 {
        for second in 0..20 {
            let occasion = by_operator(at(round * 20 + second));
            world.store.record_of_store(EventKind::KeyAdded, occasion).await.expect("written");
        }
        let work = [&world.store, &world.other, &world.store, &world.other].map(|store| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                grow(store.as_ref(), &keys(1)).await.expect("linked, or overtaken");
                forget(store.as_ref(), &keys(1), at(round * 20), 7).await.expect("forgotten, or overtaken")
            })
        });
        for done in work {
            done.await.expect("no panic");
        }
        let verdict = verified(&world, None).await;
        assert_eq!((verdict.new, verdict.flaws.as_slice()), (0, &[][..]), "{verdict:?}");
    }
    let left = world.audit_log().await.len() as u64;
    let verdict = verified(&world, None).await;
    assert!(left < 200 && verdict.cut > 0, "some of them are old");
    assert_eq!((verdict.entries, verdict.end.number), (left, 200));
}

#[test]
fn an_entry_that_is_committed_late_is_linked_as_well() {
    on_postgres(async |world: World| {
        let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
        write(&world, 1).await;
        let mut slow = connect(database).await;
        let late = slow.transaction().await.expect("begun");
        let entry = "INSERT INTO audit (at, kind, actor, organization, organization_name)
                     VALUES (0, 'key_added', 'operator', 0, '') RETURNING number";
        let number: i64 = late.query_one(entry, &[]).await.expect("written").get(0);
        // So many that gateways would like to know whether anybody still writes.
        let many = "INSERT INTO audit (at, kind, actor, organization, organization_name)
                    SELECT n, 'key_added', 'operator', 0, '' FROM generate_series(1, 3000) n";
        connect(database).await.execute(many, &[]).await.expect("written");
        link(&world).await;
        assert_eq!(end(&world).await.number, 3001);
        assert!(world.store.chain_ends().await.expect("read").settled < number, "somebody still writes");
        late.commit().await.expect("committed");
        assert_eq!(verified(&world, None).await.new, 1);
        link(&world).await;
        assert_eq!((end(&world).await.number, flaws(&world).await), (3002, vec![]));
        write(&world, 1).await;
        link(&world).await;
        write(&world, 1).await;
        link(&world).await;
        assert!(world.store.chain_ends().await.expect("read").settled > number, "nobody does any more");
    });
}
