//! The files that operators copy: every one loads, and the reference says of every key what the code does.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use vestibule::config::file::tables;
use vestibule::config::{Config, load, parse};

use crate::{read, shipped};

fn reference() -> String {
    fs::read_to_string(shipped().join("reference.toml")).expect("the reference")
}

/// The key or table that a line would set if it were not commented out.
fn commented_out(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key))).then_some(rest)
}

fn debug(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn every_file_we_ship_loads() {
    let configurations: Vec<_> = ["config", "examples/cluster", "examples/django", "examples/dashboards"]
        .into_iter()
        .flat_map(toml_files)
        .collect();
    assert!(configurations.len() >= 6, "minimal, reference, and one for each dashboard");
    for file in configurations {
        if let Err(problems) = load(&file) {
            panic!("{problems}");
        }
    }
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn what_the_reference_sets_is_the_default_or_said_to_be_required() {
    let whole = reference();
    let config = debug(&read(&whole).expect("the reference loads"));
    let lines: Vec<_> = whole.lines().collect();
    let mut paragraph_is_required = false;
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with("# ") && !lines[number.saturating_sub(1)].starts_with("# ") {
            paragraph_is_required = line.starts_with("# Required");
        }
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        let without = [&lines[..number], &lines[number + 1..]].concat().join("\n");
        match read(&without) {
            Ok(other) => {
                assert_eq!(debug(&other), config, "{key} is not set to its default");
                assert!(!paragraph_is_required, "{key} is not required");
            }
            Err(problems) => {
                let missing = format!("missing key {key:?}");
                assert!(problems.iter().all(|problem| problem.message == missing), "{problems}");
                assert!(paragraph_is_required, "{key} is required, and the reference doesn't say so");
            }
        }
    }
}

#[test]
fn every_key_of_the_code_is_in_the_reference() {
    let whole = reference();
    let text: Vec<_> = whole.lines().map(|line| commented_out(line).unwrap_or(line)).collect();
    let root: toml::Table = toml::from_str(&text.join("\n")).expect("TOML, also with every key set");
    let mut keys = BTreeSet::new();
    collect(&root, "", &mut keys);
    for (table, known) in tables() {
        for key in known {
            let path = format!("{table}.{key}");
            let is_form_of_value = table.starts_with("site.identity.") && table != "site.identity.anonymous";
            let is_there = keys.contains(path.trim_start_matches('.'));
            assert!(
                is_there || is_form_of_value && whole.contains(&format!("{key} = ")),
                "{path} is not in the reference"
            );
        }
    }
}

fn collect(table: &toml::Table, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{path}.{key}").trim_start_matches('.').to_owned();
        match value {
            toml::Value::Table(table) => collect(table, &path, keys),
            toml::Value::Array(array) => {
                array.iter().filter_map(toml::Value::as_table).for_each(|table| collect(table, &path, keys));
            }
            _ => {}
        }
        keys.insert(path);
    }
}

