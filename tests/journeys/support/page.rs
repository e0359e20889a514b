//! A page that somebody sees, and what can be read on it.

use std::time::Duration;

use scraper::{ElementRef, Html, Selector};

use super::dashboard::MARK;
use super::http::Answer;
use super::sight::Sight;

/// A page in a browser.
#[derive(Clone)]
pub(crate) struct Page {
    /// The path and query that the browser shows.
    pub(crate) at: String,
    answer: Answer,
}

/// A form on a page.
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) hidden: Vec<(String, String)>,
    pub(crate) typed: Vec<String>,
}

impl Page {
    pub(crate) fn new(at: &str, answer: Answer) -> Self {
        Self { at: at.to_owned(), answer }
    }

    /// Fails unless this is what is to be seen, status and all.
    #[track_caller]
    pub(crate) fn shows(&self, sight: Sight) {
        let (status, words) = sight.marks();
        let text = self.answer.text();
        let as_expected = self.answer.status == status && words.iter().all(|word| text.contains(word));
        assert!(as_expected, "no {sight:?}, but {} at {}: {}", self.answer.status, self.at, self.words());
    }

    /// Fails unless the browser shows that address, to the letter.
    #[track_caller]
    pub(crate) fn is_at(&self, address: &str) {
        assert_eq!(self.at, address, "{}", self.words());
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        assert!(self.words().contains(words), "no {words:?} in: {}", self.words());
    }

    #[track_caller]
    pub(crate) fn says_nothing_of(&self, words: &str) {
        assert!(!self.answer.text().contains(words), "{words:?} in: {}", self.words());
    }

    /// Fails unless the page announces that something is done.
    #[track_caller]
    pub(crate) fn announces(&self, words: &str) {
        let found = self.texts("[role=status][data-snackbar]");
        assert!(found.iter().any(|text| text.contains(words)), "{found:?} at {}: {}", self.at, self.words());
    }

    #[track_caller]
    pub(crate) fn announces_nothing(&self) {
        assert_eq!(self.texts("[role=status][data-snackbar]"), [""; 0], "at {}", self.at);
    }

    /// Whether any of it came from the dashboard.
    pub(crate) fn is_of_the_dashboard(&self) -> bool {
        self.answer.field(MARK).is_some()
    }

    /// Whether the request was refused as one that should not have been sent.
    pub(crate) fn is_a_refusal(&self) -> bool {
        (400..500).contains(&self.answer.status)
    }

