//! The embedded engine: one SQLite file beside the gateway, written by one thread and read by a few.
//!
//! Each method of [`Store`] is one piece of work on a connection. What decides something goes through the `writer`,
//! which commits the work of many callers at once; what only looks goes to the `readers`.

mod accounts;
mod administration;
mod attempts;
mod audit;
mod audit_chain;
mod backup;
mod changes;
mod codes;
mod enrollment;
mod guessing;
mod job;
mod key_check;
mod migrations;
mod open;
mod pruning;
mod readers;
mod resealing;
mod restoring;
mod searching;
mod sessions;
mod tallies;
mod tickets;
mod transfer;
mod values;
mod writer;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::Connection;

pub use self::backup::BackupError;
pub use self::open::OpenError;
pub use self::transfer::SqliteClaim;

use self::job::Outcome;
use self::readers::Readers;
use self::writer::Writer;
use super::{
    Acceptance, AccountQuery, AccountRecord, AuditEntry, AuditQuery, AuditRow, ChainEnds, Change, Confirmation, Counts,
    Cursor, Cut, Effect, Ended, EnrolledKey, Expired, Linked, MatchedStep, NewTicket, Page, Place, Resealed, Result,
    SealedSecret, SessionRecord, Sighting, Store, StoreError,
};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Organization, OrganizationId, Requirement};
use crate::second_factor::enrollment::PendingEnrollment;
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::guessing::Alarm;
use crate::second_factor::policy::Authority;
use crate::second_factor::recovery::CodeDigest;
use crate::second_factor::sealing::{KeyMark, Sealed};
use crate::second_factor::session::{PendingSession, SessionId, TokenDigest, VerifiedSession};
use crate::second_factor::throttle::{Bucket, Charge};

/// Connections that read at the same time.
const READERS: usize = 4;

/// A store in one SQLite file, which other processes (the command line) may open at the same time.
///
/// Its methods may be awaited on any runtime. Once a method's work is queued it is done, even if the caller goes away.
/// Dropping the store waits for what is queued.
pub struct SqliteStore {
    // In this order: the writer's connection has to be the last to close.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the store in that file, and makes it if there is none. A backup does not open before [`SqliteStore::take_in`].
    /// Waits for the disk.
    pub fn open(path: &Path) -> std::result::Result<Self, OpenError> {
        let path = absolute(path)?;
        let writing = open::writer(&path)?;
        let reading = (0..READERS).map(|_| open::reader(&path)).collect::<std::result::Result<Vec<_>, _>>()?;
        let writer = Writer::start(writing).map_err(|source| OpenError::Threads { source })?;
        let readers = Readers::start(reading).map_err(|source| OpenError::Threads { source })?;
        Ok(Self { readers, writer })
    }

    /// Makes a backup of the store in that file, as it is at one moment, while it may be in use: `to` must not be there, and
    /// is there once all of it is on disk, with mode 0600. Waits for the disk.
    pub fn back_up(path: &Path, to: &Path) -> std::result::Result<(), BackupError> {
        backup::make(&absolute(path)?, &absolute(to)?)
    }

    /// Has [`Store::restored`] done to a backup that was put at this place, once, whoever comes first. `None`, and nothing
    /// done, if what is there is no backup (any more). Waits for the disk.
    pub fn take_in(path: &Path, occasion: &Occasion) -> std::result::Result<Option<Ended>, OpenError> {
        backup::take_in(&absolute(path)?, occasion)
    }

    async fn write<T, F>(&self, what: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.writer.run(work).await.map_err(|source| StoreError { what, source })
    }

    async fn read<T, F>(&self, what: &'static str, question: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.readers.run(question).await.map_err(|source| StoreError { what, source })
    }
}

/// SQLite would read `file:…` as an address.
fn absolute(path: &Path) -> std::result::Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|source| OpenError::Create { path: path.to_owned(), source })
}

#[async_trait]
impl Store for SqliteStore {
    async fn sight(&self, sighting: Sighting) -> Result<(Account, Organization)> {
        const WHAT: &str = "look up a visitor";
        let (known, sighting) = self.read(WHAT, move |db| Ok((accounts::up_to_date(db, &sighting)?, sighting))).await?;
        match known {
            Some(known) => Ok(known),
            None => self.write(WHAT, move |tx| accounts::sight(tx, &sighting)).await,
        }
    }

    async fn account(&self, id: AccountId) -> Result<Option<(Account, Organization)>> {
        self.read("read an account", move |db| accounts::by_id(db, id)).await
    }

    async fn account_of(&self, organization: OrganizationId, id: AccountId) -> Result<Option<Account>> {
        self.read("read an organization's account", move |db| accounts::of(db, organization, id)).await
    }

