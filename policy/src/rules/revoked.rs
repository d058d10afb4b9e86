//! Revocation: nothing that an authorised revoker has called back is allowed, nor what was made
//! from it where the revocation says so. No policy has to ask for this, and none can waive it.

use std::collections::{BTreeMap, BTreeSet};

use attest::{ArtifactId, Sha256};
use verify::{Completeness, Revoked};

use super::Question;
use super::chain::Chain;
use super::past::Past;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::remedy::{Means, PLACEHOLDER, Remedy};

/// The name of the rule.
pub(crate) const RULE: &str = "revocation";
/// How many artifacts of the way from the revoked one are named.
const MAX_WAY: usize = 16;
/// How many revocations that stop before the artifact are said one by one.
const MAX_SAID: usize = 4;

/// Says whether the artifact, something in it, a data set that numbers were wanted on, or something that a
/// statement of the chain used is revoked.
pub(crate) fn judge(question: Question<'_>, chain: &Chain<'_>, past: &Past<'_>, draft: &mut Draft) {
    if question.lineage.all_revoked().is_empty() {
        draft.pass(RULE, Vec::new(), None);
        return;
    }
    // Whoever runs the artifact runs what is in it, however far the revocation says that it reaches.
    let mut read: BTreeSet<ArtifactId> = past.with_parts(question.artifact);
    read.extend(question.model.metrics.iter().map(|metric| metric.dataset));
    let mut found: BTreeMap<Sha256, (ArtifactId, &Revoked)> = BTreeMap::new();
    for artifact in &read {
        if let Some(revoked) = question.lineage.revoked(artifact) {
            found.entry(revoked.by.body).or_insert((*artifact, revoked));
        }
    }
    // Of what was used, a revocation that stops at it says nothing about what was made.
    let used = chain.all().flat_map(|one| one.materials.iter().chain(&one.subjects));
    for named in used {
        if let Some(revoked) = question.lineage.revoked(&named.artifact)
            && revoked.by.descendants
        {
            found.entry(revoked.by.body).or_insert((named.artifact, revoked));
        }
    }
    if found.is_empty() {
        let (evidence, detail) = stopped(question, chain, past);
        draft.pass(RULE, evidence, detail);
        return;
    }
    let problems =
        found.into_values().map(|(artifact, revoked)| problem(question, artifact, revoked));
    draft.fail(RULE, problems.collect());
}

/// The revocations of what the artifact rests on that do not reach it, in words. Whoever relies on
/// the artifact should know of them.
fn stopped(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
) -> (Vec<Sha256>, Option<String>) {
    let used = chain.all().flat_map(|one| one.materials.iter().chain(&one.subjects));
    let used = used.map(|named| named.artifact);
    let mut said: BTreeMap<Sha256, String> = BTreeMap::new();
    for artifact in past.all().iter().copied().chain(used) {
        let Some(revoked) = question.lineage.revoked(&artifact) else { continue };
        let way = match (past.is_itself(&artifact), past.all().contains(&artifact)) {
            (true, _) => "in",
            (false, true) => "made from",
            (false, false) => "a step used",
        };
        said.entry(revoked.by.body).or_insert_with(|| {
            let index = revoked.by.index;
            format!(
                "{way} {artifact}, which is revoked in entry {index}; the revocation stops there"
            )
        });
    }
    let more = said.len().saturating_sub(MAX_SAID);
    let mut sentences: Vec<String> = said.values().take(MAX_SAID).cloned().collect();
    if more > 0 {
        sentences.push(format!("and {more} more"));
    }
    let detail = (!sentences.is_empty()).then(|| sentences.join("; "));
    (said.into_keys().collect(), detail)
}

fn problem(question: Question<'_>, artifact: ArtifactId, revoked: &Revoked) -> Problem {
    let mut way = vec![artifact];
    let mut at = revoked;
    while let Some(from) = at.through.filter(|_| way.len() < MAX_WAY) {
        way.push(from);
        let Some(next) = question.lineage.revoked(&from) else { break };
        at = next;
    }
    let named = way.last().copied().unwrap_or(artifact);
    let by = &revoked.by;
    let message = if named == artifact {
        format!("{artifact} is revoked by `{}` in entry {}", by.by.name, by.index)
    } else {
        format!(
            "{artifact} descends from {named}, which is revoked by `{}` in entry {}",
            by.by.name, by.index
        )
    };
    let next = format!("make the artifact again without {named}");
    let Some((remedy, threshold)) = taken_back(question, by.index) else {
        let problem = Problem::fail(Code::RevokedArtifact, message, next);
        return problem.shown_by_bodies([by.body]).about(way);
    };
    let cosign = match threshold {
        0 | 1 => String::new(),
        _ => format!(" ({threshold} of them: the others with `assay attest cosign`)"),
    };
    let next = format!(
        "{next}, or, if the revocation was mistaken, have the owners of the trust document take it \
         back{cosign}"
    );
    let problem = Problem::fail(Code::RevokedArtifact, message, next).mended(remedy);
    problem.shown_by_bodies([by.body]).about(way)
}

/// How the owners of the trust document take a revocation back, with how many of them must agree;
/// `None` where there are none, and where nobody who asks like this would see that they have.
fn taken_back(question: Question<'_>, entry: u64) -> Option<(Remedy, usize)> {
    let lineage = question.lineage;
    let followed = matches!(lineage.completeness(), Completeness::Followed { .. });
    // What is only supposed has no entry yet.
    if !followed || lineage.is_supposed() {
        return None;
    }
    let (names, threshold) = lineage.scopes().owners()?;
    let (entry, why) = (entry.to_string(), format!("{PLACEHOLDER}why it was mistaken>"));
    let argv = ["assay", "attest", "reinstatement", "--revocation", &entry, "--reason", &why];
    let signers = names.into_iter().map(str::to_owned).collect();
    let remedy = Remedy { signers, ..Remedy::new(Means::Command) };
    Some((remedy.argv(argv).owners(threshold), threshold))
}
