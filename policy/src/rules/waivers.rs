//! Waivers: what an accepted exception changes in a decision.
//!
//! A waiver excepts one artifact from one kind of finding of one rule, at one stage, under one
//! policy, until a moment. It counts when it stands in the register under signatures of two
//! owners, one of whom the policy lets approve, lives no longer than the policy allows, and nobody
//! has rejected the artifact since. Who asked and who approved is read from the signatures; the
//! names in the statement decide nothing. What was found is still shown, and the rule is `waived`,
//! never passed.
//!
//! No waiver reaches what makes evidence believable ([`Code::can_be_waived`]), nor what cannot be
//! decided: nobody knows what that would except from.

use std::collections::BTreeSet;

use attest::predicate::{Approval, Scope, Waiver};
use attest::{Predicate, Sha256, StageName, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use verify::Attestation;

use super::Question;
use super::approval::{REJECTED, approval};
use super::rule::older;
use crate::age::MaxAge;
use crate::code::Code;
use crate::decision::{Finding, Outcome};
use crate::draft::{Draft, MAX_EVIDENCE, printable};
use crate::report::MAX_LISTED;
use crate::whom::Whom;

/// How far the clock of whoever asks for a waiver may be ahead of ours.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// How long before its end a waiver ends soon: a week.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whose waivers a policy accepts.
#[derive(Clone, Debug)]
pub(crate) struct Waivers {
    /// How long one may live, from when it was asked for.
    pub(crate) max_life: MaxAge,
    /// Who may approve.
    pub(crate) approvers: Whom,
    /// Who may ask: whoever the trust file lets sign waivers, and the policy believes.
    pub(crate) requesters: Whom,
}

/// A waiver as a report shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaiverView {
    /// The body of its statement.
    pub waiver: Sha256,
    /// Its position in the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The rule that it excepts from.
    pub rule: String,
    /// The code of the findings that it excepts from.
    pub finding: String,
    /// Whether it is accepted.
    pub accepted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The first moment at which it counts no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it is accepted and ends within a week of the time for which the report is: whoever needs
    /// it longer asks again now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub soon: bool,
    /// Why it was given, as it says.
    pub reason: String,
    /// Where it is followed up, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The names in the trust file of all who signed it.
    pub signers: Vec<String>,
}

/// A waiver that is meant for what was asked.
struct Meant<'a> {
    attestation: &'a Attestation,
    waiver: &'a Waiver,
    rule: &'a str,
    code: Code,
}

impl Waivers {
    /// Marks every finding that an accepted waiver excepts from, and every rule of which no other
    /// finding is left.
    pub(crate) fn apply(
        &self,
        question: Question<'_>,
        stage: &StageName,
        draft: &mut Draft,
    ) -> Vec<WaiverView> {
        let mut views = Vec::new();
        let rejected = last_rejection(question, stage);
        for meant in meant(question, stage) {
            let fits = |finding: &Finding| {
                finding.rule == meant.rule
                    && finding.code == meant.code
                    && finding.outcome == Outcome::Fail
            };
            if !draft.findings.iter().any(fits) {
                continue;
            }
            let accepted = self.accept(question, &meant, rejected, draft);
            views.push(meant.view(&accepted));
            let Ok(until) = accepted else { continue };
            draft.until(until);
            let body = meant.attestation.body();
            draft.inputs.insert(body);
            for finding in draft.findings.iter_mut().filter(|finding| fits(finding)) {
                finding.outcome = Outcome::Waived;
                finding.waived_by = Some(body);
            }
        }
        settle(&views, draft);
        views.truncate(MAX_LISTED);
        views
    }

    /// Until when the waiver counts; else why it does not.
    fn accept(
        &self,
        question: Question<'_>,
        meant: &Meant<'_>,
        rejected: Option<Option<u64>>,
        draft: &mut Draft,
    ) -> Result<Timestamp, String> {
        let Meant { attestation: one, waiver, code, .. } = meant;
        if !code.can_be_waived() {
            return Err(format!("nothing can except from `{code}`"));
        }
        let approving = self.approvers.owners(one);
        if approving.is_empty() {
            return Err(format!("{} did not sign it in the register", self.approvers.words()));
        }
        // Whoever approves is not whoever asks: one owner more must have signed.
        if self.requesters.owners(one).union(&approving).count() < 2 {
            return Err("whoever approved it is the only one who asked for it".into());
        }
        // What stands in no log could be the last.
        if let Some(last) = rejected
            && (last.is_none() || one.index <= last)
        {
            return Err("the artifact was rejected after it".into());
        }
        let Some(start) = waiver.requested_on.and_then(|claim| older(Some(claim), one)) else {
            return Err("it does not say when it was asked for".into());
        };
        let Some(end) = waiver.scope.expires_on else {
            return Err("it does not say when it ends".into());
        };
        if end > self.max_life.end(start) {
            let life = self.max_life;
            return Err(format!("it would live longer than the {life} that the policy allows"));
        }
        let begins = start.checked_sub(TOLERANCE).unwrap_or(start);
        if question.now < begins {
            draft.until(begins);
            return Err(format!("it says that it is asked for at {start}, which is yet to come"));
        }
        if question.now >= end {
            draft.from(end);
            return Err(format!("it ran out at {end}"));
        }
        Ok(end)
    }
}