    /// How long the visitor is told to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.answer.field("retry-after").map(|seconds| Duration::from_secs(seconds.parse().expect("seconds")))
    }

    /// The key to type.
    pub(crate) fn secret(&self) -> String {
        let groups = self.texts("#secret").concat();
        assert!(groups.split(' ').all(|group| group.len() == 4), "in groups of four: {groups}");
        groups.replace(' ', "")
    }

    /// The address to tap on.
    pub(crate) fn otpauth(&self) -> String {
        self.attributes("a[href^='otpauth://']", "href").into_iter().next().expect("a link to the app")
    }

    /// Whether there is a picture to scan.
    pub(crate) fn has_a_picture(&self) -> bool {
        !self.texts("svg.qr path").is_empty()
    }

    /// The ticket to hand over.
    pub(crate) fn ticket(&self) -> String {
        self.texts("code#ticket").pop().unwrap_or_else(|| panic!("no ticket: {}", self.words()))
    }

    pub(crate) fn recovery_codes(&self) -> Vec<String> {
        self.texts("#codes code")
    }

    /// Where "continue" leads.
    pub(crate) fn way_on(&self) -> String {
        self.attributes("a.button.primary.wide", "href").into_iter().next().expect("a way on")
    }

    /// The first link to that path, whatever its query.
    pub(crate) fn link_to(&self, path: &str) -> String {
        let links = self.attributes("a[href]", "href");
        let found = links.into_iter().find(|link| link.split('?').next() == Some(path));
        found.unwrap_or_else(|| panic!("no link to {path}: {}", self.words()))
    }

    /// What the browser loads to show the page.
    pub(crate) fn loads(&self) -> Vec<String> {
        [self.attributes("link[href]", "href"), self.attributes("[src]", "src")].concat()
    }

    /// The names in a list, in its order.
    pub(crate) fn listed(&self) -> Vec<String> {
        self.texts("tbody th bdi")
    }

    /// The rows of a list: the texts of their cells.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let html = self.html();
        let cells = |row: ElementRef<'_>| row.select(&selector("th, td")).map(|cell| words(&cell)).collect();
        html.select(&selector("tbody tr")).map(cells).collect()
    }

    /// The number by which the list names somebody's account.
    pub(crate) fn account_of(&self, name: &str) -> String {
        let label = format!("button[name=reset][aria-label='Reset {name}']");
        self.attributes(&label, "value").into_iter().next().unwrap_or_else(|| panic!("no {name}: {}", self.words()))
    }

    pub(crate) fn can_reset(&self, name: &str) -> bool {
        !self.texts(&format!("button[name=reset][aria-label='Reset {name}']")).is_empty()
    }

    /// The numbers of one's own sessions in other browsers.
    pub(crate) fn other_sessions(&self) -> Vec<String> {
        self.sessions(false)
    }

    /// The number of the session of this very browser.
    pub(crate) fn own_session(&self) -> String {
        self.sessions(true).pop().expect("a session of this browser")
    }

    fn sessions(&self, own: bool) -> Vec<String> {
        let (html, items, inputs) = (self.html(), selector("li.item"), selector("input[name=session]"));
        let chosen = html.select(&items).filter(|item| words(item).contains("This one") == own);
        let numbers = chosen.flat_map(|item| item.select(&inputs));
        numbers.filter_map(|input| input.value().attr("value").map(str::to_owned)).collect()
    }

    /// Whether the page offers a form that is sent to that address.
    pub(crate) fn offers(&self, action: &str) -> bool {
        self.forms().iter().any(|form| form.action == action)
    }

    /// The form that is sent to that address.
    #[track_caller]
    pub(crate) fn form(&self, action: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("no form for {action} at {}: {}", self.at, self.words()))
    }

    /// The form that asks for a code, where there is one alone.
    #[track_caller]
    pub(crate) fn code_form(&self) -> Form {
        let mut forms = self.forms().into_iter().filter(|form| form.typed.iter().any(|field| field == "code"));
        let form = forms.next().unwrap_or_else(|| panic!("no code is asked for at {}: {}", self.at, self.words()));
        assert!(forms.next().is_none(), "several forms ask for a code");
        form
    }

    fn forms(&self) -> Vec<Form> {
        let html = self.html();
        let names = |form: ElementRef<'_>, inputs: &str| -> Vec<(String, String)> {
            let attribute = |input: ElementRef<'_>, name| input.value().attr(name).unwrap_or_default().to_owned();
            form.select(&selector(inputs)).map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
        };
        html.select(&selector("form[method=post]"))
            .map(|form| Form {
                action: form.value().attr("action").unwrap_or_default().to_owned(),
                hidden: names(form, "input[type=hidden]"),
                typed: names(form, "input:not([type=hidden])").into_iter().map(|(name, _)| name).collect(),
            })
            .collect()
    }

    /// Everything but what differs from one request to the next in any case: the request's id and the time.
    pub(crate) fn without_id_and_time(&self) -> String {
        let mut fields: Vec<_> = self.answer.fields.iter().filter(|(name, _)| name != "date").collect();
        fields.sort();
        let text = masked(&self.answer.text());
        format!("{} {fields:?} {text}", self.answer.status)
    }

    /// All there is to read, in one line.
    pub(crate) fn words(&self) -> String {
        match self.answer.field("content-type") {
            Some(kind) if kind.starts_with("text/html") => self.texts("body").concat(),
            _ => self.answer.text(),
        }
    }

    fn texts(&self, what: &str) -> Vec<String> {
        self.html().select(&selector(what)).map(|element| words(&element)).collect()
    }

    fn attributes(&self, what: &str, name: &str) -> Vec<String> {
        let (html, what) = (self.html(), selector(what));
        let found = html.select(&what);
        found.filter_map(|element| element.value().attr(name).map(str::to_owned)).collect()
    }

    fn html(&self) -> Html {
        Html::parse_document(&self.answer.text())
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|_| panic!("{text} is no selector"))
}

fn words(element: &ElementRef<'_>) -> String {
    let words = element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    // Elements begin and end between words, but also before a mark.
    [" ,", " .", " ?", " ”"].iter().fold(words, |text, mark| text.replace(mark, mark.trim()))
}

/// The text with `#` for every digit of a request's id (16 hexadecimal digits) and of a time of day.
fn masked(text: &str) -> String {
    let mut masked: Vec<char> = text.chars().collect();
    let is_id = |part: &[char]| part.iter().all(|c| c.is_ascii_digit() || ('a'..='f').contains(c));
    let is_time =
        |part: &[char]| part.iter().enumerate().all(|(at, c)| if at % 3 == 2 { *c == ':' } else { c.is_ascii_digit() });
    let mut at = 0;
    while at < masked.len() {
        let length = match () {
            () if masked.len() >= at + 16 && is_id(&masked[at..at + 16]) => 16,
            () if masked.len() >= at + 8 && is_time(&masked[at..at + 8]) => 8,
            () => 0,
        };
        masked[at..at + length].fill('#');
        at += length.max(1);
    }
    masked.into_iter().collect()
}
