//! One connected chain: of all statements of the required steps, those that belong together and
//! end at the artifact that is judged.
//!
//! Statements of two steps belong together when what one made is, by digest, what the other used,
//! as the policy's flows say. A statement that is joined to no statement of a neighbouring step
//! is not of the chain, however good it is; what later rules read is the chain.

use std::collections::{BTreeMap, BTreeSet};

use attest::ArtifactId;
use verify::Attestation;

use super::Question;
use super::flow::Flow;
use super::joint::{FlowState, Joint, entering};
use super::past::Past;
use super::steps::{self, Flaw};
use super::together;
use crate::model::{Model, Port, Step};

/// The most statements of one step that are read; more is an error, not a choice.
pub(crate) const MAX_STATEMENTS: usize = 1024;

/// The statements of the required steps, in the order of the steps.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) steps: Vec<Links<'a>>,
    /// What came of each flow, in the order of the flows.
    pub(crate) flows: Vec<FlowState>,
}

/// The statements of one step.
#[derive(Debug, Default)]
pub(crate) struct Links<'a> {
    /// Every believed one, whether it counts or not, by position.
    pub(crate) all: Vec<&'a Attestation>,
    /// Failures of it whose signers' time has run out; they count against it alone.
    pub(crate) lapsed: Vec<&'a Attestation>,
    /// Those that count and belong to the chain, by position.
    pub(crate) chosen: Vec<&'a Attestation>,
    /// Why the nearest one does not count, when none does.
    pub(crate) flaw: Option<Flaw>,
    /// There are more than are read.
    pub(crate) too_many: bool,
}

impl<'a> Links<'a> {
    /// Every statement that says that the step failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &'a Attestation> {
        let failed = self.all.iter().filter(|one| steps::has_failed(one));
        failed.chain(&self.lapsed).copied()
    }

    pub(crate) fn is_found(&self) -> bool {
        self.flaw.is_none() && !self.chosen.is_empty()
    }

    /// The one by which the step is judged: the last by position.
    pub(crate) fn last(&self) -> Option<&'a Attestation> {
        let logged = self.chosen.iter().rev().find(|one| one.index.is_some());
        logged.or(self.chosen.last()).copied()
    }
}

impl<'a> Chain<'a> {
    /// Gathers the statements of each step and joins them.
    pub(crate) fn of(question: Question<'a>, past: &Past<'a>) -> Self {
        let model = question.model;
        let mut links: Vec<Links<'a>> = model.steps.iter().map(|_| Links::default()).collect();
        for attestation in question.lineage.attestations() {
            for (step, links) in model.steps.iter().zip(&mut links) {
                if !steps::speaks_for(step, attestation) {
                    continue;
                }
                if links.all.len() < MAX_STATEMENTS {
                    links.all.push(attestation);
                } else {
                    links.too_many = true;
                }
            }
        }
        for attestation in question.lineage.lapsed().iter().filter(|one| steps::has_failed(one)) {
            for (step, links) in model.steps.iter().zip(&mut links) {
                if steps::speaks_for(step, attestation) {
                    links.lapsed.push(attestation);
                }
            }
        }
        for index in model.later_first.iter().copied() {
            let used = used_by_later_steps(&model.flows, index, &links, past);
            if let (Some(step), Some(links)) = (model.steps.get(index), links.get_mut(index)) {
                match must_be_of_itself(model, index) {
                    true => links.end_at_itself(past),
                    false => links.end_at(past, used.as_ref()),
                }
                links.choose(step, past);
            }
        }
        let mut chain = Self { steps: links, flows: vec![FlowState::default(); model.flows.len()] };
        chain.join(model.flows.as_slice(), past);
        let mut changed = false;
        for (index, step) in model.steps.iter().enumerate() {
            if let Some(other) = step.signers.not_same_as {
                changed |= chain.tell_apart(index, other, step);
            }
        }
        if changed {
            // What was left out must not have been what made a flow whole.
            chain.join(model.flows.as_slice(), past);
        }
        chain
    }

    /// A chain of nothing.
    pub(crate) const fn none() -> Self {
        Self { steps: Vec::new(), flows: Vec::new() }
    }

