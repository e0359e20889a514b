//! Whose turn it is: under load, what was begun is finished before more is.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::task::yield_now;

/// How many requests may wait for their answers before others have to wait for a turn.
const AT_ONCE: usize = 32;

/// How many turns there are between two looks at the sockets.
const BETWEEN_LOOKS: usize = 2;

/// The turns of a worker's connections.
///
/// A worker hears of its sockets in the order in which they become ready. Where hundreds of clients want something, the
/// dashboard's answer to one would wait behind all others, and what its request has in memory would be out of the
/// processor's cache by then. So while some requests wait for their answers, only few others begin between two looks at
/// the sockets, in their order. Since answers need no turn, they are attended to as soon as they are there. A worker that
/// has nothing to do, however long the dashboard takes, has nobody wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// How many requests wait for their answers.
    begun: AtomicUsize,
    line: Mutex<Line>,
    /// Somebody waits in line.
    wanted: Notify,
}

/// Connections that wait for a turn, each with a number.
#[derive(Debug, Default)]
struct Line {
    /// How many turns are left until the next look. Nobody waits where there are some.
    left: usize,
    /// The number of the first of them. All smaller ones have had their turn.
    first: usize,
    waiting: VecDeque<Waker>,
}

/// A request that waits for its answer.
pub(super) struct Turn<'a>(&'a Turns);

/// A connection that may have to stand in line.
pub(super) struct Place<'a> {
    turns: &'a Turns,
    number: Option<usize>,
}

impl Turns {
    /// Where a connection waits.
    pub(super) const fn place(&self) -> Place<'_> {
        Place { turns: self, number: None }
    }

    /// A request that begins.
    pub(super) fn begin(&self) -> Turn<'_> {
        self.begun.fetch_add(1, Relaxed);
        Turn(self)
    }

    /// Lets as many begin as may between two looks. To be called by a worker that has nothing to do.
    pub(super) fn look(&self) {
        let mut line = self.line();
        line.left = BETWEEN_LOOKS.max(AT_ONCE.saturating_sub(self.begun.load(Relaxed)));
        while line.left > 0
            && let Some(next) = line.waiting.pop_front()
        {
            line.left -= 1;
            line.first += 1;
            next.wake();
        }
    }

    /// Lets those begin who wait, some after each look at the sockets. To be run beside the connections.
    pub(super) async fn pass(&self) {
        loop {
            self.wanted.notified().await;
            while !self.line().waiting.is_empty() {
                // Goes on after the next look.
                yield_now().await;
                self.look();
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Ready once a request may begin. Nobody overtakes who waits.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let turns = self.turns;
        let mut line = turns.line();
        match self.number {
            None if line.waiting.is_empty() && turns.begun.load(Relaxed) < AT_ONCE => Poll::Ready(()),
            None if line.left > 0 => {
                line.left -= 1;
                Poll::Ready(())
            }
            None => {
                self.number = Some(line.first + line.waiting.len());
                line.waiting.push_back(cx.waker().clone());
                turns.wanted.notify_one();
                Poll::Pending
            }
            Some(number) if number < line.first => {
                self.number = None;
                Poll::Ready(())
            }
            Some(number) => {
                let place = number - line.first;
                line.waiting[place].clone_from(cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Place<'_> {
    /// A turn that comes when nobody takes it is lost.
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut line = self.turns.line();
        if let Some(place) = number.checked_sub(line.first) {
            line.waiting[place].clone_from(Waker::noop());
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.begun.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::iter::repeat_with;
    use std::sync::Arc;

    use super::*;

    /// Begins with what number the caller has, and says so.
    async fn comes(turns: Arc<Turns>, begun: Arc<Mutex<Vec<usize>>>, number: usize) {
        let mut place = turns.place();
        poll_fn(|cx| place.poll(cx)).await;
        begun.lock().expect("nobody panics").push(number);
    }

    /// Runs whatever can go on before the next look.
    async fn until_the_next_look() {
        // What others wake is run first, and those who yield go on after a look.
        for _ in 0..4 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn where_many_wait_for_answers_few_begin_at_a_time_in_their_order() {
        let (turns, begun) = (Arc::new(Turns::default()), Arc::<Mutex<Vec<_>>>::default());
        let mut waiting: Vec<_> = repeat_with(|| turns.begin()).take(AT_ONCE - 1).collect();
        for number in 0..10 {
            // Nobody waits while there is room, whoever begins.
            comes(Arc::clone(&turns), Arc::clone(&begun), number).await;
        }
        waiting.push(turns.begin());
        let come = |numbers: std::ops::Range<usize>| {
            numbers.map(|n| tokio::spawn(comes(Arc::clone(&turns), Arc::clone(&begun), n))).collect::<Vec<_>>()
        };
        turns.look();
        let tasks = come(10..20);
        until_the_next_look().await;
        let count = || begun.lock().expect("nobody panics").len();
        assert_eq!(count(), 10 + BETWEEN_LOOKS);
        turns.look();
        until_the_next_look().await;
        assert_eq!(count(), 10 + 2 * BETWEEN_LOOKS);

        // Whoever comes when there is room again does not overtake who waits.
        drop(waiting.pop());
        let tasks = tasks.into_iter().chain(come(20..22));
        until_the_next_look().await;
        assert_eq!(count(), 10 + 2 * BETWEEN_LOOKS);
        let passing = Arc::clone(&turns);
        let passing = tokio::spawn(async move { passing.pass().await });
        for task in tasks {
            task.await.expect("it begins");
        }
        passing.abort();
        assert!(begun.lock().expect("nobody panics").iter().copied().eq(0..22));
    }

    #[tokio::test]
    async fn nobody_gets_more_turns_for_having_waited_in_vain() {
        let turns = Turns::default();
        let _waiting: Vec<_> = repeat_with(|| turns.begin()).take(AT_ONCE).collect();
        for _ in 0..10 {
            turns.look();
        }
        assert_eq!(turns.line().left, BETWEEN_LOOKS);
        let mut places: Vec<_> = repeat_with(|| turns.place()).take(BETWEEN_LOOKS + 1).collect();
        let mut poll = |index: usize| places[index].poll(&mut Context::from_waker(Waker::noop())).is_ready();
        assert!((0..BETWEEN_LOOKS).all(&mut poll) && !poll(BETWEEN_LOOKS));
        turns.look();
        assert!(poll(BETWEEN_LOOKS));
        assert_eq!(turns.line().waiting.len(), 0);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_turn_to_the_next() {
        let turns = Turns::default();
        let mut waiting: Vec<_> = repeat_with(|| turns.begin()).take(AT_ONCE).collect();
        turns.look();
        let mut places: Vec<_> = repeat_with(|| turns.place()).take(BETWEEN_LOOKS + 2).collect();
        let is_ready = |place: &mut Place<'_>| place.poll(&mut Context::from_waker(Waker::noop())).is_ready();
        assert_eq!(places.iter_mut().map(is_ready).filter(|ready| *ready).count(), BETWEEN_LOOKS);
        let mut last = places.pop().expect("one that waits");
        drop(places);
        turns.look();
        assert!(is_ready(&mut last) && turns.line().waiting.is_empty());
        // As many as there is room for.
        waiting.truncate(AT_ONCE - 10);
        turns.look();
        assert_eq!(turns.line().left, 10);
    }
}
