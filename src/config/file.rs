//! The configuration as written: which keys there are and of which type, and no rules.
//!
//! What each key means, its default and its unit stand in `config/reference.toml`. A key that is missing here is an
//! error in a file; a key that is only here does nothing until [`check`](super::check) reads it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::{Error as NoValue, MapAccessDeserializer};
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use toml::Spanned;

/// Text, and its place in the file.
pub(super) type Text = Spanned<String>;

/// A table, and its place in the file: its header, or all of it if it is written inline.
pub(super) type Section<T> = Spanned<Table<T>>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) server: Option<Section<Server>>,
    pub(super) operations: Table<Operations>,
    pub(super) store: Table<Store>,
    pub(super) session: Table<Session>,
    pub(super) totp: Table<Totp>,
    pub(super) log: Table<Log>,
    pub(super) site: Option<Spanned<Vec<Section<Site>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: Option<Spanned<Vec<Text>>>,
    pub(super) trusted_proxies: Option<Vec<Text>>,
    pub(super) forward_auth: Option<Spanned<Vec<Text>>>,
    pub(super) h2c: Option<Spanned<bool>>,
    pub(super) proxy_protocol: Option<Spanned<bool>>,
    pub(super) tls: Option<Section<Tls>>,
    pub(super) workers: Option<Spanned<i64>>,
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) connections_per_client: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) more: Option<Vec<Section<Certificate>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) certificate: Option<Text>,
    pub(super) key: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Operations {
    pub(super) listen: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) url: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) key_file: Option<Text>,
    pub(super) audit_retention: Option<Spanned<Period>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Session {
    pub(super) idle: Option<Spanned<Period>>,
    pub(super) lifetime: Option<Spanned<Period>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Totp {
    pub(super) issuer: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: Option<Text>,
    pub(super) level: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub(super) name: Option<Text>,
    pub(super) realm: Option<Text>,
    pub(super) hosts: Option<Spanned<Vec<Text>>>,
    pub(super) upstream: Option<Spanned<OneOrMore>>,
    pub(super) upstream_http: Option<Text>,
    pub(super) upstream_host: Option<Text>,
    pub(super) upstream_name: Option<Text>,
    pub(super) upstream_authorities: Option<Text>,
    pub(super) connect_timeout: Option<Spanned<Period>>,
    pub(super) answer_timeout: Option<Spanned<Period>>,
    pub(super) idle_timeout: Option<Spanned<Period>>,
    pub(super) public: Option<Vec<Text>>,
    pub(super) public_until_login: Option<Vec<Text>>,
    pub(super) login: Option<Text>,
    pub(super) logout: Option<Vec<Text>>,
    pub(super) after_logout: Option<Text>,
    pub(super) prefix: Option<Text>,
    pub(super) strip_headers: Option<Vec<Text>>,
    pub(super) strip_query: Option<Vec<Text>>,
    pub(super) credentials: Option<Spanned<Vec<Text>>>,
    pub(super) by_session: Option<Vec<Text>>,
    pub(super) bind: Option<Text>,
    pub(super) title: Option<Text>,
    pub(super) logo: Option<Text>,
    pub(super) accent: Option<Text>,
    pub(super) identity: Option<Section<Identity>>,
    #[serde(default)]
    pub(super) organization: Table<Organization>,
    #[serde(default)]
    pub(super) enrollment: Table<Enrollment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) source: Option<Text>,
    pub(super) url: Option<Text>,
    pub(super) user: Option<Spanned<Value>>,
    pub(super) email: Option<Spanned<Value>>,
    pub(super) name: Option<Spanned<Value>>,
    pub(super) organization: Option<Spanned<Value>>,
    pub(super) admin: Option<Section<Admin>>,
    pub(super) anonymous: Option<Section<Anonymous>>,
    pub(super) cache: Option<Spanned<Period>>,
    pub(super) timeout: Option<Spanned<Period>>,
    pub(super) secret_header: Option<Text>,
    pub(super) secret_file: Option<Text>,
    pub(super) pass_headers: Option<Spanned<Vec<Text>>>,
    pub(super) token: Option<Text>,
    pub(super) algorithms: Option<Spanned<Vec<Text>>>,
    pub(super) keys: Option<Text>,
    pub(super) keys_file: Option<Text>,
    pub(super) keys_authorities: Option<Text>,
    pub(super) refresh: Option<Spanned<Period>>,
    pub(super) issuer: Option<Text>,
    pub(super) audience: Option<Spanned<OneOrMore>>,
    pub(super) leeway: Option<Spanned<Period>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) users: Option<Spanned<Vec<Text>>>,
    pub(super) any: Option<Spanned<Vec<Spanned<Scalar>>>>,
    pub(super) pointer: Option<Text>,
    pub(super) css: Option<Text>,
    pub(super) attribute: Option<Text>,
    pub(super) header: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Anonymous {
    pub(super) status: Option<Vec<Spanned<i64>>>,
    pub(super) redirect: Option<Vec<Text>>,
    pub(super) without_user: Option<bool>,
    pub(super) css: Option<Text>,
}

