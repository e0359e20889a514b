//! Whether the audit log is as it was linked, and what is wrong where it is not.

use super::{AT_ONCE, genuine_cut, is_genuine, is_linked};
use crate::second_factor::digests::DigestKeys;
use crate::store::{ChainEnds, Linked, Place, Result, Store};

/// What is wrong with the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The entry with this number is not what was linked at this place: it was changed, or moved there.
    Changed {
        /// The place.
        place: i64,
        /// The entry that stands there.
        entry: i64,
    },
    /// The entries are gone that were linked at these places.
    Gone {
        /// The first place.
        first: i64,
        /// The last one.
        last: i64,
        /// The entry that stood at the first.
        first_entry: i64,
        /// The one that stood at the last.
        last_entry: i64,
    },
    /// Nothing is left of these places. The entry after them can't be checked.
    Missing {
        /// The first place.
        first: i64,
        /// The last one.
        last: i64,
    },
    /// The entry with this number has no place, though every one up to a larger number had: it was put in there, or its place
    /// was taken away.
    Unlinked {
        /// The entry.
        entry: i64,
    },
    /// The chain goes on behind what is written down as its end.
    EndMoved {
        /// The place that is written down as the last.
        place: i64,
    },
    /// Something says that everything up to this place was deleted because it was old, and no gateway has written it.
    ForgedCut {
        /// The place.
        place: i64,
    },
    /// Another entry stands at the noted place, or none any more.
    NotAsNoted {
        /// The place.
        place: i64,
    },
    /// The noted place was deleted because it was old: nothing can be said of it.
    NotedIsOld {
        /// The place.
        place: i64,
    },
}

/// How many flaws are told one by one.
const TOLD: usize = 1000;

/// What a look at the whole log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries are in the chain.
    pub entries: u64,
    /// The last place that was deleted because it was old; 0 if none was.
    pub cut: i64,
    /// The last place, to be noted elsewhere; [`Place::BEGINNING`] if nothing is linked.
    pub end: Place,
    /// How many entries are not linked yet.
    pub new: u64,
    /// The first thousand things that are wrong.
    pub flaws: Vec<Flaw>,
    /// How many more there are.
    pub more_flaws: u64,
}

/// Looks at every entry and every link, and at a place that was noted elsewhere. Gateways may go on meanwhile.
pub async fn verify(store: &dyn Store, keys: &DigestKeys, noted: Option<Place>) -> Result<Verdict> {
    /// Whoever reads what is just being deleted looks again.
    const LOOKS: u32 = 3;
    let mut looks = 1;
    loop {
        let verdict = look(store, keys, noted).await?;
        let is_as_it_was = genuine_cut(keys, &store.chain_ends().await?).number == verdict.cut;
        if verdict.flaws.is_empty() || is_as_it_was || looks == LOOKS {
            return Ok(verdict);
        }
        looks += 1;
    }
}

async fn look(store: &dyn Store, keys: &DigestKeys, noted: Option<Place>) -> Result<Verdict> {
    let ends = store.chain_ends().await?;
    let cut = genuine_cut(keys, &ends);
    let mut walk = Walk { keys, last: cut, noted: noted.filter(|noted| *noted != cut), verdict: Verdict::of(cut) };
    if let Some(forged) = ends.cut.filter(|cut| !is_genuine(keys, cut)) {
        walk.verdict.tell(Flaw::ForgedCut { place: forged.place.number });
    }
    loop {
        let part = store.linked(walk.last.number, AT_ONCE).await?;
        if part.is_empty() {
            break;
        }
        for linked in part {
            walk.pass(&linked);
        }
    }
    let mut verdict = walk.end(&ends);
    if store.chain_ends().await?.last.number < verdict.end.number {
        verdict.tell(Flaw::EndMoved { place: ends.last.number });
    }
    look_for_others(store, &ends, &mut verdict).await?;
    Ok(verdict)
}

/// Entries that have no place.
async fn look_for_others(store: &dyn Store, ends: &ChainEnds, verdict: &mut Verdict) -> Result<()> {
    let mut last = i64::MIN;
    loop {
        let part = store.audit_rows(last, AT_ONCE).await?;
        let Some((newest, _)) = part.last() else { return Ok(()) };
        last = newest.number;
        for (row, _) in part.iter().filter(|(_, place)| place.is_none()) {
            if row.number <= ends.settled {
                verdict.tell(Flaw::Unlinked { entry: row.number });
            } else {
                verdict.new += 1;
            }
        }
    }
}

/// From place to place.
struct Walk<'a> {
    keys: &'a DigestKeys,
    last: Place,
    noted: Option<Place>,
    verdict: Verdict,
}

impl Walk<'_> {
    fn pass(&mut self, linked: &Linked) {
        let place = linked.place;
        let is_next = place.number == self.last.number + 1;
        if !is_next {
            self.verdict.tell(Flaw::Missing { first: self.last.number + 1, last: place.number - 1 });
        }
        match &linked.row {
            None => self.verdict.miss(place.number, linked.entry),
            Some(row) if is_next && !is_linked(self.keys, self.last, linked, row) => {
                self.verdict.tell(Flaw::Changed { place: place.number, entry: row.number });
            }
            Some(_) => {}
        }
        self.noted = self.noted.filter(|noted| *noted != place);
        self.verdict.entries += u64::from(linked.row.is_some());
        self.last = place;
    }

    fn end(mut self, ends: &ChainEnds) -> Verdict {
        let last = self.last.number;
        if ends.last.number > last {
            self.verdict.tell(Flaw::Missing { first: last + 1, last: ends.last.number });
        }
        if let Some(Place { number: place, .. }) = self.noted {
            let is_old = place < self.verdict.cut;
            self.verdict.tell(if is_old { Flaw::NotedIsOld { place } } else { Flaw::NotAsNoted { place } });
        }
        Verdict { end: self.last, ..self.verdict }
    }
}

impl Verdict {
    fn of(cut: Place) -> Self {
        Self { entries: 0, cut: cut.number, end: cut, new: 0, flaws: Vec::new(), more_flaws: 0 }
    }

    /// Whether nothing is wrong.
    pub const fn is_good(&self) -> bool {
        self.flaws.is_empty()
    }

    fn tell(&mut self, flaw: Flaw) {
        if self.flaws.len() < TOLD {
            self.flaws.push(flaw);
        } else {
            self.more_flaws += 1;
        }
    }

    /// Those that follow each other are one flaw.
    fn miss(&mut self, place: i64, entry: i64) {
        match self.flaws.last_mut() {
            Some(Flaw::Gone { last, last_entry, .. }) if *last == place - 1 => (*last, *last_entry) = (place, entry),
            _ => self.tell(Flaw::Gone { first: place, last: place, first_entry: entry, last_entry: entry }),
        }
    }
}
