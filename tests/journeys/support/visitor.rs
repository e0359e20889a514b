//! People at browsers, and programs: what they do, in words.

use std::net::SocketAddr;

use super::authenticator::Authenticator;
use super::dashboard::password_of;
use super::hardening::{SESSION, TLS_SESSION, is_hardened};
use super::http::{Answer, Live, Request};
use super::page::Page;
use super::program::Reply;
use super::sight::Sight;
use super::world::Place;

/// How often a browser lets itself be sent on.
const REDIRECTS: usize = 8;

/// Somebody with a browser.
pub(crate) struct Visitor {
    pub(crate) login: String,
    place: Place,
    /// What the browser calls the site.
    host: String,
    /// Whether a proxy in front ends TLS.
    tls: bool,
    /// What a script of the page sends to be recognized.
    token: Option<String>,
    /// What a login in front adds to every request.
    fields: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    page: Option<Page>,
    authenticator: Option<Authenticator>,
    /// As they were shown last.
    pub(crate) recovery_codes: Vec<String>,
}

/// What a browser says of where a form came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provenance {
    pub(crate) site: Option<&'static str>,
    pub(crate) origin: Option<&'static str>,
}

impl Visitor {
    pub(crate) fn new(login: &str, place: Place) -> Self {
        let host = place.gateway.to_string();
        let login = login.to_owned();
        let (cookies, recovery_codes) = (Vec::new(), Vec::new());
        Self {
            login,
            place,
            host,
            tls: false,
            token: None,
            fields: Vec::new(),
            cookies,
            page: None,
            authenticator: None,
            recovery_codes,
        }
    }

    /// The same person at a browser that nobody used before.
    pub(crate) fn elsewhere(&self) -> Self {
        let authenticator = self.authenticator.clone();
        Self {
            authenticator,
            recovery_codes: self.recovery_codes.clone(),
            ..Self::new(&self.login, self.place.clone())
        }
    }

    /// The same person, at the same browser, in front of another gateway.
    pub(crate) fn in_front_of(&self, gateway: SocketAddr) -> Self {
        let there = Self::new(&self.login, Place { gateway, ..self.place.clone() });
        Self { cookies: self.cookies.clone(), authenticator: self.authenticator.clone(), ..there }
    }

    /// The same browser, at the TLS server in front.
    pub(crate) fn over_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// The same browser, at another name of the gateway.
    pub(crate) fn at(self, host: &str) -> Self {
        Self { host: host.to_owned(), cookies: Vec::new(), ..self }
    }