    async fn account_of_user(&self, organization: OrganizationId, user: String) -> Result<Option<Account>> {
        self.read("look up an account", move |db| accounts::of_user(db, organization, &user)).await
    }

    async fn open_pending(&self, session: PendingSession, from: Option<IpAddr>) -> Result<()> {
        self.write("open a pending session", move |tx| sessions::open_pending(tx, &session, from)).await
    }

    async fn pending_session(&self, digest: TokenDigest) -> Result<Option<PendingSession>> {
        self.read("read a pending session", move |db| sessions::pending(db, digest)).await
    }

    async fn verified_session(&self, digest: TokenDigest) -> Result<Option<VerifiedSession>> {
        self.read("read a session", move |db| sessions::verified(db, digest)).await
    }

    async fn touch(&self, seen: Vec<(SessionId, Timestamp)>) -> Result<()> {
        self.write("note the use of sessions", move |tx| sessions::touch(tx, &seen)).await
    }

    async fn end_session(&self, digest: TokenDigest, logged: Option<EventKind>, occasion: Occasion) -> Result<bool> {
        self.write("end a session", move |tx| sessions::end_logged(tx, digest, logged, &occasion)).await
    }

    async fn end_own_session(&self, account: AccountId, session: SessionId, occasion: Occasion) -> Result<bool> {
        self.write("end a session", move |tx| sessions::end_own(tx, account, session, &occasion)).await
    }

    async fn sessions_of(&self, account: AccountId) -> Result<Vec<SessionRecord>> {
        self.read("list sessions", move |db| sessions::of(db, account)).await
    }

    async fn charge_attempt(&self, account: AccountId, bucket: Bucket, now: Timestamp) -> Result<Charge> {
        self.write("charge an attempt", move |tx| attempts::charge(tx, account, bucket, now)).await
    }

    async fn enrolled_key(&self, account: AccountId) -> Result<Option<EnrolledKey>> {
        self.read("read a key", move |db| codes::enrolled_key(db, account)).await
    }

