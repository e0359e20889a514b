//! What was answered, and what was not as it should be.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

/// How many different failures are told.
const TOLD: usize = 20;

/// What all clients got. Shared, though there is one thread: tasks have to be `Send`.
#[derive(Default)]
pub(crate) struct Tally {
    markers: AtomicU64,
    answers: Mutex<BTreeMap<&'static str, u64>>,
    mixed: AtomicU64,
    errors: AtomicU64,
    told: Mutex<Vec<String>>,
}

impl Tally {
    /// A marker that no other request has.
    pub(crate) fn marker(&self) -> String {
        format!("m{:08x}", self.markers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn answered(&self, what: &'static str) {
        *self.answers.lock().expect("no panic").entry(what).or_default() += 1;
    }

    /// An answer that is another request's, or another person's.
    pub(crate) fn mixed(&self, what: &str) {
        self.mixed.fetch_add(1, Ordering::Relaxed);
        self.tell(&format!("MIXED: {what}"));
    }

    pub(crate) fn failed(&self, why: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.tell(why);
    }

    fn tell(&self, what: &str) {
        let mut told = self.told.lock().expect("no panic");
        if told.len() < TOLD && !told.iter().any(|other| other == what) {
            told.push(what.to_owned());
        }
    }

    /// All of it so far.
    pub(crate) fn line(&self) -> String {
        let answers = self.answers.lock().expect("no panic").clone();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let told = self.told.lock().expect("no panic").clone();
        json!({
            "requests": answers.values().sum::<u64>(),
            "answers": answers,
            "mixed": count(&self.mixed),
            "errors": count(&self.errors),
            "told": told,
        })
        .to_string()
    }
}
