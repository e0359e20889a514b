//! What is kept, and the contract every engine keeps it by.
//!
//! The methods of [`Store`] are decisions, not rows: each is one statement or one transaction that the database
//! settles alone, so that two browsers, two threads or two machines can't both win. What a method has answered as
//! done is durable. What a caller must act on is a value; [`StoreError`] means that nothing can be said.

mod network;
pub mod postgres;
mod search;
mod sighting;
pub mod sqlite;
pub mod transfer;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, AccountKey, Organization, OrganizationId, Requirement};
use crate::second_factor::digests::Link;
use crate::second_factor::enrollment::PendingEnrollment;
use crate::second_factor::event::{Actor, Event, EventKind, Occasion};
use crate::second_factor::guessing::{ACCOUNT_SPAN, Alarm, ORGANIZATION_SPAN};
use crate::second_factor::policy::Authority;
use crate::second_factor::recovery::CodeDigest;
use crate::second_factor::sealing::{KeyMark, Sealed};
use crate::second_factor::session::{Binding, PendingSession, SessionId, TokenDigest, VerifiedSession};
use crate::second_factor::throttle::{Bucket, Charge};
use crate::second_factor::ticket::TicketDigest;
use crate::second_factor::totp::Step;

/// The store can't answer. Nobody passes on the strength of this.
#[derive(Debug, thiserror::Error)]
#[error("the store can't {what}")]
pub struct StoreError {
    /// What was asked of it, as a verb phrase: `charge an attempt`.
    pub what: &'static str,
    /// Why it can't.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What every store answers with.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A visitor, as the dashboard just named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What names the account.
    pub key: AccountKey,
    /// The e-mail address; where the dashboard gives none, the account keeps the one it last gave.
    pub email: Option<String>,
    /// The display name; kept likewise.
    pub name: Option<String>,
    /// What the organization starts with, if it has not been seen before.
    pub initial: Requirement,
    /// When.
    pub at: Timestamp,
}

/// A session to open once a code was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The digest of its token.
    pub digest: TokenDigest,
    /// The dashboard credential it holds for.
    pub binding: Option<Binding>,
    /// The session it takes the place of, pending or verified: ended in the same transaction if it is still there.
    pub instead_of: Option<TokenDigest>,
    /// From which address it was opened.
    pub address: Option<IpAddr>,
    /// The browser, as it names itself; at most 200 characters.
    pub browser: String,
}

/// What an accepted code brings about, in the same transaction that uses it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A verified session.
    SignIn(NewSession),
    /// A new token and a fresh `code_at` for a verified session, which keeps its `verified_at`. It counts as verified
    /// by what was given now, so that a recovery code never passes for an authenticator. An enrollment that was
    /// started in the session moves along.
    StepUp {
        /// The session.
        session: SessionId,
        /// The digest of its new token.
        digest: TokenDigest,
    },
    /// The end of the key, the recovery codes and every session.
    Disable,
    /// New recovery codes in place of the old ones.
    RegenerateRecoveryCodes(Vec<CodeDigest>),
    /// A pending enrollment that may take the place of the key, in the verified session that it names; it takes the
    /// place of one that the session may have already.
    StartReplacement(PendingEnrollment),
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// Used up, and its effect done: with the session that was opened or renewed.
    Accepted(Option<VerifiedSession>),
    /// It had been used before.
    AlreadyUsed,
    /// The account has no such key, code or session any more: a reset came between.
    Gone,
}

/// Which of all the keys that the account ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub i64);

/// An enrolled authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledKey {
    /// The store's number for it.
    pub id: KeyId,
    /// Its secret.
    pub secret: Sealed,
    /// The last step that was accepted.
    pub last_step: Step,
}

/// A secret as it is kept, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The account.
    pub account: AccountId,
    /// What names it: it opens for that alone.
    pub key: AccountKey,
    /// The secret.
    pub secret: Sealed,
}

/// A secret that was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Whose it is.
    pub account: AccountId,
    /// As it was kept.
    pub old: Sealed,
    /// As it is to be kept.
    pub new: Sealed,
}

