//! The way to the dashboard by a server in front, which sends a request on itself once it has leave.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};

use super::{ProxyError, headers, introduction, websocket};
use crate::config::{Credential, Site};
use crate::identity::client::Client;
use crate::message::Fields;
use crate::second_factor::policy::Passage;

/// Hands a passage over to a server in front: the fields that it has to put in place of the request's own. `sent` are
/// those of the request, as far as the dashboard may see them.
///
/// All of them are there each time, empty rather than absent: `X-Vestibule-*`, `Cookie` without the gateway's own, what
/// the dashboard may not see, and, at sites that show some pages to nobody alone, every other credential, since it may
/// have been taken out.
pub fn hand_over(passage: Passage, sent: &Fields, client: &Client, site: &Site) -> Result<Fields, ProxyError> {
    websocket::refuse_foreign(sent, client)?;
    let mut fields = Fields::new();
    for name in headers::kept_back(site, client) {
        fields.insert(name, HeaderValue::from_static(""));
    }
    introduction::set_traveler(&mut fields, passage.traveler())?;
    drop(passage);
    let mut copy = |name: &HeaderName| {
        fields.insert(name, sent.get(name).unwrap_or_default());
    };
    copy(&COOKIE);
    if !site.public_until_login.is_empty() {
        copy(&AUTHORIZATION);
        site.credentials.iter().for_each(|credential| match credential {
            Credential::Header(name) => copy(name),
            Credential::Cookie | Credential::Query(_) => {}
        });
    }
    Ok(fields)
}
