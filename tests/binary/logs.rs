//! What it logs: a line an event, and never a secret, however much it is asked to tell.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use serde_json::{Value, json};

use crate::installation::Installation;
use crate::support::dashboard::{Mood, password_of};
use crate::support::signer::Signer;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn no_secret_is_written_anywhere() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut secrets = vec![password_of("bob")];
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.opens("/reports?access_token=t0ken-in-the-query").await.shows(Sight::Enrollment);
    secrets.extend([bob.cookie("sid"), bob.session()].into_iter().flatten());
    bob.scans();
    let confirming = bob.authenticator().fresh_code();
    bob.gives(&confirming).await.shows(Sight::RecoveryCodes);
    let recovery = bob.page().recovery_codes();
    secrets.extend(bob.session());
    secrets.push(bob.authenticator().secret());
    secrets.push(confirming);

    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/").await.shows(Sight::Challenge);
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::CodeRefused);
    bob.recovers_with("ABCD-EFGH-JKMN-PQRS").await.shows(Sight::RecoveryCodeRefused);
    secrets.extend(["ABCD-EFGH-JKMN-PQRS".to_owned(), wrong]);
    bob.recovers_with(&recovery[0]).await.shows(Sight::Dashboard);
    secrets.extend([bob.cookie("sid"), bob.session()].into_iter().flatten());
    secrets.extend(recovery);
    let token = installation.dashboard.token_of("bob");
    let request = bob.navigation("/reports").with("Authorization", format!("Bearer {token}"));
    bob.sends(request).await;
    secrets.push(token);
    // What goes wrong is logged too.
    bob.posts("/_2fa/profile/disable", &[("code", "654321 and more")]).await;
    bob.opens("/_2fa/nothing?code=secret-in-an-address").await.shows(Sight::NotFound);

    let metrics = gateway.asked("/metrics").await.text();
    let printed: String =
        [&["accounts", "list"][..], &["accounts", "show", "id-bob"], &["audit"], &["organizations", "list"]]
            .iter()
            .map(|command| installation.run(&[command, &["--json"][..]].concat()).printed)
            .collect();
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    let told = without_times(&log);
    assert!(told.contains("code_refused"), "something was logged: {told}");
    secrets.extend(["t0ken-in-the-query".to_owned(), "654321".to_owned()]);
    for secret in &secrets {
        assert!(secret.len() >= 6, "{secret:?} is no secret");
        for bare in [secret.clone(), secret.replace('-', "")] {
            for (what, text) in [("log", &told), ("metrics", &metrics), ("output", &printed)] {
                assert!(!text.contains(&bare), "{bare} in the {what}");
            }
        }
    }
    let stored =
        ["vestibule.db", "vestibule.db-wal"].map(|name| std::fs::read(installation.file(name)).unwrap_or_default());
    let stored = stored.concat();
    assert!(stored.len() > 10_000, "there is a store");
    for secret in secrets.iter().filter(|secret| secret.len() > 6) {
        let found = stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "{secret} in the store");
    }
}

/// LOG-03: keys are in memory; a crash must not put them on the disk.
#[tokio::test]
async fn a_crash_leaves_no_memory_behind() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve_after("ulimit -c \"$(ulimit -Hc)\"").await;
    gateway.crashes();
    let (status, log) = gateway.ends().await;
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false), "{log}");
    let left: Vec<_> = std::fs::read_dir(installation.folder()).expect("it is there").flatten().collect();
    let is_core = |name: &str| name.starts_with("core");
    assert!(!left.iter().any(|file| is_core(&file.file_name().to_string_lossy())), "{left:?}");
}

