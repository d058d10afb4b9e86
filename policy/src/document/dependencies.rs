//! What a policy asks of dependencies, of running artifacts and of approvals.

use std::sync::Arc;

use attest::predicate::vulnerabilities::Severity;
use serde_saphyr::Spanned;

use super::describe::{self, constant, count, fields, some, words};
use super::field::{Compiled, age, bounds, defined, expect, names, plain, word, wrong};
use super::shape::Signers;
use super::trust::whom;
use super::{Entries, Items, Problem, Text};
use crate::licence::Licences;
use crate::model::{Model, OnMissing};
use crate::rules;
use crate::whom::Whom;

fields! {
    Dependencies {
        /// That everything that went into the chain is known by a digest.
        pinned: Option<Text> = constant("all"),
        /// How bad the vulnerabilities of the artifact may be.
        vulnerabilities: Option<Spanned<Vulnerabilities>>,
        /// Which licences the components of the artifact may have.
        licences: Option<Spanned<ComponentLicences>>,
    }

    Vulnerabilities {
        /// The worst that may be there.
        max_severity: Text = words(Severity::LIMITS, Severity::as_str),
        /// Whose scans count.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// How old a scan may be.
        scan_max_age: Text = describe::age(),
        /// How old the scanner's knowledge may be.
        database_max_age: Option<Text> = describe::age(),
        /// Who may say, in OpenVEX or CycloneDX, that one does no harm.
        vex: Option<Spanned<Exempt>>,
    }

    Exempt {
        /// By name.
        signers: Spanned<Items<Text>> = some::<Text>(),
    }

    ComponentLicences {
        /// Licences that suit, by SPDX identifiers; no other does.
        allow: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Licences that do not; any other does.
        deny: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Whose bills of materials count.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// What to do with a component without a licence: `deny` unless said.
        unlicensed: Option<Text> = words(OnMissing::ALL, OnMissing::as_str),
    }

    Monitoring {
        /// Who must have looked.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// How long ago at most.
        max_age: Text = describe::age(),
        /// Numbers that must have been seen, by name.
        drift: Option<Spanned<Entries<Spanned<Drift>>>>,
        /// What to do while nobody has looked: `deny` unless said.
        on_missing: Option<Text> = words(OnMissing::ALL, OnMissing::as_str),
    }

    Drift {
        /// The least that the number may be on any feature.
        at_least: Option<Text> = describe::number(),
        /// The most that it may be on any feature.
        at_most: Option<Text> = describe::number(),
    }

    Approvals {
        /// Who, and how many distinct owners.
        signers: Spanned<Signers>,
        /// How long ago at most.
        max_age: Option<Text> = describe::age(),
    }

    Approval {
        /// Who must have approved.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// By how many distinct owners; 1 unless said.
        threshold: Option<Spanned<u64>> = count(),
        /// How long ago at most.
        max_age: Option<Text> = describe::age(),
    }
}

pub(super) fn dependencies(model: &mut Model, fields: &Spanned<Dependencies>) -> Compiled<()> {
    let Dependencies { pinned, vulnerabilities, licences: found } = &fields.value;
    if pinned.is_none() && vulnerabilities.is_none() && found.is_none() {
        return Err(wrong(fields, Problem::Empty("dependencies")));
    }
    if let Some(text) = pinned {
        expect(text, "extent", "all")?;
        model.rules.push(Arc::new(rules::Pinned));
    }
    if let Some(fields) = vulnerabilities {
        let fields = &fields.value;
        let narrowed = model.narrowed.as_ref();
        let exempt = fields.vex.as_ref().map(|vex| whom(&vex.value.signers, narrowed));
        let most = word(&fields.max_severity, "severity", &Severity::LIMITS, Severity::as_str)?;
        if most == Severity::Critical && exempt.is_none() {
            let problem = "nothing that is known is worse than `critical`; this rule would pass \
                           every scan that scores what it finds";
            return Err(wrong(&fields.max_severity, Problem::Contradiction(problem)));
        }
        let rule = rules::Vulnerabilities {
            most,
            whom: whom(&fields.signers, narrowed)?,
            scan_max_age: age(&fields.scan_max_age)?,
            database_max_age: fields.database_max_age.as_ref().map(age).transpose()?,
            exempt: exempt.transpose()?,
        };
        model.rules.push(Arc::new(rule));
    }
    if let Some(fields) = found {
        let ComponentLicences { allow, deny, signers, unlicensed } = &fields.value;
        let rule = rules::ComponentLicences {
            licences: licences(fields, allow.as_ref(), deny.as_ref())?,
            whom: whom(signers, model.narrowed.as_ref())?,
            unlicensed: missing(unlicensed.as_ref())? == OnMissing::Accept,
        };
        model.rules.push(Arc::new(rule));
    }
    Ok(())
}

