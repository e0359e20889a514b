//! The people and things that the promises are told with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::{Account, AccountId, AccountKey, Organization, Requirement};
use vestibule::second_factor::enrollment::PendingEnrollment;
use vestibule::second_factor::event::{Actor, Occasion};
use vestibule::second_factor::policy::{Authority, Decision, Standing, admit, decide};
use vestibule::second_factor::recovery::CodeDigest;
use vestibule::second_factor::sealing::Sealed;
use vestibule::second_factor::session::{BindingCheck, Limits, PendingSession, TokenDigest, VerifiedSession};
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::ticket::TicketDigest;
use vestibule::second_factor::totp::Step;
use vestibule::store::{
    Acceptance, AuditEntry, AuditQuery, Confirmation, Effect, MatchedStep, NewSession, NewTicket, Sighting, Store,
};

use crate::engines::Place;

/// When every story begins.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);

/// That many seconds after noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON.as_millis() + seconds * 1000)
}

/// That many days after noon.
pub(crate) fn days(days: u64) -> Timestamp {
    NOON.plus(Duration::from_hours(24 * days))
}

/// The store, as two gateways have it open.
#[derive(Clone)]
pub(crate) struct World {
    /// The gateway that the story is about.
    pub(crate) store: Arc<dyn Store>,
    /// Another one.
    pub(crate) other: Arc<dyn Store>,
    /// Where it is.
    pub(crate) place: Place,
}

/// Somebody with an authenticator, signed in with it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) session: VerifiedSession,
    pub(crate) codes: Vec<CodeDigest>,
}

/// An enrollment that was started, or not.
pub(crate) type Started = Option<PendingEnrollment>;

impl World {
    pub(crate) async fn at(place: Place) -> Self {
        Self { store: place.open().await, other: place.open().await, place }
    }

    /// Somebody whom the dashboard names, without an authenticator.
    pub(crate) async fn visitor(&self, organization: &str, user: &str) -> Account {
        let sighted = self.store.sight(sighting(organization, user)).await.expect("sighted");
        sighted.0
    }

    pub(crate) async fn organization(&self, name: &str) -> Organization {
        let everyone = self.store.organizations().await.expect("listed");
        everyone.into_iter().find(|organization| organization.name == name).expect("an organization of that name")
    }

    /// The account as it stands now.
    pub(crate) async fn account(&self, id: AccountId) -> Account {
        self.store.account(id).await.expect("read").expect("an account").0
    }

    /// A pending session that was opened at noon.
    pub(crate) async fn pending(&self, account: AccountId) -> TokenDigest {
        let session = pending_session(account, NOON);
        let digest = session.digest;
        self.store.open_pending(session, None).await.expect("opened");
        digest
    }

    /// An enrollment that was started at noon in a new pending session.
    pub(crate) async fn enrollment(&self, account: AccountId) -> PendingEnrollment {
        let pending = pending_enrollment(account, self.pending(account).await, NOON);
        self.store.start_enrollment(pending.clone()).await.expect("started").expect("no key yet");
        pending
    }

    /// A person who confirmed an enrollment at noon, with step 100.
    pub(crate) async fn person(&self, organization: &str, user: &str) -> Person {
        let id = self.visitor(organization, user).await.id;
        self.enroll(id).await
    }

    /// A ticket for an account, issued by the operator at noon and good for an hour.
    pub(crate) async fn ticket(&self, account: &Account) -> TicketDigest {
        let ticket = NewTicket { digest: TicketDigest(bytes()), expires: at(3600) };
        let by = Authority::Operator(account.organization);
        let issued = self.store.issue_ticket(by, account.id, ticket, by_operator(NOON)).await.expect("answered");
        assert_eq!(issued.expect("issued").id, account.id);
        ticket.digest
    }

    /// An enrollment with a ticket in a new pending session, if it is started.
    pub(crate) async fn enrollment_by(&self, ticket: TicketDigest, id: AccountId, now: Timestamp) -> Started {
        let session = pending_session(id, now);
        let pending = pending_enrollment(id, session.digest, now);
        self.store.open_pending(session, None).await.expect("opened");
        self.store.start_enrollment(PendingEnrollment { ticket: Some(ticket), ..pending }).await.expect("answered")
    }

    pub(crate) async fn enroll(&self, id: AccountId) -> Person {
        let pending = self.enrollment(id).await;
        let confirmation = confirmation(pending, 100);
        let codes = confirmation.recovery_codes.clone();
        let confirmed = self.store.confirm_enrollment(confirmation, by(id, NOON)).await.expect("confirmed");
        Person { id, session: session_of(confirmed), codes }
    }

    /// That step of the account's present key.
    pub(crate) async fn step(&self, account: AccountId, step: i64) -> MatchedStep {
        let key = self.store.enrolled_key(account).await.expect("read").expect("a key");
        MatchedStep { key: key.id, step: Step(step) }
    }

    /// Gives a right code: charged, compared, accepted.
    pub(crate) async fn give_code(&self, account: AccountId, step: i64, effect: Effect, now: Timestamp) -> Acceptance {
        self.charge(account, Bucket::Code, now).await;
        let step = self.step(account, step).await;
        self.store.accept_step(account, step, effect, by(account, now)).await.expect("answered")
    }

