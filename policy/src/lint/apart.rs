//! Scopes that overlap: who could sign both sides of what must be two persons' work.
//!
//! What counts is owners ([`verify::TrustedKey::owner`]): two keys of one person are one person.
//! A policy says that it wants two sides apart by `notSameAs`, by naming other signers for the step
//! that judges than for the step that made what is judged, or by asking for a stage that a verifier
//! must have passed. Where an owner may sign both all the same, the check rests on that nobody
//! does; where one certificate would be two owners, it checks nothing.

use std::collections::{BTreeMap, BTreeSet};

use attest::predicate::{EVALUATION, VERIFICATION_SUMMARY};
use verify::{CertifiedSigner, May, Names, Pattern, PatternKind, Trust, TrustedSigner};

use super::{Fault, FaultKind};
use crate::model::{Model, Stage, Step};
use crate::rules::rule::Apart;
use crate::rules::steps::names_steps;
use crate::whom::Whom;

/// What tells two sides apart again.
const NEXT: &str = "name signers of different owners for the two, or take one from the trust file";

/// Owners, each with the names under which they may sign.
type Owners<'t> = BTreeMap<&'t str, BTreeSet<&'t str>>;

pub(super) fn faults(model: &Model, trust: &Trust) -> Vec<Fault> {
    let all: BTreeSet<&str> = holders(trust).map(|holder| holder.owner).collect();
    // One person alone is apart from nobody; an enforcing stage of others does not believe them.
    let alone = all.len() < 2;
    let mut faults = Vec::new();
    for step in &model.steps {
        let own = owners(step, trust);
        if let Some(other) = step.signers.not_same_as.and_then(|at| model.steps.get(at)) {
            let both = both(&own, &owners(other, trust));
            faults.extend(fault(&step.rule, &both, |who| {
                format!(
                    "`{}` must not be signed by whoever signs `{}`, and {who} may sign either",
                    step.name, other.name
                )
            }));
        } else if !alone {
            faults.extend(judging(model, step, &own, trust));
        }
        faults.extend(one_certificate(model, step, trust));
    }
    for rule in &model.rules {
        let Some(Apart { whom, predicate, step }) = rule.apart() else { continue };
        let Some(step) = model.steps.get(step) else { continue };
        let may = |may: &May| may.predicates.has(predicate);
        let both = both(&signers(whom, trust, may), &owners(step, trust));
        faults.extend(fault(rule.place(), &both, |who| {
            format!("it must not be by whoever signs `{}`, and {who} may sign either", step.name)
        }));
    }
    let later = model.stages.iter().filter(|stage| !alone && !stage.after.is_empty());
    faults.extend(later.filter_map(|stage| promoting(model, stage, trust)));
    faults
}

/// The owners who may sign the step, by the trust file and by the policy.
pub(super) fn owners<'t>(step: &Step, trust: &'t Trust) -> Owners<'t> {
    of_step_by(&step.signers.whom, step, trust)
}

/// The owners of `whom` who may sign a statement of one of `types`.
pub(super) fn signing<'t>(whom: &Whom, types: &[&str], trust: &'t Trust) -> Owners<'t> {
    signers(whom, trust, |may| types.iter().any(|one| may_sign(&may.predicates, one)))
}

/// Some types end in a version, which a rule leaves open.
fn may_sign(predicates: &Names, of: &str) -> bool {
    let version = |one: &String| one.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
    match predicates {
        Names::Any => true,
        Names::These(all) => all.contains(of) || all.iter().any(version),
    }
}

/// The owners of `whom` who may sign the step, by the trust file.
pub(super) fn of_step_by<'t>(whom: &Whom, step: &Step, trust: &'t Trust) -> Owners<'t> {
    signers(whom, trust, |may| {
        // What cannot name its step is nobody's by its step.
        let in_steps = |one: &str| {
            !names_steps(one) || !step.build_types.is_empty() || may.steps.has(step.name.as_str())
        };
        step.predicates.iter().any(|one| may.predicates.has(one) && in_steps(one))
    })
}

