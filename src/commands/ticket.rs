//! Tickets that the operator issues: for the first administrator, and for whoever was reset at the command line.

use serde_json::{Map, Value};

use super::{Failed, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy;
use crate::key_file;
use crate::second_factor::Timestamp;
use crate::second_factor::account::Account;
use crate::second_factor::digests::DigestKeys;
use crate::second_factor::event::Occasion;
use crate::second_factor::policy::Authority;
use crate::second_factor::ticket::{Guard, Ticket};
use crate::store::{NewTicket, Store};

/// What it takes to issue tickets for the accounts of a realm.
pub(super) struct TicketOffice {
    guard: Guard,
    digests: DigestKeys,
}

/// A ticket that was issued just now.
pub(super) struct Issued {
    ticket: Ticket,
    expires: Timestamp,
}

impl TicketOffice {
    /// That for an account; `None` where it needs no tickets. Needs the key file.
    pub(super) async fn of(config: &Config, store: &dyn Store, account: &Account) -> Result<Option<Self>, Failed> {
        let mut sites = config.sites.iter().filter(|site| site.realm == account.key.realm);
        match sites.next().map(|site| site.enrollment) {
            None | Some(Guard::None) => Ok(None),
            Some(guard @ Guard::Ticket { .. }) => {
                let digests = key_file::load(&config.store.key_file, store).await?.check.digests;
                Ok(Some(Self { guard, digests }))
            }
        }
    }

    /// Issues a ticket for the account as it is now; `None` if it has an authenticator.
    pub(super) async fn issue(&self, store: &dyn Store, account: &Account) -> Result<Option<Issued>, Failed> {
        let Some(lifetime) = self.guard.asked_of(account.factor) else { return Ok(None) };
        let now = Clock::system().now();
        let ticket = Ticket::new(entropy::random());
        let kept = NewTicket { digest: ticket.digest(&self.digests, &account.key), expires: now.plus(lifetime) };
        let authority = Authority::Operator(account.organization);
        let issued = store.issue_ticket(authority, account.id, kept, Occasion::of_the_operator(now)).await?;
        Ok(issued.map(|_| Issued { ticket, expires: kept.expires }))
    }
}

impl Issued {
    /// Adds it to a document for programs.
    pub(super) fn add_to(&self, document: &mut Map<String, Value>) {
        document.insert("ticket".to_owned(), self.ticket.text().into());
        document.insert("expires".to_owned(), self.expires.rfc3339().into());
    }

    /// Prints it for people.
    pub(super) fn tell(&self, name: &str) {
        output::line(&format!("ticket for {name}: {}", self.ticket.text()));
        output::line(&format!(
            "good once, until {}; hand it over in person or by phone: it is shown only now",
            self.expires.rfc3339()
        ));
    }
}
