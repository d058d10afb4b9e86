//! How much work a layout may cause: patterns and paths are outside data, and a hundred thousand
//! paths against a thousand patterns of a thousand stars are hours.

/// How many comparisons of a character with a part of a pattern are made for one layout, with all
/// that is below it. Less than a second of work; real layouts stay a hundred times below.
pub const MAX_WORK: u64 = 100_000_000;

/// The work that may still be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(u64);

/// There is no work left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exhausted;

impl Budget {
    pub(super) const fn new(work: u64) -> Self {
        Self(work)
    }

    pub(super) fn spend(&mut self, work: usize) -> Result<(), Exhausted> {
        let left = u64::try_from(work).ok().and_then(|work| self.0.checked_sub(work));
        self.0 = left.ok_or(Exhausted)?;
        Ok(())
    }
}
