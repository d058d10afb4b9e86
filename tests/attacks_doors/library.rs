//! The library: trust, follower, trace and policy, as whoever enforces would put them together.

use std::collections::BTreeSet;

use attest::carried::opened;
use attest::{ArtifactId, Bundle, Checkpoint, Statement, Timestamp};
use fixtures::{LOG_ORIGIN, Scene, log_signer};
use policy::Policy;
use verify::{Direction, FollowError, Followed, Follower, Negatives, Trace, Trust};

use super::Answer;

/// How the evidence comes to whoever judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Evidence {
    /// From a register, every entry of which is read.
    Registered,
    /// From a register that says that its answers are complete, and is not read.
    Claimed,
    /// Handed on by whoever asks.
    Presented,
}

/// Judges the scene at `at` as whoever answers for others does.
#[cfg(feature = "server")]
pub(crate) fn answer_for_others(scene: &Scene, evidence: Evidence, at: Timestamp) -> Answer {
    judge(scene, evidence, at, Trust::for_others).unwrap_or_else(Answer::Undecided)
}

/// Judges the scene at `at`, which need not be the time of the scene.
pub(crate) fn answer(scene: &Scene, evidence: Evidence, at: Timestamp) -> Answer {
    judge(scene, evidence, at, |trust| trust).unwrap_or_else(Answer::Undecided)
}

fn judge(
    scene: &Scene,
    evidence: Evidence,
    at: Timestamp,
    used: fn(Trust) -> Trust,
) -> Result<Answer, String> {
    let trust = Trust::parse(&scene.trust).unwrap();
    let (trust, negatives) = match evidence {
        Evidence::Registered => {
            let followed = follow(scene, &trust)?;
            (used(Trust::clone(followed.trust())), followed.negatives)
        }
        Evidence::Claimed | Evidence::Presented => (used(trust), Negatives::none()),
    };
    // The register says what judges, where its policy owners have said so.
    let active = negatives.activations().active(&scene.stage);
    let policy = active.map_or(scene.policy.as_str(), |(_, policy)| policy.text.as_str());
    let policy = Policy::parse(policy).map_err(|error| error.to_string())?;
    let bundles: Vec<(Vec<ArtifactId>, Bundle)> = scene
        .evidence
        .iter()
        .filter_map(|one| match evidence {
            Evidence::Registered | Evidence::Claimed => one.registered.clone(),
            Evidence::Presented => Some(one.presented.clone()),
        })
        .map(|bundle| (spoken_of(&bundle), bundle))
        .collect();
    let log = log_signer().unwrap();
    let head = Checkpoint::open(&scene.checkpoint, log.verifier()).unwrap();
    let complete_to = (evidence != Evidence::Presented).then_some(&head);
    let mut trace = Trace::new(scene.artifact, Direction::Up, &trust, &negatives, at);
    let mut asked = BTreeSet::new();
    while let Some(wanted) = trace.wanted().first().copied() {
        asked.insert(wanted);
        let found = bundles.iter().filter(|(about, _)| about.contains(&wanted));
        trace.supply(wanted, found.map(|(_, bundle)| bundle.clone()).collect(), complete_to);
    }
    if evidence == Evidence::Presented {
        // What nothing asked for is handed on as well: it may be a revocation of a key.
        let unasked = |(about, _): &&(Vec<ArtifactId>, Bundle)| {
            !about.iter().any(|artifact| asked.contains(artifact))
        };
        let rest = bundles.iter().filter(unasked).map(|(_, bundle)| bundle.clone()).collect();
        trace.supply(scene.artifact, rest, None);
    }
    let decision = policy.evaluate(&scene.artifact, &scene.stage, &trace.finish(), at);
    Ok(Answer::Report(Box::new(decision.report_at(at))))
}

fn follow(scene: &Scene, trust: &Trust) -> Result<Followed, String> {
    let read = |mut follower: Follower| {
        for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
            follower.leaf(index, leaf.bytes(), body.as_deref())?;
        }
        let ended = follower.finish(&scene.checkpoint, trust);
        Ok::<_, FollowError>((follower, ended))
    };
    let follow = || match read(Follower::new(LOG_ORIGIN, trust)?)? {
        (follower, Err(FollowError::Superseded { .. })) => read(follower.again()?)?.1,
        (_, ended) => ended,
    };
    follow().map_err(|error| error.to_string())
}

/// What a bundle claims to be about; it decides where the bundle is looked at, and nothing else.
fn spoken_of(bundle: &Bundle) -> Vec<ArtifactId> {
    let envelope = opened(&bundle.envelope);
    let Ok(statement) = Statement::parse(&envelope.payload) else { return Vec::new() };
    statement.subject.iter().filter_map(|subject| subject.artifact().ok()).collect()
}
