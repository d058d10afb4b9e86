//! Numbers: what was measured on a named data set, held against the policy's thresholds.
//!
//! Of all evaluations of one artifact on one data set the last by position counts, so that
//! nobody can measure until a number suits; an earlier one that fell short is shown. All rules
//! about an artifact and a data set read the same statement. What an evaluation says of its own
//! success, threshold or comparator is not read.

use std::collections::BTreeSet;

use attest::predicate::{Evaluation, Measurement};
use attest::{ArtifactId, Decimal, Predicate, Sha256};
use verify::Attestation;

use super::Question;
use super::bound::{Bound, Side};
use super::chain::Chain;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::remedy::{Means, Measured, Remedy};

/// How many numbers a message names.
const MAX_NAMED: usize = 5;

/// A number that must have been measured.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) rule: String,
    pub(crate) step: usize,
    pub(crate) name: String,
    pub(crate) dataset: ArtifactId,
    pub(crate) dataset_name: Option<String>,
    pub(crate) at_least: Option<Decimal>,
    pub(crate) at_most: Option<Decimal>,
    pub(crate) min_samples: u64,
    pub(crate) slices: Option<Slices>,
}

/// What must hold for the number on every part of the data, of which there must be at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    pub(crate) at_least: Option<Decimal>,
    pub(crate) at_most: Option<Decimal>,
    /// How far the numbers of any two parts may be apart.
    pub(crate) gap_at_most: Option<Decimal>,
}

/// Why an evaluation does not satisfy a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Flaw {
    Missing,
    Samples { found: Option<u64> },
    Threshold { value: Decimal },
    NoSlices,
    SliceSamples { slice: String },
    Slice { slice: String, value: Decimal },
    Gap { gap: Option<Decimal> },
}

/// Says what came of every metric; gives the evaluations that decided, with their step.
pub(crate) fn judge<'a>(
    question: Question<'a>,
    chain: &Chain<'a>,
    draft: &mut Draft,
) -> Vec<(usize, &'a Attestation)> {
    let mut read = Vec::new();
    for rule in &question.model.metrics {
        if !chain.is_found(rule.step) {
            let step = question.model.steps.get(rule.step).map_or("", |step| step.name.as_str());
            draft.follows(&rule.rule, format!("follows from steps.{step}"));
            continue;
        }
        rule.judge(question, chain, draft, &mut read);
    }
    read
}

impl Metric {
    /// What its numbers are held against.
    pub(crate) fn bounds(&self) -> Vec<Bound> {
        let whole = Bound::within(self.at_least, self.at_most).into_iter();
        let mut bounds: Vec<Bound> =
            whole.map(|one| one.in_field("value").on_parts(false)).collect();
        let samples = Bound::new(Side::AtLeast, Decimal::from(self.min_samples));
        bounds.push(samples.in_field("sampleSize").on_parts(false));
        if let Some(slices) = &self.slices {
            let apart = slices.gap_at_most.map(|limit| Bound::new(Side::Apart, limit));
            let parts = Bound::within(slices.at_least, slices.at_most).into_iter().chain(apart);
            bounds.extend(parts.map(|one| one.in_field("value").on_parts(true)));
        }
        bounds.into_iter().map(|one| one.of_metric(&self.name)).collect()
    }

    fn judge<'a>(
        &self,
        question: Question<'a>,
        chain: &Chain<'a>,
        draft: &mut Draft,
        read: &mut Vec<(usize, &'a Attestation)>,
    ) {
        let chosen = chain.chosen(self.step);
        let artifacts: BTreeSet<ArtifactId> = chosen
            .iter()
            .filter(|one| evaluation(one).is_some())
            .flat_map(|one| &one.subjects)
            .map(|one| one.artifact)
            .collect();
        let counting: BTreeSet<Sha256> = chosen.iter().map(|one| one.body()).collect();
        let again = |kind, model| {
            let measured = Measured { model, dataset: Some(self.dataset) };
            Remedy::step_on(kind, question, chain, self.step, measured)
        };
        // A number that is not good enough is that of this model for good.
        let mending = |flaw: &Flaw, artifact: ArtifactId| match flaw.is_number() {
            true => Remedy::new(Means::Anew),
            false => again(Means::Run, Some(artifact)),
        };
        let (mut evidence, mut problems, mut earlier) = (Vec::new(), Vec::new(), None);
        for artifact in &artifacts {
            let all = self.evaluations(question, artifact);
            let counts = |one: &&&Attestation| counting.contains(&one.body());
            let logged = all.iter().rev().filter(|one| one.index.is_some()).find(counts);
            let Some(last) = logged.or_else(|| all.iter().rev().find(counts)).copied() else {
                problems.push(
                    self.elsewhere(*artifact, chosen).mended(again(Means::Run, Some(*artifact))),
                );
                continue;
            };
            read.push((self.step, last));
            evidence.push(last);
            if let Some(flaw) = self.flaw(last) {
                problems
                    .push(self.problem(&flaw, *artifact, last).mended(mending(&flaw, *artifact)));
                continue;
            }
            for other in all.iter().filter(|one| one.body() != last.body()) {
                let Some(flaw) = self.flaw(other).filter(Flaw::is_number) else { continue };
                if other.index.is_some() && other.index < last.index {
                    earlier.get_or_insert(*other);
                } else {
                    // It need not have every signature to speak against the artifact.
                    problems.push(
                        self.problem(&flaw, *artifact, other).mended(mending(&flaw, *artifact)),
                    );
                }
            }
        }
        if artifacts.is_empty() {
            let message = format!("no evaluation of the chain measures `{}`", self.name);
            let next = "run the evaluation and register it";
            let problem = Problem::fail(Code::MetricMissing, message, next);
            problems.push(problem.mended(again(Means::Run, None)));
        }
        if problems.is_empty() {
            let detail = earlier.map(|one| {
                format!("an earlier evaluation fell short of it and is superseded: {}", one.body())
            });
            draft.pass(&self.rule, bodies(evidence), detail);
        } else {
            draft.fail(&self.rule, problems);
        }
    }

