//! What is to be tried on one rule, in an order, and what is left out of it.
//!
//! A change is made when its turn comes, so that a large history is not copied for each of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use verify::Change;

use super::WhyUntried;

/// The most changes of one rule that are written down to be tried.
const MAX_OFFERED: usize = 100_000;

/// What a change is a change of; of the later ones there are few, and they say most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Part {
    /// Whether a statement, or a field of it, is there; its place.
    Rest,
    /// Which artifacts it names.
    Digests,
    /// What it calls them.
    Names,
    /// When it says that something was.
    Time,
    /// A number.
    Number,
    /// Who signed.
    Signers,
}

/// How far a change goes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Reach {
    /// By the least that makes a difference, or by no amount at all.
    Least,
    /// As far as is plausible.
    Far,
}

/// Something to suppose.
pub(super) struct Trial<'t> {
    pub(super) part: Part,
    pub(super) reach: Reach,
    /// The bound that it steps across, by its place among what the rule reads.
    pub(super) across: Option<usize>,
    pub(super) words: String,
    make: Box<dyn Fn() -> Option<Vec<Change>> + 't>,
}

impl<'t> Trial<'t> {
    pub(super) fn new(
        part: Part,
        words: String,
        make: impl Fn() -> Option<Vec<Change>> + 't,
    ) -> Self {
        Self { part, reach: Reach::Least, across: None, words, make: Box::new(make) }
    }

    /// The same, said to go so far and across that bound.
    pub(super) fn reaching(self, reach: Reach, across: Option<usize>) -> Self {
        Self { reach, across, ..self }
    }

    /// What to suppose; `None` where the change leads to what nobody could write.
    pub(super) fn changes(&self) -> Option<Vec<Change>> {
        (self.make)()
    }
}

/// Everything that is to be tried on one rule.
#[derive(Default)]
pub(super) struct Trials<'t> {
    list: Vec<Trial<'t>>,
    /// How many changes are not among them.
    left: BTreeMap<WhyUntried, usize>,
    /// Whether a plausible number is across each bound that there are numbers for.
    bounds: BTreeMap<usize, bool>,
}

impl<'t> Trials<'t> {
    pub(super) fn offer(&mut self, trial: Trial<'t>) {
        if self.list.len() < MAX_OFFERED {
            self.list.push(trial);
        } else {
            self.leave(WhyUntried::TooManyOfRule, 1);
        }
    }

    /// Says that a number stands against a bound, and whether a plausible one is across it.
    pub(super) fn meets(&mut self, bound: usize, across: bool) {
        *self.bounds.entry(bound).or_default() |= across;
    }

    /// Whether any number stands against the bound.
    pub(super) fn has_met(&self, bound: usize) -> bool {
        self.bounds.contains_key(&bound)
    }

    /// The bounds across which nobody could come, by their places among what the rule reads.
    pub(super) fn beyond(&self) -> impl Iterator<Item = usize> {
        self.bounds.iter().filter(|(_, across)| !**across).map(|(bound, _)| *bound)
    }

    /// Says that so many changes are not tried.
    pub(super) fn leave(&mut self, why: WhyUntried, changes: usize) {
        if changes > 0 {
            *self.left.entry(why).or_default() += changes;
        }
    }

    /// The trials, those first that say most and go the least far.
    pub(super) fn take(&mut self) -> Vec<Trial<'t>> {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by_key(|trial| (Reverse(trial.part), trial.reach));
        list
    }

    /// How many changes were left out, and why.
    pub(super) fn left(self) -> BTreeMap<WhyUntried, usize> {
        self.left
    }
}
