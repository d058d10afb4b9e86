//! What single signers could fulfil: asked before a key is lost, not after.

use attest::StepName;

use crate::Policy;

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
        let counts = |names: &[String], step: &crate::model::Step| {
            step.signers
                .whom
                .any_of
                .as_ref()
                .is_none_or(|any_of| any_of.iter().any(|name| names.contains(name)))
        };
        self.model.steps.iter().filter(move |step| counts(names, step)).map(|step| {
            let place = crate::rules::corroboration::place(step.name.as_str());
            let corroborated = self.model.rules.iter().any(|rule| rule.place() == place);
            let alone =
                step.signers.threshold <= 1 && step.signers.not_same_as.is_none() && !corroborated;
            (&step.name, alone)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_enough_where_nobody_else_must_sign() {
        let policy = Policy::parse(
            "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: p, version: 1}
stages: {production: {mode: enforce}}
steps:
  prepare: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [ana, ben]}}
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [ana, ben], threshold: 2}}
  test: {predicates: [evaluation/v0.1], signers: {anyOf: [ana], notSameAs: train}}
  ship: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [cem]}}
  seal: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [cem]}}
corroboration: {seal: {signers: [ana]}}
",
        );
        let policy = policy.unwrap();
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
}
