//! The same evidence gives the same lineage, in whatever order it comes.

use attest::{ArtifactId, Bundle};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use verify::{Direction, Lineage, Negatives, Trace, Trust};

use crate::support::{bundle, changed, counts, follow, now, trust, up};

/// Every way in which a statement can fail to count, and merged, unrelated and odd bundles.
fn everything() -> (Vec<(ArtifactId, Bundle)>, Vec<ArtifactId>, Trust, Negatives) {
    let scene = changed(
        r#"
        {id: other, sign: trainer, says: training, step: train, materials: [training-dataset=data/other], about: model}
        {id: junk, sign: stranger, says: training, step: train, about: model, repeat: 3}
        {id: outside, sign: data, says: training, step: train, about: model}
        {id: twice, sign: second, same-body-as: outside}
        {id: sum-a, sign: trainer, says: training, step: train, about: model, set: {/subject/0/digest/sha512: aa}}
        {id: sum-b, sign: trainer, says: training, step: train, about: model, set: {/subject/0/digest/sha512: bb}}
        {id: void, sign: trainer, says: training, step: train, about: model}
        {id: revoke, sign: security, says: revocation, revokes: attestation, about: "x is body:void"}
        {id: tampered, sign: trainer, says: training, step: train, about: model, tamper: [train, drain]}
        {id: borrowed, sign: trainer, says: training, step: train, about: model, log: {borrowed: train}}
        {id: impostor, sign: trainer, same-body-as: borrowed, log: impostor}
        {id: forged, sign: trainer, says: training, step: train, about: model, log: impostor}
        {id: alone, sign: data, says: training, step: train, about: model}
        {id: nowhere, sign: trainer, same-body-as: borrowed, log: nowhere}
        "#,
        &[],
    );
    let mut all = Vec::new();
    let artifacts = ["model", "data/train", "data/holdout", "data/raw", "data/other"];
    let artifacts: Vec<ArtifactId> = artifacts.map(crate::support::file).to_vec();
    for one in &scene.evidence {
        // Each also for what it does not speak of.
        all.extend(artifacts.iter().map(|artifact| (*artifact, one.presented.clone())));
    }
    let negatives = follow(&scene).unwrap().negatives;
    (all, artifacts, trust(&scene), negatives)
}

/// The lineage when the bundles come in this order; those of an artifact that is not wanted yet
/// have to wait, as with any caller.
fn lineage(
    mut order: Vec<(ArtifactId, Bundle)>,
    direction: Direction,
    root: ArtifactId,
    trust: &Trust,
    negatives: &Negatives,
) -> Lineage {
    let mut trace = Trace::new(root, direction, trust, negatives, now());
    let mut known = vec![root];
    while let Some(place) = order.iter().position(|(artifact, _)| known.contains(artifact)) {
        let (artifact, bundle) = order.remove(place);
        trace.supply(artifact, vec![bundle], None);
        known.extend(trace.wanted());
    }
    trace.finish()
}

#[test]
fn any_order_of_supply_gives_the_same_lineage() {
    let (all, artifacts, trust, negatives) = everything();
    let directions = [(Direction::Up, artifacts[0]), (Direction::Down, artifacts[3])];
    let traced = |order: &[(ArtifactId, Bundle)]| {
        directions.map(|(way, root)| lineage(order.to_vec(), way, root, &trust, &negatives))
    };
    let plain = traced(&all);
    let reasons: Vec<String> = plain[0].rejected().iter().map(|one| one.why.to_string()).collect();
    for want in
        ["out of scope", "no signature", "contradicts", "revoked", "checkpoint", "does not speak"]
    {
        assert!(reasons.iter().any(|why| why.contains(want)), "{want}: {reasons:?}");
    }
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    let tried = runner.run(&Just(all).prop_shuffle(), |order| {
        prop_assert_eq!(&traced(&order), &plain);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn attestations_stand_in_the_order_of_the_log() {
    let scene = changed(
        "{id: loose, sign: trainer, says: training, step: train, about: model, log: nowhere}",
        &[],
    );
    let lineage = up(&scene);
    let order: Vec<_> = lineage.attestations().iter().map(|one| one.index).collect();
    assert_eq!(order, [Some(0), Some(1), Some(2)], "the log does not hand out the loose one");
    let mut trace = Trace::new(
        scene.artifact,
        Direction::Up,
        Box::leak(Box::new(trust(&scene))),
        Box::leak(Box::new(Negatives::none())),
        now(),
    );
    trace.supply(
        scene.artifact,
        ["loose", "evaluate", "train"].map(|id| bundle(&scene, id)).to_vec(),
        None,
    );
    let lineage = trace.finish();
    let order: Vec<_> = lineage.attestations().iter().map(|one| one.index).collect();
    assert_eq!(order, [Some(1), Some(2), None]);
    assert_eq!(counts(&scene, &lineage), ["evaluate", "loose", "train"]);
}
