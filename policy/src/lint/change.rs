//! Changes of whole statements: without them, by others, about others, called and placed otherwise.

use std::collections::BTreeSet;

use attest::{ResourceDescriptor, Sha256, Statement};
use serde_json::Value;
use verify::{Attestation, Change, History, Signer, Trust};

use super::WhyUntried;
use super::field::{MAX_LEAVES, document, set, typed};
use super::trial::{Part, Trial, Trials};

/// The role of what a model was made from.
const BASE_MODEL: &str = "base-model";
/// Where statements list what went in.
const MATERIALS: [&str; 2] =
    ["/predicate/buildDefinition/resolvedDependencies", "/predicate/run/materials"];

/// Without one statement after the other, each by itself and then all together.
pub(super) fn removals<'t>(read: &[&'t Attestation], trials: &mut Trials<'t>) {
    let one = |attestation: &&Attestation| Change::Remove { body: attestation.body() };
    for attestation in read.iter().copied() {
        let words = format!("without {}", name(attestation));
        trials.offer(Trial::new(Part::Rest, words, move || Some(vec![one(&attestation)])));
    }
    if read.len() > 1 {
        let all: Vec<Change> = read.iter().map(one).collect();
        let words = "without any of them".into();
        trials.offer(Trial::new(Part::Rest, words, move || Some(all.clone())));
    }
}

/// Signed by each other signer, by each of several alone, and by all of them but one.
pub(super) fn signatures<'t>(
    read: &[&'t Attestation],
    signers: &'t [Signer],
    trials: &mut Trials<'t>,
) {
    for attestation in read.iter().copied() {
        let now = &attestation.signers;
        let alone = now.iter().filter(|_| now.len() > 1);
        let others = signers.iter().filter(|one| !now.iter().any(|by| by.name == one.name));
        for signer in alone.chain(others) {
            let words = format!("{} signed by `{}` instead", name(attestation), signer.name);
            trials.offer(Trial::new(Part::Signers, words, move || {
                let signers = vec![signer.clone()];
                Some(vec![Change::Sign { body: attestation.body(), signers }])
            }));
        }
        // Of two, whoever is left has just been alone.
        for left_out in now.iter().filter(|_| now.len() > 2) {
            let words = format!("{} not signed by `{}`", name(attestation), left_out.name);
            trials.offer(Trial::new(Part::Signers, words, move || {
                let signers = now.iter().filter(|one| *one != left_out).cloned().collect();
                Some(vec![Change::Sign { body: attestation.body(), signers }])
            }));
        }
    }
    // A rule that takes any of several statements fails when none of them is by whom it wants.
    for signer in signers.iter().filter(|_| read.len() > 1) {
        let bodies: Vec<Sha256> = read.iter().map(|one| one.body()).collect();
        let words = format!("all of them signed by `{}` instead", signer.name);
        trials.offer(Trial::new(Part::Signers, words, move || {
            let sign = |body: &Sha256| Change::Sign { body: *body, signers: vec![signer.clone()] };
            Some(bodies.iter().map(sign).collect())
        }));
    }
}

/// In each other's places.
pub(super) fn orders<'t>(
    read: &[&'t Attestation],
    all: &'t [Attestation],
    trials: &mut Trials<'t>,
) {
    for one in read {
        for other in all.iter().filter(|other| other.body() != one.body()) {
            let words = format!("{} in the place of {}", name(one), name(other));
            let (one, other) = (one.body(), other.body());
            let make = move || Some(vec![Change::Swap { one, other }]);
            trials.offer(Trial::new(Part::Rest, words, make));
        }
    }
}

/// About another subject, each statement by itself and all of a step at once: one of several is
/// enough for many rules.
pub(super) fn subjects<'t>(read: &[&'t Attestation], trials: &mut Trials<'t>) {
    for attestation in read.iter().copied() {
        for at in 0..attestation.statement().subject.len().min(MAX_LEAVES) {
            trials.offer(said(attestation, Part::Digests, "about another artifact", move |one| {
                other_artifact(one.subject.get_mut(at)?);
                Some(())
            }));
        }
        let more = attestation.statement().subject.len().saturating_sub(MAX_LEAVES);
        trials.leave(WhyUntried::TooManyFields, more);
    }
    let steps: BTreeSet<_> = read.iter().filter_map(|one| one.step.as_ref()).collect();
    for step in steps {
        let of_step: Vec<&Attestation> =
            read.iter().copied().filter(|one| one.step.as_ref() == Some(step)).collect();
        let words = format!("every statement of `{step}` about other artifacts");
        trials.offer(Trial::new(Part::Digests, words, move || {
            let changes = of_step.iter().map(|one| {
                let mut changed = one.statement().clone();
                changed.subject.iter_mut().for_each(other_artifact);
                Change::Say { body: one.body(), statement: Box::new(changed) }
            });
            Some(changes.collect())
        }));
    }
}

