//! What a followed log holds against an artifact cannot be left out of an answer.

use attest::envelope::IN_TOTO;
use attest::{Algorithm, Bundle, Checkpoint, Envelope, Inclusion, Leaf, LogEntry, SigningKey};
use fixtures::{LOG_ORIGIN, PlainLog, Scene, log_signer};
use verify::{
    Completeness, Custody, Direction, Follower, Lineage, May, Negatives, Trace, WhyUnexplored,
    Window,
};

use crate::support::{bundle, file, follow, found, now, scene, trust, up};

fn withheld(scene: &Scene, lineage: &Lineage) -> Vec<String> {
    let name = |body| scene.evidence.iter().find(|one| one.body == body).unwrap().id.clone();
    let of = |why: &WhyUnexplored| match why {
        WhyUnexplored::Withheld { body, .. } => Some(name(*body)),
        _ => None,
    };
    lineage.unexplored().iter().filter_map(|one| of(&one.why)).collect()
}

#[test]
fn statements_that_can_speak_against_it() {
    let evaluation =
        "sign: evaluator, says: evaluation, step: evaluate, about: model, dataset: data/holdout";
    let cases = [
        ("an evaluation that is there", format!("{{id: e, {evaluation}}}"), &[][..]),
        ("an evaluation", format!("{{id: e, {evaluation}, hidden: true}}"), &["e"][..]),
        ("an evaluation of something else", format!("{{id: e, {evaluation}, hidden: true}}").replace("about: model", "about: model is other"), &[]),
        ("by a stranger", format!("{{id: e, {evaluation}, hidden: true}}").replace("sign: evaluator", "sign: stranger"), &[]),
        ("a verdict", "{id: v, sign: gate, says: summary, result: FAILED, stage: staging, about: model, hidden: true}".into(), &["v"]),
        ("a revocation, which counts all the same", "{id: r, sign: security, says: revocation, about: model, hidden: true}".into(), &[]),
        ("provenance, which speaks for it", "{id: t, sign: trainer, says: training, step: train, about: model, hidden: true}".into(), &[]),
    ];
    for (name, event, want) in cases {
        let scene = scene(&event);
        let lineage = up(&scene);
        assert_eq!(withheld(&scene, &lineage), want, "{name}");
        assert_eq!(
            lineage.revoked(&file("model")).is_some(),
            event.contains("revocation"),
            "{name}"
        );
    }
}

#[test]
fn every_signature_that_makes_it_count_is_owed() {
    let scene = scene("{id: again, sign: gate, same-body-as: evaluate, hidden: true}");
    // The gate may not evaluate; that it may sign verdicts is enough to be waited for.
    assert_eq!(withheld(&scene, &up(&scene)), ["evaluate"]);
}

#[test]
fn an_entry_that_is_left_out_does_not_make_an_old_statement_the_latest() {
    // The evaluator signs with P-256, whose signatures anybody can turn into others that are as
    // good. Whoever logs one of these hands on that entry alone.
    let scene = scene("");
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let may = May::of(&["*"], &["*"], &["*"], &[]).unwrap();
    let mut trust = trust(&scene);
    let window = Window::default();
    trust.add_key("p256", key.public(), "p256", &may, window, Custody::Shared).unwrap();
    let payload = bundle(&scene, "evaluate").envelope.payload;
    let signed = || Envelope::sign(IN_TOTO, payload.clone(), &[&key]).unwrap();
    let (first, second) = (signed(), signed());
    assert_ne!(first.signatures[0].sig, second.signatures[0].sig);
    let pae = first.pae();
    let mut log = PlainLog::new(log_signer().unwrap());
    for envelope in [&first, &second] {
        log.append(Leaf::of(&pae, &envelope.signatures[0].sig, key.public()));
    }
    let note = log.checkpoint().unwrap();
    let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
    for (index, leaf) in log.leaves().iter().enumerate() {
        follower.leaf(index as u64, leaf.bytes(), Some(&pae)).unwrap();
    }
    let followed = follower.finish(&note, &trust).unwrap();
    let proof = Inclusion {
        index: 1,
        size: 2,
        root: log.root(),
        hashes: log.path(1),
        checkpoint: note.clone(),
    };
    let leaf = log.leaves()[1].bytes().to_vec();
    let entry = LogEntry { index: 1, log_id: Vec::new(), leaf, proof: Some(proof) };
    let bundle = Bundle { envelope: second, hint: None, entries: vec![entry], keyless: None };
    let index = |negatives: &Negatives| {
        let mut trace = Trace::new(file("model"), Direction::Up, &trust, negatives, now());
        trace.supply(file("model"), vec![bundle.clone()], None);
        trace.finish().attestations()[0].index
    };
    assert_eq!(index(&followed.negatives), Some(0), "the follower has seen the first");
    assert_eq!(index(&Negatives::none()), Some(1));
}

#[test]
fn what_was_not_supplied_is_unexplored() {
    let scene = scene("");
    let (trust, followed) = (trust(&scene), follow(&scene).unwrap());
    let mut trace = Trace::new(file("model"), Direction::Up, &trust, &followed.negatives, now());
    assert_eq!(trace.wanted(), [file("model")]);
    trace.supply(file("model"), found(&scene, &file("model"), Direction::Up), None);
    let mut wanted = trace.wanted().to_vec();
    wanted.sort();
    let mut materials = vec![file("data/train"), file("data/holdout")];
    materials.sort();
    assert_eq!(wanted, materials);
    // What nobody asked for is ignored.
    trace.supply(file("other"), vec![bundle(&scene, "prepare")], None);
    let lineage = trace.finish();
    let unexplored: Vec<_> =
        lineage.unexplored().iter().map(|one| (one.artifact, one.why.clone())).collect();
    assert_eq!(
        unexplored,
        wanted.iter().map(|one| (*one, WhyUnexplored::NotSupplied)).collect::<Vec<_>>()
    );
    assert_eq!(lineage.artifacts().len(), 1);
}

#[test]
fn completeness_is_what_stands_behind_it() {
    let scene = scene("");
    let (trust, followed) = (trust(&scene), follow(&scene).unwrap());
    let head =
        |origin: &str, size: u64| Checkpoint { origin: origin.into(), size, root: followed.root };
    let claimed = |size: u64| Completeness::Claimed { origin: "a".into(), size };
    let cases = [
        ("nobody says anything", [None, None], Completeness::None),
        ("the smallest of all claims", [Some(head("a", 9)), Some(head("a", 7))], claimed(7)),
        ("in either order", [Some(head("a", 7)), Some(head("a", 9))], claimed(7)),
        ("one answer claims nothing", [Some(head("a", 9)), None], Completeness::None),
        ("nor the other", [None, Some(head("a", 9))], Completeness::None),
        ("two logs", [Some(head("a", 9)), Some(head("b", 9))], Completeness::None),
    ];
    for (name, claims, want) in cases {
        let none = Negatives::none();
        for negatives in [&none, &followed.negatives] {
            let mut trace = Trace::new(file("model"), Direction::Up, &trust, negatives, now());
            for claim in &claims {
                trace.supply(file("model"), Vec::new(), claim.as_ref());
            }
            let found = trace.finish().completeness().clone();
            if negatives.head().is_some() {
                assert!(matches!(found, Completeness::Followed { size: 3, .. }), "{name}");
            } else {
                assert_eq!(found, want, "{name}");
            }
        }
    }
}
