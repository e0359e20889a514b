//! What a client is told before the answer: to go on with its body (100), and early hints (103, RFC 8297).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::header::{CONTENT_SECURITY_POLICY, LINK};
use http::{HeaderName, Version};

use crate::audience::SEC_FETCH_MODE;
use crate::message::{Fields, Request};

/// How many hints of one answer are passed on, and how much their fields may come to.
const MOST: usize = 8;
const MOST_BYTES: usize = 16 * 1024;

/// What a hint can be about. Whatever else stands in it is up to the final answer, where it is looked at.
const PASSED_ON: [HeaderName; 2] = [LINK, CONTENT_SECURITY_POLICY];

/// One of those answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// 100.
    GoOn,
    /// 103, with these fields.
    Hint(Fields),
}

/// What is said before the final answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Interim(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether the final answer is there: what comes now comes too late.
    is_over: bool,
    hints: usize,
    bytes: usize,
    /// To be told.
    words: VecDeque<Word>,
    /// Whoever tells it.
    waker: Option<Waker>,
}

impl Interim {
    /// For a request, if there may be something to say: hints for a navigation, or to go on to a client that waits for that.
    /// Clients that know nothing of 103 take it for the answer; browsers say what they ask for, and ask for nothing earlier than
    /// what a page needs.
    pub(super) fn of<B>(request: &mut Request<B>, waits_to_go_on: bool) -> Option<Arc<Self>> {
        let is_navigation = request.version() >= Version::HTTP_11
            && request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
        if !is_navigation && !waits_to_go_on {
            return None;
        }
        let interim = Arc::<Self>::default();
        if is_navigation {
            request.extensions_mut().insert(EarlyHints(Arc::clone(&interim)));
        }
        Some(interim)
    }

    /// Has a client go on that waits for it.
    pub(super) fn go_on(&self) {
        self.lock().say(Word::GoOn);
    }

    /// The next that is to be told.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Word> {
        let mut state = self.lock();
        if let Some(word) = state.words.pop_front() {
            return Poll::Ready(word);
        }
        state.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        Poll::Pending
    }

    /// The final answer is there: what was not told by now comes too late.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn say(&mut self, word: Word) {
        if self.is_over {
            return;
        }
        self.words.push_back(word);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Where hints go that come for a request, which carries this along. Without it, they are dropped.
#[derive(Debug, Clone)]
pub struct EarlyHints(Arc<Interim>);

impl EarlyHints {
    /// Passes one on, as far as it says what can be passed on, and the client has not had too many yet.
    pub fn say(&self, fields: &Fields) {
        if !fields.contains_key(LINK) {
            return;
        }
        let passed_on = PASSED_ON.iter().flat_map(|name| fields.get_all(name).map(move |value| (name, value)));
        let hint: Fields = passed_on.collect();
        let length: usize = hint.iter().map(|(name, value)| name.len() + value.as_bytes().len()).sum();
        let mut state = self.0.lock();
        if state.hints < MOST && state.bytes + length <= MOST_BYTES {
            state.hints += 1;
            state.bytes += length;
            state.say(Word::Hint(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use http::HeaderValue;

    use super::*;

    fn navigation() -> Request<()> {
        http::Request::get("/").header(SEC_FETCH_MODE, "navigate").body(()).expect("a request").into()
    }

    fn hint(link: &str) -> Fields {
        Fields::from_iter([(LINK, HeaderValue::from_str(link).expect("a value"))])
    }

    /// What one request may be told, and how it is told of hints.
    fn told(request: &mut Request<()>) -> (Arc<Interim>, EarlyHints) {
        let interim = Interim::of(request, false).expect("it may be answered with hints");
        let hints = request.extensions_mut().get::<EarlyHints>().expect("and carries where they go").clone();
        (interim, hints)
    }

    /// What is to be told now.
    fn words(interim: &Interim) -> Vec<Word> {
        let mut words = Vec::new();
        while let Poll::Ready(word) = interim.poll(&Context::from_waker(Waker::noop())) {
            words.push(word);
        }
        words
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_tells_is_woken_when_there_is_something_and_nothing_comes_after_the_answer() {
        let (interim, hints) = told(&mut navigation());
        let woken = Arc::<Woken>::default();
        assert!(interim.poll(&Context::from_waker(&Arc::clone(&woken).into())).is_pending());
        hints.say(&hint("a"));
        interim.go_on();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(words(&interim), [Word::Hint(hint("a")), Word::GoOn], "in their order");
        interim.end();
        hints.say(&hint("too late"));
        interim.go_on();
        assert_eq!(words(&interim), []);
    }

    #[test]
    fn who_can_not_make_use_of_hints_gets_none() {
        let mut old = navigation();
        *old.version_mut() = Version::HTTP_10;
        let mut program = Request::new(());
        let mut picture = navigation();
        picture.headers_mut().insert(SEC_FETCH_MODE, HeaderValue::from_static("no-cors"));
        for request in [&mut old, &mut program, &mut picture] {
            assert!(Interim::of(request, false).is_none(), "and nothing is kept for them");
            assert!(Interim::of(request, true).is_some() && request.extensions_mut().get::<EarlyHints>().is_none());
        }
        let mut current = navigation();
        *current.version_mut() = Version::HTTP_2;
        told(&mut current);
    }

    #[test]
    fn hints_are_few_and_small_and_say_nothing_but_what_they_are_for() {
        let (interim, hints) = told(&mut navigation());
        let mut fields = hint("a");
        for (name, value) in [("set-cookie", "sid=1"), ("connection", "close"), ("content-length", "5"), ("link", "b")]
        {
            fields.append(name, HeaderValue::from_static(value));
        }
        hints.say(&fields);
        let mut passed_on = hint("a");
        passed_on.append(LINK, HeaderValue::from_static("b"));
        assert_eq!(words(&interim), [Word::Hint(passed_on)]);
        fields.remove(LINK);
        hints.say(&fields);
        assert_eq!(words(&interim), [], "nothing is left of it");
        hints.say(&hint(&"x".repeat(MOST_BYTES)));
        assert_eq!(words(&interim), [], "it is too large");
        for _ in 0..MOST {
            hints.say(&hint("a"));
        }
        assert_eq!(words(&interim).len(), MOST - 1);
    }

    #[test]
    fn all_hints_together_have_a_bound() {
        let (interim, hints) = told(&mut navigation());
        for _ in 0..MOST {
            hints.say(&hint(&"x".repeat(MOST_BYTES / 4)));
        }
        assert_eq!(words(&interim).len(), 3);
    }
}
