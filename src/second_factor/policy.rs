//! Who passes: the one function that decides, and the values that only it can make.

use std::sync::Arc;

use super::Timestamp;
use super::account::{Account, AccountId, AccountKey, Factor, OrganizationId, Requirement};
use super::session::{FRESH, Proof, SessionId, VerifiedBy};

/// All that the decision on one request depends on.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// The path is open to everybody: the dashboard's login page and what it loads, and its logout.
    Public,
    /// The dashboard says who is logged in. Where it says that nobody is, or nothing, there is nothing to decide.
    Known {
        /// What the visitor's organization asks for.
        requirement: Requirement,
        /// The visitor's account.
        account: &'a Account,
        /// The visitor's verified session, if there is a live one.
        proof: Option<Proof<'a>>,
    },
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Decision {
    /// Let it through.
    Pass(Passage),
    /// Ask for a code.
    Challenge,
    /// Have the visitor enroll an authenticator.
    Enroll,
}

/// Decides on a request: the table of the rules, row by row.
pub fn decide(standing: &Standing<'_>) -> Decision {
    match *standing {
        Standing::Public => Decision::Pass(Passage { traveler: None }),
        Standing::Known { requirement, account, proof } => match (account.factor, requirement) {
            (Factor::Enrolled { .. }, _) => match proof {
                Some(proof) => Decision::Pass(Passage::verified(account, proof)),
                None => Decision::Challenge,
            },
            (Factor::Reset { .. }, _) | (Factor::NotEnrolled, Requirement::Required) => Decision::Enroll,
            (Factor::NotEnrolled, Requirement::Optional) => Decision::Pass(Passage::unasked(account)),
        },
    }
}

/// Leave to reach the upstream with one request. Only [`decide`] makes one.
///
/// ```compile_fail
/// use vestibule::second_factor::policy::Passage;
/// let forged = Passage { traveler: None };
/// ```
#[derive(Debug)]
#[must_use = "a passage that is not used lets nobody through"]
pub struct Passage {
    traveler: Option<Traveler>,
}

/// Who passes, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traveler {
    /// The account.
    pub account: AccountId,
    /// What names it.
    pub key: Arc<AccountKey>,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// The session that proves the second factor; `None` where none was asked for.
    pub verified: Option<Verified>,
}

/// A second factor that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// In which session.
    pub session: SessionId,
    /// What it was.
    pub by: VerifiedBy,
    /// When.
    pub at: Timestamp,
    /// When a code was last given in that session.
    pub code_at: Timestamp,
}

impl Passage {
    fn verified(account: &Account, proof: Proof<'_>) -> Self {
        let session = proof.session();
        let verified =
            Verified { session: session.id, by: session.by, at: session.verified_at, code_at: session.code_at };
        Self::of(account, Some(verified))
    }

    fn unasked(account: &Account) -> Self {
        Self::of(account, None)
    }

    fn of(account: &Account, verified: Option<Verified>) -> Self {
        let traveler = Traveler {
            account: account.id,
            key: Arc::clone(&account.key),
            organization: account.organization,
            verified,
        };
        Self { traveler: Some(traveler) }
    }

    /// Who passes; `None` on a public path, where nobody was asked.
    pub const fn traveler(&self) -> Option<&Traveler> {
        self.traveler.as_ref()
    }
}

/// Leave to see the administrator's pages of one organization. Only [`admit`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    account: AccountId,
    organization: OrganizationId,
    code_at: Timestamp,
}

/// Leave to act as an administrator. Only [`Admin::act`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct ActingAdmin {
    account: AccountId,
    organization: OrganizationId,
}

/// Why somebody may not administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRefusal {
    /// The dashboard does not mark them as an administrator.
    NotAnAdmin,
    /// They have not given their own second factor.
    NotVerified,
    /// They signed in with a recovery code, and must replace their authenticator first.
    RecoveryOnly,
}

