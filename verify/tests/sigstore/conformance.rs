//! Sigstore's conformance cases: each that must fail does, each other is believed.

use attest::{Sha256, Timestamp};
use verify::{
    Content, Demand, Demands, SigstoreArtifact, SigstoreBundle, Trust, VerifyError, verify_sigstore,
};

use crate::cases::{CASES, all, now};

/// The same order every time, and not that of the names: bundles decide, names do not.
fn shuffle<T>(list: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        list.swap(last, (state >> 33) as usize % (last + 1));
    }
}

#[test]
fn every_case_ends_as_the_suite_wants() {
    let mut cases = all();
    if cases.is_empty() {
        return;
    }
    shuffle(&mut cases);
    // What is wanted is put aside before the cases are run, and each gets a name that says nothing.
    let wanted: Vec<(String, bool)> =
        cases.iter().map(|case| (case.name.clone(), case.is_good())).collect();
    for (number, case) in cases.iter_mut().enumerate() {
        case.name = format!("case {number}");
    }
    let found = cases.iter().map(|case| case.run());
    let mut wrong = Vec::new();
    for ((name, good), found) in wanted.iter().zip(found) {
        match (good, found) {
            (true, Err(why)) => wrong.push(format!("{name} is not believed: {why}")),
            (false, Ok(_)) => wrong.push(format!("{name} is believed")),
            (true, Ok(_)) => {}
            (false, Err(why)) => eprintln!("{name}: {why}"),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((wanted.len(), wanted.iter().filter(|(_, good)| *good).count()), CASES);
}

#[test]
fn every_good_case_is_told_from_its_neighbours() {
    for case in all().iter().filter(|case| case.is_good()) {
        let name = &case.name;
        let trust = case.trust().unwrap();
        let bundle = SigstoreBundle::parse(&case.bundle).unwrap();
        let digest = Sha256::of(&case.artifact);
        let by = |artifact, now| verify_sigstore(&bundle, artifact, &trust, now);
        let believed = by(SigstoreArtifact::Digest(digest), now()).unwrap();
        assert_eq!(believed, by(SigstoreArtifact::Bytes(&case.artifact), now()).unwrap(), "{name}");
        match believed.content() {
            Content::Message(message) => assert_eq!(*message, digest, "{name}"),
            Content::Statement(statement) => {
                let subjects = statement.subject.iter();
                let about = subjects.filter(|one| one.artifact().unwrap().digest() == Some(digest));
                assert!(about.count() > 0, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(!believed.rekor().is_empty() && !believed.times().is_empty(), "{name}");

        let other = Sha256::of(b"other");
        let error = by(SigstoreArtifact::Digest(other), now()).unwrap_err();
        // A key's signature over other bytes is nobody's.
        let wanted = [VerifyError::OtherArtifact, VerifyError::NoTrustedSignature];
        assert!(wanted.contains(&error), "{name}: {error}");

        let first = believed.times().iter().map(|proven| proven.time).min().unwrap();
        let at = |ahead: i64| Timestamp::from_second(first.as_second() - ahead).unwrap();
        assert!(by(SigstoreArtifact::Digest(digest), at(0)).is_ok(), "{name}");
        assert!(by(SigstoreArtifact::Digest(digest), at(301)).is_err(), "{name}: from the future");
    }
}

#[test]
fn a_promise_alone_is_enough_for_the_first_version_where_the_proof_is_waived() {
    let Some(case) = all().into_iter().find(|case| case.name == "happy-path-v0.1") else { return };
    let good: serde_json::Value = serde_json::from_slice(&case.bundle).unwrap();
    let waived = Demands { inclusion_proof: Demand::Waived, ..Demands::default() };
    let under = |demands: Demands, change: &dyn Fn(&mut serde_json::Value)| {
        let mut bundle = good.clone();
        let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
        entry.as_object_mut().unwrap().remove("inclusionProof");
        change(&mut bundle);
        let bundle = SigstoreBundle::parse(bundle.to_string().as_bytes()).unwrap();
        let trust = case.trust_demanding(demands).unwrap();
        assert_eq!(Trust::parse(&trust.to_yaml()).unwrap().digest(), trust.digest());
        case.verify(&bundle, &trust)
    };
    let changed = |change: &dyn Fn(&mut serde_json::Value)| under(waived, change);
    fn entry(bundle: &mut serde_json::Value) -> &mut serde_json::Value {
        &mut bundle["verificationMaterial"]["tlogEntries"][0]
    }
    let refused = under(Demands::default(), &|_| {}).unwrap_err();
    assert!(refused.to_string().contains("--without inclusion-proof"), "{refused}");
    let found = changed(&|_| {}).unwrap();
    // The log said when, and nobody has shown where.
    assert!(found.rekor().is_empty() && !found.times().is_empty());
    type Change<'a> = (&'a str, &'a dyn Fn(&mut serde_json::Value));
    let cases: [Change<'_>; 5] = [
        ("the second version", &|bundle| {
            let version = "application/vnd.dev.sigstore.bundle+json;version=0.2";
            bundle["mediaType"] = version.into();
        }),
        ("no promise either", &|bundle| {
            entry(bundle).as_object_mut().unwrap().remove("inclusionPromise");
        }),
        ("another time", &|bundle| entry(bundle)["integratedTime"] = "1689177397".into()),
        ("another place", &|bundle| entry(bundle)["logIndex"] = "1".into()),
        ("a promise of another", &|bundle| {
            let promise = &mut entry(bundle)["inclusionPromise"]["signedEntryTimestamp"];
            let text = promise.as_str().unwrap().replacen("MEUC", "MEUD", 1);
            let text = text.replacen("MEQC", "MEQD", 1);
            *promise = text.into();
        }),
    ];
    for (name, change) in cases {
        assert!(changed(change).is_err(), "{name}");
    }
}
