//! Required steps: somebody who may must have said that the step happened.
//!
//! A statement counts for a step when it names the step (or is of a type that cannot), has one of
//! the predicate types and the kind or one of the build types, is signed by as many distinct owners as the policy wants, of
//! those whom it names, and stands in a trusted log. One statement must have all that: two with
//! one signature each are not one with two. Tests must have passed, and no pass survives a later
//! failure.

use std::collections::BTreeSet;

use attest::Predicate;
use attest::predicate::{BuildKind, EVALUATION, LINK, PROVENANCE};
use verify::{Attestation, Rejected, Rejection, Signer, VerifyError};

use crate::code::Code;
use crate::draft::{MAX_EVIDENCE, Problem};
use crate::model::{LogRule, Step};
use crate::whom::{is_logged, shown};

/// The one result of tests by which a step holds; it stands in in-toto's test result v0.1.
const PASSED: &str = "PASSED";

/// Why a statement of a step does not count; the later, the nearer it came.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Flaw {
    /// It is of another kind.
    Kind,
    /// Nobody whom the policy names signed it.
    Signer,
    /// It is in no trusted log under a signature that counts.
    Unlogged,
    /// Fewer owners than needed.
    Threshold {
        /// How many there are.
        owners: usize,
    },
    /// It says itself that the tests did not pass, or a later one does.
    Failed,
    /// Fewer owners than needed, once those of the other step are left out.
    SameSigner,
}

/// Whether `attestation` says that it is of `step`, by a predicate type of the step.
pub(crate) fn speaks_for(step: &Step, attestation: &Attestation) -> bool {
    let wanted = &step.build_types;
    let built = || {
        let found = attestation.statement().predicate.build_type();
        found.is_some_and(|found| wanted.iter().any(|one| one == found))
    };
    let named = match &attestation.step {
        Some(name) => *name == step.name && wanted.is_empty(),
        None if !wanted.is_empty() => built(),
        // Provenance, links and evaluations can name their step; one that does not could be of any.
        None => !names_steps(&attestation.predicate_type),
    };
    named && step.predicates.contains(&attestation.predicate_type)
}

/// Whether a statement of this type can name its step. Provenance of others cannot: it counts by
/// its build type, where the policy names that.
pub(crate) fn names_steps(predicate_type: &str) -> bool {
    matches!(predicate_type, PROVENANCE | EVALUATION | LINK)
}

/// Why `attestation` does not count for `step`, if it does not. Who signed another step is not
/// looked at here.
pub(crate) fn flaw(step: &Step, attestation: &Attestation) -> Option<Flaw> {
    if step.kind.is_some_and(|kind| !is_of_kind(attestation, kind)) {
        return Some(Flaw::Kind);
    }
    if !attestation.signers.iter().any(|signer| is_named(step, signer)) {
        return Some(Flaw::Signer);
    }
    match owners(step, attestation).len() {
        0 => Some(Flaw::Unlogged),
        owners if owners < step.signers.threshold => Some(Flaw::Threshold { owners }),
        _ if has_failed(attestation) => Some(Flaw::Failed),
        _ => None,
    }
}

/// Whether it reports tests and not that they passed. What a tester says of success is taken to
/// the artifact's disadvantage alone: that tests were run at all is what the step asks for.
pub(crate) fn has_failed(attestation: &Attestation) -> bool {
    match &attestation.statement().predicate {
        Predicate::TestResult(tests) => tests.result != PASSED,
        _ => false,
    }
}

/// Whether the policy lets `signer` sign the step.
pub(crate) fn is_named(step: &Step, signer: &Signer) -> bool {
    step.signers.whom.admits(signer)
}

/// The owners whose signatures count for the step.
pub(crate) fn owners<'a>(step: &Step, attestation: &'a Attestation) -> BTreeSet<&'a str> {
    let logged = |signer: &Signer| match step.log {
        LogRule::Optional => true,
        LogRule::Required => is_logged(attestation, signer),
    };
    let count = |signer: &&Signer| is_named(step, signer) && logged(signer);
    attestation.signers.iter().filter(count).map(|signer| signer.owner.as_str()).collect()
}

