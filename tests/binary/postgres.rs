//! The binary on a PostgreSQL database: gateways and commands share it, and what is wrong with it is told.

use serde_json::json;

use crate::cluster::Cluster;
use crate::installation::Installation;
use crate::support::world::Configuration;
use crate::support::{Sight, optional, required, until};

/// A configuration whose store is that one instead of a file.
pub(crate) fn on(configuration: Configuration, url: &str) -> Configuration {
    configuration.with("sqlite:vestibule.db", url)
}

/// The URL of a database on the tests' server, by its Unix socket.
pub(crate) fn url(name: &str) -> String {
    let (folder, port) = Cluster::shared().socket();
    format!("postgres://vestibule@:{port}/{name}?host={}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_and_a_command_share_a_database() {
    let database = Cluster::shared().store().await;
    let installation = Installation::new(&on(required(), &url(&database.name))).await;
    let (first, second) = (installation.serve().await, installation.serve().await);
    let mut bob = installation.visitor(&first, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let mut yann = installation.visitor(&second, "yann");
    yann.logs_in().await;
    yann.enrolls().await;
    yann.opens("/reports").await.shows(Sight::Dashboard);

    let listed = installation.json(&["accounts", "list"]);
    let users: Vec<_> = listed.as_array().expect("a list").iter().map(|account| &account["user"]).collect();
    assert_eq!(users, [&json!("id-bob"), &json!("id-yann")]);
    assert_eq!(installation.json(&["accounts", "reset", "id-yann"])["reset"], true);
    until("the second gateway knows of the reset", async || yann.opens("/reports").await.offers("/_2fa/enroll")).await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    assert_eq!(installation.json(&["check", "--online"])["ok"], true);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let installation = Installation::new(&on(optional(), &url("lost"))).await;
    for arguments in [&["serve"][..], &["accounts", "list"], &["check", "--online"]] {
        installation.run(arguments).is_refused(&["\"lost\"", "does not exist", "createdb"]);
    }
}

#[tokio::test]
async fn a_password_is_told_to_nobody_but_the_server() {
    let password = "correct-horse";
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let url = format!("postgres://vestibule:{password}@{nowhere}/vestibule");
    for (url, words) in
        [(url.clone(), ["can't be reached", "127.0.0.1"]), (url + "?sslmode=no", ["sslmode", "verify-full"])]
    {
        let installation = Installation::new(&on(optional(), &url)).await;
        for arguments in [&["serve"][..], &["audit"], &["check", "--online"]] {
            let ended = installation.run(arguments);
            ended.is_refused(&words);
            assert!(!ended.said.contains("horse"), "{}", ended.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_holds_is_copied_to_a_database_and_served_there() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let database = url(&Cluster::shared().store().await.name);
    let command = ["store", "copy", "--to", &database];
    installation.run(&command).is_refused(&["vestibule.db", "is in use", "stop the gateway"]);
    gateway.is_told_to_stop();
    gateway.ends().await;

    let shown_then = bob.authenticator().code(1);
    let copied = installation.json(&command);
    let rows = |table: &str| {
        let tables = copied["copied"].as_array().expect("tables");
        tables.iter().find(|of| of["table"] == table).expect("that one")["rows"].as_u64()
    };
    assert_eq!((rows("accounts"), rows("recovery_codes"), rows("audit")), (Some(1), Some(10), Some(1)), "{copied:#}");
    assert!(copied["left_behind"].as_array().is_some_and(|left| left.contains(&json!("sessions"))), "{copied:#}");
    installation.run(&command).is_refused(&["has something in it already"]);

    let file = installation.file("vestibule.toml");
    let text = std::fs::read_to_string(&file).expect("it was written");
    std::fs::write(&file, text.replacen("sqlite:vestibule.db", &database, 1)).expect("the folder is ours");
    installation.run(&command).is_refused(&["--to is the store that the configuration names"]);
    let gateway = installation.serve().await;
    installation.run(&["store", "copy", "--to", "sqlite:back.db"]).is_refused(&["connections of Vestibule are open"]);
    let mut bob = bob.in_front_of(gateway.gateway());
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives(&shown_then).await.shows(Sight::CodeRefused);
    let log = installation.json(&["audit"]);
    assert_eq!((&log[1]["event"], &log[1]["actor"]), (&json!("store_copied"), &json!("operator")), "{log:#}");
}

#[tokio::test]
async fn a_place_to_copy_to_that_is_none_is_named() {
    let installation = Installation::new(&optional()).await;
    installation.run(&["store", "copy", "--to", "sqlite:other.db"]).is_refused(&["there is no store", "vestibule.db"]);
    for (to, words) in [
        ("mysql://x", ["--to", "no place to keep data"]),
        ("sqlite::memory:", ["--to", "in memory"]),
        ("postgres://127.0.0.1/x", ["--to", "names no user"]),
    ] {
        installation.run(&["store", "copy", "--to", to]).is_refused(&words);
    }
}
