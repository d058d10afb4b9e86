//! What a verdict has not seen: entries that speak against what it is about and stand between the
//! checkpoint that it judged and its own place in the register.
//!
//! Such a verdict is void, whatever has become of the entry since: nobody decided with it in view.
//! One that names no checkpoint of this register, or one beyond its own place, has seen nothing.
//! What speaks against an artifact: a revocation, a verdict FAILED, monitoring that is not content,
//! tests that failed, a refused approval, and numbers that fall short of a rule of the policy.

use std::collections::BTreeSet;

use attest::predicate::{VerificationResult, VerificationSummary};
use attest::{Predicate, Sha256};
use verify::{Attestation, Completeness, Rejection};

use super::Question;

/// An entry that a verdict should have taken into account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unseen {
    /// Its place.
    pub index: u64,
    /// Its body.
    pub body: Sha256,
}

/// The first entry that the verdict `summary` in the entry `index` has not seen.
pub(super) fn by(
    question: Question<'_>,
    summary: &VerificationSummary,
    index: u64,
) -> Option<Unseen> {
    let lineage = question.lineage;
    let from = seen(question, summary, index);
    if from == index {
        return None;
    }
    let between = |one: u64| from <= one && one < index;
    let all = lineage.attestations();
    let start = all.partition_point(|one| one.index.is_some_and(|one| one < from));
    let said = all.get(start..).unwrap_or_default().iter();
    // They stand in the order of the register, those outside of it last.
    let said = said.take_while(|one| one.index.is_some_and(between));
    let lapsed = lineage.lapsed().iter().filter(|one| one.index.is_some_and(between));
    let said = said.chain(lapsed).filter(|one| speaks_against(question, one));
    let said = said.filter_map(|one| Some(Unseen { index: one.index?, body: one.body() }));

    let revoked = lineage.all_revoked().values();
    let revoked = revoked.map(|one| Unseen { index: one.by.index, body: one.by.body });

    let rejected = lineage.rejected().iter().filter_map(|one| match one.why {
        Rejection::Revoked { index, by } | Rejection::RevokedKey { index, by, .. } => {
            Some((one.body, Unseen { index, body: by }))
        }
        _ => None,
    });
    let rejected: Vec<(Sha256, Unseen)> = rejected.filter(|(_, one)| between(one.index)).collect();
    let inputs = if rejected.is_empty() { BTreeSet::new() } else { inputs(summary) };
    // Inputs are all or none: where none are named, nobody knows what it rests on.
    let rested = |body: &Sha256| inputs.is_empty() || inputs.contains(body.hex().as_str());
    let rejected = rejected.iter().filter(|(body, _)| rested(body)).map(|(_, one)| *one);

    let unseen = said.chain(revoked).chain(rejected).filter(|one| between(one.index));
    unseen.min_by_key(|one| one.index)
}

/// How many entries of the register the verdict has seen.
fn seen(question: Question<'_>, summary: &VerificationSummary, index: u64) -> u64 {
    let origin = match question.lineage.completeness() {
        Completeness::Followed { origin, .. } | Completeness::Claimed { origin, .. } => {
            Some(origin)
        }
        _ => None,
    };
    let judged = summary.checkpoint.as_ref();
    let judged = judged.filter(|judged| origin.is_none_or(|origin| *origin == judged.origin));
    judged.map(|judged| judged.size).filter(|size| *size <= index).unwrap_or(0)
}

fn inputs(summary: &VerificationSummary) -> BTreeSet<&str> {
    let inputs = summary.input_attestations.iter();
    inputs.filter_map(|input| input.digest.get("sha256").map(String::as_str)).collect()
}

fn speaks_against(question: Question<'_>, one: &Attestation) -> bool {
    match &one.statement().predicate {
        Predicate::Revocation(_) => true,
        Predicate::VerificationSummary(summary) => {
            one.verifier.is_some() && summary.verification_result == VerificationResult::Failed
        }
        Predicate::Monitoring(window) => window.verdict != "OK" || window.recommendation != "NONE",
        Predicate::TestResult(tests) => !matches!(tests.result.as_str(), "PASSED" | "WARNED"),
        Predicate::Approval(approval) => approval.decision != "APPROVED",
        Predicate::Evaluation(_) => {
            question.model.metrics.iter().any(|metric| metric.falls_short(one))
        }
        _ => false,
    }
}