/// Every owner with a hand in `attestation`, whether or not the signature counts.
pub(crate) fn hands(attestation: &Attestation) -> impl Iterator<Item = &str> {
    attestation.verified.signers().iter().map(|signer| signer.owner.as_str())
}

/// Whether it is of the kind that the step has, if it has one.
pub(crate) fn is_of_the_kind(step: &Step, attestation: &Attestation) -> bool {
    step.kind.is_none_or(|kind| is_of_kind(attestation, kind))
}

fn is_of_kind(attestation: &Attestation, kind: BuildKind) -> bool {
    match &attestation.statement().predicate {
        Predicate::Provenance(provenance) => provenance.kind() == Some(kind),
        Predicate::Evaluation(_) => kind == BuildKind::Evaluation,
        _ => false,
    }
}

/// The finding for the nearest of the statements that do not count.
pub(crate) fn flawed(
    step: &Step,
    other: Option<&Step>,
    flaw: Flaw,
    at: &[&Attestation],
) -> Problem {
    let name = &step.name;
    let signers = || {
        step.signers.whom.any_of.as_ref().map_or_else(
            || "anybody whom the trust file lets sign the step".to_owned(),
            |names| quoted(names.iter().map(String::as_str)),
        )
    };
    let found = at.iter().flat_map(|attestation| &attestation.signers);
    let found: Vec<String> = found.map(shown).collect::<BTreeSet<_>>().into_iter().collect();
    let found = found.join(", ");
    let problem = match flaw {
        Flaw::Kind => Problem::fail(
            Code::StepKind,
            format!(
                "the statement of step `{name}` is not of the kind `{}`",
                step.kind.map_or("", BuildKind::as_str)
            ),
            format!("run `{name}` with `--kind {}`", step.kind.map_or("", BuildKind::as_str)),
        ),
        Flaw::Signer => Problem::fail(
            Code::StepSigner,
            format!("step `{name}` is signed by {found}, and the policy wants {}", signers()),
            format!("have `{name}` run and signed by {}", signers()),
        ),
        Flaw::Unlogged => Problem::fail(
            Code::LogMissing,
            format!("the statement of step `{name}`, signed by {found}, is in no trusted log"),
            format!("submit the statement of `{name}` to the register"),
        ),
        Flaw::Threshold { owners } => Problem::fail(
            Code::StepThreshold,
            format!(
                "step `{name}` is signed by {owners} of {} needed owners",
                step.signers.threshold
            ),
            format!(
                "have the same statement signed by {} different owners of {}",
                step.signers.threshold,
                signers()
            ),
        ),
        Flaw::Failed => Problem::fail(
            Code::StepFailed,
            format!("the last result of `{name}`, signed by {found}, is not `{PASSED}`"),
            format!("mend what fails, and have `{name}` run on the result"),
        ),
        Flaw::SameSigner => {
            let other = other.map_or("", |other| other.name.as_str());
            Problem::fail(
                Code::StepSameSigner,
                format!("step `{name}` is signed by whoever signed step `{other}`"),
                format!("have `{name}` run and signed by somebody who did not sign `{other}`"),
            )
        }
    };
    problem
        .shown_by(at.iter().copied())
        .about(at.iter().flat_map(|attestation| &attestation.subjects).map(|one| one.artifact))
}

/// Why a statement does not count for the step, in words.
fn words(step: &Step, flaw: Flaw) -> String {
    match flaw {
        Flaw::Kind => "it is of another kind".into(),
        Flaw::Signer => format!("signed by nobody of {}", step.signers.whom.words()),
        Flaw::Unlogged => "it is in no trusted log".into(),
        Flaw::Threshold { owners } => {
            format!("signed by {owners} of {} needed owners", step.signers.threshold)
        }
        Flaw::Failed => format!("its result is not `{PASSED}`, or a later one's is not"),
        Flaw::SameSigner => "signed by whoever signed the other step".into(),
    }
}

