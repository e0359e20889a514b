//! The fields of a message (RFC 9110, section 5).

mod key;
mod known;
mod name;
mod value;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use self::key::{Firsts, Key, KeySet};
pub use self::known::KnownNames;
pub use self::name::{FieldName, Name};
pub use self::value::{FieldValue, Value};

/// The fields of a head, line by line, in their order.
///
/// A head mostly has some twenty lines, and is looked through some fifty times while it is in the gateway. So there is no
/// map: a line is where its name and its value are, and to look at some of them is cheaper than to search one; a byte for each
/// of some keys says with which to begin. What was received is not copied, but for names that hardly anybody uses: all names
/// are in lower case here.
///
/// Those that are [shared](Self::share) are copied once they are changed.
#[derive(Clone)]
pub struct Fields(Held);

#[derive(Clone)]
enum Held {
    Nothing,
    /// In a box, since heads are handed on from one place to the next.
    Own(Box<Lines>),
    Shared(Arc<Shared>),
}

struct Shared {
    lines: Lines,
    /// As they are written, if they ever were.
    written: OnceLock<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Lines {
    /// What values are in that came from elsewhere.
    received: Bytes,
    /// What values are in that were put.
    put: Vec<u8>,
    /// Names that are not among the [known] ones.
    names: String,
    all: Vec<Line>,
    /// How many were added, with those that are gone.
    added: usize,
    /// Most of what is looked for is not there, and most of what is there is where it was added.
    firsts: Firsts,
    /// The [`Key`]s that were added when they were seen already: most of what is there is there once.
    seen_again: KeySet,
}

/// What there is where nothing is.
static NOTHING: Lines = Lines {
    received: Bytes::new(),
    put: Vec::new(),
    names: String::new(),
    all: Vec::new(),
    added: 0,
    firsts: Firsts::EMPTY,
    seen_again: KeySet::EMPTY,
};

/// How much there is room for at once: lines that the gateway adds to a request, and their values.
const PUT_LINES: usize = 8;
const PUT_BYTES: usize = 256;

/// One line.
#[derive(Clone, Copy)]
struct Line {
    key: Key,
    /// In the [known] names or, behind them, in `names`.
    name: Span,
    /// In `received` or, behind it, in `put`.
    value: Span,
}

impl Line {
    /// Whether it has this name, whose key that is. `names` are those of its fields.
    #[inline]
    fn is(&self, key: Key, name: &str, names: &str) -> bool {
        self.key == key && text(names, self.name) == name
    }
}

/// From where to where something is, in bytes. A head is far smaller than 4 GiB.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[expect(clippy::cast_possible_truncation, reason = "what is larger than 4 GiB is not kept in memory")]
    const fn new(start: usize, length: usize) -> Self {
        Self { start: start as u32, end: (start + length) as u32 }
    }

    /// A part of it, counted from where it begins.
    fn part(self, part: &Range<usize>) -> Self {
        let (start, length) = (self.start as usize, (self.end - self.start) as usize);
        assert!(part.start <= part.end && part.end <= length, "{part:?} is a part of {length} bytes");
        Self::new(start + part.start, part.len())
    }
}

/// A field is there on several lines: whoever reads it may take the first, the last or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Several;

/// What becomes of a line ([`Fields::change`]).
#[derive(Debug, Clone)]
pub enum Change {
    /// It stays.
    Keep,
    /// Of its value, these bytes stay. It has so many, or it panics.
    Narrow(Range<usize>),
    /// It has this value.
    Put(HeaderValue),
    /// It goes.
    Drop,
}

impl Fields {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    fn of_lines(lines: Lines) -> Self {
        Self(Held::Own(Box::new(lines)))
    }

