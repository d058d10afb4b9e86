//! Joints: which statements of two steps belong together by one flow.

use std::collections::BTreeMap;

use attest::ArtifactId;
use verify::Attestation;

use super::chain::Chain;
use super::flow::Flow;
use super::past::Past;
use super::together;
use crate::model::{Coverage, Endpoint, Port};

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

/// Who hands what to whom by one flow.
#[derive(Debug)]
pub(crate) struct Joint {
    pub(crate) state: FlowState,
    /// For each statement of the first step, for each selected product, the statements of the
    /// second step that have it.
    from: Vec<Vec<Vec<usize>>>,
}

impl together::Fits for Joint {
    fn fits(&self, maker: usize, taker: usize) -> bool {
        self.from
            .get(maker)
            .into_iter()
            .flatten()
            .any(|takers| takers.binary_search(&taker).is_ok())
    }
}

impl Joint {
    pub(crate) fn of(flow: &Flow, chain: &Chain<'_>, past: &Past<'_>) -> Self {
        if !chain.is_found(flow.from.step) || !chain.is_found(flow.to.step) {
            return Self { state: FlowState::NoStep, from: Vec::new() };
        }
        let mut takers: BTreeMap<ArtifactId, Vec<usize>> = BTreeMap::new();
        for (place, taker) in chain.chosen(flow.to.step).iter().enumerate() {
            for artifact in entering(flow.to, taker) {
                let mut enters = |part: ArtifactId| {
                    let places = takers.entry(part).or_default();
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                };
                if past.has_parts() {
                    past.with_parts(artifact).into_iter().for_each(enters);
                } else {
                    enters(artifact);
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
    pub(crate) fn narrow(
        &self,
        flow: &Flow,
        alive: &mut [Vec<bool>],
        changed: &mut bool,
    ) -> FlowState {
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
        // Both are in the order in which statements were entered.
        common.retain(|place| places.binary_search(place).is_ok());
        if common.is_empty() {
            break;
        }
    }
    common.unwrap_or_default()
}
