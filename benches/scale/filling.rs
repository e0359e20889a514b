//! What is in the store: people with the names that people have, and what happened to them in ten months.

use tokio::time::Instant;
use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::{AccountId, OrganizationId};
use vestibule::second_factor::event::{Actor, Occasion};
use vestibule::store::AccountQuery;
use vestibule::store::transfer::{COPIED, Row, Table, Value};

use crate::Outcome;
use crate::place::Place;

/// Rows that go in at once, and until those before are on disk.
const BATCH: i64 = 2_000;
const COMMIT: i64 = 1_000_000;

/// How long ago the first entry of the audit log was, in milliseconds.
const HISTORY: i64 = 300 * 24 * 3600 * 1000;

const FIRST_NAMES: [&str; 40] = [
    "Aaron", "Ada", "Ahmed", "Aiko", "Ana", "Anders", "Bianca", "Boris", "Carlos", "Chen", "Clara", "Daniel", "Dmitri",
    "Elena", "Emma", "Fatima", "Felix", "Grace", "Hana", "Hugo", "Igor", "Ines", "Jakob", "Jana", "Karim", "Lea",
    "Lucas", "Maria", "Mateo", "Mei", "Nadia", "Noah", "Olga", "Pedro", "Priya", "Sofia", "Tomas", "Ulrike", "Yusuf",
    "Zoe",
];
const LAST_NAMES: [&str; 60] = [
    "Abe",
    "Adams",
    "Almeida",
    "Andersson",
    "Bauer",
    "Becker",
    "Bianchi",
    "Brown",
    "Castro",
    "Clark",
    "Costa",
    "Diaz",
    "Dubois",
    "Eriksen",
    "Evans",
    "Fernandes",
    "Fischer",
    "Garcia",
    "Gruber",
    "Haddad",
    "Hansen",
    "Hoffmann",
    "Horvat",
    "Ito",
    "Ivanov",
    "Jensen",
    "Johnson",
    "Kaya",
    "Khan",
    "Kim",
    "Kowalski",
    "Larsen",
    "Lee",
    "Lopez",
    "Martin",
    "Meyer",
    "Moreau",
    "Nguyen",
    "Novak",
    "Okafor",
    "Olsen",
    "Patel",
    "Petrov",
    "Popescu",
    "Ricci",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Suzuki",
    "Takahashi",
    "Taylor",
    "Torres",
    "Virtanen",
    "Wagner",
    "Wang",
    "Yilmaz",
    "Zimmermann",
];

/// How many of what.
#[derive(Clone)]
pub(crate) struct Population {
    pub(crate) accounts: i64,
    pub(crate) entries: i64,
    pub(crate) organizations: i64,
    pub(crate) now: Timestamp,
}

/// Somebody, by their number from 1 on.
pub(crate) struct Somebody {
    pub(crate) number: i64,
    pub(crate) organization: i64,
    pub(crate) user: String,
    pub(crate) name: Option<String>,
    pub(crate) email: String,
}

impl Population {
    pub(crate) fn somebody(&self, number: i64) -> Somebody {
        let dice = scramble(number);
        let (first, last) = (one_of(&FIRST_NAMES, dice), one_of(&LAST_NAMES, dice / 40));
        let organization = number % self.organizations + 1;
        Somebody {
            number,
            organization,
            user: format!("u{}", number * 48_271 % 8_999_993 + 1_000_000),
            name: (dice / 2400 % 20 != 0).then(|| format!("{first} {last}")),
            email: format!("{first}.{last}{number}@org-{organization}.example").to_lowercase(),
        }
    }

    /// The organization that is asked about: one in the middle.
    pub(crate) const fn asked(&self) -> OrganizationId {
        OrganizationId(self.organizations / 2 + 1)
    }

    /// Accounts with a second factor in that organization, always others.
    pub(crate) fn enrolled(&self, turn: i64) -> AccountId {
        self.member(2 * turn * 7_919)
    }

    /// The same, and others than those.
    pub(crate) fn enrolled_besides(&self, turn: i64) -> AccountId {
        self.member(2 * turn * 7_919 + 1)
    }

    /// The next with a second factor, from a member of the organization on; every second member is passed over.
    fn member(&self, from: i64) -> AccountId {
        let members = self.accounts / self.organizations;
        let numbers = (0..).map(|step| (from + 2 * step) % members * self.organizations + self.asked().0 - 1);
        AccountId(numbers.filter(|number| *number > 0).find(|number| is_enrolled(*number)).unwrap_or(1))
    }

    /// When the entry of that number was written.
    pub(crate) fn at(&self, entry: i64) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis() - HISTORY * (self.entries - entry) / self.entries)
    }
}

/// Nine of ten are. Neighbors within an organization differ, whatever its size.
const fn is_enrolled(number: i64) -> bool {
    scramble(number).rem_euclid(10) != 0
}

