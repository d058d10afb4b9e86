//! The SLSA verification summary of a decision: what a gate signs when it promotes.
//!
//! It says PASSED exactly when the decision passed, also where the stage would have admitted the
//! artifact anyway, and names the checkpoint up to which the register was read: whoever relies on
//! it later can see what it did not take into account.
//!
//! Source: SLSA v1.2, "Verification Summary Attestation". Nothing is claimed of dependencies.

use attest::predicate::{
    FAILED, JudgedCheckpoint, PolicyReference, Predicate, SimpleVerification, SimpleVerifier,
    VerificationResult, VerificationSummary, Verifier,
};
use attest::{ResourceDescriptor, Statement, StatementError, Timestamp};
use serde_json::Map;
use verify::Completeness;

use crate::decision::Decision;

/// The version of SLSA by which levels are named.
const SLSA_VERSION: &str = "1.2";

/// The statement about the artifact of `decision`, under the name `name`, by the verifier
/// `verifier_id`, who says that it is `now`.
///
/// # Errors
/// [`StatementError`] for a name that two readers may read differently, and when the system
/// gives no random numbers for the nonce.
pub fn statement(
    decision: &Decision,
    verifier_id: &str,
    name: &str,
    now: Timestamp,
) -> Result<Statement, StatementError> {
    let passed = decision.passed();
    let mut verified_levels = vec![decision.stage().level()];
    match passed {
        true => verified_levels.extend(build_level(decision)),
        false => verified_levels.push(FAILED.into()),
    }
    let inputs = decision.inputs().iter().map(|body| ResourceDescriptor {
        digest: [("sha256".to_owned(), body.hex())].into(),
        ..ResourceDescriptor::default()
    });
    let summary = VerificationSummary {
        verifier: Verifier { id: verifier_id.into(), version: Map::new() },
        time_verified: Some(now),
        // What a consumer must expect is the artifact itself: a name is no URI, several artifacts
        // may have it, and the subject has both.
        resource_uri: decision.artifact().to_string(),
        policy: PolicyReference {
            uri: Some(decision.policy_uri().into()),
            digest: [("sha256".to_owned(), decision.policy_digest().hex())].into(),
        },
        input_attestations: inputs.collect(),
        verification_result: if passed {
            VerificationResult::Passed
        } else {
            VerificationResult::Failed
        },
        verified_levels,
        dependency_levels: None,
        slsa_version: Some(SLSA_VERSION.into()),
        checkpoint: judged(decision),
    };
    let statement = Statement {
        subject: vec![ResourceDescriptor::of(name, decision.artifact())],
        predicate: Predicate::VerificationSummary(Box::new(summary)),
    };
    statement.to_json()?;
    statement.with_nonce()
}

/// The same as a simple verification result, for readers of those: the properties that passed, of
/// which there are none where the decision did not.
///
/// # Errors
/// As [`statement`].
pub fn simple(
    decision: &Decision,
    verifier_id: &str,
    name: &str,
    now: Timestamp,
) -> Result<Statement, StatementError> {
    let properties = match decision.passed() {
        true => [decision.stage().level()].into_iter().chain(build_level(decision)).collect(),
        false => Vec::new(),
    };
    let policy = ResourceDescriptor {
        uri: Some(decision.policy_uri().into()),
        digest: [("sha256".to_owned(), decision.policy_digest().hex())].into(),
        ..ResourceDescriptor::default()
    };
    let result = SimpleVerification {
        verifier: SimpleVerifier { id: verifier_id.into(), policies: vec![policy] },
        time_created: now,
        properties,
    };
    let statement = Statement {
        subject: vec![ResourceDescriptor::of(name, decision.artifact())],
        predicate: Predicate::SimpleVerification(Box::new(result)),
    };
    statement.to_json()?;
    statement.with_nonce()
}

/// The level of SLSA's build track, if any is shown.
///
/// What the evidence can show at most is not what it shows: that a platform isolates its builds
/// stands in no statement, so that more than 1 is claimed only where the policy says it of the
/// builder.
fn build_level(decision: &Decision) -> Option<String> {
    let shown = decision.shown_level();
    (shown > 0).then(|| format!("SLSA_BUILD_LEVEL_{shown}"))
}

/// The state of the register that was judged, where somebody followed it.
fn judged(decision: &Decision) -> Option<JudgedCheckpoint> {
    match decision.completeness() {
        Completeness::Followed { origin, size, root } => {
            Some(JudgedCheckpoint { origin: origin.clone(), size: *size, root: *root })
        }
        _ => None,
    }
}
