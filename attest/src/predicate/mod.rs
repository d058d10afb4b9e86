//! What a statement says of its subjects: the predicates that Assay understands, each typed,
//! and all others, kept whole.
//!
//! Unknown fields inside a predicate are tolerated when reading, as the in-toto framework asks
//! (monotonic principle); they decide nothing. A predicate of a known type that has not its
//! shape rejects the statement; of the types of others, where judging rests on that shape.

pub mod bom;
mod decisions;
mod earlier;
mod evaluation;
mod governance;
mod link;
mod operations;
mod provenance;
mod simple;
mod summary;
pub mod vulnerabilities;

pub use decisions::{
    Approval, KeyRotation, Reinstatement, Revocation, RevocationEffect, RevocationKind, Scope,
    Tombstone, Waiver, is_erasable,
};
pub use earlier::{EarlierMetadata, EarlierProvenance};
pub use evaluation::{Evaluation, Evaluator, Harness, Measurement, Run, Slice};
pub use governance::{
    Document, MAX_DOCUMENT_BYTES, MAX_POLICY_FILES, MAX_STAGES, PolicyActivation, PolicyVersion,
    TrustVersion,
};
pub use link::StepLink;
pub use operations::{Deployment, Monitoring, TestResult};
pub use provenance::{BuildDefinition, BuildKind, Builder, Provenance, RunDetails, RunMetadata};
pub use simple::{SimpleVerification, SimpleVerifier};
pub use summary::{
    FAILED, JudgedCheckpoint, PolicyReference, VerificationResult, VerificationSummary, Verifier,
};

use serde::{Deserialize as _, Deserializer, Serialize};
use serde_json::Value;

use crate::NAMESPACE;
use crate::json::{self, Objects};
use crate::oms::Manifest;

/// SLSA provenance v1.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// SLSA provenance v0.2, which older builders still write.
pub const PROVENANCE_V0_2: &str = "https://slsa.dev/provenance/v0.2";
/// OpenSSF Model Signing v1.0.
pub const MODEL_SIGNATURE: &str = "https://model_signing/signature/v1.0";
/// in-toto test results v0.1.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// SLSA verification summary v1.
pub const VERIFICATION_SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
/// in-toto simple verification results v0.2.
pub const SIMPLE_VERIFICATION: &str = "https://in-toto.io/attestation/svr/v0.2";
/// in-toto links v0.3.
pub const LINK: &str = "https://in-toto.io/attestation/link/v0.3";
/// CycloneDX bills of materials.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// SPDX bills of materials.
pub const SPDX: &str = "https://spdx.dev/Document";
/// in-toto vulnerability scans v0.2.
pub const VULNERABILITIES: &str = "https://in-toto.io/attestation/vulns/v0.2";
/// Exploitability exchange by OpenVEX; tools also write it with a version (`/v0.2.0`) after it.
pub const OPENVEX: &str = "https://openvex.dev/ns";
/// in-toto supply chain attribute integrity v0.3.
pub const SCAI: &str = "https://in-toto.io/attestation/scai/v0.3";
/// Evaluation numbers with slices.
pub const EVALUATION: &str = "https://assay.example/attestation/evaluation/v0.1";
/// A deployment, a traffic shift, a rollback, a retirement.
pub const DEPLOYMENT: &str = "https://assay.example/attestation/deployment/v0.1";
/// A monitoring window and its verdict.
pub const MONITORING: &str = "https://assay.example/attestation/monitoring/v0.1";
/// An approval.
pub const APPROVAL: &str = "https://assay.example/attestation/approval/v0.1";
/// A waiver.
pub const WAIVER: &str = "https://assay.example/attestation/waiver/v0.1";
/// A revocation.
pub const REVOCATION: &str = "https://assay.example/attestation/revocation/v0.1";
/// That a revocation is taken back.
pub const REINSTATEMENT: &str = "https://assay.example/attestation/reinstatement/v0.1";

/// That a statement was erased.
pub const TOMBSTONE: &str = "https://assay.example/attestation/tombstone/v0.1";
/// That the register gets another key.
pub const KEY_ROTATION: &str = "https://assay.example/attestation/key-rotation/v0.1";
/// A version of the trust document.
pub const TRUST: &str = "https://assay.example/attestation/trust/v0.1";
/// A policy.
pub const POLICY: &str = "https://assay.example/attestation/policy/v0.1";
/// That a policy is active for stages.
pub const POLICY_ACTIVATION: &str = "https://assay.example/attestation/policy-activation/v0.1";

/// Whether statements of this type say how their subjects were made, and from what.
pub fn is_provenance(predicate_type: &str) -> bool {
    matches!(predicate_type, PROVENANCE | PROVENANCE_V0_2)
}

