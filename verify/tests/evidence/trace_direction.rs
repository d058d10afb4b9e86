//! Up goes to what made the artifact, down to what was made from it, and neither to its siblings.

use attest::ArtifactId;
use verify::{Direction, Lineage};

use crate::support::{changed, counts, file, follow, scene, traced, trust, up};

fn reached(lineage: &Lineage) -> Vec<ArtifactId> {
    lineage.artifacts().iter().copied().collect()
}

fn sorted(names: &[&str]) -> Vec<ArtifactId> {
    let mut all: Vec<ArtifactId> = names.iter().map(|name| file(name)).collect();
    all.sort();
    all
}

#[test]
fn each_direction_reaches_its_own() {
    let scene = scene(
        r#"{id: sibling, sign: trainer, says: training, step: train, materials: [data/train, data/private], about: model is other}"#,
    );
    let followed = follow(&scene).unwrap();
    let trust = trust(&scene);
    let cases: [(&str, Direction, &[&str]); 5] = [
        ("model", Direction::Up, &["model", "data/train", "data/holdout", "data/raw"]),
        ("data/train", Direction::Up, &["data/train", "data/raw"]),
        ("data/train", Direction::Down, &["data/train", "model", "other"]),
        ("data/holdout", Direction::Down, &["data/holdout", "model"]),
        (
            "data/raw",
            Direction::Down,
            &["data/raw", "data/train", "data/holdout", "model", "other"],
        ),
    ];
    for (name, direction, want) in cases {
        let lineage = traced(&scene, file(name), direction, &trust, &followed.negatives);
        assert_eq!(reached(&lineage), sorted(want), "{name} {direction:?}");
        assert_eq!(lineage.unexplored(), [], "{name} {direction:?}");
        assert_eq!((lineage.root(), lineage.direction()), (file(name), direction));
        assert_eq!(lineage.trust(), trust.digest());
    }
}

#[test]
fn only_what_counts_is_followed() {
    let one = |sign: &str| {
        format!(
            "{{id: more, sign: {sign}, says: training, step: train, materials: [data/far], about: model}}"
        )
    };
    let cases = [("trainer", true), ("data", false), ("stranger", false)];
    for (signer, want) in cases {
        let scene = scene(&one(signer));
        let lineage = up(&scene);
        assert_eq!(reached(&lineage).contains(&file("data/far")), want, "{signer}");
        assert_eq!(counts(&scene, &lineage).contains(&"more".to_owned()), want, "{signer}");
    }
}

#[test]
fn about_and_using() {
    let scene = changed("", &[]);
    let lineage = up(&scene);
    let bodies =
        |all: Vec<&verify::Attestation>| -> Vec<_> { all.iter().map(|one| one.body()).collect() };
    let body = |id: &str| scene.body(id).unwrap();
    assert_eq!(bodies(lineage.about(&file("model")).collect()), [body("train"), body("evaluate")]);
    assert_eq!(bodies(lineage.using(&file("data/holdout")).collect()), [body("evaluate")]);
    assert_eq!(bodies(lineage.using(&file("model")).collect()), [body("evaluate")]);
    assert!(!lineage.attestation(&body("evaluate")).unwrap().makes());
    assert!(lineage.attestation(&body("train")).unwrap().makes());
}
