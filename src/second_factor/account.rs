//! Organizations and accounts: whom the rules are about.

use std::sync::Arc;

use super::Timestamp;

/// Which row of the store an account is. Meaningless outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// Which row of the store an organization is. Meaningless outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(pub i64);

/// What names an account for good: never an e-mail address or a login name, which can pass to another person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountKey {
    /// Whose user ids these are: sites that share their users share a realm.
    pub realm: String,
    /// The organization, as the dashboard names it.
    pub organization: String,
    /// The dashboard's immutable user id.
    pub user: String,
}

/// One user in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The store's number for it.
    pub id: AccountId,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// What names it.
    pub key: Arc<AccountKey>,
    /// The e-mail address the dashboard last gave.
    pub email: Option<String>,
    /// The display name the dashboard last gave.
    pub name: Option<String>,
    /// Its second factor.
    pub factor: Factor,
}

impl Account {
    /// What people call the account: its name, else its e-mail address, else its user id.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.key.user)
    }
}

/// The state of an account's second factor. Being enrolled *is* having it switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// Never enrolled, or switched off by the user.
    NotEnrolled,
    /// An administrator threw the key away; a new one is needed whatever the organization asks for.
    Reset {
        /// When.
        at: Timestamp,
    },
    /// An authenticator is enrolled.
    Enrolled {
        /// When it was confirmed.
        since: Timestamp,
        /// When one of its codes was last accepted.
        last_used: Option<Timestamp>,
    },
}

/// Whether an organization demands a second factor of all its users (account-level) or leaves it to each (user-level).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Everybody needs one.
    Required,
    /// Each user decides.
    Optional,
}

impl Requirement {
    /// The word for it in forms, the configuration and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }

    /// The requirement that this word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "required" => Some(Self::Required),
            "optional" => Some(Self::Optional),
            _ => None,
        }
    }
}

/// A company, team or customer: the unit of policy and administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The store's number for it.
    pub id: OrganizationId,
    /// The realm it is in.
    pub realm: String,
    /// Its name there.
    pub name: String,
    /// What it asks of its users.
    pub requirement: Requirement,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_called_by_their_name_else_their_address_else_their_id() {
        let called = |name: Option<&str>, email: Option<&str>| {
            let key = AccountKey { realm: "site".into(), organization: "acme".into(), user: "u7".into() };
            let account = Account {
                id: AccountId(1),
                organization: OrganizationId(1),
                key: Arc::new(key),
                email: email.map(str::to_owned),
                name: name.map(str::to_owned),
                factor: Factor::NotEnrolled,
            };
            account.display_name().to_owned()
        };
        assert_eq!(called(Some("Ann"), Some("ann@example.com")), "Ann");
        assert_eq!(called(None, Some("ann@example.com")), "ann@example.com");
        assert_eq!(called(None, None), "u7");
    }

    #[test]
    fn a_requirement_is_kept_in_these_words_and_no_others() {
        for (requirement, word) in [(Requirement::Required, "required"), (Requirement::Optional, "optional")] {
            assert_eq!((requirement.as_str(), Requirement::parse(word)), (word, Some(requirement)));
        }
        for other in ["", "Required", "optional ", "none"] {
            assert_eq!(Requirement::parse(other), None, "{other}");
        }
    }
}