/// Whoever measures what others made: the policy names other signers for it, and yet one of them
/// may have made it. They would judge their own work.
fn judging(model: &Model, step: &Step, own: &Owners<'_>, trust: &Trust) -> Vec<Fault> {
    if !step.predicates.iter().any(|one| one == EVALUATION) {
        return Vec::new();
    }
    let into = model
        .flows
        .iter()
        .filter(|flow| model.steps.get(flow.to.step).is_some_and(|to| to.name == step.name));
    let makers: BTreeSet<usize> = into.map(|flow| flow.from.step).collect();
    let makers = makers.into_iter().filter_map(|at| model.steps.get(at));
    let makers = makers.filter(|maker| maker.kind != step.kind || maker.kind.is_none());
    let mut faults = Vec::new();
    for maker in makers {
        let theirs = owners(maker, trust);
        // Where the same people do both, nobody asked for two.
        if own.keys().eq(theirs.keys()) {
            continue;
        }
        faults.extend(fault(&step.rule, &both(own, &theirs), |who| {
            format!(
                "`{}` judges what `{}` made, and {who} may sign either, and so judge their own work",
                step.name, maker.name
            )
        }));
    }
    faults
}

/// Whoever may say that an earlier stage was passed, and may sign what was judged there.
fn promoting(model: &Model, stage: &Stage, trust: &Trust) -> Option<Fault> {
    let earlier: Vec<&Stage> = stage.after.iter().filter_map(|at| model.stages.get(*at)).collect();
    let mut verifiers: Owners<'_> = BTreeMap::new();
    for verifier in trust.verifiers() {
        let key = verifier.key().and_then(|key| trust.key(&key));
        let by_key =
            key.into_iter().flat_map(|key| key.grants().iter().map(|one| (key.owner(), one)));
        let keyless = trust.signers().iter().map(|one| (one.owner(), one.grant()));
        let certified = trust.certified_signers().iter().map(|one| (one.owner(), one.grant()));
        let by_name = keyless
            .chain(certified)
            .filter(|(_, grant)| verifier.key().is_none() && grant.name() == verifier.name());
        for (owner, grant) in by_key.chain(by_name) {
            let named = model.narrowed.as_ref().and_then(|narrowed| narrowed.verifiers.as_ref());
            let believed = named.is_none_or(|pairs| {
                pairs.iter().any(|one| one.signer == grant.name() && one.id == verifier.id())
            });
            let may = grant.may();
            let passes = may.predicates.has(VERIFICATION_SUMMARY)
                && earlier.iter().any(|one| may.stages.has(one.name.as_str()));
            if believed && passes {
                verifiers.entry(owner).or_default().insert(grant.name());
            }
        }
    }
    model.steps.iter().find_map(|step| {
        fault(&stage.rule, &both(&verifiers, &owners(step, trust)), |who| {
            format!(
                "{who} may sign `{}` and say that a stage before `{}` was passed, and so pass \
                 their own work",
                step.name, stage.name
            )
        })
    })
}

/// Certificates that are two owners' at once, where the step needs several or tells two apart.
fn one_certificate(model: &Model, step: &Step, trust: &Trust) -> Vec<Fault> {
    let other = step.signers.not_same_as.and_then(|at| model.steps.get(at));
    if step.signers.threshold < 2 && other.is_none() {
        return Vec::new();
    }
    let own = owners(step, trust);
    let theirs = other.map_or_else(BTreeMap::new, |other| owners(other, trust));
    let has = |owners: &Owners<'_>, one: &Vouched<'_>| {
        owners.get(one.owner()).is_some_and(|names| names.contains(one.name()))
    };
    let mut faults = Vec::new();
    let keyless = trust.signers().iter().map(Vouched::Keyless);
    let certified = trust.certified_signers().iter().map(Vouched::Certified);
    let all: Vec<Vouched<'_>> = keyless.chain(certified).collect();
    for (at, one) in all.iter().enumerate() {
        for another in all.get(at + 1..).unwrap_or_default() {
            let counted = step.signers.threshold > 1 && has(&own, one) && has(&own, another);
            let apart =
                has(&own, one) && has(&theirs, another) || has(&theirs, one) && has(&own, another);
            if one.owner() == another.owner() || !(counted || apart) || !one.may_meet(another) {
                continue;
            }
            let message = format!(
                "one certificate can be both `{}` and `{}`, who count as two owners (`{}` and `{}`)",
                one.name(),
                another.name(),
                one.owner(),
                another.owner()
            );
            let next = "narrow the patterns of the two signers until no subject matches both";
            faults.push(Fault {
                rule: step.rule.clone(),
                kind: FaultKind::Overlap,
                message,
                next: next.into(),
            });
        }
    }
    faults
}