impl Anonymous {
    /// Whether nothing is written in it.
    pub(super) const fn is_empty(&self) -> bool {
        let Self { status, redirect, without_user, css } = self;
        status.is_none() && redirect.is_none() && without_user.is_none() && css.is_none()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Organization {
    pub(super) requirement: Option<Text>,
    pub(super) locked: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Enrollment {
    pub(super) guard: Option<Text>,
    pub(super) ticket_lifetime: Option<Spanned<Period>>,
}

/// A table. Serde's derived code alone would also take an array, for the values of the keys in their order.
#[derive(Default)]
pub(super) struct Table<T>(T);

impl<T> Deref for Table<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Expected<T> {
            type Value = Table<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }
        deserializer.deserialize_any(Expected(PhantomData))
    }
}

/// Text, or a list of it.
pub(super) enum OneOrMore {
    One(String),
    More(Vec<Text>),
}

impl OneOrMore {
    /// Each, with its place in the file.
    pub(super) fn each(written: &Spanned<Self>) -> Vec<Text> {
        match written.get_ref() {
            Self::One(text) => vec![Spanned::new(written.span(), text.clone())],
            Self::More(list) => list.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected;
        impl<'de> Visitor<'de> for Expected {
            type Value = OneOrMore;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes, or an array of it")
            }
            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore::More(texts))
            }
        }
        deserializer.deserialize_any(Expected)
    }
}

/// A duration, as `"30s"`.
pub(super) struct Period(String);

impl AsRef<str> for Period {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected;
        impl Visitor<'_> for Expected {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes, as \"30s\", \"15m\", \"12h\" or \"30d\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Period, E> {
                Ok(Period(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Expected)
    }
}

/// Where a value is found: a JSON pointer or the name of a field, or a table that says more.
pub(super) enum Value {
    Text(String),
    Table(Box<ValueTable>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueTable {
    pub(super) pointer: Option<Text>,
    pub(super) css: Option<Text>,
    pub(super) attribute: Option<Text>,
    pub(super) header: Option<Text>,
    pub(super) fixed: Option<Text>,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected;
        impl<'de> Visitor<'de> for Expected {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON pointer in quotes, as \"/id\", or a table, as { css = \"#user\" }")
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                ValueTable::deserialize(MapAccessDeserializer::new(map)).map(|table| Value::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(Expected)
    }
}

/// A value to compare with.
#[derive(Clone)]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
    Bool(bool),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected;
        impl Visitor<'_> for Expected {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes, a whole number, true or false")
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(truth))
            }
        }
        deserializer.deserialize_any(Expected)
    }
}

/// Every table, by its dotted path, with the keys that it may have.
pub fn tables() -> [(&'static str, &'static [&'static str]); 19] {
    [
        ("", keys::<File>()),
        ("server", keys::<Server>()),
        ("server.tls", keys::<Tls>()),
        ("server.tls.more", keys::<Certificate>()),
        ("operations", keys::<Operations>()),
        ("store", keys::<Store>()),
        ("session", keys::<Session>()),
        ("totp", keys::<Totp>()),
        ("log", keys::<Log>()),
        ("site", keys::<Site>()),
        ("site.identity", keys::<Identity>()),
        ("site.identity.user", keys::<ValueTable>()),
        ("site.identity.email", keys::<ValueTable>()),
        ("site.identity.name", keys::<ValueTable>()),
        ("site.identity.organization", keys::<ValueTable>()),
        ("site.identity.admin", keys::<Admin>()),
        ("site.identity.anonymous", keys::<Anonymous>()),
        ("site.organization", keys::<Organization>()),
        ("site.enrollment", keys::<Enrollment>()),
    ]
}

/// The keys of a table, asked of what serde derived for it, so that there is no second list to keep.
fn keys<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // It fails by design: it has keys to note and nothing to give.
    let _ = T::deserialize(NoteKeys(&mut keys));
    keys
}

struct NoteKeys<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for NoteKeys<'_> {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = keys;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
