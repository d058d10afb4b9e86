//! Only SHA-256 identifies; statements that contradict each other about other digests are errors
//! both.

use crate::support::{counts, file, scene, up, why};

#[test]
fn digests_by_other_algorithms() {
    let train = |id: &str, about: &str, digests: &str| {
        format!(
            "{{id: {id}, sign: trainer, says: training, step: train, materials: [data/train], about: {about}, set: {{{digests}}}}}\n"
        )
    };
    let digest =
        |algorithm: &str, value: &str| format!("/subject/0/digest/{algorithm}: \"{value}\"");
    let same = ["model", "model is other"];
    // Whether both count, for: one artifact and two digests; two artifacts and one digest.
    let cases = [
        ("sha512", false, false),
        ("sha384", false, false),
        ("md5", false, true),
        ("sha1", false, true),
        ("rot13", false, true),
    ];
    for (algorithm, two_digests, two_artifacts) in cases {
        let one = train("a", same[0], &digest(algorithm, "aa"))
            + &train("b", same[0], &digest(algorithm, "bb"));
        let two = train("a", same[0], &digest(algorithm, "aa"))
            + &train("b", same[1], &digest(algorithm, "aa"))
            + "{id: c, sign: evaluator, says: evaluation, step: evaluate, about: model, dataset: data/holdout, materials: [model is other]}";
        let agree = train("a", same[0], &digest(algorithm, "aa"))
            + &train("b", same[0], &digest(algorithm, "aa"));
        for (events, want) in [(one, two_digests), (two, two_artifacts), (agree, true)] {
            let scene = scene(&events);
            let lineage = up(&scene);
            for id in ["a", "b"] {
                let said = why(&scene, &lineage, id);
                assert_eq!(said.is_empty(), want, "{algorithm} {id}: {said}");
                assert!(want || said.contains(algorithm), "{said}");
            }
            assert!(counts(&scene, &lineage).contains(&"train".to_owned()), "the others stay");
        }
    }
}

#[test]
fn one_statement_can_contradict_itself() {
    let scene = scene(
        "{id: x, sign: data, says: data-preparation, step: prepare, about: [data/train, data/copy is data/train], set: {/subject/0/digest/sha512: aa, /subject/1/digest/sha512: bb}}",
    );
    assert!(why(&scene, &up(&scene), "x").contains("sha512"));
}

#[test]
fn a_second_digest_joins_nothing() {
    let scene = scene(
        "{id: x, sign: evaluator, says: evaluation, step: evaluate, about: model is other, dataset: data/holdout, set: {/subject/0/digest/sha512: \"${sha512 model}\"}}",
    );
    let lineage = up(&scene);
    assert!(lineage.about(&file("model")).all(|one| one.body() != scene.body("x").unwrap()));
}
