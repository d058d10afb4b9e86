//! How far revocations reach.

use verify::{Direction, Negatives};

use crate::support::{changed, counts, file, follow, found, now, scene, traced, trust, up, why};

#[test]
fn an_artifact_and_what_was_made_from_it() {
    let revoke = |about: &str, effect: &str| {
        format!("{{id: r, sign: security, says: revocation, about: {about}, effect: {effect}}}")
    };
    let (train, holdout, raw, model) = ("data/train", "data/holdout", "data/raw", "model");
    let cases = [
        (revoke(raw, "DESCENDANTS"), vec![raw, train, holdout, model]),
        (revoke(raw, "SUBJECT_ONLY"), vec![raw]),
        (revoke(raw, "NEW_WORD"), vec![raw, train, holdout, model]),
        (revoke(train, "DESCENDANTS"), vec![train, model]),
        // The model was measured on it, not made of it.
        (revoke(holdout, "DESCENDANTS"), vec![holdout]),
        (revoke(model, "DESCENDANTS"), vec![model]),
        (revoke("elsewhere", "DESCENDANTS"), vec![]),
        // A forgotten kind saves nothing.
        (
            "{id: r, sign: security, says: revocation, about: x is tree:data/train}".into(),
            vec![train, model],
        ),
    ];
    for (event, want) in cases {
        let scene = scene(&event);
        let lineage = up(&scene);
        let mut want: Vec<_> = want.into_iter().map(file).collect();
        want.sort();
        let revoked: Vec<_> = lineage.all_revoked().keys().copied().collect();
        assert_eq!(revoked, want, "{event}");
    }
}

#[test]
fn the_way_is_told() {
    let scene = scene("{id: r, sign: security, says: revocation, about: data/raw}");
    let lineage = up(&scene);
    let way = lineage.revoked_through(&file("model"));
    assert_eq!(way, [file("model"), file("data/train"), file("data/raw")]);
    assert_eq!(lineage.revoked(&file("model")).unwrap().by.index, 3);
    assert_eq!(lineage.revoked_through(&file("elsewhere")), []);
}

#[test]
fn the_wider_of_two_revocations_counts() {
    let narrow = "{id: a, sign: security, says: revocation, about: data/raw, effect: SUBJECT_ONLY}";
    let wide = "{id: b, sign: security, says: revocation, about: data/raw}";
    for events in [format!("{narrow}\n{wide}"), format!("{wide}\n{narrow}")] {
        let scene = scene(&events);
        assert!(up(&scene).revoked(&file("model")).is_some(), "{events}");
    }
    // One that stops at the way does not stop another that comes through.
    let between =
        "{id: c, sign: security, says: revocation, about: data/train, effect: SUBJECT_ONLY}";
    let scene = scene(&format!("{between}\n{wide}"));
    assert!(up(&scene).revoked(&file("model")).is_some());
}

#[test]
fn an_attestation() {
    let revoke = |body: &str| {
        format!(
            "{{id: r, sign: security, says: revocation, revokes: attestation, about: x is body:{body}}}"
        )
    };
    for (body, rest) in [("evaluate", ["prepare", "train"]), ("train", ["evaluate", "prepare"])] {
        let scene = scene(&revoke(body));
        let lineage = up(&scene);
        assert_eq!(counts(&scene, &lineage), rest, "{body}");
        assert_eq!(why(&scene, &lineage, body), "revoked by entry 3");
    }
}

#[test]
fn a_key_counts_for_what_it_signed_before() {
    let revoke = "{id: k, sign: security, says: revocation, revokes: key, about: x is key:trainer}";
    let train = "says: training, step: train, about: model";
    let scene = changed(
        &format!(
            "{{id: before, sign: trainer, {train}}}
             {revoke}
             {{id: after, sign: trainer, {train}, at: -9d}}
             {{id: both, sign: [trainer, second], {train}}}
             {{id: again, sign: trainer, same-body-as: before}}"
        ),
        &[],
    );
    let lineage = up(&scene);
    assert_eq!(
        counts(&scene, &lineage),
        ["again", "before", "both", "evaluate", "prepare", "train"]
    );
    assert!(why(&scene, &lineage, "after").contains("was revoked by entry 4"));
    let both = lineage.attestation(&scene.body("both").unwrap()).unwrap();
    assert_eq!(both.signers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["second"]);
    // The lowest position is the counting signer's, not that of the revoked key before it.
    let place = both.verified.logged().iter().find(|one| one.key == both.signers[0].key).unwrap();
    assert_eq!(both.index, Some(place.index));
}

#[test]
fn a_key_that_is_revoked_counts_for_nothing_that_is_not_logged() {
    let revoke = "{id: k, sign: security, says: revocation, revokes: key, about: x is key:trainer}";
    let scene = scene(revoke);
    let (trust, followed) = (trust(&scene), follow(&scene).unwrap());
    let model = file("model");
    let lineage = |strip: bool, negatives: &Negatives| {
        let mut bundles = found(&scene, &model, Direction::Up);
        for bundle in bundles.iter_mut().filter(|_| strip) {
            bundle.entries.clear();
        }
        let mut trace = verify::Trace::new(model, Direction::Up, &trust, negatives, now());
        trace.supply(model, bundles, None);
        counts(&scene, &trace.finish())
    };
    assert_eq!(lineage(false, &followed.negatives), ["evaluate", "train"]);
    assert_eq!(lineage(true, &followed.negatives), ["evaluate"]);
    // What a follower has found before its end has no head: no position is known to be before.
    let mut follower = verify::Follower::new(fixtures::LOG_ORIGIN, &trust).unwrap();
    for (index, (leaf, body)) in scene.leaves.iter().enumerate() {
        follower.leaf(index as u64, leaf.bytes(), body.as_deref()).unwrap();
    }
    assert_eq!(lineage(false, follower.negatives()), ["evaluate"]);
    assert_eq!(lineage(false, &Negatives::none()), ["evaluate", "train"]);
}

#[test]
fn going_down_finds_what_is_revoked_with_it() {
    let scene = scene("{id: r, sign: security, says: revocation, about: data/train}");
    let followed = follow(&scene).unwrap();
    let lineage =
        traced(&scene, file("data/raw"), Direction::Down, &trust(&scene), &followed.negatives);
    let revoked: Vec<_> = lineage.all_revoked().keys().copied().collect();
    let mut want = vec![file("data/train"), file("model")];
    want.sort();
    assert_eq!(revoked, want);
}
