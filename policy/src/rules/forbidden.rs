//! Forbidden flow, and hold-out data that must not have been learnt from.
//!
//! Such a rule knows the files that the recorder was told of or saw: its strength says so in
//! every report, and no finding claims more. What a step used without a digest that identifies it
//! could be anything, so that the rule cannot be decided. Every believed statement of a step is
//! read, not only those that count: a second statement that leaves a material out does not hide
//! the first, and a model that was tuned further has learnt what its base has.

use std::collections::BTreeSet;

use attest::{ArtifactId, Kind, Sha256};
use verify::Attestation;

use super::Question;
use super::chain::Chain;
use super::flow::{selected, unmatched};
use super::past::Past;
use super::steps;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Endpoint, Port, Strength};

/// What one step made must not enter another.
#[derive(Clone, Debug)]
pub(crate) struct Forbidden {
    pub(crate) rule: String,
    pub(crate) from: Endpoint,
    pub(crate) select: Option<String>,
    pub(crate) to: Endpoint,
    pub(crate) strength: Strength,
}

/// Data that must not enter a step.
#[derive(Clone, Debug)]
pub(crate) struct Holdout {
    pub(crate) rule: String,
    pub(crate) name: Option<String>,
    pub(crate) artifact: ArtifactId,
    pub(crate) step: usize,
    pub(crate) strength: Strength,
}

/// Says what came of every forbidden flow and every hold-out.
pub(crate) fn judge(question: Question<'_>, chain: &Chain<'_>, past: &Past<'_>, draft: &mut Draft) {
    let name = |step: usize| question.model.steps.get(step).map_or("", |step| step.name.as_str());
    for rule in &question.model.forbidden {
        let (from, to) = (name(rule.from.step), name(rule.to.step));
        if !chain.is_found(rule.from.step) || !chain.is_found(rule.to.step) {
            draft.follows(&rule.rule, format!("follows from steps.{from} or steps.{to}"));
            continue;
        }
        let makers = statements(chain, rule.from.step);
        let kept_out: Vec<ArtifactId> =
            makers.iter().flat_map(|maker| selected(rule.select.as_deref(), maker)).collect();
        if kept_out.is_empty() {
            draft.fail(&rule.rule, vec![unmatched(rule.select.as_deref(), from, &makers)]);
            continue;
        }
        let what = match &rule.select {
            Some(select) => format!("`{select}` of `{from}`"),
            None => format!("what `{from}` made"),
        };
        let entry = Entry { what, to, port: rule.to.port, strength: rule.strength };
        let takers = takers(question, chain, rule.to.step);
        entry.judge(&rule.rule, &kept_out, &takers, past, draft);
    }
    for rule in &question.model.holdouts {
        let to = name(rule.step);
        if !chain.is_found(rule.step) {
            draft.follows(&rule.rule, format!("follows from steps.{to}"));
            continue;
        }
        let what = rule
            .name
            .as_ref()
            .map_or_else(|| "the hold-out".to_owned(), |name| format!("the hold-out `{name}`"));
        let entry = Entry { what, to, port: Port::Materials, strength: rule.strength };
        let takers = takers(question, chain, rule.step);
        entry.judge(&rule.rule, &[rule.artifact], &takers, past, draft);
    }
}

/// Every believed statement of a step about anything that went in, chosen or not.
fn statements<'a>(chain: &Chain<'a>, step: usize) -> Vec<&'a Attestation> {
    chain.steps.get(step).map(|links| links.all.clone()).unwrap_or_default()
}

/// The same, and whatever else a signer of the step says of how the same products were made: under
/// the name of another step, or of none, what went in went in all the same.
fn takers<'a>(question: Question<'a>, chain: &Chain<'a>, step: usize) -> Vec<&'a Attestation> {
    let mut all = statements(chain, step);
    let Some(rule) = question.model.steps.get(step) else { return all };
    let products = all.iter().filter(|one| one.makes()).flat_map(|one| &one.subjects);
    let products: BTreeSet<ArtifactId> = products.map(|one| one.artifact).collect();
    let mut seen: BTreeSet<Sha256> = all.iter().map(|one| one.body()).collect();
    for other in products.iter().flat_map(|product| question.lineage.about(product)) {
        let counts =
            other.makes() && other.signers.iter().any(|signer| steps::is_named(rule, signer));
        if counts && seen.insert(other.body()) {
            all.push(other);
        }
    }
    all
}

