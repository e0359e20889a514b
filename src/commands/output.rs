//! What commands print: for people, or one JSON document for programs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaking to the terminal is what commands do")]

use serde_json::Value;

/// Prints a JSON document.
pub(super) fn json(value: &Value) {
    println!("{value:#}");
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
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
