//! Names that need no copy, since nearly everybody uses them.

use super::{Key, Line, Name, Span};

macro_rules! names {
    ($($name:literal)*) => {
        /// All of them, one after the other.
        pub(super) const NAMES: &str = concat!($($name),*);

        const LENGTHS: &[usize] = &[$($name.len()),*];
    };
}

names! {
    "host" "user-agent" "accept" "accept-encoding" "accept-language" "cookie" "referer" "origin" "authorization"
    "connection" "cache-control" "pragma" "content-type" "content-length" "content-encoding" "content-security-policy"
    "transfer-encoding" "if-none-match" "if-modified-since" "priority" "dnt" "te" "upgrade-insecure-requests"
    "sec-fetch-dest" "sec-fetch-mode" "sec-fetch-site" "sec-fetch-user" "sec-ch-ua" "sec-ch-ua-mobile"
    "sec-ch-ua-platform" "x-requested-with" "x-forwarded-for" "x-forwarded-proto" "x-forwarded-host" "x-forwarded-uri"
    "x-forwarded-method" "x-original-uri" "x-original-method" "via" "x-vestibule-user" "x-vestibule-organization"
    "x-vestibule-factor" "x-vestibule-verified-at" "server" "date" "last-modified" "etag" "accept-ranges" "expires" "vary"
    "location" "set-cookie" "strict-transport-security" "x-content-type-options" "x-frame-options" "referrer-policy"
}

/// By how many bits of a key they are found.
const BITS: u32 = 9;

/// Where they are, by their keys.
static PLACES: [Span; 1 << BITS] = {
    let mut places = [Span { start: 0, end: 0 }; 1 << BITS];
    let (mut index, mut start) = (0, 0);
    while index < LENGTHS.len() {
        let (_, rest) = NAMES.split_at(start);
        let (name, _) = rest.split_at(LENGTHS[index]);
        let place = Key::of(name).upper(BITS);
        assert!(places[place].end == 0, "two in one place: keys have to be spread in another way");
        places[place] = Span::new(start, name.len());
        start += name.len();
        index += 1;
    }
    places
};

/// Whether what is there is one of them, and not behind them.
#[inline]
pub(super) const fn has(span: Span) -> bool {
    (span.start as usize) < NAMES.len()
}

/// Where a name is in [`PLACES`], and, behind the last one, that it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Place {
    const NONE: Self = Self(PLACES.len());

    /// A number that no other has; of a name that is not there, none.
    pub(super) const fn number(self) -> Option<usize> {
        if self.0 < PLACES.len() { Some(self.0) } else { None }
    }

    /// Of a line's name.
    #[inline]
    pub(super) const fn of(line: Line) -> Self {
        if has(line.name) { Self(line.key.upper(BITS)) } else { Self::NONE }
    }
}

/// A set of names, every one of them known: whether one is in it is told without looking at its letters.
#[derive(Debug)]
pub struct KnownNames([u64; PLACES.len() / 64 + 1]);

impl KnownNames {
    /// Of these, which are [known](NAMES): no other can be in a set.
    pub(crate) const fn of(names: &[&str]) -> Self {
        Self([0; PLACES.len() / 64 + 1]).and(names)
    }

    /// Of those in it and these.
    pub(crate) const fn and(self, names: &[&str]) -> Self {
        let Self(mut set) = self;
        let mut index = 0;
        while index < names.len() {
            let place = Key::of(names[index]).upper(BITS);
            assert!(is_at(place, names[index]), "only known names can be in a set");
            set[place / 64] |= 1 << (place % 64);
            index += 1;
        }
        Self(set)
    }

    /// Whether it is one of them.
    #[inline]
    pub(crate) const fn has(&self, name: Name<'_>) -> bool {
        self.has_place(name.place)
    }

    /// Whether the one in that place is.
    #[inline]
    pub(super) const fn has_place(&self, Place(place): Place) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }
}