/// One for whom somebody else vouches, by a certificate of some name.
enum Vouched<'t> {
    Keyless(&'t TrustedSigner),
    Certified(&'t CertifiedSigner),
}

impl Vouched<'_> {
    fn owner(&self) -> &str {
        match self {
            Self::Keyless(signer) => signer.owner(),
            Self::Certified(signer) => signer.owner(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Keyless(signer) => signer.grant().name(),
            Self::Certified(signer) => signer.grant().name(),
        }
    }

    /// Whether an example of the one's certificates is the other's. Two different patterns of which
    /// neither yields an example of the other are taken to be apart.
    fn may_meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keyless(one), Self::Keyless(other)) => {
                let (this, that) = (one.whom(), other.whom());
                let claims = this.claims.iter().all(|(claim, pattern)| {
                    that.claims.get(claim).is_none_or(|wanted| meet(pattern, wanted))
                });
                one.root() == other.root()
                    && meet(&this.issuer, &that.issuer)
                    && meet(&this.subject, &that.subject)
                    && claims
            }
            (Self::Certified(one), Self::Certified(other)) => {
                // A certificate has names of several kinds at once.
                let kinds = one.rule().kind != other.rule().kind;
                one.authority() == other.authority()
                    && (kinds || meet(&one.rule().pattern, &other.rule().pattern))
            }
            _ => false,
        }
    }
}

fn meet(one: &Pattern, other: &Pattern) -> bool {
    let same = one.kind() == other.kind() && one.text() == other.text();
    let example = |of: &Pattern, by: &Pattern| example(of).is_some_and(|text| by.matches(&text));
    same || example(one, other) || example(other, one)
}

/// A text that matches the pattern, where one can be read off it.
fn example(pattern: &Pattern) -> Option<String> {
    let text = pattern.text();
    let example = match pattern.kind() {
        PatternKind::Exact => text.to_owned(),
        PatternKind::Under => format!("{text}/x"),
        PatternKind::Glob => text.replace("**", "x").replace(['*', '?'], "x"),
        // Dots that are escaped, and nothing else, as most of them are written.
        PatternKind::Regex => {
            let plain = text.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
            plain.replace(".*", "x").replace(".+", "x")
        }
    };
    pattern.matches(&example).then_some(example)
}

/// One who may sign: a key, or a certificate of some name.
struct Holder<'t> {
    name: &'t str,
    owner: &'t str,
    may: &'t May,
    /// Only a key can be told from another by the policy.
    signer: Option<verify::Signer>,
}

fn holders(trust: &Trust) -> impl Iterator<Item = Holder<'_>> {
    let keys = trust.keys().iter().flat_map(|key| {
        key.grants().iter().map(move |grant| Holder {
            name: grant.name(),
            owner: key.owner(),
            may: grant.may(),
            signer: Some(key.signer(grant)),
        })
    });
    let signers = trust.signers().iter().map(|one| (one.owner(), one.grant()));
    let certified = trust.certified_signers().iter().map(|one| (one.owner(), one.grant()));
    let others = signers.chain(certified).map(|(owner, grant)| Holder {
        name: grant.name(),
        owner,
        may: grant.may(),
        signer: None,
    });
    keys.chain(others)
}

fn signers<'t>(whom: &Whom, trust: &'t Trust, may: impl Fn(&May) -> bool) -> Owners<'t> {
    let mut owners: Owners<'t> = BTreeMap::new();
    for holder in holders(trust) {
        let named = match &holder.signer {
            Some(signer) => whom.admits(signer),
            None => whom.may_admit(holder.name),
        };
        if named && may(holder.may) {
            owners.entry(holder.owner).or_default().insert(holder.name);
        }
    }
    owners
}

fn both<'t>(one: &Owners<'t>, other: &Owners<'t>) -> Owners<'t> {
    let mut both = Owners::new();
    for (owner, names) in one {
        let Some(theirs) = other.get(owner) else { continue };
        both.insert(*owner, names.union(theirs).copied().collect());
    }
    both
}

fn fault(rule: &str, both: &Owners<'_>, message: impl Fn(&str) -> String) -> Option<Fault> {
    let named = both.iter().map(|(owner, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [name] if *name == format!("`{owner}`") => name.clone(),
            _ => format!("`{owner}` (as {})", names.join(" or ")),
        }
    });
    let who = named.collect::<Vec<_>>().join(", ");
    (!both.is_empty()).then(|| Fault {
        rule: rule.to_owned(),
        kind: FaultKind::Overlap,
        message: message(&who),
        next: NEXT.into(),
    })
}
