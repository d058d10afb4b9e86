//! Statements of people and tools, as the rules that read them want them.

use attest::predicate::vulnerabilities::Severity;
use attest::predicate::{
    APPROVAL, CYCLONEDX, MONITORING, OPENVEX, VERIFICATION_SUMMARY, VULNERABILITIES,
};
use attest::statement::STATEMENT_V1;
use attest::{ArtifactId, NAMESPACE, Sha256, Timestamp};
use serde_json::{Value, json};
use verify::Attestation;

use super::skeleton::{blank, descriptor, name_of};
use crate::licence::Licences;
use crate::rules::{Drift, Question};

/// The longest statement of somebody's that a remedy repeats, in bytes.
const MAX_WHOLE: usize = 64 << 10;
/// The most vulnerabilities that one statement speaks of.
const MAX_IDS: usize = 32;
/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;
/// The version of OpenVEX that is written.
const VEX_VERSION: &str = "v0.2.0";

/// A statement of one artifact.
pub(super) fn about(
    question: Question<'_>,
    artifact: &ArtifactId,
    predicate_type: &str,
    predicate: Value,
) -> Value {
    of_subjects(
        vec![descriptor(name_of(question, artifact), artifact)].into(),
        predicate_type,
        predicate,
    )
}

pub(super) fn of_subjects(subjects: Value, predicate_type: &str, predicate: Value) -> Value {
    json!({
        "_type": STATEMENT_V1,
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

/// A time that only whoever signs knows; the day of the question would do. Not its very moment, so that
/// a report does not change with every second in which nothing else does.
pub(super) fn when(question: Question<'_>, what: &str) -> Value {
    let second = question.now.as_second();
    let day = Timestamp::from_second(second - second.rem_euclid(DAY)).unwrap_or(question.now);
    blank(format!("when {what}, as 2027-03-01T12:00:00Z"), day.to_string())
}

/// What a statement says, for somebody else to sign; `None` for one that is too long to be shown.
pub(crate) fn of_attestation(attestation: &Attestation) -> Option<Value> {
    let text = attestation.statement().to_json().ok()?;
    (text.len() <= MAX_WHOLE).then(|| serde_json::from_slice(&text).ok())?
}

/// What a statement of a step says, for somebody else to say who came to the same on their own;
/// `None` where nothing in it would tell the two apart, and for one that is too long to be shown.
pub(crate) fn repeated(question: Question<'_>, attestation: &Attestation) -> Option<Value> {
    let mut value = of_attestation(attestation)?;
    if let Some(metadata) = value.pointer_mut("/predicate/runDetails/metadata") {
        *metadata = json!({"startedOn": when(question, "it was done again")});
        return Some(value);
    }
    let measured = value.pointer_mut("/predicate/measurements").and_then(Value::as_array_mut);
    for measurement in measured.into_iter().flatten() {
        if let Some(number) = measurement.get_mut("value") {
            *number = blank("what was measured, as a text", number.clone());
        }
    }
    *value.pointer_mut("/predicate/evaluatedOn")? = when(question, "it was measured again");
    Some(value)
}

/// An approval; for the stage and this policy where `stage` is given.
pub(crate) fn approval(
    question: Question<'_>,
    artifact: &ArtifactId,
    stage: Option<&str>,
) -> Value {
    let mut scope = json!({});
    if let (Some(stage), Some(scope)) = (stage, scope.as_object_mut()) {
        scope.insert("stage".into(), stage.into());
        scope.insert("policy".into(), question.model.digest.to_string().into());
    }
    let predicate = json!({
        "decision": blank("whoever signs decides: `APPROVED` agrees", "APPROVED"),
        "approvedOn": when(question, "it is decided"),
        "scope": scope,
    });
    about(question, artifact, APPROVAL, predicate)
}

/// A window of monitoring with the numbers that the policy asks for.
pub(crate) fn monitoring(question: Question<'_>, drift: &[Drift]) -> Value {
    let measurements = drift.iter().map(|drift| {
        json!({
            "metric": drift.metric,
            "feature": blank("the feature; one entry for each", "feature"),
            "value": blank(
                format!("what was measured, as a text; must be {}", drift.bounds()),
                number(drift.at_least.or(drift.at_most)),
            ),
        })
    });
    let predicate = json!({
        "verdict": blank("what was seen: `OK`, `DRIFT` or `DEGRADED`; `OK` satisfies the rule", "OK"),
        "recommendation": blank("what to do: `NONE`, `RETRAIN` or `ROLLBACK`", "NONE"),
        "window": {
            "from": when(question, "the window began"),
            "to": when(question, "the window ended"),
        },
        "measurements": measurements.collect::<Vec<Value>>(),
    });
    about(question, &question.artifact, MONITORING, predicate)
}

/// A number that would do, as a text.
pub(super) fn number(bound: Option<attest::Decimal>) -> String {
    bound.map_or_else(|| "0".to_owned(), |bound| bound.to_string())
}

/// A scan for vulnerabilities.
pub(crate) fn scan(question: Question<'_>, most: Severity) -> Value {
    let predicate = json!({
        "scanner": {
            "uri": blank("the scanner, as a URI", "https://scanner.example"),
            "db": {"lastUpdate": when(question, "what the scanner knows was last brought up to date")},
            "result": blank(
                format!(
                    "the list of what was found, each with `id` and `severity`; nothing worse \
                     than {}",
                    most.as_str()
                ),
                json!([]),
            ),
        },
        "metadata": {
            "scanStartedOn": when(question, "the scan began"),
            "scanFinishedOn": when(question, "the scan ended"),
        },
    });
    about(question, &question.artifact, VULNERABILITIES, predicate)
}

/// What is said of vulnerabilities: that they do no harm.
pub(crate) fn exchange(question: Question<'_>, ids: &[&str]) -> Value {
    let artifact = &question.artifact;
    let digest = artifact.digest().map(|digest| digest.hex());
    let statement = |id: &&str| {
        json!({
            "vulnerability": {"name": id},
            "products": [{"@id": artifact.to_string(), "hashes": {"sha-256": digest}}],
            "status": blank("`not_affected` or `fixed`, if it is", "not_affected"),
            "justification": blank("why, as OpenVEX has it", "vulnerable_code_not_in_execute_path"),
        })
    };
    let predicate = json!({
        "@context": format!("{OPENVEX}/{VEX_VERSION}"),
        "@id": blank("a URI for this document", "https://vex.example/1"),
        "author": blank("who says so", "security"),
        "timestamp": when(question, "it is said"),
        "version": 1,
        "statements": ids.iter().take(MAX_IDS).map(statement).collect::<Vec<Value>>(),
    });
    about(question, artifact, &format!("{OPENVEX}/{VEX_VERSION}"), predicate)
}

/// A bill of materials of data, with its licence.
pub(crate) fn data_bill(question: Question<'_>, artifact: &ArtifactId, suits: &Licences) -> Value {
    let component = json!({
        "type": "data",
        "name": name_of(question, artifact),
        "licenses": [{"license": {"id": licence(suits)}}],
    });
    let predicate = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": component},
    });
    about(question, artifact, CYCLONEDX, predicate)
}

/// A bill of materials of the artifact, with the licences of its components.
pub(crate) fn component_bill(question: Question<'_>, suits: &Licences) -> Value {
    let component = json!({
        "type": "library",
        "name": blank("a component; one entry for each", "component"),
        "licenses": [{"license": {"id": licence(suits)}}],
    });
    let predicate = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [component],
    });
    about(question, &question.artifact, CYCLONEDX, predicate)
}

