//! Answers that are used again: for seconds, and for exactly the same question.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use super::credentials::Key;
use super::{Identity, Unknown, Verdict};
use crate::bookmark::{self, Bookmark, Revisions};
use crate::clock::Clock;
use crate::second_factor::Timestamp;

/// How much is kept, in bytes of keys and values, roughly.
const MOST_BYTES: u64 = 64 << 20;

/// How many answers that is, of people with names of usual length: an estimate, which says how finely the room is divided.
const MOST_ANSWERS: usize = 280_000;

/// Each key has its generation with some others: forgetting one forgets those too, which only costs a question.
const GENERATIONS: usize = 4096;

/// How long nothing is kept for a key that is about to mean something else: what a login may take.
const UNSETTLED: Duration = Duration::from_mins(1);

/// For how many keys that is remembered.
const MOST_UNSETTLED: usize = 100_000;

/// How often a request takes part in a shared question that turns out to have been put too early.
const SHARED_TRIES: usize = 2;

/// The answers to questions about who has logged in.
///
/// Whoever asks while the same question is under way gets that answer, and positive answers are used again until they
/// are as old as the site allows. Nothing that was asked before [`Answers::forget`] is given to anybody after it.
#[derive(Debug)]
pub(super) struct Answers {
    /// Some of them are good no more: nobody gets those, and what is put in their place or needs the room ends them.
    kept: Cache<Key, Kept, Bytes>,
    /// What changed among them.
    revisions: Revisions,
    under_way: Mutex<HashMap<Key, Arc<Question>>>,
    /// Until when nothing is kept.
    unsettled: Cache<Key, Timestamp>,
    generations: Box<[AtomicU64]>,
    /// Raised when everything is forgotten. A part of every key's generation.
    everything: AtomicU64,
    /// How often the dashboard has answered something that may have changed for whom a login stands.
    turns: AtomicU64,
    /// How many logins the dashboard has before it as a whole, and has not answered.
    logins: AtomicUsize,
    lifetime: Duration,
    clock: Clock,
}

/// An answer that was found, and may still be good.
#[derive(Debug, Default)]
pub struct LastAnswer(Option<Bookmark<Key, Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    identity: Arc<Identity>,
    asked: Asked,
}

/// When a question was put: what was forgotten since, or is too long ago, makes its answer worthless.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    generation: u64,
}

#[derive(Debug)]
struct Question {
    asked: Asked,
    answer: watch::Receiver<Option<Verdict>>,
}

impl Answers {
    /// None yet. They are used again for less than `lifetime`; zero asks every time.
    pub(super) fn new(lifetime: Duration, clock: Clock) -> Self {
        let kept = Cache::with_weighter(MOST_ANSWERS, MOST_BYTES, Bytes);
        let generations = std::iter::repeat_with(AtomicU64::default).take(GENERATIONS).collect();
        let (unsettled, revisions) = (Cache::new(MOST_UNSETTLED), Revisions::new());
        let (under_way, everything, turns) = (Mutex::default(), AtomicU64::default(), AtomicU64::default());
        let logins = AtomicUsize::default();
        Self { kept, revisions, under_way, unsettled, generations, everything, turns, logins, lifetime, clock }
    }

    /// A positive answer that is still good; none while the dashboard may be changing its mind.
    pub(super) fn kept(&self, key: &Key) -> Option<Arc<Identity>> {
        self.kept_still(key, &mut LastAnswer::default(), self.clock.now()).map(Arc::clone)
    }

