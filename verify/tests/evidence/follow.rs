//! Following a log: every leaf, in order, to the root that the log signed; anything less is an
//! error, and with an error nobody is told "allowed".

use attest::{Checkpoint, Envelope, Leaf, NoteSigner, Sha256};
use fixtures::{LOG_ORIGIN, PlainLog, Scene, log_signer, signing_key};
use verify::{FollowError, Followed, Follower, Trust};

use crate::support::{changed, file, follow, scene, trust};

const REVOKE: &str = "{id: revoke, sign: security, says: revocation, about: data/raw}";

fn leaves(scene: &Scene) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    scene.leaves.iter().map(|(leaf, body)| (leaf.bytes().to_vec(), body.clone())).collect()
}

fn run(
    leaves: &[(Vec<u8>, Option<Vec<u8>>)],
    note: &str,
    trust: &Trust,
) -> Result<Followed, FollowError> {
    let mut follower = Follower::new(LOG_ORIGIN, trust)?;
    for (index, (leaf, body)) in leaves.iter().enumerate() {
        follower.leaf(index as u64, leaf, body.as_deref())?;
    }
    follower.finish(note, trust)
}

#[test]
fn to_the_end_or_not_at_all() {
    let scene = scene(REVOKE);
    let (good, note, trust) = (leaves(&scene), &scene.checkpoint, trust(&scene));
    let followed = run(&good, note, &trust).unwrap();
    assert_eq!((followed.origin.as_str(), followed.size), (LOG_ORIGIN, 4));
    assert_eq!(followed.negatives.head().unwrap().root, followed.root);
    assert_eq!(followed.negatives.revocations().len(), 1);

    let signed = |size: u64, root: Sha256| {
        let text = Checkpoint { origin: LOG_ORIGIN.into(), size, root }.to_string();
        log_signer().unwrap().sign(&text).unwrap().to_string()
    };
    let short = run(&good[..3], note, &trust);
    assert_eq!(short, Err(FollowError::Size { followed: 3, signed: 4 }));
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    assert!(matches!(run(&swapped, note, &trust), Err(FollowError::Root { size: 4, .. })));
    let mut changed = good.clone();
    changed[1].0.push(b' ');
    assert!(matches!(run(&changed, note, &trust), Err(FollowError::Root { .. })));
    let wrong = run(&good, &signed(4, Sha256::of(b"x")), &trust);
    assert!(matches!(wrong, Err(FollowError::Root { .. })));
    let more = run(&good, &signed(5, followed.root), &trust);
    assert_eq!(more, Err(FollowError::Size { followed: 4, signed: 5 }));
    let impostor = NoteSigner::new(LOG_ORIGIN, signing_key("attacker's log").unwrap()).unwrap();
    let text = Checkpoint { origin: LOG_ORIGIN.into(), size: 4, root: followed.root }.to_string();
    let forged = impostor.sign(&text).unwrap().to_string();
    assert!(matches!(run(&good, &forged, &trust), Err(FollowError::OtherKey(_))));
}

#[test]
fn leaves_come_in_order_and_trust_stays() {
    let scene = scene(REVOKE);
    let (good, trust) = (leaves(&scene), trust(&scene));
    let unknown = Follower::new("elsewhere", &trust).err();
    assert_eq!(unknown, Some(FollowError::UnknownLog("elsewhere".into())));
    let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
    for (index, expected) in [(1, 0), (u64::MAX, 0)] {
        let wrong = follower.leaf(index, &good[0].0, good[0].1.as_deref());
        assert_eq!(wrong, Err(FollowError::OutOfOrder { expected, found: index }));
    }
    for (index, (leaf, body)) in good.iter().enumerate() {
        follower.leaf(index as u64, leaf, body.as_deref()).unwrap();
    }
    let again = follower.leaf(3, &good[3].0, good[3].1.as_deref());
    assert_eq!(again, Err(FollowError::OutOfOrder { expected: 4, found: 3 }));
    assert!(follower.finish(&scene.checkpoint, &trust).is_ok());
    // An error leaves it as it was, and a follower goes on after it has finished once.
    let text = format!("{}\n# changed\n", scene.trust.trim_end());
    let changed = Trust::parse(&text).unwrap();
    assert_eq!(follower.finish(&scene.checkpoint, &changed), Err(FollowError::TrustChanged));
    assert!(follower.finish(&scene.checkpoint, &trust).is_ok());
    assert_eq!(follower.size(), 4);
}

