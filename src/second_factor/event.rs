//! What the audit log records.

use std::net::IpAddr;

use super::Timestamp;
use super::account::AccountId;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person, by the account they were signed in as.
    Account(AccountId),
    /// Whoever operates the gateway, at its command line.
    Operator,
    /// The gateway itself.
    Gateway,
}

impl Actor {
    /// The word for its kind in the store, and the account if it is one.
    pub const fn as_kept(self) -> (&'static str, Option<AccountId>) {
        match self {
            Self::Account(account) => ("account", Some(account)),
            Self::Operator => ("operator", None),
            Self::Gateway => ("gateway", None),
        }
    }

    /// Whom this word and account stand for.
    pub fn of_kept(word: &str, account: Option<AccountId>) -> Option<Self> {
        let mut known = account.map(Self::Account).into_iter().chain([Self::Operator, Self::Gateway]);
        known.find(|actor| actor.as_kept().0 == word)
    }
}

/// Who, when and from where: what every entry of the audit log says beside what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From which address; `None` at the command line.
    pub address: Option<IpAddr>,
    /// The id of the request, as in the gateway's own log; `None` at the command line.
    pub request: Option<String>,
}

impl Occasion {
    /// The operator does something, at the command line.
    pub const fn of_the_operator(at: Timestamp) -> Self {
        Self { at, actor: Actor::Operator, address: None, request: None }
    }

    /// The gateway does something by itself.
    pub const fn of_the_gateway(at: Timestamp) -> Self {
        Self { at, actor: Actor::Gateway, address: None, request: None }
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The word for it in the store, in `vestibule audit` and in logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// The kind that this word stands for.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

event_kinds! {
    /// An authenticator was enrolled.
    Enrolled = "enrolled",
    /// An authenticator took the place of another.
    Replaced = "replaced",
    /// The user switched the second factor off.
    Disabled = "disabled",
    /// An administrator or the operator threw the key away.
    Reset = "reset",
    /// A code was accepted.
    Verified = "verified",
    /// A recovery code was accepted.
    RecoveryCodeUsed = "recovery_code_used",
    /// A code was refused.
    CodeRefused = "code_refused",
    /// A code that had been used before was refused.
    CodeReused = "otp_replay",
    /// A recovery code was refused.
    RecoveryCodeRefused = "recovery_code_refused",
    /// A ticket for the first authenticator was issued, in place of the one before.
    TicketIssued = "ticket_issued",
    /// An authenticator was enrolled with a ticket, which is used up.
    TicketUsed = "ticket_used",
    /// A ticket was refused.
    TicketRefused = "ticket_refused",
    /// Too many failed tries locked the factor.
    FactorLocked = "factor_locked",
    /// So many failed tries within a day that somebody may be guessing.
    GuessingAtAccount = "guessing_at_account",
    /// Failed tries at so many accounts within an hour that somebody may be guessing.
    GuessingAtOrganization = "guessing_at_organization",
    /// New recovery codes took the place of the old ones.
    RecoveryCodesRegenerated = "recovery_codes_regenerated",
    /// The organization began to require a second factor.
    RequirementTurnedOn = "requirement_turned_on",
    /// The organization left it to its users.
    RequirementTurnedOff = "requirement_turned_off",
    /// A session was ended by its owner from the profile.
    SessionEnded = "session_ended",
    /// A session ended by logging out.
    LoggedOut = "logged_out",
    /// The operator copied everything to this store, where nobody was signed in.
    StoreCopied = "store_copied",
    /// The store was put back from a backup; sessions, codes and recovery codes from before are good for nothing any more.
    StoreRestored = "store_restored",
    /// A new key came into the key file. This and what follows is about the whole store.
    KeyAdded = "key_added",
    /// Secrets are sealed with another key from now on.
    KeyRotated = "key_rotated",
    /// Nothing needs the keys from before any more.
    KeyRetired = "key_retired",
    /// What a later release on the same store has written, and this one has no word for. Never written.
    Later = "later",
}

impl EventKind {
    /// The kind that this word in the store stands for: an entry that can't be told apart is still an entry, and those
    /// beside it are to be read.
    pub fn of_kept(word: &str) -> Self {
        Self::parse(word).unwrap_or(Self::Later)
    }
}

/// One entry to write: what happened, to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The account it happened to; `None` where it is the whole organization.
    pub subject: Option<AccountId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_something_is_kept_in_these_words() {
        let account = AccountId(7);
        let rows = [
            (Actor::Account(account), ("account", Some(account))),
            (Actor::Operator, ("operator", None)),
            (Actor::Gateway, ("gateway", None)),
        ];
        for (actor, kept) in rows {
            assert_eq!(actor.as_kept(), kept);
            assert_eq!(Actor::of_kept(kept.0, kept.1), Some(actor));
        }
        assert_eq!(Actor::of_kept("account", None), None, "nobody in particular");
        assert_eq!(Actor::of_kept("root", Some(account)), None);
    }

    #[test]
    fn every_kind_of_event_has_a_word_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventKind::parse(""), None);
    }
}
