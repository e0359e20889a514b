//! Commands while the gateway runs: what they change is seen there, and written to the audit log.

use serde_json::{Value, json};

use crate::installation::Installation;
use crate::support::{Sight, optional, required, until};

#[tokio::test]
async fn a_reset_is_seen_by_the_gateway_that_runs() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);

    let accounts = installation.json(&["accounts", "list"]);
    assert_eq!(accounts.as_array().map(Vec::len), Some(1), "{accounts:#}");
    let account = &accounts[0];
    for (member, expected) in [
        ("user", "id-bob"),
        ("organization", "acme"),
        ("realm", "insights"),
        ("second_factor", "on"),
        ("name", "Bob Brown"),
        ("email", "bob@acme.example"),
    ] {
        assert_eq!(account[member], expected, "{account:#}");
    }
    assert_eq!((&account["recovery_codes_left"], &account["locked"]), (&json!(10), &json!(false)));
    let shown = installation.json(&["accounts", "show", "bob@acme.example"]);
    assert_eq!(shown["sessions"].as_array().map(Vec::len), Some(1), "{shown:#}");

    let reset = installation.json(&["accounts", "reset", "id-bob"]);
    assert_eq!(reset["reset"], true);
    until("the gateway knows of the reset", async || bob.opens("/reports").await.offers("/_2fa/enroll")).await;
    bob.page().says("An administrator reset your 2-factor authentication");
    assert_eq!(installation.json(&["accounts", "show", "id-bob"])["second_factor"], "reset");

    let log = installation.json(&["audit", "--organization", "acme"]);
    let newest = &log[0];
    assert_eq!(
        (&newest["event"], &newest["actor"], &newest["name"]),
        (&json!("reset"), &json!("operator"), &json!("Bob Brown"))
    );
    installation.run(&["accounts", "reset", "id-bob"]).is_refused(&["has no key to throw away"]);
    bob.enrolls().await;
}

#[tokio::test]
async fn a_requirement_is_seen_by_the_gateway_that_runs() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);

    let changed = installation.json(&["organizations", "require", "acme"]);
    assert_eq!((&changed["changed"], &changed["not_enrolled"]), (&json!(true), &json!(1)), "{changed:#}");
    until("the gateway knows of the requirement", async || bob.opens("/reports").await.offers("/_2fa/enroll")).await;
    assert_eq!(installation.json(&["organizations", "require", "acme"])["changed"], false);
    let list = installation.json(&["organizations", "list"]);
    assert_eq!((&list[0]["organization"], &list[0]["requirement"]), (&json!("acme"), &json!("required")), "{list:#}");

    installation.json(&["organizations", "optional", "acme"]);
    until("the gateway knows that it is optional", async || bob.opens("/reports").await.is_of_the_dashboard()).await;
    let log = installation.json(&["audit"]);
    let events: Vec<_> = log.as_array().expect("a list").iter().map(|entry| entry["event"].clone()).collect();
    assert_eq!(events, ["requirement_turned_off", "requirement_turned_on"]);
}

#[tokio::test]
async fn what_the_configuration_fixes_no_command_changes() {
    let locked = optional().with("requirement = \"optional\"", "requirement = \"optional\"\nlocked = true");
    let installation = Installation::new(&locked).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    installation.run(&["organizations", "require", "acme"]).is_refused(&["acme", "[site.organization]"]);
    assert_eq!(installation.json(&["organizations", "list"])[0]["locked"], true);
}