#[test]
fn missing_bodies_make_it_stale_where_they_could_matter() {
    let cases = [
        ("nothing is missing", REVOKE.to_owned(), true),
        ("a revocation", REVOKE.replace("id: revoke", "id: revoke, body-gone: true"), false),
        ("an evaluation", "{id: e, sign: evaluator, says: evaluation, step: evaluate, about: model, dataset: data/holdout, body-gone: true}".into(), false),
        ("a verdict", "{id: v, sign: gate, says: summary, stage: staging, about: model, body-gone: true}".into(), false),
        ("provenance, by who signs nothing else", "{id: t, sign: trainer, says: training, step: train, about: model, body-gone: true}".into(), true),
        ("a stranger's revocation", "{id: r, sign: stranger, says: revocation, about: model, body-gone: true}".into(), true),
    ];
    for (name, event, want) in cases {
        let scene = scene(&event);
        let stale = FollowError::Stale { count: 1, first: vec![3] };
        assert_eq!(follow(&scene).err(), (!want).then_some(stale), "{name}");
    }
    // A body that does not fit its leaf is none.
    let scene = scene(REVOKE);
    let mut wrong = leaves(&scene);
    wrong[3].1.as_mut().unwrap().push(b' ');
    assert!(matches!(
        run(&wrong, &scene.checkpoint, &trust(&scene)),
        Err(FollowError::Stale { .. })
    ));
}

#[test]
fn what_does_not_parse() {
    let evaluation = "{id: e, sign: evaluator, says: evaluation, step: evaluate, about: model, dataset: data/holdout, set: {/predicate/measurements: 7}, log: careless}";
    let revocation = |sign: &str, change: &str| {
        format!("{{id: r, sign: {sign}, says: revocation, about: model, {change}, log: careless}}")
    };
    let cases = [
        ("an evaluation of another shape is no evidence", evaluation.to_owned(), true),
        ("a revocation of nothing", revocation("security", "set: {/subject: []}"), false),
        (
            "a revocation without a digest",
            revocation("security", "set: {/subject/0/digest: {sha512: aa}}"),
            false,
        ),
        ("a revocation of another shape", revocation("security", "set: {/predicate: 7}"), false),
        (
            "the type spelt otherwise",
            revocation(
                "security",
                r#"replace: ['attestation/revocation', 'attestation\/revocation'], set: {/predicate: 7}"#,
            ),
            false,
        ),
        ("the same by who may not revoke", revocation("evaluator", "set: {/predicate: 7}"), true),
        (
            "another type of statement",
            revocation(
                "security",
                r#"set: {/predicateType: "https://example.com/x", /predicate: 7}"#,
            ),
            true,
        ),
    ];
    for (name, event, want) in cases {
        let scene = scene(&event);
        assert_eq!(follow(&scene).is_ok(), want, "{name}");
    }
}

#[test]
fn junk_speaks_for_nobody() {
    let scene = scene(REVOKE);
    let trust = trust(&scene);
    let security = signing_key("security").unwrap();
    let revocation = scene.leaves[3].1.clone().unwrap();
    let other = Envelope::sign("text/plain", b"hello".to_vec(), &[&security]).unwrap();
    let other_leaf = Leaf::of(&other.pae(), &other.signatures[0].sig, security.public());
    let plain = security.sign(b"release notes").unwrap();
    let cases = [
        ("not a leaf", b"junk".to_vec(), None, 1),
        ("an empty leaf", Vec::new(), None, 1),
        (
            "a leaf that names the revoker's key without its signature",
            Leaf::of(&revocation, &[7; 64], security.public()).bytes().to_vec(),
            Some(revocation.clone()),
            0,
        ),
        ("another kind of payload", other_leaf.bytes().to_vec(), Some(other.pae()), 0),
        (
            "bytes that are no envelope's",
            Leaf::of(b"release notes", &plain, security.public()).bytes().to_vec(),
            Some(b"release notes".to_vec()),
            0,
        ),
    ];
    for (name, leaf, body, unreadable) in cases {
        let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
        follower.leaf(0, &leaf, body.as_deref()).unwrap();
        let leaf_hash = verify::merkle::leaf_hash(&leaf);
        assert_eq!(follower.root(), leaf_hash, "{name}: it is in the tree all the same");
        let text = Checkpoint { origin: LOG_ORIGIN.into(), size: 1, root: leaf_hash }.to_string();
        let note = log_signer().unwrap().sign(&text).unwrap().to_string();
        let followed = follower.finish(&note, &trust).unwrap();
        assert_eq!(followed.negatives.revocations(), [], "{name}");
        assert_eq!(follower.unreadable(), unreadable, "{name}");
    }
    let empty = PlainLog::new(log_signer().unwrap());
    assert!(
        run(&[], &empty.checkpoint().unwrap(), &trust).is_ok(),
        "the empty log has nothing negative"
    );
}

