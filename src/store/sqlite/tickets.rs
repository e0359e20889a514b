//! Enrollment tickets: one is open for an account, until it is used, another is issued, or it has run out.

use rusqlite::{Connection, params};

use super::job::Outcome;
use super::{accounts, attempts, audit};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId};
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::policy::Authority;
use crate::second_factor::throttle::Bucket;
use crate::second_factor::ticket::TicketDigest;
use crate::store::NewTicket;

pub(super) fn issue(
    tx: &Connection,
    by: Authority,
    account: AccountId,
    ticket: NewTicket,
    occasion: &Occasion,
) -> Outcome<Option<Account>> {
    let organization = by.organization();
    let issued = tx
        .prepare_cached(
            "INSERT INTO tickets (account, digest, expires)
             SELECT id, ?3, ?4 FROM accounts WHERE id = ?1 AND organization = ?2 AND secret IS NULL
             ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, expires = excluded.expires",
        )?
        .execute(params![account, organization, ticket.digest, ticket.expires])?;
    if issued == 0 {
        return Ok(None);
    }
    attempts::forget(tx, account, Bucket::Ticket)?;
    audit::enter(tx, organization, Event { kind: EventKind::TicketIssued, subject: Some(account) }, occasion)?;
    Ok(accounts::by_id(tx, account)?.map(|(account, _)| account))
}

/// Whether this is the ticket that is open for that account. Nothing is asked of an enrollment without one.
pub(super) fn is_open(
    db: &Connection,
    account: AccountId,
    ticket: Option<TicketDigest>,
    now: Timestamp,
) -> Outcome<bool> {
    let Some(ticket) = ticket else { return Ok(true) };
    let mut open = db.prepare_cached("SELECT 1 FROM tickets WHERE account = ?1 AND digest = ?2 AND expires > ?3")?;
    Ok(open.exists(params![account, ticket, now])?)
}

/// Whatever ticket is open for an account is none any more.
pub(super) fn close(tx: &Connection, account: AccountId) -> Outcome<()> {
    tx.prepare_cached("DELETE FROM tickets WHERE account = ?1")?.execute([account])?;
    Ok(())
}
