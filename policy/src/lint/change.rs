//! The changes that are tried: each in one thing that a rule reads.
//!
//! Statements are changed as JSON and typed again, so that what no tool could write is not tried.

use std::collections::BTreeSet;

use attest::{Predicate, ResourceDescriptor, Sha256, Statement};
use serde_json::Value;
use verify::{Attestation, Change, History, Signer, Trust};

/// The most leaves of one field that are changed.
const MAX_LEAVES: usize = 256;
/// How deep a field may go on below what a rule names.
const MAX_DEPTH: usize = 12;
/// By how much a number is made greater and smaller at most: what holds beyond holds always.
const FACTOR: f64 = 1e6;
/// What a text is changed into: something that nobody would write, and words by which tools say no.
const WORDS: [&str; 9] = [
    "lint:other",
    "FAILED",
    "reject",
    "rejected",
    "fail",
    "pickle",
    "critical",
    "GPL-3.0-only",
    "*",
];
/// The role of what a model was made from.
const BASE_MODEL: &str = "base-model";
/// Numbers that are parts of one: nothing outside of that is plausible.
const SHARES: [&str; 10] =
    ["accuracy", "precision", "recall", "f1", "auc", "auroc", "specificity", "top1", "top5", "iou"];

/// What a change is a change of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Part {
    /// Whether a statement, or a field of it, is there; its place.
    Rest,
    /// Which artifacts it names.
    Digests,
    /// What it calls them.
    Names,
    /// A number.
    Number,
    /// Who signed.
    Signers,
}

/// Something to suppose.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) part: Part,
    pub(super) words: String,
    pub(super) changes: Vec<Change>,
}

/// Without one statement after the other, each by itself and then all together.
pub(super) fn removals(read: &[&Attestation]) -> Vec<Trial> {
    let one = |attestation: &&Attestation| Change::Remove { body: attestation.body() };
    let mut trials: Vec<Trial> = read
        .iter()
        .map(|attestation| Trial {
            part: Part::Rest,
            words: format!("without {}", name(attestation)),
            changes: vec![one(attestation)],
        })
        .collect();
    if read.len() > 1 {
        let changes = read.iter().map(one).collect();
        trials.push(Trial { part: Part::Rest, words: "without any of them".into(), changes });
    }
    trials
}

/// Signed by each other signer, and by each of several alone.
pub(super) fn signatures(read: &[&Attestation], signers: &[Signer]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for attestation in read {
        let now = &attestation.signers;
        let alone = now.iter().filter(|_| now.len() > 1);
        let others = signers.iter().filter(|one| !now.iter().any(|by| by.name == one.name));
        trials.extend(alone.chain(others).map(|signer| Trial {
            part: Part::Signers,
            words: format!("{} signed by `{}` instead", name(attestation), signer.name),
            changes: vec![Change::Sign { body: attestation.body(), signers: vec![signer.clone()] }],
        }));
    }
    // A rule that takes any of several statements fails when none of them is by whom it wants.
    trials.extend(signers.iter().filter(|_| read.len() > 1).map(|signer| {
        Trial {
            part: Part::Signers,
            words: format!("all of them signed by `{}` instead", signer.name),
            changes: read
                .iter()
                .map(|one| Change::Sign { body: one.body(), signers: vec![signer.clone()] })
                .collect(),
        }
    }));
    trials
}

/// In each other's places.
pub(super) fn orders(read: &[&Attestation], all: &[Attestation]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for one in read {
        for other in all.iter().filter(|other| other.body() != one.body()) {
            trials.push(Trial {
                part: Part::Rest,
                words: format!("{} in the place of {}", name(one), name(other)),
                changes: vec![Change::Swap { one: one.body(), other: other.body() }],
            });
        }
    }
    trials
}

