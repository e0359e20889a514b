//! Administrators who reach for another organization, and forms that say more than they may.

use crate::house::House;
use crate::support::{Sight, optional};

/// What the store has of globex.
fn of_globex(house: &House) -> String {
    let organization = house.number("SELECT id FROM organizations WHERE name = 'globex'");
    let accounts =
        house.number(&format!("SELECT group_concat(id) IS NOT NULL FROM accounts WHERE organization = {organization}"));
    assert_eq!(accounts, 1, "it has accounts");
    let own = [
        format!("accounts.organization=Integer({organization})"),
        format!("organizations.id=Integer({organization})"),
        format!("audit.organization=Integer({organization})"),
    ];
    let ids: Vec<i64> = ["zed", "zoe"].iter().map(|login| house.account(login)).collect();
    let theirs = |line: &&str| {
        own.iter().any(|mark| line.contains(&format!("{mark} ")))
            || ids.iter().any(|id| line.contains(&format!(".account=Integer({id}) ")))
    };
    house.dump().lines().filter(theirs).collect::<Vec<_>>().join("\n")
}

/// TEN-01: an account of another organization is answered as one that never was, to the byte, and nothing of it changes.
#[tokio::test]
async fn an_account_of_another_organization_is_one_that_never_was() {
    let house = House::open(optional()).await;
    let mut alice = house.enrolled("alice").await;
    house.enrolled("zoe").await;
    house.enrolled("zed").await;
    let (theirs, none) = (house.account("zed").to_string(), "999999".to_owned());
    let before = of_globex(&house);
    assert!(before.lines().count() > 20, "{before}");
    for status in ["404"] {
        let mut looks = Vec::new();
        for account in [&theirs, &none] {
            let reset = alice.posts("/_2fa/settings/security/reset", &[("account", account)]).await;
            let question = alice.opens(&format!("/_2fa/settings/security?reset={account}")).await;
            assert!(
                reset.without_id_and_time().starts_with(status) && question.without_id_and_time().starts_with(status)
            );
            looks.push(
                [reset, question].map(|page| page.without_id_and_time().replace(&format!("reset={account}"), "")),
            );
        }
        assert_eq!(looks[0], looks[1]);
    }
    assert_eq!(of_globex(&house), before);
    for page in ["settings", "settings/security", "settings/security?q=z", "settings/audit", "settings/audit?page=2"] {
        let page = alice.opens(&format!("/_2fa/{page}")).await;
        for theirs in ["zoe", "zed", "globex"] {
            page.says_nothing_of(theirs);
        }
    }
}

/// TEN-05, TEN-06: fields that no form has change nothing: not the organization, not the role, not whom it is about.
#[tokio::test]
async fn fields_that_no_form_has_do_nothing() {
    let house = House::open(optional()).await;
    let mut alice = house.enrolled("alice").await;
    let mut bob = house.enrolled("bob").await;
    house.enrolled("zoe").await;
    house.enrolled("zed").await;
    let organization = house.number("SELECT id FROM organizations WHERE name = 'globex'").to_string();
    let (theirs, own) = (house.account("zed").to_string(), house.account("bob").to_string());
    let before = of_globex(&house);
    let everything = [
        ("organization", &*organization),
        ("organization_id", &organization),
        ("tenant", "globex"),
        ("org", "globex"),
        ("realm", "insights"),
        ("site", "insights"),
        ("user", "id-zed"),
        ("user_id", "id-zed"),
        ("id", &theirs),
        ("accounts", &theirs),
        ("account[]", &theirs),
        ("account.id", &theirs),
        ("Account", &theirs),
        ("admin", "true"),
        ("role", "admin"),
        ("is_admin", "1"),
        ("verified", "true"),
        ("factor", "totp"),
        ("code_at", "9999999999999"),
    ];
    let with = |fields: &[(&'static str, &str)]| -> Vec<(String, String)> {
        everything.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let posts = async |who: &mut crate::support::visitor::Visitor, target: &str, fields: Vec<(String, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        who.posts(&format!("{target}?organization={organization}&account={theirs}"), &fields).await
    };
    // Somebody who is none does not become an administrator.
    posts(&mut bob, "/_2fa/settings/requirement", with(&[("requirement", "required")]))
        .await
        .shows(Sight::LimitedAccess);
    posts(&mut bob, "/_2fa/settings/security/reset", with(&[("account", &own)])).await.shows(Sight::LimitedAccess);
    // One who is does what the one field says that counts, in the own organization.
    posts(&mut alice, "/_2fa/settings/requirement", with(&[("requirement", "required")])).await.shows(Sight::Settings);
    assert_eq!(house.number("SELECT count(*) FROM organizations WHERE requirement = 'required'"), 1);
    posts(&mut alice, "/_2fa/settings/security/reset", with(&[])).await;
    let twice = [("account", &*own), ("account", &*theirs)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    posts(&mut alice, "/_2fa/settings/security/reset", twice.into()).await;
    assert_eq!(house.number("SELECT count(*) FROM accounts WHERE secret IS NULL"), 0, "whose would it be?");
    posts(&mut alice, "/_2fa/settings/security/reset", with(&[("account", &own)])).await.shows(Sight::Security);
    assert_eq!(house.number("SELECT count(*) FROM accounts WHERE secret IS NULL"), 1);
    assert_eq!(of_globex(&house), before);
}

/// TEN-04: nothing that an administrator can open has a key, a code, a session or a digest of somebody else in it.
#[tokio::test]
async fn administrators_see_no_secret_of_others() {
    let house = House::open(optional()).await;
    let bob = house.enrolled("bob").await;
    let pending = house.challenged(&bob, 2).await;
    let mut alice = house.enrolled("alice").await;
    let account = house.account("bob");
    let mut secrets = vec![bob.authenticator().secret(), "bob-1".to_owned(), "bob-2".to_owned()];
    secrets.extend(bob.recovery_codes.clone());
    secrets.extend([bob.session(), pending.session()].into_iter().flatten());
    for (table, column) in [("recovery_codes", "digest"), ("sessions", "digest"), ("pending_sessions", "digest")] {
        let query = format!("SELECT lower(hex({column})) FROM {table} WHERE account = {account}");
        secrets.push(house.store().query_row(&query, [], |row| row.get(0)).expect("a digest"));
    }
    let pages = ["settings", "settings/security", "settings/audit", "profile", "status"].map(str::to_owned);
    for page in pages.into_iter().chain([format!("settings/security?reset={account}")]) {
        let page = alice.opens(&format!("/_2fa/{page}")).await;
        for secret in &secrets {
            page.says_nothing_of(secret);
        }
    }
}
