//! What a scan found, as a rule: nothing worse than was found, no older than it may be, and whose
//! word it was that the rest does no harm.

use std::collections::BTreeSet;

use attest::Timestamp;
use attest::predicate::vulnerabilities::{Scan, Severity};
use verify::{Attestation, History};

use super::contents::{list, who_logged};
use super::with_room;
use crate::rules::rule::older;
use crate::rules::vulnerabilities::{Words, read};
use crate::whom::Whom;

/// The age that a scan, and what its scanner knows, may have where what was found is younger, in
/// days.
const SCAN_DAYS: i64 = 7;

/// The rule about the vulnerabilities of the artifact, for the section `dependencies`; `None` where
/// nobody scanned it.
///
/// # Errors
/// Why no rule that this evidence passes would ask anything, in words.
pub(super) fn vulnerabilities(
    history: &History,
    now: Timestamp,
) -> Option<Result<String, &'static str>> {
    let root = history.root();
    let scans = || history.about(&root).chain(history.lapsed_about(&root));
    let counted = history.about(&root).filter(|one| read(one).is_some() && one.index.is_some());
    let decides = counted.filter(|one| who_logged(one).next().is_some());
    let last: &Attestation = decides.max_by_key(|one| one.index)?;
    // Every other one that is not older speaks against the artifact too.
    let speaks = scans().filter(|one| one.index.is_none() || one.index >= last.index);
    let Ok(found) = speaks.filter_map(read).collect::<Result<Vec<Scan<'_>>, _>>() else {
        return Some(Err("a scan that speaks of the artifact cannot be read"));
    };
    let Some(Ok(scan)) = read(last) else { return None };
    let Some(since) = older(scan.finished_on, last) else {
        return Some(Err("the last scan says no time"));
    };
    let results = || found.iter().flat_map(|scan| &scan.results).map(|(id, worst)| (*id, *worst));
    let worst_of = |left: &mut dyn Iterator<Item = Severity>| left.max().unwrap_or(Severity::None);
    let alone = worst_of(&mut results().map(|(_, severity)| severity));
    let (most, exempt) = match exempting(history) {
        Some((names, words)) => {
            let left = results().filter(|(id, _)| words.harmless(id).is_none());
            let most = worst_of(&mut left.map(|(_, severity)| severity));
            (most, Some(names).filter(|_| most < alone))
        }
        None => (alone, None),
    };
    if most > Severity::Critical || (most == Severity::Critical && exempt.is_none()) {
        return Some(Err(
            "the last scan finds what is critical or has no score, and nobody says that \
             it does no harm",
        ));
    }
    let vex = exempt.map_or_else(String::new, |names| format!(", vex: {{signers: [{names}]}}"));
    let database = scan.database_of.map_or_else(String::new, |since| {
        format!(", databaseMaxAge: {}d", with_room(since, SCAN_DAYS, now))
    });
    Some(Ok(format!(
        "  vulnerabilities: {{maxSeverity: {}, signers: [{}], scanMaxAge: {}d{database}{vex}}}\n",
        most.as_str(),
        list(&who_logged(last).collect()),
        with_room(since, SCAN_DAYS, now)
    )))
}

/// Whoever said that some vulnerability does no harm, and the last word on each by them.
fn exempting(history: &History) -> Option<(String, Words<'_>)> {
    let root = history.root();
    let anybody = Words::of(history, &root, &Whom { any_of: None, narrowed: None });
    let signers: BTreeSet<&str> = anybody.all_harmless().flat_map(who_logged).collect();
    let any_of = Some(signers.iter().map(|&name| name.to_owned()).collect());
    let words = Words::of(history, &root, &Whom { any_of, narrowed: None });
    (!signers.is_empty()).then(|| (list(&signers), words))
}
