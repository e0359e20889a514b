//! `vestibule accounts`: who has a second factor, the reset of a lost key, and tickets for those who have none.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::ticket::TicketOffice;
use super::{Common, Failed, occasion, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Factor, OrganizationId};
use crate::second_factor::policy::Authority;
use crate::store::{AccountQuery, AccountRecord, Store};

/// How many rows are read from the store at a time.
const BATCH: u64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Accounts {
    /// Accounts, by name
    List(List),
    /// One account: its factor, its sessions
    Show(Which),
    /// Throw an account's key away: its user enrolls a new one at the next login
    Reset(Which),
    /// Issue a ticket, where enrollment takes one: for an account without an authenticator, in place of its last ticket
    Ticket(Which),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    within: Within,
    /// Only those with a second factor
    #[arg(long)]
    enrolled: bool,
    /// Only those whose name, e-mail address or user id contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The account's number, its user id or its e-mail address
    account: String,
    #[command(flatten)]
    within: Within,
}

#[derive(Debug, Args)]
struct Within {
    /// Only in this organization
    #[arg(long)]
    organization: Option<String>,
    /// Only in this realm
    #[arg(long)]
    realm: Option<String>,
}

impl Within {
    fn contains(&self, account: &Account) -> bool {
        self.organization.as_ref().is_none_or(|name| *name == account.key.organization)
            && self.realm.as_ref().is_none_or(|name| *name == account.key.realm)
    }
}

impl Accounts {
    pub(super) async fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        let (config, store) = common.open().await?;
        match self {
            Self::List(list) => list.run(common, store.as_ref()).await,
            Self::Show(which) => show(common, store.as_ref(), &which).await,
            Self::Reset(which) => reset(common, &config, store.as_ref(), &which).await,
            Self::Ticket(which) => ticket(common, &config, store.as_ref(), &which).await,
        }
    }
}