/// With a field left out, or with another value in it.
pub(super) fn fields(read: &[&Attestation], pointer: &str) -> Vec<Trial> {
    let mut trials = Vec::new();
    for attestation in read {
        let Some(document) = document(attestation.statement()) else { continue };
        for place in places(&document, pointer) {
            // What is not there could be.
            if document.pointer(&place).is_none() {
                let added = added(&document, &place).into_iter();
                trials.extend(added.filter_map(|(part, words, document)| {
                    say(attestation, document, part, &words)
                }));
            }
            let Some(value) = document.pointer(&place) else { continue };
            let mut edits: Vec<(Part, String, Option<Value>)> =
                vec![(Part::Rest, format!("without {place}"), None)];
            edits.extend(others(&document, &place, value).into_iter().map(|(part, other)| {
                (part, format!("with {other} instead of {value} as {place}"), Some(other))
            }));
            for (part, words, to) in edits {
                let mut changed = document.clone();
                if put(&mut changed, &place, to).is_some() {
                    trials.extend(say(attestation, changed, part, &words));
                }
            }
        }
    }
    trials
}

/// About other artifacts: another subject, another material, and each artifact of the history as
/// one more material.
pub(super) fn digests(read: &[&Attestation], history: &History) -> Vec<Trial> {
    let mut trials = Vec::new();
    let known: BTreeSet<_> = history
        .attestations()
        .iter()
        .flat_map(|one| one.subjects.iter().chain(&one.materials))
        .flat_map(|named| {
            let roles = [named.role.clone(), Some(BASE_MODEL.to_owned())];
            roles.map(|role| (named.artifact, named.name.clone(), role))
        })
        .collect();
    for attestation in read {
        let statement = attestation.statement();
        for at in 0..statement.subject.len() {
            let mut changed = statement.clone();
            if let Some(subject) = changed.subject.get_mut(at) {
                other_artifact(subject);
            }
            trials.push(Trial {
                part: Part::Digests,
                ..said(attestation, changed, "about another artifact")
            });
        }
        if let Some(first) = statement.subject.first() {
            let (mut changed, mut more) = (statement.clone(), first.clone());
            other_artifact(&mut more);
            changed.subject.push(more);
            let trial = said(attestation, changed, "about one more artifact");
            trials.push(Trial { part: Part::Digests, ..trial });
        }
        let Some(document) = document(statement) else { continue };
        for list in ["/predicate/buildDefinition/resolvedDependencies", "/predicate/run/materials"]
        {
            let Some(Value::Array(materials)) = document.pointer(list) else { continue };
            for at in 0..materials.len().min(MAX_LEAVES) {
                let mut changed = document.clone();
                if put(&mut changed, &format!("{list}/{at}"), None).is_some() {
                    trials.extend(say(attestation, changed, Part::Digests, "without a material"));
                }
            }
            for (artifact, label, role) in known.iter().take(MAX_LEAVES) {
                let one = ResourceDescriptor::of(label, artifact);
                let mut another = one.clone();
                other_artifact(&mut another);
                let with = |one: ResourceDescriptor| match role {
                    Some(role) => one.with_role(role),
                    None => one,
                };
                for (one, words) in [(one, "with"), (another, "with another")] {
                    let Ok(one) = serde_json::to_value(with(one)) else { continue };
                    let mut changed = document.clone();
                    if let Some(Value::Array(materials)) = changed.pointer_mut(list) {
                        materials.push(one);
                    }
                    let words = format!("{words} `{label}` as one more material");
                    trials.extend(say(attestation, changed, Part::Digests, &words));
                }
            }
        }
    }
    trials.extend(elsewhere(read));
    trials
}

/// All statements of a step at once about other artifacts: one of several is enough for many rules.
fn elsewhere(read: &[&Attestation]) -> Vec<Trial> {
    let steps: BTreeSet<_> = read.iter().filter_map(|one| one.step.as_ref()).collect();
    let all = |step| {
        let of_step = read.iter().filter(move |one| one.step.as_ref() == Some(step));
        let changes = of_step.map(|one| {
            let mut changed = one.statement().clone();
            changed.subject.iter_mut().for_each(other_artifact);
            Change::Say { body: one.body(), statement: Box::new(changed) }
        });
        let words = format!("every statement of `{step}` about other artifacts");
        Trial { part: Part::Digests, words, changes: changes.collect() }
    };
    steps.into_iter().map(all).collect()
}

