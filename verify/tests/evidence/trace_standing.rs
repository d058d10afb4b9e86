//! Which authentic statements count, for which signers and verifiers.

use verify::Direction;

use crate::support::{bundle, changed, counts, file, follow, now, scene, trust, up, why};

#[test]
fn signers_in_scope() {
    let train = "says: training, step: train, about: model";
    let outside = "out of scope";
    let cases = [
        ("its own work", format!("sign: trainer, {train}"), ""),
        ("another's work", format!("sign: data, {train}"), outside),
        (
            "another step",
            format!("sign: trainer, {train}").replace("step: train", "step: prepare"),
            outside,
        ),
        (
            "another name",
            format!("sign: trainer, {train}").replace("about: model", "about: model2 is model"),
            outside,
        ),
        (
            "one name of two",
            format!("sign: trainer, {train}").replace("about: model", "about: [model, data/x]"),
            outside,
        ),
        ("another type", "sign: trainer, says: approval, about: model".into(), outside),
        ("a stranger's", format!("sign: stranger, {train}"), "no signature by a trusted key"),
        ("by one who may and one who may not", format!("sign: [data, trainer], {train}"), ""),
    ];
    for (name, event, want) in cases {
        let scene = scene(&format!("{{id: x, {event}}}"));
        let lineage = up(&scene);
        let said = why(&scene, &lineage, "x");
        assert!(said.starts_with(want) && said.is_empty() == want.is_empty(), "{name}: {said}");
        if let Some(found) = lineage.attestation(&scene.body("x").unwrap()) {
            assert_eq!(found.signers.len(), 1, "{name}");
            assert_eq!(found.signers[0].name, "trainer", "{name}");
        }
    }
}

#[test]
fn two_names_on_one_key() {
    let name = "  second: {predicates: [provenance], steps: [train], artifacts: [model]}";
    let shared = "  second: {predicates: [provenance], steps: [train], artifacts: [model], same-key-as: trainer, owner: trainer}";
    let event = "{id: x, sign: [trainer, second], says: training, step: train, about: model}";
    for (change, signers, owners) in [(&[][..], 2, 2), (&[(name, shared)][..], 2, 1)] {
        let scene = changed(event, change);
        let lineage = up(&scene);
        let found = lineage.attestation(&scene.body("x").unwrap()).unwrap();
        assert_eq!((found.signers.len(), found.owners().len()), (signers, owners));
    }
}

#[test]
fn verdicts_count_for_the_verifier_that_signed() {
    let verdict = |sign: &str, verifier: &str| {
        format!(
            "{{id: v, sign: {sign}, says: summary, stage: staging, about: model, verifier: \"{verifier}\"}}"
        )
    };
    let other = "  stranger: {trusted: false}";
    let with = "  rogue: {predicates: [summary], artifacts: [\"*\"], stages: [\"*\"], verifier: \"https://rogue.example\"}\n  stranger: {trusted: false}";
    let cases = [
        ("gate", "https://gate.example", true),
        ("rogue", "https://rogue.example", true),
        ("rogue", "https://gate.example", false),
        ("gate", "https://rogue.example", false),
        ("gate", "https://gate.example/", false),
    ];
    for (sign, verifier, want) in cases {
        let scene = changed(&verdict(sign, verifier), &[(other, with)]);
        let lineage = up(&scene);
        let found = lineage.attestation(&scene.body("v").unwrap()).unwrap();
        assert_eq!(found.verifier.as_deref(), want.then_some(verifier), "{sign} {verifier}");
    }
}

#[test]
fn a_statement_about_something_else_is_unrelated() {
    let scene = scene("");
    let (trust, followed) = (trust(&scene), follow(&scene).unwrap());
    let mut trace =
        verify::Trace::new(file("model"), Direction::Up, &trust, &followed.negatives, now());
    trace.supply(file("model"), vec![bundle(&scene, "train"), bundle(&scene, "prepare")], None);
    let lineage = trace.finish();
    assert_eq!(counts(&scene, &lineage), ["train"]);
    assert!(why(&scene, &lineage, "prepare").starts_with("does not speak of"));
}

#[test]
fn the_log_shows_one_history() {
    // Two scenes share keys and log, and differ in an entry: the same size, two roots.
    let event = |name: &str| {
        format!(
            "{{id: x, sign: trainer, says: training, step: train, about: model, parameters: {{a: {name}}}}}"
        )
    };
    let (one, other) = (scene(&event("one")), scene(&event("other")));
    let (trust, followed) = (trust(&one), follow(&one).unwrap());
    for (from, want) in [(&one, ""), (&other, "signed two different trees of 4 entries")] {
        let mut trace =
            verify::Trace::new(file("model"), Direction::Up, &trust, &followed.negatives, now());
        trace.supply(file("model"), vec![bundle(from, "x")], None);
        let said = why(from, &trace.finish(), "x");
        assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{said}");
    }
}

#[test]
fn materials_without_a_digest_are_told() {
    let scene = scene(
        "{id: x, sign: trainer, says: training, step: train, materials: [data/train, data/more], about: model, remove: [/predicate/buildDefinition/resolvedDependencies/1/digest]}",
    );
    let lineage = up(&scene);
    let found = lineage.attestation(&scene.body("x").unwrap()).unwrap();
    assert_eq!(found.unidentified, ["data/more"]);
    assert_eq!(found.materials.len(), 1);
}

#[test]
fn it_holds_while_no_key_begins_or_ends() {
    let key = "trainer: {predicates: [provenance], steps: [train], artifacts: [model]";
    let scene = changed("", &[(key, &format!("{key}, valid-until: +90s"))]);
    let lineage = up(&scene);
    let until = lineage.holds().until.unwrap();
    assert_eq!(until.as_second() - now().as_second(), 90);
    assert_eq!(lineage.holds().from, None);
}

#[test]
fn what_is_not_believed_stands_where_the_log_proves_it() {
    let train = "says: training, step: train, about: model";
    let cases = [
        ("a stranger's", format!("sign: stranger, {train}"), Some(3)),
        ("a stranger's, not logged", format!("sign: stranger, {train}, log: nowhere"), None),
        ("in another log", format!("sign: stranger, {train}, log: impostor"), None),
        ("changed since", format!("sign: stranger, {train}, tamper: [train, drain]"), None),
    ];
    for (name, event, want) in cases {
        let scene = scene(&format!("{{id: x, {event}}}"));
        let followed = follow(&scene).unwrap();
        let trust = trust(&scene);
        let mut trace = verify::Trace::new(
            scene.artifact,
            Direction::Up,
            &trust,
            &followed.negatives,
            crate::support::now(),
        );
        trace.supply(scene.artifact, vec![bundle(&scene, "x")], None);
        let lineage = trace.finish();
        let rejected = lineage.rejected().first().unwrap_or_else(|| panic!("{name}: believed"));
        assert_eq!(rejected.index, want, "{name}");
        assert_eq!(rejected.predicate_type, None, "{name}: nobody who is trusted says so");
    }
}
