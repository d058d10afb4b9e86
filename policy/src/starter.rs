//! A first policy, from the lineage of an artifact that is known to be good.
//!
//! What was found becomes what is asked: each step with who signed it, what flowed between steps,
//! each number on its data set, what things were, what a scan found in them, and how old each may be. Nothing is asked that was not found, so
//! that a person has to add what should have been.

mod contents;
mod scans;

use std::collections::{BTreeMap, BTreeSet};

use attest::predicate::{BuildKind, EVALUATION, is_provenance};
use attest::{ArtifactId, Decimal, Predicate, StageName, Timestamp};
use verify::{Attestation, Lineage};

use crate::document::can_be_a_step;
use crate::rules::ages::claims;

/// The age that a step may have where what was found is younger, in days.
const DAYS: i64 = 90;
/// The same for evaluations.
const EVALUATION_DAYS: i64 = 30;
/// How much older than it was found a step may be, where that is older than usual.
const SPARE_DAYS: i64 = 30;
/// Words in the names of numbers that are better when they are lower.
const LOWER: [&str; 9] =
    ["loss", "error", "mae", "mse", "rmse", "perplexity", "latency", "false", "bias"];
/// The most decimal places of a threshold.
const PLACES: usize = 3;
/// The most lines of a section; what is beyond is left to whoever reads it.
const MAX_LINES: usize = 200;

/// The longest name of a step that is made here, with room for a number.
const MAX_LABEL: usize = 50;

/// The steps by their names.
type Steps<'a> = BTreeMap<String, Found<'a>>;

/// A step as it was found.
#[derive(Debug, Default)]
struct Found<'a> {
    statements: Vec<&'a Attestation>,
}

/// Writes the document.
pub(crate) fn write(name: &str, stages: &[StageName], lineage: &Lineage, now: Timestamp) -> String {
    let steps = found(lineage);
    let mut text = head(name, stages, lineage);
    text.push_str(
        "\n# What must have happened, and who must have signed for it: whoever did.\nsteps:\n",
    );
    for (name, found) in &steps {
        text.push_str(&step(name, found, &steps));
    }
    let flows = flows(&steps);
    if !flows.is_empty() {
        text.push_str("\n# What must flow between steps, by digest, and what must not.\nflow:\n");
        text.extend(flows.into_iter().take(MAX_LINES));
    }
    let ml = [numbers(&steps), contents::data_licences(&steps, lineage), contents::weights(&steps)]
        .concat();
    if !ml.is_empty() {
        text.push_str("\nml:\n");
        text.push_str(&ml);
    }
    text.push_str(&contents::dependencies(&steps, lineage, now));
    let ages: Vec<String> = steps
        .iter()
        .filter_map(|(name, found)| Some(format!("  {name}: {}d\n", days(found, now)?)))
        .collect();
    if !ages.is_empty() {
        text.push_str("\n# How old each may be when it is judged.\nages:\n");
        text.extend(ages);
    }
    text
}

/// The steps, by the names that statements give them; what names none is a step of its own by its
/// type, where it is about the artifact itself.
fn found(lineage: &Lineage) -> Steps<'_> {
    let (mut steps, root) = (Steps::new(), lineage.root());
    let named = lineage.attestations().iter().filter_map(|one| Some((one, one.step.as_ref()?)));
    for (one, step) in named {
        steps.entry(step.to_string()).or_default().statements.push(one);
    }
    let mut others: BTreeMap<(&str, Option<&str>), Vec<&Attestation>> = BTreeMap::new();
    for one in lineage.about(&root).filter(|one| one.step.is_none()) {
        if can_be_a_step(&one.predicate_type) {
            let build_type = one.statement().predicate.build_type();
            others.entry((&one.predicate_type, build_type)).or_default().push(one);
        }
    }
    for ((predicate, _), statements) in others {
        let name = free(label(predicate), &steps);
        steps.insert(name, Found { statements });
    }
    steps
}

/// What a type is called, as a step can be: the last part of its path that is no version.
fn label(predicate: &str) -> String {
    let version = |part: &&str| {
        part.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|one: char| one.is_ascii_digit()))
    };
    let part = predicate.rsplit('/').find(|part| !part.is_empty() && !version(part));
    let letters = part.unwrap_or_default().to_ascii_lowercase();
    let letters: String = letters
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one } else { '-' })
        .take(MAX_LABEL)
        .collect();
    let letters = letters.trim_matches(|one: char| !one.is_ascii_lowercase());
    if letters.is_empty() { "statement".into() } else { letters.into() }
}

/// The name, with a number where another step has it.
fn free(name: String, steps: &Steps<'_>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let all = std::iter::once(name.clone()).chain(numbered);
    all.into_iter().find(|name| !steps.contains_key(name)).unwrap_or(name)
}

