//! Lists that are longer than anybody waits for: what is found in them all the same, and what is said of the rest.

use rusqlite::Connection;
use tokio_postgres::Client;
use vestibule::second_factor::account::{AccountId, OrganizationId};
use vestibule::store::{AccountQuery, Extent, Sighting};

use crate::cluster::connect;
use crate::engines::{Place, on_postgres};
use crate::world::{NOON, World, sighting};

on_every_engine! {
    a_search_lists_those_first_who_are_called_so_from_the_beginning,
    a_long_list_has_the_same_pages_from_both_ends,
    what_few_have_is_found_wherever_they_are_in_a_long_list,
    what_many_have_is_found_up_to_a_thousand,
    a_search_that_did_not_look_at_everybody_says_so,
    a_long_list_is_found_in_as_it_is_now,
    a_walk_through_a_list_leaves_nobody_out,
}

/// More than are looked at one after the other.
const CROWD: i64 = 52_000;

/// What is searched for while somebody waits.
fn page(organization: OrganizationId, search: &str) -> AccountQuery {
    AccountQuery {
        organization: Some(organization),
        enrolled_only: false,
        search: Some(search.to_owned()).filter(|search| !search.is_empty()),
        now: NOON,
        offset: 0,
        limit: 25,
    }
}

async fn listed(world: &World, query: AccountQuery) -> (Vec<String>, u64, Extent) {
    let page = world.other.accounts(query).await.expect("listed");
    (page.rows.into_iter().map(|row| row.account.key.user.clone()).collect(), page.total, page.extent)
}

async fn named(world: &World, user: &str, name: &str) {
    let seen = Sighting { name: Some(name.into()), ..sighting("acme", user) };
    world.store.sight(seen).await.expect("sighted");
}

/// An organization with a crowd in it: Member 000001 with the user id u1, and so on. "Zora Quill" is behind all of them.
async fn crowd(world: &World) -> OrganizationId {
    named(world, "zora", "Zora Quill").await;
    let organization = world.organization("acme").await.id;
    let filled = |numbers: &str, digits: &str| {
        format!(
            "INSERT INTO accounts (organization, user_id, name, listing)
             SELECT {0}, 'u' || n, 'Member ' || {digits}, 'member ' || {digits} || {1} || {1} || 'u' || n FROM {numbers}",
            organization.0, "'\n'"
        )
    };
    match &world.place {
        Place::Sqlite(file) => {
            let numbers = format!(
                "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CROWD})
                  SELECT n FROM numbers)"
            );
            let sql = filled(&numbers, "printf('%06d', n)");
            Connection::open(file).expect("opened").execute_batch(&sql).expect("filled");
        }
        Place::Postgres(_) => {
            let server = server(world).await;
            let numbers = format!("generate_series(1, {CROWD}) AS numbers (n)");
            server.batch_execute(&filled(&numbers, "lpad(n::TEXT, 6, '0')")).await.expect("filled");
            let tally = format!("INSERT INTO tallies VALUES ({}, 4711, {CROWD}, 0, 0)", organization.0);
            server.batch_execute(&tally).await.expect("counted");
        }
    }
    organization
}

async fn server(world: &World) -> Client {
    let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
    connect(database).await
}

async fn a_search_lists_those_first_who_are_called_so_from_the_beginning(world: World) {
    named(&world, "1", "Ann Zimmer").await;
    named(&world, "2", "Zimmer, Bob").await;
    named(&world, "3", "bob").await;
    let address = Sighting { email: Some("zimmer@acme.example".into()), ..sighting("acme", "4") };
    world.store.sight(address).await.expect("sighted");
    world.visitor("acme", "zimmer-5").await;
    named(&world, "6", "Zimmer, Ada").await;
    let acme = world.organization("acme").await.id;
    let found = listed(&world, page(acme, "zimMER")).await;
    assert_eq!(found, (["zimmer-5", "4", "6", "2", "1"].map(String::from).to_vec(), 5, Extent::Exact));
    let second = AccountQuery { offset: 3, limit: 2, ..page(acme, "zimmer") };
    assert_eq!(listed(&world, second).await, (["2", "1"].map(String::from).to_vec(), 5, Extent::Exact));
}

async fn a_long_list_has_the_same_pages_from_both_ends(world: World) {
    let acme = crowd(&world).await;
    let everybody = CROWD.unsigned_abs() + 1;
    for offset in [0_u64, 1_000, 25_999, 26_000, 26_001, everybody - 26, everybody - 25, everybody - 1, everybody] {
        let users = |number: u64| if number < everybody { format!("u{number}") } else { "zora".to_owned() };
        let expected: Vec<_> = (offset + 1..=everybody.min(offset + 25)).map(users).collect();
        let found = listed(&world, AccountQuery { offset, ..page(acme, "") }).await;
        assert_eq!(found, (expected, everybody, Extent::Exact), "from {offset} on");
    }
}

