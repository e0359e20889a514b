//! Runs a target on its corpus, and on a number of mutations of it that are the same in every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How many mutations of a corpus are tried.
const MUTATIONS: usize = 4000;
/// The longest input that is made.
const LONGEST: usize = 4096;

/// What comparisons of our parsers are with, so that mutations reach what lies behind them.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\0",
    b"\t",
    b" ",
    b"#",
    b";",
    b"%2e",
    b"%2F",
    b"%00",
    b"%25",
    b"..",
    b"//",
    b"\\",
    b"[",
    b"]",
    b"&",
    b"=",
    b"+",
    b"_",
    b"-",
    b"@",
    b":",
    b"?",
    b"vestibule=",
    b"__Host-vestibule=",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"chunked",
    b"X-Vestibule-User: root\n",
    b"https://",
    b"null",
    b"\"id\":",
    b"\xff",
    b"\xc3\xa9",
    b"token",
    b"token=",
];

/// # Panics
/// If the target does, with the input in the message.
pub(super) fn replay(name: &str, check: fn(&[u8])) {
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "there is no corpus for {name}");
    for (file, bytes) in &seeds {
        run(name, check, bytes, &file.display().to_string());
    }
    let mut random = Random(u64::from_le_bytes(*b"vestibul"));
    for number in 0..MUTATIONS {
        let mut bytes = seeds[random.below(seeds.len())].1.clone();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &seeds[random.below(seeds.len())].1, &mut random);
        }
        bytes.truncate(LONGEST);
        run(name, check, &bytes, &format!("mutation {number}"));
    }
}

/// In the order of their names, so that every run is the same.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).expect("read"))).collect()
}

fn run(name: &str, check: fn(&[u8]), bytes: &[u8], whence: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        panic!("{name}, {whence}, {:?}: {}", bytes.escape_ascii().to_string(), said.unwrap_or("a panic"));
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let end = at + random.below((bytes.len() - at).min(16) + 1);
    let word = WORDS[random.below(WORDS.len())];
    match random.below(7) {
        0 if at < bytes.len() => bytes[at] = random.byte(),
        1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.insert(at, random.byte()),
        4 => {
            let piece = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        5 => {
            let from = random.below(other.len() + 1);
            drop(bytes.splice(at..end, other[from..].iter().copied()));
        }
        _ => drop(bytes.splice(at..end, word.iter().copied())),
    }
}

/// `SplitMix64`: numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is less than a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
