//! Stage order: what must have been passed before.
//!
//! A stage was passed when the last verification summary for it says PASSED. A summary counts
//! when it is about this very artifact, signed by the key of the verifier that it names, in the
//! register, for exactly that stage and for exactly this policy; where the register says which
//! policy is active, for the one that was active for that stage when the summary was registered,
//! as far as the activation that now counts accepts it. One whose signer's time has run
//! out since counts only if it says FAILED, and one is void that has not seen what speaks against
//! it. One falls with what it rests on when that is revoked.

use attest::predicate::{VerificationResult, VerificationSummary};
use attest::{Predicate, Sha256, StageName};
use verify::Attestation;

use super::Question;
use super::unseen::{Against, Fallen, Unseen};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Stage;
use crate::remedy::{Means, Remedy};

/// A verdict that a stage was passed, or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) one: &'a Attestation,
    pub(crate) summary: &'a VerificationSummary,
    pub(crate) says: LastVerdict,
}

/// What a verdict comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LastVerdict {
    /// PASSED.
    Passed,
    /// FAILED.
    Failed,
    /// PASSED, without having seen an entry that speaks against it.
    Void(Unseen),
    /// PASSED, by a statement that is revoked.
    Fallen(Fallen),
}

/// LastVerdict whether the stages before `stage` were passed.
pub(crate) fn judge(question: Question<'_>, stage: &Stage, draft: &mut Draft) {
    if stage.after.is_empty() {
        return;
    }
    let (mut evidence, mut problems) = (Vec::new(), Vec::new());
    for earlier in stage.after.iter().filter_map(|index| question.model.stages.get(*index)) {
        let name = &earlier.name;
        let mut verdicts = verdicts(question, name);
        match verdicts.pop() {
            Some(Verdict { one, says: LastVerdict::Passed, .. }) => {
                // Without the last verdict, an earlier one would do.
                let earlier = verdicts.iter().rev();
                let earlier = earlier.take_while(|one| one.says == LastVerdict::Passed);
                let alike: Vec<&Attestation> =
                    [one].into_iter().chain(earlier.map(|earlier| earlier.one)).collect();
                draft.rests(&stage.rule, &alike, |one, by| question.model.is_verifier(one, by));
                evidence.push(one);
            }
            Some(Verdict { one, says: LastVerdict::Failed, .. }) => {
                let problem = not_passed(question, name, "its last verdict is FAILED".into());
                let problem = problem.considering([(one.body(), "it says FAILED".into())]);
                problems.push(problem.shown_by([one]).about([question.artifact]));
            }
            Some(Verdict { one, says: LastVerdict::Void(unseen), .. }) => {
                let why = format!(
                    "its last verdict has not seen entry {}, which speaks against it",
                    unseen.index
                );
                let shown = [one.body(), unseen.body];
                let missed = format!("it has not seen entry {}", unseen.index);
                let problem = not_passed(question, name, why).shown_by_bodies(shown);
                let problem = problem.considering([(one.body(), missed)]);
                problems.push(problem.about([question.artifact]));
            }
            Some(Verdict { one, says: LastVerdict::Fallen(fallen), .. }) => {
                let problem = not_passed(question, name, format!("its last verdict {fallen}"));
                let problem = problem.shown_by_bodies([one.body(), fallen.by]);
                let problem = problem.considering([(one.body(), format!("it {fallen}"))]);
                problems.push(problem.about([question.artifact]));
            }
            None => {
                let near: Vec<&Attestation> = question
                    .lineage
                    .about(&question.artifact)
                    .filter_map(|one| summary(one).map(|summary| (one, summary)))
                    .filter(|(_, summary)| summary.stage().as_ref() == Some(name))
                    .map(|(one, _)| one)
                    .collect();
                let why = if near.is_empty() {
                    "no verdict says so".to_owned()
                } else {
                    format!(
                        "{} verdicts are by no trusted verifier, in no register or by another \
                         policy than counts",
                        near.len()
                    )
                };
                let considered =
                    near.iter().rev().map(|one| (one.body(), flaw(question, name, one)));
                let problem = not_passed(question, name, why).considering(considered);
                problems.push(problem.shown_by(near).about([question.artifact]));
            }
        }
    }
    if problems.is_empty() {
        draft.pass(&stage.rule, bodies(evidence), None);
    } else {
        draft.fail(&stage.rule, problems);
    }
}

