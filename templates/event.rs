//! What can have happened, and how the audit log and the profile say it.

/// What happened: one for each kind the gateway's audit log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An authenticator was enrolled.
    Enrolled,
    /// An authenticator took the place of another.
    Replaced,
    /// The user switched the second factor off.
    Disabled,
    /// An administrator or the operator threw the key away.
    Reset,
    /// A code was accepted.
    Verified,
    /// A recovery code was accepted.
    RecoveryCodeUsed,
    /// A code was refused.
    CodeRefused,
    /// A code that had been used before was refused.
    CodeReused,
    /// A recovery code was refused.
    RecoveryCodeRefused,
    /// A ticket for the first authenticator was issued.
    TicketIssued,
    /// An authenticator was enrolled with a ticket.
    TicketUsed,
    /// A ticket was refused.
    TicketRefused,
    /// Too many failed tries locked the factor.
    FactorLocked,
    /// So many failed tries within a day that somebody may be guessing.
    GuessingAtAccount,
    /// Failed tries at so many accounts within an hour that somebody may be guessing.
    GuessingAtOrganization,
    /// New recovery codes took the place of the old ones.
    RecoveryCodesRegenerated,
    /// The organization began to require a second factor.
    RequirementTurnedOn,
    /// The organization left it to its users.
    RequirementTurnedOff,
    /// A session was ended by its owner from the profile.
    SessionEnded,
    /// A session ended by logging out.
    LoggedOut,
    /// The operator copied everything to this store.
    StoreCopied,
    /// The store was put back from a backup.
    StoreRestored,
    /// The operator looked after the store itself: no organization's log shows it.
    Maintenance,
    /// What a later release of the gateway, on the same store, has written.
    Later,
}

impl EventKind {
    /// As the audit log says it: after it stands who did it, and to whom.
    pub(crate) const fn in_the_log(self) -> &'static str {
        match self {
            Self::Enrolled => "Authenticator set up",
            Self::Replaced => "Authenticator replaced",
            Self::Disabled => "2-factor authentication turned off",
            Self::Reset => "2-factor authentication reset",
            Self::Verified => "Code accepted",
            Self::RecoveryCodeUsed => "Recovery code used",
            Self::CodeRefused => "Wrong code",
            Self::CodeReused => "Code used a second time",
            Self::RecoveryCodeRefused => "Wrong recovery code",
            Self::TicketIssued => "Enrollment ticket issued",
            Self::TicketUsed => "Enrollment ticket used",
            Self::TicketRefused => "Wrong enrollment ticket",
            Self::FactorLocked => "Authenticator locked after too many wrong codes",
            Self::GuessingAtAccount => "Alarm: many wrong codes within a day",
            Self::GuessingAtOrganization => "Alarm: wrong codes at many accounts within an hour",
            Self::RecoveryCodesRegenerated => "New recovery codes made",
            Self::RequirementTurnedOn => "2-factor authentication made required",
            Self::RequirementTurnedOff => "2-factor authentication made optional",
            Self::SessionEnded => "Session ended from the profile",
            Self::LoggedOut => "Logged out",
            Self::StoreCopied => "Everything copied to a new store, and every session ended",
            Self::StoreRestored => "Everything restored from a backup; every session and all recovery codes ended",
            Self::Maintenance => "Maintenance of the store",
            Self::Later => "Something that only a later release has words for",
        }
    }

    /// As the profile says it to the person it happened to.
    pub(crate) const fn to_its_owner(self) -> &'static str {
        match self {
            Self::Enrolled => "You set up your authenticator",
            Self::Replaced => "You replaced your authenticator",
            Self::Disabled => "You turned 2-factor authentication off",
            Self::Reset => "Your 2-factor authentication was reset",
            Self::Verified => "You entered a code",
            Self::RecoveryCodeUsed => "A recovery code was used",
            Self::CodeRefused => "A wrong code was entered",
            Self::CodeReused => "A code was entered a second time",
            Self::RecoveryCodeRefused => "A wrong recovery code was entered",
            Self::TicketIssued => "An enrollment ticket was issued for you",
            Self::TicketUsed => "You used your enrollment ticket",
            Self::TicketRefused => "A wrong enrollment ticket was entered",
            Self::FactorLocked => "Your authenticator was locked after too many wrong codes",
            Self::GuessingAtAccount => "Many wrong codes were entered within a day: somebody may know your password",
            Self::GuessingAtOrganization => "Wrong codes were entered at many accounts within an hour",
            Self::RecoveryCodesRegenerated => "You made new recovery codes",
            Self::RequirementTurnedOn => "Your organization made 2-factor authentication required",
            Self::RequirementTurnedOff => "Your organization made 2-factor authentication optional",
            Self::SessionEnded => "You ended a session",
            Self::LoggedOut => "You logged out",
            Self::StoreCopied => "Everything was copied to a new store, and every session ended",
            Self::StoreRestored => "Everything was restored from a backup; every session and all recovery codes ended",
            Self::Maintenance => "The store was maintained",
            Self::Later => "Something happened that only a later release has words for",
        }
    }

    /// Whether somebody may want to look into it.
    pub(crate) const fn weight(self) -> Weight {
        match self {
            Self::CodeRefused
            | Self::CodeReused
            | Self::RecoveryCodeRefused
            | Self::TicketRefused
            | Self::FactorLocked
            | Self::GuessingAtAccount
            | Self::GuessingAtOrganization => Weight::Suspicious,
            Self::Disabled
            | Self::Reset
            | Self::RecoveryCodeUsed
            | Self::TicketIssued
            | Self::RequirementTurnedOff
            | Self::StoreRestored => Weight::Notable,
            Self::TicketUsed
            | Self::Enrolled
            | Self::Replaced
            | Self::Verified
            | Self::RecoveryCodesRegenerated
            | Self::RequirementTurnedOn
            | Self::SessionEnded
            | Self::LoggedOut
            | Self::StoreCopied
            | Self::Maintenance
            | Self::Later => Weight::Usual,
        }
    }
}

/// How much an event stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It happens every day.
    Usual,
    /// Protection got less.
    Notable,
    /// Somebody may have been guessing.
    Suspicious,
}

impl Weight {
    /// Its class in the stylesheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Usual => "event",
            Self::Notable => "event notable",
            Self::Suspicious => "event suspicious",
        }
    }
}