/// A step whose code was given, and the key whose code it was: a code of a key that was replaced since is good for
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchedStep {
    /// The key that the code was compared with.
    pub key: KeyId,
    /// The step.
    pub step: Step,
}

/// What confirms an enrollment.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The enrollment, as it was read: another one does not count.
    pub pending: PendingEnrollment,
    /// The same secret, sealed as the account's key.
    pub secret: Sealed,
    /// The step of the confirming code, which counts as used.
    pub step: Step,
    /// The new recovery codes.
    pub recovery_codes: Vec<CodeDigest>,
    /// The session to open.
    pub session: NewSession,
}

/// A ticket to issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTicket {
    /// What is kept of it.
    pub digest: TicketDigest,
    /// When it is good no more.
    pub expires: Timestamp,
}

/// A verified session, as its owner sees it in the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub session: VerifiedSession,
    /// From which address it was opened.
    pub address: Option<IpAddr>,
    /// The browser, as it named itself.
    pub browser: String,
}

/// Which accounts to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountQuery {
    /// Of this organization alone; `None` for all of them (the operator's view).
    pub organization: Option<OrganizationId>,
    /// Only those with a second factor.
    pub enrolled_only: bool,
    /// Only those whose name, e-mail address or user id contains this, whatever the case of ASCII letters.
    pub search: Option<String>,
    /// The time, which tells whose failed tries still count.
    pub now: Timestamp,
    /// How many to pass over.
    pub offset: u64,
    /// How many to list at most.
    pub limit: u64,
}

/// One account in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account.
    pub account: Account,
    /// Whether failed tries have locked its key.
    pub locked: bool,
    /// How many unused recovery codes it has.
    pub recovery_codes_left: u32,
}

/// A part of a list, and how long the whole is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// This part.
    pub rows: Vec<T>,
    /// How many there are in all, as far as was looked.
    pub total: u64,
    /// Whether that is everything.
    pub extent: Extent,
}

/// What the length of a list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// There are as many.
    Exact,
    /// There may be more: somebody waits, and not everything was looked at.
    AtLeast,
}

impl AccountQuery {
    /// How long the list is that nobody searches.
    const fn length(&self, counts: Counts) -> u64 {
        if self.enrolled_only { counts.enrolled } else { counts.accounts }
    }

    /// Where this part of a list of that length is, from the end that is nearer.
    fn stretch(&self, length: u64) -> Stretch {
        let limit = self.limit.min(length.saturating_sub(self.offset));
        let behind = length.saturating_sub(self.offset).saturating_sub(limit);
        let is_backwards = behind < self.offset;
        Stretch { is_backwards, offset: if is_backwards { behind } else { self.offset }, limit }
    }
}

/// A part of a list.
struct Stretch {
    /// Whether its end is nearer than its beginning: what follows counts from there, and comes in that order.
    is_backwards: bool,
    /// How many come before this part.
    offset: u64,
    /// How many are in it.
    limit: u64,
}

impl Stretch {
    /// The order in which it comes.
    const fn direction(&self) -> &'static str {
        if self.is_backwards { "DESC" } else { "" }
    }

    /// What came, as it stands in the list.
    fn in_order<T>(&self, mut came: Vec<T>) -> Vec<T> {
        if self.is_backwards {
            came.reverse();
        }
        came
    }
}

/// How far an organization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts that were ever seen.
    pub accounts: u64,
    /// Those with a second factor.
    pub enrolled: u64,
}