/// About one more subject, without a material, and with each artifact of the history as one more.
pub(super) fn digests<'t>(read: &[&'t Attestation], history: &History, trials: &mut Trials<'t>) {
    let known: BTreeSet<_> = history
        .attestations()
        .iter()
        .flat_map(|one| one.subjects.iter().chain(&one.materials))
        .flat_map(|named| {
            let roles = [named.role.clone(), Some(BASE_MODEL.to_owned())];
            roles.map(|role| (named.artifact, named.name.clone(), role))
        })
        .collect();
    for attestation in read.iter().copied() {
        trials.offer(said(attestation, Part::Digests, "about one more artifact", |one| {
            let mut more = one.subject.first()?.clone();
            other_artifact(&mut more);
            one.subject.push(more);
            Some(())
        }));
        let Some(document) = document(attestation.statement()) else { continue };
        for list in MATERIALS {
            let Some(Value::Array(materials)) = document.pointer(list) else { continue };
            for at in 0..materials.len().min(MAX_LEAVES) {
                let words = "without a material";
                trials.offer(written(attestation, words, move |document| {
                    set(document, &format!("{list}/{at}"), None)
                }));
            }
            let left = [materials.len(), known.len().saturating_mul(2)];
            let left = left.map(|all| all.saturating_sub(MAX_LEAVES));
            trials.leave(WhyUntried::TooManyFields, left.iter().sum());
            for (artifact, label, role) in known.iter().take(MAX_LEAVES) {
                let one = ResourceDescriptor::of(label, artifact);
                let mut another = one.clone();
                other_artifact(&mut another);
                let with = |one: ResourceDescriptor| match role {
                    Some(role) => one.with_role(role),
                    None => one,
                };
                for (one, words) in [(one, "with"), (another, "with another")] {
                    let one = with(one);
                    let words = format!("{words} `{label}` as one more material");
                    trials.offer(written(attestation, &words, move |document| {
                        let materials = document.pointer_mut(list)?.as_array_mut()?;
                        materials.push(serde_json::to_value(&one).ok()?);
                        Some(())
                    }));
                }
            }
        }
    }
}

/// Called something else.
pub(super) fn names<'t>(read: &[&'t Attestation], trials: &mut Trials<'t>) {
    for attestation in read.iter().copied() {
        for other in ["lint-other", "lint/other.pkl"] {
            let words = format!("about what is called `{other}`");
            trials.offer(said(attestation, Part::Names, &words, |one| {
                for subject in &mut one.subject {
                    subject.name = Some(other.into());
                }
                Some(())
            }));
        }
    }
}

/// Everybody who could have signed: the keys of the trust file, and whoever signed anything.
pub(super) fn signers(trust: &Trust, history: &History) -> Vec<Signer> {
    let keys = trust.keys().iter();
    let keys = keys.flat_map(|key| key.grants().iter().map(move |grant| key.signer(grant)));
    let found = history.attestations().iter().flat_map(|one| one.signers.iter().cloned());
    keys.chain(found).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A statement in words.
pub(super) fn name(attestation: &Attestation) -> String {
    let what = match &attestation.step {
        Some(step) => format!("`{step}`"),
        None => attestation.predicate_type.clone(),
    };
    format!("the statement of {what}")
}

/// With another statement under the same signatures.
fn said<'t>(
    attestation: &'t Attestation,
    part: Part,
    words: &str,
    edit: impl Fn(&mut Statement) -> Option<()> + 't,
) -> Trial<'t> {
    Trial::new(part, format!("{} {words}", name(attestation)), move || {
        let mut statement = Box::new(attestation.statement().clone());
        edit(&mut statement)?;
        Some(vec![Change::Say { body: attestation.body(), statement }])
    })
}

/// With what is edited as JSON, where it can be typed again.
fn written<'t>(
    attestation: &'t Attestation,
    words: &str,
    edit: impl Fn(&mut Value) -> Option<()> + 't,
) -> Trial<'t> {
    said(attestation, Part::Digests, words, move |statement| {
        let mut document = document(statement)?;
        edit(&mut document)?;
        *statement = typed(&attestation.predicate_type, document)?;
        Some(())
    })
}

fn other_artifact(descriptor: &mut ResourceDescriptor) {
    for (algorithm, digest) in &mut descriptor.digest {
        if algorithm == "sha256" || algorithm == "sha1" {
            let other = Sha256::of(digest.as_bytes()).hex();
            *digest = other.chars().take(digest.len()).collect();
        }
    }
}
