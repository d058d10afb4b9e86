//! Approvals: who agrees, for what, for how long, and who has said no since.
//!
//! An approval counts when somebody whom the rule names signed it in the register, for this stage
//! and this policy where it names either, and its time has not run out. Every rejection counts that
//! the trust file lets somebody say, also of signers whose time has run out, and every approval
//! before it falls. Who an approver says it is decides nothing.

use std::collections::BTreeSet;

use attest::predicate::Approval;
use attest::{ArtifactId, Predicate, Sha256, Timestamp};
use verify::Attestation;

use super::rule::{Asked, Reads, View, older};
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::remedy::{self, Remedy, name_of};
use crate::whom::{NOBODY, Whom};

const APPROVED: &str = "APPROVED";
pub(super) const REJECTED: &str = "REJECTED";

/// What approvals a rule wants.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    pub(crate) whom: Whom,
    /// How many distinct owners.
    pub(crate) threshold: usize,
    pub(crate) max_age: Option<MaxAge>,
    /// Whether an approval must name the stage and the policy: one of the artifact itself must, one
    /// of what went in need not.
    pub(crate) bound: bool,
}

impl Approvals {
    /// In words, after what is approved.
    pub(crate) fn words(&self) -> String {
        let mut words = format!("approved by {}", self.whom.words());
        if self.threshold > 1 {
            words.push_str(&format!(", by {} owners", self.threshold));
        }
        if let Some(age) = self.max_age {
            words.push_str(&format!(", at most {age} ago"));
        }
        words
    }

    pub(crate) fn reads(&self) -> Vec<Reads> {
        let mut reads = vec![
            Reads::Type(attest::predicate::APPROVAL.into()),
            Reads::field("/predicate/decision"),
            Reads::field("/predicate/scope/*"),
            Reads::signers(&self.whom),
            Reads::Digests,
            Reads::Order,
        ];
        reads.extend(self.max_age.map(Reads::age));
        reads
    }

