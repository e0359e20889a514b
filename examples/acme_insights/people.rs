//! Who may log in, and who has.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Somebody with a password.
pub(crate) struct Person {
    /// Never given to anybody else, as the gateway needs it.
    pub(crate) id: u64,
    pub(crate) login: &'static str,
    /// In the clear, since nobody but readers of this file logs in here.
    pub(crate) password: &'static str,
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) company: &'static str,
}

/// What a person may do in their company.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Admin,
    Member,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "admin",
            Self::Member => "member",
        })
    }
}

/// Everybody, from two companies.
#[rustfmt::skip]
pub(crate) static PEOPLE: [Person; 3] = [
    Person { id: 1001, login: "alice", password: "alice-pass", name: "Alice Archer", role: Role::Admin, company: "acme" },
    Person { id: 1002, login: "bob", password: "bob-pass", name: "Bob Baker", role: Role::Member, company: "acme" },
    Person { id: 2001, login: "carol", password: "carol-pass", name: "Carol Carver", role: Role::Admin, company: "globex" },
];

/// The person with that login and password.
pub(crate) fn with_password(login: &str, password: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.login == login && person.password == password)
}

/// Who has logged in, by the value of their cookie; forgotten when the process ends.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, &'static Person>>);

impl Sessions {
    /// Opens a session with a new value, and closes the old one of the same browser.
    pub(crate) fn open(&self, person: &'static Person, old: Option<&str>) -> String {
        let session = data_encoding::HEXLOWER.encode(&vestibule::entropy::random::<16>());
        let mut sessions = self.lock();
        if let Some(old) = old {
            sessions.remove(old);
        }
        sessions.insert(session.clone(), person);
        session
    }

    /// Whose session that is.
    pub(crate) fn person(&self, session: &str) -> Option<&'static Person> {
        self.lock().get(session).copied()
    }

    /// Closes it, if it is one.
    pub(crate) fn close(&self, session: &str) {
        self.lock().remove(session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, &'static Person>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