/// Whether this name, in lower case, is in that place.
const fn is_at(place: usize, name: &str) -> bool {
    let Span { start, end } = PLACES[place];
    let (from, name) = (NAMES.as_bytes().split_at(start as usize).1, name.as_bytes());
    let mut length = 0;
    while length < name.len() && length < from.len() && from[length] == name[length] {
        length += 1;
    }
    length == name.len() && length == (end - start) as usize
}

/// Where it is, if it is one of them, in whatever case.
pub(super) fn find(key: Key, name: &str) -> Option<Span> {
    let place = PLACES[key.upper(BITS)];
    let known = &NAMES[place.start as usize..place.end as usize];
    is_same(name.as_bytes(), known.as_bytes()).then_some(place)
}

/// Whether a name is this one. It is a token (RFC 9110, section 5.6.2): no character of one becomes a digit or a dash, or a
/// letter that it is not, by the bit that letters differ by from those of the other case.
fn is_same(name: &[u8], known: &[u8]) -> bool {
    if name.len() != known.len() {
        return false;
    }
    match (name.last_chunk(), known.last_chunk()) {
        // Eight at once: the whole ones, and the last, which may have some of the one before in it.
        (Some(&last), Some(&known_last)) => {
            let mut pairs = name.as_chunks().0.iter().zip(known.as_chunks().0);
            is_same_part(last, known_last) && pairs.all(|(part, known)| is_same_part(*part, *known))
        }
        _ => name.iter().zip(known).all(|(byte, known)| byte | 0x20 == *known),
    }
}

fn is_same_part(part: [u8; 8], known: [u8; 8]) -> bool {
    u64::from_le_bytes(part) | 0x2020_2020_2020_2020 == u64::from_le_bytes(known)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Fields;
    use super::*;

    fn found(name: &str) -> Option<&'static str> {
        find(Key::of(name), name).map(|place| &NAMES[place.start as usize..place.end as usize])
    }

    #[test]
    fn all_are_found_in_whatever_case() {
        let mut rest = NAMES;
        for length in LENGTHS {
            let (name, after) = rest.split_at(*length);
            rest = after;
            let capital = format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
            for spelling in [name, &name.to_ascii_uppercase(), &capital] {
                assert_eq!(found(spelling), Some(name));
            }
        }
        assert_eq!(rest, "");
    }

    #[test]
    fn a_set_has_its_names_alone() {
        static SET: KnownNames = KnownNames::of(&["host", "te", "referrer-policy"]);
        let mut rest = NAMES;
        let shares_a_place = |name: &String| Key::of(name).upper(BITS) == Key::of("host").upper(BITS);
        let other = (0..10_000).map(|number| format!("x-{number}")).find(shares_a_place);
        let mut names = vec![other.expect("places are few")];
        names.extend(["", "t", "hosts", "x-other", "x-vestibule-user-"].map(str::to_owned));
        for length in LENGTHS {
            let (name, after) = rest.split_at(*length);
            rest = after;
            names.push(name.to_ascii_uppercase());
        }
        let fields = Fields::of_received(Bytes::new(), names.iter().map(|name| (&**name, &b""[..])));
        let its = fields.keys().filter(|name| SET.has(*name)).map(Name::as_str);
        assert_eq!(its.collect::<Vec<_>>(), ["host", "te", "referrer-policy"]);
    }

    #[test]
    #[should_panic(expected = "only known names")]
    fn no_other_name_can_be_in_a_set() {
        let _: KnownNames = KnownNames::of(&["host", "x-other"]);
    }

    #[test]
    fn what_only_resembles_one_is_not_found() {
        for other in [
            "hos",
            "hosts",
            "dost",
            "cookies",
            "x_forwarded_for",
            "x-forwarded_for",
            "sec-vetch-mode",
            "sec-fetch-moda",
        ] {
            assert_eq!(found(other), None, "{other:?}");
        }
    }
}
