//! Enrollment tickets: what it takes beside the first factor to set up the first authenticator of an account, where the
//! operator wants that (NIST SP 800-63B section 4.1.2.1).

use std::time::Duration;

use zeroize::Zeroizing;

use super::account::{AccountKey, Factor};
use super::digests::DigestKeys;
use super::enrollment::PendingEnrollment;
use super::spelling;

/// Random bytes in a ticket: 120 bits, 24 characters.
///
/// The ten minutes that section 4.1.2.1 gives a code are for one that is short enough to be guessed. With 112 bits or more
/// there is nothing to guess, so a ticket may live for as long as it takes to reach its owner. `SECURITY.md` declares it.
pub const TICKET_BYTES: usize = 15;

/// A ticket, on its way to whoever hands it over. Never logged, never kept: the store has its [`TicketDigest`].
pub struct Ticket(Zeroizing<[u8; TICKET_BYTES]>);

/// Keyed digest of a ticket for one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketDigest(pub [u8; 32]);

impl Ticket {
    /// A ticket made of 120 fresh random bits.
    pub fn new(random: [u8; TICKET_BYTES]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Reads what was typed, whatever its case, spaces and dashes; O is read as 0, I and L as 1.
    /// `None` is a failed try like any other.
    pub fn parse(typed: &str) -> Option<Self> {
        spelling::read(typed).map(Self)
    }

    /// The ticket as it is shown: six groups of four characters.
    pub fn text(&self) -> String {
        spelling::spell(self.0.as_slice())
    }

    /// What the store keeps: the same ticket gives another digest for another account, or of another store.
    pub fn digest(&self, keys: &DigestKeys, account: &AccountKey) -> TicketDigest {
        TicketDigest(keys.ticket_digest(account, self.0.as_slice()))
    }
}

/// What the first authenticator of an account takes beside the first factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    None,
    /// A ticket of an administrator or the operator.
    Ticket {
        /// How long a new one is good.
        lifetime: Duration,
    },
}

impl Guard {
    /// Whether somebody whose account is like that may see and confirm the key of this enrollment.
    ///
    /// An account that has a key has one to give a code of: what takes its place needs no ticket. One that was reset has
    /// none, and neither has one whose owner switched the second factor off.
    pub const fn admits(self, factor: Factor, enrollment: &PendingEnrollment) -> bool {
        match self.asked_of(factor) {
            None => true,
            Some(_) => enrollment.ticket.is_some(),
        }
    }

    /// How long a ticket for such an account is good; `None` where it needs none.
    pub const fn asked_of(self, factor: Factor) -> Option<Duration> {
        match (self, factor) {
            (Self::None, _) | (Self::Ticket { .. }, Factor::Enrolled { .. }) => None,
            (Self::Ticket { lifetime }, Factor::NotEnrolled | Factor::Reset { .. }) => Some(lifetime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::Timestamp;
    use crate::second_factor::account::AccountId;
    use crate::second_factor::sealing::Sealed;
    use crate::second_factor::session::TokenDigest;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_ticket_reads_back_however_it_is_typed() {
        let ticket = Ticket::new([0, 1, 2, 3, 4, 5, 246, 247, 248, 249, 250, 251, 252, 253, 254]);
        let shown = ticket.text();
        assert_eq!((shown.len(), shown.matches('-').count()), (29, 5));
        for typed in [shown.clone(), shown.to_lowercase().replace('-', " ")] {
            assert_eq!(Ticket::parse(&typed).expect("readable").0, ticket.0);
        }
    }

    #[test]
    fn anything_but_twenty_four_characters_of_the_alphabet_is_no_ticket() {
        let group = "0000-0000-0000-0000-0000";
        let long = format!("{group}-00000");
        for typed in ["", "0", group, &format!("{group}-000"), &long, &format!("{group}-UUUU")] {
            assert!(Ticket::parse(typed).is_none(), "{typed:?}");
        }
    }

    #[test]
    fn only_the_first_key_of_a_guarded_account_takes_a_ticket() {
        let guarded = Guard::Ticket { lifetime: Duration::from_hours(24) };
        let enrolled = Factor::Enrolled { since: NOW, last_used: None };
        let rows = [
            (Guard::None, Factor::NotEnrolled, true),
            (Guard::None, Factor::Reset { at: NOW }, true),
            (Guard::None, enrolled, true),
            (guarded, Factor::NotEnrolled, false),
            (guarded, Factor::Reset { at: NOW }, false),
            (guarded, enrolled, true),
        ];
        for (guard, factor, without) in rows {
            let mut enrollment = PendingEnrollment {
                session: TokenDigest([1; 32]),
                account: AccountId(1),
                secret: Sealed(Vec::new()),
                started: NOW,
                ticket: None,
            };
            assert_eq!(guard.admits(factor, &enrollment), without, "{guard:?} {factor:?}");
            enrollment.ticket = Some(TicketDigest([2; 32]));
            assert!(guard.admits(factor, &enrollment), "{guard:?} {factor:?}");
        }
    }
}
