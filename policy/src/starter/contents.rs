//! What things were, as rules: formats of weights, licences, dependencies that are pinned.
//!
//! Each rule is written only where the evidence shows all of it, so that what was found passes.

use std::collections::BTreeSet;

use attest::Timestamp;
use attest::predicate::bom::{Bom, Component};
use verify::{Attestation, History};

use super::{Steps, learns, quoted, scans};
use crate::format::{self, FORMATS};
use crate::licence::Licences;
use crate::rules::datasets::is_data;
use crate::rules::weights::detected;
use crate::whom::is_logged;

/// The rule about the formats that models have, for the section `ml`. Where nobody looked into some
/// of them, it only says that none is known to run code when it is loaded.
pub(super) fn weights(steps: &Steps<'_>) -> String {
    let learnt = steps.iter().filter(|(_, found)| found.statements.iter().all(|one| learns(one)));
    let (mut names, mut formats, mut looked, mut known) = (Vec::new(), BTreeSet::new(), true, true);
    for (name, found) in learnt {
        names.push(name.as_str());
        for product in found.statements.iter().flat_map(|one| &one.statement().subject) {
            let (by_bytes, by_name) = (detected(product), format::of_name(product.label()));
            looked &= by_bytes.is_some();
            known &= by_bytes.is_some() || by_name.is_some();
            formats.extend(by_bytes.into_iter().flatten().map(str::to_owned));
            formats.extend(by_name.map(str::to_owned));
        }
    }
    known &= formats.iter().all(|found| FORMATS.iter().any(|format| format.name == found));
    let pickled = formats.contains("pickle");
    formats.retain(|found| format::holds_weights(found));
    let wanted = match (known && !formats.is_empty(), pickled) {
        (true, _) => {
            let formats: Vec<&str> = formats.iter().map(String::as_str).collect();
            format!("allow: [{}]", formats.join(", "))
        }
        (false, false) => "deny: [pickle]".into(),
        (false, true) => return String::new(),
    };
    if names.is_empty() {
        return String::new();
    }
    let looked = if looked { ", detected: required" } else { "" };
    format!(
        "  # Which formats the models had.\n  weights: {{of: [{}], formats: {{{wanted}}}{looked}}}\n",
        names.join(", ")
    )
}

/// The rule about the licences of the data that was learnt from, for the section `ml`: where a bill
/// of materials says one of each.
pub(super) fn data_licences(steps: &Steps<'_>, history: &History) -> String {
    let learnt = steps.iter().filter(|(_, found)| found.statements.iter().any(|one| learns(one)));
    let (mut names, mut data) = (Vec::new(), BTreeSet::new());
    for (name, found) in learnt {
        names.push(name.as_str());
        if found.statements.iter().any(|one| !one.unidentified.is_empty()) {
            return String::new();
        }
        let materials = found.statements.iter().flat_map(|one| &one.materials);
        data.extend(materials.filter(|one| is_data(one, &[])).map(|one| one.artifact));
    }
    let (mut licences, mut signers) = (Vec::new(), BTreeSet::new());
    for artifact in &data {
        // What a bill of a folder says of it would count too, and is not looked at here.
        let part = history.wholes_of(artifact).next().is_some();
        let last = history.about(artifact).filter_map(bill).max_by_key(|(one, _)| one.index);
        let Some((one, bom)) = last.filter(|_| !part) else { return String::new() };
        let Some(found) = bom.subject().and_then(|subject| texts(&subject)) else {
            return String::new();
        };
        licences.extend(found);
        signers.extend(who_logged(one));
    }
    let Some(allow) = allowed(&licences).filter(|_| !data.is_empty()) else { return String::new() };
    format!(
        "  # Under which licences the data was.\n  datasets:\n    of: [{}]\n    licences: {{allow: [{}], \
         signers: [{}]}}\n",
        names.join(", "),
        allow.join(", "),
        list(&signers)
    )
}

