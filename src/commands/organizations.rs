//! `vestibule organizations`: whether they require a second factor.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Common, Failed, occasion, output};
use crate::config::{Config, OrganizationPolicy};
use crate::second_factor::account::{Organization, Requirement};
use crate::second_factor::policy::Authority;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Organizations {
    /// Every organization, what it requires, and how many of its accounts are enrolled
    List,
    /// Require a second factor of everybody
    Require(Which),
    /// Leave it to each user
    Optional(Which),
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The organization, as the dashboard names it
    organization: String,
    /// The realm it is in, where several have one of that name
    #[arg(long)]
    realm: Option<String>,
}

impl Organizations {
    pub(super) async fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        let (config, store) = common.open().await?;
        match self {
            Self::List => list(common, &config, store.as_ref()).await,
            Self::Require(which) => set(common, &config, store.as_ref(), &which, Requirement::Required).await,
            Self::Optional(which) => set(common, &config, store.as_ref(), &which, Requirement::Optional).await,
        }
    }
}

async fn list(common: &Common, config: &Config, store: &dyn Store) -> Result<ExitCode, Failed> {
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for organization in store.organizations().await? {
        let counts = store.counts(organization.id).await?;
        let (requirement, locked) = match locked(config, &organization.realm) {
            Some(requirement) => (requirement, true),
            None => (organization.requirement, false),
        };
        let word = requirement.as_str();
        let said = if locked { format!("{word} (fixed in the configuration)") } else { word.to_owned() };
        let (accounts, enrolled) = (counts.accounts, counts.enrolled);
        documents.push(json!({
            "realm": &organization.realm, "organization": &organization.name, "requirement": word,
            "locked": locked, "accounts": accounts, "enrolled": enrolled,
        }));
        rows.push(vec![organization.realm, organization.name, said, accounts.to_string(), enrolled.to_string()]);
    }
    if common.json {
        output::json(&documents.into());
    } else {
        output::table(&["REALM", "ORGANIZATION", "SECOND FACTOR", "ACCOUNTS", "ENROLLED"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(
    common: &Common,
    config: &Config,
    store: &dyn Store,
    which: &Which,
    requirement: Requirement,
) -> Result<ExitCode, Failed> {
    let organization = find(store, which).await?;
    if locked(config, &organization.realm).is_some() {
        let why = "its requirement is fixed in the configuration: change `[site.organization]` there";
        return Err(format!("{}: {why}", organization.name).into());
    }
    let authority = Authority::Operator(organization.id);
    let changed = store.set_requirement(authority, requirement, occasion()).await?;
    let counts = store.counts(organization.id).await?;
    let unenrolled = counts.accounts.saturating_sub(counts.enrolled);
    if common.json {
        output::json(&json!({
            "realm": organization.realm, "organization": organization.name,
            "requirement": requirement.as_str(), "changed": changed, "not_enrolled": unenrolled,
        }));
    } else {
        let word = if changed { "now" } else { "already" };
        output::line(&format!(
            "{}: the second factor is {word} {}; {unenrolled} of {} accounts are not enrolled",
            organization.name,
            requirement.as_str(),
            counts.accounts
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the configuration fixes for the organizations of a realm.
fn locked(config: &Config, realm: &str) -> Option<Requirement> {
    config.sites.iter().find(|site| site.realm == realm).and_then(|site| match site.organization {
        OrganizationPolicy::Locked(requirement) => Some(requirement),
        OrganizationPolicy::StartsWith(_) => None,
    })
}

async fn find(store: &dyn Store, which: &Which) -> Result<Organization, Failed> {
    let named =
        |o: &Organization| o.name == which.organization && which.realm.as_ref().is_none_or(|realm| *realm == o.realm);
    let mut found = store.organizations().await?.into_iter().filter(named);
    let first = found.next().ok_or_else(|| {
        format!("no organization {:?}: `vestibule organizations list` shows those that were seen", which.organization)
    })?;
    match found.next() {
        None => Ok(first),
        Some(other) => Err(format!(
            "{:?} is in the realms {:?} and {:?}: say which with --realm",
            which.organization, first.realm, other.realm
        )
        .into()),
    }
}