    /// Lines that were received in these bytes, which they keep. Each name is a token (RFC 9110, section 5.6.2), in whatever
    /// case, and no value has control characters, which is up to whoever parsed them.
    pub(crate) fn of_received<'a>(received: Bytes, parsed: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut lines = Box::new(Lines { received, ..Lines::with_room_for(parsed.len()) });
        for (name, value) in parsed {
            let value = lines.span(value).unwrap_or_else(|| lines.put(value));
            lines.add(name, value);
        }
        Self(Held::Own(lines))
    }

    /// Makes copies of them cheap, and known as such, until they are changed.
    pub fn share(&mut self) {
        if let Held::Own(lines) = &mut self.0 {
            let lines = std::mem::take(&mut **lines);
            self.0 = Held::Shared(Arc::new(Shared { lines, written: OnceLock::new() }));
        }
    }

    /// A copy of [shared](Self::share) ones.
    pub(crate) fn clone_if_shared(&self) -> Option<Self> {
        matches!(self.0, Held::Shared(_)).then(|| self.clone())
    }

    /// Whether one of the two was copied from the other after it was shared, and neither was changed. Equal ones may be none.
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Held::Shared(one), Held::Shared(other)) if Arc::ptr_eq(one, other))
    }

    /// Whether they have the lines of this map, in its order.
    pub(crate) fn is_of(&self, map: &HeaderMap) -> bool {
        let mut both = self.iter().zip(map);
        self.len() == map.len()
            && both.all(|((name, value), (other_name, other))| *name == *other_name.as_str() && value == *other)
    }

    /// [Shared](Self::share) ones as they are written, which is done once.
    pub(crate) fn written(&self, write: impl FnOnce() -> Vec<u8>) -> Option<&[u8]> {
        match &self.0 {
            Held::Nothing | Held::Own(_) => None,
            Held::Shared(shared) => Some(shared.written.get_or_init(write)),
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines().all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value on the first line of this name, which is in lower case, as everywhere below.
    #[inline]
    pub fn get(&self, name: impl AsRef<str>) -> Option<Value<'_>> {
        let (lines, name) = (self.lines(), name.as_ref());
        lines.find(Key::of(name), name).map(|at| lines.value(lines.all[at]))
    }

    /// The values on all lines of this name.
    #[inline]
    pub fn get_all<N: AsRef<str>>(&self, name: N) -> impl DoubleEndedIterator<Item = Value<'_>> + Clone + use<'_, N> {
        let (lines, name) = (self.lines(), name.as_ref());
        let key = Key::of(name);
        let first = lines.find(key, name);
        let (key, name) = first.map_or((Key(0), ""), |at| (lines.all[at].key, lines.name(lines.all[at])));
        let from_first = first.map_or(&[][..], |at| &lines.all[at..lines.end(at, key)]).iter();
        from_first.filter(move |line| line.is(key, name, &lines.names)).map(|line| lines.value(*line))
    }

    /// The value of a field that may be there once.
    pub fn only(&self, name: impl AsRef<str>) -> Result<Option<Value<'_>>, Several> {
        let (lines, name) = (self.lines(), name.as_ref());
        let key = Key::of(name);
        let Some(at) = lines.find(key, name) else { return Ok(None) };
        let (first, others) = (lines.all[at], &lines.all[at + 1..lines.end(at, key)]);
        if others.iter().any(|line| line.is(key, name, &lines.names)) {
            Err(Several)
        } else {
            Ok(Some(lines.value(first)))
        }
    }

    /// Whether there is a line of this name.
    #[inline]
    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        let name = name.as_ref();
        self.lines().find(Key::of(name), name).is_some()
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = (Name<'_>, Value<'_>)> {
        let lines = self.lines();
        lines.all.iter().map(|line| (Name::of(*line, &lines.names), lines.value(*line)))
    }

    /// The lines of these names, and of such others, if there are any.
    pub(crate) fn iter_of(
        &self,
        names: &KnownNames,
        or: Option<impl Fn(Name<'_>) -> bool>,
    ) -> impl Iterator<Item = (Name<'_>, Value<'_>)> {
        let lines = self.lines();
        let is_other = move |line| or.as_ref().is_some_and(|is_one| is_one(Name::of(line, &lines.names)));
        let its = lines.all.iter().filter(move |line| names.has_place(known::Place::of(**line)) || is_other(**line));
        its.map(|line| (Name::of(*line, &lines.names), lines.value(*line)))
    }

    /// The names of all lines.
    pub fn keys(&self) -> impl Iterator<Item = Name<'_>> {
        let lines = self.lines();
        lines.all.iter().map(|line| Name::of(*line, &lines.names))
    }

    /// The values of all lines.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let lines = self.lines();
        lines.all.iter().map(|line| lines.value(*line))
    }

    /// Adds a line.
    #[expect(clippy::needless_pass_by_value, reason = "as maps take them")]
    pub fn append(&mut self, name: impl FieldName, value: impl FieldValue) {
        let lines = self.own();
        let value = lines.put(value.bytes());
        lines.add(name.text(), value);
    }

    /// Has one line of this name, with this value, in place of whatever there was.
    #[expect(clippy::needless_pass_by_value, reason = "as maps take them")]
    pub fn insert(&mut self, name: impl FieldName, value: impl FieldValue) {
        let lines = self.own();
        let value = lines.put(value.bytes());
        lines.set(name.text(), value);
    }

    /// Has one line of this name, with the first value of that other name; an empty one if it has none.
    #[expect(clippy::needless_pass_by_value, reason = "as for `insert`")]
    pub fn copy(&mut self, from: impl AsRef<str>, to: impl FieldName) {
        let (lines, from) = (self.own(), from.as_ref());
        let value = lines.find(Key::of(from), from).map_or(Span::new(0, 0), |at| lines.all[at].value);
        lines.set(to.text(), value);
    }

    /// Removes all lines of this name.
    pub fn remove(&mut self, name: impl AsRef<str>) {
        let name = name.as_ref();
        let key = Key::of(name);
        if let Some(at) = self.lines().find(key, name) {
            let lines = self.own();
            lines.remove_behind(at, key, name);
            lines.all.remove(at);
        }
    }

    /// Removes the lines that are none of these.
    pub fn retain(&mut self, mut stays: impl FnMut(Name<'_>, Value<'_>) -> bool) {
        let Lines { received, put, names, all, .. } = self.own();
        all.retain(|line| stays(Name::of(*line, names), value(received, put, line.value)));
    }

    /// Changes the lines of this name. Where all of them stay, [shared](Self::share) ones stay so.
    pub fn change(&mut self, name: impl AsRef<str>, mut change: impl FnMut(Value<'_>) -> Change) {
        let name = name.as_ref();
        let key = Key::of(name);
        let Some(mut at) = self.lines().find(key, name) else { return };
        let mut end = self.lines().end(at, key);
        while at < end {
            let lines = self.lines();
            let line = lines.all[at];
            let becomes = if line.is(key, name, &lines.names) { change(lines.value(line)) } else { Change::Keep };
            match becomes {
                Change::Keep => {}
                Change::Narrow(part) => self.own().all[at].value = line.value.part(&part),
                Change::Put(value) => {
                    let lines = self.own();
                    lines.all[at].value = lines.put(value.as_bytes());
                }
                Change::Drop => {
                    self.own().all.remove(at);
                    end -= 1;
                    continue;
                }
            }
            at += 1;
        }
    }

    /// The same as a map.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.len());
        for (name, value) in self.iter() {
            map.append(name.to_owned(), value.to_owned());
        }
        map
    }

    #[inline]
    fn lines(&self) -> &Lines {
        match &self.0 {
            Held::Nothing => &NOTHING,
            Held::Own(lines) => lines,
            Held::Shared(shared) => &shared.lines,
        }
    }

    /// For whoever changes them.
    #[inline]
    fn own(&mut self) -> &mut Lines {
        if !matches!(self.0, Held::Own(_)) {
            *self = Self::of_lines(self.lines().with_room());
        }
        match &mut self.0 {
            Held::Own(lines) => lines,
            Held::Nothing | Held::Shared(_) => unreachable!("they were copied"),
        }
    }
}