/// A predicate with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// How an artifact was made.
    Provenance(Box<Provenance>),
    /// How an artifact was made, as older builders say it.
    EarlierProvenance(Box<EarlierProvenance>),
    /// That a step was done, as functionaries of in-toto say it.
    Link(Box<StepLink>),
    /// Which files a model has.
    ModelSignature(Box<Manifest>),
    /// Which tests passed.
    TestResult(TestResult),
    /// What was measured.
    Evaluation(Box<Evaluation>),
    /// What a verifier decided.
    VerificationSummary(Box<VerificationSummary>),
    /// Which properties a verifier found.
    SimpleVerification(Box<SimpleVerification>),
    /// Where it runs.
    Deployment(Deployment),
    /// How it fares.
    Monitoring(Monitoring),
    /// Who agrees.
    Approval(Approval),
    /// Who excepts it from a rule.
    Waiver(Waiver),
    /// Who says that it is no longer good.
    Revocation(Revocation),
    /// Which revocation is taken back.
    Reinstatement(Reinstatement),
    /// Which statement was erased.
    Tombstone(Tombstone),
    /// Which key the register gets.
    KeyRotation(KeyRotation),
    /// Whom to believe from now on.
    TrustVersion(Box<TrustVersion>),
    /// What must hold, where it is activated.
    PolicyVersion(Box<PolicyVersion>),
    /// Which policy judges from now on.
    PolicyActivation(PolicyActivation),
    /// Anything else.
    Other {
        /// Its type, as it stands in the statement.
        predicate_type: String,
        /// The predicate, whole.
        value: Value,
    },
}

impl Predicate {
    /// The type URI.
    pub fn predicate_type(&self) -> &str {
        match self {
            Self::Provenance(_) => PROVENANCE,
            Self::EarlierProvenance(_) => PROVENANCE_V0_2,
            Self::Link(_) => LINK,
            Self::ModelSignature(_) => MODEL_SIGNATURE,
            Self::TestResult(_) => TEST_RESULT,
            Self::Evaluation(_) => EVALUATION,
            Self::VerificationSummary(_) => VERIFICATION_SUMMARY,
            Self::SimpleVerification(_) => SIMPLE_VERIFICATION,
            Self::Deployment(_) => DEPLOYMENT,
            Self::Monitoring(_) => MONITORING,
            Self::Approval(_) => APPROVAL,
            Self::Waiver(_) => WAIVER,
            Self::Revocation(_) => REVOCATION,
            Self::Reinstatement(_) => REINSTATEMENT,
            Self::Tombstone(_) => TOMBSTONE,
            Self::KeyRotation(_) => KEY_ROTATION,
            Self::TrustVersion(_) => TRUST,
            Self::PolicyVersion(_) => POLICY,
            Self::PolicyActivation(_) => POLICY_ACTIVATION,
            Self::Other { predicate_type, .. } => predicate_type,
        }
    }

    /// Whether a statement with this predicate must have exactly one subject: what is said of
    /// several artifacts at once could be meant of any of them.
    pub const fn needs_one_subject(&self) -> bool {
        match self {
            Self::ModelSignature(_)
            | Self::Evaluation(_)
            | Self::VerificationSummary(_)
            | Self::Deployment(_)
            | Self::Approval(_)
            | Self::Waiver(_)
            | Self::Reinstatement(_)
            | Self::Tombstone(_)
            | Self::KeyRotation(_)
            | Self::TrustVersion(_)
            | Self::PolicyVersion(_)
            | Self::PolicyActivation(_) => true,
            Self::Provenance(_)
            | Self::EarlierProvenance(_)
            | Self::Link(_)
            | Self::TestResult(_)
            | Self::SimpleVerification(_)
            | Self::Monitoring(_)
            | Self::Revocation(_)
            | Self::Other { .. } => false,
        }
    }

    /// Whether tools that know nothing of Assay write it, by the rules of their own. Such a
    /// statement may be a Statement v0.1, and may speak of what Assay cannot identify.
    pub fn is_of_others(&self) -> bool {
        match self {
            Self::Provenance(provenance) => provenance.kind().is_none(),
            Self::EarlierProvenance(_)
            | Self::Link(_)
            | Self::TestResult(_)
            | Self::SimpleVerification(_) => true,
            Self::Other { predicate_type, .. } => !predicate_type.starts_with(NAMESPACE),
            _ => false,
        }
    }

    /// The template of the build, as the signer says, where the predicate is provenance.
    pub fn build_type(&self) -> Option<&str> {
        match self {
            Self::Provenance(provenance) => Some(&provenance.build_definition.build_type),
            Self::EarlierProvenance(provenance) => provenance.build_type(),
            _ => None,
        }
    }

    /// The builder, as the signer names it, where the predicate is provenance.
    pub fn builder(&self) -> Option<&str> {
        match self {
            Self::Provenance(provenance) => Some(&provenance.run_details.builder.id),
            Self::EarlierProvenance(provenance) => provenance.builder(),
            _ => None,
        }
    }

    /// Types a JSON predicate by its type URI, which matches whole.
    ///
    /// # Errors
    /// The parser's error when a predicate of a known type has not its shape.
    pub fn from_value(predicate_type: &str, value: Value) -> Result<Self, serde_json::Error> {
        Self::read(predicate_type, value)
    }