impl List {
    async fn run(&self, common: &Common, store: &dyn Store) -> Result<ExitCode, Failed> {
        let organizations = self.organizations(store).await?;
        let mut records = Vec::new();
        for organization in organizations {
            let query = AccountQuery {
                organization,
                enrolled_only: self.enrolled,
                search: self.search.clone(),
                now: Clock::system().now(),
                offset: 0,
                limit: BATCH,
            };
            records.extend(all(store, query).await?.into_iter().filter(|r| self.within.contains(&r.account)));
        }
        if common.json {
            output::json(&records.iter().map(document).collect::<Vec<_>>().into());
        } else {
            let head = ["ACCOUNT", "ORGANIZATION", "USER", "NAME", "E-MAIL", "SECOND FACTOR", "LAST USED"];
            output::table(&head, &records.iter().map(row).collect::<Vec<_>>());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The organizations to list one by one; `None` is all of them at once.
    async fn organizations(&self, store: &dyn Store) -> Result<Vec<Option<OrganizationId>>, Failed> {
        let Some(name) = &self.within.organization else { return Ok(vec![None]) };
        let all = store.organizations().await?;
        Ok(all.into_iter().filter(|o| o.name == *name).map(|o| Some(o.id)).collect())
    }
}

async fn all(store: &dyn Store, query: AccountQuery) -> Result<Vec<AccountRecord>, Failed> {
    let mut records: Vec<AccountRecord> = Vec::new();
    loop {
        let after = records.last().map(|record| record.account.id);
        let next = store.accounts_after(query.clone(), after).await?;
        if next.is_empty() {
            return Ok(records);
        }
        records.extend(next);
    }
}

async fn show(common: &Common, store: &dyn Store, which: &Which) -> Result<ExitCode, Failed> {
    let record = find(store, which).await?;
    let sessions = store.sessions_of(record.account.id).await?;
    if common.json {
        let mut shown = document(&record);
        let sessions: Vec<_> = sessions
            .iter()
            .map(|s| {
                json!({
                    "verified_at": s.session.verified_at.rfc3339(), "last_used": s.session.last_seen.rfc3339(),
                    "address": s.address.map(|a| a.to_string()), "browser": s.browser,
                })
            })
            .collect();
        if let Some(members) = shown.as_object_mut() {
            members.insert("sessions".to_owned(), sessions.into());
        }
        output::json(&shown);
        return Ok(ExitCode::SUCCESS);
    }
    let account = &record.account;
    for (name, value) in [
        ("account", account.id.0.to_string()),
        ("realm", account.key.realm.clone()),
        ("organization", account.key.organization.clone()),
        ("user", account.key.user.clone()),
        ("name", account.name.clone().unwrap_or_default()),
        ("e-mail", account.email.clone().unwrap_or_default()),
        ("second factor", factor(&record)),
        ("recovery codes left", record.recovery_codes_left.to_string()),
        ("sessions", sessions.len().to_string()),
    ] {
        output::line(&format!("{name:20}{value}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn reset(common: &Common, config: &Config, store: &dyn Store, which: &Which) -> Result<ExitCode, Failed> {
    let account = find(store, which).await?.account;
    // Before anything is done: without the key file there would be no ticket.
    let tickets = TicketOffice::of(config, store, &account).await?;
    let authority = Authority::Operator(account.organization);
    let done = store.reset_account(authority, account.id, occasion()).await?;
    let name = account.display_name();
    let Some(account) = done else { return Err(format!("{name} has no key to throw away").into()) };
    let ticket = match tickets {
        Some(tickets) => tickets.issue(store, &account).await?,
        None => None,
    };
    if common.json {
        let mut document =
            Map::from_iter([("account".to_owned(), account.id.0.into()), ("reset".to_owned(), true.into())]);
        ticket.inspect(|ticket| ticket.add_to(&mut document));
        output::json(&document.into());
    } else {
        output::line(&format!(
            "{name}: the key, the recovery codes and every session are gone; a new authenticator is enrolled at the next login"
        ));
        ticket.inspect(|ticket| ticket.tell(name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn ticket(common: &Common, config: &Config, store: &dyn Store, which: &Which) -> Result<ExitCode, Failed> {
    let account = find(store, which).await?.account;
    let (name, realm) = (account.display_name(), &account.key.realm);
    let Some(tickets) = TicketOffice::of(config, store, &account).await? else {
        return Err(format!(
            "{name} needs no ticket: no site of the realm {realm:?} has guard = \"ticket\" in [site.enrollment]"
        )
        .into());
    };
    let Some(ticket) = tickets.issue(store, &account).await? else {
        return Err(format!(
            "{name} needs no ticket, having an authenticator: `vestibule accounts reset` throws it away and issues one"
        )
        .into());
    };
    if common.json {
        let mut document = Map::from_iter([("account".to_owned(), account.id.0.into())]);
        ticket.add_to(&mut document);
        output::json(&document.into());
    } else {
        ticket.tell(name);
    }
    Ok(ExitCode::SUCCESS)
}

/// The one account that a number, a user id or an e-mail address names.
async fn find(store: &dyn Store, which: &Which) -> Result<AccountRecord, Failed> {
    let asked = &which.account;
    let is_asked =
        |a: &Account| a.key.user == *asked || a.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(asked));
    let mut query = AccountQuery {
        organization: None,
        enrolled_only: false,
        search: Some(asked.clone()),
        now: Clock::system().now(),
        offset: 0,
        limit: BATCH,
    };
    let by_name = all(store, query.clone()).await?.into_iter().filter(|r| is_asked(&r.account));
    let mut found: Vec<_> = by_name.filter(|r| which.within.contains(&r.account)).collect();
    if found.is_empty()
        && let Ok(number) = asked.parse()
        && let Some((account, organization)) = store.account(AccountId(number)).await?
        && which.within.contains(&account)
    {
        query.organization = Some(organization.id);
        query.search = Some(account.key.user.clone());
        found = all(store, query).await?.into_iter().filter(|r| r.account.id == account.id).collect();
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(format!("no account {asked:?}: `vestibule accounts list` shows those that were seen").into()),
        _ => {
            let names: Vec<_> = found
                .iter()
                .map(|r| format!("{} ({} in {})", r.account.id.0, r.account.key.user, r.account.key.organization))
                .collect();
            Err(format!("{asked:?} names several accounts: {}; give the number, or --organization", names.join(", "))
                .into())
        }
    }
}

fn factor(record: &AccountRecord) -> String {
    match record.account.factor {
        Factor::NotEnrolled => "off".to_owned(),
        Factor::Reset { at } => format!("reset {}", at.rfc3339()),
        Factor::Enrolled { since, .. } if record.locked => format!("locked (on since {})", since.rfc3339()),
        Factor::Enrolled { since, .. } => format!("on since {}", since.rfc3339()),
    }
}

fn last_used(account: &Account) -> Option<String> {
    match account.factor {
        Factor::Enrolled { last_used, .. } => last_used.map(Timestamp::rfc3339),
        Factor::NotEnrolled | Factor::Reset { .. } => None,
    }
}

fn row(record: &AccountRecord) -> Vec<String> {
    let account = &record.account;
    vec![
        account.id.0.to_string(),
        account.key.organization.clone(),
        account.key.user.clone(),
        account.name.clone().unwrap_or_default(),
        account.email.clone().unwrap_or_default(),
        factor(record),
        last_used(account).unwrap_or_default(),
    ]
}

fn document(record: &AccountRecord) -> Value {
    let account = &record.account;
    let (state, since) = match account.factor {
        Factor::NotEnrolled => ("off", None),
        Factor::Reset { at } => ("reset", Some(at)),
        Factor::Enrolled { since, .. } => ("on", Some(since)),
    };
    json!({
        "account": account.id.0,
        "realm": account.key.realm,
        "organization": account.key.organization,
        "user": account.key.user,
        "name": account.name,
        "email": account.email,
        "second_factor": state,
        "since": since.map(Timestamp::rfc3339),
        "last_used": last_used(account),
        "locked": record.locked,
        "recovery_codes_left": record.recovery_codes_left,
    })
}
