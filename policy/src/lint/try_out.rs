//! Trying to break each rule, by what it reads.

use std::collections::{BTreeMap, BTreeSet};

use attest::Timestamp;
use verify::{Attestation, Change, Supposed};

use super::change::{self, Part, Trial};
use super::{
    Broken, Fault, FaultKind, LintError, LintReport, MAX_CHANGES, MAX_CHANGES_OF_A_RULE, MAX_YEARS,
    Specimen,
};
use crate::decision::Outcome;
use crate::rules::rule::{Reads, RuleView};
use crate::simulation::Simulation;
use crate::{Code, Policy};

/// The most moments at which something changes by time alone that are tried.
const MAX_EDGES: usize = 256;

/// What has been found out about one rule.
#[derive(Debug, Default)]
struct Known {
    /// What breaks it, in words.
    by: Option<String>,
    parts: BTreeSet<Part>,
    by_time: bool,
    /// Which parts there was anything to change of.
    tried: BTreeSet<Part>,
}

/// Adds to `report` what comes of it.
pub(super) fn rules(
    policy: &Policy,
    specimen: &Specimen<'_>,
    progress: &mut dyn FnMut(usize, usize),
    report: &mut LintReport,
) -> Result<(), LintError> {
    let supposed = Supposed::of(specimen.lineage);
    let Specimen { artifact, stage, now, .. } = *specimen;
    let base = policy.simulate(artifact, stage, &supposed, now);
    let explained = |rule: &str| {
        let faults = report.faults.iter();
        let fails = [FaultKind::Unsatisfiable, FaultKind::Unreachable];
        faults.filter(|fault| fails.contains(&fault.kind)).any(|one| one.rule == rule)
    };
    if base.findings().iter().any(|finding| !explained(&finding.rule)) {
        let findings = base.findings().to_vec();
        return Err(LintError::DoesNotPass { stage: stage.clone(), findings });
    }
    let outcome =
        |place: &str| base.rules().iter().find(|rule| rule.rule == place).map(|rule| rule.outcome);
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    by_time(policy, specimen, &supposed, &mut known, &mut report.tried);
    // Rules that every policy has are not written by anybody, and are tested where they stand.
    let written = |rule: &RuleView| {
        !rule.reads.is_empty() && !matches!(rule.rule.as_str(), "chain" | "revocation")
    };
    let rules: Vec<RuleView> = policy.inventory().into_iter().filter(written).collect();
    let signers = change::signers(specimen.trust, supposed.history());
    for (done, rule) in rules.iter().enumerate() {
        progress(done, rules.len());
        if outcome(&rule.rule) != Some(Outcome::Pass) {
            if outcome(&rule.rule) != Some(Outcome::Fail) {
                report.untried.push(rule.rule.clone());
            }
            continue;
        }
        let evidence = base.rules().iter().find(|one| one.rule == rule.rule);
        let evidence = evidence.map(|one| one.evidence.as_slice()).unwrap_or_default();
        let all = supposed.history().attestations();
        let read: Vec<&Attestation> =
            all.iter().filter(|one| evidence.contains(&one.body()) || is_read(rule, one)).collect();
        let mut trials = change::removals(&read);
        for reads in &rule.reads {
            trials.extend(match reads {
                Reads::Field(pointer) => change::fields(&read, pointer),
                Reads::Signers(_) => change::signatures(&read, &signers),
                Reads::Digests => change::digests(&read, supposed.history()),
                Reads::Names => change::names(&read),
                Reads::Order => change::orders(&read, all),
                _ => Vec::new(),
            });
        }
        // What says most comes first: numbers and signers, which are few.
        trials.sort_by_key(|trial| std::cmp::Reverse(trial.part));
        let here = known.entry(rule.rule.clone()).or_default();
        for trial in trials.iter().take(MAX_CHANGES_OF_A_RULE) {
            if report.tried >= MAX_CHANGES {
                report.untried.push(rule.rule.clone());
                break;
            }
            here.tried.insert(trial.part);
            if here.parts.contains(&trial.part) {
                continue;
            }
            let Some(found) = simulate(policy, specimen, &supposed, trial) else { continue };
            report.tried += 1;
            if breaks(&found, &rule.rule) || follows(trial, rule) && fails(&found, &rule.rule) {
                here.parts.insert(trial.part);
                here.by.get_or_insert_with(|| trial.words.clone());
            }
        }
        let found = (here.by.clone(), faults(rule, here));
        report.broken.extend(found.0.map(|by| Broken { rule: rule.rule.clone(), by }));
        report.faults.extend(found.1);
    }
    progress(rules.len(), rules.len());
    Ok(())
}

