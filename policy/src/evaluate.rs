//! Judging: every rule in turn, then what the verdict rests on.

use attest::predicate::is_provenance;
use attest::{ArtifactId, StageName, Timestamp};
use verify::{Attestation, Custody, Direction, History};

use crate::code::Code;
use crate::decision::{Decision, Outcome, PolicyName, SingleKey};
use crate::draft::{Draft, Problem};
use crate::model::{Mode, Model, OnError, Stage};
use crate::remedy;
use crate::report::MAX_LISTED;
use crate::rules::chain::Chain;
use crate::rules::past::Past;
use crate::rules::rule::View;
use crate::rules::{
    Question, ages, build_level, corroboration, flow, forbidden, history, metrics, rego, required,
    revoked, stages, steps, trust,
};

/// Judges `artifact` for `stage`. What is only supposed decides nothing.
pub(crate) fn evaluate(
    model: &Model,
    artifact: &ArtifactId,
    stage: &StageName,
    lineage: &History,
    now: Timestamp,
) -> Decision {
    let supposed = lineage.is_supposed().then(|| {
        let message = "the lineage rests on what is only supposed".into();
        Problem::error(Code::TraceUnexplored, message, "trace the artifact by what is registered")
    });
    judged(model, artifact, stage, lineage, now, supposed)
}

/// What judging would come to, were everything true that `lineage` supposes.
pub(crate) fn suppose(
    model: &Model,
    artifact: &ArtifactId,
    stage: &StageName,
    lineage: &History,
    now: Timestamp,
) -> Decision {
    judged(model, artifact, stage, lineage, now, None)
}

fn judged(
    model: &Model,
    artifact: &ArtifactId,
    stage: &StageName,
    lineage: &History,
    now: Timestamp,
    refused: Option<Problem>,
) -> Decision {
    let question = Question { model, artifact: *artifact, lineage, now };
    let mut draft = Draft::new(lineage.holds());
    let found = model.stages.iter().find(|known| known.name == *stage);
    let basis = match refused.or_else(|| other_question(question)) {
        Some(problem) => {
            draft.fail(history::EXPLORED, vec![problem]);
            Basis::default()
        }
        None => judge(question, stage, found, &mut draft),
    };
    let waivers = match &model.waivers {
        Some(waivers) => waivers.apply(question, stage, &mut draft),
        None => Vec::new(),
    };
    remedy::complete(question, stage, &mut draft);
    for rule in &mut draft.rules {
        rule.asks = model.asks.get(&rule.rule).cloned();
    }
    Decision {
        artifact: *artifact,
        stage: stage.clone(),
        mode: found.map_or(Mode::Enforce, |stage| stage.mode),
        on_error: found.map_or(OnError::Deny, |stage| stage.on_error),
        holds: draft.holds,
        rules: draft.rules,
        findings: draft.findings,
        inputs: draft.inputs,
        single_keys: basis.single_keys,
        build_level: basis.level,
        shown_level: basis.shown,
        level_reason: basis.reason,
        policy: PolicyName {
            name: model.name.clone(),
            version: model.version,
            uri: model.uri.clone(),
            digest: model.digest,
        },
        trust: lineage.trust(),
        completeness: lineage.completeness().clone(),
        rejected: lineage.rejected().iter().take(MAX_LISTED).cloned().collect(),
        unexplored: lineage.unexplored().iter().take(MAX_LISTED).cloned().collect(),
        waivers,
    }
}

/// A lineage that answers another question decides nothing here.
fn other_question(question: Question<'_>) -> Option<Problem> {
    let lineage = question.lineage;
    if lineage.root() == question.artifact && lineage.direction() == Direction::Up {
        return None;
    }
    let message = format!("the lineage is not that of what made {}", question.artifact);
    let next = "trace upwards from the artifact itself";
    Some(Problem::error(Code::TraceUnexplored, message, next))
}

