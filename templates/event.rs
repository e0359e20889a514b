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
    /// Too many failed tries locked the factor.
    FactorLocked,
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
}
