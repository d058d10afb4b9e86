//! What takes a verdict away: entries that it has not seen, and revocations of what it rests on.
//!
//! What speaks against the artifact between the checkpoint that a verdict judged and its own place
//! in the register makes it void, whatever has become of the entry since: nobody decided with it in
//! view. One that names no checkpoint of this register, or one beyond its own place, has seen
//! nothing. What speaks against an artifact: a revocation, a verdict FAILED, monitoring that is not
//! content, tests that failed, a refused approval, and numbers that fall short of a rule of the
//! policy.
//!
//! A verdict also falls with what it rests on, at whatever place that was revoked: what a stolen key
//! said, or a waiver that was called back, must not count for as long as nobody asks again. It falls
//! with an earlier verdict in the same way. One that names no inputs may rest on any statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// That a statement on which a verdict rests was revoked, and by which entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fallen {
    /// The body of the statement.
    pub statement: Sha256,
    /// What the entry revokes.
    pub revoked: Withdrawn,
    /// The place of the revocation.
    pub index: u64,
    /// The body of the revocation.
    pub by: Sha256,
    /// How many entries the verdict must have seen to have been given in spite of it.
    spared: Option<u64>,
}

/// What was revoked of a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Withdrawn {
    /// The statement.
    Statement,
    /// A key that signed it.
    Key,
    /// The builder that it says made its subjects.
    Builder,
}

/// What speaks against the artifact, of which each verdict may have seen a part: gathered once for
/// all verdicts, and looked up by place for each.
#[derive(Debug, Default)]
pub(super) struct Against {
    /// Whatever a verdict rests on, by place.
    always: Vec<Unseen>,
    /// That a statement counts no longer as it did, by place of the revocation.
    fallen: Vec<Fallen>,
    /// The same by the digest of the statement, in hex, and of each verdict that rests on it.
    of_body: BTreeMap<String, Fallen>,
}

impl Against {
    /// What stands against one of `verdicts`, each with its place.
    pub(super) fn of<'a>(
        question: Question<'_>,
        verdicts: impl Iterator<Item = (&'a VerificationSummary, u64)>,
    ) -> Self {
        let verdicts: Vec<(u64, u64)> =
            verdicts.map(|(summary, index)| (seen(question, summary, index), index)).collect();
        if verdicts.is_empty() {
            return Self::default();
        }
        let unseen = verdicts.iter().filter(|(from, index)| from < index);
        let first = unseen.clone().map(|(from, _)| *from).min();
        let last = unseen.map(|(_, index)| *index).max();
        let always = match first.zip(last) {
            Some((from, until)) => between(question, from, until),
            None => Vec::new(),
        };
        let mut fallen: Vec<Fallen> = fallen(question).collect();
        fallen.sort_by_key(|one| one.index);
        let of_body = fallen.iter().map(|one| (one.statement.hex(), *one)).collect();
        let mut against = Self { always, fallen, of_body };
        against.spread(question);
        against
    }

    /// What falls falls with every verdict that rests on it.
    fn spread(&mut self, question: Question<'_>) {
        if self.of_body.is_empty() {
            return;
        }
        let mut resting: BTreeMap<&str, Vec<(String, u64)>> = BTreeMap::new();
        let verdicts = question.lineage.attestations().iter().chain(question.lineage.lapsed());
        for one in verdicts {
            let Predicate::VerificationSummary(summary) = &one.statement().predicate else {
                continue;
            };
            let Some(index) = one.index else { continue };
            let from = seen(question, summary, index);
            for input in inputs(summary) {
                resting.entry(input).or_default().push((one.body().hex(), from));
            }
        }
        // What reaches furthest goes first and is handed on as it is: so each verdict is entered
        // once at most, by the one that reaches furthest, and this ends.
        let mut open: Vec<(u64, String)> =
            self.of_body.iter().map(|(body, fallen)| (fallen.reach(), body.clone())).collect();
        open.sort_unstable();
        while let Some((_, body)) = open.pop() {
            let Some(fallen) = self.of_body.get(&body).copied() else { continue };
            for (verdict, from) in resting.remove(body.as_str()).unwrap_or_default() {
                let known = self.of_body.get(&verdict);
                let is_further = known.is_none_or(|known| known.reach() < fallen.reach());
                if fallen.fells(from) && is_further {
                    self.of_body.insert(verdict.clone(), fallen);
                    open.push((fallen.reach(), verdict));
                }
            }
        }
    }

