//! The page that shows a new key and has it confirmed.

use maud::Markup;

use crate::{Frame, Moment, Refusal};

/// Enrollment: `GET` and `POST {prefix}/enroll`. Holds a secret, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Enrollment<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Where to go afterwards: a path on the site.
    pub next: &'a str,
    /// Why the person is here.
    pub reason: EnrollmentReason,
    /// The `otpauth://` address as a QR code.
    pub qr: &'a Qr,
    /// The `otpauth://` address, for a tap on the phone itself.
    pub otpauth: &'a str,
    /// The secret in base32, in one piece; it is shown in groups of four.
    pub secret: &'a str,
    /// What the app will call the account.
    pub label: &'a str,
    /// What became of the last try. [`Refusal::Expired`]: the key of the last try had run out, this is a new one.
    pub refusal: Option<Refusal>,
}

/// Why somebody enrolls an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentReason {
    /// Their organization requires it.
    RequiredByOrganization,
    /// An administrator threw the last key away.
    Reset {
        /// When.
        at: Moment,
    },
    /// They want to.
    OwnWish,
    /// The new one takes the place of the old one, which works until then.
    Replacement,
}

/// A QR code as one SVG path. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct Qr {
    /// Modules on a side, without the quiet zone (which the page adds).
    size: usize,
    /// The dark modules.
    path: String,
}

impl Qr {
    /// The code of `size` modules a side whose dark ones are those for which `is_dark(x, y)`.
    pub fn new(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> Self {
        use std::fmt::Write as _;
        let mut path = String::new();
        for y in 0..size {
            let mut x = 0;
            while x < size {
                let run = (x..size).take_while(|x| is_dark(*x, y)).count();
                if run > 0 {
                    let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
                }
                x += run + 1;
            }
        }
        Self { size, path }
    }
}

/// Shows a new key and asks for a code of it. The form posts `code` and `next`.
pub fn enrollment(view: &Enrollment<'_>) -> Markup {
    let _ = (view.qr.size, &view.qr.path);
    view.frame.stub("Set up 2-factor authentication")
}
