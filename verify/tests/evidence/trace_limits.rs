//! Budgets are spent on what a verdict needs most, and what they leave out is told.

use attest::{Bundle, Envelope};
use fixtures::signing_key;
use verify::{Direction, MAX_BUNDLES, Negatives, Trace, WhyUnexplored};

use crate::support::{bundle, counts, file, follow, now, scene, trust};

/// Bundles by nobody whom trust names; `keyid` is what they say.
fn junk(count: usize, keyid: Option<&str>) -> Vec<Bundle> {
    let key = signing_key("stranger").unwrap();
    let sig = key.sign(b"anything").unwrap();
    let one = |place: usize| Bundle {
        envelope: Envelope {
            payload_type: attest::envelope::IN_TOTO.into(),
            payload: place.to_string().into_bytes(),
            signatures: vec![attest::Signature { keyid: keyid.map(Into::into), sig: sig.clone() }],
        },
        hint: None,
        entries: Vec::new(),
        keyless: None,
    };
    (0..count).map(one).collect()
}

#[test]
fn junk_does_not_crowd_out_what_is_needed() {
    let scene = scene("");
    let (trust, followed) = (trust(&scene), follow(&scene).unwrap());
    let own = signing_key("trainer").unwrap().public().id().to_string();
    let none = Negatives::none();
    let want = ["evaluate", "train"];
    // What the log owes comes before what only says whose it is, and that before the rest.
    let cases = [
        ("without a hint", None, &followed.negatives, &want[..]),
        ("with a trusted key's hint", Some(own.as_str()), &followed.negatives, &want[..1]),
        ("without a hint, not followed", None, &none, &want[..]),
    ];
    for (name, keyid, negatives, want) in cases {
        let mut trace = Trace::new(file("model"), Direction::Up, &trust, negatives, now());
        let mut bundles = junk(MAX_BUNDLES, keyid);
        bundles.push(bundle(&scene, "train"));
        bundles.push(bundle(&scene, "evaluate"));
        trace.supply(file("model"), bundles, None);
        let lineage = trace.finish();
        let counting = counts(&scene, &lineage);
        assert!(
            want.iter().all(|id| counting.iter().any(|found| found == id)),
            "{name}: {counting:?}"
        );
        let budget =
            lineage.unexplored().iter().find(|one| matches!(one.why, WhyUnexplored::Budget { .. }));
        let why = WhyUnexplored::Budget { what: "attestations", left: 2, limit: MAX_BUNDLES };
        assert_eq!(
            budget.map(|one| (one.artifact, one.why.clone())),
            Some((file("model"), why)),
            "{name}"
        );
    }
}

#[test]
fn at_the_limit_nothing_is_left_out() {
    let scene = scene("");
    let (trust, none) = (trust(&scene), Negatives::none());
    let mut trace = Trace::new(file("model"), Direction::Up, &trust, &none, now());
    let mut bundles = junk(MAX_BUNDLES - 1, None);
    bundles.push(bundle(&scene, "train"));
    trace.supply(file("model"), bundles, None);
    let lineage = trace.finish();
    assert!(
        !lineage.unexplored().iter().any(|one| matches!(one.why, WhyUnexplored::Budget { .. }))
    );
    assert_eq!(lineage.rejected().len(), MAX_BUNDLES - 1);
}