    /// A script of the page has logged in, and keeps the token to itself.
    pub(crate) fn has_token(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Every request comes through a login in front, which adds these fields; and no others any more.
    pub(crate) fn comes_with(&mut self, fields: &[(&str, &str)]) {
        self.fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        self.authenticator.as_ref().expect("an authenticator is set up")
    }

    /// The page that is open.
    pub(crate) fn page(&self) -> &Page {
        self.page.as_ref().expect("a page is open")
    }

    // Cookies, as they can be stolen and lost.

    /// The value of the gateway's own cookie.
    pub(crate) fn session(&self) -> Option<String> {
        self.cookie(SESSION)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.iter().find(|(cookie, _)| cookie == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn has_cookie(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(cookie, _)| cookie != name);
        if !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn loses_cookie(&mut self, name: &str) {
        self.has_cookie(name, "");
    }

    /// Takes over the gateway's session of another browser.
    pub(crate) fn steals_session_of(&mut self, other: &Self) {
        self.has_cookie(SESSION, &other.session().expect("a session to steal"));
    }

    pub(crate) fn loses_session(&mut self) {
        self.loses_cookie(SESSION);
        self.loses_cookie(TLS_SESSION);
    }

    // At the dashboard.

    /// Logs in at the dashboard, and goes nowhere yet.
    pub(crate) async fn logs_in(&mut self) {
        let fields = [("user", self.login.clone()), ("password", password_of(&self.login))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.send(self.form_request("/login", &fields)).await;
        assert!(self.cookie("sid").is_some(), "the dashboard knows {}", self.login);
    }

    /// Logs in at the dashboard as somebody else, in the same browser.
    pub(crate) async fn becomes(&mut self, login: &str) {
        login.clone_into(&mut self.login);
        self.logs_in().await;
    }

    /// Logs out at the dashboard.
    pub(crate) async fn logs_out(&mut self) {
        self.send(self.form_request("/logout", &[])).await;
        assert!(self.cookie("sid").is_none(), "logged out at the dashboard");
    }

    // In the browser.

    /// Types an address, and goes where it leads.
    pub(crate) async fn opens(&mut self, address: &str) -> Page {
        let request = self.navigation(address);
        self.follow(address, request).await
    }

    /// Goes back to a page that was open before.
    pub(crate) fn shows_again(&mut self, page: Page) {
        self.page = Some(page);
    }

    /// Types an address, and sees where it would lead first; `None` if it stays there.
    pub(crate) async fn is_sent(&mut self, address: &str) -> Option<String> {
        self.is_sent_with(self.navigation(address)).await
    }

    /// The same for a request of one's own making.
    pub(crate) async fn is_sent_with(&mut self, request: Request) -> Option<String> {
        let answer = self.send(request).await;
        (answer.status == 303).then(|| answer.field("location").expect("an address").to_owned())
    }

    /// Follows the link on the open page that leads there, whatever its query.
    pub(crate) async fn follows_the_link_to(&mut self, path: &str) -> Page {
        let link = self.page().link_to(path);
        self.opens(&link).await
    }

    /// Sends the form on the open page that has this address, its hidden fields and all.
    pub(crate) async fn submits(&mut self, action: &str, typed: &[(&str, &str)]) -> Page {
        let form = self.page().form(action);
        for (name, _) in typed {
            assert!(form.typed.iter().any(|field| field == name), "the form for {action} has no field {name}");
        }
        let mut fields: Vec<_> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(typed);
        self.posts(action, &fields).await
    }

    /// Sends fields to an address as a form of this site would, whether there is such a form or not.
    pub(crate) async fn posts(&mut self, address: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.form_request(address, fields);
        self.follow(address, request).await
    }

    /// Sends a form, and sees where it leads first; `None` if it stays there.
    pub(crate) async fn is_sent_by(&mut self, address: &str, fields: &[(&str, &str)]) -> Option<String> {
        self.is_sent_with(self.form_request(address, fields)).await
    }

    /// Sends a form that came from somewhere else.
    pub(crate) async fn posts_from(&mut self, from: Provenance, address: &str, fields: &[(&str, &str)]) -> Page {
        let mut request = self.form_request(address, fields).without("Sec-Fetch-Site").without("Origin");
        if let Some(site) = from.site {
            request = request.with("Sec-Fetch-Site", site);
        }
        if let Some(origin) = from.origin {
            request = request.with("Origin", origin.replace("OWN", &self.host));
        }
        self.follow(address, request).await
    }

    // With an authenticator.

    /// Sets up the authenticator that the enrollment page asks for, and keeps the recovery codes.
    pub(crate) async fn enrolls(&mut self) -> Page {
        if self.page.as_ref().is_none_or(|page| !page.offers("/_2fa/enroll")) {
            self.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
        }
        self.scans();
        let page = self.gives_a_fresh_code().await;
        page.shows(Sight::RecoveryCodes);
        self.recovery_codes = page.recovery_codes();
        page
    }

    /// Types a ticket where one is asked for.
    pub(crate) async fn gives_ticket(&mut self, ticket: &str) -> Page {
        self.submits("/_2fa/enroll", &[("ticket", ticket)]).await
    }

    /// Takes over the key that the open page shows.
    pub(crate) fn scans(&mut self) {
        self.authenticator = Some(Authenticator::scan(self.page(), &self.place.time));
    }

    /// Types a code where one is asked for.
    pub(crate) async fn gives(&mut self, code: &str) -> Page {
        let action = self.page().code_form().action;
        self.submits(&action, &[("code", code)]).await
    }

    pub(crate) async fn gives_a_fresh_code(&mut self) -> Page {
        let code = self.authenticator().fresh_code();
        self.gives(&code).await
    }

    /// Types a recovery code.
    pub(crate) async fn recovers_with(&mut self, code: &str) -> Page {
        if self.page.as_ref().is_none_or(|page| !page.offers("/_2fa/recover")) {
            self.opens("/_2fa/recover").await;
        }
        self.submits("/_2fa/recover", &[("recovery_code", code)]).await
    }

    /// Logs in at the dashboard and gives a code.
    pub(crate) async fn signs_in(&mut self) {
        self.logs_in().await;
        self.opens("/").await.shows(Sight::Challenge);
        self.gives_a_fresh_code().await.shows(Sight::Dashboard);
    }

    /// The number by which the profile names the session of this browser.
    pub(crate) async fn session_number(&mut self) -> String {
        self.opens("/_2fa/profile").await.own_session()
    }

    // As an administrator.

    /// Asks to reset somebody's second factor, and confirms it.
    pub(crate) async fn resets(&mut self, name: &str) -> Page {
        let list = self.opens("/_2fa/settings/security").await;
        let account = list.account_of(name);
        self.opens(&format!("/_2fa/settings/security?reset={account}")).await.shows(Sight::ResetQuestion);
        self.page().says(name);
        self.submits("/_2fa/settings/security/reset", &[]).await
    }

    /// Asks for a ticket for somebody.
    pub(crate) async fn issues_a_ticket_for(&mut self, user: &str) -> Page {
        self.opens("/_2fa/settings/security").await.shows(Sight::Security);
        self.submits("/_2fa/settings/security/ticket", &[("user", user)]).await
    }

    // As a script of the page, or a program.

    /// What a script of a page gets from an address.
    pub(crate) async fn fetches(&mut self, address: &str) -> Reply {
        let request = self.request("GET", address).with("Sec-Fetch-Mode", "cors").with("Sec-Fetch-Site", "same-origin");
        let request = request.with("Accept", "application/json");
        match self.token.clone() {
            Some(token) => self.calls(request.with("Authorization", format!("Bearer {token}"))).await,
            None => self.calls(request).await,
        }
    }

    /// What a program gets for a request of its own making.
    pub(crate) async fn calls(&mut self, request: Request) -> Reply {
        Reply::new(self.send(request).await)
    }

    /// What a request of one's own making gets.
    pub(crate) async fn sends(&mut self, request: Request) -> Page {
        let answer = self.send(request).await;
        Page::new("", answer)
    }

    /// Opens what does not end: an event stream.
    pub(crate) async fn listens_to(&self, address: &str) -> Live {
        let (answer, live) =
            self.request("GET", address).with("Accept", "text/event-stream").open(self.place.gateway).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        live
    }

    /// Opens a WebSocket.
    pub(crate) async fn talks_to(&self, address: &str) -> Live {
        let (answer, live) = self.handshake(address).open(self.place.gateway).await;
        assert_eq!(answer.status, 101, "{}", answer.text());
        live
    }

    /// What a WebSocket gets that is not let in.
    pub(crate) async fn tries_to_talk_to(&mut self, address: &str) -> Reply {
        self.is_refused(self.handshake(address)).await
    }

    /// The same from a page of another origin.
    pub(crate) async fn tries_to_talk_from(&mut self, origin: &str, address: &str) -> Reply {
        self.is_refused(self.handshake(address).without("Origin").with("Origin", origin)).await
    }

    async fn is_refused(&mut self, handshake: Request) -> Reply {
        // Without `Connection: close`, which would take the place of `Connection: Upgrade`.
        let (answer, mut live) = handshake.open(self.place.gateway).await;
        is_hardened(&answer, self.tls);
        self.keeps_cookies(&answer);
        let length = answer.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = live.reads(length).await;
        Reply::new(Answer { body, ..answer })
    }

    fn handshake(&self, address: &str) -> Request {
        self.request("GET", address)
            .with("Origin", self.origin())
            .with("Sec-Fetch-Mode", "websocket")
            .with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Loads what a page needs, which the browser then keeps for ever.
    pub(crate) async fn loads(&mut self, address: &str) {
        let answer = self.send(self.request("GET", address).with("Sec-Fetch-Mode", "no-cors")).await;
        assert_eq!(answer.status, 200, "{address}");
        assert!(!answer.body.is_empty() && answer.field("content-type").is_some(), "{address}");
        assert!(answer.field("cache-control").is_some_and(|kept| kept.contains("immutable")), "{address}");
    }

    // Requests, to be changed before they are sent.

    /// A request with this browser's cookies, and nothing that says what for.
    pub(crate) fn request(&self, method: &'static str, target: &str) -> Request {
        let request = Request::new(method, target).with("Host", self.host.clone()).with("User-Agent", "Firefox/145.0");
        let request = if self.tls { request.with("X-Forwarded-Proto", "https") } else { request };
        let request = self.fields.iter().fold(request, |request, (name, value)| request.with(name, value));
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { request } else { request.with("Cookie", pairs.join("; ")) }
    }

    /// An address typed or a link followed.
    pub(crate) fn navigation(&self, target: &str) -> Request {
        self.request("GET", target)
            .with("Sec-Fetch-Mode", "navigate")
            .with("Sec-Fetch-Site", "none")
            .with("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
    }

    /// A form of a page of this site.
    pub(crate) fn form_request(&self, target: &str, fields: &[(&str, &str)]) -> Request {
        self.request("POST", target)
            .with("Sec-Fetch-Mode", "navigate")
            .with("Sec-Fetch-Site", "same-origin")
            .with("Origin", self.origin())
            .with("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
            .form(fields)
    }

    /// Sends a form whose fields are held back until `meanwhile` is over, and says with which status it is answered.
    pub(crate) async fn posts_slowly(&self, address: &str, fields: &[(&str, &str)], meanwhile: impl FnOnce()) -> u16 {
        let held_back = self.form_request(address, fields).hold_back(self.place.gateway).await;
        meanwhile();
        held_back.comes().await.status
    }

    async fn follow(&mut self, address: &str, request: Request) -> Page {
        let mut at = address.to_owned();
        let mut answer = self.send(request).await;
        for _ in 0..REDIRECTS {
            if answer.status != 303 {
                let page = Page::new(&at, answer);
                self.page = Some(page.clone());
                return page;
            }
            let to = answer.field("location").expect("an address to go to");
            assert!(to.starts_with('/') && !to.starts_with("//"), "{to} leads away from the site");
            at = to.split('#').next().unwrap_or_default().to_owned();
            answer = self.send(self.navigation(&at)).await;
        }
        panic!("{address} leads round in circles, to {at}");
    }

    async fn send(&mut self, request: Request) -> Answer {
        let answer = request.send(self.place.gateway).await;
        is_hardened(&answer, self.tls);
        self.keeps_cookies(&answer);
        answer
    }

    fn keeps_cookies(&mut self, answer: &Answer) {
        for (name, value, attributes) in answer.cookies() {
            let ends = value.is_empty() || attributes.contains("Max-Age=0");
            self.cookies.retain(|(cookie, _)| cookie != name);
            if !ends {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host)
    }
}