    /// The believed evaluations of `artifact` on the data set, by position, those without one last.
    /// Not only those of the step and its signers: a number that is called by the name of another
    /// step, or of none, or that comes from an evaluator whom the policy did not ask, speaks
    /// against the artifact all the same. So does one whose signer's time has run out since.
    fn evaluations<'a>(
        &self,
        question: Question<'a>,
        artifact: &ArtifactId,
    ) -> Vec<&'a Attestation> {
        let of_rule = |one: &&Attestation| {
            evaluation(one).is_some_and(|found| found.dataset.artifact() == Ok(self.dataset))
        };
        let lapsed = question.lineage.lapsed_about(artifact);
        question.lineage.about(artifact).chain(lapsed).filter(of_rule).collect()
    }

    /// Whether an evaluation on the rule's data has a number that is not good enough.
    pub(super) fn falls_short(&self, one: &Attestation) -> bool {
        evaluation(one).is_some_and(|found| found.dataset.artifact() == Ok(self.dataset))
            && self.flaw(one).is_some_and(|flaw| flaw.is_number())
    }

    /// Whether an evaluation on the rule's data has every number, and each good enough.
    pub(super) fn is_met_by(&self, one: &Attestation) -> bool {
        evaluation(one).is_some_and(|found| found.dataset.artifact() == Ok(self.dataset))
            && self.flaw(one).is_none()
    }

    fn flaw(&self, attestation: &Attestation) -> Option<Flaw> {
        let evaluation = evaluation(attestation)?;
        let named = || evaluation.measurements.iter().filter(|one| one.metric == self.name);
        let mut whole = named().filter(|one| one.slice.is_none()).peekable();
        if whole.peek().is_none() {
            return Some(Flaw::Missing);
        }
        // A number that stands twice must be good each time.
        for one in whole {
            if one.sample_size.is_none_or(|size| size < self.min_samples) {
                return Some(Flaw::Samples { found: one.sample_size });
            }
            if !within(one.value, self.at_least, self.at_most) {
                return Some(Flaw::Threshold { value: one.value });
            }
        }
        self.slices
            .as_ref()
            .and_then(|slices| slices.flaw(named().filter(|one| one.slice.is_some())))
    }

    fn problem(&self, flaw: &Flaw, artifact: ArtifactId, at: &Attestation) -> Problem {
        let name = &self.name;
        let must = bounds(self.at_least, self.at_most);
        let parts = self.slices.map_or_else(String::new, |one| bounds(one.at_least, one.at_most));
        let (code, message) = match flaw {
            Flaw::Missing => (
                Code::MetricMissing,
                format!("the last evaluation does not measure `{name}` on the whole data set"),
            ),
            Flaw::Samples { found } => (
                Code::MetricSamples,
                format!(
                    "`{name}` was measured over {}, and {} are needed",
                    found.map_or("nobody says how many records".into(), |n| format!("{n} records")),
                    self.min_samples
                ),
            ),
            Flaw::Threshold { value } => {
                (Code::MetricThreshold, format!("`{name}` is {value}, and must be {must}"))
            }
            Flaw::NoSlices => {
                (Code::MetricSlice, format!("`{name}` was not measured on parts of the data"))
            }
            Flaw::SliceSamples { slice } => (
                Code::MetricSamples,
                format!("nobody says over how many records `{name}` was measured on {slice}"),
            ),
            Flaw::Slice { slice, value } => {
                (Code::MetricSlice, format!("`{name}` is {value} on {slice}, and must be {parts}"))
            }
            Flaw::Gap { gap } => {
                let allowed = self.slices.and_then(|one| one.gap_at_most).unwrap_or(Decimal::ZERO);
                let gap = gap.map_or("too large to tell".into(), |gap| gap.to_string());
                let message = format!(
                    "`{name}` differs by {gap} between parts of the data, and may by {allowed}"
                );
                (Code::MetricSlice, message)
            }
        };
        let next = match code {
            Code::MetricThreshold | Code::MetricSlice if flaw.is_number() => format!(
                "train a model that reaches it, and evaluate that on {}",
                self.dataset_label()
            ),
            _ => format!(
                "evaluate again on {}, with all numbers that the rule asks for, each with \
                          its number of records",
                self.dataset_label()
            ),
        };
        let problem = Problem::fail(code, message, next).shown_by([at]).about([artifact]);
        match flaw {
            Flaw::Missing => problem.considering([(at.body(), measures(at))]),
            _ => problem,
        }
    }

    /// The finding for an artifact that was evaluated, and not on the data set of the rule.
    fn elsewhere(&self, artifact: ArtifactId, chosen: &[&Attestation]) -> Problem {
        let message = format!("`{}` was not measured on {}", self.name, self.dataset_label());
        let next = format!("evaluate on {}", self.dataset_label());
        let of = chosen.iter().filter(|one| one.is_about(&artifact)).copied();
        let data = |one: &Attestation| {
            let found = evaluation(one)?;
            let data = found.dataset.artifact().map(|data| data.to_string());
            let data = data.unwrap_or_else(|_| "data that no digest identifies".into());
            Some((one.body(), format!("it measured on `{}` ({data})", found.dataset.label())))
        };
        let considered: Vec<_> = chosen.iter().rev().filter_map(|one| data(one)).collect();
        Problem::fail(Code::MetricDataset, message, next)
            .considering(considered)
            .shown_by(of)
            .about([artifact, self.dataset])
    }

    /// Bounds in words.
    pub(crate) fn words(&self, at_least: Option<Decimal>, at_most: Option<Decimal>) -> String {
        bounds(at_least, at_most)
    }

    fn dataset_label(&self) -> String {
        match &self.dataset_name {
            Some(name) => format!("the data set `{name}` ({})", self.dataset),
            None => format!("the data set {}", self.dataset),
        }
    }
}

