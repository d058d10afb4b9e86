//! Merging runs, so that a search looks into few of them.
//!
//! Eight runs of about one size become one, of large runs thirty-two: to write those again costs
//! more, also in room that the database does not give back, than to ask some filters more. Each
//! posting is written again once for each growth by so much, that is five times for a million
//! additions of one entry. The work is spread: each addition pays for a bounded part of it, so that
//! no commit waits for a large merge.

use std::sync::Arc;

use super::IndexError;
use super::block::Posting;
use super::run::{Cursor, Run, Writer};

/// How many runs of about one size are merged.
const FAN: usize = 8;
/// The class that large runs begin with: 32,768 entries.
const LARGE: u32 = 5;
/// How many large runs are merged.
const LARGE_FAN: usize = 32;
/// Postings merged for each posting that is added: one for each eightfold growth, and one more.
const WORK_EACH: u64 = 8;
/// Postings merged at least with each addition.
const LEAST_WORK: u64 = 4096;
/// Most postings merged between two writes to the database.
const MOST_AT_ONCE: u64 = 1 << 16;

/// Runs that are being merged into one.
#[derive(Debug)]
pub(super) struct Merge {
    inputs: Vec<(Arc<Run>, Cursor)>,
    writer: Writer,
}

/// How far a merge got.
pub(super) enum Progress {
    /// There is more to do.
    Unfinished(Merge),
    /// The run that takes the place of the inputs.
    Finished(Run, Vec<Arc<Run>>),
}

/// How many postings are merged with an addition of `added` postings.
pub(super) const fn work_for(added: u64) -> u64 {
    let work = added.saturating_mul(WORK_EACH);
    if work < LEAST_WORK { LEAST_WORK } else { work }
}

/// The newest of `runs` that are to be merged, as how many from the end, and whether that is
/// overdue: then all of the work is done at once. That is for programs that add one entry and end,
/// and never come to the end of a large merge bit by bit. `runs` are in the order of their entries, and none of them is in a merge already.
pub(super) fn due(runs: &[Arc<Run>]) -> Option<(usize, bool)> {
    let most = runs.iter().map(|run| class(run.count)).max()?;
    (0..=most).find_map(|limit| {
        let small = runs.iter().rev().take_while(|run| class(run.count) <= limit).count();
        let fan = if limit < LARGE { FAN } else { LARGE_FAN };
        (small >= fan).then_some((small, small >= 2 * fan))
    })
}

/// Sizes within a factor of eight are of one class.
const fn class(count: u64) -> u32 {
    match count.checked_ilog2() {
        Some(log) => log / 3,
        None => 0,
    }
}

impl Merge {
    /// Begins to merge `runs`, which follow each other, into the run `id`.
    pub(super) fn new(runs: &[Arc<Run>], id: u64) -> Self {
        let first = runs.first().map_or(0, |run| run.first);
        let count = runs.iter().map(|run| run.count).sum();
        let most = runs.iter().map(|run| run.fingerprints).sum();
        let inputs = runs.iter().map(|run| (Arc::clone(run), Cursor::new())).collect();
        Self { inputs, writer: Writer::new(id, first, count, most) }
    }

    /// Whether a run takes part in it.
    pub(super) fn has(&self, run: &Run) -> bool {
        self.inputs.iter().any(|(input, _)| input.id == run.id)
    }

    /// Merges at most `budget` postings, which it counts down.
    pub(super) fn work(
        mut self,
        database: &sled::Db,
        budget: &mut u64,
    ) -> Result<Progress, IndexError> {
        while *budget > 0 {
            let mut rows = sled::Batch::default();
            for _ in 0..MOST_AT_ONCE.min(*budget) {
                let Some(posting) = self.take(database)? else {
                    let run = self.writer.finish(&mut rows);
                    database.apply_batch(rows)?;
                    let inputs = self.inputs.into_iter().map(|(run, _)| run).collect();
                    return Ok(Progress::Finished(run, inputs));
                };
                self.writer.push(posting, &mut rows);
                *budget = budget.saturating_sub(1);
            }
            database.apply_batch(rows)?;
        }
        Ok(Progress::Unfinished(self))
    }

    /// The smallest posting of all inputs.
    fn take(&mut self, database: &sled::Db) -> Result<Option<Posting>, IndexError> {
        let mut least: Option<(Posting, usize)> = None;
        for (number, (run, cursor)) in self.inputs.iter_mut().enumerate() {
            if let Some(posting) = cursor.get(run, database)?
                && least.is_none_or(|(found, _)| posting < found)
            {
                least = Some((posting, number));
            }
        }
        let Some((posting, number)) = least else { return Ok(None) };
        if let Some((_, cursor)) = self.inputs.get_mut(number) {
            cursor.advance();
        }
        Ok(Some(posting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(counts: &[u64]) -> Vec<Arc<Run>> {
        let mut first = 0;
        counts
            .iter()
            .map(|count| {
                let mut bytes = Vec::new();
                for number in [first, *count, 1, *count, *count] {
                    super::super::block::put_number(&mut bytes, number);
                }
                let run = Run::decode(&mut bytes.as_slice(), first).unwrap();
                first += count;
                Arc::new(run)
            })
            .collect()
    }

    #[test]
    fn eight_of_about_one_size_are_due() {
        type Case<'a> = (&'a str, &'a [u64], Option<(usize, bool)>);
        let cases: [Case<'_>; 11] = [
            ("none", &[], None),
            ("seven", &[1; 7], None),
            ("eight", &[1; 8], Some((8, false))),
            ("eight after a larger one", &[64, 1, 1, 1, 1, 1, 1, 1, 1], Some((8, false))),
            ("sixteen", &[1; 16], Some((16, true))),
            ("of two sizes", &[9, 9, 9, 9, 1, 1, 1, 1], Some((8, false))),
            ("a larger one among them", &[1, 1, 1, 1, 64, 1, 1, 1, 1], Some((9, false))),
            ("seven after a larger one", &[64, 1, 1, 1, 1, 1, 1], None),
            ("large ones", &[32_768; 31], None),
            ("enough large ones", &[32_768; 32], Some((32, false))),
            ("too many large ones", &[32_768; 64], Some((64, true))),
        ];
        for (name, counts, want) in cases {
            assert_eq!(due(&runs(counts)), want, "{name}");
        }
    }

    #[test]
    fn few_runs_are_left_however_many_entries_come() {
        let mut counts: Vec<u64> = Vec::new();
        for added in 1..=5_000_u64 {
            counts.push(1 + added % 3);
            while let Some((small, _)) = due(&runs(&counts)) {
                let rest = counts.split_off(counts.len() - small);
                counts.push(rest.iter().sum());
            }
            assert!(counts.len() <= 35, "{} runs after {added}", counts.len());
        }
    }
}
