//! Somebody's authenticator app.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use super::page::Page;
use super::time::Time;

/// Seconds that a code is shown for.
const STEP: i64 = 30;

/// An app that scanned a key. It computes codes by itself (RFC 4226 section 5.3), so that it checks the gateway's.
#[derive(Clone)]
pub(crate) struct Authenticator {
    key: Vec<u8>,
    time: Time,
    /// The step of the last code that was given, in whichever browser.
    last: Arc<AtomicI64>,
}

impl Authenticator {
    /// Takes the key over from an enrollment page, which shows it twice: as text and in an `otpauth` address.
    pub(crate) fn scan(page: &Page, time: &Time) -> Self {
        let shown = page.secret();
        let address = page.otpauth();
        let named = address.split(['?', '&']).find_map(|part| part.strip_prefix("secret=").map(str::to_owned));
        assert_eq!(named.as_deref(), Some(shown.as_str()), "the key and the address to tap on are the same");
        let key = BASE32_NOPAD.decode(shown.as_bytes()).expect("a key in base32");
        assert_eq!(key.len(), 20, "160 bits");
        Self { key, time: time.clone(), last: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// A code that was not given before; waits for the next one if need be.
    pub(crate) fn fresh_code(&self) -> String {
        let step = loop {
            let (now, last) = (self.step(), self.last.load(Ordering::Relaxed));
            let next = now.max(last + 1);
            if next <= now + 1 {
                break next;
            }
            self.time.waits_for_the_next_step();
        };
        self.last.store(step, Ordering::Relaxed);
        self.code_of(step)
    }

    /// The code it shows that many steps from now.
    pub(crate) fn code(&self, steps_from_now: i64) -> String {
        self.code_of(self.step() + steps_from_now)
    }

    /// Six digits that are no code of these minutes.
    pub(crate) fn wrong_code(&self) -> String {
        self.wrong_codes(1).remove(0)
    }

    /// Different ones.
    pub(crate) fn wrong_codes(&self, count: usize) -> Vec<String> {
        let good: Vec<_> = (-20..=20).map(|steps| self.code(steps)).collect();
        (0..1_000_000).map(|n| format!("{n:06}")).filter(|code| !good.contains(code)).take(count).collect()
    }

    /// The key as the page had it.
    pub(crate) fn secret(&self) -> String {
        BASE32_NOPAD.encode(&self.key)
    }

    fn step(&self) -> i64 {
        self.time.seconds().div_euclid(STEP)
    }

    fn code_of(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let mac = tag.as_ref();
        let offset = usize::from(mac[19] & 0xf);
        let four = [mac[offset] & 0x7f, mac[offset + 1], mac[offset + 2], mac[offset + 3]];
        format!("{:06}", u32::from_be_bytes(four) % 1_000_000)
    }
}
