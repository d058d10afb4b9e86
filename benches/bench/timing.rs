//! Medians of repeated runs.

use std::time::{Duration, Instant};

/// The median time of `count` runs after one that is not counted.
pub(crate) fn median(count: usize, mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    middle(&mut times)
}

/// The median of the differences of `count` pairs of runs, taken in turn so that a machine that
/// slows down slows both.
pub(crate) fn median_difference(
    count: usize,
    mut with: impl FnMut(),
    mut without: impl FnMut(),
) -> Duration {
    with();
    without();
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            with();
            let between = Instant::now();
            without();
            (between - start).saturating_sub(between.elapsed())
        })
        .collect();
    middle(&mut times)
}

fn middle(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
