//! What single signers could fulfil: asked before a key is lost, not after.

use attest::StepName;

use crate::Policy;
use crate::asks::WAIVERS;
use crate::rules::rule::Asked;
use crate::whom::Whom;

/// Something beside the steps for which a signer counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignedRule<'p> {
    /// The rule, by its place in the document.
    pub rule: &'p str,
    /// The type of what is signed for it; `None` where it may be of several.
    pub predicate: Option<&'p str>,
    /// Whether that signer is enough: nobody else has to sign for it, and it need not be somebody
    /// else than who signs a step.
    pub alone: bool,
}

impl Policy {
    /// How many steps it asks for.
    pub const fn step_count(&self) -> usize {
        self.model.steps.len()
    }

    /// The steps for which a signer counts that the trust file knows by one of `names`, in the order
    /// of the document, and whether that signer is enough: nobody else has to sign, and it need not
    /// be somebody else than who signs another step.
    pub fn steps_signed_by<'p>(
        &'p self,
        names: &'p [String],
    ) -> impl Iterator<Item = (&'p StepName, bool)> {
        let counts =
            |names: &[String], step: &crate::model::Step| is_among(names, &step.signers.whom);
        self.model.steps.iter().filter(move |step| counts(names, step)).map(|step| {
            let place = crate::rules::corroboration::place(step.name.as_str());
            let corroborated = self.model.rules.iter().any(|rule| rule.place() == place);
            let alone =
                step.signers.threshold <= 1 && step.signers.not_same_as.is_none() && !corroborated;
            (&step.name, alone)
        })
    }

    /// What beside the steps a signer counts for that the trust file knows by one of `names`, in the
    /// order of the document: approvals, scans, what is said of vulnerabilities, licences, criteria,
    /// monitoring, corroboration and waivers. A waiver is never one owner's.
    pub fn rules_signed_by<'p>(
        &'p self,
        names: &'p [String],
    ) -> impl Iterator<Item = SignedRule<'p>> {
        let rules = self.model.rules.iter().flat_map(move |rule| {
            let asked = rule.asked(&self.model).into_iter();
            let asked =
                asked.filter(move |asked| asked.whom.is_some_and(|whom| is_among(names, whom)));
            asked.map(|asked| SignedRule {
                rule: rule.place(),
                predicate: asked.predicate(),
                alone: asked.alone,
            })
        });
        let waivers = self.model.waivers.iter();
        let waivers = waivers.filter(move |waivers| is_among(names, &waivers.approvers));
        let predicate = Some(attest::predicate::WAIVER);
        rules.chain(waivers.map(move |_| SignedRule { rule: WAIVERS, predicate, alone: false }))
    }

    /// Whether such a signer fulfils alone all that the policy asks to be signed.
    pub fn needs_nobody_but(&self, names: &[String]) -> bool {
        let steps = self.steps_signed_by(names).filter(|(_, alone)| *alone).count();
        // What verifiers say is no signer's own.
        let fulfils = |asked: &Asked<'_>| {
            let is_among = asked.whom.is_none_or(|whom| is_among(names, whom));
            !asked.needed || asked.alone && is_among
        };
        let mut rules = self.model.rules.iter();
        steps == self.step_count() && rules.all(|rule| rule.asked(&self.model).iter().all(fulfils))
    }
}

/// Whether a signer counts that the trust file knows by one of `names`.
fn is_among(names: &[String], whom: &Whom) -> bool {
    whom.any_of.as_ref().is_none_or(|any_of| any_of.iter().any(|name| names.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> Policy {
        let policy = format!(
            "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: p, version: 1}}
stages: {{production: {{mode: enforce}}}}
{rules}"
        );
        Policy::parse(&policy).unwrap()
    }

    #[test]
    fn a_signer_is_enough_where_nobody_else_must_sign() {
        let policy = policy(
            "steps:
  prepare: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [ana, ben]}}
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [ana, ben], threshold: 2}}
  test: {predicates: [evaluation/v0.1], signers: {anyOf: [ana], notSameAs: train}}
  ship: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [cem]}}
  seal: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [cem]}}
corroboration: {seal: {signers: [ana]}}
",
        );
        let found = |name: &str| {
            let names = [name.to_owned()];
            let steps = policy.steps_signed_by(&names);
            steps.map(|(step, alone)| format!("{step} {alone}")).collect::<Vec<_>>()
        };
        assert_eq!(found("ana"), ["prepare true", "train false", "test false"]);
        assert_eq!(found("cem"), ["ship true", "seal false"]);
        assert_eq!(found("zoe"), [""; 0]);
        assert_eq!(policy.step_count(), 5);
    }

    #[test]
    fn a_signer_counts_for_more_than_steps() {
        let step = "steps:
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [ana]}}
";
        let vulnerabilities = "dependencies: {vulnerabilities: {maxSeverity: low, signers: [ana], scanMaxAge: 1d, vex: {signers: [ben]}}}\n";
        let cases = [
            ("", "ana", vec![], true),
            ("", "ben", vec![], false),
            ("approvals: {signers: {anyOf: [ana]}}\n", "ana", vec!["approvals true"], true),
            ("approvals: {signers: {anyOf: [ana]}}\n", "ben", vec!["approvals true"; 0], false),
            ("approvals: {signers: {anyOf: [ben]}}\n", "ana", vec![], false),
            (
                "approvals: {signers: {anyOf: [ana, ben], threshold: 2}}\n",
                "ana",
                vec!["approvals false"],
                false,
            ),
            (
                "approvals: {signers: {anyOf: [ana], notSameAs: train}}\n",
                "ana",
                vec!["approvals false"],
                false,
            ),
            (vulnerabilities, "ana", vec!["dependencies.vulnerabilities true"], true),
            (vulnerabilities, "ben", vec!["dependencies.vulnerabilities true"], false),
            ("monitoring: {signers: [ana], maxAge: 1d}\n", "ana", vec!["monitoring true"], true),
            ("monitoring: {signers: [ben], maxAge: 1d}\n", "ben", vec!["monitoring true"], false),
            ("waivers: {maxLife: 7d, approvers: [ben]}\n", "ben", vec!["waivers false"], false),
            ("waivers: {maxLife: 7d, approvers: [ben]}\n", "ana", vec![], true),
        ];
        for (rules, name, want, alone) in cases {
            let policy = policy(&format!("{step}{rules}"));
            let names = [name.to_owned()];
            let found = policy.rules_signed_by(&names);
            let found: Vec<String> =
                found.map(|found| format!("{} {}", found.rule, found.alone)).collect();
            assert_eq!(found, want, "{name}, {rules}");
            assert_eq!(policy.needs_nobody_but(&names), alone, "{name}, {rules}");
        }
    }
}