#[tokio::test]
async fn neither_a_token_nor_the_secret_of_a_login_in_front_is_written() {
    let (signer, forger) = (Signer::new("ES256", "1"), Signer::new("ES256", "1"));
    let identity = "source = \"jwt\"\ntoken = \"cookie:app_token\"\nalgorithms = [\"ES256\"]\nkeys_file = \"key.pem\"\n\
                    issuer = \"a\"\naudience = \"b\"\nuser = \"/sub\"\norganization = { fixed = \"acme\" }";
    let installation = Installation::new(&required().with_identity(identity)).await;
    std::fs::write(installation.file("key.pem"), signer.pem()).expect("a file");
    let claims = json!({ "sub": "id-bob", "iss": "a", "aud": "b", "exp": 4_102_444_800_u64 });
    let tokens = [signer.token(&claims), forger.token(&claims)];
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    for (token, sight) in tokens.iter().zip([Sight::Enrollment, Sight::NobodySaysWho]) {
        bob.has_cookie("app_token", token);
        bob.opens("/").await.shows(sight);
    }
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    assert!(log.contains("the token's signature is bad"), "the operator is told: {log}");
    for part in tokens.iter().flat_map(|token| token.split('.')) {
        assert!(!log.contains(part), "{part} in the log");
    }

    let secrets = ["a secret that the login in front has", "a secret that somebody else made up"];
    let identity = "source = \"header\"\nsecret_header = \"X-Secret\"\nsecret_file = \"login.secret\"\nuser = \"X-User\"\n\
                    organization = { fixed = \"acme\" }";
    let trusting = required().with("workers = 1", "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]");
    let installation = Installation::new(&trusting.with("cookie:sid", "header:x-user").with_identity(identity)).await;
    std::fs::write(installation.file("login.secret"), secrets[0]).expect("a file");
    std::fs::set_permissions(installation.file("login.secret"), Permissions::from_mode(0o600)).expect("a mode");
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    for (secret, sight) in secrets.iter().zip([Sight::Enrollment, Sight::NobodySaysWho]) {
        bob.comes_with(&[("X-User", "id-bob"), ("X-Secret", secret)]);
        bob.opens("/").await.shows(sight);
    }
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    assert!(log.contains("did not come through the login in front"), "the operator is told: {log}");
    assert!(!secrets.iter().any(|secret| log.contains(secret)), "{log}");
}

/// Every line parsed, and without what a clock may have made look like a code.
fn without_times(log: &str) -> String {
    let line = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        event.as_object_mut().expect("an object a line").remove("timestamp");
        event.to_string()
    };
    log.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn nobody_forges_a_line() {
    let installation = Installation::new(&optional()).await;
    let forged = "id-bob\u{2028}{\"level\":\"FORGED\"}\u{202e}";
    installation.dashboard.changes("bob", |bob| forged.clone_into(&mut bob.id));
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let agent =
        bob.navigation("/reports").without("User-Agent").with("User-Agent", "x\u{85}{\"level\":\"FORGED\"}\u{2029}");
    bob.sends(agent).await;
    bob.opens("/_2fa/%0a%7B%22level%22:%22FORGED%22%7D").await;
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(event["level"], "FORGED");
        assert!(!line.contains(['\u{1b}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}']), "{line}");
    }
    assert!(log.contains("id-bob"), "it is logged, if in other letters: {log}");
}

#[tokio::test]
async fn whoever_likes_can_not_fill_the_log() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut stranger = installation.visitor(&gateway, "bob");
    for _ in 0..10 {
        let round = ["1.1 vestibule"; 5].join(", ");
        let request = stranger.navigation("/login").with("Via", round).with("Accept", "application/json");
        assert_eq!(request.send(gateway.gateway()).await.status, 508);
    }
    installation.dashboard.is(Mood::Says(431, "text/plain", "too much".into()));
    stranger.has_cookie("sid", "x");
    for _ in 0..10 {
        stranger.opens("/reports").await.shows(Sight::NobodySaysWho);
    }
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let loud = |level: &str| events.iter().filter(|event| event["level"] == level).collect::<Vec<_>>();
    assert!(loud("ERROR").is_empty(), "{log}");
    let warnings: Vec<_> = loud("WARN").into_iter().filter(|event| event["site"] == "insights").collect();
    assert!((1..5).contains(&warnings.len()), "now and then: {log}");
    assert_eq!(warnings[0]["status"], 431, "and why: {log}");
}

#[tokio::test]
async fn a_line_says_what_happened_to_whom_and_in_which_request() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.opens("/").await;
    bob.scans();
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::FirstCodeRefused);
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let refused = events.iter().find(|event| event["event"] == "code_refused").expect("it is logged");
    assert_eq!((&refused["level"], &refused["address"]), (&"INFO".into(), &"127.0.0.1".into()), "{refused}");
    let request = refused["request"].as_str().expect("the request is named");
    assert_eq!(request.len(), 16, "{refused}");
    let audit = installation.json(&["audit"]);
    assert_eq!(audit[0]["request"], request, "the audit log names the same");
    assert!(refused["user"].as_str().is_some_and(|user| user.contains("id-bob")), "{refused}");
}