    /// Types a predicate by its type URI, from its own text in a statement, each part of which is
    /// looked at once; `None` when [`Self::from_value`] has to say what is wrong, if anything is.
    pub(crate) fn from_text(predicate_type: &str, text: &str) -> Option<Self> {
        json::read_once(text, 1, |reader| Self::read(predicate_type, reader))
    }

    fn read<'de, D: Deserializer<'de>>(
        predicate_type: &str,
        predicate: D,
    ) -> Result<Self, D::Error> {
        let predicate = Objects(predicate);
        Ok(match predicate_type {
            PROVENANCE => Self::Provenance(Box::deserialize(predicate)?),
            PROVENANCE_V0_2 => Self::EarlierProvenance(Box::deserialize(predicate)?),
            LINK => Self::Link(Box::deserialize(predicate)?),
            MODEL_SIGNATURE => Self::ModelSignature(Box::deserialize(predicate)?),
            TEST_RESULT => Self::TestResult(TestResult::deserialize(predicate)?),
            EVALUATION => Self::Evaluation(Box::deserialize(predicate)?),
            VERIFICATION_SUMMARY => Self::VerificationSummary(Box::deserialize(predicate)?),
            SIMPLE_VERIFICATION => Self::SimpleVerification(Box::deserialize(predicate)?),
            DEPLOYMENT => Self::Deployment(Deployment::deserialize(predicate)?),
            MONITORING => Self::Monitoring(Monitoring::deserialize(predicate)?),
            APPROVAL => Self::Approval(Approval::deserialize(predicate)?),
            WAIVER => Self::Waiver(Waiver::deserialize(predicate)?),
            REVOCATION => Self::Revocation(Revocation::deserialize(predicate)?),
            REINSTATEMENT => Self::Reinstatement(Reinstatement::deserialize(predicate)?),
            TOMBSTONE => Self::Tombstone(Tombstone::deserialize(predicate)?),
            KEY_ROTATION => Self::KeyRotation(KeyRotation::deserialize(predicate)?),
            TRUST => Self::TrustVersion(Box::deserialize(predicate)?),
            POLICY => Self::PolicyVersion(Box::deserialize(predicate)?),
            POLICY_ACTIVATION => Self::PolicyActivation(PolicyActivation::deserialize(predicate)?),
            other => {
                Self::Other { predicate_type: other.into(), value: Value::deserialize(predicate)? }
            }
        })
    }

    /// The JSON predicate.
    ///
    /// # Errors
    /// The serialiser's, which none of these types brings about.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        fn value<T: Serialize>(typed: &T) -> Result<Value, serde_json::Error> {
            serde_json::to_value(typed)
        }
        match self {
            Self::Provenance(typed) => value(typed),
            Self::EarlierProvenance(typed) => value(typed),
            Self::Link(typed) => value(typed),
            Self::ModelSignature(typed) => value(typed),
            Self::TestResult(typed) => value(typed),
            Self::Evaluation(typed) => value(typed),
            Self::VerificationSummary(typed) => value(typed),
            Self::SimpleVerification(typed) => value(typed),
            Self::Deployment(typed) => value(typed),
            Self::Monitoring(typed) => value(typed),
            Self::Approval(typed) => value(typed),
            Self::Waiver(typed) => value(typed),
            Self::Revocation(typed) => value(typed),
            Self::Reinstatement(typed) => value(typed),
            Self::Tombstone(typed) => value(typed),
            Self::KeyRotation(typed) => value(typed),
            Self::TrustVersion(typed) => value(typed),
            Self::PolicyVersion(typed) => value(typed),
            Self::PolicyActivation(typed) => value(typed),
            Self::Other { value, .. } => Ok(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_types_start_with_the_namespace() {
        let decisions = [APPROVAL, WAIVER, REVOCATION, REINSTATEMENT, TOMBSTONE, KEY_ROTATION];
        let decisions = decisions.into_iter().chain([TRUST, POLICY, POLICY_ACTIVATION]);
        for own in [EVALUATION, DEPLOYMENT, MONITORING].into_iter().chain(decisions) {
            assert!(own.starts_with(&format!("{NAMESPACE}attestation/")), "{own}");
        }
    }

    #[test]
    fn an_unknown_type_is_kept_whole() {
        let value = serde_json::json!({"a": [1, 2], "b": null});
        let predicate = Predicate::from_value("https://example.com/x", value.clone()).unwrap();
        assert_eq!(predicate.predicate_type(), "https://example.com/x");
        assert_eq!(predicate.to_value().unwrap(), value);
    }

    #[test]
    fn type_uris_match_whole() {
        let value = serde_json::json!({});
        assert!(Predicate::from_value(PROVENANCE, value.clone()).is_err());
        let near = format!("{PROVENANCE}.1");
        assert!(matches!(Predicate::from_value(&near, value), Ok(Predicate::Other { .. })));
    }
}
