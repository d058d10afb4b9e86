//! One connected chain: of all statements of the required steps, those that belong together and
//! end at the artifact that is judged.
//!
//! Statements of two steps belong together when what one made is, by digest, what the other used,
//! as the policy's flows say. A statement that is joined to no statement of a neighbouring step
//! is not of the chain, however good it is; what later rules read is the chain.

use std::collections::{BTreeMap, BTreeSet};

use attest::ArtifactId;
use attest::predicate::PROVENANCE;
use verify::Attestation;

use super::Question;
use super::flow::Flow;
use super::past::Past;
use super::steps::{self, Flaw};
use super::together;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Coverage, Endpoint, Port, Step};

/// The name of the rule that the chain ends at the artifact.
const REACHES: &str = "chain";
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
    /// Those that count and belong to the chain, by position.
    pub(crate) chosen: Vec<&'a Attestation>,
    /// Why the nearest one does not count, when none does.
    pub(crate) flaw: Option<Flaw>,
    /// There are more than are read.
    pub(crate) too_many: bool,
}

/// What came of a flow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum FlowState {
    /// It joins statements.
    #[default]
    Joins,
    /// One of its steps has no statement.
    NoStep,
    /// No statement has a product of the name that it selects.
    Unmatched,
    /// Nothing flows.
    Missing,
    /// Something flows, and not all that must.
    Broken,
    /// Statements fit their neighbours, and no chain has one of each step.
    Apart,
    /// There are too many statements to tell.
    Undecided,
}

impl<'a> Links<'a> {
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
        for index in model.later_first.iter().copied() {
            let used = used_by_later_steps(&model.flows, index, &links, past);
            let fed = model.flows.iter().any(|flow| flow.to.step == index);
            if let (Some(step), Some(links)) = (model.steps.get(index), links.get_mut(index)) {
                links.end_at(past, used.as_ref(), fed);
                links.choose(step);
            }
        }
        let mut chain = Self { steps: links, flows: vec![FlowState::default(); model.flows.len()] };
        chain.join(model.flows.as_slice(), past);
        for (index, step) in model.steps.iter().enumerate() {
            if let Some(other) = step.signers.not_same_as {
                chain.tell_apart(index, other, step);
            }
        }
        chain
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
            if !changed {
                break;
            }
        }
        self.keep_together(flows, &joints, &mut alive);
        for (links, alive) in self.steps.iter_mut().zip(&alive) {
            let mut alive = alive.iter();
            links.chosen.retain(|_| alive.next().copied().unwrap_or_default());
        }
    }

    /// Removes what is in no chain with one statement of every joined step.
    fn keep_together(&mut self, flows: &[Flow], joints: &[Joint], alive: &mut [Vec<bool>]) {
        let joined = || {
            let all = flows.iter().zip(joints).zip(&self.flows);
            all.filter(|(_, state)| **state == FlowState::Joins).map(|(pair, _)| pair)
        };
        let several = alive.iter().filter(|step| step.iter().filter(|one| **one).count() > 1);
        let all: Vec<&Flow> = joined().map(|(flow, _)| flow).collect();
        if several.count() < 2 || !together::meet_again(&all, alive.len()) {
            return;
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
                alive.clone_from_slice(&kept);
                return;
            }
        };
        for found in self.flows.iter_mut().filter(|found| **found == FlowState::Joins) {
            *found = state;
        }
    }

    /// Leaves out the statements of `index` that too few others than the signers of `other`
    /// signed.
    fn tell_apart(&mut self, index: usize, other: usize, step: &Step) {
        if !self.is_found(index) || !self.is_found(other) {
            return;
        }
        let theirs: BTreeSet<&str> =
            self.chosen(other).iter().flat_map(|one| steps::hands(one)).collect();
        let Some(links) = self.steps.get_mut(index) else { return };
        let enough = |one: &&Attestation| {
            steps::owners(step, one).difference(&theirs).count() >= step.signers.threshold
        };
        if links.chosen.iter().any(enough) {
            links.chosen.retain(enough);
        } else {
            links.flaw = Some(Flaw::SameSigner);
        }
    }
}