impl Lines {
    /// None, with room for so many and some more.
    fn with_room_for(lines: usize) -> Self {
        Self { all: Vec::with_capacity(lines + PUT_LINES), ..Self::default() }
    }

    /// A copy that may be added to.
    fn with_room(&self) -> Self {
        let mut all = Vec::with_capacity(self.all.len() + PUT_LINES);
        all.extend_from_slice(&self.all);
        let (received, put, names) = (self.received.clone(), self.put.clone(), self.names.clone());
        Self { received, put, names, all, ..*self }
    }

    /// Where the value is in what was received, if it is in there.
    fn span(&self, value: &[u8]) -> Option<Span> {
        let start = value.as_ptr().addr().checked_sub(self.received.as_ptr().addr())?;
        (start + value.len() <= self.received.len()).then(|| Span::new(start, value.len()))
    }

    fn put(&mut self, value: &[u8]) -> Span {
        add_value(&self.received, &mut self.put, value)
    }

    fn set(&mut self, name: &str, value: Span) {
        let key = Key::of(name);
        let Some(at) = self.find(key, name) else { return self.add(name, value) };
        self.all[at].value = value;
        self.remove_behind(at, key, name);
    }

    fn add(&mut self, name: &str, value: Span) {
        let key = Key::of(name);
        let name = known::find(key, name).unwrap_or_else(|| {
            let start = self.names.len();
            self.names.push_str(name);
            self.names[start..].make_ascii_lowercase();
            Span::new(known::NAMES.len() + start, name.len())
        });
        if self.firsts.behind(key).is_some() {
            self.seen_again.add(key);
        }
        self.firsts.note(key, self.added);
        self.added += 1;
        self.all.push(Line { key, name, value });
    }

