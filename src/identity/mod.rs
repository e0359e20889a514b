//! Who is asking: the word of the dashboard, of a login in front or of a signed token, and the client's address.

pub(crate) mod answer;
mod cache;
pub mod client;
mod complaint;
pub mod credentials;
#[cfg(test)]
mod loopback;
pub mod outer_login;
pub mod probe;
pub mod source;
pub mod token;
mod value;

use std::sync::Arc;

/// What the first factor says of a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The immutable user id: 1 to 256 characters, none of them a control character.
    pub user: String,
    /// The e-mail address, of at most 256 characters.
    pub email: Option<String>,
    /// The display name, of at most 256 characters.
    pub name: Option<String>,
    /// The organization: 1 to 256 characters, none of them a control character.
    pub organization: String,
    /// Whether the site's rule marks them as an administrator of their organization.
    pub admin: bool,
}

/// What the identity source says of a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It names the visitor.
    Identified(Arc<Identity>),
    /// It says, on positive evidence, that nobody is logged in.
    Anonymous,
    /// The request carries no credential, at a site where a page's navigation never carries one: nothing was asked,
    /// and nothing is known.
    NotCarried,
    /// It said nothing that can be used. Never passes.
    Unknown(Unknown),
}

/// Why nothing can be said of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The dashboard could not be asked, or there are no keys to check a token with.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// What was said is not what was expected: another status, a redirect, no JSON, too much, a value of the wrong type,
    /// a bad signature, a field that stands twice.
    Unusable,
}
