//! in-toto layouts: the supply chain of the artifact was carried out as a layout lays down.
//!
//! The policy names the layout, and so its owners vouch for it; the layout bears the signatures of
//! its own owners besides. Its links are among the believed statements (`verify::layout::among`):
//! whom the trust file does not let speak, or the policy does not believe, has done no step. The
//! last step must have made what is judged, else the links of another artifact would do.

use std::collections::BTreeSet;

use attest::in_toto::folder_name;
use attest::predicate::{LINK, PROVENANCE};
use attest::{ArtifactId, Sha256};
use verify::layout::{Evidence, SignedLayout, SignedLink, name_of};
use verify::{Attestation, Signer};

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, MAX_EVIDENCE, Problem};
use crate::layout::{
    Inspected, LayoutCode, LayoutDecision, LayoutFinding, LayoutPath, Parameters, Severity, judge,
};
use crate::model::{LogRule, Model};
use crate::remedy::{Means, Remedy};
use crate::whom::{Whom, is_logged};

/// A layout that must be met.
#[derive(Clone, Debug)]
pub(crate) struct LayoutMet {
    pub(crate) place: String,
    pub(crate) id: String,
    /// The layout, under its owners' signatures, with layouts in the place of some links, and no
    /// links.
    pub(crate) signed: SignedLayout,
    /// What stands for names in it; without any, braces stand for themselves.
    pub(crate) parameters: Option<Parameters>,
    /// The step of the policy whose products the layout leads to; the artifact itself without one.
    pub(crate) step: Option<usize>,
    pub(crate) log: LogRule,
    /// Whom the policy believes.
    pub(crate) believed: Whom,
}

impl Rule for LayoutMet {
    fn place(&self) -> &str {
        &self.place
    }

