//! Sessions: what a browser's cookie stands for, and when it stops standing for it.
//!
//! A pending session (first factor seen, second asked for) and a verified one are different types, kept in
//! different places and named by cookies of different shape, so that one can't be taken for the other.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::Timestamp;
use super::account::AccountId;
use super::digests::sha256;

/// How long a pending session lasts.
pub const PENDING_LIFETIME: Duration = Duration::from_mins(10);

/// How recent a code must be for an administrator's action, and a recovery code for replacing the authenticator.
pub const FRESH: Duration = Duration::from_mins(5);

/// Random bytes in a token.
pub const TOKEN_BYTES: usize = 32;

/// How long a cookie's value is: a letter, and the token in base64url.
pub const COOKIE_VALUE_BYTES: usize = 1 + (TOKEN_BYTES * 8).div_ceil(6);

/// Which kind of session a cookie claims to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// First factor seen, second asked for.
    Pending,
    /// Second factor given.
    Verified,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Pending => 'p',
            Self::Verified => 'v',
        }
    }
}

/// A new token, on its way to the browser. The store only ever sees its digest.
pub struct SessionToken {
    kind: Kind,
    bytes: [u8; TOKEN_BYTES],
}

impl SessionToken {
    /// A token made of 256 fresh random bits.
    pub const fn new(kind: Kind, random: [u8; TOKEN_BYTES]) -> Self {
        Self { kind, bytes: random }
    }

    /// The cookie value: one letter for the kind and 43 characters of base64url.
    pub fn cookie_value(&self) -> String {
        let mut value = String::with_capacity(COOKIE_VALUE_BYTES);
        value.push(self.kind.letter());
        BASE64URL_NOPAD.encode_append(&self.bytes, &mut value);
        value
    }

    /// What the store keeps of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.bytes)
    }
}

/// SHA-256 of a token: enough to find the session, useless to forge the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

/// What a request's cookie claims: to be looked up, not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// The kind of session it names.
    pub kind: Kind,
    /// Under which digest the store would have it.
    pub digest: TokenDigest,
}

impl Presented {
    /// Reads a cookie value. `None` for anything that [`SessionToken::cookie_value`] can't have made.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (&letter, rest) = value.split_first()?;
        let kind = match letter {
            b'p' => Kind::Pending,
            b'v' => Kind::Verified,
            _ => return None,
        };
        let mut bytes = [0; TOKEN_BYTES];
        if BASE64URL_NOPAD.decode_len(rest.len()).ok()? != TOKEN_BYTES {
            return None;
        }
        BASE64URL_NOPAD.decode_mut(rest, &mut bytes).ok()?;
        Some(Self { kind, digest: TokenDigest::of(&bytes) })
    }
}

/// Keyed digest of the dashboard credential that a session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 32]);

/// Which row of the store a verified session is; shown to its owner in the list of own sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

/// First factor seen, second asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSession {
    /// Under which digest it is kept.
    pub digest: TokenDigest,
    /// Whose second factor is asked for.
    pub account: AccountId,
    /// The dashboard credential it was opened with, where the site binds to one.
    pub binding: Option<Binding>,
    /// When it was opened.
    pub opened: Timestamp,
}

impl PendingSession {
    /// Whether it is still good at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.opened.plus(PENDING_LIFETIME) && self.opened <= now.plus(CLOCK_SLACK)
    }
}

/// What a verified session was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifiedBy {
    /// A code from the authenticator.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

impl VerifiedBy {
    /// The word for it in the store and for dashboards.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery-code",
        }
    }

    /// What this word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Totp, Self::RecoveryCode].into_iter().find(|by| by.as_str() == word)
    }
}

/// Second factor given, for one login at the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSession {
    /// The store's number for it.
    pub id: SessionId,
    /// Under which digest it is kept.
    pub digest: TokenDigest,
    /// Whose it is.
    pub account: AccountId,
    /// The dashboard credential it holds for, where the site binds to one.
    pub binding: Option<Binding>,
    /// What it was verified with.
    pub by: VerifiedBy,
    /// When the second factor was given; the absolute limit counts from here.
    pub verified_at: Timestamp,
    /// When a code was last given in it: at verification, or later for an action that asked for one.
    pub code_at: Timestamp,
    /// When it was last used; the idle limit counts from here.
    pub last_seen: Timestamp,
}

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a request.
    pub idle: Duration,
    /// At all.
    pub lifetime: Duration,
}

/// Clocks of several machines, or one that was set back, may differ by this much before a session that was opened or used
/// in the future is refused. So none outlives its limits because a clock was set back, unless it was not used for as long.
const CLOCK_SLACK: Duration = Duration::from_mins(2);

