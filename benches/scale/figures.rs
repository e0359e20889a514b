//! Times, and what is told of them.

use std::time::Duration;

use tokio::time::Instant;

use crate::Outcome;

/// How often something is done to know its 99th percentile.
pub(crate) const TIMES: i64 = 300;

/// How long something may take all in all, however often it was done by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long each of many took.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a hundred did not take longer than, in milliseconds.
    pub(crate) fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    pub(crate) fn tell(mut self, what: &str, remark: &str) {
        let (count, half, most) = (self.len(), self.percentile(50), self.percentile(99));
        println!("{what:44} p50 {half:8.2} ms   p99 {most:8.2} ms   of {count:6}   {remark}");
    }
}

/// Does something time and again, one after the other, and tells how long it took.
pub(crate) async fn time(what: &str, mut work: impl AsyncFnMut(i64) -> Outcome<String>) -> Outcome<()> {
    let mut remark = work(0).await?;
    let mut times = Times::default();
    let end = Instant::now() + PATIENCE;
    for turn in 1..=TIMES {
        let begun = Instant::now();
        remark = work(turn).await?;
        times.add(begun.elapsed());
        if Instant::now() > end {
            break;
        }
    }
    times.tell(what, &remark);
    Ok(())
}
