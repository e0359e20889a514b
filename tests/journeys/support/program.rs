//! What programs get: statuses and JSON.

use serde_json::Value;

use super::dashboard::MARK;
use super::http::Answer;

/// An answer, as a program reads it.
pub(crate) struct Reply {
    answer: Answer,
}

impl Reply {
    pub(super) const fn new(answer: Answer) -> Self {
        Self { answer }
    }

    /// Fails unless the dashboard answered.
    #[track_caller]
    pub(crate) fn comes_from_the_dashboard(&self) {
        assert_eq!((self.answer.status, self.answer.field(MARK)), (200, Some("acme")), "{}", self.answer.text());
    }

    /// Fails unless it says in a way for programs that a person has to do something first.
    #[track_caller]
    pub(crate) fn asks_for(&self, reason: &str, verify_url: Option<&str>) {
        let members = self.problem(401);
        assert_eq!(members["reason"], reason, "{members}");
        assert_eq!(members.get("verify_url").and_then(Value::as_str), verify_url, "{members}");
    }

    /// Fails unless it is a problem of that status; returns its members.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        let text = self.answer.text();
        assert_eq!(self.answer.status, status, "{text}");
        assert_eq!(self.answer.field("content-type"), Some("application/problem+json"), "{text}");
        assert_eq!(self.answer.field(MARK), None, "not from the dashboard");
        let members: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(members["status"], status, "{members}");
        for member in ["type", "title", "detail", "reason"] {
            assert!(members[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {members}");
        }
        members
    }

    /// A JSON document.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        let text = self.answer.text();
        assert_eq!((self.answer.status, self.answer.field("content-type")), (200, Some("application/json")), "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}