    /// The first entry that the verdict `summary` in the entry `index` has not seen.
    pub(super) fn unseen(
        &self,
        question: Question<'_>,
        summary: &VerificationSummary,
        index: u64,
    ) -> Option<Unseen> {
        let from = seen(question, summary, index);
        let start = self.always.partition_point(|one| one.index < from);
        self.always.get(start).copied().filter(|one| one.index < index)
    }

    /// The first revocation that takes from the verdict `summary` in the entry `index` what it
    /// rests on.
    pub(super) fn fallen(
        &self,
        question: Question<'_>,
        summary: &VerificationSummary,
        index: u64,
    ) -> Option<Fallen> {
        let from = seen(question, summary, index);
        let inputs = inputs(summary);
        // Inputs are all or none: where none are named, nobody knows what it rests on, but it is
        // on nothing of which the verdict has seen that it is revoked.
        if inputs.is_empty() {
            let start = self.fallen.partition_point(|one| one.index < from);
            return self.fallen.get(start).copied();
        }
        let of = inputs.iter().filter_map(|body| self.of_body.get(*body));
        of.filter(|one| one.fells(from)).min_by_key(|one| one.index).copied()
    }
}

impl Fallen {
    /// Whether it fells a verdict that rests on the statement and has seen `seen` entries.
    fn fells(&self, seen: u64) -> bool {
        seen < self.reach()
    }

    /// How many entries a verdict must have seen that it does not fell.
    fn reach(&self) -> u64 {
        self.spared.unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Fallen {
    /// What was revoked, after a name of the verdict: "rests on …, and entry 5 revokes it".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.revoked {
            Withdrawn::Statement => "it",
            Withdrawn::Key => "a key that signed it",
            Withdrawn::Builder => "its builder",
        };
        write!(out, "rests on {}, and entry {} revokes {what}", self.statement, self.index)
    }
}

/// What speaks against the artifact from the entry `from` to before `until`, by place.
fn between(question: Question<'_>, from: u64, until: u64) -> Vec<Unseen> {
    let lineage = question.lineage;
    let said = placed(lineage.attestations(), from, until);
    let said = said.iter().chain(placed(lineage.lapsed(), from, until));
    let said = said.filter(|one| speaks_against(question, one));
    let said = said.filter_map(|one| Some(Unseen { index: one.index?, body: one.body() }));
    let revoked = lineage.all_revoked().values();
    let revoked = revoked.map(|one| Unseen { index: one.by.index, body: one.by.body });
    let revoked = revoked.filter(|one| from <= one.index && one.index < until);
    let mut all: Vec<Unseen> = said.chain(revoked).collect();
    all.sort_by_key(|one| one.index);
    all
}

/// The statements that were revoked, and those that lost a signature by a revocation. What counts
/// by those that it has left may well be what a verdict rests on that has seen it.
fn fallen(question: Question<'_>) -> impl Iterator<Item = Fallen> {
    let lineage = question.lineage;
    let gone = lineage.rejected().iter().filter_map(|one| of(one.body, &one.why));
    let counting = lineage.attestations().iter().chain(lineage.lapsed());
    let less = counting.filter_map(|one| {
        let fallen = of(one.body(), one.voided.as_ref()?)?;
        Some(Fallen { spared: fallen.index.checked_add(1), ..fallen })
    });
    gone.chain(less)
}

fn of(statement: Sha256, why: &Rejection) -> Option<Fallen> {
    let (revoked, index, by) = match why {
        Rejection::Revoked { index, by } => (Withdrawn::Statement, *index, *by),
        Rejection::RevokedKey { index, by, .. } => (Withdrawn::Key, *index, *by),
        Rejection::RevokedBuilder { index, by, .. } => (Withdrawn::Builder, *index, *by),
        _ => return None,
    };
    Some(Fallen { statement, revoked, index, by, spared: None })
}

/// Those that stand in the entries from `from` to before `until`, of statements in the order of the
/// register with those outside of it last.
fn placed(all: &[Attestation], from: u64, until: u64) -> &[Attestation] {
    let start = all.partition_point(|one| one.index.is_some_and(|one| one < from));
    let end = all.partition_point(|one| one.index.is_some_and(|one| one < until));
    all.get(start..end).unwrap_or_default()
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