/// Called something else.
pub(super) fn names(read: &[&Attestation]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for attestation in read {
        for other in ["lint-other", "lint/other.pkl"] {
            let mut changed = attestation.statement().clone();
            for subject in &mut changed.subject {
                subject.name = Some(other.into());
            }
            let words = format!("about what is called `{other}`");
            trials.push(Trial { part: Part::Names, ..said(attestation, changed, &words) });
        }
    }
    trials
}

/// Everybody who could have signed: the keys of the trust file, and whoever signed anything.
pub(super) fn signers(trust: &Trust, history: &History) -> Vec<Signer> {
    let keys = trust.keys().iter();
    let keys = keys.flat_map(|key| key.grants().iter().map(move |grant| key.signer(grant)));
    let found = history.attestations().iter().flat_map(|one| one.signers.iter().cloned());
    keys.chain(found).collect::<BTreeSet<_>>().into_iter().collect()
}

fn name(attestation: &Attestation) -> String {
    let what = match &attestation.step {
        Some(step) => format!("`{step}`"),
        None => attestation.predicate_type.clone(),
    };
    format!("the statement of {what}")
}

fn said(attestation: &Attestation, statement: Statement, words: &str) -> Trial {
    Trial {
        part: Part::Rest,
        words: format!("{} {words}", name(attestation)),
        changes: vec![Change::Say { body: attestation.body(), statement: Box::new(statement) }],
    }
}

fn say(attestation: &Attestation, document: Value, part: Part, words: &str) -> Option<Trial> {
    let statement = typed(&attestation.predicate_type, document)?;
    Some(Trial { part, ..said(attestation, statement, words) })
}

fn document(statement: &Statement) -> Option<Value> {
    let subject = serde_json::to_value(&statement.subject).ok()?;
    let predicate = statement.predicate.to_value().ok()?;
    Some(serde_json::json!({ "subject": subject, "predicate": predicate }))
}

fn typed(predicate_type: &str, mut document: Value) -> Option<Statement> {
    let subject = serde_json::from_value(document.get_mut("subject")?.take()).ok()?;
    let predicate = document.get_mut("predicate")?.take();
    let predicate = Predicate::from_value(predicate_type, predicate).ok()?;
    Some(Statement { subject, predicate })
}

fn other_artifact(descriptor: &mut ResourceDescriptor) {
    for (algorithm, digest) in &mut descriptor.digest {
        if algorithm == "sha256" || algorithm == "sha1" {
            let other = Sha256::of(digest.as_bytes()).hex();
            *digest = other.chars().take(digest.len()).collect();
        }
    }
}

/// The places that a pointer with `*` stands for, and every place below them.
fn places(document: &Value, pointer: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for token in pointer.split('/').skip(1) {
        let mut next = Vec::new();
        for place in &found {
            let Some(value) = document.pointer(place) else { continue };
            match token {
                "*" => next.extend(below(value).into_iter().map(|key| format!("{place}/{key}"))),
                _ => next.push(format!("{place}/{token}")),
            }
        }
        next.truncate(MAX_LEAVES);
        found = next;
    }
    let parent =
        |place: &str| place.rsplit_once('/').and_then(|(whole, _)| document.pointer(whole));
    found.retain(|place| parent(place).is_some());
    let mut at = 0;
    while let Some(place) = found.get(at).cloned().filter(|_| found.len() < MAX_LEAVES) {
        at += 1;
        if place.split('/').count() > MAX_DEPTH {
            continue;
        }
        let inside = document.pointer(&place).map(below).unwrap_or_default();
        found.extend(inside.into_iter().map(|key| format!("{place}/{key}")));
    }
    found.truncate(MAX_LEAVES);
    found
}

