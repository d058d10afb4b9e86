//! Every field of bundles that plain keys signed, removed and changed: by one key in a register, by
//! two keys, and without a log. What is believed nevertheless stands in `unauthenticated.tsv`, and
//! proves nothing that the honest bundle does not.

use std::collections::BTreeSet;

use attest::Bundle;
use fixtures::mutation::{Mutation, differences, mutations};
use serde_json::Value;
use verify::{Logged, Signer, verify};

use crate::support::{bundle, now, scene, trust};

/// How many changes are believed nevertheless. It may only fall.
const UNAUTHENTICATED: usize = 31;
/// How many changes were tried at least: a test that tries none passes.
const AT_LEAST: usize = 300;

/// Statements by one key and by two, and one that nobody logged.
const MORE: &str = "{id: one, sign: trainer, says: training, step: train, about: model}
{id: two, sign: [trainer, second], says: training, step: train, about: model}
{id: alone, sign: trainer, says: training, step: train, about: model, log: nowhere}";

#[test]
fn what_is_believed_in_spite_of_a_change_is_written_down() {
    let scene = scene(MORE);
    let trust = trust(&scene);
    let (mut found, mut tried) = (BTreeSet::new(), 0);
    for id in ["one", "two", "alone"] {
        let honest = bundle(&scene, id);
        let document: Value = serde_json::from_slice(&honest.to_json()).unwrap();
        let honest = verify(&honest, &trust, now()).unwrap();
        for Mutation { place, change, document, .. } in mutations(&document) {
            tried += 1;
            let Ok(bundle) = Bundle::parse(document.to_string().as_bytes()) else { continue };
            let Ok(believed) = verify(&bundle, &trust, now()) else { continue };
            let name = format!("{id} {place} {change}");
            assert_eq!(believed.content(), honest.content(), "{name}");
            assert_eq!(believed.body(), honest.body(), "{name}");
            let is_known = |one: &Signer| honest.signers().contains(one);
            assert!(believed.signers().iter().all(is_known), "{name}");
            let is_known = |one: &Logged| honest.logged().contains(one);
            assert!(believed.logged().iter().all(is_known), "{name}");
            assert!(believed.rekor().is_empty() && believed.times().is_empty(), "{name}");
            // What proves all that the honest one proves has lost or changed a mere hint; the
            // rest proves less, and is no attack: a signature or an entry fewer, and it says so.
            if believed.signers() == honest.signers() && believed.logged() == honest.logged() {
                found.insert((place, change));
            } else {
                let fewer = believed.signers().len() < honest.signers().len()
                    || believed.logged().len() < honest.logged().len();
                assert!(fewer, "{name}");
            }
        }
    }
    let differences = differences(&found, include_str!("unauthenticated.tsv"));
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(found.len(), UNAUTHENTICATED);
    assert!(tried >= AT_LEAST, "{tried}");
}
