//! What commands print: for people, or one JSON document for programs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaking to the terminal is what commands do")]

use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write as _};

use serde_json::Value;

/// Prints a JSON document.
pub(super) fn json(value: &Value) {
    println!("{}", escaped(&format!("{value:#}")));
}

/// Standard output, for JSON documents, each on a line.
pub(super) struct JsonLines(BufWriter<StdoutLock<'static>>);

impl JsonLines {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// A line. It may be written some time later.
    pub(super) fn write(&mut self, document: &Value) -> io::Result<()> {
        writeln!(self.0, "{}", escaped(&document.to_string()))
    }

    /// Writes what is not written yet.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints a line.
pub(super) fn line(text: &str) {
    println!("{}", printable(text));
}

/// Prints a text of ours, as it is.
pub(super) fn text(text: &str) {
    print!("{text}");
}

/// Tells what went wrong.
pub(super) fn complain(text: &str) {
    eprintln!("vestibule: {text}");
}

/// Prints text that is drawn already, on standard error.
pub(super) fn drawn(text: &str) {
    eprintln!("{text}");
}

/// Prints rows under a head, in columns.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let print = |cells: Vec<&str>| {
        let padded: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    print(head.to_vec());
    for row in rows {
        print(row.iter().map(String::as_str).collect());
    }
}

/// What came from outside must not move the cursor or color the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if deceives(c) { '\u{fffd}' } else { c }).collect()
}

/// A JSON text in which all of these are escapes, also where JSON would have them as they are.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && deceives(c) {
            // All of them are within the first 65,536.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a reader may see something else than there is, or another line: control characters, ends of lines and of
/// paragraphs, what turns the direction of text, and what has no width.
fn deceives(c: char) -> bool {
    let invisible = ['\u{ad}', '\u{61c}', '\u{feff}'];
    let ranges = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
    c.is_control() || invisible.contains(&c) || ranges.iter().any(|range| range.contains(&c))
}
