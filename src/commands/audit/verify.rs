//! `vestibule audit verify`: whether the audit log is as it was linked.

use std::process::ExitCode;

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::audit_chain::{self, Flaw, Verdict};
use crate::commands::{Common, Failed, output};
use crate::config::Config;
use crate::key_file;
use crate::second_factor::digests::Link;
use crate::store::{Place, Store};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The end of the chain as an earlier run printed it: says whether it has been cut off since
    #[arg(long, value_name = "PLACE:LINK", value_parser = noted)]
    noted: Option<Place>,
}

impl Verify {
    pub(super) async fn run(self, common: &Common, config: &Config, store: &dyn Store) -> Result<ExitCode, Failed> {
        if store.key_check().await?.is_none() {
            // Not to be made here: keys that are new have linked nothing.
            return Err("the store has no keys yet, so nothing in it was linked: no gateway has ever run on it".into());
        }
        let keys = key_file::load(&config.store.key_file, store).await?.check.digests;
        let verdict = audit_chain::verify(store, &keys, self.noted).await?;
        if common.json {
            output::json(&document(&verdict));
        } else {
            tell(&verdict);
        }
        Ok(if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn noted(text: &str) -> Result<Place, String> {
    let read = || {
        let (number, link) = text.split_once(':')?;
        let link = HEXLOWER.decode(link.as_bytes()).ok()?.try_into().ok()?;
        Some(Place { number: number.parse().ok()?, link: Link(link) })
    };
    read().ok_or_else(|| "not the end of a chain: expected a number, a colon and 64 hexadecimal digits".to_owned())
}

/// As `--noted` takes it.
fn written(place: Place) -> String {
    format!("{}:{}", place.number, HEXLOWER.encode(&place.link.0))
}

fn document(verdict: &Verdict) -> Value {
    let flaws: Vec<_> = verdict.flaws.iter().map(|flaw| flaw_document(*flaw)).collect();
    json!({
        "ok": verdict.is_good(),
        "entries": verdict.entries,
        "first_place": verdict.cut + 1,
        "last_place": verdict.end.number,
        "end": written(verdict.end),
        "not_linked_yet": verdict.new,
        "flaws": flaws,
        "more_flaws": verdict.more_flaws,
    })
}

fn flaw_document(flaw: Flaw) -> Value {
    match flaw {
        Flaw::Changed { place, entry } => json!({ "flaw": "changed", "place": place, "number": entry }),
        Flaw::Gone { first, last, first_entry, last_entry } => json!({
            "flaw": "gone", "first_place": first, "last_place": last,
            "first_number": first_entry, "last_number": last_entry,
        }),
        Flaw::Missing { first, last } => json!({ "flaw": "missing", "first_place": first, "last_place": last }),
        Flaw::Unlinked { entry } => json!({ "flaw": "unlinked", "number": entry }),
        Flaw::EndMoved { place } => json!({ "flaw": "end_moved", "place": place }),
        Flaw::ForgedCut { place } => json!({ "flaw": "forged_cut", "place": place }),
        Flaw::NotAsNoted { place } => json!({ "flaw": "not_as_noted", "place": place }),
        Flaw::NotedIsOld { place } => json!({ "flaw": "noted_is_old", "place": place }),
    }
}

fn tell(verdict: &Verdict) {
    let beginning = verdict.cut + 1;
    for flaw in &verdict.flaws {
        output::line(&said(*flaw, beginning));
    }
    if verdict.more_flaws > 0 {
        output::line(&format!("and {} more", verdict.more_flaws));
    }
    let outcome = if verdict.is_good() { "as they were linked" } else { "NOT as they were linked" };
    if verdict.end.number >= beginning {
        let (entries, end) = (verdict.entries, verdict.end.number);
        output::line(&format!("{entries} entries from place {beginning} to {end}, {outcome}"));
    } else {
        output::line(&format!("0 entries, {outcome}"));
    }
    if verdict.cut > 0 {
        output::line(&format!("those before place {beginning} were deleted by audit_retention"));
    }
    if verdict.end.number > 0 {
        output::line(&format!("the end of the chain, to be noted elsewhere for --noted: {}", written(verdict.end)));
    }
    if verdict.new > 0 {
        output::line(&format!(
            "{} newer entries are not linked yet; a running gateway does that within seconds",
            verdict.new
        ));
    }
}

fn said(flaw: Flaw, beginning: i64) -> String {
    match flaw {
        Flaw::Changed { place, entry } => format!("place {place}: entry {entry} was changed, or moved here"),
        Flaw::Gone { first, last, first_entry, last_entry } => {
            let (places, entries) = (range("place", first, last), range("entry", first_entry, last_entry));
            let why = if first == beginning { ", and audit_retention has left no word of that" } else { "" };
            format!("{places}: gone, {entries}{why}")
        }
        Flaw::Missing { first, last } => {
            let why = if first == beginning { ", and audit_retention has left no word of that" } else { "" };
            format!("{}: gone with their links{why}; what comes next can't be checked", range("place", first, last))
        }
        Flaw::Unlinked { entry } => format!("entry {entry}: has no place, though later ones have; it was put in there"),
        Flaw::EndMoved { place } => format!("place {place}: written down as the end, and the chain goes on behind it"),
        Flaw::ForgedCut { place } => {
            format!("place {place}: all up to there is said to be deleted by audit_retention, and no gateway said so")
        }
        Flaw::NotAsNoted { place } => {
            format!("place {place}: not what was noted; the log was cut off there, or written anew")
        }
        Flaw::NotedIsOld { place } => {
            format!("place {place}: noted, and deleted by audit_retention since; note the end more often than that")
        }
    }
}

fn range(what: &str, first: i64, last: i64) -> String {
    match what {
        _ if first == last => format!("{what} {first}"),
        "entry" => format!("entries {first} to {last}"),
        _ => format!("{what}s {first} to {last}"),
    }
}