/// The section of dependencies.
pub(super) fn dependencies(steps: &Steps<'_>, history: &History, now: Timestamp) -> String {
    let mut rules = String::new();
    let made = steps.values().flat_map(|found| &found.statements).filter(|one| one.makes());
    let made: Vec<&&Attestation> = made.collect();
    if !made.is_empty() && made.iter().all(|one| one.unidentified.is_empty()) {
        rules.push_str("  pinned: all\n");
    }
    rules.push_str(&component_licences(history).unwrap_or_default());
    let scanned = scans::vulnerabilities(history, now);
    if let Some(Ok(rule)) = &scanned {
        rules.push_str(rule);
    }
    let mut text = match rules.is_empty() {
        true => rules,
        false => format!(
            "\n# All that went in is known by a digest, the components are under these licences, and \
             a scan finds\n# nothing worse, as far as the evidence says so.\ndependencies:\n{rules}"
        ),
    };
    if let Some(Err(why)) = scanned {
        text.push_str(&format!("\n# There is no rule on vulnerabilities yet: {why}.\n"));
    }
    text
}

/// The licences of the components, by the last bill of the artifact that lists any.
fn component_licences(history: &History) -> Option<String> {
    let root = history.root();
    let lists = |bom: &Bom<'_>| bom.components().map_or(true, |all| !all.is_empty());
    let bills = history.about(&root).filter_map(bill).filter(|(_, bom)| lists(bom));
    let (one, bom) = bills.max_by_key(|(one, _)| one.index)?;
    let (mut licences, mut unlicensed) = (Vec::new(), false);
    for component in bom.components().ok()? {
        let found = component.licences().ok()?;
        unlicensed |= found.is_empty();
        licences.extend(found.into_iter().map(str::to_owned));
    }
    let allow = allowed(&licences)?;
    let unlicensed = if unlicensed { ", unlicensed: accept" } else { "" };
    let (allow, signers) = (allow.join(", "), list(&who_logged(one).collect()));
    Some(format!("  licences: {{allow: [{allow}], signers: [{signers}]{unlicensed}}}\n"))
}

/// A bill of materials that can be read and is in the register.
fn bill(one: &Attestation) -> Option<(&Attestation, Bom<'_>)> {
    let bom = Bom::of(&one.statement().predicate)?.ok()?;
    who_logged(one).next()?;
    Some((one, bom))
}

pub(super) fn who_logged(one: &Attestation) -> impl Iterator<Item = &str> {
    let logged = one.signers.iter().filter(|signer| is_logged(one, signer));
    logged.map(|signer| signer.name.as_str())
}

fn texts(component: &Component<'_>) -> Option<Vec<String>> {
    let found = component.licences().ok()?;
    (!found.is_empty()).then(|| found.into_iter().map(str::to_owned).collect())
}

/// As few licences as suit all of these expressions; `None` where they have exceptions, or cannot
/// be read.
fn allowed(expressions: &[String]) -> Option<Vec<String>> {
    let spaced = expressions.join(" OR ").replace(['(', ')'], " ");
    let mut names = BTreeSet::new();
    for word in spaced.split_ascii_whitespace() {
        if word.eq_ignore_ascii_case("WITH") {
            return None;
        }
        let joins = ["AND", "OR"].iter().any(|one| word.eq_ignore_ascii_case(one));
        if !joins {
            names.insert(word.to_owned());
        }
    }
    let mut allowed: Vec<String> = names.into_iter().collect();
    let suits = |list: &[String]| {
        let list = Licences::Allow(list.to_vec());
        expressions.iter().all(|one| list.suit(one) == Some(true))
    };
    if allowed.is_empty() || !suits(&allowed) {
        return None;
    }
    // Of a choice one is enough.
    for name in allowed.clone() {
        let fewer: Vec<String> = allowed.iter().filter(|one| **one != name).cloned().collect();
        if !fewer.is_empty() && suits(&fewer) {
            allowed = fewer;
        }
    }
    Some(allowed)
}

pub(super) fn list(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_licences_are_allowed_than_are_needed() {
        let cases: [(&[&str], Option<&[&str]>); 6] = [
            (&["MIT"], Some(&["MIT"])),
            (&["MIT", "Apache-2.0"], Some(&["Apache-2.0", "MIT"])),
            (&["MIT OR AGPL-3.0-only"], Some(&["MIT"])),
            (&["MIT OR AGPL-3.0-only", "AGPL-3.0-only"], Some(&["AGPL-3.0-only"])),
            (&["GPL-2.0-only WITH X"], None),
            (&["our own"], None),
        ];
        for (expressions, want) in cases {
            let expressions: Vec<String> = expressions.iter().map(|&one| one.into()).collect();
            let want = want.map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
            assert_eq!(allowed(&expressions), want, "{expressions:?}");
        }
    }
}