/// Where something must not enter.
struct Entry<'a> {
    what: String,
    to: &'a str,
    port: Port,
    strength: Strength,
}

impl Entry<'_> {
    fn judge(
        &self,
        rule: &str,
        kept_out: &[ArtifactId],
        takers: &[&Attestation],
        past: &Past<'_>,
        draft: &mut Draft,
    ) {
        // What has a part of it, or is a part of it, has some of it.
        let mut touched: BTreeSet<ArtifactId> = BTreeSet::new();
        for artifact in kept_out {
            for part in past.with_parts(*artifact) {
                touched.extend(past.with_wholes(part));
            }
        }
        let Self { what, to, port, strength } = self;
        let (port, strength) = (port.as_str(), strength.as_str());
        let end = |one| super::joint::entering(Endpoint { step: 0, port: self.port }, one);
        let mut problems = Vec::new();
        for taker in takers {
            let found: Vec<ArtifactId> = end(taker).filter(|one| touched.contains(one)).collect();
            if !found.is_empty() {
                let message = format!("{what} is among the {port} of `{to}` ({strength})");
                let next = format!("run `{to}` again without {what}, and all that follows from it");
                let problem = Problem::fail(Code::FlowForbidden, message, next);
                problems.push(problem.shown_by([*taker]).about(found));
                continue;
            }
            if self.port != Port::Materials {
                continue;
            }
            let cannot_tell = |names: &[&str], why: &str, next: String| {
                let names: Vec<String> =
                    names.iter().take(3).map(|name| format!("`{name}`")).collect();
                let message = format!(
                    "`{to}` used {}, {why}: whether {what} was among its {port} cannot be told \
                     ({strength})",
                    names.join(", ")
                );
                Problem::error(Code::FlowForbidden, message, next).shown_by([*taker])
            };
            let unidentified: Vec<&str> = taker.unidentified.iter().map(String::as_str).collect();
            if !unidentified.is_empty() {
                let next = format!("record `{to}` with a sha256 digest of everything that it used");
                problems.push(cannot_tell(&unidentified, "which no digest identifies", next));
            }
            let closed: Vec<&str> = taker
                .materials
                .iter()
                .filter(|one| is_closed(&one.artifact, past))
                .map(|one| one.name.as_str())
                .collect();
            if !closed.is_empty() {
                let next = format!(
                    "record what made the folder, so that its manifest is known, or run `{to}` on \
                     the files themselves"
                );
                problems.push(cannot_tell(&closed, "of which no manifest is known", next));
            }
        }
        let closed = kept_out.iter().find(|artifact| is_closed(artifact, past));
        if let Some(closed) = closed.filter(|_| problems.is_empty()) {
            let message = format!(
                "no manifest of {what} ({closed}) is known: whether a file of it was among the \
                 {port} of `{to}` cannot be told ({strength})"
            );
            let next = "record what made the folder, so that its manifest is known";
            let problem = Problem::error(Code::FlowForbidden, message, next);
            problems.push(problem.shown_by(takers.iter().copied()).about([*closed]));
        }
        if problems.is_empty() {
            let detail = format!("as far as {strength} can show");
            draft.pass(rule, bodies(takers.iter().copied()), Some(detail));
        } else {
            draft.fail(rule, problems);
        }
    }
}

/// Whether an artifact is a folder and nobody knows what is in it: its digest alone does not say.
fn is_closed(artifact: &ArtifactId, past: &Past<'_>) -> bool {
    matches!(artifact.kind(), Some(Kind::Tree | Kind::Oms)) && past.parts(artifact).next().is_none()
}