    async fn accept_step(
        &self,
        account: AccountId,
        matched: MatchedStep,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance> {
        self.write("accept a code", move |tx| codes::accept_step(tx, account, matched, effect, &occasion)).await
    }

    async fn spend_recovery_code(
        &self,
        account: AccountId,
        code: CodeDigest,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance> {
        self.write("spend a recovery code", move |tx| codes::spend(tx, account, code, effect, &occasion)).await
    }

    async fn start_enrollment(&self, pending: PendingEnrollment) -> Result<Option<PendingEnrollment>> {
        self.write("start an enrollment", move |tx| enrollment::start(tx, pending)).await
    }

    async fn start_replacement(
        &self,
        pending: PendingEnrollment,
        fresh_since: Timestamp,
    ) -> Result<Option<PendingEnrollment>> {
        self.write("start a replacement", move |tx| enrollment::start_replacement(tx, pending, fresh_since)).await
    }

    async fn pending_enrollment(&self, session: TokenDigest, now: Timestamp) -> Result<Option<PendingEnrollment>> {
        self.read("read an enrollment", move |db| enrollment::unexpired(db, session, now)).await
    }

    async fn confirm_enrollment(&self, confirmation: Confirmation, occasion: Occasion) -> Result<Acceptance> {
        self.write("confirm an enrollment", move |tx| enrollment::confirm(tx, confirmation, &occasion)).await
    }

    async fn recovery_codes_left(&self, account: AccountId) -> Result<u32> {
        self.read("count recovery codes", move |db| codes::recovery_codes_left(db, account)).await
    }

    async fn reset_account(&self, by: Authority, account: AccountId, occasion: Occasion) -> Result<Option<Account>> {
        self.write("reset an account", move |tx| administration::reset(tx, by, account, &occasion)).await
    }

    async fn issue_ticket(
        &self,
        by: Authority,
        account: AccountId,
        ticket: NewTicket,
        occasion: Occasion,
    ) -> Result<Option<Account>> {
        self.write("issue a ticket", move |tx| tickets::issue(tx, by, account, ticket, &occasion)).await
    }

    async fn set_requirement(&self, by: Authority, requirement: Requirement, occasion: Occasion) -> Result<bool> {
        self.write("set a requirement", move |tx| administration::set_requirement(tx, by, requirement, &occasion)).await
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRecord>> {
        self.read("list accounts", move |db| administration::accounts(db, &query)).await
    }

    async fn accounts_after(&self, query: AccountQuery, after: Option<AccountId>) -> Result<Vec<AccountRecord>> {
        self.read("list accounts", move |db| administration::accounts_after(db, &query, after)).await
    }

    async fn counts(&self, organization: OrganizationId) -> Result<Counts> {
        self.read("count accounts", move |db| tallies::counts(db, Some(organization))).await
    }

    async fn organizations(&self) -> Result<Vec<Organization>> {
        self.read("list organizations", administration::organizations).await
    }

    async fn record(&self, organization: OrganizationId, event: Event, occasion: Occasion) -> Result<()> {
        self.write("write to the audit log", move |tx| audit::enter(tx, organization, event, &occasion)).await
    }

    async fn record_of_store(&self, kind: EventKind, occasion: Occasion) -> Result<()> {
        self.write("write to the audit log", move |tx| audit::of_store(tx, kind, &occasion)).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Page<AuditEntry>> {
        self.read("read the audit log", move |db| audit::read(db, &query)).await
    }

    async fn chain_ends(&self) -> Result<ChainEnds> {
        self.read("read the audit log", audit_chain::ends).await
    }

    async fn unlinked(&self, after: i64, limit: u64) -> Result<Vec<AuditRow>> {
        self.read("read the audit log", move |db| audit_chain::unlinked(db, after, limit)).await
    }

    async fn link(&self, before: Place, entries: Vec<(i64, Place)>) -> Result<bool> {
        self.write("link the audit log", move |tx| audit_chain::link(tx, before, &entries)).await
    }

    async fn linked(&self, after: i64, limit: u64) -> Result<Vec<Linked>> {
        self.read("read the audit log", move |db| audit_chain::linked(db, after, limit)).await
    }

    async fn audit_rows(&self, after: i64, limit: u64) -> Result<Vec<(AuditRow, Option<Place>)>> {
        self.read("read the audit log", move |db| audit_chain::rows(db, after, limit)).await
    }

    async fn cut_chain(&self, cut: Cut, entries: Vec<i64>) -> Result<u64> {
        self.write("delete old entries of the audit log", move |tx| audit_chain::cut(tx, cut, &entries)).await
    }

    async fn cursor(&self) -> Result<Cursor> {
        self.read("read the change feed", changes::cursor).await
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<(Vec<Change>, Cursor)> {
        self.read("read the change feed", move |db| changes::since(db, cursor)).await
    }

    async fn key_check(&self) -> Result<Option<Sealed>> {
        self.read("read the key check", key_check::read).await
    }

    async fn set_key_check(&self, sealed: Sealed) -> Result<Sealed> {
        self.write("set the key check", move |tx| key_check::set(tx, &sealed)).await
    }

    async fn replace_key_check(&self, old: Sealed, new: Sealed, logged: EventKind, occasion: Occasion) -> Result<bool> {
        self.write("replace the key check", move |tx| key_check::replace(tx, (&old, &new), logged, &occasion)).await
    }

    async fn sealed_by_others(&self, key: KeyMark, after: AccountId, limit: u64) -> Result<Vec<SealedSecret>> {
        self.read("find what other keys sealed", move |db| resealing::by_others(db, key, after, limit)).await
    }

    async fn reseal(&self, secrets: Vec<Resealed>) -> Result<()> {
        self.write("seal secrets anew", move |tx| resealing::reseal(tx, &secrets)).await
    }

    async fn enrollments_sealed_by_others(&self, key: KeyMark, now: Timestamp) -> Result<u64> {
        self.write("find what other keys sealed", move |tx| resealing::enrollments(tx, key, now)).await
    }

    async fn restored(&self, occasion: Occasion) -> Result<Ended> {
        self.write("end what a backup brought back", move |tx| restoring::restored(tx, &occasion)).await
    }

    async fn raise_alarms(&self, occasion: Occasion) -> Result<Vec<Alarm>> {
        const WHAT: &str = "look for guessing";
        let mut raised = Vec::new();
        for suspicion in self.read(WHAT, move |db| guessing::look(db, occasion.at)).await? {
            let occasion = Occasion::clone(&occasion);
            let raise =
                self.write(WHAT, move |tx| Ok(guessing::raise(tx, &suspicion, &occasion)?.then_some(suspicion.alarm)));
            raised.extend(raise.await?);
        }
        Ok(raised)
    }

    async fn prune(&self, expired: Expired, limit: u64) -> Result<u64> {
        self.write("delete what has run out", move |tx| pruning::prune(tx, expired, limit)).await
    }

    async fn ready(&self) -> Result<()> {
        self.write("be written to", |tx| {
            tx.prepare_cached("UPDATE readiness SET checks = checks + 1")?.execute([])?;
            Ok(())
        })
        .await
    }
}