    fn asks(&self, model: &Model) -> String {
        let step = self.step.and_then(|step| model.steps.get(step));
        let what = step.map_or("the artifact".into(), |step| format!("what {} made", step.name));
        format!("{what} was made as the layout {} lays down", self.id)
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let mut reads = vec![Reads::Type(PROVENANCE.into()), Reads::Type(LINK.into())];
        reads.extend(self.step.and_then(|step| Reads::step(model, step)));
        reads.extend([Reads::Digests, Reads::Names, Reads::Signers(Vec::new()), Reads::Order]);
        let all = with_sublayouts(&self.signed).into_iter();
        reads.extend(all.map(|one| Reads::Moment(one.layout().expires)));
        reads
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let made = match self.step {
            None => BTreeSet::from([view.question.artifact]),
            Some(step) if !view.chain.is_found(step) => {
                let name = view.step_name(step);
                return draft.follows(self.place(), format!("follows from steps.{name}"));
            }
            Some(step) => {
                let chosen = view.chain.chosen(step).iter();
                chosen.flat_map(|one| &one.subjects).map(|one| one.artifact).collect()
            }
        };
        let all = view.question.lineage.attestations();
        let last = self.signed.layout().steps.last().map(|step| step.name.as_str());
        let ends = last_steps(&self.signed);
        // What the last step made of something else is another chain's.
        let candidates = all.iter().filter(|one| {
            name_of(one).is_none_or(|step| !ends.contains(step))
                || one.subjects.iter().any(|one| made.contains(&one.artifact))
        });
        let counts = |one: &Attestation, signer: &Signer| self.counts(one, signer);
        let signed = self.signed.among(candidates, counts);
        let decision =
            match judge(&signed, self.parameters.as_ref(), &Inspected::new(), view.question.now) {
                Ok(decision) => decision,
                Err(error) => {
                    let next = "give all that the layout asks for under `parameters`";
                    let problem = Problem::error(Code::LayoutUnmet, error.to_string(), next);
                    return draft.fail(self.place(), vec![problem]);
                }
            };
        if view.question.now < decision.until() {
            draft.until(decision.until());
        } else {
            draft.from(decision.until());
        }
        let mut problems: Vec<Problem> = Vec::new();
        let against = decision.findings().iter().filter(|one| one.severity != Severity::Note);
        for finding in against.take(MAX_EVIDENCE) {
            problems.push(self.problem(finding, &decision, all));
        }
        let ending = ending(&signed, &decision, &LayoutPath::new());
        if let (true, Some(last)) = (problems.is_empty(), last)
            && let Some(missing) = missing(&made, &ending, all)
        {
            let message = format!(
                "layout `{}`: its last step `{last}` did not make {missing}, which is judged",
                self.id
            );
            let next = format!("have `{last}` done with it among the products, and signed");
            let problem = Problem::fail(Code::LayoutUnmet, message, next);
            let problem = problem.shown_by_bodies(ending).about([missing]);
            problems.push(problem.mended(run(last)));
        }
        // Whatever stands against it or does not, a layout is met by evidence alone.
        if problems.is_empty() && !decision.passed() {
            let message = format!("layout `{}`: nothing says that any step was done", self.id);
            problems.push(Problem::fail(Code::LayoutMissing, message, self.next(None)));
        }
        if problems.is_empty() {
            for step in decision.steps() {
                let links = bodies_of(&decision, &step.name);
                let links: Vec<&Attestation> =
                    all.iter().filter(|one| links.contains(&one.body())).collect();
                draft.rests(self.place(), &links, |one, signer| self.counts(one, signer));
            }
            let links = decision.steps().iter().flat_map(|step| &step.links);
            // A layout is the policy's own and no evidence.
            let evidence = links.filter(|link| !link.sublayout).map(|link| link.body);
            draft.pass(self.place(), evidence.collect(), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl LayoutMet {
    fn counts(&self, one: &Attestation, signer: &Signer) -> bool {
        let logged = self.log == LogRule::Optional || is_logged(one, signer);
        logged && self.believed.admits(signer)
    }

    fn problem(
        &self,
        finding: &LayoutFinding,
        decision: &LayoutDecision,
        all: &[Attestation],
    ) -> Problem {
        let step = finding.item.as_deref();
        let bodies = step.map(|step| bodies_of(decision, step)).unwrap_or_default();
        let code = match finding.code {
            LayoutCode::Expired => Code::LayoutExpired,
            LayoutCode::Threshold if bodies.is_empty() => Code::LayoutMissing,
            _ => Code::LayoutUnmet,
        };
        let mut message = format!("layout `{}`", self.id);
        for folder in &finding.layout {
            message.push_str(&format!(", below `{folder}`"));
        }
        if let Some(step) = step {
            message.push_str(&format!(", step `{step}`"));
        }
        if let Some(rule) = &finding.rule {
            let side = rule.side.as_str().to_lowercase();
            message.push_str(&format!(", rule {} for {side} (`{}`)", rule.place, rule.text));
        }
        message.push_str(&format!(": {}", finding.message));
        // What a file with a good link would be called is of no use here.
        let near = finding.near.as_ref().filter(|_| finding.code != LayoutCode::Threshold);
        let next = match (code, near) {
            (Code::LayoutUnmet, Some(near)) => format!("{}; {near}", self.next(step)),
            (Code::LayoutExpired, _) => {
                "have the layout's owner sign a newer one, and register the policy with it".into()
            }
            _ => self.next(step),
        };
        let problem = match finding.severity {
            Severity::Undecided => Problem::error(code, message, next),
            _ => Problem::fail(code, message, next),
        };
        let refused = step.map(|step| self.refused(step, &bodies, all)).unwrap_or_default();
        let problem = problem.shown_by_bodies(bodies).considering(refused);
        match step {
            Some(step) if code != Code::LayoutExpired => problem.mended(run(step)),
            _ => problem,
        }
    }

    fn next(&self, step: Option<&str>) -> String {
        match step {
            Some(step) => format!(
                "have `{step}` done as the layout `{}` says, and signed by a key that it names there",
                self.id
            ),
            None => format!(
                "have every step done as the layout `{}` says, and signed by the keys that it names",
                self.id
            ),
        }
    }

    /// The statements that say they are of the step and are no link of it, with the reasons.
    fn refused(&self, step: &str, links: &[Sha256], all: &[Attestation]) -> Vec<(Sha256, String)> {
        let layouts = with_sublayouts(&self.signed);
        let may = |signer: &Signer| {
            layouts.iter().map(|one| one.layout()).any(|layout| {
                let known = layout.steps.iter().find(|known| known.name == step);
                let mut labels = known.into_iter().flat_map(|step| &step.pubkeys);
                labels.any(|label| {
                    let key = layout.keys.get(label).and_then(|key| key.identity());
                    key == Some(signer.key.digest())
                })
            })
        };
        let of_step = all.iter().filter(|one| name_of(one) == Some(step));
        let others = of_step.filter(|one| !links.contains(&one.body()));
        let reason = |one: &Attestation| {
            let signers: Vec<&Signer> = one.signers.iter().filter(|one| may(one)).collect();
            if signers.is_empty() {
                "signed by no key that the layout names for the step"
            } else if !signers.iter().any(|signer| self.counts(one, signer)) {
                "in no trusted log under such a key, or by nobody whom the policy believes"
            } else if !one.unidentified.is_empty() {
                "something that went in is known by no digest"
            } else {
                "about another artifact, or a later one by the same key counts"
            }
        };
        others.take(MAX_EVIDENCE).map(|one| (one.body(), reason(one).to_owned())).collect()
    }
}

/// A step of the layout is done by somebody whose key it names.
fn run(step: &str) -> Remedy {
    Remedy::new(Means::Run).argv(["assay", "run", "--step", step])
}

/// The statements that count for a step of the layout or of one below it: no two have a step of the
/// same name.
fn bodies_of(decision: &LayoutDecision, step: &str) -> Vec<Sha256> {
    let steps = decision.steps().iter().filter(|found| found.name == step);
    let links = steps.flat_map(|step| &step.links).filter(|link| !link.sublayout);
    links.map(|link| link.body).collect()
}

/// The layout and all that stand in the place of links, as many as the policy lets in.
fn with_sublayouts(signed: &SignedLayout) -> Vec<&SignedLayout> {
    let mut found = vec![signed];
    let mut at = 0;
    while let Some(layout) = found.get(at).copied() {
        found.extend(layout.links().iter().filter_map(below));
        at += 1;
    }
    found
}

const fn below(link: &SignedLink) -> Option<&SignedLayout> {
    match link.evidence() {
        Evidence::Layout(layout) => Some(layout),
        Evidence::Link(_) => None,
    }
}

/// The names of the last step, and of the last steps of layouts by which that is done.
fn last_steps(signed: &SignedLayout) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut open = vec![signed];
    while let Some(layout) = open.pop() {
        let Some(last) = layout.layout().steps.last() else { continue };
        found.insert(last.name.as_str());
        let links = layout.links().iter().filter(|link| link.step() == last.name);
        open.extend(links.filter_map(below));
    }
    found
}

/// The statements by which the last step of the layout at `path` was done, that of a sublayout where
/// it was done by one. Recursion ends with the sublayouts, which `verify::layout` bounds.
fn ending(signed: &SignedLayout, decision: &LayoutDecision, path: &LayoutPath) -> Vec<Sha256> {
    let Some(last) = signed.layout().steps.last() else { return Vec::new() };
    let here = decision.steps().iter().filter(|one| one.layout == *path && one.name == last.name);
    let mut found = Vec::new();
    for link in here.flat_map(|step| &step.links) {
        if !link.sublayout {
            found.push(link.body);
            continue;
        }
        let mut links = signed.links().iter();
        let layout = links.find(|one| one.step() == last.name && one.file() == link.file);
        let Some(layout) = layout.and_then(below) else { continue };
        let mut inner = path.clone();
        inner.push(folder_name(&last.name, &link.functionary.label));
        found.extend(ending(layout, decision, &inner));
    }
    found
}

/// What is judged and not all of `links` have made.
fn missing(
    made: &BTreeSet<ArtifactId>,
    links: &[Sha256],
    all: &[Attestation],
) -> Option<ArtifactId> {
    let links: Vec<&Attestation> = all.iter().filter(|one| links.contains(&one.body())).collect();
    let by_all =
        |artifact: &ArtifactId| !links.is_empty() && links.iter().all(|one| one.is_about(artifact));
    made.iter().find(|artifact| !by_all(artifact)).copied()
}
