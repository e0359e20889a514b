//! What administrators do: lists, searches, the audit log, resets.

use vestibule::second_factor::event::{Actor, Occasion};
use vestibule::second_factor::policy::Authority;
use vestibule::store::{AccountQuery, AuditQuery, Extent, Page, Store};

use crate::Outcome;
use crate::figures::time;
use crate::filling::Population;
use crate::place::Place;

/// Rows on a page, as the gateway's pages have them.
const ROWS: u64 = 25;

fn query(population: &Population) -> AccountQuery {
    AccountQuery {
        organization: Some(population.asked()),
        enrolled_only: true,
        search: None,
        now: population.now,
        offset: 0,
        limit: ROWS,
    }
}

pub(crate) async fn lists(store: &dyn Store, population: &Population) -> Outcome<()> {
    let counts = store.counts(population.asked()).await?;
    let last = counts.enrolled - ROWS;
    for (what, offset) in [("list, first page", 0), ("list, middle page", last / 2), ("list, last page", last)] {
        time(what, async |_| {
            let page = store.accounts(AccountQuery { offset, ..query(population) }).await?;
            Ok(told(&page))
        })
        .await?;
    }
    time("counts of the organization", async |_| {
        let counts = store.counts(population.asked()).await?;
        Ok(format!("{} of {}", counts.enrolled, counts.accounts))
    })
    .await
}

pub(crate) async fn searches(store: &dyn Store, population: &Population) -> Outcome<()> {
    let one = population.somebody(population.enrolled(population.accounts / 3).0);
    for (what, search) in [
        ("search, a first name", "maria"),
        ("search, the last first name", "Zoe"),
        ("search, a surname", "okafor"),
        ("search, first name and surname", "maria okafor"),
        ("search, in every address", ".example"),
        ("search, in every third address", "1@"),
        ("search, one letter", "e"),
        ("search, two letters that few have", "mz"),
        ("search, two letters that nobody has", "qx"),
        ("search, one address", &one.email),
        ("search, one user id", &one.user),
        ("search, the beginning of user ids", "u12"),
        ("search, the end of numbers", "999@"),
        ("search, nobody", "xyzzy"),
        ("search, nobody, of common parts", "marianna okafor"),
    ] {
        time(&format!("{what} ({search})"), async |_| {
            let search = Some(search.to_owned());
            let page = store.accounts(AccountQuery { search, ..query(population) }).await?;
            Ok(told(&page))
        })
        .await?;
    }
    Ok(())
}

/// Where the server has no index of letters, for whatever it is that most people do not have.
pub(crate) async fn without_letters(place: &Place, store: &dyn Store, population: &Population) -> Outcome<()> {
    match place {
        Place::Sqlite { .. } => return Ok(()),
        Place::Postgres { .. } => place.run("DROP INDEX IF EXISTS accounts_by_search").await?,
    }
    for search in ["maria", "999@", "xyzzy"] {
        time(&format!("search, without the index ({search})"), async |_| {
            let search = Some(search.to_owned());
            Ok(told(&store.accounts(AccountQuery { search, ..query(population) }).await?))
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn audit(store: &dyn Store, population: &Population) -> Outcome<()> {
    let own =
        AuditQuery { organization: Some(population.asked()), subject: None, before: None, offset: 0, limit: ROWS };
    for (what, query) in [
        ("audit log, first page", own.clone()),
        ("audit log, page 400, the last with a number", AuditQuery { offset: 399 * ROWS, ..own.clone() }),
        (
            "audit log, behind an entry in the middle",
            AuditQuery { before: Some(population.entries / 2), ..own.clone() },
        ),
        ("audit log, of all organizations", AuditQuery { organization: None, ..own }),
    ] {
        time(what, async |_| {
            let page = store.audit(query.clone()).await?;
            Ok(told(&page))
        })
        .await?;
    }
    time("audit log, of an account", async |turn| {
        let subject = Some(population.enrolled(turn));
        let page =
            store.audit(AuditQuery { organization: None, subject, before: None, offset: 0, limit: ROWS }).await?;
        Ok(told(&page))
    })
    .await
}

fn told<T>(page: &Page<T>) -> String {
    let extent = match page.extent {
        Extent::Exact => "",
        Extent::AtLeast => " or more",
    };
    format!("{} of {}{extent}", page.rows.len(), page.total)
}

pub(crate) async fn resets(store: &dyn Store, population: &Population) -> Outcome<()> {
    time("reset", async |turn| {
        let account = population.enrolled_besides(turn);
        let occasion = Occasion { at: population.now, actor: Actor::Operator, address: None, request: None };
        let done = store.reset_account(Authority::Operator(population.asked()), account, occasion).await?;
        Ok(if done.is_some() { "done" } else { "there was no key" }.to_owned())
    })
    .await
}
