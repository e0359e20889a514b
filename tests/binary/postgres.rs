//! The binary on a PostgreSQL database: gateways and commands share it, and what is wrong with it is told.

use serde_json::json;

use crate::cluster::Cluster;
use crate::installation::Installation;
use crate::support::world::Configuration;
use crate::support::{Sight, optional, required, until};

/// A configuration whose store is that one instead of a file.
fn on(configuration: Configuration, url: &str) -> Configuration {
    configuration.with("sqlite:vestibule.db", url)
}

/// The URL of a database on the tests' server, by its Unix socket.
fn url(name: &str) -> String {
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