/// One of two lists of SPDX identifiers.
pub(super) fn licences<T>(
    at: &Spanned<T>,
    allow: Option<&Spanned<Items<Text>>>,
    deny: Option<&Spanned<Items<Text>>>,
) -> Compiled<Licences> {
    let identifiers = |list: &Spanned<Items<Text>>, key| {
        let found = names(list, key)?;
        let reads = |name: &str| Licences::Allow(Vec::new()).suit(name).is_some();
        for (name, text) in found.iter().zip(&list.value.0) {
            if !reads(name) || name.contains(['(', ')']) {
                let problem = format!("`{name}` is no SPDX identifier");
                return Err(wrong(text, Problem::Value(problem)));
            }
        }
        Ok(found)
    };
    match (allow, deny) {
        (Some(list), None) => Ok(Licences::Allow(identifiers(list, "allow")?)),
        (None, Some(list)) => Ok(Licences::Deny(identifiers(list, "deny")?)),
        _ => {
            let problem = "licences are either allowed (`allow`) and no other, or denied (`deny`) \
                           and every other allowed";
            Err(wrong(at, Problem::Contradiction(problem)))
        }
    }
}

pub(super) fn monitoring(model: &mut Model, fields: &Spanned<Monitoring>) -> Compiled<()> {
    let Monitoring { signers, max_age, drift, on_missing } = &fields.value;
    let mut bounded = Vec::new();
    if let Some(drift) = drift {
        if drift.value.0.is_empty() {
            return Err(wrong(drift, Problem::Empty("drift")));
        }
        for (metric, fields) in &drift.value.0 {
            plain(metric)?;
            let Drift { at_least, at_most } = &fields.value;
            let (at_least, at_most) = bounds(fields, at_least.as_ref(), at_most.as_ref())?;
            if at_least.is_none() && at_most.is_none() {
                return Err(wrong(fields, Problem::Empty("drift")));
            }
            bounded.push(rules::Drift { metric: metric.value.clone(), at_least, at_most });
        }
    }
    let rule = rules::Monitoring {
        whom: whom(signers, model.narrowed.as_ref())?,
        max_age: age(max_age)?,
        drift: bounded,
        on_missing: missing(on_missing.as_ref())?,
    };
    model.rules.push(Arc::new(rule));
    Ok(())
}

pub(super) fn approvals(
    model: &mut Model,
    fields: &Spanned<Approvals>,
    steps: &[&str],
) -> Compiled<()> {
    let Approvals { signers, max_age } = &fields.value;
    let Signers { any_of, threshold: wanted, not_same_as } = &signers.value;
    let whom = whom(any_of, model.narrowed.as_ref())?;
    let approvals = rules::Approvals {
        threshold: threshold(&whom, wanted.as_ref())?,
        whom,
        max_age: max_age.as_ref().map(age).transpose()?,
        bound: true,
    };
    let not_same_as = not_same_as.as_ref().map(|step| defined("step", step, steps)).transpose()?;
    model.rules.push(Arc::new(rules::TwoPersons { approvals, not_same_as }));
    Ok(())
}

pub(super) fn approval(model: &Model, fields: &Spanned<Approval>) -> Compiled<rules::Approvals> {
    let Approval { signers, threshold: wanted, max_age } = &fields.value;
    let whom = whom(signers, model.narrowed.as_ref())?;
    Ok(rules::Approvals {
        threshold: threshold(&whom, wanted.as_ref())?,
        whom,
        max_age: max_age.as_ref().map(age).transpose()?,
        bound: false,
    })
}

/// How many distinct owners must have signed, of those who are named.
pub(super) fn threshold(whom: &Whom, threshold: Option<&Spanned<u64>>) -> Compiled<usize> {
    let most = whom.any_of.as_ref().map(Vec::len);
    match threshold {
        None => Ok(1),
        Some(threshold) if threshold.value == 0 => {
            Err(wrong(threshold, Problem::Value("a threshold is at least 1".into())))
        }
        Some(threshold) if most.is_some_and(|most| threshold.value > most as u64) => {
            let signers = most.unwrap_or_default();
            let problem = Problem::Threshold { threshold: threshold.value, signers };
            Err(wrong(threshold, problem))
        }
        Some(threshold) => Ok(usize::try_from(threshold.value).unwrap_or(usize::MAX)),
    }
}

fn missing(text: Option<&Text>) -> Compiled<OnMissing> {
    text.map_or(Ok(OnMissing::Deny), |text| {
        word(text, "behaviour", &OnMissing::ALL, OnMissing::as_str)
    })
}