impl VerifiedSession {
    /// The session as proof that `account` gave its second factor in the login that `binding` stands for.
    ///
    /// Where the site binds to no credential, or the request can't carry it ([`BindingCheck::Unbound`] and
    /// [`BindingCheck::NotCarried`]), any login will do.
    pub fn prove(
        &self,
        account: AccountId,
        binding: BindingCheck,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Proof<'_>, Mismatch> {
        if self.account != account {
            return Err(Mismatch::SomebodyElse);
        }
        if !binding.accepts(self.binding) {
            return Err(Mismatch::AnotherLogin);
        }
        let expired = now >= self.verified_at.plus(limits.lifetime) || now >= self.last_seen.plus(limits.idle);
        if expired || self.verified_at.max(self.last_seen) > now.plus(CLOCK_SLACK) {
            return Err(Mismatch::Expired);
        }
        Ok(Proof { session: self })
    }
}

/// What a request shows of the credential that sessions are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingCheck {
    /// The site binds to none.
    Unbound,
    /// The request is one that can't carry the credential: a page's navigation at a site whose login lives in a header.
    NotCarried,
    /// The request carries this one, or lacks it.
    Carried(Option<Binding>),
}

impl BindingCheck {
    /// Whether a session that was opened with `bound` is good for this request.
    pub fn accepts(self, bound: Option<Binding>) -> bool {
        match self {
            Self::Unbound | Self::NotCarried => true,
            Self::Carried(None) => false,
            Self::Carried(Some(carried)) => Some(carried) == bound,
        }
    }
}

/// Why a session is no proof. All of them end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The dashboard says that somebody else is logged in.
    SomebodyElse,
    /// The dashboard's credential is not the one it was verified with.
    AnotherLogin,
    /// Past the idle or the absolute limit.
    Expired,
}

/// A live session of the account that asks. Only [`VerifiedSession::prove`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    session: &'a VerifiedSession,
}

impl<'a> Proof<'a> {
    /// The session that proves it.
    pub const fn session(self) -> &'a VerifiedSession {
        self.session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn times(offset_ms: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + offset_ms)
    }

    #[test]
    fn a_cookie_names_one_session_of_one_kind_in_one_spelling() {
        for (kind, letter) in [(Kind::Pending, "p"), (Kind::Verified, "v")] {
            let token = SessionToken::new(kind, [0xa7; TOKEN_BYTES]);
            let value = token.cookie_value();
            assert_eq!(value, format!("{letter}p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c"));
            assert_eq!(Presented::parse(value.as_bytes()), Some(Presented { kind, digest: token.digest() }));
            for other in [&value[..43], &value[1..], &format!("{value}A"), &value.replace("6c", "6d"), "p", "v", ""] {
                assert_eq!(Presented::parse(other.as_bytes()), None, "{other}");
            }
            assert_eq!(Presented::parse(value.replacen(letter, "x", 1).as_bytes()), None);
        }
        assert_ne!(
            SessionToken::new(Kind::Verified, [1; 32]).digest(),
            SessionToken::new(Kind::Verified, [2; 32]).digest()
        );
    }

    #[test]
    fn a_pending_session_lasts_ten_minutes_and_may_be_two_minutes_from_the_future() {
        let rows = [(-120_001, false), (-120_000, true), (0, true), (599_999, true), (600_000, false)];
        for (passed, expected) in rows {
            let session =
                PendingSession { digest: TokenDigest([0; 32]), account: AccountId(1), binding: None, opened: NOW };
            assert_eq!(session.is_live(times(passed)), expected, "{passed} ms after it was opened");
        }
    }

    #[test]
    fn a_verified_session_proves_nothing_from_either_limit_on_nor_from_far_in_the_future() {
        let limits = Limits { idle: Duration::from_mins(1), lifetime: Duration::from_mins(5) };
        let rows = [
            (0, 0, true),
            (0, -59_999, true),
            (0, -60_000, false),
            (-299_999, 0, true),
            (-300_000, 0, false),
            (120_000, 0, true),
            (120_001, 0, false),
        ];
        for (verified, seen, expected) in rows {
            let session = VerifiedSession {
                id: SessionId(1),
                digest: TokenDigest([0; 32]),
                account: AccountId(1),
                binding: None,
                by: VerifiedBy::Totp,
                verified_at: times(verified),
                code_at: times(verified),
                last_seen: times(seen),
            };
            let proof = session.prove(AccountId(1), BindingCheck::Unbound, limits, NOW);
            assert_eq!(proof.map(drop), if expected { Ok(()) } else { Err(Mismatch::Expired) }, "{verified}, {seen}");
        }
    }

    #[test]
    fn what_a_session_was_verified_with_is_kept_and_told_in_these_words() {
        for (by, word) in [(VerifiedBy::Totp, "totp"), (VerifiedBy::RecoveryCode, "recovery-code")] {
            assert_eq!((by.as_str(), VerifiedBy::parse(word)), (word, Some(by)));
        }
        assert_eq!(VerifiedBy::parse("none"), None);
    }
}