impl WaiverView {
    /// The same for whoever reads it at `now`.
    pub(crate) fn read_at(mut self, now: Timestamp) -> Self {
        let last = now.checked_add(SOON).unwrap_or(Timestamp::MAX);
        self.soon = self.accepted && self.until.is_some_and(|until| until <= last);
        self
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Meant<'_> {
    fn view(&self, accepted: &Result<Timestamp, String>) -> WaiverView {
        let Self { attestation, waiver, rule, code } = self;
        WaiverView {
            waiver: attestation.body(),
            index: attestation.index,
            rule: (*rule).to_owned(),
            finding: code.as_str().to_owned(),
            accepted: accepted.is_ok(),
            why: accepted.as_ref().err().cloned(),
            until: waiver.scope.expires_on,
            // What a decision does not depend on is added for whoever reads of it.
            soon: false,
            reason: printable(waiver.reason.clone()),
            ticket: waiver.ticket.clone().map(printable),
            signers: attestation.signers.iter().map(|signer| signer.name.clone()).collect(),
        }
    }
}

/// The waivers of the very artifact, for the stage, under the policy, in the order of the register.
fn meant<'a>(question: Question<'a>, stage: &StageName) -> Vec<Meant<'a>> {
    let policy = question.model.digest.to_string();
    let about = question.lineage.about(&question.artifact);
    let meant = about.filter_map(|attestation| {
        let Predicate::Waiver(waiver) = &attestation.statement().predicate else { return None };
        let Scope { stage: for_stage, policy: by, rule, finding, .. } = &waiver.scope;
        if for_stage.as_deref() != Some(stage.as_str()) || by.as_deref() != Some(&policy) {
            return None;
        }
        let code = finding.as_deref()?;
        let code = Code::ALL.into_iter().find(|known| known.as_str() == code)?;
        Some(Meant { attestation, waiver, rule: rule.as_deref()?, code })
    });
    meant.collect()
}

/// The position of the last rejection of the artifact that is for the stage and the policy, or for
/// whatever there is; inside, nothing where one stands in no log. Whoever the trust file lets say no may.
fn last_rejection(question: Question<'_>, stage: &StageName) -> Option<Option<u64>> {
    let policy = question.model.digest.to_string();
    let rejects = |found: &&Approval| {
        let Scope { stage: for_stage, policy: by, .. } = &found.scope;
        found.decision == REJECTED
            && for_stage.as_deref().is_none_or(|found| found == stage.as_str())
            && by.as_ref().is_none_or(|found| *found == policy)
    };
    let lapsed = question.lineage.lapsed_about(&question.artifact);
    let about = question.lineage.about(&question.artifact).chain(lapsed);
    let rejections = about.filter(|one| approval(one).as_ref().is_some_and(rejects));
    rejections.map(|one| one.index).max_by_key(|index| index.unwrap_or(u64::MAX))
}

/// A rule is waived when all that was found under it is.
fn settle(views: &[WaiverView], draft: &mut Draft) {
    for rule in draft.rules.iter_mut().filter(|rule| rule.outcome == Outcome::Fail) {
        let mut found =
            draft.findings.iter().filter(|finding| finding.rule == rule.rule).peekable();
        if found.peek().is_none() {
            continue;
        }
        let by: Option<BTreeSet<Sha256>> = found.map(|finding| finding.waived_by).collect();
        let Some(by) = by else { continue };
        rule.outcome = Outcome::Waived;
        let said = views.iter().filter(|view| view.accepted && by.contains(&view.waiver));
        let said: Vec<String> = said.map(words).collect();
        rule.detail = Some(printable(said.join("; ")));
        // The waiver is what decided: it is named whatever else is.
        rule.evidence.splice(0..0, by);
        rule.evidence.truncate(MAX_EVIDENCE);
    }
}

fn words(view: &WaiverView) -> String {
    let mut words = match view.until {
        Some(until) => {
            format!("excepted until {}: {}", until.strftime("%Y-%m-%d %H:%M:%SZ"), view.reason)
        }
        None => view.reason.clone(),
    };
    if let Some(ticket) = &view.ticket {
        words.push_str(&format!(" ({ticket})"));
    }
    words
}
