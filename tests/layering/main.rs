//! Who may know whom: the architecture's boundaries, read out of the source text.
//!
//! Each rule comes with a sample that breaks it, so that a rule that can't fail is noticed.

mod rule;
mod source;

use rule::{Rule, dependencies, is_within};
use source::{Names, code, names, names_in, read, root, sources, without_tests};

#[test]
fn the_rules_know_the_standard_library_and_cryptography() {
    let crates = [
        "std",
        "aws_lc_rs",
        "chacha20poly1305",
        "data_encoding",
        "percent_encoding",
        "subtle",
        "thiserror",
        "totp_rs",
        "zeroize",
    ];
    let rule = Rule::of("second_factor").knows(&["second_factor"]).and_crates(&crates);
    rule.holds();
    for bad in [
        "use http::StatusCode;",
        "use hyper::body::Incoming;",
        "use rusqlite::Connection;",
        "use maud::html;",
        "fn f() { tokio::spawn(async {}); }",
        "use crate::store::Store;",
        "use crate::{clock::Clock, second_factor::Timestamp};",
        "fn now() -> u64 { crate::clock::Clock::system() }",
        "use super::super::store;",
        "#[derive(serde::Serialize)] struct A;",
        "fn f() { tracing::info!(\"x\"); }",
    ] {
        rule.catches(bad);
    }
}

#[test]
fn the_store_knows_the_rules_and_its_drivers() {
    let rule = Rule::of("store").knows(&["store", "second_factor", "entropy"]).and_crates(&[
        "std",
        "async_trait",
        "rusqlite",
        "rustls",
        "thiserror",
        "tokio",
        "tokio_postgres",
        "tokio_rustls",
        "tracing",
        "zeroize",
    ]);
    rule.holds();
    for bad in ["use crate::pages::stop;", "use crate::config::StoreUrl;", "use crate::clock::Clock;", "use http::Uri;"]
    {
        rule.catches(bad);
    }
}

#[test]
fn a_driver_is_known_to_its_own_engine_alone() {
    for (driver, engine) in [("rusqlite", "store/sqlite"), ("tokio_postgres", "store/postgres")] {
        let rule = Rule::of("").avoids(&[driver]).except(&[engine]);
        rule.holds();
        rule.catches(&format!("use {driver}::Error;"));
        let uses = |file: &String| file.starts_with(engine) && names(file).iter().any(|name| is_within(name, driver));
        assert!(sources().iter().any(uses), "{engine} has a driver");
    }
}

#[test]
fn the_templates_depend_on_maud_alone() {
    assert_eq!(dependencies(&read(&root().join("templates/Cargo.toml"))), ["maud"]);
    let sample = "[package]\nname = \"x\"\n[dependencies]\nmaud = \"1\"\nserde = { version = \"1\" }\n[lints]\na = 1\n";
    assert_eq!(dependencies(sample), ["maud", "serde"]);
    let rule = Rule::of("").avoids(&["maud"]);
    rule.holds();
    rule.catches("use maud::html;");
}

#[test]
fn sites_and_identities_know_no_store() {
    let inside = ["store", "standing", "gateway", "visit", "pages", "proxy", "start", "commands"];
    let inside = inside.map(|module| format!("crate::{module}"));
    let inside: Vec<_> = inside.iter().map(String::as_str).collect();
    for module in ["site", "identity"] {
        let rule = Rule::of(module).avoids(&inside);
        rule.holds();
        rule.catches("use crate::store::{Sighting, Store};");
        rule.catches("fn f(known: &crate::standing::Known) {}");
    }
}

#[test]
fn what_is_printed_for_others_is_made_of_the_configuration_alone() {
    let rule = Rule::of("render").knows(&["render", "config"]).and_crates(&["std", "http", "thiserror"]);
    rule.holds();
    rule.catches("use crate::forward_auth::Asked;");
    rule.catches("fn f() { tokio::fs::read(\"x\"); }");
}

#[test]
fn pages_never_use_the_proxy_and_the_proxy_neither_pages_nor_the_store() {
    let pages = Rule::of("pages").avoids(&["crate::proxy", "crate::upstream"]);
    pages.holds();
    pages.catches("use crate::proxy::forward;");
    pages.catches("use crate::{respond, proxy};");
    let proxy = Rule::of("proxy").avoids(&["crate::pages", "crate::store", "crate::standing", "vestibule_templates"]);
    proxy.holds();
    proxy.catches("use crate::pages::stop;");
    proxy.catches("use super::super::store::Store;");
}

#[test]
fn forward_auth_finds_out_what_is_asked_and_knows_none_who_could_decide() {
    let rule = Rule::of("forward_auth").knows(&[
        "forward_auth",
        "body",
        "config",
        "identity::client",
        "listener::framing",
        "message",
        "proxy::headers",
        "site::query",
        "tokens",
    ]);
    rule.holds();
    for bad in [
        "use crate::second_factor::policy::decide;",
        "use crate::visit::Visit;",
        "use crate::store::Store;",
        "use crate::pages::stop;",
        "use crate::site::rule;",
        "fn f() { crate::identity::probe::Prober::new(); }",
    ] {
        rule.catches(bad);
    }
}