    /// Where the first line of this name is, whose key that is. That there is none is mostly told at once.
    #[inline]
    fn find(&self, key: Key, name: &str) -> Option<usize> {
        debug_assert!(!name.contains(|c: char| c.is_ascii_uppercase()), "{name} is not in lower case");
        let added = self.firsts.behind(key)?;
        self.find_added_behind(added, key, name)
    }

    fn find_added_behind(&self, added: usize, key: Key, name: &str) -> Option<usize> {
        // As many as are gone may have been before it.
        let start = added.saturating_sub(self.added - self.all.len());
        let at = self.all[start..].iter().position(|line| line.is(key, name, &self.names))?;
        Some(start + at)
    }

    /// Behind where there can be no more lines of the name whose key that is, the first of which is at `first`.
    #[inline]
    fn end(&self, first: usize, key: Key) -> usize {
        if self.seen_again.has(key) { self.all.len() } else { first + 1 }
    }

    /// Removes the lines of this name but for the first, which is at `first`.
    fn remove_behind(&mut self, first: usize, key: Key, name: &str) {
        if self.end(first, key) == first + 1 {
            return;
        }
        let Self { names, all, .. } = self;
        let mut at = 0;
        all.retain(|line| {
            at += 1;
            at <= first + 1 || !line.is(key, name, names)
        });
    }

    fn name(&self, line: Line) -> &str {
        text(&self.names, line.name)
    }

    fn value(&self, line: Line) -> Value<'_> {
        value(&self.received, &self.put, line.value)
    }
}

fn add_value(received: &[u8], put: &mut Vec<u8>, value: &[u8]) -> Span {
    let start = received.len() + put.len();
    if put.capacity() == 0 {
        put.reserve(PUT_BYTES);
    }
    put.extend_from_slice(value);
    Span::new(start, value.len())
}

fn text(names: &str, span: Span) -> &str {
    let (start, end, known) = (span.start as usize, span.end as usize, known::NAMES.len());
    if known::has(span) { &known::NAMES[start..end] } else { &names[start - known..end - known] }
}

fn value<'a>(received: &'a [u8], put: &'a [u8], span: Span) -> Value<'a> {
    let (start, end) = (span.start as usize, span.end as usize);
    Value(if end <= received.len() {
        &received[start..end]
    } else {
        &put[start - received.len()..end - received.len()]
    })
}

impl Default for Fields {
    fn default() -> Self {
        Self(Held::Nothing)
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        map.iter().collect()
    }
}

impl<N: FieldName, V: FieldValue> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let lines = lines.into_iter();
        let mut fields = Self::of_lines(Lines::with_room_for(lines.size_hint().0));
        for (name, value) in lines {
            fields.append(name, value);
        }
        fields
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
