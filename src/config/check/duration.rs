//! Durations: `"30s"`, `"15m"`, `"12h"`, `"30d"`, and `"0"` where nothing is an answer.

use std::time::Duration;

use super::finding::Form;
use crate::config::problem::Wrong;

const SECONDS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A duration of more than nothing.
pub(super) fn positive(most: Duration) -> impl Fn(&str) -> Form<Duration> {
    move |text| match up_to(most)(text)? {
        Duration::ZERO => Err(Wrong::new(format!("{text:?} is no time at all"), at_most(most))),
        duration => Ok(duration),
    }
}

/// A duration, or nothing.
pub(super) fn up_to(most: Duration) -> impl Fn(&str) -> Form<Duration> {
    move |text| match parse(text) {
        None => Err(Wrong::new(
            format!("{text:?} is no duration"),
            "a whole number and a unit, as \"30s\", \"15m\", \"12h\" or \"30d\"",
        )),
        Some(duration) if duration > most => Err(Wrong::new(format!("{text:?} is too long"), at_most(most))),
        Some(duration) => Ok(duration),
    }
}

fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let (_, seconds) = SECONDS.into_iter().find(|(letter, _)| unit.chars().eq([*letter]))?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // So many digits that they overflow are a duration all the same, and too long for everything.
    let number: u64 = if number.is_empty() { return None } else { number.parse().unwrap_or(u64::MAX) };
    Some(Duration::from_secs(number.saturating_mul(seconds)))
}

fn at_most(most: Duration) -> String {
    format!("more than 0, and at most {:?}", written(most))
}

/// A duration as somebody would write it.
pub(super) fn written(duration: Duration) -> String {
    let whole = |(_, seconds): &(char, u64)| duration.as_secs().is_multiple_of(*seconds);
    SECONDS
        .into_iter()
        .find(whole)
        .map_or_else(String::new, |(unit, seconds)| format!("{}{unit}", duration.as_secs() / seconds))
}