fn one_of<'n>(names: &[&'n str], dice: i64) -> &'n str {
    let place = dice.unsigned_abs() % names.len() as u64;
    names[usize::try_from(place).unwrap_or(0)]
}

/// A number that looks as if it were drawn by lot (splitmix64).
const fn scramble(number: i64) -> i64 {
    let mut mixed = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 1).cast_signed()
}

/// Fills the store, unless somebody is in it.
pub(crate) async fn fill(place: &Place, population: &Population) -> Outcome<()> {
    let begun = Instant::now();
    let anybody = AccountQuery {
        organization: None,
        enrolled_only: false,
        search: None,
        now: population.now,
        offset: 0,
        limit: 1,
    };
    if place.open().await?.accounts(anybody).await?.total > 0 {
        return Ok(());
    }
    put(place, "organizations", population.organizations, organization).await?;
    put(place, "accounts", population.accounts, |number, column| account(population, number, column)).await?;
    put(place, "recovery_codes", population.accounts, recovery_code).await?;
    put(place, "audit", population.entries, |number, column| entry(population, number, column)).await?;
    let mut claimed = place.claim().await?;
    let occasion = Occasion { at: population.now, actor: Actor::Operator, address: None, request: None };
    claimed.settle(&occasion).await?;
    claimed.commit().await?;
    drop(claimed);
    let Population { accounts, entries, organizations, .. } = population;
    let took = begun.elapsed().as_secs();
    println!("{accounts} accounts in {organizations} organizations, {entries} entries: filled in {took} s");
    Ok(())
}

async fn put(place: &Place, table: &str, count: i64, value: impl Fn(i64, &str) -> Option<Value>) -> Outcome<()> {
    let table: &Table = COPIED.iter().find(|known| known.name == table).ok_or("no such table")?;
    let row = |number| -> Row { table.names().map(|column| value(number, column).unwrap_or(Value::Null)).collect() };
    let mut next = 1;
    while next <= count {
        let mut claimed = place.claim().await?;
        let last = count.min(next + COMMIT - 1);
        while next <= last {
            let until = last.min(next + BATCH - 1);
            claimed.add(table, &(next..=until).map(row).collect::<Vec<_>>()).await?;
            next = until + 1;
        }
        claimed.commit().await?;
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as those who take it return it")]
fn text(text: impl Into<String>) -> Option<Value> {
    Some(Value::Text(text.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "as those who take it return it")]
fn integer(number: i64) -> Option<Value> {
    Some(Value::Integer(number))
}

/// What is in a column, if there is something.
fn organization(number: i64, column: &str) -> Option<Value> {
    match column {
        "id" => integer(number),
        "realm" => text("insights"),
        "name" => text(format!("org-{number}")),
        "requirement" => text("required"),
        _ => None,
    }
}

fn account(population: &Population, number: i64, column: &str) -> Option<Value> {
    let somebody = population.somebody(number);
    let enrolled = is_enrolled(number).then_some(());
    match column {
        "id" => integer(number),
        "organization" => integer(somebody.organization),
        "user_id" => text(somebody.user),
        "email" => text(somebody.email),
        "name" => somebody.name.and_then(text),
        "listing" => {
            let listing = [somebody.name.unwrap_or_default(), somebody.email, somebody.user].join("\n");
            text(listing.to_ascii_lowercase())
        }
        "key_number" => integer(enrolled.map_or(0, |()| 1)),
        "secret" => enrolled.map(|()| Value::Bytes(scramble(number).to_be_bytes().repeat(10))),
        "enrolled_at" => enrolled.and_then(|()| integer(population.at(1).as_millis())),
        "last_step" => enrolled.and_then(|()| integer(1)),
        "last_used" => enrolled.and_then(|()| integer(population.now.as_millis() - number)),
        _ => None,
    }
}

/// As many as there are accounts: ten for every tenth.
fn recovery_code(number: i64, column: &str) -> Option<Value> {
    match column {
        "account" => integer((number + 9) / 10),
        "digest" => Some(Value::Bytes(scramble(number).to_be_bytes().repeat(4))),
        _ => None,
    }
}

fn entry(population: &Population, number: i64, column: &str) -> Option<Value> {
    let somebody = population.somebody(scramble(number).rem_euclid(population.accounts) + 1);
    match column {
        "number" => integer(number),
        "at" => integer(population.at(number).as_millis()),
        "kind" => text(if scramble(number) % 10 == 0 { "code_refused" } else { "verified" }),
        "actor" => text("account"),
        "actor_account" | "subject" => integer(somebody.number),
        "actor_name" | "subject_name" => text(somebody.name.unwrap_or(somebody.email)),
        "organization" => integer(somebody.organization),
        "organization_name" => text(format!("org-{}", somebody.organization)),
        "address" => text(format!("192.0.2.{}", number % 256)),
        "request" => text(format!("{:016x}", scramble(number))),
        _ => None,
    }
}
