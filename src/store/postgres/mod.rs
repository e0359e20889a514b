//! The engine for several gateways: a PostgreSQL server that all of them ask.
//!
//! Each method of [`Store`] is one transaction, which begins by locking the account it decides about. Whatever else it
//! reads and writes belongs to that account, so nobody else changes it meanwhile; the next to have the lock sees it as it
//! was left. That holds at PostgreSQL's weakest isolation, and at stronger ones, where the losing transaction is tried
//! again. Nothing but SQL is asked of the server, and triggers in PL/pgSQL: no notifications, no advisory locks, no
//! extension that it can't do without, no clock.

mod accounts;
mod administration;
mod attempts;
mod audit;
mod audit_chain;
mod changes;
mod codes;
mod connection;
mod enrollment;
mod failure;
mod guessing;
mod key_check;
mod migrations;
mod open;
mod pool;
mod pruning;
mod resealing;
mod restoring;
mod searching;
mod sessions;
mod settings;
mod tallies;
mod tickets;
mod tls;
mod transfer;
mod values;
mod worker;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::ClientConfig;

pub use self::open::OpenError;
pub use self::settings::{Database, Host, Password, Server};
pub use self::transfer::PostgresClaim;

use self::audit_chain::Quiet;
use self::changes::{News, Standstill};
use self::connection::Connection;
use self::failure::Outcome;
use self::tls::Tls;
use self::worker::{MIGRATION, Worker};
use super::search::Sought;
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

/// A store in one database of a PostgreSQL server, which any number of gateways and command lines use at the same time.
///
/// Its methods may be awaited on any runtime. Once a method's work is queued it is done, even if the caller goes away.
/// Dropping the store waits for what is queued.
pub struct PostgresStore {
    worker: Worker,
    standstill: Standstill,
    quiet: Quiet,
}

impl PostgresStore {
    /// Opens the store in that database, and makes it if there is none yet. With `tls` nothing is said but over TLS, to
    /// whom that believes.
    pub async fn open(database: &Database, tls: Option<Arc<ClientConfig>>) -> std::result::Result<Self, OpenError> {
        let worker = start(database, tls)?;
        open::open(&worker, database).await?;
        Ok(Self { worker, standstill: Standstill::default(), quiet: Quiet::default() })
    }

    /// Why the store can't be opened, if it can't; without making or changing anything.
    pub async fn try_out(database: &Database, tls: Option<Arc<ClientConfig>>) -> std::result::Result<(), OpenError> {
        open::look(&start(database, tls)?, database).await.map(drop)
    }

    async fn transact<T, F>(&self, what: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.worker.transact(work).await.map_err(|source| StoreError { what, source })
    }

    /// For what is one statement.
    async fn state<T, F>(&self, what: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.worker.state(work).await.map_err(|source| StoreError { what, source })
    }

    /// Settles gaps in the change feed, up to the first that somebody still holds: no reader gets beyond that anyway.
    async fn settle(&self, gaps: impl Iterator<Item = Range<i64>>) -> Result<()> {
        for gap in gaps {
            let settled = self.transact("settle the change feed", async move |tx| changes::settle(tx, &gap).await);
            match settled.await {
                Err(error) if failure::waited_too_long(&error.source) => break,
                settled => settled?,
            }
        }
        Ok(())
    }

    /// Finds out up to which number no entry of the audit log is still to come. If others write for long it is left to the
    /// next time.
    async fn wait_for_writers(&self) -> Result<()> {
        match self.transact("wait for whoever writes to the audit log", audit_chain::wait_for_writers).await {
            Err(error) if failure::waited_too_long(&error.source) => Ok(()),
            waited => waited.map(|newest| self.quiet.is_known_to(newest)),
        }
    }

    async fn ask<T, F>(&self, what: &'static str, question: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.worker.ask(question).await.map_err(|source| StoreError { what, source })
    }
}

