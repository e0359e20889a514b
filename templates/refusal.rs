//! Why a form is shown again, and whether it asks for a code.

use crate::Moment;

/// Why what was sent was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The code was wrong, used before, or the factor is locked: nobody can tell which.
    NotAccepted {
        /// The server's time, for comparison with the phone's clock.
        server_time: Moment,
    },
    /// Too many failed tries; the code was not looked at.
    TooSoon {
        /// Seconds until the next try is heard, as in `Retry-After`.
        seconds: u64,
    },
    /// What the form belonged to had run out: the pending session, or on the enrollment page the key that was shown.
    Expired,
    /// Nothing showed that the form was sent from this site.
    SentFromElsewhere,
}

/// Whether an administrator's form asks for a code: only if the last one is older than five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeDemand {
    /// The last code is fresh enough: no field is shown.
    Fresh,
    /// A field `code` is shown.
    Needed,
}