/// Every statement that says it is of the step, with what is wrong with it: the nearest to
/// counting comes first.
pub(crate) fn considered(
    step: &Step,
    all: &[&Attestation],
    nearest: Flaw,
) -> Vec<(attest::Sha256, String)> {
    let mut flaws: Vec<(Flaw, &Attestation)> =
        all.iter().map(|one| (flaw(step, one).unwrap_or(nearest), *one)).collect();
    flaws.sort_by_key(|(flaw, _)| std::cmp::Reverse(*flaw));
    flaws.into_iter().map(|(flaw, one)| (one.body(), words(step, flaw))).collect()
}

/// The finding for a step of which there is no believed statement: what was rejected explains it
/// where it can. `after` are statements that should have used what the step made.
pub(crate) fn missing(step: &Step, rejected: &[Rejected], after: &[&Attestation]) -> Problem {
    let own = |one: &&Rejected| {
        let of_type =
            one.predicate_type.as_ref().is_some_and(|found| step.predicates.contains(found));
        match (&one.step, &one.predicate_type) {
            (Some(name), _) => *name == step.name,
            (None, Some(found)) => of_type && !(step.build_types.is_empty() && names_steps(found)),
            // A trusted key signed it, and nobody read what it says.
            (None, None) => match &one.why {
                Rejection::NotBelieved(why) => !matches!(why, VerifyError::NoTrustedSignature),
                _ => false,
            },
        }
    };
    let explains: Vec<&Rejected> = rejected.iter().filter(own).take(MAX_EVIDENCE).collect();
    let rank = |why: &Rejection| match why {
        Rejection::Conflict { .. } => Some(Code::EvidenceConflict),
        Rejection::Revoked { .. } | Rejection::RevokedBuilder { .. } => {
            Some(Code::RevokedAttestation)
        }
        Rejection::OutOfScope(_) => Some(Code::StepSigner),
        // A log that only has the name of a trusted one is none.
        Rejection::NotBelieved(VerifyError::Checkpoint { .. }) => Some(Code::LogMissing),
        _ => None,
    };
    // In the order of how surely a person has to look.
    let codes =
        [Code::EvidenceConflict, Code::RevokedAttestation, Code::StepSigner, Code::LogMissing];
    let code =
        codes.into_iter().find(|code| explains.iter().any(|one| rank(&one.why) == Some(*code)));
    let name = &step.name;
    let code_or_missing = code.unwrap_or(Code::StepMissing);
    let shown: Vec<&Rejected> = match code {
        Some(code) => explains.iter().copied().filter(|one| rank(&one.why) == Some(code)).collect(),
        None => explains,
    };
    let why = shown.first().map(|one| format!("; one does not count: {}", one.why));
    let message = format!("no statement of step `{name}` counts{}", why.unwrap_or_default());
    let next = match code_or_missing {
        Code::EvidenceConflict => {
            format!("find out which statement is wrong, revoke it, and run `{name}` again")
        }
        Code::StepSigner => format!(
            "have `{name}` signed by a key that the trust file lets sign it, or extend what the \
             key may sign"
        ),
        _ => format!("run `{name}` again, so that it is recorded, signed and registered"),
    };
    let mut with: Vec<_> = Vec::new();
    for one in &shown {
        with.push(one.body);
        if let Rejection::Conflict { with: other, .. } = &one.why {
            with.push(*other);
        }
    }
    let considered: Vec<_> = shown.iter().map(|one| (one.body, one.why.to_string())).collect();
    let problem = match code_or_missing {
        Code::EvidenceConflict => Problem::error(code_or_missing, message, next),
        _ => Problem::fail(code_or_missing, message, next),
    };
    problem
        .considering(considered)
        .shown_by_bodies(with)
        .shown_by(after.iter().copied())
        .about(shown.iter().map(|one| one.artifact))
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}