/// Supposes it to be later, at each moment at which something changes, and just before each
/// moment from which on something is as it is.
fn by_time(
    policy: &Policy,
    specimen: &Specimen<'_>,
    supposed: &Supposed,
    known: &mut BTreeMap<String, Known>,
    tried: &mut usize,
) {
    let Specimen { artifact, stage, now, .. } = *specimen;
    let last = Timestamp::from_second(
        now.as_second().saturating_add(MAX_YEARS.saturating_mul(366 * 24 * 60 * 60)),
    );
    let last = last.unwrap_or(Timestamp::MAX);
    let second = std::time::Duration::from_secs(1);
    // The validity of signers ends by the trust file, and not by a rule.
    let Ok(lasting) = supposed.with(&Change::Lasting, specimen.trust) else { return };
    let mut at = |moment: Timestamp| {
        *tried += 1;
        let found = policy.simulate(artifact, stage, &lasting, moment);
        // That a date lies ahead, seen from before it, says nothing of a limit.
        let ahead = [Code::AgeFuture, Code::ClockBehind];
        for finding in found.findings().iter().filter(|one| !ahead.contains(&one.code)) {
            let known = known.entry(finding.rule.clone()).or_default();
            known.by_time = true;
            known.by.get_or_insert_with(|| format!("asked at {moment}"));
        }
        found.holds()
    };
    let mut holds = at(now);
    let earlier = holds.from.and_then(|from| from.checked_sub(second).ok());
    if let Some(earlier) = earlier {
        at(earlier);
    }
    for _ in 0..MAX_EDGES {
        let Some(until) = holds.until.filter(|until| *until <= last) else { break };
        holds = at(until);
    }
}

fn simulate(
    policy: &Policy,
    specimen: &Specimen<'_>,
    supposed: &Supposed,
    trial: &Trial,
) -> Option<Simulation> {
    let (first, rest) = trial.changes.split_first()?;
    let mut changed = supposed.with(first, specimen.trust).ok()?;
    for change in rest {
        changed = changed.with(change, specimen.trust).ok()?;
    }
    Some(policy.simulate(specimen.artifact, specimen.stage, &changed, specimen.now))
}

/// Whether the rule has a finding of its own; that it follows from another's is not enough.
fn breaks(found: &Simulation, rule: &str) -> bool {
    found.findings().iter().any(|finding| finding.rule == rule)
        // Of an artifact of which nobody knows anything one finding says it all.
        || found.findings().iter().any(|one| one.code == Code::ArtifactUnknown)
            && fails(found, rule)
}

/// Whether it is enough that the rule does not hold because another does not: a statement about
/// another artifact, or by another signer, is no longer of the chain that a flow is about.
fn follows(trial: &Trial, rule: &RuleView) -> bool {
    match trial.part {
        Part::Signers => true,
        Part::Digests => rule.rule.starts_with("flow"),
        _ => false,
    }
}

/// Whether the rule does not hold.
fn fails(found: &Simulation, rule: &str) -> bool {
    found.rules().iter().any(|one| one.rule == rule && one.outcome == Outcome::Fail)
}

fn is_read(rule: &RuleView, attestation: &Attestation) -> bool {
    let mut named = rule.reads.iter().filter_map(|reads| match reads {
        Reads::Step(step) => Some(attestation.step.as_ref() == Some(step)),
        Reads::Type(of) => Some(attestation.predicate_type == *of),
        _ => None,
    });
    // A step has types, and a statement that names another step is not of it.
    let steps = rule.reads.iter().any(|reads| matches!(reads, Reads::Step(_)));
    match (steps, &attestation.step) {
        (true, Some(own)) => {
            rule.reads.iter().any(|reads| matches!(reads, Reads::Step(step) if step == own))
        }
        _ => named.any(|is| is),
    }
}

fn faults(rule: &RuleView, known: &Known) -> Vec<Fault> {
    let fault = |kind, message: String, next: &str| Fault {
        rule: rule.rule.clone(),
        kind,
        message,
        next: next.into(),
    };
    if known.by.is_none() {
        let message = format!("nothing makes it fail: {}", rule.asks);
        let next = "write down what must not be, or leave the rule out";
        return vec![fault(FaultKind::Vacuous, message, next)];
    }
    let mut faults = Vec::new();
    let lacks = |part| known.tried.contains(&part) && !known.parts.contains(&part);
    if rule.rule == "match" && lacks(Part::Names) {
        let message = format!("no other name makes it fail: {}", rule.asks);
        let next = "name those artifacts alone for which the policy is written";
        faults.push(fault(FaultKind::Vacuous, message, next));
    }
    if rule.reads.contains(&Reads::Bound) && lacks(Part::Number) {
        let message = format!("no number that it reads makes it fail: {}", rule.asks);
        let next = "set a bound that a bad artifact would not keep";
        faults.push(fault(FaultKind::VacuousBound, message, next));
    }
    if rule.reads.iter().any(|reads| matches!(reads, Reads::Age(_))) && !known.by_time {
        let message = format!("no time within {MAX_YEARS} years makes it fail: {}", rule.asks);
        let next = "set a limit that is reached while the artifact is in use";
        faults.push(fault(FaultKind::VacuousAge, message, next));
    }
    let names = |reads: &Reads| matches!(reads, Reads::Signers(names) if !names.is_empty());
    if rule.reads.iter().any(names) && lacks(Part::Signers) {
        let message = format!("everybody whom the trust file names would do: {}", rule.asks);
        let next = "name those alone who may";
        faults.push(fault(FaultKind::VacuousSigners, message, next));
    }
    faults
}
