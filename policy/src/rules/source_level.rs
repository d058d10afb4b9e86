//! The level of SLSA's source track: what a verifier says of the commits that were used.
//!
//! Source: SLSA v1.2, "Source: Verifying source" and "Verification Summary Attestation". A summary
//! about the commit counts when its verifier is one whom the policy believes, by a policy that is
//! named here, registered and young enough. The last one decides; a failure counts whoever of the
//! trust file's verifiers it is by.

use std::collections::BTreeSet;

use attest::predicate::{VerificationResult, VerificationSummary};
use attest::{ArtifactId, Predicate, Sha256};
use verify::Attestation;

use super::rule::{Asked, Reads, Rule, View, older};
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::remedy::{self, Means, Remedy};

/// What the levels of the track start with.
const TRACK: &str = "SLSA_SOURCE_LEVEL_";

/// The level that every commit must have.
#[derive(Clone, Debug)]
pub(crate) struct SourceLevel {
    pub(crate) level: u8,
    pub(crate) steps: Vec<usize>,
    pub(crate) policies: Vec<Sha256>,
    pub(crate) max_age: MaxAge,
}

impl Rule for SourceLevel {
    fn place(&self) -> &str {
        "slsa.source"
    }

    fn asks(&self, _: &Model) -> String {
        format!(
            "every commit that was used has SLSA Source L{}, verified at most {} ago",
            self.level, self.max_age
        )
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let mut reads: Vec<Reads> =
            self.steps.iter().filter_map(|step| Reads::step(model, *step)).collect();
        reads.extend([
            Reads::Digests,
            Reads::Type(attest::predicate::VERIFICATION_SUMMARY.into()),
            Reads::field("/predicate/verificationResult"),
            Reads::field("/predicate/verifiedLevels/*"),
            Reads::field("/predicate/policy/digest/sha256"),
            Reads::Order,
            Reads::age(self.max_age),
            Reads::Word(format!("{TRACK}{}", self.level.saturating_sub(1))),
        ]);
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let types = vec![attest::predicate::VERIFICATION_SUMMARY];
        vec![Asked::by("say which level a commit has", None, types)]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let (mut commits, mut problems) = (BTreeSet::new(), Vec::new());
        for step in &self.steps {
            let name = view.step_name(*step);
            if !view.chain.is_found(*step) {
                draft.follows(self.place(), format!("follows from steps.{name}"));
                return;
            }
            for one in view.chain.chosen(*step) {
                let used = one.materials.iter().map(|material| material.artifact);
                let used: Vec<ArtifactId> =
                    used.filter(|one| matches!(one, ArtifactId::Git(_))).collect();
                if used.is_empty() {
                    let message = format!("the statement of `{name}` names no commit");
                    let next = format!("run `{name}` in a git repository, so that it is recorded");
                    let again = Remedy::step(Means::Anew, view.question, view.chain, *step);
                    let problem = Problem::fail(Code::SlsaSource, message, next).mended(again);
                    problems.push(problem.shown_by([*one]));
                }
                commits.extend(used);
            }
        }
        let mut evidence = Vec::new();
        for commit in &commits {
            match self.verified(view, commit, draft) {
                Ok(one) => {
                    let model = view.question.model;
                    draft.rests(self.place(), &[one], |one, by| model.is_verifier(one, by));
                    evidence.push(one);
                }
                Err(problem) => {
                    let remedy = self.mending(view, commit);
                    problems.push(problem.about([*commit]).mended(remedy));
                }
            }
        }
        if problems.is_empty() {
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl SourceLevel {
    /// A verdict on the commit by whoever may give one.
    fn mending(&self, view: View<'_, '_>, commit: &ArtifactId) -> Remedy {
        let level = format!("{TRACK}{}", self.level);
        let narrowed = view.question.model.narrowed.as_ref();
        let pair = narrowed.and_then(|one| one.verifiers.as_ref()?.first());
        let id = pair.map(|pair| pair.id.as_str());
        let statement = remedy::source_summary(view.question, commit, &level, &self.policies, id);
        let signers = pair.map(|pair| vec![pair.signer.clone()]);
        Remedy { signers: signers.unwrap_or_default(), ..Remedy::new(Means::Statement) }
            .with(statement)
    }

    fn verified<'a>(
        &self,
        view: View<'_, 'a>,
        commit: &ArtifactId,
        draft: &mut Draft,
    ) -> Result<&'a Attestation, Problem> {
        let next = format!(
            "have {commit} verified at SLSA Source L{} by a trusted verifier, and submit the \
             summary to the register",
            self.level
        );
        let narrowed = view.question.model.narrowed.as_ref();
        let believed = |one: &Attestation, summary: &VerificationSummary| {
            one.verifier.is_some()
                && one.index.is_some()
                && one.subjects.len() == 1
                && summary.verified_levels.iter().any(|level| level.starts_with(TRACK))
        };
        let passes = |one: &Attestation, summary: &VerificationSummary| {
            let digest = summary.policy.digest.get("sha256");
            narrowed.is_none_or(|narrowed| narrowed.admits_verifier(one))
                && self.policies.iter().any(|policy| digest.is_some_and(|hex| *hex == policy.hex()))
        };
        let mut found: Vec<(&Attestation, &VerificationSummary)> = Vec::new();
        let said = view.about(commit, summary).into_iter();
        let lapsed = view.lapsed(commit, summary).into_iter();
        let failed = |summary: &VerificationSummary| {
            summary.verification_result != VerificationResult::Passed
        };
        found.extend(said.filter(|(one, summary)| failed(summary) || passes(one, summary)));
        found.extend(lapsed.filter(|(_, summary)| failed(summary)));
        found.retain(|(one, summary)| believed(one, summary) || failed(summary));
        let Some((one, summary)) = found.into_iter().max_by_key(|(one, _)| one.index) else {
            let message = format!("no summary that counts says which source level {commit} has");
            let near = view.about(commit, summary).into_iter().rev();
            let why = |(one, summary): (&Attestation, &VerificationSummary)| {
                let why = match () {
                    () if one.verifier.is_none() => "by no verifier of the trust file",
                    () if one.index.is_none() => "it is in no log",
                    () if !passes(one, summary) => "by a policy or verifier that does not count",
                    () => "it says nothing of a source level",
                };
                (one.body(), why.to_owned())
            };
            return Err(Problem::fail(Code::SlsaSource, message, next).considering(near.map(why)));
        };
        let wrong = |message: String| {
            Err(Problem::fail(Code::SlsaSource, message, next.clone()).shown_by([one]))
        };
        if failed(summary) {
            return wrong(format!("the last verification of {commit} is FAILED"));
        }
        let level = summary.verified_levels.iter().filter_map(|one| one.strip_prefix(TRACK));
        let level = level.filter_map(|level| level.parse::<u8>().ok()).max().unwrap_or_default();
        if level < self.level {
            let wanted = self.level;
            return wrong(format!("{commit} has SLSA Source L{level} of the L{wanted} wanted"));
        }
        let Some(since) = older(summary.time_verified, one) else {
            return wrong(format!("nobody says when {commit} was verified"));
        };
        let end = self.max_age.end(since);
        if view.question.now < end {
            draft.until(end);
            return Ok(one);
        }
        draft.from(end);
        wrong(format!("{commit} was verified at {since}, too old after {}", self.max_age))
    }
}

fn summary(attestation: &Attestation) -> Option<&VerificationSummary> {
    match &attestation.statement().predicate {
        Predicate::VerificationSummary(summary) => Some(summary),
        _ => None,
    }
}
