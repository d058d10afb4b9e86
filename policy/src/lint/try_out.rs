//! Trying to break each rule, by what it reads.

use std::collections::{BTreeMap, BTreeSet};

use attest::Timestamp;
use verify::{Attestation, Change, Supposed};

use super::field::{self, Against};
use super::trial::{Part, Trial, Trials};
use super::{
    Broken, Fault, FaultKind, LintError, LintReport, MAX_CHANGES, MAX_CHANGES_OF_A_RULE, MAX_YEARS,
    Specimen, Untried, WhyUntried, change,
};
use crate::decision::Outcome;
use crate::rules::bound::Side;
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
    /// Which bounds a plausible number is across, by their places among what the rule reads, and
    /// whether such a number breaks the rule.
    across: BTreeMap<usize, bool>,
    /// Which bounds no plausible number is across.
    beyond: BTreeSet<usize>,
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
    let held_up = !base.findings().is_empty();
    let outcome =
        |place: &str| base.rules().iter().find(|rule| rule.rule == place).map(|rule| rule.outcome);
    // Rules that every policy has are not written by anybody, and are tested where they stand.
    let written = |rule: &RuleView| {
        !rule.reads.is_empty() && !matches!(rule.rule.as_str(), "chain" | "revocation")
    };
    let (rules, others): (Vec<RuleView>, _) = policy.inventory().into_iter().partition(written);
    let of_every = others.iter().map(|one| Untried::whole(&one.rule, WhyUntried::OfEveryPolicy));
    report.untried.extend(of_every);
    if held_up {
        // Where one rule cannot hold, no chain is whole, and another that fails only follows.
        let explained: BTreeSet<&str> =
            base.findings().iter().map(|finding| finding.rule.as_str()).collect();
        let rest = rules.iter().filter(|rule| !explained.contains(rule.rule.as_str()));
        let why = WhyUntried::AnotherCannotHold;
        report.untried.extend(rest.map(|rule| Untried::whole(&rule.rule, why)));
        progress(rules.len(), rules.len());
        return Ok(());
    }
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    report.untried.extend(by_time(policy, specimen, &supposed, &mut known, &mut report.tried));
    let signers = change::signers(specimen.trust, supposed.history());
    for (done, rule) in rules.iter().enumerate() {
        progress(done, rules.len());
        if outcome(&rule.rule) != Some(Outcome::Pass) {
            report.untried.push(Untried::whole(&rule.rule, WhyUntried::AsksNothing));
            continue;
        }
        let evidence = base.rules().iter().find(|one| one.rule == rule.rule);
        let evidence = evidence.map(|one| one.evidence.as_slice()).unwrap_or_default();
        let all = supposed.history().attestations();
        let read: Vec<&Attestation> =
            all.iter().filter(|one| evidence.contains(&one.body()) || is_read(rule, one)).collect();
        let mut trials = Trials::default();
        change::removals(&read, &mut trials);
        change::subjects(&read, &mut trials);
        let against = Against::of(&rule.reads, now);
        for reads in &rule.reads {
            match reads {
                Reads::Field(pointer) => field::fields(&read, pointer, &against, &mut trials),
                Reads::Signers(_) => change::signatures(&read, &signers, &mut trials),
                Reads::Digests => change::digests(&read, supposed.history(), &mut trials),
                Reads::Names => change::names(&read, &mut trials),
                Reads::Order => change::orders(&read, all, &mut trials),
                _ => {}
            }
        }
        let bounds = rule.reads.iter().enumerate().filter(|(_, reads)| is_bound(reads));
        let alone = bounds.filter(|(at, _)| !trials.has_met(*at)).count();
        report.untried.extend((0..alone).map(|_| Untried::whole(&rule.rule, WhyUntried::NoNumber)));
        let here = known.entry(rule.rule.clone()).or_default();
        attempt(policy, specimen, &supposed, rule, &mut trials, here, &mut report.tried);
        let left = trials.left().into_iter();
        report.untried.extend(left.map(|(why, changes)| Untried {
            rule: Some(rule.rule.clone()),
            changes,
            why,
        }));
        let by = here.by.clone();
        report.broken.extend(by.map(|by| Broken { rule: rule.rule.clone(), by }));
        report.faults.extend(faults(rule, here));
    }
    progress(rules.len(), rules.len());
    Ok(())
}

