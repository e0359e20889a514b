//! How the rules' values stand in columns: numbers and times as BIGINT, digests and sealed values as BYTEA, words as TEXT.

use std::error::Error;
use std::net::IpAddr;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::second_factor::Timestamp;
use crate::second_factor::account::{AccountId, OrganizationId, Requirement};
use crate::second_factor::digests::Link;
use crate::second_factor::event::EventKind;
use crate::second_factor::recovery::CodeDigest;
use crate::second_factor::sealing::Sealed;
use crate::second_factor::session::{Binding, SessionId, TokenDigest, VerifiedBy};
use crate::second_factor::throttle::Bucket;
use crate::second_factor::ticket::TicketDigest;
use crate::second_factor::totp::Step;
use crate::store::KeyId;

type Written = Result<IsNull, Box<dyn Error + Sync + Send>>;
type Read<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// A value is written as another type, and read from it.
macro_rules! as_type {
    ($kind:ident as $column:ty, |$out:ident| $write:expr, |$raw:ident: $from:ty| $read:expr) => {
        impl ToSql for $kind {
            fn to_sql(&self, ty: &Type, buffer: &mut BytesMut) -> Written {
                let $out = self;
                <$column as ToSql>::to_sql(&$write, ty, buffer)
            }

            fn accepts(ty: &Type) -> bool {
                <$column as ToSql>::accepts(ty)
            }

            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $kind {
            fn from_sql(ty: &Type, bytes: &'a [u8]) -> Read<Self> {
                let $raw = <$from as FromSql<'a>>::from_sql(ty, bytes)?;
                $read
            }

            fn accepts(ty: &Type) -> bool {
                <$from as FromSql<'_>>::accepts(ty)
            }
        }
    };
}

macro_rules! numbers {
    ($($kind:ident),*) => {$(
        as_type!($kind as i64, |value| value.0, |number: i64| Ok(Self(number)));
    )*};
}

numbers!(AccountId, OrganizationId, SessionId, KeyId, Step);

as_type!(Timestamp as i64, |time| time.as_millis(), |millis: i64| Ok(Self::from_millis(millis)));

macro_rules! digests {
    ($($kind:ident),*) => {$(
        as_type!($kind as &[u8], |digest| digest.0.as_slice(), |bytes: &'a [u8]| Ok(Self(bytes.try_into()?)));
    )*};
}

digests!(TokenDigest, Binding, CodeDigest, TicketDigest);

as_type!(Link as &[u8], |link| link.0.as_slice(), |bytes: &'a [u8]| Ok(Self::of_kept(bytes)));

as_type!(Sealed as &[u8], |sealed| sealed.0.as_slice(), |bytes: &'a [u8]| Ok(Self(bytes.to_vec())));

macro_rules! words {
    ($($kind:ident),*) => {$(
        as_type!($kind as &str, |value| value.as_str(), |word: &'a str| Self::parse(word).ok_or_else(|| unknown(word)));
    )*};
}

words!(Requirement, EventKind, VerifiedBy);

fn unknown(word: &str) -> Box<dyn Error + Sync + Send> {
    format!("no such word: {word:?}").into()
}

impl ToSql for Bucket {
    fn to_sql(&self, ty: &Type, buffer: &mut BytesMut) -> Written {
        self.as_str().to_sql(ty, buffer)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// A client address, as text.
#[derive(Debug)]
pub(super) struct Address(pub(super) IpAddr);

as_type!(Address as String, |address| address.0.to_string(), |text: &'a str| {
    text.parse().map(Self).map_err(|_| unknown(text))
});

/// A number of rows as the server takes it.
pub(super) fn row_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
