//! What a verdict has not seen: entries that speak against what it is about and stand between the
//! checkpoint that it judged and its own place in the register.
//!
//! Such a verdict is void, whatever has become of the entry since: nobody decided with it in view.
//! One that names no checkpoint of this register, or one beyond its own place, has seen nothing.
//! What speaks against an artifact: a revocation, a verdict FAILED, monitoring that is not content,
//! tests that failed, a refused approval, and numbers that fall short of a rule of the policy.

use std::collections::{BTreeMap, BTreeSet};

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

/// What speaks against the artifact, of which each verdict may have seen a part: gathered once for
/// all verdicts, and looked up by place for each.
#[derive(Debug, Default)]
pub(super) struct Against {
    /// Whatever a verdict rests on, by place.
    always: Vec<Unseen>,
    /// That a statement counts no longer, by place.
    rejected: Vec<Unseen>,
    /// The same by the digest of the statement, in hex: it concerns what rests on it.
    of_body: BTreeMap<String, Vec<Unseen>>,
}

impl Against {
    /// What stands from the first entry on that one of `verdicts` has not seen, each with its place.
    pub(super) fn of<'a>(
        question: Question<'_>,
        verdicts: impl Iterator<Item = (&'a VerificationSummary, u64)>,
    ) -> Self {
        let unseen = verdicts.map(|(summary, index)| (seen(question, summary, index), index));
        let unseen: Vec<(u64, u64)> = unseen.filter(|(from, index)| from < index).collect();
        let first = unseen.iter().map(|(from, _)| *from).min();
        let last = unseen.iter().map(|(_, index)| *index).max();
        let Some((from, until)) = first.zip(last) else { return Self::default() };
        let between = |one: u64| from <= one && one < until;
        let lineage = question.lineage;
        let said = placed(lineage.attestations(), from, until);
        let said = said.iter().chain(placed(lineage.lapsed(), from, until));
        let said = said.filter(|one| speaks_against(question, one));
        let said = said.filter_map(|one| Some(Unseen { index: one.index?, body: one.body() }));
        let revoked = lineage.all_revoked().values();
        let revoked = revoked.map(|one| Unseen { index: one.by.index, body: one.by.body });
        let revoked = revoked.filter(|one| between(one.index));

        let mut against = Self { always: said.chain(revoked).collect(), ..Self::default() };
        for one in lineage.rejected() {
            let unseen = match one.why {
                Rejection::Revoked { index, by } | Rejection::RevokedKey { index, by, .. } => {
                    Unseen { index, body: by }
                }
                _ => continue,
            };
            if between(unseen.index) {
                against.rejected.push(unseen);
                against.of_body.entry(one.body.hex()).or_default().push(unseen);
            }
        }
        for list in [&mut against.always, &mut against.rejected] {
            list.sort_by_key(|one| one.index);
        }
        for list in against.of_body.values_mut() {
            list.sort_by_key(|one| one.index);
        }
        against
    }

    /// The first entry that the verdict `summary` in the entry `index` has not seen.
    pub(super) fn unseen(
        &self,
        question: Question<'_>,
        summary: &VerificationSummary,
        index: u64,
    ) -> Option<Unseen> {
        let from = seen(question, summary, index);
        let always = first(&self.always, from, index);
        if self.rejected.is_empty() {
            return always;
        }
        let inputs = inputs(summary);
        // Inputs are all or none: where none are named, nobody knows what it rests on.
        let rejected = match inputs.is_empty() {
            true => first(&self.rejected, from, index),
            false => {
                let of = inputs.iter().filter_map(|body| self.of_body.get(*body));
                of.filter_map(|list| first(list, from, index)).min_by_key(|one| one.index)
            }
        };
        always.into_iter().chain(rejected).min_by_key(|one| one.index)
    }
}

/// Those that stand in the entries from `from` to before `until`, of statements in the order of the
/// register with those outside of it last.
fn placed(all: &[Attestation], from: u64, until: u64) -> &[Attestation] {
    let start = all.partition_point(|one| one.index.is_some_and(|one| one < from));
    let end = all.partition_point(|one| one.index.is_some_and(|one| one < until));
    all.get(start..end).unwrap_or_default()
}

/// The first from `from` on that stands before `until`, of entries by place.
fn first(all: &[Unseen], from: u64, until: u64) -> Option<Unseen> {
    let start = all.partition_point(|one| one.index < from);
    all.get(start).copied().filter(|one| one.index < until)
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
