//! A decision in the making: what the rules have said so far.

use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256, Timestamp};
use verify::{Attestation, Rejected, Signer, Window};

use crate::code::Code;
use crate::decision::{Considered, Finding, Outcome, RuleResult, SingleKey};
use crate::remedy::Remedy;

/// The longest message, in bytes.
const MAX_TEXT: usize = 1000;
/// The most bodies that one finding names.
pub(crate) const MAX_EVIDENCE: usize = 32;

/// What the rules have said so far.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) rules: Vec<RuleResult>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) inputs: BTreeSet<Sha256>,
    pub(crate) holds: Window,
    /// The keys on which a rule rests alone, should it pass.
    pub(crate) single_keys: Vec<SingleKey>,
}

/// A finding before it is written down.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    pub(crate) evidence: Vec<Sha256>,
    pub(crate) artifacts: Vec<ArtifactId>,
    pub(crate) next: String,
    /// Apart, as most have none, and problems are handed around as errors.
    explained: Box<Explained>,
}

/// What explains a problem further.
#[derive(Debug, Default)]
struct Explained {
    considered: Vec<Considered>,
    remedy: Option<Remedy>,
}

impl Draft {
    pub(crate) const fn new(holds: Window) -> Self {
        Self {
            rules: Vec::new(),
            findings: Vec::new(),
            inputs: BTreeSet::new(),
            holds,
            single_keys: Vec::new(),
        }
    }

    /// The rule holds, by this evidence.
    pub(crate) fn pass(&mut self, rule: &str, mut evidence: Vec<Sha256>, detail: Option<String>) {
        self.inputs.extend(evidence.iter().copied());
        evidence.truncate(MAX_EVIDENCE);
        self.end(rule, Outcome::Pass, evidence, detail);
    }

    /// The rule holds by a statement that does not count, on which no verdict can rest.
    pub(crate) fn pass_by_rejected(&mut self, rule: &str, rejected: &Rejected) {
        let detail = "by a statement that does not count".into();
        self.end(rule, Outcome::Pass, vec![rejected.body], Some(detail));
    }

    /// The rule rests on one of `statements`, whichever, by the signers that `counts` takes: on a
    /// single key, where all of those have one owner.
    pub(crate) fn rests(
        &mut self,
        rule: &str,
        statements: &[&Attestation],
        counts: impl Fn(&Attestation, &Signer) -> bool,
    ) {
        let signers = statements.iter().flat_map(|one| one.signers.iter().map(move |by| (one, by)));
        let mut signers = signers.filter(|(one, by)| counts(one, by)).map(|(_, by)| by);
        let Some(first) = signers.next() else { return };
        if signers.all(|signer| signer.owner == first.owner) {
            let key = SingleKey::of_rule(rule, first);
            if !self.single_keys.contains(&key) {
                self.single_keys.push(key);
            }
        }
    }

    /// The rule asks nothing here.
    pub(crate) fn not_applicable(&mut self, rule: &str, detail: &str) {
        self.end(rule, Outcome::NotApplicable, Vec::new(), Some(detail.into()));
    }

    /// The rule cannot hold because another one does not, which has its own finding: which one is
    /// the detail.
    pub(crate) fn follows(&mut self, rule: &str, detail: String) {
        self.end(rule, Outcome::Fail, Vec::new(), Some(detail));
    }

    /// The rule does not hold, for these reasons.
    pub(crate) fn fail(&mut self, rule: &str, problems: Vec<Problem>) {
        let error = problems.iter().any(|problem| problem.outcome == Outcome::Error);
        let outcome = if error { Outcome::Error } else { Outcome::Fail };
        let mut evidence: Vec<Sha256> = Vec::new();
        for mut problem in problems {
            problem.evidence.truncate(MAX_EVIDENCE);
            for body in &problem.evidence {
                if !evidence.contains(body) && evidence.len() < MAX_EVIDENCE {
                    evidence.push(*body);
                }
            }
            self.findings.push(Finding {
                rule: rule.into(),
                code: problem.code,
                outcome: problem.outcome,
                message: printable(problem.message),
                evidence: problem.evidence,
                artifacts: problem.artifacts,
                next: Some(problem.next),
                waived_by: None,
                considered: problem.explained.considered,
                remedy: problem.explained.remedy,
            });
        }
        self.end(rule, outcome, evidence, None);
    }

