//! Every field of a bundle by a signer under an authority, removed and changed. What is believed
//! nevertheless stands in `unauthenticated.tsv`, and proves nothing that the honest bundle does not.

use std::collections::BTreeSet;

use attest::Bundle;
use fixtures::mutation::{Mutation, differences, mutations};
use verify::Usage;

use crate::support::{SIGNED, Scene, check, document, moment};

/// How many changes are believed nevertheless. It may only fall.
const UNAUTHENTICATED: usize = 3;
/// How many changes were tried at least: a test that tries none passes.
const AT_LEAST: usize = 100;

#[test]
fn what_is_believed_in_spite_of_a_change_is_written_down() {
    let scene = Scene::new();
    let envelope = scene.envelope();
    let stamp = scene.clock.stamp(&envelope.signatures[0].sig, moment(SIGNED)).unwrap();
    let document = document(&envelope, &scene.chain(), &[stamp]);
    let trust = scene.trust(Usage::CodeSigning, &["clock"]);
    let parse = |json: &serde_json::Value| Bundle::parse(json.to_string().as_bytes());
    let honest = check(&parse(&document).unwrap(), &trust).unwrap();
    let (mut found, mut tried) = (BTreeSet::new(), 0);
    for Mutation { place, change, document, .. } in mutations(&document) {
        tried += 1;
        let Ok(bundle) = parse(&document) else { continue };
        let Ok(believed) = check(&bundle, &trust) else { continue };
        let name = format!("{place} {change}");
        assert_eq!(believed.content(), honest.content(), "{name}");
        assert_eq!(believed.body(), honest.body(), "{name}");
        assert_eq!(believed.signers(), honest.signers(), "{name}");
        assert_eq!(believed.times(), honest.times(), "{name}");
        assert!(believed.logged().is_empty() && believed.rekor().is_empty(), "{name}");
        found.insert((place, change));
    }
    let differences = differences(&found, include_str!("unauthenticated.tsv"));
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(found.len(), UNAUTHENTICATED);
    assert!(tried >= AT_LEAST, "{tried}");
}
