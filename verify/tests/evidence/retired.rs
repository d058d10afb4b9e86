//! Keys that are replaced: what the log held of the old one before still counts, and nothing else.

use fixtures::LOG_ORIGIN;
use verify::{StillCounts, Trust, TrustError, Window};

use crate::support::{counts, follow, now, scene, traced, trust, why};

fn at(seconds: i64) -> attest::Timestamp {
    attest::Timestamp::from_second(now().as_second() + seconds).unwrap()
}

fn still(before: u64) -> Option<StillCounts> {
    Some(StillCounts { log: LOG_ORIGIN.into(), before })
}

#[test]
fn what_was_registered_before_the_end_still_counts() {
    // `train` stands at entry 1, and so does what another signer says at entry 2.
    let scene = scene("");
    let cases = [
        ("it has not ended", at(1), None, true),
        ("it has ended", at(0), None, false),
        ("it has ended after that entry", at(0), still(2), true),
        ("it has ended with that entry", at(0), still(1), false),
        ("it has ended before anything", at(0), still(0), false),
        ("it has not ended, whatever will count", at(1), still(0), true),
    ];
    for (name, until, still, want) in cases {
        let mut trust = trust(&scene);
        trust.retire("trainer", until, still).unwrap();
        let read = Trust::parse(&trust.to_yaml()).unwrap();
        assert_eq!(read.digest(), trust.digest(), "{name}");
        let negatives = {
            let mut follower = verify::Follower::new(LOG_ORIGIN, &trust).unwrap();
            for (index, (leaf, body)) in scene.leaves.iter().enumerate() {
                follower.leaf(index as u64, leaf.bytes(), body.as_deref()).unwrap();
            }
            follower.finish(&scene.checkpoint, &trust).unwrap().negatives
        };
        let lineage = traced(&scene, scene.artifact, verify::Direction::Up, &trust, &negatives);
        let found = counts(&scene, &lineage);
        assert_eq!(found.contains(&"train".to_owned()), want, "{name}: {found:?}");
        if !want {
            assert!(why(&scene, &lineage, "train").contains("trusted only"), "{name}");
        }
        assert!(found.contains(&"evaluate".to_owned()), "{name}");
    }
    assert!(follow(&scene).is_ok());
}

#[test]
fn a_signature_without_a_place_does_not_count_after_the_end() {
    let scene = scene("");
    let mut bundle = crate::support::bundle(&scene, "train");
    let mut trust = trust(&scene);
    trust.retire("trainer", at(0), still(99)).unwrap();
    assert!(verify::verify(&bundle, &trust, now()).is_ok());
    bundle.entries.clear();
    let error = verify::verify(&bundle, &trust, now()).unwrap_err();
    assert!(matches!(error, verify::VerifyError::OutsideValidity { .. }), "{error}");
    trust = crate::support::trust(&scene);
    assert!(verify::verify(&bundle, &trust, now()).is_ok());
}

#[test]
fn a_new_key_counts_beside_the_old_one_until_that_ends() {
    let scene = scene("");
    let mut trust = trust(&scene);
    let new = fixtures::signing_key("trainer of next year").unwrap();
    let (old, grant) = trust.named("trainer").unwrap();
    let (owner, may) = (old.owner().to_owned(), grant.may().clone());
    let window = Window { from: Some(at(0)), until: None };
    let custody = verify::Custody::Shared;
    trust.add_key("trainer-2027", new.public(), &owner, &may, window, custody).unwrap();
    trust.retire("trainer", at(3600), still(2)).unwrap();
    let old_bundle = crate::support::bundle(&scene, "train");
    let mut new_bundle = old_bundle.clone();
    new_bundle.entries.clear();
    let payload = old_bundle.envelope.payload.clone();
    new_bundle.envelope =
        attest::Envelope::sign(attest::envelope::IN_TOTO, payload, &[&new]).unwrap();
    let cases = [
        ("before the new one", -1, true, false),
        ("while both count", 0, true, true),
        ("after the end of the old one", 3600, true, true),
    ];
    for (name, second, by_old, by_new) in cases {
        let found = |bundle| verify::verify(bundle, &trust, at(second)).is_ok();
        assert_eq!((found(&old_bundle), found(&new_bundle)), (by_old, by_new), "{name}");
    }
}

#[test]
fn who_can_be_retired_and_how() {
    let scene = scene("");
    let good = trust(&scene);
    let unknown = StillCounts { log: "elsewhere.example".into(), before: 1 };
    type Want = fn(&TrustError) -> bool;
    type Case<'a> = (&'a str, &'a str, i64, Option<StillCounts>, Option<Want>);
    let cases: [Case<'_>; 4] = [
        ("a key", "trainer", 0, still(1), None),
        ("nobody", "trainers", 0, None, Some(|e| matches!(e, TrustError::NoSuchSigner { .. }))),
        (
            "a log that is none",
            "trainer",
            0,
            Some(unknown),
            Some(|e| matches!(e, TrustError::NoSuchLog { .. })),
        ),
        ("later than it ended", "trainer", 9, None, None),
    ];
    for (name, who, until, still, want) in cases {
        let found = good.clone().retire(who, at(until), still).err();
        assert_eq!(found.is_some(), want.is_some(), "{name}: {found:?}");
        assert!(found.iter().all(|error| want.is_some_and(|want| want(error))), "{name}");
    }
    let mut ended = good;
    ended.retire("trainer", at(0), None).unwrap();
    let error = ended.retire("trainer", at(1), None).unwrap_err();
    assert!(matches!(error, TrustError::Retired { .. }), "{error}");
    // Written by hand: an end and a log of the file belong to it.
    ended.retire("trainer", at(-1), still(1)).unwrap();
    let text = ended.to_yaml();
    assert!(Trust::parse(&text).is_ok());
    let log = format!("log: {LOG_ORIGIN}\n    before: 1");
    let log = if text.contains(&log) { log } else { format!("log: {LOG_ORIGIN}") };
    for (from, to) in [(log.as_str(), "log: elsewhere.example"), ("before: 1", "before: x")] {
        assert!(text.contains(from), "{from} in {text}");
        assert!(Trust::parse(&text.replace(from, to)).is_err(), "{to}");
    }
}