fn head(name: &str, stages: &[StageName], lineage: &Lineage) -> String {
    let mut text = format!(
        "# Written from the lineage of {}, which was taken to be good.\n\
         # Read every line, tighten what you can, and try it: `assay policy test`.\n\
         apiVersion: assay/v1\nkind: PromotionPolicy\nmetadata: {{name: {name}, version: 1}}\n\n\
         # Where it may be used; each stage after the one before.\nstages:\n",
        lineage.root()
    );
    let mut before: Option<&StageName> = None;
    for stage in stages {
        let after = before.map_or_else(String::new, |before| format!(", after: [{before}]"));
        text.push_str(&format!("  {stage}: {{mode: enforce{after}}}\n"));
        before = Some(stage);
    }
    text
}

fn step(name: &str, found: &Found<'_>, steps: &Steps<'_>) -> String {
    let types: BTreeSet<&str> =
        found.statements.iter().map(|one| one.predicate_type.as_str()).collect();
    let signers: BTreeSet<&str> = found
        .statements
        .iter()
        .flat_map(|one| one.signers.iter().map(|signer| signer.name.as_str()))
        .collect();
    let kinds: BTreeSet<Option<BuildKind>> = found.statements.iter().map(|one| kind(one)).collect();
    let kind = match kinds.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(kind)] => format!("    kind: {}\n", kind.as_str()),
        _ => String::new(),
    };
    let build_types: BTreeSet<&str> = found
        .statements
        .iter()
        .filter(|one| one.step.is_none())
        .filter_map(|one| one.statement().predicate.build_type())
        .collect();
    let other =
        apart(name, found, steps).map_or_else(String::new, |other| format!(", notSameAs: {other}"));
    let list = |all: BTreeSet<&str>| all.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
    format!(
        "  {name}:\n    predicates: [{}]\n{kind}{}    signers: {{anyOf: [{}]{other}}}\n",
        list(types),
        match build_types.is_empty() {
            true => String::new(),
            false => format!("    buildTypes: [{}]\n", list(build_types)),
        },
        list(signers)
    )
}

/// The step that made the model, where other owners measured it than made it.
fn apart<'s>(name: &str, found: &Found<'_>, steps: &'s Steps<'_>) -> Option<&'s str> {
    let owners = |found: &Found<'_>| -> BTreeSet<String> {
        let owners = found.statements.iter().flat_map(|one| one.owners());
        owners.map(str::to_owned).collect()
    };
    let measured = found.statements.iter().all(|one| one.predicate_type == EVALUATION);
    let made = |found: &Found<'_>| found.statements.iter().any(|one| learns(one));
    let mut others = steps.iter().filter(|(other, found)| *other != name && made(found));
    let apart = others.find(|(_, made)| owners(made).is_disjoint(&owners(found)));
    apart.filter(|_| measured).map(|(other, _)| other.as_str())
}

fn learns(one: &Attestation) -> bool {
    matches!(kind(one), Some(BuildKind::Training | BuildKind::FineTuning))
}

fn kind(one: &Attestation) -> Option<BuildKind> {
    match &one.statement().predicate {
        Predicate::Provenance(provenance) => provenance.kind(),
        Predicate::Evaluation(_) => Some(BuildKind::Evaluation),
        _ => None,
    }
}

/// What flows by digest from one step to another; and that what was only measured on is not learnt
/// from.
fn flows(steps: &Steps<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (from, source) in steps {
        if !source.statements.iter().all(|one| is_provenance(&one.predicate_type)) {
            continue;
        }
        let products: BTreeMap<ArtifactId, &str> = source
            .statements
            .iter()
            .flat_map(|one| &one.subjects)
            .map(|product| (product.artifact, product.name.as_str()))
            .collect();
        for (to, target) in steps.iter().filter(|(to, _)| *to != from) {
            let subjects: BTreeSet<ArtifactId> = target
                .statements
                .iter()
                .filter(|one| !one.makes())
                .flat_map(|one| one.subjects.iter().map(|subject| subject.artifact))
                .collect();
            lines.extend(joined(from, &products, &format!("{to}.subject"), &subjects));
            let reads = |one: &&Attestation| {
                is_provenance(&one.predicate_type) || one.predicate_type == EVALUATION
            };
            let materials: BTreeSet<ArtifactId> = target
                .statements
                .iter()
                .filter(|one| reads(one))
                .flat_map(|one| one.materials.iter().map(|material| material.artifact))
                .collect();
            if target.statements.iter().all(reads) {
                lines.extend(joined(from, &products, &format!("{to}.materials"), &materials));
            }
        }
    }
    lines
}

