//! From a scene of the fixtures to a decision, as whoever enforces would come to it.

use std::collections::BTreeSet;

use attest::{ArtifactId, Bundle};
use fixtures::{LOG_ORIGIN, Scene};
use policy::{Decision, Policy};
use verify::{Direction, Followed, Follower, Lineage, Negatives, Trace, Trust};

/// How the evidence comes to whoever judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// From a register that is followed.
    Registered,
    /// Handed on by whoever asks.
    Presented,
}

/// The lineage of the scene's artifact; an error when the log cannot be followed.
pub(crate) fn lineage(scene: &Scene, door: Door) -> Result<Lineage, String> {
    let trust = Trust::parse(&scene.trust).map_err(|error| error.to_string())?;
    let negatives = match door {
        Door::Presented => Negatives::none(),
        Door::Registered => followed(scene, &trust)?.negatives,
    };
    Ok(traced(scene, door, &trust, &negatives))
}

/// The log of the scene, every entry of it.
pub(crate) fn followed(scene: &Scene, trust: &Trust) -> Result<Followed, String> {
    let mut follower = Follower::new(LOG_ORIGIN, trust).map_err(|error| error.to_string())?;
    for (index, (leaf, body)) in scene.leaves.iter().enumerate() {
        follower
            .leaf(index as u64, leaf.bytes(), body.as_deref())
            .map_err(|error| error.to_string())?;
    }
    follower.finish(&scene.checkpoint, trust).map_err(|error| error.to_string())
}

/// The lineage of the scene's artifact, by what is known to stand against it.
pub(crate) fn traced(scene: &Scene, door: Door, trust: &Trust, negatives: &Negatives) -> Lineage {
    let mut trace = Trace::new(scene.artifact, Direction::Up, trust, negatives, scene.now);
    let mut asked = BTreeSet::new();
    while let Some(wanted) = trace.wanted().first().copied() {
        assert!(asked.insert(wanted), "asked twice for {wanted}");
        trace.supply(wanted, bundles(scene, door, &wanted), None);
    }
    trace.finish()
}

/// The decision about the scene.
pub(crate) fn decide(scene: &Scene, door: Door) -> Result<Decision, String> {
    let lineage = lineage(scene, door)?;
    let policy = Policy::parse(&scene.policy).map_err(|error| error.to_string())?;
    Ok(policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now))
}

fn bundles(scene: &Scene, door: Door, artifact: &ArtifactId) -> Vec<Bundle> {
    let about = scene.evidence.iter().filter(|one| one.subjects.contains(artifact));
    match door {
        Door::Registered => about.filter_map(|one| one.registered.clone()).collect(),
        Door::Presented => about.map(|one| one.presented.clone()).collect(),
    }
}