#[test]
fn every_key_that_the_reference_shows_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("tls")).expect("a folder");
    for name in ["tls/fullchain.pem", "tls/internal-authority.pem"] {
        let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        fs::write(folder.path().join(name), pem).expect("a file");
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    fs::write(folder.path().join("tls/key.pem"), pem).expect("a file");
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    fs::write(folder.path().join("jwks.json"), format!("{{\"keys\":[{key}]}}")).expect("a file");
    let secret = folder.path().join("login.secret");
    fs::write(&secret, "a secret of 32 bytes or even more").expect("a file");
    fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(folder.path().join("store-password"), "secret\n").expect("a file");
    fs::write(folder.path().join("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").expect("a file");

    let whole = reference();
    let lines: Vec<_> = whole.lines().collect();
    let shown: Vec<_> = (0..lines.len()).filter(|&number| commented_out(lines[number]).is_some()).collect();
    assert!(shown.len() >= 12, "some keys have no default");
    let file = folder.path().join("vestibule.toml");
    for &number in &shown {
        let paragraph = paragraph(&lines, number);
        let is_table = lines[paragraph.clone()].iter().any(|line| line.starts_with("# ["));
        let set = |at: usize| at == number || is_table && paragraph.contains(&at);
        let line = |at: usize| commented_out(lines[at]).filter(|_| set(at)).unwrap_or(lines[at]);
        let text = (0..lines.len()).map(line).collect::<Vec<_>>().join("\n");
        let with = parse(&in_context(lines[number], text), &file).unwrap_or_else(|problems| panic!("{problems}"));
        let without = parse(&in_context(lines[number], whole.clone()), &file).expect("loads as well");
        assert!(debug(&with) != debug(&without), "{} does nothing", lines[number]);
    }
}

/// The comment lines around one.
fn paragraph(lines: &[&str], number: usize) -> Range<usize> {
    let is_comment = |line: &&&str| line.starts_with('#');
    let before = lines[..number].iter().rev().take_while(is_comment).count();
    let after = lines[number..].iter().take_while(is_comment).count();
    number - before..number + after
}

/// Some keys make sense only together with others that the reference sets otherwise.
fn in_context(line: &str, text: String) -> String {
    if line.starts_with("# upstream_name") || line.starts_with("# upstream_authorities") {
        return text.replace("\"http://127", "\"https://127");
    }
    if line.starts_with("# password_file") || line.starts_with("# connections") {
        return text.replace("\"sqlite:vestibule.db\"", "\"postgres://vestibule@127.0.0.1\"");
    }
    if line.starts_with("# login") {
        return text.replace("\npublic = []", "\npublic = [\"/login\"]");
    }
    let begins = |keys: &[&str]| keys.iter().any(|key| line.starts_with(&format!("# {key} = ")));
    if begins(&["secret_header", "secret_file", "pass_headers"]) {
        return behind_a_login(&text);
    }
    let of_token = ["token", "algorithms", "keys", "keys_file", "keys_authorities", "refresh"];
    if begins(&of_token) || begins(&["issuer", "audience", "leeway"]) {
        return with_a_token(&text);
    }
    if line.starts_with("# css") {
        return text
            .replace("\nuser = \"/id\"", "\nuser = { css = \"#user\" }")
            .replace("\norganization = \"/company/slug\"", "\norganization = { fixed = \"acme\" }");
    }
    text
}

/// The same for a site whose users a login in front names.
fn behind_a_login(text: &str) -> String {
    let text = from_another_source(text, "header").replace("trusted_proxies = []", "trusted_proxies = [\"127.0.0.1\"]");
    let has = |key: &str| text.contains(&format!("\n{key} = "));
    let secret = match (has("secret_header"), has("secret_file")) {
        (true, false) => "secret_file = \"login.secret\"",
        (false, true) => "secret_header = \"x-secret\"",
        (true, true) | (false, false) => "",
    };
    text.replace("\nsource = \"header\"", &format!("\nsource = \"header\"\n{secret}"))
        .replace("\nuser = \"/id\"", "\nuser = \"X-User\"")
        .replace("\norganization = \"/company/slug\"", "\norganization = \"X-Company\"")
}

/// The same for a site whose users a token names.
fn with_a_token(text: &str) -> String {
    let text = from_another_source(text, "jwt");
    let mut source = "\nsource = \"jwt\"".to_owned();
    let table = text.split("\n[site.identity]").nth(1).expect("the table");
    let has = |key: &str| table.contains(&format!("\n{key} = "));
    let keys = if has("keys_file") { "keys_file" } else { "keys" };
    for (key, value) in [
        ("token", "\"authorization\""),
        ("algorithms", "[\"EdDSA\", \"ES256\"]"),
        (keys, "\"https://keys.example/set\""),
        ("issuer", "\"somebody\""),
        ("audience", "[\"a\", \"b\"]"),
    ] {
        if !has(key) {
            source = format!("{source}\n{key} = {value}");
        }
    }
    text.replace("\nsource = \"jwt\"", &source)
}

/// Without what the dashboard is asked.
fn from_another_source(text: &str, source: &str) -> String {
    let text = text.replace("\nsource = \"probe\"", &format!("\nsource = {source:?}"));
    let start = text.find("\n[site.identity.anonymous]").expect("the table");
    let end = text.find("\n[site.organization]").expect("the next table");
    let text = format!("{}{}", &text[..start], &text[end..]);
    let keys = ["url", "cache", "timeout", "credentials"];
    let stays = |line: &&str| !keys.iter().any(|key| line.starts_with(&format!("{key} = ")));
    text.lines().filter(stays).collect::<Vec<_>>().join("\n")
}
