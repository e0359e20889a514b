//! How the rules' values stand in columns: numbers and times as INTEGER, digests and sealed values as BLOB, words as TEXT.

use std::net::IpAddr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};

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

macro_rules! numbers {
    ($($kind:ident),*) => {$(
        impl ToSql for $kind {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $kind {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map(Self)
            }
        }
    )*};
}

numbers!(AccountId, OrganizationId, SessionId, KeyId, Step);

macro_rules! digests {
    ($($kind:ident),*) => {$(
        impl ToSql for $kind {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.0.as_slice()))
            }
        }

        impl FromSql for $kind {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                <[u8; 32]>::column_result(value).map(Self)
            }
        }
    )*};
}

digests!(TokenDigest, Binding, CodeDigest, TicketDigest);

impl ToSql for Link {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_slice()))
    }
}

impl FromSql for Link {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob().map(Self::of_kept)
    }
}

macro_rules! words {
    ($($kind:ident by $word:expr, $parse:expr;)*) => {$(
        impl ToSql for $kind {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from($word(*self)))
            }
        }

        impl FromSql for $kind {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let word = value.as_str()?;
                $parse(word).ok_or_else(|| unknown(word))
            }
        }
    )*};
}

words! {
    Requirement by Requirement::as_str, Requirement::parse;
    EventKind by EventKind::as_str, EventKind::parse;
    VerifiedBy by VerifiedBy::as_str, VerifiedBy::parse;
}

fn unknown(word: &str) -> FromSqlError {
    FromSqlError::Other(format!("no such word: {word:?}").into())
}

impl ToSql for Bucket {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_millis()))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_millis)
    }
}

impl ToSql for Sealed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_slice()))
    }
}

impl FromSql for Sealed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob().map(|bytes| Self(bytes.to_vec()))
    }
}

/// A client address, as text.
pub(super) struct Address(pub(super) Option<IpAddr>);

impl ToSql for Address {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = self.0.map(|address| address.to_string());
        Ok(ToSqlOutput::Owned(text.map_or(Value::Null, Value::Text)))
    }
}

impl FromSql for Address {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(text) = value.as_str_or_null()? else { return Ok(Self(None)) };
        text.parse().map(|address| Self(Some(address))).map_err(|_| unknown(text))
    }
}
