//! From a recipe to what a verifier is given, and to what it makes of it.

use std::collections::BTreeSet;

use attest::{ArtifactId, Bundle, Sha256, Statement, Timestamp};
use fixtures::{LOG_ORIGIN, Scene};
use verify::{Direction, FollowError, Followed, Follower, Lineage, Negatives, Trace, Trust};

/// Keys that may each do their own work, and an honest line from data to model.
pub(crate) const LINE: &str = r#"
artifact: model
stage: production
keys:
  data: {predicates: [provenance], steps: [prepare], artifacts: ["data/*"]}
  trainer: {predicates: [provenance], steps: [train], artifacts: [model]}
  second: {predicates: [provenance], steps: [train], artifacts: [model]}
  evaluator: {predicates: [evaluation], steps: [evaluate], artifacts: [model]}
  gate: {predicates: [summary], artifacts: ["*"], stages: ["*"], verifier: "https://gate.example"}
  security: {predicates: [revocation], artifacts: ["*"]}
  stranger: {trusted: false}
evidence:
  - {id: prepare, sign: data, says: data-preparation, step: prepare, materials: [raw-dataset=data/raw], about: [data/train, data/holdout]}
  - {id: train, sign: trainer, says: training, step: train, materials: [training-dataset=data/train], about: model}
  - {id: evaluate, sign: evaluator, says: evaluation, step: evaluate, about: model, dataset: holdout-dataset=data/holdout, samples: 10, metrics: {accuracy: "0.97"}}
"#;

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// The line with more evidence, one event in each line of `more`.
pub(crate) fn scene(more: &str) -> Scene {
    changed(more, &[])
}

/// The same with texts of the line replaced.
pub(crate) fn changed(more: &str, changes: &[(&str, &str)]) -> Scene {
    let mut text = LINE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "`{from}` is not in the line");
        text = text.replacen(from, to, 1);
    }
    for event in more.lines().map(str::trim).filter(|event| !event.is_empty()) {
        text.push_str(&format!("  - {event}\n"));
    }
    let recipe = serde_saphyr::from_str(&text).unwrap();
    Scene::new(&recipe, &serde_json::json!({}), now()).unwrap()
}

pub(crate) fn trust(scene: &Scene) -> Trust {
    Trust::parse(&scene.trust).unwrap()
}

/// The file whose content is called `name`.
pub(crate) fn file(name: &str) -> ArtifactId {
    ArtifactId::file(Sha256::of(format!("content of {name}\n").as_bytes()))
}

/// The bundle of the evidence called `id`.
pub(crate) fn bundle(scene: &Scene, id: &str) -> Bundle {
    scene.evidence.iter().find(|one| one.id == id).unwrap().presented.clone()
}

/// Reads the scene's log to its end.
pub(crate) fn follow(scene: &Scene) -> Result<Followed, FollowError> {
    let trust = trust(scene);
    let mut follower = Follower::new(LOG_ORIGIN, &trust)?;
    for (index, (leaf, body)) in scene.leaves.iter().enumerate() {
        follower.leaf(index as u64, leaf.bytes(), body.as_deref())?;
    }
    follower.finish(&scene.checkpoint, &trust)
}

/// What the log hands out about `artifact` in that direction.
pub(crate) fn found(scene: &Scene, artifact: &ArtifactId, direction: Direction) -> Vec<Bundle> {
    let registered = scene.evidence.iter().filter_map(|one| one.registered.as_ref());
    let speaks = |bundle: &&Bundle| {
        let envelope = attest::carried::opened(&bundle.envelope);
        let Ok(statement) = Statement::parse(&envelope.payload) else { return false };
        let is = |one: &attest::ResourceDescriptor| one.artifact().as_ref() == Ok(artifact);
        let down = direction == Direction::Down;
        statement.subject.iter().any(is) || (down && statement.materials().into_iter().any(is))
    };
    registered.filter(speaks).cloned().collect()
}

/// The lineage of `artifact`, all that is wanted being supplied.
pub(crate) fn traced(
    scene: &Scene,
    artifact: ArtifactId,
    direction: Direction,
    trust: &Trust,
    negatives: &Negatives,
) -> Lineage {
    let mut trace = Trace::new(artifact, direction, trust, negatives, now());
    let mut asked = BTreeSet::new();
    while let Some(wanted) = trace.wanted().first().copied() {
        assert!(asked.insert(wanted), "asked twice for {wanted}");
        trace.supply(wanted, found(scene, &wanted, direction), None);
    }
    trace.finish()
}

/// What made the scene's artifact, the log being followed.
pub(crate) fn up(scene: &Scene) -> Lineage {
    let followed = follow(scene).unwrap();
    traced(scene, scene.artifact, Direction::Up, &trust(scene), &followed.negatives)
}

/// The evidence that counts, by its names in the scene, sorted.
pub(crate) fn counts(scene: &Scene, lineage: &Lineage) -> Vec<String> {
    let is_in = |body: &Sha256| lineage.attestation(body).is_some();
    let mut ids: Vec<String> = Vec::new();
    for one in scene.evidence.iter().filter(|one| is_in(&one.body)) {
        ids.push(one.id.clone());
    }
    ids.sort();
    ids
}

/// Why the evidence called `id` does not count, in words; empty when it counts.
pub(crate) fn why(scene: &Scene, lineage: &Lineage, id: &str) -> String {
    let body = scene.body(id).unwrap();
    let rejected = lineage.rejected().iter().find(|one| one.body == body);
    let why = rejected.map(|one| one.why.to_string()).unwrap_or_default();
    assert_eq!(why.is_empty(), lineage.attestation(&body).is_some(), "{id}: {why}");
    why
}