#[tokio::test]
async fn the_operator_issues_the_first_administrators_ticket() {
    let installation = Installation::new(&required().guarded()).await;
    let gateway = installation.serve().await;
    let mut alice = installation.visitor(&gateway, "alice");
    alice.logs_in().await;
    alice.opens("/_2fa/settings").await.shows(Sight::TicketNeeded);
    alice.page().says("Whoever operates this site can give you one");
    let issued = installation.json(&["accounts", "ticket", "alice@acme.example"]);
    let ticket = issued["ticket"].as_str().expect("a ticket").to_owned();
    assert!(issued["account"].is_number() && issued["expires"].is_string(), "{issued:#}");
    let log = &installation.json(&["audit"])[0];
    assert_eq!((&log["event"], &log["actor"]), (&json!("ticket_issued"), &json!("operator")), "{log:#}");
    // Another key seals by now, and the ticket is as good as before.
    installation.json(&["key", "rotate"]);
    installation.json(&["key", "rotate"]);
    alice.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    alice.enrolls().await;
    alice.opens("/_2fa/settings").await.shows(Sight::Settings);
    installation.run(&["accounts", "ticket", "id-alice"]).is_refused(&["having an authenticator", "accounts reset"]);
    let events = installation.json(&["audit"]);
    assert!(!events.to_string().contains(&ticket), "{events:#}");
    let people = installation.run(&["accounts", "reset", "id-alice"]).printed;
    assert!(people.contains("ticket for Alice Ames: ") && people.contains("good once, until 20"), "{people}");
    let people = installation.run(&["accounts", "ticket", "id-alice"]).printed;
    assert!(people.starts_with("ticket for Alice Ames: "), "{people}");
}

#[tokio::test]
async fn where_enrollment_takes_no_ticket_the_operator_issues_none() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    installation.run(&["accounts", "ticket", "id-bob"]).is_refused(&["needs no ticket", "[site.enrollment]"]);
    let reset = installation.json(&["accounts", "reset", "id-bob"]);
    assert_eq!(reset.as_object().map(serde_json::Map::len), Some(2), "{reset:#}");
    installation.run(&["accounts", "ticket", "id-bob"]).is_refused(&["\"insights\"", "[site.enrollment]"]);
    let log = installation.json(&["audit"]);
    assert!(!log.to_string().contains("ticket"), "{log:#}");
}

#[tokio::test]
async fn what_does_not_exist_is_refused() {
    let installation = Installation::new(&optional()).await;
    for (arguments, words) in [
        (&["accounts", "show", "nobody"][..], ["nobody", "vestibule accounts list"]),
        (&["accounts", "reset", "7"], ["7", "vestibule accounts list"]),
        (&["accounts", "ticket", "nobody"], ["nobody", "vestibule accounts list"]),
        (&["organizations", "require", "nothing"], ["nothing", "vestibule organizations list"]),
        (&["audit", "--organization", "nothing"], ["nothing", "vestibule organizations list"]),
    ] {
        installation.run(arguments).is_refused(&words);
    }
    assert_eq!(installation.json(&["accounts", "list"]), json!([]));
    assert_eq!(installation.json(&["audit"]), json!([]));
}

#[tokio::test]
async fn for_people_there_are_tables() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let listed = installation.run(&["accounts", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.printed.contains("bob@acme.example") && listed.printed.contains("on since"), "{listed:?}");
    assert!(serde_json::from_str::<Value>(&listed.printed).is_err());
    assert!(installation.run(&["audit"]).printed.contains("enrolled"));
    assert!(installation.run(&["organizations", "list"]).printed.contains("acme"));
}

#[tokio::test]
async fn an_account_in_two_organizations_is_named_by_more_than_its_user_id() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    installation.dashboard.changes("bob", |bob| "globex".clone_into(&mut bob.company));
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    installation.run(&["accounts", "reset", "id-bob"]).is_refused(&["names several accounts", "--organization"]);
    let reset = installation.json(&["accounts", "reset", "id-bob", "--organization", "globex"]);
    assert_eq!(reset["reset"], true);
    let states = installation.json(&["accounts", "list"]);
    let states: Vec<_> = states
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| (a["organization"].clone(), a["second_factor"].clone()))
        .collect();
    assert_eq!(states, [(json!("acme"), json!("on")), (json!("globex"), json!("reset"))]);
}