/// Which entries of the audit log to read; the newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this organization alone; `None` for all of them (the operator's view).
    pub organization: Option<OrganizationId>,
    /// About this account alone.
    pub subject: Option<AccountId>,
    /// Only those with smaller numbers than this.
    pub before: Option<i64>,
    /// How many to pass over. It takes the longer the more they are: 10,000 are a matter of milliseconds.
    pub offset: u64,
    /// How many to list at most.
    pub limit: u64,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: later entries have larger ones.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The word for it in the store, which says it also where this release knows no such kind.
    pub word: String,
    /// Who did it.
    pub actor: Actor,
    /// What people call the actor, if it is a person.
    pub actor_name: Option<String>,
    /// To whom.
    pub subject: Option<AccountId>,
    /// What people call them.
    pub subject_name: Option<String>,
    /// In which organization; empty where it is about the whole store.
    pub organization: String,
    /// From which address.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request: Option<String>,
}

/// An entry of the audit log word for word as it is kept, whether it makes sense or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: i64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The word for what happened.
    pub kind: String,
    /// The word for who did it.
    pub actor: String,
    /// The number of their account.
    pub actor_account: Option<i64>,
    /// What they were called.
    pub actor_name: Option<String>,
    /// The number of the account it happened to.
    pub subject: Option<i64>,
    /// What that was called.
    pub subject_name: Option<String>,
    /// The number of the organization; 0 where it is about the whole store.
    pub organization: i64,
    /// What that was called.
    pub organization_name: String,
    /// From which address.
    pub address: Option<String>,
    /// The id of the request.
    pub request: Option<String>,
}

/// A place in the chain of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1, without gaps.
    pub number: i64,
    /// The link of the entry there to the one before.
    pub link: Link,
}

impl Place {
    /// The one before the first.
    pub const BEGINNING: Self = Self { number: 0, link: Link::BEGINNING };
}

/// A place in the chain, and the entry that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The place.
    pub place: Place,
    /// The number of the entry.
    pub entry: i64,
    /// The entry, if it is still there.
    pub row: Option<AuditRow>,
}

/// Up to where entries of the audit log were deleted because they were old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The last place that was.
    pub place: Place,
    /// What vouches for that: [`DigestKeys::cut`](crate::second_factor::digests::DigestKeys::cut).
    pub seal: Link,
}

/// Where the chain of the audit log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnds {
    /// What was deleted of its beginning.
    pub cut: Option<Cut>,
    /// Its last place.
    pub last: Place,
    /// Every entry up to this number has its place, and none with such a number is still to come.
    pub settled: i64,
    /// The largest number of an entry.
    pub newest: Option<i64>,
}

/// What a change made out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// An account: its factor (but not when it was last used), its name.
    Account(AccountId),
    /// An organization: its requirement.
    Organization(OrganizationId),
    /// A verified session that ended or got a new token.
    Session(TokenDigest),
    /// Anything: the reader stayed away for longer than the feed remembers ([`CHANGES_KEPT`]).
    Everything,
}