    /// The same at this moment, by the last one that was found where that one would be found again.
    pub(super) fn kept_still<'a>(
        &self,
        key: &Key,
        last: &'a mut LastAnswer,
        now: Timestamp,
    ) -> Option<&'a Arc<Identity>> {
        if self.is_changing() {
            return None;
        }
        let kept = self.revisions.find(key, &mut last.0, || self.kept.get(key))?;
        self.is_good(key, kept.asked, now).then_some(&kept.identity)
    }

    /// Drops what is kept for the key and what is being asked: the next answer comes from a question put after this.
    pub(super) fn forget(&self, key: &Key) {
        self.note_turn();
        self.generation(key).fetch_add(1, Ordering::SeqCst);
        self.kept.remove(key);
    }

    /// Forgets the key, and keeps nothing for it that is asked in the next minute.
    pub(super) fn unsettle(&self, key: &Key) {
        self.unsettled.insert(*key, self.clock.now().plus(UNSETTLED));
        self.forget(key);
    }

    /// Forgets every key.
    pub(super) fn forget_all(&self) {
        self.note_turn();
        self.everything.fetch_add(1, Ordering::SeqCst);
    }

    /// A login that the dashboard is about to have before it as a whole.
    pub(super) fn login(self: &Arc<Self>) -> Login {
        self.logins.fetch_add(1, Ordering::SeqCst);
        Login(Arc::clone(self))
    }

    fn is_changing(&self) -> bool {
        self.logins.load(Ordering::SeqCst) > 0
    }

    /// Counts an answer to something that may have changed for whom a login stands.
    pub(super) fn note_turn(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// How many there were: where there were no more since a question, nothing that came by here made its answer void.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// The answer that is kept, or else that of a question: one that is under way, or a new one that `ask` puts.
    ///
    /// A new one is a task of its own, which ends with an answer even if this request does not wait for it.
    pub(super) async fn get<A>(self: &Arc<Self>, key: &Key, ask: impl Fn() -> A) -> Verdict
    where
        A: Future<Output = Verdict> + Send + 'static,
    {
        if self.lifetime.is_zero() || self.is_changing() {
            return ask().await;
        }
        for _ in 0..SHARED_TRIES {
            if let Some(identity) = self.kept(key) {
                return Verdict::Identified(identity);
            }
            let question = self.join_or_put(key, &ask);
            let verdict = question.answered().await;
            if question.asked.generation == self.current(key) {
                return verdict;
            }
        }
        // Where every answer of the dashboard makes the kept one void, each request asks for itself.
        self.ask_anew(key, ask).await
    }

    /// The answer of a new question, which is kept in place of an older one.
    pub(super) async fn ask_anew<A>(&self, key: &Key, ask: impl FnOnce() -> A) -> Verdict
    where
        A: Future<Output = Verdict>,
    {
        let asked = self.asked_now(key);
        let verdict = ask().await;
        self.keep(key, asked, &verdict);
        verdict
    }

    fn join_or_put<A>(self: &Arc<Self>, key: &Key, ask: impl Fn() -> A) -> Arc<Question>
    where
        A: Future<Output = Verdict> + Send + 'static,
    {
        let asked = self.asked_now(key);
        let mut under_way = self.under_way();
        if let Some(question) =
            under_way.get(key).filter(|question| self.is_good(key, question.asked, self.clock.now()))
        {
            return Arc::clone(question);
        }
        let (publish, answer) = watch::channel(None);
        let question = Arc::new(Question { asked, answer });
        under_way.insert(*key, Arc::clone(&question));
        drop(under_way);
        let end = End { answers: Arc::clone(self), key: *key, question: Arc::clone(&question) };
        let answer = ask();
        tokio::spawn(async move {
            let verdict = answer.await;
            end.answers.keep(&end.key, asked, &verdict);
            drop(end);
            publish.send_replace(Some(verdict));
        });
        question
    }

    fn keep(&self, key: &Key, asked: Asked, verdict: &Verdict) {
        match verdict {
            Verdict::Identified(identity) if !self.lifetime.is_zero() && self.is_settled(key, asked) => {
                self.kept.insert(*key, Kept { identity: Arc::clone(identity), asked });
            }
            Verdict::Identified(_) | Verdict::Anonymous | Verdict::NotCarried | Verdict::Unknown(_) => {
                self.kept.remove(key);
            }
        }
        self.revisions.note(key);
    }

    fn is_settled(&self, key: &Key, asked: Asked) -> bool {
        self.unsettled.get(key).is_none_or(|until| until <= asked.at)
    }

    fn is_good(&self, key: &Key, asked: Asked, now: Timestamp) -> bool {
        asked.generation == self.current(key) && asked.at <= now && now < asked.at.plus(self.lifetime)
    }

    /// To be read before a question is put, never after.
    fn asked_now(&self, key: &Key) -> Asked {
        Asked { generation: self.current(key), at: self.clock.now() }
    }

    /// Both parts only ever grow, so their sum is the same only if both are.
    fn current(&self, key: &Key) -> u64 {
        self.generation(key).load(Ordering::SeqCst).wrapping_add(self.everything.load(Ordering::SeqCst))
    }

    fn generation(&self, key: &Key) -> &AtomicU64 {
        &self.generations[usize::from(bookmark::Key::number(key)) % GENERATIONS]
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Arc<Question>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl bookmark::Key for Key {
    fn number(&self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// A login that the dashboard has not answered. Until it is dropped, no answer is used again: the dashboard may take the
/// same credentials for somebody else already.
#[derive(Debug)]
pub struct Login(Arc<Answers>);

impl Drop for Login {
    fn drop(&mut self) {
        self.0.logins.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Weighs answers by the room that they take.
#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, _key: &Key, kept: &Kept) -> u64 {
        let Identity { user, email, name, organization, admin: _ } = &*kept.identity;
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let text = user.len() + organization.len() + optional(email) + optional(name);
        (size_of::<Key>() + size_of::<Kept>() + size_of::<Identity>() + text) as u64
    }
}

impl Question {
    async fn answered(&self) -> Verdict {
        let mut answer = self.answer.clone();
        let answered = answer.wait_for(Option::is_some).await;
        // The task that asked ended without an answer.
        answered.ok().and_then(|verdict| verdict.clone()).unwrap_or(Verdict::Unknown(Unknown::Unusable))
    }
}

/// Takes a question off the list when its task ends, however it ends.
struct End {
    answers: Arc<Answers>,
    key: Key,
    question: Arc<Question>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut under_way = self.answers.under_way();
        if under_way.get(&self.key).is_some_and(|question| Arc::ptr_eq(question, &self.question)) {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicI64, AtomicUsize};
    use std::task::{Context, Poll, Waker};

    use tokio::sync::Notify;

    use super::*;

    const KEY: Key = Key(1);
    const LIFETIME: Duration = Duration::from_secs(5);

    /// A dashboard that counts how often it was asked, and answers when it is told to.
    #[derive(Clone, Default)]
    struct Dashboard {
        asked: Arc<AtomicUsize>,
        held: bool,
        go: Arc<Notify>,
    }

    impl Dashboard {
        fn held() -> Self {
            Self { held: true, ..Self::default() }
        }

        fn times(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        fn answer(&self) -> impl Future<Output = Verdict> + Send + 'static {
            let Self { asked, held, go } = self.clone();
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                if held {
                    go.notified().await;
                }
                identified(number)
            }
        }
    }

    fn identified(number: usize) -> Verdict {
        let user = format!("answer {number}");
        Verdict::Identified(Arc::new(Identity {
            user,
            email: None,
            name: None,
            organization: "acme".into(),
            admin: false,
        }))
    }

    fn said(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Identified(identity) => identity.user.clone(),
            other => format!("{other:?}"),
        }
    }

    /// Answers, and the milliseconds that their clock shows.
    fn answers(lifetime: Duration) -> (Arc<Answers>, Arc<AtomicI64>) {
        let (clock, millis) = Clock::by_hand(Timestamp::from_secs(1_800_000_000));
        (Arc::new(Answers::new(lifetime, clock)), millis)
    }

    /// Goes on with a request until it has to wait.
    fn start<F: Future>(request: Pin<&mut F>) {
        let polled = request.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending), "it did not have to wait");
    }

    /// What a request gets; panics as soon as nothing is left that it could wait for.
    async fn in_time(request: impl Future<Output = Verdict>) -> String {
        said(&tokio::time::timeout(Duration::from_hours(1), request).await.expect("it waits for ever"))
    }

    #[tokio::test]
    async fn what_is_about_to_change_is_asked_each_time_for_a_minute() {
        let (answers, millis) = answers(LIFETIME);
        let dashboard = Dashboard::default();
        let get = async |key| said(&answers.get(&key, || dashboard.answer()).await);
        assert_eq!(get(KEY).await, "answer 1");
        answers.unsettle(&KEY);
        assert_eq!((get(KEY).await.as_str(), get(KEY).await.as_str()), ("answer 2", "answer 3"));
        let other = Key(2);
        assert_eq!((get(other).await.as_str(), get(other).await.as_str()), ("answer 4", "answer 4"));
        millis.fetch_add(59_999, Ordering::SeqCst);
        assert_eq!((get(KEY).await.as_str(), get(KEY).await.as_str()), ("answer 5", "answer 6"));
        millis.fetch_add(1, Ordering::SeqCst);
        assert_eq!((get(KEY).await.as_str(), get(KEY).await.as_str()), ("answer 7", "answer 7"));
    }

    #[tokio::test]
    async fn a_positive_answer_is_used_again_until_it_is_too_old() {
        let (answers, millis) = answers(LIFETIME);
        let dashboard = Dashboard::default();
        let get = async || said(&answers.get(&KEY, || dashboard.answer()).await);
        assert_eq!(get().await, "answer 1");
        millis.fetch_add(4_999, Ordering::SeqCst);
        assert_eq!(get().await, "answer 1");
        millis.fetch_add(1, Ordering::SeqCst);
        assert_eq!(answers.kept(&KEY), None);
        assert_eq!(get().await, "answer 2");
        millis.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(get().await, "answer 3", "an answer from the future is too old as well");
        let other = answers.get(&Key(2), || dashboard.answer()).await;
        assert_eq!(said(&other), "answer 4", "an answer is for its own key alone");
    }

    #[tokio::test]
    async fn only_positive_answers_are_kept() {
        for verdict in [Verdict::Anonymous, Verdict::Unknown(Unknown::Unusable), Verdict::Unknown(Unknown::TimedOut)] {
            let (answers, _) = answers(LIFETIME);
            let first = answers.get(&KEY, || std::future::ready(verdict.clone())).await;
            assert_eq!(said(&first), said(&verdict));
            assert_eq!(said(&answers.get(&KEY, || std::future::ready(identified(2))).await), "answer 2");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_lifetime_every_request_asks() {
        let (answers, _) = answers(Duration::ZERO);
        let dashboard = Dashboard::held();
        let mut one = pin!(answers.get(&KEY, || dashboard.answer()));
        let mut two = pin!(answers.get(&KEY, || dashboard.answer()));
        start(one.as_mut());
        start(two.as_mut());
        dashboard.go.notify_waiters();
        assert_eq!(in_time(one).await, "answer 1");
        assert_eq!(in_time(two).await, "answer 2");
        assert_eq!(answers.kept(&KEY), None);
        assert_eq!(said(&answers.ask_anew(&KEY, || std::future::ready(identified(3))).await), "answer 3");
        assert_eq!(answers.kept(&KEY), None);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_at_the_same_time_share_one_question() {
        let (answers, _) = answers(LIFETIME);
        let dashboard = Dashboard::held();
        let mut one = pin!(answers.get(&KEY, || dashboard.answer()));
        let mut two = pin!(answers.get(&KEY, || dashboard.answer()));
        start(one.as_mut());
        start(two.as_mut());
        dashboard.go.notify_one();
        assert_eq!((in_time(one).await, in_time(two).await), ("answer 1".into(), "answer 1".into()));
        assert_eq!(dashboard.times(), 1);
        assert!(answers.under_way().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_question_is_answered_even_if_the_request_that_put_it_is_gone() {
        let (answers, _) = answers(LIFETIME);
        let dashboard = Dashboard::held();
        let mut first = Box::pin(answers.get(&KEY, || dashboard.answer()));
        let mut second = pin!(answers.get(&KEY, || dashboard.answer()));
        start(first.as_mut());
        start(second.as_mut());
        drop(first);
        dashboard.go.notify_one();
        assert_eq!(in_time(second).await, "answer 1");
        assert_eq!(dashboard.times(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_an_answer_that_was_asked_for_before_it_was_forgotten() {
        let (answers, _) = answers(LIFETIME);
        let dashboard = Dashboard::held();
        let mut before = pin!(answers.get(&KEY, || dashboard.answer()));
        start(before.as_mut());
        answers.forget(&KEY);
        let mut after = pin!(answers.get(&KEY, || dashboard.answer()));
        start(after.as_mut());
        assert_eq!(dashboard.times(), 2, "the question that is under way is not shared any more");
        // The tasks have to wait before they can be told to go on.
        tokio::task::yield_now().await;
        dashboard.go.notify_waiters();
        assert_eq!(in_time(after).await, "answer 2");
        assert_eq!(in_time(before).await, "answer 2");
        assert_eq!(answers.kept(&KEY).expect("the second answer is kept").user, "answer 2");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_is_forgotten_at_once_even_if_an_old_answer_comes_in_later() {
        let (answers, _) = answers(LIFETIME);
        let dashboard = Dashboard::held();
        assert_eq!(said(&answers.get(&KEY, || std::future::ready(identified(0))).await), "answer 0");
        answers.forget(&KEY);
        assert_eq!(answers.kept(&KEY), None);
        let mut late = pin!(answers.ask_anew(&KEY, || dashboard.answer()));
        start(late.as_mut());
        answers.forget(&KEY);
        dashboard.go.notify_waiters();
        assert_eq!(in_time(late).await, "answer 1");
        assert_eq!(answers.kept(&KEY), None);
    }

    #[tokio::test]
    async fn whoever_is_forgotten_takes_few_others_along() {
        let (answers, _) = answers(LIFETIME);
        let keys = [0, 1, 2, 255].map(Key);
        for key in &keys {
            answers.ask_anew(key, || std::future::ready(identified(0))).await;
        }
        answers.forget(&keys[0]);
        assert!(answers.kept(&keys[0]).is_none());
        assert!(keys[1..].iter().all(|key| answers.kept(key).is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_was_kept_or_is_being_asked_can_be_forgotten_at_once() {
        let (answers, _) = answers(LIFETIME);
        let keys = [KEY, Key(2)];
        for key in &keys {
            answers.ask_anew(key, || std::future::ready(identified(0))).await;
        }
        let dashboard = Dashboard::held();
        let mut late = pin!(answers.ask_anew(&KEY, || dashboard.answer()));
        start(late.as_mut());
        answers.forget_all();
        dashboard.go.notify_waiters();
        assert_eq!(in_time(late).await, "answer 1");
        assert_eq!(keys.map(|key| answers.kept(&key)), [None, None]);
        answers.ask_anew(&KEY, || std::future::ready(identified(2))).await;
        assert!(answers.kept(&KEY).is_some(), "answers are kept again");
    }

    #[tokio::test]
    async fn where_every_answer_is_forgotten_each_request_asks_for_itself_in_the_end() {
        let (answers, _) = answers(LIFETIME);
        let asked = AtomicUsize::new(0);
        let verdict = answers.get(&KEY, || {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            answers.forget(&KEY);
            std::future::ready(identified(number))
        });
        assert_eq!(said(&verdict.await), "answer 3");
        assert_eq!(answers.kept(&KEY), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_takes_longer_than_answers_live_is_not_shared_any_more() {
        let (answers, millis) = answers(LIFETIME);
        let dashboard = Dashboard::held();
        let mut early = pin!(answers.get(&KEY, || dashboard.answer()));
        start(early.as_mut());
        millis.fetch_add(5_000, Ordering::SeqCst);
        let mut late = pin!(answers.get(&KEY, || dashboard.answer()));
        start(late.as_mut());
        tokio::task::yield_now().await;
        dashboard.go.notify_waiters();
        assert_eq!(in_time(early).await, "answer 1");
        assert_eq!(in_time(late).await, "answer 2");
        assert!(answers.under_way().is_empty());
    }

    #[tokio::test]
    async fn a_question_that_fails_badly_is_answered_as_unknown_and_put_again() {
        let (answers, _) = answers(LIFETIME);
        let asked = AtomicUsize::new(0);
        let ask = || {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                assert!(number > 1, "the first one panics, on purpose");
                identified(number)
            }
        };
        assert_eq!(said(&answers.get(&KEY, ask).await), "Unknown(Unusable)");
        assert!(answers.under_way().is_empty());
        assert_eq!(said(&answers.get(&KEY, ask).await), "answer 2");
    }

    #[tokio::test]
    async fn a_newer_answer_takes_the_place_of_the_one_that_is_kept() {
        let (answers, _) = answers(LIFETIME);
        let kept = || answers.kept(&KEY).map(|identity| identity.user.clone());
        for (verdict, expected) in [
            (identified(1), Some("answer 1".to_owned())),
            (identified(2), Some("answer 2".to_owned())),
            (Verdict::Anonymous, None),
        ] {
            answers.ask_anew(&KEY, || std::future::ready(verdict)).await;
            assert_eq!(kept(), expected);
        }
    }

    /// What happens to answers that one is kept among.
    type Event = (&'static str, fn(&Arc<Answers>, &AtomicI64));

    /// After these, nothing is kept for the key.
    const VOID: [Event; 6] = [
        ("it is forgotten", |answers, _| answers.forget(&KEY)),
        ("it is about to change", |answers, _| answers.unsettle(&KEY)),
        ("all are forgotten", |answers, _| answers.forget_all()),
        ("a login is under way", |answers, _| std::mem::forget(answers.login())),
        ("it is too old", |_, millis| _ = millis.fetch_add(5_000, Ordering::SeqCst)),
        ("the clock is set back", |_, millis| _ = millis.fetch_sub(1, Ordering::SeqCst)),
    ];

    /// An answer that is kept, and was found.
    async fn found() -> (Arc<Answers>, Arc<AtomicI64>, LastAnswer) {
        let ((answers, millis), mut last) = (answers(LIFETIME), LastAnswer::default());
        answers.ask_anew(&KEY, || std::future::ready(identified(1))).await;
        assert_eq!(again(&answers, &KEY, &mut last).as_deref(), Some("answer 1"));
        (answers, millis, last)
    }

    fn again(answers: &Answers, key: &Key, last: &mut LastAnswer) -> Option<String> {
        answers.kept_still(key, last, answers.clock.now()).map(|identity| identity.user.clone())
    }

    #[tokio::test]
    async fn an_answer_is_found_again_without_a_search_until_whatever_makes_it_void() {
        let (answers, _, mut last) = found().await;
        answers.kept.remove(&KEY);
        assert_eq!(answers.kept(&KEY), None, "others need the room");
        assert_eq!(again(&answers, &KEY, &mut last).as_deref(), Some("answer 1"));
        for (what, event) in VOID {
            for is_there in [true, false] {
                let (answers, millis, mut last) = found().await;
                if !is_there {
                    answers.kept.remove(&KEY);
                }
                event(&answers, &millis);
                assert_eq!(again(&answers, &KEY, &mut last), None, "{what}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_found_again_until_there_is_a_newer_one_even_where_it_had_to_make_room() {
        for (newer, expected) in [(identified(2), Some("answer 2")), (Verdict::Anonymous, None)] {
            for is_there in [true, false] {
                let (answers, _, mut last) = found().await;
                if !is_there {
                    answers.kept.remove(&KEY);
                }
                answers.ask_anew(&KEY, || std::future::ready(newer.clone())).await;
                assert_eq!(again(&answers, &KEY, &mut last).as_deref(), expected);
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_found_again_for_its_own_key_and_among_its_own_answers_alone() {
        let (answers, _, mut last) = found().await;
        // As near as can be: what is changed under one is changed under the other.
        assert_eq!(again(&answers, &Key(KEY.0 | 1 << 127), &mut last), None);
        assert_eq!(again(&answers, &KEY, &mut last).as_deref(), Some("answer 1"));
        let others = Answers::new(LIFETIME, answers.clock.clone());
        assert_eq!(again(&others, &KEY, &mut last), None);
    }

    #[tokio::test]
    async fn what_was_found_shows_nothing() {
        let (_, _, last) = found().await;
        assert_eq!(format!("{last:?}"), "LastAnswer(Some(Bookmark))");
    }

    #[test]
    fn an_answer_weighs_what_it_is_made_of_and_each_byte_of_its_texts() {
        let fixed = size_of::<Key>() + size_of::<Kept>() + size_of::<Identity>();
        let rows = [("", "", None, None, 0), ("é", "acme", None, None, 6), ("u", "a", Some("a@b"), Some("Ann"), 8)];
        for (user, organization, email, name, texts) in rows {
            let [email, name] = [email, name].map(|text| text.map(str::to_owned));
            let (user, organization) = (user.into(), organization.into());
            let identity = Arc::new(Identity { user, email, name, organization, admin: false });
            let asked = Asked { at: Timestamp::from_millis(0), generation: 0 };
            assert_eq!(Bytes.weight(&KEY, &Kept { identity, asked }), (fixed + texts) as u64);
        }
    }
}
