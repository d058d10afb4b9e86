//! Every field of every good bundle, removed and changed. What is believed nevertheless stands in
//! `unauthenticated.tsv`, with the section of the standard that lets nobody sign it; and whatever
//! is changed, nothing is believed that the honest bundle does not prove.

use std::collections::BTreeSet;

use fixtures::mutation::{Mutation, differences, mutations};
use fixtures::sigstore::Form;
use serde_json::Value;
use verify::{Content, SigstoreBundle, Verified};

use crate::cases::{Case, all};

/// How many changes are believed nevertheless. It may only fall.
///
/// A promise alone is a good bundle of version 0.1, and taking the proof out of one that has both
/// makes exactly that: nothing signed tells the two apart. It is not among the changes, because a
/// root takes promises alone only where the trust file waives the proof (`conformance.rs`); no case
/// of the suite needs it, only bundles that were written before July 2023 (early npm provenance).
const UNAUTHENTICATED: usize = 24;
/// The same of every form made anew with fresh keys. It may only fall.
const UNAUTHENTICATED_MADE: usize = 25;
/// How many changes were tried at least: a test that tries none passes.
const AT_LEAST: usize = 1500;

/// Everything that a changed bundle proves, the honest one proves.
fn proves_no_more(name: &str, changed: &Verified<Content>, honest: &Verified<Content>) {
    assert_eq!(changed.content(), honest.content(), "{name}");
    assert_eq!(changed.signers(), honest.signers(), "{name}");
    assert_eq!(changed.body(), honest.body(), "{name}");
    assert!(changed.rekor().iter().all(|entry| honest.rekor().contains(entry)), "{name}");
    assert!(changed.times().iter().all(|time| honest.times().contains(time)), "{name}");
}

/// The changes of one case that are believed nevertheless, and how many were tried.
fn believed(case: &Case) -> (BTreeSet<(String, &'static str)>, usize) {
    let honest = case.run().unwrap();
    let trust = case.trust().unwrap();
    let document: Value = serde_json::from_slice(&case.bundle).unwrap();
    let (mut found, mut tried) = (BTreeSet::new(), 0);
    for Mutation { place, pointer, change, document } in mutations(&document) {
        tried += 1;
        let bytes = serde_json::to_vec(&document).unwrap();
        let Ok(bundle) = SigstoreBundle::parse(&bytes) else { continue };
        if let Ok(verified) = case.verify(&bundle, &trust) {
            proves_no_more(&format!("{} {place} {change}", case.name), &verified, &honest);
            // The list does not say which certificate: it is never the signer's.
            assert!(!pointer.contains("/certificates/0"), "{} {pointer} {change}", case.name);
            found.insert((place, change));
        }
    }
    (found, tried)
}

/// Every change of these that is believed is in the list, and everything that is in the list.
fn written_down(cases: &[Case], list: &str, count: usize, at_least: usize) {
    let (mut found, mut tried) = (BTreeSet::new(), 0);
    for case in cases {
        let (believed, count) = believed(case);
        found.extend(believed);
        tried += count;
    }
    let differences = differences(&found, list);
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(found.len(), count);
    assert!(tried >= at_least, "{tried}");
    eprintln!("{tried} changes, {} believed nevertheless", found.len());
}

#[test]
fn what_is_believed_in_spite_of_a_change_is_written_down() {
    let good: Vec<Case> = all().into_iter().filter(Case::is_good).collect();
    if good.is_empty() {
        return;
    }
    written_down(&good, include_str!("unauthenticated.tsv"), UNAUTHENTICATED, AT_LEAST);
}

#[test]
fn what_is_believed_of_bundles_made_anew_is_written_down() {
    let made: Vec<Case> = Form::ALL.iter().map(Case::made).collect();
    written_down(&made, include_str!("unauthenticated-made.tsv"), UNAUTHENTICATED_MADE, AT_LEAST);
}
