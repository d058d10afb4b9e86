//! Revocation: nothing that an authorised revoker has called back is allowed, nor what was made
//! from it where the revocation says so. No policy has to ask for this, and none can waive it.

use std::collections::{BTreeMap, BTreeSet};

use attest::{ArtifactId, Sha256};
use verify::Revoked;

use super::Question;
use super::chain::Chain;
use super::past::Past;
use crate::code::Code;
use crate::draft::{Draft, Problem};

/// The name of the rule.
pub(crate) const RULE: &str = "revocation";
/// How many artifacts of the way from the revoked one are named.
const MAX_WAY: usize = 16;

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
        draft.pass(RULE, Vec::new(), None);
        return;
    }
    let problems =
        found.into_values().map(|(artifact, revoked)| problem(question, artifact, revoked));
    draft.fail(RULE, problems.collect());
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
    Problem::fail(Code::RevokedArtifact, message, next).shown_by_bodies([by.body]).about(way)
}