    /// Who is asked.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let types = [attest::predicate::APPROVAL];
        let approve = Asked::one("approve", &self.whom, &types);
        Asked { owners: self.threshold, alone: self.threshold <= 1, ..approve }
    }

    /// The approvals of an artifact that is known as any of `about`, without those of the owners
    /// `others`; else why they are not enough. `what` is the artifact in words.
    pub(crate) fn find<'a>(
        &self,
        view: View<'_, 'a>,
        about: &BTreeSet<ArtifactId>,
        others: &BTreeSet<&str>,
        what: &str,
        draft: &mut Draft,
    ) -> Result<Vec<&'a Attestation>, Problem> {
        let next = format!(
            "have {} approve {what}{}, and submit the approval to the register",
            self.whom.words(),
            if self.bound { " for the stage and this policy" } else { "" }
        );
        let said: Vec<(&Attestation, &Approval)> =
            about.iter().flat_map(|artifact| view.about(artifact, approval)).collect();
        let lapsed = about.iter().flat_map(|artifact| view.lapsed(artifact, approval));
        let rejected = |one: &Approval| one.decision == REJECTED && is_for(one, view);
        // One that is in no log could be the last.
        let rejections = said.iter().copied().chain(lapsed).filter(|(_, one)| rejected(one));
        let last = rejections.max_by_key(|(one, _)| one.index.unwrap_or(u64::MAX));
        let later = |one: &Attestation| match last {
            Some((rejection, _)) => rejection.index.is_some() && one.index > rejection.index,
            None => true,
        };
        let agreeing = said.iter().copied().filter(|(one, approval)| {
            let named = approval.scope.stage.is_some() && approval.scope.policy.is_some();
            approval.decision == APPROVED
                && is_for(approval, view)
                && (named || !self.bound)
                && self.whom.stand_behind(one)
        });
        let agreeing: Vec<(&Attestation, &Approval)> = agreeing.collect();
        let (mut evidence, mut owners, mut ended) = (Vec::new(), BTreeSet::new(), None);
        for (one, approval) in agreeing.iter().copied().filter(|(one, _)| later(one)) {
            match self.end(one, approval) {
                Some(end) if view.question.now >= end => {
                    draft.from(end);
                    ended = Some((one, end));
                    continue;
                }
                Some(end) => draft.until(end),
                None if self.max_age.is_some() => continue,
                None => {}
            }
            owners.extend(self.whom.owners(one).difference(others).copied());
            evidence.push(one);
        }
        if owners.len() >= self.threshold {
            return Ok(evidence);
        }
        let counting = evidence.clone();
        let problem = match (last, ended) {
            (Some((one, _)), _) if evidence.is_empty() => {
                let message = format!("{what} was rejected, and not approved since");
                Problem::fail(Code::ApprovalRejected, message, next).shown_by([one])
            }
            (_, Some((one, end))) => {
                let message = format!("the approval of {what} ran out at {end}");
                Problem::fail(Code::ApprovalExpired, message, next).shown_by([one])
            }
            _ if evidence.is_empty() => {
                let message = format!("no approval of {what} counts");
                let near = said.iter().map(|(one, _)| *one);
                Problem::fail(Code::ApprovalMissing, message, next).shown_by(near)
            }
            _ => {
                let message = format!(
                    "{what} is approved by {} of {} needed owners",
                    owners.len(),
                    self.threshold
                );
                Problem::fail(Code::ApprovalOwners, message, next).shown_by(evidence)
            }
        };
        let remedy = self.mending(view, about, &counting, owners.len());
        let counted: BTreeSet<Sha256> = agreeing.iter().map(|(one, _)| one.body()).collect();
        let why = |(one, approval): &(&Attestation, &Approval)| {
            let named = approval.scope.stage.is_some() && approval.scope.policy.is_some();
            let why = match () {
                () if approval.decision != APPROVED => "it does not approve",
                () if !is_for(approval, view) => "for another stage or policy",
                () if !named && self.bound => "it names no stage or no policy",
                () if !counted.contains(&one.body()) => NOBODY,
                () if !later(one) => "before the last rejection",
                () if self.end(one, approval).is_some_and(|end| view.question.now >= end) => {
                    "it ran out"
                }
                () => "by too few owners, or only by those who signed the step",
            };
            (one.body(), why.to_owned())
        };
        let considered: Vec<_> = said.iter().map(why).collect();
        let considered = {
            let mut considered = considered;
            // What came after is nearer than what came before, and what is there nearer than a no.
            considered.reverse();
            considered
        };
        Err(problem.considering(considered).about(about.iter().copied()).mended(remedy))
    }

    /// Whose approval is missing, and of what.
    fn mending(
        &self,
        view: View<'_, '_>,
        about: &BTreeSet<ArtifactId>,
        counting: &[&Attestation],
        owners: usize,
    ) -> Remedy {
        let question = view.question;
        let artifact = match about.contains(&question.artifact) {
            true => question.artifact,
            false => about.first().copied().unwrap_or(question.artifact),
        };
        let stage = view.stage.map(|stage| stage.name.as_str()).filter(|_| self.bound);
        let missing = self.threshold.saturating_sub(owners).max(1);
        let statement = remedy::approval(question, &artifact, stage);
        let remedy = Remedy::statement(statement, &self.whom).owners(missing);
        let signers = counting.iter().flat_map(|one| &one.signers);
        let remedy = remedy.but_for(signers.map(|signer| signer.name.as_str()));
        // The command puts the stage and the policy into what is signed, or neither.
        let Some(stage) = stage else { return remedy };
        let (subject, policy) = (artifact.to_string(), question.model.digest.to_string());
        let life = self.max_age.map_or_else(|| "90d".into(), |age| age.to_string());
        let mut argv = vec!["assay", "attest", "approval", "--subject", &subject];
        // In one word: a name may look like an option.
        let name = name_of(question, &artifact).as_str().map(|name| format!("--name={name}"));
        argv.extend(name.as_deref());
        argv.extend(["--stage", stage, "--policy", &policy, "--expires", &life]);
        remedy.argv(argv)
    }

    /// The first moment at which an approval counts no longer; `None` where there is none, or
    /// where it has no date and needs one.
    fn end(&self, one: &Attestation, approval: &Approval) -> Option<Timestamp> {
        let aged = match self.max_age {
            Some(age) => Some(age.end(older(approval.approved_on, one)?)),
            None => None,
        };
        aged.into_iter().chain(approval.scope.expires_on).min()
    }
}

/// Whether a decision is meant for the stage and the policy of the question: it names these, or
/// none.
fn is_for(approval: &Approval, view: View<'_, '_>) -> bool {
    let stage = view.stage.map(|stage| stage.name.as_str());
    let policy = view.question.model.digest.to_string();
    let scope = &approval.scope;
    scope.stage.as_deref().is_none_or(|found| Some(found) == stage)
        && scope.policy.as_ref().is_none_or(|found| *found == policy)
}

pub(crate) fn approval(attestation: &Attestation) -> Option<&Approval> {
    match &attestation.statement().predicate {
        Predicate::Approval(approval) => Some(approval),
        _ => None,
    }
}
