//! Going over from one key to another while gateways run, a step at a time.
//!
//! First a new key comes into the file, and from there to every node: until all have it nothing may be sealed with it.
//! Then the store goes over to it. Gateways ask the store which key seals, each time that they seal, so nothing can be
//! sealed with the old one from then on; what was is sealed anew. Enrollments that are under way are left to end: changed
//! in the middle of one, they would be taken for another. When nothing needs the old key any more it is retired.
//!
//! Each step may be given up at any moment and done again.

use std::path::Path;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::entropy;
use crate::key_file::{self, KeyError, Loaded};
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::key_check::KeyCheck;
use crate::second_factor::sealing::{KeyMark, Keyring, Purpose, Sealed, Unsealable};
use crate::store::{Resealed, SealedSecret, Store, StoreError};

/// How many secrets are sealed anew at a time: somebody who is just signing in waits no longer than that takes.
const AT_ONCE: u64 = 100;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A new key is in the file, and nothing is sealed with it yet.
    Added {
        /// The new key.
        key: KeyMark,
    },
    /// Everything is sealed with the new key but some enrollments that are under way.
    Waiting {
        /// The new key.
        key: KeyMark,
        /// How many secrets were sealed anew in this step.
        resealed: u64,
        /// How many enrollments still need the old key. They end within ten minutes.
        enrollments: u64,
    },
    /// Nothing needs another key any more, and no other is left in the file.
    Done {
        /// The key.
        key: KeyMark,
        /// How many secrets were sealed anew in this step.
        resealed: u64,
    },
}

/// Why a step is not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store can't be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process is at it.
    #[error("another rotation is under way: try again when it is done")]
    Overtaken,
    /// These secrets don't open, and so can't be sealed anew.
    #[error(
        "the secrets of these accounts do not open, so the old key stays: {}; reset them (`vestibule accounts reset \
         NUMBER`) and try again",
        .0.iter().map(|(account, why)| format!("{} ({why})", account.0)).collect::<Vec<_>>().join(", ")
    )]
    Unopenable(Vec<(AccountId, Unsealable)>),
}

/// Does the next step for the store and the key file that belongs to it.
pub async fn step(path: &Path, store: &dyn Store, clock: &Clock) -> Result<Step, RotationError> {
    let Loaded { ring, check, sealed } = key_file::load(path, store).await?;
    let mut rotation = Rotation { path, store, clock, ring, check, sealed };
    let keys = rotation.ring.marks();
    if keys == [rotation.check.current] && rotation.check.retiring.is_empty() {
        return rotation.add().await;
    }
    if keys[0] != rotation.check.current {
        rotation = rotation.go_over_to(keys[0]).await?;
    }
    rotation.finish().await
}

struct Rotation<'a> {
    path: &'a Path,
    store: &'a dyn Store,
    clock: &'a Clock,
    ring: Keyring,
    check: KeyCheck,
    /// The check as it stands in the store.
    sealed: Sealed,
}

impl Rotation<'_> {
    async fn add(&self) -> Result<Step, RotationError> {
        let grown = Keyring::add_to_file(&self.text()?, &entropy::random());
        let key = key_file::parse(self.path, &grown)?.marks()[0];
        self.store.record_of_store(EventKind::KeyAdded, self.occasion()).await?;
        key_file::replace(self.path, &grown)?;
        Ok(Step::Added { key })
    }

    /// The store is at that key from here on, and the one before is named as one that may still be needed.
    async fn go_over_to(mut self, key: KeyMark) -> Result<Self, RotationError> {
        self.ring = self.ring.seal_with(key).expect("it is one of these keys");
        let mut retiring = std::mem::take(&mut self.check.retiring);
        retiring.retain(|old| *old != key);
        retiring.push(self.check.current);
        let check = KeyCheck { current: key, retiring, digests: self.check.digests.clone() };
        self.keep(check, EventKind::KeyRotated).await
    }

    async fn finish(self) -> Result<Step, RotationError> {
        let resealed = self.reseal().await?;
        let key = self.check.current;
        let enrollments = self.store.enrollments_sealed_by_others(key, self.clock.now()).await?;
        if enrollments > 0 {
            return Ok(Step::Waiting { key, resealed, enrollments });
        }
        let newest = Keyring::newest_of_file(&self.text()?);
        let path = self.path;
        if !self.check.retiring.is_empty() {
            let check = KeyCheck { retiring: Vec::new(), ..self.check.clone() };
            self.keep(check, EventKind::KeyRetired).await?;
        }
        key_file::replace(path, &newest)?;
        Ok(Step::Done { key, resealed })
    }

    /// How many secrets were sealed anew.
    async fn reseal(&self) -> Result<u64, RotationError> {
        let (mut resealed, mut unopenable, mut last) = (0, Vec::new(), AccountId(i64::MIN));
        loop {
            let secrets = self.store.sealed_by_others(self.check.current, last, AT_ONCE).await?;
            let Some(newest) = secrets.last() else { break };
            last = newest.account;
            let mut anew = Vec::new();
            for SealedSecret { account, key, secret } in secrets {
                match self.ring.open(Purpose::TotpSecret, &key, &secret) {
                    Ok(plain) => {
                        let new = self.ring.seal(Purpose::TotpSecret, &key, &plain, entropy::random());
                        anew.push(Resealed { account, old: secret, new });
                    }
                    Err(why) => unopenable.push((account, why)),
                }
            }
            resealed += anew.len() as u64;
            self.store.reseal(anew).await?;
        }
        if unopenable.is_empty() { Ok(resealed) } else { Err(RotationError::Unopenable(unopenable)) }
    }

    async fn keep(mut self, check: KeyCheck, logged: EventKind) -> Result<Self, RotationError> {
        let sealed = key_file::seal_check(&self.ring, &check);
        let occasion = self.occasion();
        if !self.store.replace_key_check(self.sealed, sealed.clone(), logged, occasion).await? {
            return Err(RotationError::Overtaken);
        }
        (self.check, self.sealed) = (check, sealed);
        Ok(self)
    }

    fn text(&self) -> Result<Zeroizing<String>, KeyError> {
        key_file::read(self.path)?.ok_or_else(|| KeyError::Missing { path: self.path.to_owned() })
    }

    fn occasion(&self) -> Occasion {
        Occasion::of_the_operator(self.clock.now())
    }
}