async fn what_few_have_is_found_wherever_they_are_in_a_long_list(world: World) {
    let acme = crowd(&world).await;
    for (search, user) in
        [("Zora", "zora"), ("quill", "zora"), ("a q", "zora"), ("051999", "u51999"), ("u51998", "u51998")]
    {
        assert_eq!(listed(&world, page(acme, search)).await, (vec![user.to_owned()], 1, Extent::Exact), "{search}");
    }
    for search in ["xyzzy", "zora member", "\"zora\"", "zor*", "0519_9", "quill\0", "%ora"] {
        assert_eq!(listed(&world, page(acme, search)).await.0, [""; 0], "{search:?}");
    }
    assert_eq!(listed(&world, page(acme, "xyzzy")).await, (vec![], 0, Extent::Exact));
    let elsewhere = world.store.sight(sighting("globex", "zora")).await.expect("sighted").1.id;
    assert_eq!(listed(&world, page(elsewhere, "quill")).await, (vec![], 0, Extent::Exact));
}

async fn what_many_have_is_found_up_to_a_thousand(world: World) {
    let acme = crowd(&world).await;
    let last = AccountQuery { offset: 990, ..page(acme, "member") };
    let users: Vec<_> = (991..=1_000).map(|number| format!("u{number}")).collect();
    assert_eq!(listed(&world, last).await, (users, 1_000, Extent::AtLeast));
    // Everybody has it, and nobody at the beginning.
    let first = listed(&world, page(acme, "mber 00")).await;
    let users: Vec<_> = (1..=25).map(|number| format!("u{number}")).collect();
    assert_eq!(first, (users, 1_000, Extent::AtLeast));
}

async fn a_search_that_did_not_look_at_everybody_says_so(world: World) {
    let acme = crowd(&world).await;
    // Two letters are in no index, and hers come behind those who were looked at.
    assert_eq!(listed(&world, page(acme, "ll")).await, (vec![], 0, Extent::AtLeast));
    assert_eq!(listed(&world, page(acme, "zo")).await, (vec!["zora".into()], 1, Extent::AtLeast));
    let thorough = world.store.accounts_after(page(acme, "ll"), None).await.expect("listed");
    assert_eq!(thorough.len(), 1);
}

async fn a_long_list_is_found_in_as_it_is_now(world: World) {
    let acme = crowd(&world).await;
    named(&world, "zora", "Zelda Ink").await;
    assert_eq!(listed(&world, page(acme, "a ink")).await, (vec!["zora".into()], 1, Extent::Exact));
    assert_eq!(listed(&world, page(acme, "quill")).await, (vec![], 0, Extent::Exact));
    named(&world, "last", "Zz Fountain-Pen").await;
    assert_eq!(listed(&world, page(acme, "tain-p")).await, (vec!["last".into()], 1, Extent::Exact));
    let end = AccountQuery { offset: CROWD.unsigned_abs(), ..page(acme, "") };
    let ends = (vec!["zora".into(), "last".into()], CROWD.unsigned_abs() + 2, Extent::Exact);
    assert_eq!(listed(&world, end).await, ends);
}

async fn a_walk_through_a_list_leaves_nobody_out(world: World) {
    for user in ["a", "b", "c", "d", "e"] {
        named(&world, user, "Ann").await;
        world.store.sight(sighting("globex", user)).await.expect("sighted");
    }
    named(&world, "x", "Bob").await;
    let acme = world.organization("acme").await.id;
    for (query, expected) in [
        (page(acme, ""), vec!["a", "b", "c", "d", "e", "x"]),
        (page(acme, "aNn"), vec!["a", "b", "c", "d", "e"]),
        (page(acme, "%"), vec![]),
        (AccountQuery { organization: None, ..page(acme, "b") }, vec!["b", "b", "x"]),
    ] {
        let (mut walked, mut after): (Vec<String>, Option<AccountId>) = (vec![], None);
        let query = AccountQuery { limit: 2, ..query };
        loop {
            let rows = world.other.accounts_after(query.clone(), after).await.expect("listed");
            let Some(last) = rows.last() else { break };
            assert!(rows.len() <= 2);
            after = Some(last.account.id);
            walked.extend(rows.iter().map(|row| row.account.key.user.clone()));
        }
        assert_eq!(walked, expected, "{query:?}");
    }
}

#[test]
fn without_the_index_of_letters_a_search_looks_at_everybody() {
    on_postgres(async |world: World| {
        let acme = crowd(&world).await;
        server(&world).await.batch_execute("DROP INDEX accounts_by_search").await.expect("dropped");
        assert_eq!(listed(&world, page(acme, "quill")).await, (vec!["zora".into()], 1, Extent::Exact));
        assert_eq!(listed(&world, page(acme, "xyzzy")).await, (vec![], 0, Extent::Exact));
    });
}