    /// From `moment` on, what has been found no longer is.
    pub(crate) fn until(&mut self, moment: Timestamp) {
        self.holds = self.holds.and(Window { from: None, until: Some(moment) });
    }

    /// Before `moment`, what has been found was not.
    pub(crate) fn from(&mut self, moment: Timestamp) {
        self.holds = self.holds.and(Window { from: Some(moment), until: None });
    }

    fn end(&mut self, rule: &str, outcome: Outcome, evidence: Vec<Sha256>, detail: Option<String>) {
        self.rules.push(RuleResult { rule: rule.into(), asks: None, outcome, evidence, detail });
    }
}

impl Problem {
    /// Something that is not as it must be.
    pub(crate) fn fail(code: Code, message: String, next: impl Into<String>) -> Self {
        let (evidence, artifacts) = (Vec::new(), Vec::new());
        Self {
            code,
            outcome: Outcome::Fail,
            message,
            evidence,
            artifacts,
            next: next.into(),
            explained: Box::default(),
        }
    }

    /// Something that cannot be decided.
    pub(crate) fn error(code: Code, message: String, next: impl Into<String>) -> Self {
        Self { outcome: Outcome::Error, ..Self::fail(code, message, next) }
    }

    pub(crate) fn shown_by<'a>(
        mut self,
        attestations: impl IntoIterator<Item = &'a Attestation>,
    ) -> Self {
        let bodies = attestations.into_iter().map(Attestation::body);
        self.evidence.extend(bodies.take(MAX_EVIDENCE));
        self
    }

    pub(crate) fn shown_by_bodies(mut self, bodies: impl IntoIterator<Item = Sha256>) -> Self {
        self.evidence.extend(bodies.into_iter().take(MAX_EVIDENCE));
        self
    }

    /// These do not do, for these reasons; the nearest is the first.
    pub(crate) fn considering(
        mut self,
        considered: impl IntoIterator<Item = (Sha256, String)>,
    ) -> Self {
        let considered = considered.into_iter().take(MAX_EVIDENCE);
        let considered = considered.map(|(body, why)| Considered { body, why: printable(why) });
        self.explained.considered.extend(considered);
        self
    }

    /// What makes it go away.
    pub(crate) fn mended(mut self, remedy: Remedy) -> Self {
        self.explained.remedy = Some(remedy);
        self
    }

    pub(crate) fn about(mut self, artifacts: impl IntoIterator<Item = ArtifactId>) -> Self {
        self.artifacts.extend(artifacts.into_iter().take(MAX_EVIDENCE));
        self
    }
}

/// The text with everything written out that a terminal or a reader would take for something
/// else: names in statements are chosen by whoever signed them.
pub(crate) fn printable(text: String) -> String {
    let bad = |letter: char| {
        letter.is_control()
            || matches!(
                letter,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            )
    };
    if text.len() <= MAX_TEXT && !text.chars().any(bad) {
        return text;
    }
    let mut plain = String::with_capacity(text.len().min(MAX_TEXT));
    for letter in text.chars() {
        if plain.len() >= MAX_TEXT {
            plain.push('…');
            break;
        }
        if bad(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// The bodies of attestations.
pub(crate) fn bodies<'a>(attestations: impl IntoIterator<Item = &'a Attestation>) -> Vec<Sha256> {
    attestations.into_iter().map(Attestation::body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_what_is_in_them() {
        let cases = [
            ("`data/é.csv` is `0.94`", "`data/é.csv` is `0.94`"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("two\nlines", "two\\u{a}lines"),
            ("txt.\u{202e}gnp", "txt.\\u{202e}gnp"),
        ];
        for (text, want) in cases {
            assert_eq!(printable(text.into()), want);
        }
        let long = printable("x".repeat(10 * MAX_TEXT));
        assert_eq!((long.len(), long.ends_with("x…")), (MAX_TEXT + '…'.len_utf8(), true));
    }
}
