//! Who has logged in, as the operator means it: whose word is believed, and where in it the values are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::UpstreamAddress;

/// Who has logged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Whose word it is.
    pub source: Source,
    /// The immutable user id.
    pub user: Value,
    /// The e-mail address.
    pub email: Option<Value>,
    /// The display name.
    pub name: Option<Value>,
    /// The organization.
    pub organization: Value,
    /// Who administers the organization.
    pub admin: AdminRule,
}

/// Whose word it is who has logged in.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The dashboard's, which is asked with the request's own credentials.
    Probe(Probe),
    /// That of a login in front of the gateway, in header fields of the request.
    Header(OuterLogin),
    /// That of whoever signed the token in the request.
    Token(Token),
}

/// What the dashboard is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// What is asked for: path and query on the upstream.
    pub url: String,
    /// What proves that nobody is logged in.
    pub anonymous: AnonymousEvidence,
    /// How long a positive answer may be used again; zero asks for every request.
    pub cache: Duration,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

/// A login in front of the gateway, and how it is told from everybody else.
#[derive(Debug, Clone, PartialEq)]
pub struct OuterLogin {
    /// Every field that it alone may set: those with the values of [`Identity`], and others that the dashboard reads.
    pub fields: Vec<HeaderName>,
    /// What it proves itself by. Without, it has to be on this machine.
    pub secret: Option<SharedSecret>,
}

/// A secret that only two know, and the field in which one shows it to the other.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedSecret {
    /// The field. It never reaches the dashboard.
    pub field: HeaderName,
    /// Its value: at least 32 bytes.
    pub value: Secret,
}

/// A signed token (RFC 7519), and what it has to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Where in the request it is.
    pub place: TokenPlace,
    /// What it may be signed with; at least one, and all of the kind that the keys are for.
    pub algorithms: Vec<Algorithm>,
    /// The keys that its signature is checked with.
    pub keys: Keys,
    /// Who has to have issued it; `None` for a key that signs nothing else.
    pub issuer: Option<String>,
    /// Whom it may be for; none for a key that signs nothing else, and then a token must not name any either.
    pub audience: Vec<String>,
    /// How far the clocks may differ.
    pub leeway: Duration,
}

/// Where in a request a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// In the cookie of this name.
    Cookie(String),
    /// In `Authorization`, after `Bearer` (RFC 6750, section 2.1).
    Bearer,
    /// In a header field that holds nothing else.
    Header(HeaderName),
}

/// How a token is signed (RFC 7518, section 3.1, and RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Algorithm {
    Es256,
    Es384,
    Es512,
    /// With Ed25519.
    EdDsa,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
    Hs256,
    Hs384,
    Hs512,
}

/// What the signature of a token is checked with.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Public keys out of a file, whose text this is: a JSON Web Key Set (RFC 7517), or one key in PEM.
    Text(Arc<str>),
    /// A secret that the signer has too.
    Secret(Secret),
    /// A JSON Web Key Set that is fetched.
    Address(KeysAddress),
}

/// Where a key set is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysAddress {
    /// The server.
    pub server: UpstreamAddress,
    /// Its name and port as in the address.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// How long a set may be used before it is fetched again.
    pub refresh: Duration,
    /// How long to wait for it.
    pub timeout: Duration,
}

/// Bytes that nobody else should see. Compared in constant time; `Debug` does not show them.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

/// Where a value is found: in the dashboard's answer, in the fields of the request, or in the token's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// At a JSON pointer (RFC 6901); the empty one is the whole answer.
    Pointer(String),
    /// In the first element of an HTML answer that a CSS selector matches.
    Css {
        /// A selector that parses.
        selector: String,
        /// The attribute to take instead of the element's text.
        attribute: Option<String>,
    },
    /// In a header field.
    Header(HeaderName),
    /// The same for everybody.
    Fixed(String),
}

/// Who administers an organization.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminRule {
    /// Nobody but the operator.
    Nobody,
    /// These, by user id or e-mail address.
    Users(Vec<String>),
    /// Whoever has one of these at that place.
    Marked {
        /// The place; never [`Value::Fixed`].
        value: Value,
        /// What to find there: a string, number or boolean equal to one, an array that contains one, an object with
        /// such a key; in a field of the request, a list between commas with one in it.
        any: Vec<Scalar>,
    },
}

/// A value to compare with, its type included.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Bool(bool),
}

/// What proves that nobody is logged in. Anything else that names nobody proves nothing. By default, nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnonymousEvidence {
    /// An answer with one of these statuses.
    pub statuses: Vec<u16>,
    /// A redirect (3xx) to one of these paths on the site.
    pub redirects: Vec<String>,
    /// A 2xx JSON answer in which the user's pointer leads to nothing, to `null` or to empty text.
    pub without_user: bool,
    /// A 2xx HTML answer with an element that this CSS selector matches.
    pub css: Option<String>,
}

impl Secret {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes themselves, for whoever signs or checks with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether these bytes are the same. Takes as long whatever they are, but for their number.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.0.ct_eq(bytes).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// What it is called in a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether whoever can check a signature can also make one.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl AdminRule {
    /// Whether somebody is on the list of administrators, by user id or, whatever its case, e-mail address.
    pub fn names(&self, user: &str, email: Option<&str>) -> bool {
        match self {
            Self::Nobody | Self::Marked { .. } => false,
            Self::Users(listed) => {
                listed.iter().any(|one| one == user || email.is_some_and(|email| email.eq_ignore_ascii_case(one)))
            }
        }
    }
}
