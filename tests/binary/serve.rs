//! The gateway from its start to its end.

use crate::installation::Installation;
use crate::support::http::Request;
use crate::support::{Sight, optional, required, until};

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop_and_finishes_what_was_begun() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let ready = gateway.asked("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
    assert_eq!(gateway.asked("/livez").await.status, 200);

    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let metrics = gateway.asked("/metrics").await.text();
    assert!(metrics.contains("vestibule_outcomes_total{outcome=\"passed\"} 1"), "{metrics}");

    let slow = tokio::spawn(async move { bob.opens("/slow").await });
    until("the dashboard has the request", async || {
        installation.dashboard.requests().iter().any(|seen| seen.target == "/slow")
    })
    .await;
    gateway.is_told_to_stop();
    let address = gateway.gateway();
    until("nobody new is let in", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    installation.dashboard.go_on.notify_waiters();
    slow.await.expect("no panic").shows(Sight::Dashboard);
    let (status, log) = gateway.ends().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panic"), "{log}");
}

#[tokio::test]
async fn it_may_open_as_many_files_as_the_system_allows() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve_after("ulimit -Sn 256").await;
    let (soft, hard) = gateway.open_files();
    assert_ne!(soft, "256");
    assert_eq!(soft, hard);
    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    assert!(log.contains("\"connections\":") && log.contains("\"open_files\":"), "{log}");
}

#[tokio::test]
async fn it_is_given_no_huge_pages() {
    let installation = Installation::new(&required()).await;
    assert!(!installation.serve().await.may_have_huge_pages());
}

#[tokio::test]
async fn what_it_kept_is_there_after_it_was_killed() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    // As `kill -9` does.
    drop(gateway);
    let gateway = installation.serve().await;
    let mut again = bob.in_front_of(gateway.gateway());
    again.opens("/reports").await.shows(Sight::Dashboard);
    again.loses_session();
    again.opens("/reports").await.shows(Sight::Challenge);
    let used = again.authenticator().code(0);
    again.gives(&used).await.shows(Sight::CodeRefused);
    again.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn the_operations_listener_is_no_way_in_and_visitors_see_nothing_of_it() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    for (path, status) in [("/", 404), ("/reports", 404), ("/_2fa/profile", 404), ("/login", 404)] {
        assert_eq!(gateway.asked(path).await.status, status, "{path}");
    }
    let mut stranger = installation.visitor(&gateway, "bob");
    for path in ["/livez", "/readyz", "/metrics", "/_2fa/metrics", "/debug"] {
        let page = stranger.opens(path).await;
        page.says_nothing_of("vestibule_");
        page.says_nothing_of("alive");
    }
    let request = Request::new("POST", "/readyz").with("Host", "localhost");
    assert_eq!(request.send(gateway.operations()).await.status, 405);
}

#[tokio::test]
async fn it_is_not_ready_while_the_store_is_gone() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let connection = rusqlite::Connection::open(installation.file("vestibule.db")).expect("the store is there");
    connection.execute_batch("ALTER TABLE readiness RENAME TO lost").expect("the table is there");
    assert_eq!(gateway.asked("/readyz").await.status, 503);
    assert_eq!(gateway.asked("/livez").await.status, 200);
    connection.execute_batch("ALTER TABLE lost RENAME TO readiness").expect("the table is there");
    assert_eq!(gateway.asked("/readyz").await.status, 200);
}