impl Slices {
    fn flaw<'a>(&self, parts: impl Iterator<Item = &'a Measurement>) -> Option<Flaw> {
        let mut range: Option<(Decimal, Decimal)> = None;
        for part in parts {
            let label = || match &part.slice {
                Some(slice) => format!("`{}` = `{}`", slice.feature, slice.value),
                None => String::new(),
            };
            if part.sample_size.is_none_or(|size| size == 0) {
                return Some(Flaw::SliceSamples { slice: label() });
            }
            if !within(part.value, self.at_least, self.at_most) {
                return Some(Flaw::Slice { slice: label(), value: part.value });
            }
            range = Some(range.map_or((part.value, part.value), |(least, most)| {
                (least.min(part.value), most.max(part.value))
            }));
        }
        let Some((least, most)) = range else { return Some(Flaw::NoSlices) };
        let allowed = self.gap_at_most?;
        let gap = most.checked_sub(least);
        gap.is_none_or(|gap| gap > allowed).then_some(Flaw::Gap { gap })
    }
}

impl Flaw {
    /// Whether a number was measured, and is not good enough.
    const fn is_number(&self) -> bool {
        matches!(self, Self::Threshold { .. } | Self::Slice { .. } | Self::Gap { .. })
    }
}

fn evaluation(attestation: &Attestation) -> Option<&Evaluation> {
    match &attestation.statement().predicate {
        Predicate::Evaluation(evaluation) => Some(evaluation),
        _ => None,
    }
}

/// What an evaluation measures, in words.
fn measures(attestation: &Attestation) -> String {
    let all = evaluation(attestation).into_iter().flat_map(|found| &found.measurements);
    let names = all.map(|one| match &one.slice {
        Some(slice) => format!("`{}` on `{}` = `{}`", one.metric, slice.feature, slice.value),
        None => format!("`{}`", one.metric),
    });
    let names: Vec<String> = names.take(MAX_NAMED).collect();
    match names.is_empty() {
        true => "it measures nothing".into(),
        false => format!("it measures {}", names.join(", ")),
    }
}

fn within(value: Decimal, at_least: Option<Decimal>, at_most: Option<Decimal>) -> bool {
    at_least.is_none_or(|least| value >= least) && at_most.is_none_or(|most| value <= most)
}

fn bounds(at_least: Option<Decimal>, at_most: Option<Decimal>) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) => format!("from {least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "a number".into(),
    }
}
