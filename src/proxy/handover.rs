//! The way to the dashboard by a server in front, which sends a request on itself once it has leave.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE};
use http::{HeaderName, HeaderValue};

use super::{ProxyError, headers, introduction, websocket};
use crate::config::{Credential, Site};
use crate::identity::client::Client;
use crate::message::{Fields, Value};
use crate::second_factor::policy::{Passage, Traveler};

/// Hands a passage over to a server in front: the fields of its leave, most of which it has to put in place of the request's
/// own. `sent` are those of the request, as far as the dashboard may see them. Nothing is done again that was done for the
/// last request.
///
/// All of them are there each time, empty rather than absent: `X-Vestibule-*`, `Cookie` without the gateway's own, what
/// the dashboard may not see, and, at sites that show some pages to nobody alone, every other credential, since it may
/// have been taken out.
pub fn hand_over(
    passage: Passage,
    sent: &Fields,
    client: &Client,
    site: &Arc<Site>,
    last: &mut LastLeave,
) -> Result<Fields, ProxyError> {
    websocket::refuse_foreign(sent, client)?;
    let fields = last.leave(sent, client, site, passage.traveler());
    // A passage is good for one request.
    drop(passage);
    fields
}

fn leave(sent: &Fields, client: &Client, site: &Site, traveler: Option<&Traveler>) -> Result<Fields, ProxyError> {
    let mut fields = Fields::new();
    for name in headers::kept_back(site, client) {
        fields.insert(name, HeaderValue::from_static(""));
    }
    introduction::set_traveler(&mut fields, traveler)?;
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
    // The last one: leave is for this request alone, also where the dashboard may not see a field of this name.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(fields)
}

/// The cookies of a request, where nothing else of it is in the leave.
fn cookies_alone<'a>(sent: &'a Fields, site: &Site) -> Option<Value<'a>> {
    site.public_until_login.is_empty().then(|| sent.get(&COOKIE).unwrap_or_default())
}

/// Up to this length cookies are remembered for the next leave.
const REMEMBERED: usize = 4096;

/// The last leave, for requests that get the same.
#[derive(Debug, Default)]
pub struct LastLeave(Option<Box<Given>>);

struct Given {
    site: Arc<Site>,
    /// What of the client decides which fields are kept back.
    outer_login: bool,
    traveler: Option<Traveler>,
    cookies: Box<[u8]>,
    fields: Fields,
}

/// There are secrets in it.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given")
    }
}

impl LastLeave {
    /// The fields of the leave for such a request.
    fn leave(
        &mut self,
        sent: &Fields,
        client: &Client,
        site: &Arc<Site>,
        traveler: Option<&Traveler>,
    ) -> Result<Fields, ProxyError> {
        let cookies = cookies_alone(sent, site).filter(|cookies| cookies.as_bytes().len() <= REMEMBERED);
        if let (Some(last), Some(cookies)) = (&self.0, cookies)
            && Arc::ptr_eq(&last.site, site)
            && last.outer_login == client.outer_login
            && last.traveler.as_ref() == traveler
            && *last.cookies == *cookies.as_bytes()
        {
            return Ok(last.fields.clone());
        }
        let mut fields = leave(sent, client, site, traveler)?;
        if let Some(cookies) = cookies {
            fields.share();
            let (site, traveler, fields) = (Arc::clone(site), traveler.cloned(), fields.clone());
            let (outer_login, cookies) = (client.outer_login, cookies.as_bytes().into());
            self.0 = Some(Box::new(Given { site, outer_login, traveler, cookies, fields }));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Identity, OuterLogin, PathPattern, Source};
    use crate::identity::client::{Peer, Scheme};
    use crate::proxy::introduction::tests::traveler;
    use crate::second_factor::session::VerifiedBy;
    use crate::site::sample;

    fn client(outer_login: bool) -> Client {
        Client { address: None, scheme: Scheme::Https, peer: Peer::Unix, trusted: true, outer_login }
    }

    #[test]
    fn whoever_had_leave_last_everybody_gets_their_own() {
        let login = Source::Header(OuterLogin { fields: vec![HeaderName::from_static("remote-user")], secret: None });
        let strip = vec![HeaderName::from_static("x-debug")];
        let sites = [
            sample::site(),
            Site { strip, ..sample::site() },
            Site { identity: Identity { source: login, ..sample::identity() }, ..sample::site() },
            Site { public_until_login: vec![PathPattern::Path("/".into())], ..sample::site() },
        ]
        .map(Arc::new);
        let travelers = [
            None,
            Some(traveler("42", None)),
            Some(traveler("42", Some(VerifiedBy::Totp))),
            Some(traveler("43", Some(VerifiedBy::Totp))),
        ];
        let sent = [("", ""), ("a=1", ""), ("a=2", ""), ("a=1", "Bearer x")].map(|(cookies, authorization)| {
            let lines = [(COOKIE, cookies), (AUTHORIZATION, authorization)];
            let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
            lines.map(|(name, value)| (name, HeaderValue::from_static(value))).collect::<Fields>()
        });
        let mut requests = Vec::new();
        for site in &sites {
            for traveler in &travelers {
                for sent in &sent {
                    requests.extend([false, true].map(|outer_login| (sent, client(outer_login), site, traveler)));
                }
            }
        }
        let leave =
            |(sent, client, site, traveler): &(&Fields, Client, &Arc<Site>, &Option<Traveler>),
             last: &mut LastLeave| last.leave(sent, client, site, traveler.as_ref()).expect("leave");
        let mut last = LastLeave::default();
        for before in &requests {
            for request in &requests {
                for request in [before, request, request] {
                    assert_eq!(leave(request, &mut last), leave(request, &mut LastLeave::default()));
                }
            }
        }
        assert!(!format!("{last:?}").contains("a="));
    }

    #[test]
    fn nobody_may_keep_a_leave_whatever_the_dashboard_may_not_see() {
        let site = Arc::new(Site { strip: vec![CACHE_CONTROL, COOKIE], ..sample::site() });
        let leave = LastLeave::default().leave(&Fields::new(), &client(false), &site, None).expect("leave");
        assert_eq!(leave.get_all(CACHE_CONTROL).collect::<Vec<_>>(), ["no-store"]);
    }

    #[test]
    fn the_same_leave_is_not_made_again_where_few_cookies_are_all_that_it_takes_of_a_request() {
        let open = Site { public_until_login: vec![PathPattern::Path("/".into())], ..sample::site() };
        let rows = [
            (sample::site(), 10, true),
            (open, 10, false),
            (sample::site(), 4096, true),
            (sample::site(), 4097, false),
        ];
        for (site, length, expected) in rows {
            let (site, mut last) = (Arc::new(site), LastLeave::default());
            let cookies = HeaderValue::try_from("a".repeat(length)).expect("a value");
            let sent: Fields = [(COOKIE, cookies)].into_iter().collect();
            let mut leave = || last.leave(&sent, &client(false), &site, None).expect("leave");
            let first = leave();
            assert_eq!(leave().is_copy_of(&first), expected);
        }
    }
}