fn start(database: &Database, tls: Option<Arc<ClientConfig>>) -> std::result::Result<Worker, OpenError> {
    let told = |source: std::io::Error| OpenError::Unusable { database: database.to_string(), source: source.into() };
    Worker::start(database, tls.map(Tls::new)).map_err(told)
}

#[async_trait]
impl Store for PostgresStore {
    async fn sight(&self, sighting: Sighting) -> Result<(Account, Organization)> {
        const WHAT: &str = "look up a visitor";
        let sought = sighting.clone();
        match self.ask(WHAT, async move |db| accounts::up_to_date(db, &sought).await).await? {
            Some(known) => Ok(known),
            None => self.transact(WHAT, async move |tx| accounts::sight(tx, &sighting).await).await,
        }
    }

    async fn account(&self, id: AccountId) -> Result<Option<(Account, Organization)>> {
        self.ask("read an account", async move |db| accounts::by_id(db, id).await).await
    }

    async fn account_of(&self, organization: OrganizationId, id: AccountId) -> Result<Option<Account>> {
        self.ask("read an organization's account", async move |db| accounts::of(db, organization, id).await).await
    }

    async fn account_of_user(&self, organization: OrganizationId, user: String) -> Result<Option<Account>> {
        self.ask("look up an account", async move |db| accounts::of_user(db, organization, &user).await).await
    }

    async fn open_pending(&self, session: PendingSession, from: Option<IpAddr>) -> Result<()> {
        self.transact("open a pending session", async move |tx| sessions::open_pending(tx, &session, from).await).await
    }

    async fn pending_session(&self, digest: TokenDigest) -> Result<Option<PendingSession>> {
        self.ask("read a pending session", async move |db| sessions::pending(db, digest).await).await
    }

    async fn verified_session(&self, digest: TokenDigest) -> Result<Option<VerifiedSession>> {
        self.ask("read a session", async move |db| sessions::verified(db, digest).await).await
    }

    async fn touch(&self, seen: Vec<(SessionId, Timestamp)>) -> Result<()> {
        self.state("note the use of sessions", async move |db| sessions::touch(db, &seen).await).await
    }

    async fn end_session(&self, digest: TokenDigest, logged: Option<EventKind>, occasion: Occasion) -> Result<bool> {
        self.transact("end a session", async move |tx| sessions::end_logged(tx, digest, logged, &occasion).await).await
    }

    async fn end_own_session(&self, account: AccountId, session: SessionId, occasion: Occasion) -> Result<bool> {
        self.transact("end a session", async move |tx| sessions::end_own(tx, account, session, &occasion).await).await
    }

    async fn sessions_of(&self, account: AccountId) -> Result<Vec<SessionRecord>> {
        self.ask("list sessions", async move |db| sessions::of(db, account).await).await
    }

    async fn charge_attempt(&self, account: AccountId, bucket: Bucket, now: Timestamp) -> Result<Charge> {
        const WHAT: &str = "charge an attempt";
        match self.state(WHAT, async move |db| attempts::charge_first(db, account, bucket, now).await).await? {
            Some(charge) => Ok(charge),
            None => self.transact(WHAT, async move |tx| attempts::charge(tx, account, bucket, now).await).await,
        }
    }

    async fn enrolled_key(&self, account: AccountId) -> Result<Option<EnrolledKey>> {
        self.ask("read a key", async move |db| codes::enrolled_key(db, account).await).await
    }