fn joined(
    from: &str,
    products: &BTreeMap<ArtifactId, &str>,
    to: &str,
    entered: &BTreeSet<ArtifactId>,
) -> Vec<String> {
    let within: Vec<&str> = products
        .iter()
        .filter(|(product, _)| entered.contains(product))
        .map(|(_, name)| *name)
        .collect();
    if within.is_empty() {
        return Vec::new();
    }
    if within.len() == products.len() {
        return vec![format!("  - {{from: {from}.products, to: {to}, coverage: all}}\n")];
    }
    let named: BTreeSet<&str> = within.into_iter().filter(|name| !name.is_empty()).collect();
    let line = |name: &str| {
        let name = quoted(name);
        format!("  - {{from: {from}.products, select: {name}, to: {to}, coverage: all}}\n")
    };
    named.into_iter().map(line).collect()
}

/// The numbers, for the section `ml`: each on its data set, with the data that only evaluations read kept out of what was
/// learnt from.
fn numbers(steps: &Steps<'_>) -> String {
    let (mut metrics, mut holdouts) = (Vec::new(), BTreeSet::new());
    for (name, found) in steps {
        let mut evaluations =
            found.statements.iter().filter_map(|one| match &one.statement().predicate {
                Predicate::Evaluation(evaluation) => Some(evaluation),
                _ => None,
            });
        let Some(last) = evaluations.next_back() else { continue };
        let Ok(data) = last.dataset.artifact() else { continue };
        let called = last.dataset.name.as_deref().unwrap_or_default();
        let title =
            if called.is_empty() { String::new() } else { format!("name: {}, ", quoted(called)) };
        let whole = last.measurements.iter().filter(|one| one.slice.is_none());
        for one in whole {
            let Some(samples) = one.sample_size.filter(|samples| *samples > 0) else { continue };
            let (bound, value) = threshold(&one.metric, one.value);
            metrics.push(format!(
                "    - {{step: {name}, name: {}, dataset: {{{title}digest: \"{data}\"}}, {bound}: \
                 \"{value}\", minSamples: {samples}}}\n",
                quoted(&one.metric)
            ));
        }
        for (learnt, found) in steps {
            let learning: Vec<&Attestation> =
                found.statements.iter().copied().filter(|one| learns(one)).collect();
            let closed = |one: &Attestation| {
                one.unidentified.is_empty()
                    && one.materials.iter().all(|material| material.artifact != data)
            };
            if !learning.is_empty() && learning.into_iter().all(closed) {
                holdouts.insert(format!(
                    "    - {{{title}digest: \"{data}\", notIn: {learnt}.materials}}\n"
                ));
            }
        }
    }
    let mut text = String::new();
    if !metrics.is_empty() {
        text.push_str(
            "  # The numbers as they were found, rounded so that they just pass.\n  metrics:\n",
        );
        text.extend(metrics.into_iter().take(MAX_LINES));
    }
    if !holdouts.is_empty() {
        text.push_str("  # What was measured on was not learnt from.\n  holdout:\n");
        text.extend(holdouts.into_iter().take(MAX_LINES));
    }
    text
}

/// The bound of a number, rounded to the side on which the number passes.
fn threshold(metric: &str, value: Decimal) -> (&'static str, String) {
    let lower = metric.to_lowercase();
    if LOWER.iter().any(|word| lower.contains(word)) {
        ("atMost", rounded(value, false))
    } else {
        ("atLeast", rounded(value, true))
    }
}

/// The decimal with at most [`PLACES`] places: down, or left as it is where it would go up.
fn rounded(value: Decimal, down: bool) -> String {
    let text = value.to_string();
    let Some((whole, places)) = text.split_once('.') else { return text };
    // Cutting off goes towards zero: down for what is positive, up for what is negative.
    if places.len() <= PLACES || down == text.starts_with('-') {
        return text;
    }
    format!("{whole}.{}", places.get(..PLACES).unwrap_or(places))
}

/// How many days a step may be old: the usual, or what was found with a month to spare.
fn days(found: &Found<'_>, now: Timestamp) -> Option<i64> {
    let usual = match found.statements.iter().all(|one| one.predicate_type == EVALUATION) {
        true => EVALUATION_DAYS,
        false => DAYS,
    };
    // What says no time is too old for every limit.
    let dated = found.statements.iter().map(|one| Some(claims(one)?.0));
    let oldest = dated.collect::<Option<Vec<Timestamp>>>()?.into_iter().min()?;
    Some(with_room(oldest, usual, now))
}

/// How many days old something of `since` may be, where `usual` is what such things may be.
fn with_room(since: Timestamp, usual: i64, now: Timestamp) -> i64 {
    let age = now.duration_since(since).as_hours() / 24;
    if age < usual { usual } else { age + SPARE_DAYS }
}

/// A text in double quotes, as YAML and JSON have it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