/// Admits an administrator to the pages of the own organization.
///
/// `marked` is whether the dashboard's current answer marks the visitor as one.
pub fn admit(passage: &Passage, marked: bool) -> Result<Admin, AdminRefusal> {
    let traveler = passage.traveler().filter(|_| marked).ok_or(AdminRefusal::NotAnAdmin)?;
    let verified = traveler.verified.ok_or(AdminRefusal::NotVerified)?;
    match verified.by {
        VerifiedBy::Totp => {
            Ok(Admin { account: traveler.account, organization: traveler.organization, code_at: verified.code_at })
        }
        VerifiedBy::RecoveryCode => Err(AdminRefusal::RecoveryOnly),
    }
}

impl Admin {
    /// Who it is.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The only organization whose pages these are.
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Leave to act, if the last code is recent enough; `None` asks for a new one.
    pub fn act(self, now: Timestamp) -> Option<ActingAdmin> {
        is_fresh(self.code_at, now).then_some(ActingAdmin { account: self.account, organization: self.organization })
    }
}

impl ActingAdmin {
    /// Who acts.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The only organization that can be acted on.
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }
}

/// On whose authority something is done to an organization or one of its accounts.
#[derive(Debug, Clone, Copy)]
pub enum Authority {
    /// An administrator's, over the own organization.
    Admin(ActingAdmin),
    /// The operator's, at the command line, over this organization.
    Operator(OrganizationId),
}

impl Authority {
    /// The only organization it reaches.
    pub const fn organization(&self) -> OrganizationId {
        match self {
            Self::Admin(admin) => admin.organization,
            Self::Operator(organization) => *organization,
        }
    }
}