/// With a field that is not there.
fn added(document: &Value, place: &str) -> Vec<(Part, String, Value)> {
    let Some((whole, key)) = place.rsplit_once('/') else { return Vec::new() };
    let key = key.replace("~1", "/").replace("~0", "~");
    let numbers = [FACTOR, -FACTOR].map(|value| Value::String(decimal(value)));
    let numbers = numbers.into_iter().map(|value| (Part::Number, value));
    let values = numbers.chain([(Part::Rest, Value::String(WORDS.concat()))]);
    let with = |(part, value): (Part, Value)| {
        let words = format!("with {value} as {place}");
        let mut changed = document.clone();
        changed.pointer_mut(whole)?.as_object_mut()?.insert(key.clone(), value);
        Some((part, words, changed))
    };
    values.filter_map(with).collect()
}

fn below(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => (0..items.len()).map(|at| at.to_string()).collect(),
        Value::Object(fields) => {
            fields.keys().map(|key| key.replace('~', "~0").replace('/', "~1")).collect()
        }
        _ => Vec::new(),
    }
}

/// Other values of the same type.
fn others(document: &Value, place: &str, value: &Value) -> Vec<(Part, Value)> {
    let number = |value: f64| {
        let share = is_share(document, place);
        let values = match share {
            true => vec![0.0, 1.0],
            false => vec![0.0, value * FACTOR, -value.abs() * FACTOR, FACTOR, -FACTOR],
        };
        values.into_iter().filter(move |other| *other != value)
    };
    match value {
        Value::Bool(value) => vec![(Part::Rest, Value::Bool(!value))],
        Value::Number(value) => {
            let numbers = number(value.as_f64().unwrap_or(0.0));
            let whole = value.is_i64() || value.is_u64();
            let written = numbers.filter_map(|other| match whole {
                true => decimal(other).parse::<i64>().ok().map(Value::from),
                false => serde_json::Number::from_f64(other).map(Value::Number),
            });
            written.map(|other| (Part::Number, other)).collect()
        }
        Value::String(text) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                number(value).map(|other| (Part::Number, Value::String(decimal(other)))).collect()
            }
            _ if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                vec![(Part::Rest, Value::String(Sha256::of(text.as_bytes()).hex()))]
            }
            _ => {
                let other = WORDS.iter().filter(|word| *word != text);
                other.map(|word| (Part::Rest, Value::String((*word).into()))).collect()
            }
        },
        Value::Array(items) if !items.is_empty() => vec![(Part::Rest, Value::Array(Vec::new()))],
        _ => Vec::new(),
    }
}

/// Whether the number at `place` is one that is never outside of 0 to 1, by the name beside it.
fn is_share(document: &Value, place: &str) -> bool {
    let beside = place.rsplit_once('/').and_then(|(whole, _)| document.pointer(whole));
    let name = beside.and_then(|beside| beside.get("metric")).and_then(Value::as_str);
    place.ends_with("/value") && name.is_some_and(is_share_name)
}

/// Whether a metric of this name is a part of one.
pub(super) fn is_share_name(name: &str) -> bool {
    SHARES.iter().any(|share| name.eq_ignore_ascii_case(share))
}

/// Without exponent, which the numbers of evaluations do not have.
fn decimal(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Puts a value, or leaves the field out.
fn put(document: &mut Value, place: &str, to: Option<Value>) -> Option<()> {
    if let Some(to) = to {
        *document.pointer_mut(place)? = to;
        return Some(());
    }
    let (whole, key) = place.rsplit_once('/')?;
    match document.pointer_mut(whole)? {
        Value::Object(fields) => {
            fields.remove(&key.replace("~1", "/").replace("~0", "~")).map(drop)
        }
        Value::Array(items) => {
            let at = key.parse::<usize>().ok().filter(|at| *at < items.len())?;
            items.remove(at);
            Some(())
        }
        _ => None,
    }
}