#[test]
fn who_may_revoke() {
    let cases = [
        ("security", "", 1),
        ("stranger", "", 0),
        ("trainer", "", 0),
        ("evaluator", "", 0),
        // The claim of the statement about its author decides nothing.
        ("stranger", "set: {/predicate/revoker: {id: security}}, keyid: \"${key security}\", ", 0),
    ];
    for (signer, change, want) in cases {
        let scene =
            scene(&format!("{{id: r, sign: {signer}, says: revocation, {change}about: data/raw}}"));
        let negatives = follow(&scene).unwrap().negatives;
        assert_eq!(negatives.revocations().len(), want, "{signer}");
        assert_eq!(negatives.of_artifact(&file("data/raw")).count(), want, "{signer}");
    }
}

#[test]
fn a_revoked_revoker() {
    let second =
        ("  stranger:", "  other: {predicates: [revocation], artifacts: [\"*\"]}\n  stranger:");
    let key = "{id: key, sign: other, says: revocation, revokes: key, about: k is key:security}";
    let raw = "{id: raw, sign: security, says: revocation, about: data/raw}";
    let cases = [
        ("before its revocation it counts", format!("{raw}\n{key}"), 1),
        ("after it, not", format!("{key}\n{raw}"), 0),
        (
            "nor is a body missed",
            format!("{key}\n{}", raw.replace("id: raw", "id: raw, body-gone: true")),
            0,
        ),
    ];
    for (name, events, want) in cases {
        let scene = changed(&events, &[second]);
        let negatives = follow(&scene).unwrap().negatives;
        assert_eq!(negatives.of_artifact(&file("data/raw")).count(), want, "{name}");
        let id = signing_key("security").unwrap().public().id();
        assert!(negatives.of_key(&id).is_some(), "{name}");
    }
}

#[test]
fn what_is_unknown_in_a_revocation_is_the_widest() {
    // Kind, effect; whether artifact, attestation and key are hit, and the descendants.
    let cases = [
        ("artifact", "SUBJECT_ONLY", [true, false, false], false),
        ("artifact", "DESCENDANTS", [true, false, false], true),
        ("artifact", "EVERYTHING", [true, false, false], true),
        ("attestation", "SUBJECT_ONLY", [false, true, false], false),
        ("key", "SUBJECT_ONLY", [false, false, true], false),
        ("galaxy", "SUBJECT_ONLY", [true, true, true], true),
    ];
    for (kind, effect, hit, descendants) in cases {
        let scene = scene(&format!(
            "{{id: r, sign: security, says: revocation, revokes: {kind}, effect: {effect}, about: k is key:trainer}}"
        ));
        let negatives = follow(&scene).unwrap().negatives;
        let key = signing_key("trainer").unwrap().public().id();
        let found = [
            negatives.of_artifact(&attest::ArtifactId::file(key.digest())).count() == 1,
            negatives.of_attestation(&key.digest()).is_some(),
            negatives.of_key(&key).is_some(),
        ];
        assert_eq!(found, hit, "{kind} {effect}");
        assert_eq!(negatives.revocations()[0].descendants, descendants, "{kind} {effect}");
        assert_eq!(negatives.revocations()[0].by.name, "security");
    }
}