#[test]
fn every_way_through_the_gateway_is_one_journey() {
    let code = |file: &str| without_tests(&code(&read(&root().join("src").join(file))));
    let (journey, outer) = (code("gateway.rs") + &code("gateway/arrived.rs"), code("gateway/outer.rs"));
    for step in ["for_host(", "rule(site, ", "Client::of(", "headers::strip(", ".decide()", "&Standing::Public"] {
        assert!(journey.contains(step), "{step} is a step of the journey");
        assert!(!outer.contains(step), "{step} on another way");
    }
    assert_eq!(journey.matches("headers::strip(").count(), 1);
    assert_eq!(journey.matches("for_host(").count(), 1);
    assert_eq!(journey.matches(".settle(").count(), 1);
    assert_eq!(outer.matches(".journey(").count(), 1);
}

#[test]
fn the_gateway_alone_uses_both_pages_and_the_proxy() {
    let both: Vec<_> = sources().into_iter().filter(|file| uses_both(&names(file))).collect();
    assert_eq!(both, ["failure.rs", "gateway.rs"], "failure.rs only words what the proxy could not do");
    assert!(uses_both(&names_in("x.rs", "use crate::{pages, proxy};")));
    assert!(!uses_both(&names_in("x.rs", "use crate::pages::stop;")));
    let failure = names("failure.rs");
    let of_pages: Vec<_> = failure.iter().filter(|name| name.starts_with("crate::pages")).collect();
    assert_eq!(of_pages, ["crate::pages::appearance::Appearance"]);
}

fn uses_both(names: &Names) -> bool {
    let uses = |module: &str| names.iter().any(|name| is_within(name, module));
    uses("crate::pages") && uses("crate::proxy")
}

#[test]
fn one_module_reads_the_time_and_one_asks_for_randomness() {
    let time = Rule::of("").avoids(&["std::time::SystemTime", "std::time::Instant"]).except(&["clock.rs"]);
    time.holds();
    time.catches("use std::time::{Duration, SystemTime};");
    time.catches("fn f() -> std::time::Instant { std::time::Instant::now() }");
    let randomness = Rule::of("")
        .avoids(&["getrandom", "rand", "aws_lc_rs::rand", "chacha20poly1305::aead::OsRng"])
        .except(&["entropy.rs"]);
    randomness.holds();
    randomness.catches("use aws_lc_rs::rand::SystemRandom;");
    randomness.catches("fn f() { getrandom::fill(&mut [0; 4]); }");
}

#[test]
fn failure_alone_blames_a_server() {
    let blames = |text: &str| {
        let code = without_tests(&code(text));
        ["INTERNAL_SERVER_ERROR", "BAD_GATEWAY", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT", "MISDIRECTED_REQUEST"]
            .iter()
            .any(|status| code.contains(status))
    };
    let files: Vec<_> = sources().into_iter().filter(|file| blames(&read(&root().join("src").join(file)))).collect();
    assert_eq!(files, ["failure.rs", "operations.rs"], "operations.rs is another listener, for machines");
    assert!(blames("fn f() -> S { S::BAD_GATEWAY }"));
    assert!(!blames("// BAD_GATEWAY\n#[cfg(test)]\nmod tests { const A: S = S::BAD_GATEWAY; }"));
}

#[test]
fn only_the_one_that_decides_makes_a_passage() {
    let makes = |text: &str| {
        let code: String = without_tests(&code(text)).split_whitespace().collect();
        code.contains("Passage{traveler") || code.contains("Passage{") && !code.contains("structPassage{")
    };
    let files: Vec<_> = sources().into_iter().filter(|file| makes(&read(&root().join("src").join(file)))).collect();
    assert_eq!(files, ["second_factor/policy.rs"]);
    assert!(makes("fn f() -> Passage { Passage { traveler: None } }"));
}

#[test]
fn the_configuration_as_meant_knows_no_serde() {
    let rule = Rule::of("config/mod.rs").avoids(&["serde", "toml"]);
    rule.holds();
    rule.catches("#[derive(serde::Deserialize)] struct A;");
    rule.catches("use serde::Deserialize;");
}

#[test]
fn names_are_found_wherever_they_stand() {
    let text = r##"
        //! crate::comment
        use std::{fmt::{self, Write as _}, io};
        use crate::pages::{appearance::Appearance, stop};
        pub(crate) use self::below::Thing;
        /* use crate::block; /* nested */ still */
        const A: &str = "crate::text // \" more";
        const B: &str = r#"crate::raw " text"#;
        const C: [char; 2] = ['"', '\''];
        fn f<'a>(x: &'a dyn crate::store::Store) -> hyper::Error { super::next::g::<u8>(); x }
        #[cfg(test)]
        mod tests { use crate::tests_only; }
    "##;
    let expected = [
        "crate::pages::appearance::Appearance",
        "crate::pages::stop",
        "crate::site::below::Thing",
        "crate::site::next::g",
        "crate::store::Store",
        "hyper::Error",
        "std::fmt",
        "std::fmt::Write",
        "std::io",
    ];
    // `super` of a file is its folder, `self` of a `mod.rs` its own.
    let in_file: Vec<_> = names_in("site/path.rs", text).into_iter().collect();
    assert!(in_file.contains(&"crate::site::next::g".to_owned()), "{in_file:?}");
    let in_folder: Vec<_> = names_in("site/mod.rs", &text.replace("super::next", "self::next")).into_iter().collect();
    assert_eq!(in_folder, expected);
}