impl<'a> Links<'a> {
    /// A step must be about the artifact or its past, or about what a step that it feeds used
    /// (`used`). The last step, if it makes something and is fed by others, must have made the
    /// very artifact, where a statement says so: else the good chain of a base image would do
    /// for what was built upon it.
    fn end_at(&mut self, past: &Past<'a>, used: Option<&BTreeSet<ArtifactId>>, fed: bool) {
        let about = |one: &&Attestation, is: &dyn Fn(&ArtifactId) -> bool| {
            one.subjects.iter().any(|subject| is(&subject.artifact))
        };
        let is_joined = |artifact: &ArtifactId| {
            past.all().contains(artifact) || used.is_some_and(|used| used.contains(artifact))
        };
        self.all.retain(|one| about(one, &is_joined));
        if used.is_some() {
            return;
        }
        let itself = |one: &&Attestation| one.makes() && about(one, &|id| past.is_itself(id));
        if fed && self.all.iter().any(itself) {
            self.all.retain(|one| !one.makes() || itself(one));
        }
    }

    fn choose(&mut self, step: &Step) {
        let mut nearest = None;
        for attestation in &self.all {
            match steps::flaw(step, attestation) {
                None => self.chosen.push(attestation),
                Some(flaw) => nearest = nearest.max(Some(flaw)),
            }
        }
        if self.chosen.is_empty() {
            self.flaw = nearest;
        }
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
            if !used.contains(&artifact) {
                used.append(&mut past.related(artifact));
            }
        }
    }
    used
}

/// Who hands what to whom by one flow.
#[derive(Debug)]
struct Joint {
    state: FlowState,
    /// For each statement of the first step, for each selected product, the statements of the
    /// second step that have it.
    from: Vec<Vec<Vec<usize>>>,
}

impl together::Fits for Joint {
    fn fits(&self, maker: usize, taker: usize) -> bool {
        self.from.get(maker).into_iter().flatten().any(|takers| takers.contains(&taker))
    }
}

impl Joint {
    fn of(flow: &Flow, chain: &Chain<'_>, past: &Past<'_>) -> Self {
        if !chain.is_found(flow.from.step) || !chain.is_found(flow.to.step) {
            return Self { state: FlowState::NoStep, from: Vec::new() };
        }
        let mut takers: BTreeMap<ArtifactId, Vec<usize>> = BTreeMap::new();
        for (place, taker) in chain.chosen(flow.to.step).iter().enumerate() {
            for artifact in entering(flow.to, taker) {
                for part in past.with_parts(artifact) {
                    let places = takers.entry(part).or_default();
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
            }
        }
        let mut matched = false;
        let mut from = Vec::new();
        for maker in chain.chosen(flow.from.step) {
            let selected =
                flow.selected(maker).map(|artifact| receivers(&takers, past, &artifact, 0));
            let selected: Vec<Vec<usize>> = selected.collect();
            matched |= !selected.is_empty();
            from.push(selected);
        }
        let state = if matched { FlowState::Joins } else { FlowState::Unmatched };
        Self { state, from }
    }

    /// Marks what does not belong to the chain by this flow; when that would be all, nothing is
    /// marked and the state says why.
    fn narrow(&self, flow: &Flow, alive: &mut [Vec<bool>], changed: &mut bool) -> FlowState {
        let lives = |alive: &[Vec<bool>], step: usize, place: usize| {
            alive.get(step).and_then(|step| step.get(place)).copied().unwrap_or_default()
        };
        let mut reached = vec![false; alive.get(flow.to.step).map_or(0, Vec::len)];
        let mut gives = vec![false; self.from.len()];
        let mut anything = false;
        for (maker, products) in self.from.iter().enumerate() {
            if !lives(alive, flow.from.step, maker) {
                continue;
            }
            let enters =
                |takers: &Vec<usize>| takers.iter().any(|taker| lives(alive, flow.to.step, *taker));
            let any = products.iter().any(enters);
            let enough = match flow.coverage {
                Coverage::Any => any,
                Coverage::All => !products.is_empty() && products.iter().all(enters),
            };
            anything |= any;
            if !enough {
                continue;
            }
            if let Some(gives) = gives.get_mut(maker) {
                *gives = true;
            }
            for taker in products.iter().flatten() {
                if let Some(reached) = reached.get_mut(*taker) {
                    *reached = lives(alive, flow.to.step, *taker);
                }
            }
        }
        if !gives.contains(&true) {
            return if anything { FlowState::Broken } else { FlowState::Missing };
        }
        for (step, keep) in [(flow.from.step, gives), (flow.to.step, reached)] {
            for (alive, keep) in alive.get_mut(step).into_iter().flatten().zip(keep) {
                if *alive && !keep {
                    *alive = false;
                    *changed = true;
                }
            }
        }
        FlowState::Joins
    }
}

/// What enters a step by a port.
pub(crate) fn entering<'a>(
    end: Endpoint,
    attestation: &'a Attestation,
) -> impl Iterator<Item = ArtifactId> + use<'a> {
    let named = match end.port {
        Port::Materials => &attestation.materials,
        Port::Products | Port::Subject => &attestation.subjects,
    };
    named.iter().map(|named| named.artifact)
}

