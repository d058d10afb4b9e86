//! The library: trust, follower, trace and policy, as whoever enforces would put them together.

use std::collections::BTreeSet;

use attest::{ArtifactId, Bundle, Checkpoint, Statement, Timestamp};
use fixtures::{LOG_ORIGIN, Scene, log_signer};
use policy::Policy;
use verify::{Direction, Follower, Negatives, Trace, Trust};

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

/// Judges the scene at `at`, which need not be the time of the scene.
pub(crate) fn answer(scene: &Scene, evidence: Evidence, at: Timestamp) -> Answer {
    match judge(scene, evidence, at) {
        Ok(answer) => answer,
        Err(why) => Answer::Undecided(why),
    }
}

fn judge(scene: &Scene, evidence: Evidence, at: Timestamp) -> Result<Answer, String> {
    let trust = Trust::parse(&scene.trust).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let negatives = match evidence {
        Evidence::Registered => follow(scene, &trust)?,
        Evidence::Claimed | Evidence::Presented => Negatives::none(),
    };
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
    Ok(Answer::Report(Box::new(decision.report())))
}

fn follow(scene: &Scene, trust: &Trust) -> Result<Negatives, String> {
    let mut follower = Follower::new(LOG_ORIGIN, trust).map_err(|error| error.to_string())?;
    for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
        follower.leaf(index, leaf.bytes(), body.as_deref()).map_err(|error| error.to_string())?;
    }
    let followed = follower.finish(&scene.checkpoint, trust).map_err(|error| error.to_string())?;
    Ok(followed.negatives)
}

/// What a bundle claims to be about; it decides where the bundle is looked at, and nothing else.
fn spoken_of(bundle: &Bundle) -> Vec<ArtifactId> {
    let Ok(statement) = Statement::parse(&bundle.envelope.payload) else { return Vec::new() };
    statement.subject.iter().filter_map(|subject| subject.artifact().ok()).collect()
}