    /// The statements of `step` that belong to the chain.
    pub(crate) fn chosen(&self, step: usize) -> &[&'a Attestation] {
        self.steps.get(step).map_or(&[], |links| links.chosen.as_slice())
    }

    /// Every statement of the chain.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Attestation> {
        self.steps.iter().flat_map(|links| links.chosen.iter().copied())
    }

    pub(crate) fn is_found(&self, step: usize) -> bool {
        self.steps.get(step).is_some_and(Links::is_found)
    }

    /// Removes what is joined to nothing until nothing more is to be removed: each pass removes
    /// at least one statement, so that there are at most as many passes as statements.
    fn join(&mut self, flows: &[Flow], past: &Past<'a>) {
        let mut joints: Vec<Joint> = Vec::with_capacity(flows.len());
        for (index, flow) in flows.iter().enumerate() {
            let joint = Joint::of(flow, self, past);
            if let Some(state) = self.flows.get_mut(index) {
                *state = joint.state;
            }
            joints.push(joint);
        }
        let mut alive: Vec<Vec<bool>> =
            self.steps.iter().map(|links| vec![true; links.chosen.len()]).collect();
        loop {
            let mut changed = false;
            for (index, (flow, joint)) in flows.iter().zip(&joints).enumerate() {
                let Some(state) = self.flows.get_mut(index) else { continue };
                if *state == FlowState::Joins {
                    *state = joint.narrow(flow, &mut alive, &mut changed);
                }
            }
            if !changed && !self.keep_together(flows, &joints, &mut alive) {
                break;
            }
        }
        for (links, alive) in self.steps.iter_mut().zip(&alive) {
            let mut alive = alive.iter();
            links.chosen.retain(|_| alive.next().copied().unwrap_or_default());
        }
    }

    /// Removes what is in no chain with one statement of every joined step; says whether there
    /// was any.
    fn keep_together(&mut self, flows: &[Flow], joints: &[Joint], alive: &mut [Vec<bool>]) -> bool {
        let joined = || {
            let all = flows.iter().zip(joints).zip(&self.flows);
            all.filter(|(_, state)| **state == FlowState::Joins).map(|(pair, _)| pair)
        };
        let several = alive.iter().filter(|step| step.iter().filter(|one| **one).count() > 1);
        let all: Vec<&Flow> = joined().map(|(flow, _)| flow).collect();
        if several.count() < 2 || !together::meet_again(&all, alive.len()) {
            return false;
        }
        let pairs: Vec<(&Flow, &Joint)> = joined().collect();
        let mut kept = alive.to_vec();
        let state = match together::keep_what_is_together(&pairs, &mut kept) {
            Err(together::GaveUp) => FlowState::Undecided,
            Ok(())
                if pairs.iter().any(|(flow, _)| {
                    kept.get(flow.to.step).is_some_and(|step| !step.contains(&true))
                }) =>
            {
                FlowState::Apart
            }
            Ok(()) => {
                let changed = *alive != *kept;
                alive.clone_from_slice(&kept);
                return changed;
            }
        };
        for found in self.flows.iter_mut().filter(|found| **found == FlowState::Joins) {
            *found = state;
        }
        false
    }

    /// Leaves out the statements of `index` that too few others than the signers of `other`
    /// signed; says whether there were any beside good ones.
    fn tell_apart(&mut self, index: usize, other: usize, step: &Step) -> bool {
        if !self.is_found(index) || !self.is_found(other) {
            return false;
        }
        let theirs: BTreeSet<&str> =
            self.chosen(other).iter().flat_map(|one| steps::hands(one)).collect();
        let Some(links) = self.steps.get_mut(index) else { return false };
        let enough = |one: &&Attestation| {
            steps::owners(step, one).difference(&theirs).count() >= step.signers.threshold
        };
        if links.chosen.iter().any(enough) {
            let before = links.chosen.len();
            links.chosen.retain(enough);
            links.chosen.len() < before
        } else {
            links.flaw = Some(Flaw::SameSigner);
            false
        }
    }
}

impl<'a> Links<'a> {
    /// A step whose subject no flow joins to anything must be about the very artifact.
    fn end_at_itself(&mut self, past: &Past<'a>) {
        self.all.retain(|one| one.subjects.iter().any(|at| past.is_itself(&at.artifact)));
    }

