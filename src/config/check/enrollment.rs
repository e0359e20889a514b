//! What the first authenticator of an account takes beside the first factor, and that sites with the same accounts agree.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use super::duration;
use super::finding::{Check, Checked};
use crate::config::file::{self, Section};
use crate::config::problem::Wrong;
use crate::config::{Guard, Site, default};

const LONGEST_TICKET: Duration = Duration::from_hours(30 * 24);

impl Check<'_> {
    pub(super) fn enrollment(&mut self, written: &file::Enrollment) -> Checked<Guard> {
        let guarded = self.optional("site.enrollment.guard", written.guard.as_ref(), |text| match text {
            "none" => Ok(false),
            "ticket" => Ok(true),
            _ => Err(Wrong::new(format!("{text:?} is no guard"), "\"none\", or \"ticket\"")),
        });
        let key = "site.enrollment.ticket_lifetime";
        let lifetime = self.optional(key, written.ticket_lifetime.as_ref(), duration::positive(LONGEST_TICKET));
        let lifetime = lifetime?.unwrap_or(default::TICKET_LIFETIME);
        Ok(if guarded?.unwrap_or(false) { Guard::Ticket { lifetime } } else { Guard::None })
    }

    /// An account of several sites is no better guarded than at the one that guards it least.
    pub(super) fn accounts_are_guarded_alike(&mut self, sites: &[Section<file::Site>], meant: &[Checked<Site>]) {
        let mut seen = BTreeMap::new();
        for (written, site) in sites.iter().zip(meant) {
            let Ok(site) = site else { continue };
            let (first, guard) = *seen.entry(site.realm.as_str()).or_insert((site.name.as_str(), site.enrollment));
            if guard == site.enrollment {
                continue;
            }
            let enrollment = &written.get_ref().enrollment;
            let at = enrollment.guard.as_ref().map(file::Text::span);
            let at = at.or_else(|| enrollment.ticket_lifetime.as_ref().map(Spanned::span));
            let what =
                format!("the site {first:?} has the same accounts (realm {:?}), and guards them otherwise", site.realm);
            let right = match guard {
                Guard::None => "guard = \"none\", as there; or \"ticket\" there too".to_owned(),
                Guard::Ticket { lifetime } => {
                    format!("guard = \"ticket\" and ticket_lifetime = {:?}, as there", duration::written(lifetime))
                }
            };
            self.report(at.unwrap_or_else(|| written.span()), "site.enrollment.guard", Wrong::new(what, right));
        }
    }
}