/// Whether a code given at `code_at` still covers an action at `now`.
pub fn is_fresh(code_at: Timestamp, now: Timestamp) -> bool {
    now < code_at.plus(FRESH)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::second_factor::session::{BindingCheck, Limits, TokenDigest, VerifiedSession};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LIMITS: Limits = Limits { idle: Duration::from_hours(1), lifetime: Duration::from_hours(12) };
    const ENROLLED: Factor = Factor::Enrolled { since: NOW, last_used: None };
    const RESET: Factor = Factor::Reset { at: NOW };

    fn account(factor: Factor) -> Account {
        Account {
            id: AccountId(7),
            organization: OrganizationId(1),
            key: Arc::new(AccountKey { realm: "site".into(), organization: "acme".into(), user: "42".into() }),
            email: None,
            name: None,
            factor,
        }
    }

    fn session(by: VerifiedBy) -> VerifiedSession {
        VerifiedSession {
            id: SessionId(3),
            digest: TokenDigest([0; 32]),
            account: AccountId(7),
            binding: None,
            by,
            verified_at: NOW,
            code_at: NOW,
            last_seen: NOW,
        }
    }

    fn prove(session: &VerifiedSession) -> Proof<'_> {
        session.prove(AccountId(7), BindingCheck::Unbound, LIMITS, NOW).expect("a live session")
    }

    fn outcome(requirement: Requirement, factor: Factor, verified: bool) -> &'static str {
        let session = session(VerifiedBy::Totp);
        let account = account(factor);
        let proof = verified.then(|| prove(&session));
        match decide(&Standing::Known { requirement, account: &account, proof }) {
            Decision::Pass(passage) => match passage.traveler().expect("known visitors travel by name").verified {
                Some(_) => "through, verified",
                None => "through",
            },
            Decision::Challenge => "challenge",
            Decision::Enroll => "enroll",
        }
    }

    #[test]
    fn every_row_of_the_rules() {
        use Factor::NotEnrolled;
        use Requirement::{Optional, Required};
        let rows = [
            (Required, NotEnrolled, false, "enroll"),
            (Required, NotEnrolled, true, "enroll"),
            (Required, RESET, false, "enroll"),
            (Required, RESET, true, "enroll"),
            (Required, ENROLLED, false, "challenge"),
            (Required, ENROLLED, true, "through, verified"),
            (Optional, NotEnrolled, false, "through"),
            (Optional, NotEnrolled, true, "through"),
            (Optional, RESET, false, "enroll"),
            (Optional, RESET, true, "enroll"),
            (Optional, ENROLLED, false, "challenge"),
            (Optional, ENROLLED, true, "through, verified"),
        ];
        for (requirement, factor, verified, expected) in rows {
            assert_eq!(outcome(requirement, factor, verified), expected, "{requirement:?}, {factor:?}, {verified}");
        }
    }

    #[test]
    fn where_everybody_gets_through_nobody_is_known() {
        assert!(matches!(decide(&Standing::Public), Decision::Pass(p) if p.traveler().is_none()));
    }

    fn passage(factor: Factor, by: Option<VerifiedBy>) -> Passage {
        let session = by.map(session);
        let account = account(factor);
        let proof = session.as_ref().map(prove);
        match decide(&Standing::Known { requirement: Requirement::Optional, account: &account, proof }) {
            Decision::Pass(passage) => passage,
            other => panic!("no passage: {other:?}"),
        }
    }

    #[test]
    fn only_a_marked_person_with_a_verified_authenticator_administers() {
        let totp = passage(ENROLLED, Some(VerifiedBy::Totp));
        let recovered = passage(ENROLLED, Some(VerifiedBy::RecoveryCode));
        let unasked = passage(Factor::NotEnrolled, None);
        assert!(admit(&totp, true).is_ok());
        assert_eq!(admit(&totp, false).unwrap_err(), AdminRefusal::NotAnAdmin);
        assert_eq!(admit(&recovered, true).unwrap_err(), AdminRefusal::RecoveryOnly);
        assert_eq!(admit(&unasked, true).unwrap_err(), AdminRefusal::NotVerified);
        let public = Passage { traveler: None };
        assert_eq!(admit(&public, true).unwrap_err(), AdminRefusal::NotAnAdmin);
    }

    #[test]
    fn an_action_needs_a_code_of_the_last_five_minutes() {
        let admin = admit(&passage(ENROLLED, Some(VerifiedBy::Totp)), true).expect("an administrator");
        assert!(admin.act(NOW.plus(Duration::from_secs(299))).is_some());
        assert!(admin.act(NOW.plus(Duration::from_mins(5))).is_none());
    }

    #[test]
    fn a_session_proves_nothing_for_others_for_another_login_or_past_its_limits() {
        use crate::second_factor::session::{Binding, Mismatch};
        let free = session(VerifiedBy::Totp);
        let bound = VerifiedSession { binding: Some(Binding([1; 32])), ..free.clone() };
        let at = |s: &VerifiedSession, account, check, now| s.prove(AccountId(account), check, LIMITS, now).err();
        let idle = NOW.plus(LIMITS.idle);
        let unbound = BindingCheck::Unbound;
        let carried = |byte| BindingCheck::Carried(Some(Binding([byte; 32])));
        assert_eq!(at(&free, 8, unbound, NOW), Some(Mismatch::SomebodyElse));
        assert_eq!(at(&free, 7, unbound, idle), Some(Mismatch::Expired));
        assert_eq!(at(&free, 7, unbound, idle.minus(Duration::from_millis(1))), None);
        let busy = VerifiedSession { last_seen: NOW.plus(LIMITS.lifetime), ..free.clone() };
        assert_eq!(at(&busy, 7, unbound, NOW.plus(LIMITS.lifetime)), Some(Mismatch::Expired));
        let used_later = VerifiedSession { last_seen: NOW.plus(Duration::from_mins(2)), ..free.clone() };
        assert_eq!(at(&used_later, 7, unbound, NOW), None);
        assert_eq!(at(&used_later, 7, unbound, NOW.minus(Duration::from_millis(1))), Some(Mismatch::Expired));
        assert_eq!(at(&bound, 7, carried(1), NOW), None);
        assert_eq!(at(&bound, 7, BindingCheck::NotCarried, NOW), None);
        assert_eq!(at(&bound, 7, carried(2), NOW), Some(Mismatch::AnotherLogin));
        assert_eq!(at(&bound, 7, BindingCheck::Carried(None), NOW), Some(Mismatch::AnotherLogin));
        assert_eq!(
            at(&busy, 7, carried(1), NOW),
            Some(Mismatch::AnotherLogin),
            "opened before the site bound sessions"
        );
    }
}
