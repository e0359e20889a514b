//! The documents in the root and in `docs/`: every piece of configuration in them loads, and every file they name is there.

use std::fs;
use std::path::{Path, PathBuf};

use vestibule::config::parse;

use crate::shipped;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Name and text of each.
fn documents() -> Vec<(String, String)> {
    let folders = [root(), root().join("docs")].map(|folder| fs::read_dir(folder).expect("a folder"));
    let files = folders.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.map(|file| (file.display().to_string(), fs::read_to_string(&file).expect("text"))).collect()
}

/// The smallest file, without the comment at its top.
fn minimal() -> String {
    let text = fs::read_to_string(shipped().join("minimal.toml")).expect("the smallest file");
    text[text.find("\n[").expect("a table") + 1..].to_owned()
}

/// What stands between a line of three backquotes with that language and the next.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("\n```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("\n```").next().unwrap_or(rest)).collect()
}

/// A configuration with a piece of another put into it, as a reader would: a key takes the place of the one that is
/// there, a table that is not there is added at the end.
fn put_into(whole: &str, piece: &str) -> String {
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let mut at = lines.len();
    for line in piece.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            let table = without_comment(line);
            at = lines.iter().position(|there| without_comment(there) == table).unwrap_or_else(|| {
                lines.push(table.to_owned());
                lines.len() - 1
            });
        } else {
            let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
            let end = lines[at + 1..].iter().position(|there| there.starts_with('['));
            let end = end.map_or(lines.len(), |end| at + 1 + end);
            if let Some(same) = (at + 1..end).find(|&there| key(&lines[there]) == key(line)) {
                lines.remove(same);
            }
            lines.insert(at + 1, line.to_owned());
        }
    }
    lines.join("\n")
}

fn without_comment(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line).trim_end()
}

/// A folder with the files that the pieces name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("tls")).expect("a folder");
    for (name, kind) in [("tls/fullchain.pem", "CERTIFICATE"), ("tls/key.pem", "PRIVATE KEY")] {
        let pem = format!("-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n");
        fs::write(folder.path().join(name), pem).expect("a file");
    }
    folder
}

#[test]
fn the_readme_explains_the_smallest_file_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the readme");
    let pieces = blocks(&readme, "toml");
    assert_eq!(pieces.first().map(|piece| piece.trim_end()), Some(minimal().trim_end()));
}

#[test]
fn every_piece_of_configuration_in_a_document_loads_and_says_something() {
    let folder = folder();
    let said = |text: &str| match parse(text, &folder.path().join("vestibule.toml")) {
        Ok(config) => format!("{config:?}"),
        Err(problems) => panic!("{problems}\n\n{text}"),
    };
    let minimal = minimal();
    let smallest = said(&minimal);
    let mut pieces = 0;
    for (name, text) in documents() {
        for piece in blocks(&text, "toml").into_iter().filter(|piece| piece.trim_end() != minimal.trim_end()) {
            pieces += 1;
            assert!(said(&put_into(&minimal, piece)) != smallest, "{name}: this changes nothing:\n{piece}");
        }
    }
    assert!(pieces >= 3, "the readme has some");
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut found = 0;
    for (name, text) in documents() {
        let folder = Path::new(&name).parent().expect("a folder").to_owned();
        for path in prose(&text).flat_map(named_files) {
            found += 1;
            // Named as from the root, or linked as from where the document is.
            let is_there = root().join(&path).exists() || folder.join(&path).exists();
            assert!(is_there, "{name} names {path}, which is not there");
        }
    }
    assert!(found > 20, "the documents name files");
}

/// The lines outside of blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// Files in backquotes, by the folder they begin with, and the targets of links.
fn named_files(line: &str) -> Vec<String> {
    const FOLDERS: [&str; 7] = ["src/", "tests/", "config/", "docs/", "examples/", "templates/", ".ci/"];
    let quoted =
        line.split('`').skip(1).step_by(2).filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)));
    let quoted = quoted.map(|span| span.split([' ', ':', '<', '*']).next().unwrap_or(span));
    let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let linked = linked.filter(|target| !target.is_empty() && !target.contains("://"));
    quoted.chain(linked).filter(|path| Path::new(path).is_relative()).map(str::to_owned).collect()
}
