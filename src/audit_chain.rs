//! The chain of the audit log: each entry is linked to all that came before it, by a key that the database does not have.
//!
//! An entry is written without a link, in the transaction of what it tells: to find the one before it there, all who sign
//! in would have to wait for each other. The gateways link what is new once a second, in an order that stands from then
//! on. So the chain shows what became of entries after that, and of none that is younger. It can't show that its end was
//! cut off; whoever has noted an end elsewhere can ask for that.
//!
//! What is deleted because it is old leaves word of where the chain begins since, with a digest by the same key: a
//! beginning that somebody else cut off has none.

mod verification;

pub use self::verification::{Flaw, Verdict, verify};

use crate::second_factor::Timestamp;
use crate::second_factor::digests::{DigestKeys, Link};
use crate::store::{AuditRow, ChainEnds, Cut, Linked, Place, Result, Store};

/// How many entries are read and linked at a time: whoever is just signing in waits no longer than that takes.
const AT_ONCE: u64 = 500;

/// How often in a row, so that the store is left to others for most of the time.
const IN_A_ROW: u32 = 8;

/// Links entries that have no place in the chain yet, about four thousand at most.
pub async fn grow(store: &dyn Store, keys: &DigestKeys) -> Result<()> {
    for _ in 0..IN_A_ROW {
        let ChainEnds { last, settled, .. } = store.chain_ends().await?;
        let new = store.unlinked(settled, AT_ONCE).await?;
        let mut end = last;
        let mut places = Vec::with_capacity(new.len());
        for row in &new {
            let number = end.number + 1;
            end = Place { number, link: link_of(keys, end.link, number, row) };
            places.push((row.number, end));
        }
        // Whoever was faster has done it; and if nothing is left, everything is done.
        if places.is_empty() || !store.link(last, places).await? || (new.len() as u64) < AT_ONCE {
            break;
        }
    }
    Ok(())
}

/// Deletes entries from before that time, from the beginning of the chain to the first that is younger: at most so many,
/// and never the last of the chain or the newest of all, which numbers those to come. Returns how many are gone.
///
/// Nothing is deleted on the word of an entry that is not what was linked. One that was changed, or is gone, goes with
/// the next behind it that has become too old: then it is itself.
pub async fn forget(store: &dyn Store, keys: &DigestKeys, before: Timestamp, limit: usize) -> Result<u64> {
    let ends = store.chain_ends().await?;
    let (mut last, mut entries, mut old) = (genuine_cut(keys, &ends), Vec::new(), None);
    'chain: loop {
        let part = store.linked(last.number, AT_ONCE).await?;
        if part.is_empty() {
            break;
        }
        for linked in part {
            if let Some(row) = &linked.row {
                let is_needed = linked.place.number >= ends.last.number || Some(row.number) == ends.newest;
                let is_genuine = is_linked(keys, last, &linked, row);
                if is_needed || entries.len() >= limit || (is_genuine && row.at >= before.as_millis()) {
                    break 'chain;
                }
                entries.push(row.number);
                if is_genuine {
                    old = Some((linked.place, entries.len()));
                }
            }
            last = linked.place;
        }
    }
    let Some((place, count)) = old else { return Ok(0) };
    entries.truncate(count);
    store.cut_chain(Cut { place, seal: keys.cut(place.number, place.link) }, entries).await
}

/// The last place that was deleted because it was old; the one before the first if nothing was, or nobody vouches for it.
fn genuine_cut(keys: &DigestKeys, ends: &ChainEnds) -> Place {
    ends.cut.filter(|cut| is_genuine(keys, cut)).map_or(Place::BEGINNING, |cut| cut.place)
}

fn is_genuine(keys: &DigestKeys, cut: &Cut) -> bool {
    keys.cut(cut.place.number, cut.place.link) == cut.seal
}

/// Whether this entry was linked at this place, right behind that one.
fn is_linked(keys: &DigestKeys, before: Place, linked: &Linked, row: &AuditRow) -> bool {
    linked.place.number == before.number + 1
        && linked.place.link == link_of(keys, before.link, linked.place.number, row)
}

fn link_of(keys: &DigestKeys, before: Link, place: i64, row: &AuditRow) -> Link {
    let AuditRow {
        number,
        at,
        kind,
        actor,
        actor_account,
        actor_name,
        subject,
        subject_name,
        organization,
        organization_name,
        address,
        request,
    } = row;
    let text = |text: &Option<String>| text.as_deref().map_or(Vec::new(), |text| [b"=", text.as_bytes()].concat());
    let account = |number: &Option<i64>| number.map_or(Vec::new(), |number| number.to_be_bytes().to_vec());
    let parts = [
        place.to_be_bytes().to_vec(),
        number.to_be_bytes().to_vec(),
        at.to_be_bytes().to_vec(),
        kind.clone().into(),
        actor.clone().into(),
        account(actor_account),
        text(actor_name),
        account(subject),
        text(subject_name),
        organization.to_be_bytes().to_vec(),
        organization_name.clone().into(),
        text(address),
        text(request),
    ];
    keys.link(before, &parts.each_ref().map(Vec::as_slice))
}
