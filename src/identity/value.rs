//! Where values are found in an answer: JSON, HTML, header fields.

use std::borrow::Cow;
use std::fmt;

use http::HeaderName;
use scraper::{Html, Selector};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::config;
use crate::message::Fields;

/// A place in an answer, ready to be looked at.
#[derive(Debug)]
pub(super) enum Place {
    Pointer(String),
    Css { selector: Selector, attribute: Option<String> },
    Header(HeaderName),
    Fixed(String),
}

impl Place {
    pub(super) fn new(value: &config::Value) -> Self {
        match value {
            config::Value::Pointer(pointer) => Self::Pointer(pointer.clone()),
            config::Value::Css { selector, attribute: name } => {
                Self::Css { selector: checked_selector(selector), attribute: name.clone() }
            }
            config::Value::Header(name) => Self::Header(name.clone()),
            config::Value::Fixed(text) => Self::Fixed(text.clone()),
        }
    }
}

/// # Panics
/// If it does not parse: a configuration has none of these.
pub(super) fn checked_selector(selector: &str) -> Selector {
    Selector::parse(selector).expect("the configuration was checked: its selectors parse")
}

/// An answer, read as far as the places in it need.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) headers: &'a Fields,
    pub(super) json: Option<Value>,
    pub(super) html: Option<Html>,
}

/// What is found at a place.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    Nothing,
    Text(Cow<'a, str>),
    Json(&'a Value),
}

/// There are several header fields where there should be one, or it is no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOneText;

impl Document<'_> {
    /// What is at that place. Empty text in HTML or in a header field is nothing.
    pub(super) fn find<'a>(&'a self, place: &'a Place) -> Result<Found<'a>, NotOneText> {
        let text = match place {
            Place::Pointer(pointer) => {
                let value = self.json.as_ref().and_then(|json| json.pointer(pointer));
                return Ok(value.map_or(Found::Nothing, Found::Json));
            }
            Place::Css { selector, attribute } => self.select(selector, attribute.as_deref()).map(Cow::Owned),
            Place::Header(name) => header(self.headers, name)?.map(Cow::Borrowed),
            Place::Fixed(text) => Some(Cow::Borrowed(text.as_str())),
        };
        Ok(text.filter(|text| !text.is_empty()).map_or(Found::Nothing, Found::Text))
    }

    /// Whether an element matches.
    pub(super) fn has(&self, selector: &Selector) -> bool {
        self.html.as_ref().is_some_and(|html| html.select(selector).next().is_some())
    }

    /// The text or attribute of the first element that matches, with single spaces.
    fn select(&self, selector: &Selector, attribute: Option<&str>) -> Option<String> {
        let element = self.html.as_ref()?.select(selector).next()?;
        match attribute {
            Some(name) => element.value().attr(name).map(with_single_spaces),
            None => Some(with_single_spaces(&element.text().collect::<String>())),
        }
    }
}

fn with_single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn header<'a>(headers: &'a Fields, name: &HeaderName) -> Result<Option<&'a str>, NotOneText> {
    let line = headers.only(name).map_err(|_| NotOneText)?;
    line.map(|line| std::str::from_utf8(line.as_bytes())).transpose().map_err(|_| NotOneText)
}

/// Reads JSON in which no object has two values under one key: readers differ on which of them counts.
pub(super) fn parse_json(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(body).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json_is_all_of_json_but_for_keys_that_stand_twice() {
        let good = [
            "null",
            " true ",
            "-1",
            "18446744073709551615",
            "1.5",
            "1e3",
            r#""\u00e9""#,
            "[]",
            "[1,[2,{}]]",
            r#"{"a":{"a":1},"b":[{"a":2}]}"#,
        ];
        for text in good {
            let plain: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(parse_json(text.as_bytes()).expect("strict JSON"), plain, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let bad = ["", " ", "nul", "1 2", "{", "[1,]", "{'a':1}", "\u{feff}{}", r#""\ud800""#, "NaN", "1e999", &deep];
        let twice = [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"x":{"a":1,"b":2,"a":3}}]"#, r#"{"":1,"":2}"#];
        for text in bad.iter().chain(&twice) {
            assert!(parse_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_json(b"\"\xff\"").is_err());
    }
}
