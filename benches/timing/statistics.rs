//! How long two kinds of guesses take, in turn, and whether that differs by more than chance.

use std::hint::black_box;
use std::time::Instant;

use crate::Comparison;

/// Of each kind so many of a hundred are kept, the quickest: what takes longer was interrupted.
const KEPT: usize = 90;

/// From here on a difference is no chance (the test of `dudect`: Reparaz, Balasch, Verbauwhede, 2017).
const SIGNIFICANT: f64 = 4.5;

/// Less than this, in nanoseconds, is a tenth of what the clock can tell, and comes of where things lie in memory.
const TOLD: f64 = 1.0;

/// Measures both, in an order that looks random, and prints a line.
pub(crate) fn compare(comparison: &mut Comparison<'_>) {
    let mut times = [Vec::new(), Vec::new()];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..2 * comparison.samples {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let is_first = dice & 1 == 0;
        (comparison.prepare)();
        let begun = Instant::now();
        black_box((comparison.guess)(black_box(is_first)));
        let taken = begun.elapsed();
        // The first ones find nothing in the processor's caches.
        if number >= comparison.samples / 10 {
            times[usize::from(!is_first)].push(1e9 * taken.as_secs_f64());
        }
    }
    report(comparison, &times);
}

fn report(comparison: &Comparison<'_>, times: &[Vec<f64>; 2]) {
    let limit = quantile(&times.concat(), KEPT);
    let kept = times.each_ref().map(|times| times.iter().copied().filter(|time| *time <= limit).collect::<Vec<_>>());
    let [first, second] = kept.each_ref().map(|times| Moments::of(times));
    let more = first.mean - second.mean;
    let t = more / (first.variance / first.count + second.variance / second.count).sqrt();
    let verdict = if t.abs() > SIGNIFICANT && more.abs() > TOLD { "  differs" } else { "" };
    println!(
        "{:58} {:8} {:9.0} ns {:9.0} ns {:6.1} ns {:7.2}{verdict}",
        comparison.what,
        times[0].len() + times[1].len(),
        quantile(&times[0], 50),
        quantile(&times[1], 50),
        more,
        t,
    );
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(times: &[f64]) -> Self {
        let count: f64 = u32::try_from(times.len()).expect("millions at most").into();
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance }
    }
}

fn quantile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}
