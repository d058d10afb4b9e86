//! What a register answers, and what it answers about what is not there.

use super::*;

#[test]
fn artifacts_are_found_as_subjects_and_as_materials() {
    let (register, key) = (in_memory(), key());
    let keys = public(&[&key]);
    for (subject, material) in [("data", "raw"), ("model", "data"), ("other", "data")] {
        let envelope = Envelope::sign(IN_TOTO, payload(subject, material), &[&key]).unwrap();
        wait(register.submit(&envelope, &keys, at(1))).unwrap();
    }
    let indices = |bundles: Bundles| -> Vec<u64> {
        assert_eq!((bundles.next, bundles.complete_to.size), (None, 3));
        bundles
            .bundles
            .iter()
            .map(|bundle| holds(bundle).size - 3 + bundle.entries[0].index)
            .collect()
    };
    for (name, subjects, materials) in [
        ("data", &[0][..], &[1, 2][..]),
        ("model", &[1], &[]),
        ("raw", &[], &[0]),
        ("none", &[], &[]),
    ] {
        assert_eq!(indices(wait(register.bundles_of(&file(name))).unwrap()), subjects, "{name}");
        assert_eq!(
            indices(wait(register.bundles_using(&file(name))).unwrap()),
            materials,
            "{name}"
        );
    }
    // The same digest of another kind is another artifact.
    let tree = ArtifactId::new(attest::Kind::Tree, attest::Sha256::of(b"model"));
    assert!(wait(register.bundles_of(&tree)).unwrap().bundles.is_empty());
}

#[test]
fn what_is_not_there_is_an_error_that_says_what_is() {
    let (register, key) = (in_memory(), key());
    assert!(matches!(wait(register.entry(0)), Err(ReadError::NoEntry { index: 0, size: 0 })));
    wait(register.submit(&envelope("a", &[&key]), &public(&[&key]), at(1))).unwrap();
    assert!(matches!(wait(register.entry(1)), Err(ReadError::NoEntry { index: 1, size: 1 })));
    assert!(matches!(wait(register.bundle(u64::MAX)), Err(ReadError::NoEntry { .. })));
    assert!(matches!(wait(register.inclusion(0, 2)), Err(ReadError::NoTree { asked: 2, size: 1 })));
    assert!(matches!(wait(register.inclusion(1, 1)), Err(ReadError::Proof(_))));
    assert!(matches!(wait(register.consistency(0, 1)), Err(ReadError::Proof(_))));
    assert!(matches!(wait(register.consistency(1, 2)), Err(ReadError::NoTree { .. })));
    assert!(wait(register.inclusion(0, 1)).is_ok());
    assert!(wait(register.consistency(1, 1)).is_ok());
}

#[test]
fn an_empty_register_has_a_checkpoint() {
    let register = in_memory();
    let note = wait(register.checkpoint()).unwrap();
    let checkpoint = Checkpoint::open(&note, register.verifier()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (0, merkle::empty_root()));
}

#[test]
fn following_gives_every_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let register = open_folder(&folder);
    for start in 0..5_u64 {
        let mut leaves = wait(register.leaves(start)).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = wait(leaves.next()).unwrap() {
            assert!(entry.pae().is_some());
            found.push(entry.index);
        }
        assert_eq!(found, (start..3).collect::<Vec<u64>>());
        assert_eq!(leaves.signed().checkpoint.size, 3);
        let entries = wait(register.entries(start)).unwrap();
        assert_eq!(entries.len() as u64, 3_u64.saturating_sub(start));
    }
}