/// The statements that have all of `artifact`: it, something that it is in, or every part of it.
fn receivers(
    takers: &BTreeMap<ArtifactId, Vec<usize>>,
    past: &Past<'_>,
    artifact: &ArtifactId,
    depth: usize,
) -> Vec<usize> {
    if let Some(places) = takers.get(artifact) {
        return places.clone();
    }
    if depth > 4 {
        return Vec::new();
    }
    let mut common: Option<Vec<usize>> = None;
    for part in past.parts(artifact) {
        let places = receivers(takers, past, &part, depth + 1);
        let common = common.get_or_insert_with(|| places.clone());
        common.retain(|place| places.contains(place));
        if common.is_empty() {
            break;
        }
    }
    common.unwrap_or_default()
}

/// Says what came of every required step.
pub(crate) fn judge(question: Question<'_>, chain: &Chain<'_>, draft: &mut Draft) {
    let model = question.model;
    for (index, (step, links)) in model.steps.iter().zip(&chain.steps).enumerate() {
        if links.too_many {
            let message =
                format!("there are more than {MAX_STATEMENTS} statements of `{}`", step.name);
            let next = "narrow the signers of the step, or split it into steps of their own";
            let code = Code::TraceUnexplored;
            draft.fail(&step.rule, vec![Problem::error(code, message, next)]);
            continue;
        }
        if let Some(flaw) = links.flaw {
            let other = step.signers.not_same_as.and_then(|other| model.steps.get(other));
            let at: Vec<&Attestation> = match flaw {
                Flaw::SameSigner => links.chosen.clone(),
                _ => {
                    let same = |one: &&&Attestation| steps::flaw(step, one) == Some(flaw);
                    links.all.iter().filter(same).copied().collect()
                }
            };
            draft.fail(&step.rule, vec![steps::flawed(step, other, flaw, &at)]);
            continue;
        }
        if !links.chosen.is_empty() {
            draft.pass(&step.rule, bodies(links.chosen.iter().copied()), None);
            continue;
        }
        // Where nothing that should have used its products is there either, the step cannot be
        // looked for: the finding is that of the later step.
        let mut later = model.flows.iter().filter(|flow| flow.from.step == index).peekable();
        let sought = later.peek().is_none();
        let after: Vec<usize> =
            later.map(|flow| flow.to.step).filter(|step| chain.is_found(*step)).collect();
        if !sought && after.is_empty() {
            let detail = "it cannot be looked for: no step that uses its products is there";
            draft.follows(&step.rule, detail.into());
            continue;
        }
        let used: Vec<&Attestation> =
            after.iter().flat_map(|step| chain.chosen(*step)).copied().collect();
        draft.fail(&step.rule, vec![steps::missing(step, question.lineage.rejected(), &used)]);
    }
}

/// Says whether a required step made the very artifact, where the policy has steps that make
/// things: else a good chain of something that went in would do for what was built upon it.
pub(crate) fn reaches(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
    draft: &mut Draft,
) {
    let makes = |step: &Step| step.predicates.iter().any(|one| one == PROVENANCE);
    let steps = question.model.steps.iter().enumerate();
    let making: Vec<usize> = steps.filter(|(_, step)| makes(step)).map(|(at, _)| at).collect();
    if making.is_empty() {
        draft.not_applicable(REACHES, "the policy asks for no step that makes anything");
        return;
    }
    if !making.iter().all(|step| chain.is_found(*step)) {
        draft.follows(REACHES, "a required step does not hold itself".into());
        return;
    }
    let made = |one: &&&Attestation| one.subjects.iter().any(|one| past.is_itself(&one.artifact));
    let all = || making.iter().flat_map(|step| chain.chosen(*step));
    let last: Vec<&Attestation> = all().filter(made).copied().collect();
    if !last.is_empty() {
        draft.pass(REACHES, bodies(last), None);
        return;
    }
    let message = format!("no required step made {} itself", question.artifact);
    let next = "ask about what the last step made, or add the step that made it to the policy";
    let problem = Problem::fail(Code::FlowBroken, message, next);
    let about = question.lineage.about(&question.artifact);
    draft.fail(REACHES, vec![problem.shown_by(about).about([question.artifact])]);
}