    /// A step must be about the artifact or its past, or about what a step that it feeds used
    /// (`used`).
    fn end_at(&mut self, past: &Past<'a>, used: Option<&BTreeSet<ArtifactId>>) {
        let is_joined = |artifact: &ArtifactId| {
            past.all().contains(artifact) || used.is_some_and(|used| used.contains(artifact))
        };
        self.all.retain(|one| one.subjects.iter().any(|subject| is_joined(&subject.artifact)));
    }

    /// Takes the statements that count. Where the step made the very artifact, what it made
    /// before is no substitute: else the good chain of a base image, or of a model that was
    /// tuned further, would do for what was built upon it.
    fn choose(&mut self, step: &Step, past: &Past<'a>) {
        let made = |one: &Attestation| {
            one.makes() && one.subjects.iter().any(|subject| past.is_itself(&subject.artifact))
        };
        let last = self.all.iter().any(|one| made(one));
        let mut nearest = None;
        for attestation in &self.all {
            if last && attestation.makes() && !made(attestation) {
                continue;
            }
            match steps::flaw(step, attestation) {
                None => self.chosen.push(attestation),
                Some(flaw) => nearest = nearest.max(Some(flaw)),
            }
        }
        let failed = self.outlive_failures(past);
        if self.chosen.is_empty() {
            self.flaw = nearest.max(failed);
        }
    }

    /// Leaves out what a failure that is not older speaks against, whoever signed it: nobody can
    /// run tests until they pass on one occasion. What is in the artifact or holds it counts as the
    /// artifact; elsewhere a failure speaks against what it names.
    fn outlive_failures(&mut self, past: &Past<'a>) -> Option<Flaw> {
        let own = |one: &Attestation| one.subjects.iter().any(|at| past.is_itself(&at.artifact));
        // The last failure about each artifact, and about the judged one; what stands in no log
        // could be the last.
        let mut last: BTreeMap<ArtifactId, u64> = BTreeMap::new();
        let mut last_of_own: Option<u64> = None;
        for failure in self.failures() {
            let place = failure.index.unwrap_or(u64::MAX);
            for subject in &failure.subjects {
                let known = last.entry(subject.artifact).or_default();
                *known = place.max(*known);
            }
            if own(failure) {
                last_of_own = last_of_own.max(Some(place));
            }
        }
        if last.is_empty() {
            return None;
        }
        let before = self.chosen.len();
        self.chosen.retain(|one| {
            let named = one.subjects.iter().filter_map(|at| last.get(&at.artifact).copied());
            let failed = named.chain(last_of_own.filter(|_| own(one))).max();
            failed.is_none_or(|failed| one.index.is_some_and(|index| failed < index))
        });
        (self.chosen.len() < before).then_some(Flaw::Failed)
    }
}

/// Whether nothing but its own subjects ties a step to the artifact: no flow joins it, or it is
/// measured and none joins what was measured. A statement about any ancestor would do for it
/// otherwise, so that the numbers of a base model would pass for those of what was tuned from it.
fn must_be_of_itself(model: &Model, step: usize) -> bool {
    let ends = model.flows.iter().flat_map(|flow| [flow.from, flow.to]);
    let mut ends = ends.filter(|end| end.step == step);
    if model.metrics.iter().any(|metric| metric.step == step) {
        ends.all(|end| end.port == Port::Materials)
    } else {
        ends.next().is_none()
    }
}

/// What the steps that `step` feeds say that they used; `None` when it feeds none.
fn used_by_later_steps(
    flows: &[Flow],
    step: usize,
    links: &[Links<'_>],
    past: &Past<'_>,
) -> Option<BTreeSet<ArtifactId>> {
    let mut used = None;
    for flow in flows.iter().filter(|flow| flow.from.step == step) {
        let used = used.get_or_insert_with(BTreeSet::new);
        let takers = links.get(flow.to.step).into_iter().flat_map(|links| &links.all);
        for artifact in takers.flat_map(|taker| entering(flow.to, taker)) {
            // Not `append`, which makes a set of both anew each time.
            if used.insert(artifact) && past.has_parts() {
                used.extend(past.related(artifact));
            }
        }
    }
    used
}