fn licence(suits: &Licences) -> Value {
    let example = match suits {
        Licences::Allow(list) => list.first().cloned(),
        Licences::Deny(_) => None,
    };
    let example = example.unwrap_or_else(|| "Apache-2.0".into());
    blank(format!("its licence by SPDX; what suits is {}", suits.words()), example)
}

/// A verdict on a commit, as a verifier of the source track gives it (SLSA v1.2, "Verification
/// Summary Attestation").
pub(crate) fn source_summary(
    question: Question<'_>,
    commit: &ArtifactId,
    level: &str,
    policies: &[Sha256],
    verifier: Option<&str>,
) -> Value {
    let policy = policies.first().map(Sha256::hex);
    let id = verifier.map_or_else(
        || blank("the id of the verifier, as the trust file has it", "https://gate.example"),
        Value::from,
    );
    let predicate = json!({
        "verifier": {"id": id},
        "timeVerified": when(question, "it was verified"),
        "resourceUri": commit.to_string(),
        "policy": {"digest": {"sha256": policy}},
        "verificationResult": blank("what came of it: `PASSED` or `FAILED`", "PASSED"),
        "verifiedLevels": [blank(format!("the level that was verified; {level} is wanted"), level)],
        "slsaVersion": "1.2",
    });
    about(question, commit, VERIFICATION_SUMMARY, predicate)
}

/// Who made what a person wrote by hand: a claim that decides nothing.
pub(super) fn by_hand() -> String {
    format!("{NAMESPACE}evaluator/manual/v1")
}