fn judge(
    question: Question<'_>,
    name: &StageName,
    stage: Option<&Stage>,
    draft: &mut Draft,
) -> Basis {
    if stage.is_none() {
        let message = format!("the policy has no stage `{name}`");
        let next = "ask about a stage of the policy";
        draft.fail("stages", vec![Problem::fail(Code::StageUnknown, message, next)]);
    }
    trust::judge(question, stage.map_or(Mode::Enforce, |stage| stage.mode), draft);
    history::completeness(question, draft);
    let past = Past::of(question.lineage, question.artifact);
    let chain = Chain::of(question, &past);
    let known = history::is_known(question, &chain, &past, draft);
    history::explored(question, &chain, &past, draft);
    revoked::judge(question, &chain, &past, draft);
    let view = View { question, stage, chain: &chain, past: &past };
    for rule in question.model.rules.iter().filter(|rule| rule.is_of_the_policy()) {
        rule.judge(view, draft);
    }
    if !known {
        // One finding says it all: every rule would only say it again.
        let model = question.model;
        for rule in model.steps.iter().map(|step| &step.rule) {
            draft.follows(rule, format!("follows from {}", history::KNOWN));
        }
        return Basis::default();
    }
    if let Some(stage) = stage {
        stages::judge(question, stage, draft);
    }
    history::consistent(question, &chain, &past, draft);
    required::judge(question, &chain, draft);
    required::reaches(question, &chain, &past, draft);
    flow::judge(question, &chain, draft);
    forbidden::judge(question, &chain, &past, draft);
    let read = metrics::judge(question, &chain, draft);
    ages::judge(question, &chain, &past, &read, draft);
    for rule in question.model.rules.iter().filter(|rule| !rule.is_of_the_policy()) {
        rule.judge(view, draft);
    }
    rego::judge(question, name.as_str(), &chain, draft);
    // No document without a step is read; a verdict would be vacuous all the same.
    if question.model.steps.is_empty() {
        let message = "the policy asks for no step".into();
        let next = "write down what must hold";
        draft.fail("policy", vec![Problem::fail(Code::PolicyEmpty, message, next)]);
    }
    Basis::of(question, &chain, draft)
}

/// On whom the verdict rests.
#[derive(Debug)]
struct Basis {
    single_keys: Vec<SingleKey>,
    level: u8,
    shown: u8,
    reason: &'static str,
}

impl Default for Basis {
    fn default() -> Self {
        Self { single_keys: Vec::new(), level: 0, shown: 0, reason: "no provenance was relied on" }
    }
}

impl Basis {
    fn of(question: Question<'_>, chain: &Chain<'_>, draft: &Draft) -> Self {
        let mut basis = Self::default();
        let mut shared = false;
        for (step, links) in question.model.steps.iter().zip(&chain.steps) {
            let Some(last) = links.last() else { continue };
            let counting = || last.signers.iter().filter(|signer| steps::is_named(step, signer));
            // What somebody else has come to as well does not rest on one key.
            let place = corroboration::place(step.name.as_str());
            let corroborated =
                draft.rules.iter().any(|rule| rule.rule == place && rule.outcome == Outcome::Pass);
            if !corroborated
                && steps::owners(step, last).len() == 1
                && let Some(signer) = counting().next()
            {
                basis.single_keys.push(SingleKey::of_step(step.name.as_str(), signer));
            }
            let provenance = |one: &&&Attestation| is_provenance(&one.predicate_type);
            for one in links.chosen.iter().filter(provenance) {
                basis.level = 2;
                let shown = build_level::level(question.model, step, one);
                basis.shown = if basis.shown == 0 { shown } else { basis.shown.min(shown) };
                shared |= one
                    .signers
                    .iter()
                    .filter(|signer| steps::is_named(step, signer))
                    .all(|signer| signer.custody == Custody::Shared);
            }
        }
        let passes = |key: &&SingleKey| {
            let mut rules = draft.rules.iter();
            rules.any(|rule| Some(&rule.rule) == key.rule.as_ref() && rule.outcome == Outcome::Pass)
        };
        basis.single_keys.extend(draft.single_keys.iter().filter(passes).cloned());
        if basis.shown > 1 {
            (basis.level, basis.reason) =
                (basis.shown, "every builder reaches it, as the policy says");
        } else if basis.level > 0 {
            (basis.level, basis.reason) = if shared {
                (1, "a step could read the key that signed for it")
            } else {
                (
                    2,
                    "every step was signed with a key that it cannot read; what isolates the \
                     builds is not known",
                )
            };
        }
        basis
    }
}
