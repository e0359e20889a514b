//! `vestibule check`: everything that is wrong with the configuration, and with `--online` whether dashboards and
//! issuers of tokens answer as it says, and the store's server at all.

use std::process::ExitCode;

use clap::Args;
use http::HeaderValue;
use http::header::{COOKIE, HOST};
use serde_json::json;

use super::{Common, Failed, output, wait};
use crate::clock::Clock;
use crate::config::{self, Config, Credential, Hosts, Keys, Probe, Site, Source, Token};
use crate::identity::client::{Arrival, Client, Peer, Scheme};
use crate::identity::credentials::Credentials;
use crate::identity::probe::Freshness;
use crate::identity::{Unknown, Verdict, source, token};
use crate::message::RequestHead;
use crate::opening::try_out_server;
use crate::start::certificates;
use crate::telemetry::{causes, start_logging};
use crate::upstream::Pool;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Also ask each dashboard who a visitor is that has not logged in, fetch the keys that sign tokens, and ask a PostgreSQL
    /// server whether it can be used
    #[arg(long)]
    online: bool,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, Failed> {
        let path = config::find(common.config.as_deref())?;
        let config = match config::load(&path) {
            Ok(config) => config,
            Err(problems) if common.json => {
                output::json(&json!({ "ok": false, "problems": problems.to_json() }));
                return Ok(ExitCode::FAILURE);
            }
            Err(problems) => {
                output::drawn(&problems.to_string());
                return Ok(ExitCode::FAILURE);
            }
        };
        start_logging(config.log);
        let certificates: Vec<_> =
            certificates(&config, &Clock::system()).err().iter().map(|error| causes(error)).collect();
        let online = if self.online { ask_all(&config)? } else { Vec::new() };
        let is_fine = certificates.is_empty() && online.is_empty();
        if common.json {
            output::json(&json!({ "ok": is_fine, "problems": [], "certificates": certificates, "online": online }));
        } else if is_fine {
            let online = if self.online { ", and everybody who is asked answers as it says" } else { "" };
            output::line(&format!("{}: no problem{online}", path.display()));
        } else {
            certificates.iter().chain(&online).for_each(|finding| output::complain(finding));
        }
        Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What is wrong with the store's server, and what everybody says that should not be.
fn ask_all(config: &Config) -> Result<Vec<String>, Failed> {
    let mut findings = Vec::new();
    wait(async {
        findings.extend(try_out_server(config).await.err().map(|error| causes(&error)));
        for site in &config.sites {
            findings.extend(match &site.identity.source {
                Source::Probe(probe) => {
                    let pool = Pool::new(&site.upstream)?;
                    finding(site, probe, &ask_as_nobody(site, probe, &pool).await?)
                }
                // It is not asked, it says so by itself.
                Source::Header(_) => None,
                Source::Token(token) => fetch_keys(site, token).await,
            });
        }
        Ok(ExitCode::SUCCESS)
    })?;
    Ok(findings)
}

/// Asks who somebody is whose credential no dashboard can know.
async fn ask_as_nobody(site: &std::sync::Arc<Site>, probe: &Probe, pool: &Pool) -> Result<Verdict, Failed> {
    let head = head_of_nobody(site, probe)?;
    let local = Peer::Tcp(std::net::Ipv4Addr::LOCALHOST.into());
    let arrival = Arrival { peer: local, scheme: Scheme::Https };
    let client = Client::of(arrival, &head.headers, &config::TrustedProxies::default());
    let host = head.headers.get(HOST).map(|host| host.to_str().unwrap_or_default().to_owned()).unwrap_or_default();
    let credentials = Credentials::of(site, &head, &client, &host);
    let source = source::Source::new(std::sync::Arc::clone(site), Clock::system());
    Ok(source.identify(&credentials, &head, &client, pool, Freshness::Fresh).await)
}

fn head_of_nobody(site: &Site, probe: &Probe) -> Result<RequestHead, Failed> {
    let host = match &site.hosts {
        Hosts::Named(names) => names.first().map_or("localhost", String::as_str),
        Hosts::Any => "localhost",
    };
    let nobody = HeaderValue::from_static("vestibule-check=nobody");
    let mut head = RequestHead::from(http::Request::get(&*probe.url).header(HOST, host).body(())?.into_parts().0);
    for credential in &site.credentials {
        match credential {
            Credential::Cookie => head.headers.insert(COOKIE, &nobody),
            Credential::Header(name) => head.headers.insert(name, &nobody),
            Credential::Query(_) => {}
        }
    }
    Ok(head)
}

/// Whether the keys are there that sign the tokens of a site.
async fn fetch_keys(site: &Site, token: &Token) -> Option<String> {
    let Keys::Address(address) = &token.keys else { return None };
    let error = token::try_out(address, &token.algorithms).await.err()?;
    Some(format!("site {}: no keys from {}{}: {}", site.name, address.host, address.target, causes(&error)))
}

fn finding(site: &Site, probe: &Probe, verdict: &Verdict) -> Option<String> {
    let (name, url) = (&site.name, &probe.url);
    let said = match verdict {
        Verdict::Anonymous => return None,
        Verdict::NotCarried => "can't be asked without a credential: try it with a login".to_owned(),
        Verdict::Identified(identity) => format!(
            "names the user {:?} to a visitor who has not logged in: everybody would be taken for that user",
            identity.user
        ),
        Verdict::Unknown(Unknown::Unreachable) => "can't be reached".to_owned(),
        Verdict::Unknown(Unknown::TimedOut) => "did not answer in time".to_owned(),
        Verdict::Unknown(Unknown::Unusable) => "does not say clearly that a visitor has not logged in: tell by \
            `anonymous` of [site.identity] what its answer looks like then (the log line above has the status)"
            .to_owned(),
    };
    Some(format!("site {name}: {url} of the dashboard {said}"))
}
