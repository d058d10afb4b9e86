//! One bit of a bundle changed: it is refused, or it says exactly what it said.

use attest::Bundle;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use verify::{Content, Trust, Verified, verify};

use crate::support::{bundle, now, scene, trust};

fn setting() -> (Vec<u8>, Trust, Verified<Content>) {
    let scene =
        scene("{id: more, sign: [trainer, second], says: training, step: train, about: model}");
    let bundle = bundle(&scene, "more");
    let trust = trust(&scene);
    let verified = verify(&bundle, &trust, now()).unwrap();
    (bundle.to_json(), trust, verified)
}

#[test]
fn one_bit_anywhere() {
    let (json, trust, honest) = setting();
    // Every byte, one bit of each; which bit walks along.
    let (mut believed, mut refused) = (0, 0);
    for place in 0..json.len() {
        let mut bytes = json.clone();
        bytes[place] ^= 1 << (place % 8);
        let Ok(bundle) = Bundle::parse(&bytes) else { continue };
        match verify(&bundle, &trust, now()) {
            Err(_) => refused += 1,
            Ok(found) => {
                believed += 1;
                assert_eq!(found.content(), honest.content(), "byte {place}");
                assert_eq!(found.body(), honest.body(), "byte {place}");
                let is_known = |one: &verify::Signer| honest.signers().contains(one);
                assert!(found.signers().iter().all(is_known), "byte {place}");
                let is_known = |one: &verify::Logged| honest.logged().contains(one);
                assert!(found.logged().iter().all(is_known), "byte {place}");
            }
        }
    }
    // Hints, `logIndex` and `logId` may say anything; the rest may not.
    assert!(believed > 0 && refused > believed, "{believed} believed, {refused} refused");
}

#[test]
fn changed_bytes_never_say_something_else() {
    let (json, trust, honest) = setting();
    let change = (0..json.len(), any::<u8>());
    let changes = proptest::collection::vec(change, 1..4);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(256));
    let tried = runner.run(&changes, |changes| {
        let mut bytes = json.clone();
        for (place, byte) in changes {
            bytes[place] = byte;
        }
        if let Ok(bundle) = Bundle::parse(&bytes)
            && let Ok(found) = verify(&bundle, &trust, now())
        {
            prop_assert_eq!(found.content(), honest.content());
            prop_assert_eq!(found.body(), honest.body());
        }
        Ok(())
    });
    tried.unwrap();
}