/// How far a reader of the change feed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// What a store keeps, by what is decided about it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The account and the organization of a visitor, made on first sight, with name and e-mail address brought up to date.
    async fn sight(&self, sighting: Sighting) -> Result<(Account, Organization)>;

    /// An account by its number, with its organization.
    async fn account(&self, id: AccountId) -> Result<Option<(Account, Organization)>>;

    /// An account by its number, if it is of this organization. One of another takes the way of one that never was, and
    /// as long.
    async fn account_of(&self, organization: OrganizationId, id: AccountId) -> Result<Option<Account>>;

    /// The account of that user of an organization.
    async fn account_of_user(&self, organization: OrganizationId, user: String) -> Result<Option<Account>>;

    /// Opens a pending session for somebody at that address, if it is known. An account has at most [`PENDING_SESSIONS`]. Of
    /// those that were opened from the same network as most others, the oldest makes room: whoever opens many crowds out
    /// nobody elsewhere. An enrollment that was started in one goes with it.
    async fn open_pending(&self, session: PendingSession, from: Option<IpAddr>) -> Result<()>;

    /// The pending session of that digest, live or not.
    async fn pending_session(&self, digest: TokenDigest) -> Result<Option<PendingSession>>;

    /// The verified session of that digest, live or not.
    async fn verified_session(&self, digest: TokenDigest) -> Result<Option<VerifiedSession>>;

    /// Moves `last_seen` of sessions forward, never back. Sessions that ended meanwhile are passed over.
    async fn touch(&self, seen: Vec<(SessionId, Timestamp)>) -> Result<()>;

    /// Ends the pending or verified session of that digest. `logged` is what the audit log says of a verified one;
    /// `None` where it simply ran out. An enrollment that was started in it goes with it. `false` if there was none.
    async fn end_session(&self, digest: TokenDigest, logged: Option<EventKind>, occasion: Occasion) -> Result<bool>;

    /// Ends one verified session of this account alone. `false` if it has no such session.
    async fn end_own_session(&self, account: AccountId, session: SessionId, occasion: Occasion) -> Result<bool>;

    /// The verified sessions of an account, the last used first.
    async fn sessions_of(&self, account: AccountId) -> Result<Vec<SessionRecord>>;

    /// Charges a try, before anything is compared, and commits that whatever happens to the request later.
    ///
    /// The charge by which the failures first reach the lock writes [`EventKind::FactorLocked`]. Nobody knows then
    /// whether this very try is good; if it is, the audit log goes on with what it was accepted for.
    async fn charge_attempt(&self, account: AccountId, bucket: Bucket, now: Timestamp) -> Result<Charge>;

    /// The account's key.
    async fn enrolled_key(&self, account: AccountId) -> Result<Option<EnrolledKey>>;

    /// Uses up a step of the account's key if it is larger than the last one used, takes back the charge of the try,
    /// and does what the code was given for: all of it or nothing. The failures in a row are forgotten, the others
    /// keep counting for their 30 days.
    async fn accept_step(
        &self,
        account: AccountId,
        matched: MatchedStep,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance>;

    /// Uses up a recovery code of this account, takes back the charge of the try, unlocks the key, and does what the
    /// code was given for ([`Effect::SignIn`] or [`Effect::StepUp`]; any other is an error, and nothing done). An
    /// unknown or used code is [`Acceptance::AlreadyUsed`].
    ///
    /// To unlock is to forget every failed code of the authenticator, those of the last 30 days with them: a recovery
    /// code can't be guessed, so it is the owner who starts anew.
    async fn spend_recovery_code(
        &self,
        account: AccountId,
        code: CodeDigest,
        effect: Effect,
        occasion: Occasion,
    ) -> Result<Acceptance>;

    /// Starts an enrollment for an account without a key, in a session of its own, pending or verified. If that
    /// session has one that has not expired, started with the same ticket or without one as this, it stays, and is
    /// returned. `None`, and nothing done, if the account has a key already, no such session (any more), or not the ticket
    /// that `pending.ticket` names open. For one that is, the charge of the try is taken back.
    async fn start_enrollment(&self, pending: PendingEnrollment) -> Result<Option<PendingEnrollment>>;

    /// Starts an enrollment that may take the place of the account's key, in the verified session that
    /// `pending.session` names, if that session was verified with a recovery code given at `fresh_since` or later. If
    /// the session has such an enrollment already that has not expired it stays, and is returned. `None`, and nothing
    /// done, if the session is not of that kind (any more) or the account has no key.
    async fn start_replacement(
        &self,
        pending: PendingEnrollment,
        fresh_since: Timestamp,
    ) -> Result<Option<PendingEnrollment>>;

    /// The enrollment that was started in this session and has not expired at `now`; nor has the ticket that it was
    /// started with, which is still open.
    async fn pending_enrollment(&self, session: TokenDigest, now: Timestamp) -> Result<Option<PendingEnrollment>>;

    /// Makes a pending secret the account's key, uses up the step of the confirming code, replaces the recovery
    /// codes, ends every other session of the account, pending ones too, and opens the new one. [`Acceptance::Gone`]
    /// if the enrollment is not as it was read, has expired, or the account got a key meanwhile that it was not
    /// started to replace; or if the ticket that it was started with is open no more. Whatever ticket was open for the
    /// account is used up.
    async fn confirm_enrollment(&self, confirmation: Confirmation, occasion: Occasion) -> Result<Acceptance>;

    /// How many unused recovery codes the account has.
    async fn recovery_codes_left(&self, account: AccountId) -> Result<u32>;

    /// Throws away the account's key, recovery codes, pending enrollments, ticket, failed tries and every session.
    /// `None`, and nothing done, if the authority's organization has no such account with a key.
    async fn reset_account(&self, by: Authority, account: AccountId, occasion: Occasion) -> Result<Option<Account>>;

    /// Issues a ticket for the first key of an account, in place of the one that may be open, and forgets failed tries of
    /// that. `None`, and nothing done, if the authority's organization has no such account, or it has a key.
    async fn issue_ticket(
        &self,
        by: Authority,
        account: AccountId,
        ticket: NewTicket,
        occasion: Occasion,
    ) -> Result<Option<Account>>;

    /// Sets what the authority's organization asks for. `false` if it asked for that already.
    async fn set_requirement(&self, by: Authority, requirement: Requirement, occasion: Occasion) -> Result<bool>;

    /// Accounts, ordered by name, then e-mail address, then user id, whatever the case of ASCII letters; those without
    /// a name come first.
    ///
    /// A search lists those first who are called so from the beginning. It finds 1,000 at most, and everybody among the
    /// 50,000 accounts that come first in the order; behind them whoever has a text of three characters or more that few
    /// have. What it may have missed is told by [`Page::extent`].
    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRecord>>;

    /// Accounts in that same order, with a search or without, those behind `after` alone: however long it takes, and
    /// nobody left out. How many to pass over is of no account here.
    async fn accounts_after(&self, query: AccountQuery, after: Option<AccountId>) -> Result<Vec<AccountRecord>>;

    /// How many accounts of an organization are enrolled.
    async fn counts(&self, organization: OrganizationId) -> Result<Counts>;

    /// Every organization, by realm and name.
    async fn organizations(&self) -> Result<Vec<Organization>>;

    /// Writes an entry that belongs to no other change: a refused code. The subject is an account of that organization.
    async fn record(&self, organization: OrganizationId, event: Event, occasion: Occasion) -> Result<()>;

    /// Writes an entry about the whole store: of no account, and no organization.
    async fn record_of_store(&self, kind: EventKind, occasion: Occasion) -> Result<()>;

    /// Reads the audit log. How many entries are about one account is counted up to 1,000.
    async fn audit(&self, query: AuditQuery) -> Result<Page<AuditEntry>>;

    /// Where the chain of the audit log begins and ends.
    async fn chain_ends(&self) -> Result<ChainEnds>;

    /// Entries with larger numbers than `after` that have no place in the chain, by number.
    async fn unlinked(&self, after: i64, limit: u64) -> Result<Vec<AuditRow>>;

    /// Gives entries, each by its number and in the order of the numbers, the places that come after `before`, all of them in
    /// one go. `false`, and nothing done, if the chain ends elsewhere by now, or one of the entries is gone or has a place.
    async fn link(&self, before: Place, entries: Vec<(i64, Place)>) -> Result<bool>;

    /// Places after that number, and the entries there.
    async fn linked(&self, after: i64, limit: u64) -> Result<Vec<Linked>>;

    /// All entries with larger numbers than `after`, by number, with their places if they have them.
    async fn audit_rows(&self, after: i64, limit: u64) -> Result<Vec<(AuditRow, Option<Place>)>>;

    /// Deletes these entries and every place up to that of the cut, and keeps the cut, all in one go. Nothing is done if it is
    /// not within the chain. Returns how many entries are gone.
    async fn cut_chain(&self, cut: Cut, entries: Vec<i64>) -> Result<u64>;

    /// Where the change feed stands now.
    async fn cursor(&self) -> Result<Cursor>;

    /// What changed after `cursor`, by whichever process, in that order, and where the feed stands now.
    async fn changes_since(&self, cursor: Cursor) -> Result<(Vec<Change>, Cursor)>;

    /// The sealed value that tells whether the key file belongs to this store.
    async fn key_check(&self) -> Result<Option<Sealed>>;

    /// Sets that value on a new store; the one that stands if there is one already.
    ///
    /// From then on nothing is kept any more that another key sealed than the one that sealed this value: an enrollment
    /// with such a secret is an error, and nothing done.
    async fn set_key_check(&self, sealed: Sealed) -> Result<Sealed>;

    /// Puts another value in the place of `old`, and tells the audit log so. `false`, and nothing done, if another stands
    /// there.
    async fn replace_key_check(&self, old: Sealed, new: Sealed, logged: EventKind, occasion: Occasion) -> Result<bool>;

    /// The secrets of authenticators that another key than this one sealed, of accounts with larger numbers than `after`,
    /// by number.
    async fn sealed_by_others(&self, key: KeyMark, after: AccountId, limit: u64) -> Result<Vec<SealedSecret>>;

    /// Puts secrets that were sealed anew in the place of the old ones. Where something else stands by now, it stays.
    async fn reseal(&self, secrets: Vec<Resealed>) -> Result<()>;

    /// How many enrollments are under way whose secrets another key than this one sealed. Those that have expired at `now`
    /// are deleted.
    async fn enrollments_sealed_by_others(&self, key: KeyMark, now: Timestamp) -> Result<u64>;

    /// Makes a store that was put back from a backup fit for use. It knows nothing of what was used up or ended since, so
    /// every session and enrollment ends, no code is good that an authenticator showed by then ([`Step::latest_good`]), and
    /// all recovery codes are deleted: which of them were used nobody can tell. The audit log of each organization says so.
    /// Failed tries stay, and what they locked stays locked.
    async fn restored(&self, occasion: Occasion) -> Result<Ended>;

    /// Raises an alarm for each account and each organization where codes are guessed ([`guessing`](crate::second_factor::guessing)),
    /// unless one was raised in its span already by whichever process: an entry of the audit log. Returns those that this call
    /// raised; if there are very many, the others are raised by the calls to come. Nobody's code waits for it.
    async fn raise_alarms(&self, occasion: Occasion) -> Result<Vec<Alarm>>;

    /// Deletes what has run out at `now`: sessions, pending sessions and enrollments, tickets, failed tries and alarms that no longer
    /// count, changes older than [`CHANGES_KEPT`]. At most `limit` rows of each; returns how many in all.
    async fn prune(&self, expired: Expired, limit: u64) -> Result<u64>;

    /// Whether the store can be written to now. What it writes to find out means nothing.
    async fn ready(&self) -> Result<()>;
}

