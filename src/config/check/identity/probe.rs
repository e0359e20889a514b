//! What the dashboard is asked, and which of its answers prove that nobody is logged in.

use std::ops::Range;
use std::time::Duration;

use super::value::selector;
use crate::config::check::finding::{Check, Checked, Form};
use crate::config::check::{duration, path};
use crate::config::problem::Wrong;
use crate::config::{AnonymousEvidence, Probe, default, file};

const LONGEST_CACHE: Duration = Duration::from_mins(1);
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);

impl Check<'_> {
    pub(super) fn probe(&mut self, table: Range<usize>, identity: &file::Identity) -> Checked<Probe> {
        let url = self
            .present("site.identity.url", table, identity.url.as_ref(), "url = \"/api/me\"")
            .and_then(|url| self.one("site.identity.url", url, path::target));
        let nothing = file::Anonymous::default();
        let anonymous = self.anonymous(identity.anonymous.as_ref().map_or(&nothing, |table| table.get_ref()));
        let cache = duration::up_to(LONGEST_CACHE);
        let cache = self.optional("site.identity.cache", identity.cache.as_ref(), cache);
        let timeout = duration::positive(LONGEST_TIMEOUT);
        let timeout = self.optional("site.identity.timeout", identity.timeout.as_ref(), timeout);
        Ok(Probe {
            url: url?,
            anonymous: anonymous?,
            cache: cache?.unwrap_or(default::IDENTITY_CACHE),
            timeout: timeout?.unwrap_or(default::IDENTITY_TIMEOUT),
        })
    }

    fn anonymous(&mut self, written: &file::Anonymous) -> Checked<AnonymousEvidence> {
        let statuses = match &written.status {
            Some(list) => {
                let key = "site.identity.anonymous.status";
                let checked: Vec<_> = list.iter().map(|one| self.at(one.span(), key, status(*one.get_ref()))).collect();
                checked.into_iter().collect()
            }
            None => Ok(default::ANONYMOUS_STATUSES.to_vec()),
        };
        let redirects = written.redirect.as_deref().unwrap_or_default();
        let redirects = self.list("site.identity.anonymous.redirect", redirects, redirect);
        let css = self.optional("site.identity.anonymous.css", written.css.as_ref(), selector);
        let without_user = written.without_user.unwrap_or(true);
        Ok(AnonymousEvidence { statuses: statuses?, redirects: redirects?, without_user, css: css? })
    }
}

fn status(number: i64) -> Form<u16> {
    let right = "a status from 300 to 499, or 204; for a page or JSON use css or without_user";
    let wrong = || Wrong::new(format!("{number} does not prove that nobody is logged in"), right);
    u16::try_from(number).ok().filter(|status| matches!(status, 204 | 300..=499)).ok_or_else(wrong)
}

/// A path that the dashboard sends those to who are not logged in.
fn redirect(text: &str) -> Form<String> {
    let target = path::target(text)?;
    if target.contains('?') {
        return Err(Wrong::new(format!("{text:?} has a query"), "the path alone: the query is not looked at"));
    }
    Ok(target)
}