/// Tries what is offered until the rule has failed by every kind of change, and across every bound.
fn attempt(
    policy: &Policy,
    specimen: &Specimen<'_>,
    supposed: &Supposed,
    rule: &RuleView,
    trials: &mut Trials<'_>,
    here: &mut Known,
    tried: &mut usize,
) {
    let before = *tried;
    here.beyond.extend(trials.beyond());
    for trial in trials.take() {
        here.tried.insert(trial.part);
        let crossed = trial.across.is_none_or(|bound| *here.across.entry(bound).or_default());
        let why = if here.parts.contains(&trial.part) && crossed {
            Some(WhyUntried::NotNeeded)
        } else if *tried >= MAX_CHANGES {
            Some(WhyUntried::TooMany)
        } else if tried.saturating_sub(before) >= MAX_CHANGES_OF_A_RULE {
            Some(WhyUntried::TooManyOfRule)
        } else {
            None
        };
        if let Some(why) = why {
            trials.leave(why, 1);
            continue;
        }
        let Some(found) = simulate(policy, specimen, supposed, &trial) else {
            trials.leave(WhyUntried::Unwritable, 1);
            continue;
        };
        *tried += 1;
        if breaks(&found, &rule.rule) || follows(&trial, rule) && fails(&found, &rule.rule) {
            here.parts.insert(trial.part);
            here.across.extend(trial.across.map(|bound| (bound, true)));
            here.by.get_or_insert_with(|| trial.words.clone());
        } else if trial.part == Part::Signers && ends(&found, &rule.rule, Outcome::NotApplicable) {
            // Where nothing counts that others sign, and nothing is accepted, the signer decides
            // all the same.
            here.parts.insert(trial.part);
        }
    }
}

/// Supposes it to be later, at each moment at which something changes, and just before each
/// moment from which on something is as it is; and, for a rule that names a moment, before that.
fn by_time(
    policy: &Policy,
    specimen: &Specimen<'_>,
    supposed: &Supposed,
    known: &mut BTreeMap<String, Known>,
    tried: &mut usize,
) -> Option<Untried> {
    let Specimen { artifact, stage, now, .. } = *specimen;
    let last = Timestamp::from_second(
        now.as_second().saturating_add(MAX_YEARS.saturating_mul(366 * 24 * 60 * 60)),
    );
    let last = last.unwrap_or(Timestamp::MAX);
    let second = std::time::Duration::from_secs(1);
    // The validity of signers ends by the trust file, and not by a rule.
    let lasting = supposed.with(&Change::Lasting, specimen.trust).ok()?;
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
    let named = policy.inventory().into_iter().flat_map(|rule| {
        let moments = rule.reads.into_iter().filter_map(|reads| match reads {
            Reads::Moment(moment) => moment.checked_sub(second).ok(),
            _ => None,
        });
        moments.map(move |moment| (rule.rule.clone(), moment)).collect::<Vec<_>>()
    });
    for (rule, moment) in named {
        *tried += 1;
        // So long ago much may not have been yet: only the rule that names the moment is asked.
        if breaks(&policy.simulate(artifact, stage, &lasting, moment), &rule) {
            let known = known.entry(rule).or_default();
            known.by_time = true;
            known.by.get_or_insert_with(|| format!("asked at {moment}"));
        }
    }
    // Of all moments that follow, nobody knows how many there are.
    let more = holds.until.is_some_and(|until| until <= last);
    more.then_some(Untried { rule: None, changes: 1, why: WhyUntried::TooManyMoments })
}

fn simulate(
    policy: &Policy,
    specimen: &Specimen<'_>,
    supposed: &Supposed,
    trial: &Trial<'_>,
) -> Option<Simulation> {
    let changes = trial.changes()?;
    let (first, rest) = changes.split_first()?;
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
fn follows(trial: &Trial<'_>, rule: &RuleView) -> bool {
    match trial.part {
        Part::Signers => true,
        Part::Digests => rule.rule.starts_with("flow"),
        _ => false,
    }
}

/// Whether the rule does not hold.
fn fails(found: &Simulation, rule: &str) -> bool {
    ends(found, rule, Outcome::Fail)
}

fn ends(found: &Simulation, rule: &str, outcome: Outcome) -> bool {
    found.rules().iter().any(|one| one.rule == rule && one.outcome == outcome)
}

/// What a rule in Rego compares with is not known to be a bound.
fn is_bound(reads: &Reads) -> bool {
    matches!(reads, Reads::Bound(bound) if bound.side != Side::About)
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
    let bounds = || {
        let all = rule.reads.iter().enumerate();
        all.filter_map(|(at, reads)| match reads {
            Reads::Bound(bound) if is_bound(reads) => Some((at, bound)),
            _ => None,
        })
    };
    if bounds().next().is_some() && lacks(Part::Number) {
        let message = format!("no number that it reads makes it fail: {}", rule.asks);
        let next = "set a bound that a bad artifact would not keep";
        faults.push(fault(FaultKind::VacuousBound, message, next));
    } else {
        let loose = bounds().filter(|(at, _)| known.across.get(at) == Some(&false));
        faults.extend(loose.map(|(_, bound)| {
            let message = format!(
                "a number just across {} does not make it fail: {}",
                bound.limit, rule.asks
            );
            let next = "find out which of the numbers that the rule means it does not read";
            fault(FaultKind::LooseBound, message, next)
        }));
        let beyond = bounds().filter(|(at, _)| known.beyond.contains(at));
        faults.extend(beyond.map(|(_, bound)| {
            let message = format!("no plausible number is across {}: {}", bound.limit, rule.asks);
            fault(
                FaultKind::VacuousBound,
                message,
                "set a bound that a bad artifact would not keep",
            )
        }));
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