    /// A sign-in with the authenticator.
    pub(crate) async fn sign_in(&self, account: AccountId, step: i64, now: Timestamp) -> VerifiedSession {
        session_of(self.give_code(account, step, Effect::SignIn(new_session()), now).await)
    }

    /// A sign-in with a recovery code.
    pub(crate) async fn recover(&self, person: &Person, code: usize, now: Timestamp) -> VerifiedSession {
        let effect = Effect::SignIn(new_session());
        let spent = self.store.spend_recovery_code(person.id, person.codes[code], effect, by(person.id, now));
        session_of(spent.await.expect("answered"))
    }

    pub(crate) async fn charge(&self, account: AccountId, bucket: Bucket, now: Timestamp) -> Charge {
        self.store.charge_attempt(account, bucket, now).await.expect("charged")
    }

    /// Fails that many times, a quarter of an hour apart so that each try is heard; returns when the last one was.
    pub(crate) async fn fail(&self, account: AccountId, bucket: Bucket, times: i64) -> Timestamp {
        for number in 1..=times {
            let charge = self.charge(account, bucket, at(number * 900)).await;
            assert!(!matches!(charge, Charge::TooSoon { .. }), "{charge:?}");
        }
        at(times * 900)
    }

    /// Fails once more, a quarter of an hour after that time; returns when.
    pub(crate) async fn fail_once_more(&self, account: AccountId, last: Timestamp) -> Timestamp {
        let now = last.plus(Duration::from_mins(15));
        let charge = self.charge(account, Bucket::Code, now).await;
        assert!(!matches!(charge, Charge::TooSoon { .. }), "{charge:?}");
        now
    }

    /// The authority of an administrator, as the rules give it to this person.
    pub(crate) async fn admin(&self, person: &Person) -> Authority {
        let limits = Limits { idle: Duration::from_hours(1), lifetime: Duration::from_hours(12) };
        let (account, organization) = self.store.account(person.id).await.expect("read").expect("an account");
        let proof = person.session.prove(account.id, BindingCheck::Unbound, limits, NOON).expect("a live session");
        let standing = Standing::Known { requirement: organization.requirement, account: &account, proof: Some(proof) };
        let Decision::Pass(passage) = decide(&standing) else { panic!("the person is verified") };
        let admin = admit(&passage, true).expect("marked, and verified by an authenticator");
        Authority::Admin(admin.act(NOON).expect("a code of this minute"))
    }

    /// The audit log of everything, oldest first.
    pub(crate) async fn audit_log(&self) -> Vec<AuditEntry> {
        let everything = AuditQuery { organization: None, subject: None, before: None, offset: 0, limit: u64::MAX };
        let mut rows = self.store.audit(everything).await.expect("read").rows;
        rows.reverse();
        rows
    }

    pub(crate) async fn is_signed_in(&self, session: &VerifiedSession) -> bool {
        self.store.verified_session(session.digest).await.expect("read").is_some()
    }
}

/// The dashboard names a user of an organization, in the realm "site".
pub(crate) fn sighting(organization: &str, user: &str) -> Sighting {
    let key = AccountKey { realm: "site".into(), organization: organization.into(), user: user.into() };
    Sighting { key, email: None, name: None, initial: Requirement::Optional, at: NOON }
}

/// An occasion that an account causes.
pub(crate) fn by(account: AccountId, at: Timestamp) -> Occasion {
    let address = Some("192.0.2.7".parse().expect("an address"));
    Occasion { at, actor: Actor::Account(account), address, request: Some("r-1".into()) }
}

/// An occasion that the operator causes.
pub(crate) fn by_operator(at: Timestamp) -> Occasion {
    Occasion { at, actor: Actor::Operator, address: None, request: None }
}

/// The digest of a token that nobody else has.
pub(crate) fn token() -> TokenDigest {
    TokenDigest(bytes())
}

pub(crate) fn recovery_codes() -> Vec<CodeDigest> {
    (0..10).map(|_| CodeDigest(bytes())).collect()
}

/// 32 bytes that are different each time, also in another process.
fn bytes() -> [u8; 32] {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes
}

pub(crate) fn new_session() -> NewSession {
    let address = Some("2001:db8::7".parse().expect("an address"));
    NewSession { digest: token(), binding: None, instead_of: None, address, browser: "Firefox".into() }
}

pub(crate) fn pending_session(account: AccountId, opened: Timestamp) -> PendingSession {
    PendingSession { digest: token(), account, binding: None, opened }
}

/// An enrollment with a secret that no other has.
pub(crate) fn pending_enrollment(account: AccountId, session: TokenDigest, started: Timestamp) -> PendingEnrollment {
    PendingEnrollment { session, account, secret: Sealed(bytes().to_vec()), started, ticket: None }
}

pub(crate) fn confirmation(pending: PendingEnrollment, step: i64) -> Confirmation {
    Confirmation {
        pending,
        secret: Sealed(bytes().to_vec()),
        step: Step(step),
        recovery_codes: recovery_codes(),
        session: new_session(),
    }
}

/// The session that an accepted code opened.
pub(crate) fn session_of(acceptance: Acceptance) -> VerifiedSession {
    match acceptance {
        Acceptance::Accepted(Some(session)) => session,
        other => panic!("no session: {other:?}"),
    }
}
