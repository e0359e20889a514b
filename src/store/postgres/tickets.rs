//! Enrollment tickets: one is open for an account, until it is used, another is issued, or it has run out.

use super::connection::Connection;
use super::failure::Outcome;
use super::{accounts, attempts, audit};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId};
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::policy::Authority;
use crate::second_factor::throttle::Bucket;
use crate::second_factor::ticket::TicketDigest;
use crate::store::NewTicket;

pub(super) async fn issue(
    tx: &Connection,
    by: Authority,
    account: AccountId,
    ticket: NewTicket,
    occasion: &Occasion,
) -> Outcome<Option<Account>> {
    let organization = by.organization();
    accounts::lock(tx, account).await?;
    let issued = tx
        .execute(
            "INSERT INTO tickets (account, digest, expires)
             SELECT id, $3, $4 FROM accounts WHERE id = $1 AND organization = $2 AND secret IS NULL
             ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, expires = excluded.expires",
            &[&account, &organization, &ticket.digest, &ticket.expires],
        )
        .await?;
    if issued == 0 {
        return Ok(None);
    }
    attempts::forget(tx, account, Bucket::Ticket).await?;
    audit::enter(tx, organization, Event { kind: EventKind::TicketIssued, subject: Some(account) }, occasion).await?;
    Ok(accounts::by_id(tx, account).await?.map(|(account, _)| account))
}

/// Whether this is the ticket that is open for that account. Nothing is asked of an enrollment without one.
pub(super) async fn is_open(
    db: &Connection,
    account: AccountId,
    ticket: Option<TicketDigest>,
    now: Timestamp,
) -> Outcome<bool> {
    let Some(ticket) = ticket else { return Ok(true) };
    let sql = "SELECT 1 FROM tickets WHERE account = $1 AND digest = $2 AND expires > $3";
    Ok(db.row(sql, &[&account, &ticket, &now]).await?.is_some())
}

/// Whatever ticket is open for an account is none any more.
pub(super) async fn close(tx: &Connection, account: AccountId) -> Outcome<()> {
    tx.execute("DELETE FROM tickets WHERE account = $1", &[&account]).await?;
    Ok(())
}