/// What [`Store::restored`] put an end to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How many verified sessions.
    pub sessions: u64,
    /// How many unused recovery codes.
    pub recovery_codes: u64,
}

/// What [`Store::prune`] takes for expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The time.
    pub now: Timestamp,
    /// Sessions last seen before this are past the idle limit.
    pub idle_since: Timestamp,
    /// Sessions verified before this are past the absolute limit.
    pub verified_before: Timestamp,
}

/// How many pending sessions an account can have at a time.
pub const PENDING_SESSIONS: u64 = 100;

/// How many of the latest failures are looked at for alarms. No account has more than a few dozen in an hour.
const FAILURES_LOOKED_AT: u64 = 20_000;

/// How many alarms are raised at a time.
const ALARMS_AT_ONCE: u64 = 100;

/// What may be worth an alarm.
struct Suspicion {
    organization: OrganizationId,
    alarm: Alarm,
}

impl Suspicion {
    /// The number of what it is about, how long no other alarm about that is raised, and the account if it is one.
    const fn about(&self) -> (i64, Duration, Option<AccountId>) {
        match &self.alarm {
            Alarm::AtAccount { account, .. } => (account.0, ACCOUNT_SPAN, Some(*account)),
            Alarm::AtOrganization { .. } => (self.organization.0, ORGANIZATION_SPAN, None),
        }
    }
}

/// How long the change feed remembers.
pub const CHANGES_KEPT: Duration = Duration::from_hours(1);