    async fn accept_step(
        &self,
        account: AccountId,
        matched: MatchedStep,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance> {
        self.transact("accept a code", async move |tx| {
            codes::accept_step(tx, account, matched, &effect, &occasion).await
        })
        .await
    }

    async fn spend_recovery_code(
        &self,
        account: AccountId,
        code: CodeDigest,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance> {
        self.transact("spend a recovery code", async move |tx| {
            codes::spend(tx, account, code, &effect, &occasion).await
        })
        .await
    }

    async fn start_enrollment(&self, pending: PendingEnrollment) -> Result<Option<PendingEnrollment>> {
        self.transact("start an enrollment", async move |tx| enrollment::start(tx, &pending).await).await
    }

    async fn start_replacement(
        &self,
        pending: PendingEnrollment,
        fresh_since: Timestamp,
    ) -> Result<Option<PendingEnrollment>> {
        self.transact("start a replacement", async move |tx| {
            enrollment::start_replacement(tx, &pending, fresh_since).await
        })
        .await
    }

    async fn pending_enrollment(&self, session: TokenDigest, now: Timestamp) -> Result<Option<PendingEnrollment>> {
        self.ask("read an enrollment", async move |db| enrollment::unexpired(db, session, now).await).await
    }

    async fn confirm_enrollment(&self, confirmation: Confirmation, occasion: Occasion) -> Result<Acceptance> {
        self.transact("confirm an enrollment", async move |tx| enrollment::confirm(tx, &confirmation, &occasion).await)
            .await
    }

    async fn recovery_codes_left(&self, account: AccountId) -> Result<u32> {
        self.ask("count recovery codes", async move |db| codes::recovery_codes_left(db, account).await).await
    }

    async fn reset_account(&self, by: Authority, account: AccountId, occasion: Occasion) -> Result<Option<Account>> {
        self.transact("reset an account", async move |tx| administration::reset(tx, by, account, &occasion).await).await
    }

    async fn issue_ticket(
        &self,
        by: Authority,
        account: AccountId,
        ticket: NewTicket,
        occasion: Occasion,
    ) -> Result<Option<Account>> {
        self.transact("issue a ticket", async move |tx| tickets::issue(tx, by, account, ticket, &occasion).await).await
    }

    async fn set_requirement(&self, by: Authority, requirement: Requirement, occasion: Occasion) -> Result<bool> {
        self.transact("set a requirement", async move |tx| {
            administration::set_requirement(tx, by, requirement, &occasion).await
        })
        .await
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRecord>> {
        const WHAT: &str = "list accounts";
        match Sought::new(query.search.as_deref()) {
            None => self.ask(WHAT, async move |db| administration::accounts(db, &query).await).await,
            Some(sought) => self.transact(WHAT, async move |tx| searching::accounts(tx, &query, &sought).await).await,
        }
    }

    async fn accounts_after(&self, query: AccountQuery, after: Option<AccountId>) -> Result<Vec<AccountRecord>> {
        self.ask("list accounts", async move |db| administration::accounts_after(db, &query, after).await).await
    }

    async fn counts(&self, organization: OrganizationId) -> Result<Counts> {
        self.ask("count accounts", async move |db| tallies::counts(db, Some(organization)).await).await
    }

    async fn organizations(&self) -> Result<Vec<Organization>> {
        self.ask("list organizations", administration::organizations).await
    }

    async fn record(&self, organization: OrganizationId, event: Event, occasion: Occasion) -> Result<()> {
        self.state("write to the audit log", async move |db| audit::enter(db, organization, event, &occasion).await)
            .await
    }

    async fn record_of_store(&self, kind: EventKind, occasion: Occasion) -> Result<()> {
        self.state("write to the audit log", async move |db| audit::of_store(db, kind, &occasion).await).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Page<AuditEntry>> {
        self.ask("read the audit log", async move |db| audit::read(db, &query).await).await
    }

    async fn chain_ends(&self) -> Result<ChainEnds> {
        self.ask("read the audit log", audit_chain::ends).await
    }

    async fn unlinked(&self, after: i64, limit: u64) -> Result<Vec<AuditRow>> {
        self.ask("read the audit log", async move |db| audit_chain::unlinked(db, after, limit).await).await
    }

    async fn link(&self, before: Place, entries: Vec<(i64, Place)>) -> Result<bool> {
        let Some(&(newest, _)) = entries.last() else { return Ok(true) };
        let settled = self.quiet.up_to(newest);
        let linked =
            self.transact("link the audit log", async move |tx| audit_chain::link(tx, before, &entries, settled).await);
        match linked.await {
            Err(error) if audit_chain::was_overtaken(&error.source) => Ok(false),
            linked => {
                linked?;
                if self.quiet.is_due(newest) {
                    self.wait_for_writers().await?;
                }
                Ok(true)
            }
        }
    }

    async fn linked(&self, after: i64, limit: u64) -> Result<Vec<Linked>> {
        self.ask("read the audit log", async move |db| audit_chain::linked(db, after, limit).await).await
    }

    async fn audit_rows(&self, after: i64, limit: u64) -> Result<Vec<(AuditRow, Option<Place>)>> {
        self.ask("read the audit log", async move |db| audit_chain::rows(db, after, limit).await).await
    }

    async fn cut_chain(&self, cut: Cut, entries: Vec<i64>) -> Result<u64> {
        self.transact("delete old entries of the audit log", async move |tx| audit_chain::cut(tx, cut, &entries).await)
            .await
    }

    async fn cursor(&self) -> Result<Cursor> {
        self.ask("read the change feed", changes::cursor).await
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<(Vec<Change>, Cursor)> {
        let read = async || self.ask("read the change feed", async move |db| News::since(db, cursor).await).await;
        let mut news = read().await?;
        if let Some(end) = self.standstill.due(&news) {
            self.settle(news.gaps().take_while(|gap| gap.start < end)).await?;
            news = read().await?;
        }
        match news.told() {
            Some(told) => Ok(told),
            None => Ok((vec![Change::Everything], self.cursor().await?)),
        }
    }

    async fn key_check(&self) -> Result<Option<Sealed>> {
        self.ask("read the key check", key_check::read).await
    }

    async fn set_key_check(&self, sealed: Sealed) -> Result<Sealed> {
        self.state("set the key check", async move |db| key_check::set(db, &sealed).await).await
    }

    async fn replace_key_check(&self, old: Sealed, new: Sealed, logged: EventKind, occasion: Occasion) -> Result<bool> {
        self.transact("replace the key check", async move |tx| {
            key_check::replace(tx, (&old, &new), logged, &occasion).await
        })
        .await
    }

    async fn sealed_by_others(&self, key: KeyMark, after: AccountId, limit: u64) -> Result<Vec<SealedSecret>> {
        self.ask("find what other keys sealed", async move |db| resealing::by_others(db, key, after, limit).await).await
    }

    async fn reseal(&self, secrets: Vec<Resealed>) -> Result<()> {
        self.state("seal secrets anew", async move |db| resealing::reseal(db, &secrets).await).await
    }

    async fn enrollments_sealed_by_others(&self, key: KeyMark, now: Timestamp) -> Result<u64> {
        self.transact("find what other keys sealed", async move |tx| resealing::enrollments(tx, key, now).await).await
    }

    async fn restored(&self, occasion: Occasion) -> Result<Ended> {
        let work = async move |tx: &Connection| restoring::restored(tx, &occasion).await;
        let ended = self.worker.transact_within(MIGRATION, work).await;
        ended.map_err(|source| StoreError { what: "end what a backup brought back", source })
    }

    async fn raise_alarms(&self, occasion: Occasion) -> Result<Vec<Alarm>> {
        const WHAT: &str = "look for guessing";
        let now = occasion.at;
        let mut raised = Vec::new();
        // Each in a transaction of its own, so that two gateways that do the same never wait for each other in turn.
        for suspicion in self.ask(WHAT, async move |db| guessing::look(db, now).await).await? {
            let (alarm, occasion) = (suspicion.alarm.clone(), occasion.clone());
            let raise = self.transact(WHAT, async move |tx| guessing::raise(tx, &suspicion, &occasion).await);
            raised.extend(raise.await?.then_some(alarm));
        }
        Ok(raised)
    }

    async fn prune(&self, expired: Expired, limit: u64) -> Result<u64> {
        self.transact("delete what has run out", async move |tx| pruning::prune(tx, expired, limit).await).await
    }

    async fn ready(&self) -> Result<()> {
        self.state("be written to", async |db| {
            db.execute("UPDATE readiness SET checks = checks + 1", &[]).await?;
            Ok(())
        })
        .await
    }
}