/// The verdicts that count for `stage`, in the order of the register. Whom the policy does not
/// believe says nothing for the artifact, and all against it that the trust file lets them say.
pub(crate) fn verdicts<'a>(question: Question<'a>, stage: &StageName) -> Vec<Verdict<'a>> {
    let believed = |one: &Attestation| {
        question.model.narrowed.as_ref().is_none_or(|narrowed| narrowed.admits_verifier(one))
    };
    let about = question.lineage.about(&question.artifact);
    let about = about
        .filter_map(|one| summary(one).map(|summary| (one, summary)))
        .filter(|(one, summary)| !is_passed(summary) || believed(one));
    let lapsed = question.lineage.lapsed_about(&question.artifact);
    let lapsed = lapsed
        .filter_map(|one| summary(one).map(|summary| (one, summary)))
        .filter(|(_, summary)| !is_passed(summary));
    let counting: Vec<(&Attestation, &VerificationSummary, u64)> = about
        .chain(lapsed)
        .filter(|(one, summary)| counts(one, summary, stage, question))
        .filter_map(|(one, summary)| Some((one, summary, one.index?)))
        .collect();
    let passed = counting.iter().filter(|(_, summary, _)| is_passed(summary));
    let against = Against::of(question, passed.map(|(_, summary, index)| (*summary, *index)));
    let says = |(one, summary, index)| {
        let unseen = || against.unseen(question, summary, index).map(LastVerdict::Void);
        let fallen = || against.fallen(question, summary, index).map(LastVerdict::Fallen);
        let says = match is_passed(summary) {
            false => LastVerdict::Failed,
            true => unseen().or_else(fallen).unwrap_or(LastVerdict::Passed),
        };
        Verdict { one, summary, says }
    };
    let mut counting: Vec<Verdict<'_>> = counting.into_iter().map(says).collect();
    counting.sort_by_key(|verdict| verdict.one.index);
    counting
}

/// Whether the verdict is that every rule held.
fn is_passed(summary: &VerificationSummary) -> bool {
    summary.verification_result == VerificationResult::Passed
}

/// What is good for the artifact must be of the resource that its consumer expects, as SLSA has it:
/// the artifact itself.
fn counts(
    one: &Attestation,
    summary: &VerificationSummary,
    stage: &StageName,
    question: Question<'_>,
) -> bool {
    let Some(policy) = named(summary) else { return false };
    let model = question.model;
    let active = |index| question.lineage.activations().counts(stage, &policy, index);
    one.verifier.is_some()
        && one.index.is_some()
        && summary.stage().as_ref() == Some(stage)
        && one.subjects.len() == 1
        && (!is_passed(summary) || summary.resource_uri == question.artifact.to_string())
        && one.index.and_then(active).unwrap_or(model.any_version || policy == model.digest)
}

/// Why a summary for the stage does not count, in words.
fn flaw(question: Question<'_>, stage: &StageName, one: &Attestation) -> String {
    let Some(summary) = summary(one) else { return "it is no summary".into() };
    let believed = |one: &Attestation| {
        question.model.narrowed.as_ref().is_none_or(|narrowed| narrowed.admits_verifier(one))
    };
    match () {
        () if one.verifier.is_none() => {
            format!("signed by nobody who is the verifier `{}`", summary.verifier.id)
        }
        () if !believed(one) => "by a verifier whom the policy does not believe".into(),
        () if one.index.is_none() => "it is in no register".into(),
        () if one.subjects.len() != 1 => "it is about more than one artifact".into(),
        () if is_passed(summary) && summary.resource_uri != question.artifact.to_string() => {
            format!("it is of another resource, `{}`", summary.resource_uri)
        }
        () => match named(summary) {
            Some(policy) => format!("by the policy {policy}, which does not count for `{stage}`"),
            None => "it names no policy by its digest".into(),
        },
    }
}

/// The policy that a summary names.
fn named(summary: &VerificationSummary) -> Option<Sha256> {
    format!("sha256:{}", summary.policy.digest.get("sha256")?).parse().ok()
}

fn summary(attestation: &Attestation) -> Option<&VerificationSummary> {
    match &attestation.statement().predicate {
        Predicate::VerificationSummary(summary) => Some(summary),
        _ => None,
    }
}

fn not_passed(question: Question<'_>, stage: &StageName, why: String) -> Problem {
    let artifact = question.artifact.to_string();
    let argv = ["assay", "promote", &artifact, "--stage", stage.as_str()];
    Problem::fail(
        Code::StageNotPassed,
        format!("the stage `{stage}` was not passed: {why}"),
        format!("promote the artifact to `{stage}` first, by this policy"),
    )
    .mended(Remedy::new(Means::Command).argv(argv))
}
