//! `vestibule check`.

use serde_json::Value;

use crate::installation::Installation;
use crate::support::dashboard::Mood;
use crate::support::issuer::Issuer;
use crate::support::optional;
use crate::support::signer::Signer;

#[tokio::test]
async fn a_good_configuration_has_no_problem() {
    let installation = Installation::new(&optional()).await;
    let ended = installation.run(&["check"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.printed.contains("vestibule.toml: no problem"), "{ended:?}");
    assert_eq!(installation.json(&["check"])["ok"], true);
    assert_eq!(installation.run(&["check", "--config", "vestibule.toml"]).code, 0);
    assert!(!installation.file("vestibule.db").exists(), "to check is to look");
}

#[tokio::test]
async fn every_problem_is_told_at_once_with_its_line() {
    let bad = optional()
        .with("workers = 1", "worker = 1")
        .with("lifetime = \"12h\"", "lifetime = \"12 hours\"")
        .with("url = \"/api/me\"", "url = \"api/me\"");
    let installation = Installation::new(&bad).await;
    let ended = installation.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for word in ["worker", "workers", "12 hours", "api/me", "vestibule.toml"] {
        assert!(ended.said.contains(word), "no {word:?} in {}", ended.said);
    }

    let ended = installation.run(&["check", "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let document: Value = serde_json::from_str(&ended.printed).expect("JSON");
    assert_eq!(document["ok"], false);
    let problems = document["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 3, "{document:#}");
    for problem in problems {
        assert!(problem["line"].as_u64().is_some_and(|line| line > 0), "{problem}");
        for member in ["key", "message", "help"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {problem}");
        }
    }
}

// On threads of its own: the dashboard has to answer while the command is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_the_dashboard_is_asked_as_nobody() {
    let installation = Installation::new(&optional()).await;
    let ended = installation.run(&["check", "--online"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let moods = [
        (Mood::Says(200, "application/json", r#"{"id":"guest","company":{"slug":"acme"}}"#.to_owned()), "guest"),
        (Mood::Says(200, "text/html", "<form>".to_owned()), "does not say clearly"),
        (Mood::HangsUp, "/api/me"),
    ];
    for (mood, words) in moods {
        installation.dashboard.is(mood);
        let ended = installation.run(&["check", "--online"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.said.contains(words), "no {words:?} in {}", ended.said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_the_keys_of_tokens_are_fetched() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let identity = format!(
        "source = \"jwt\"\ntoken = \"cookie:sid\"\nalgorithms = [\"ES256\"]\nkeys = {:?}\nissuer = \"a\"\n\
         audience = \"b\"\nuser = \"/sub\"\norganization = \"/org\"",
        issuer.keys()
    );
    let installation = Installation::new(&optional().with_identity(&identity)).await;
    assert_eq!(installation.run(&["check"]).code, 0);
    assert_eq!(issuer.asked(), 0, "only where that is asked for");
    let ended = installation.run(&["check", "--online"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(issuer.asked(), 1);
    for (status, text, words) in
        [(404, "", "404"), (200, "<html>", "neither a JSON Web Key Set"), (200, "{\"keys\":[]}", "no public key")]
    {
        issuer.says(status, text);
        let ended = installation.run(&["check", "--online"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.said.contains(words) && ended.said.contains("/jwks.json"), "no {words:?} in {}", ended.said);
    }
}

#[tokio::test]
async fn wrong_usage_is_told_apart_from_a_refusal() {
    let installation = Installation::new(&optional()).await;
    let wrong: [&[&str]; 8] = [
        &[],
        &["nonsense"],
        &["check", "--nonsense"],
        &["check", "x"],
        &["accounts"],
        &["accounts", "reset"],
        &["organizations", "require"],
        &["audit", "--limit", "x"],
    ];
    for arguments in wrong {
        let ended = installation.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(ended.said.contains("Usage: vestibule") || ended.said.contains("try '--help'"), "{ended:?}");
    }
    assert_eq!(installation.run(&["--help"]).code, 0);
    assert_eq!(installation.run(&["--version"]).printed.split(' ').next(), Some("vestibule"));
}
