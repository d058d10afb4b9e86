//! The same answers and proofs, however often the register is opened and whatever became of its
//! index.

use attest::hash::Silent;
use proptest::prelude::*;

use super::super::index::database;
use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn proofs_and_answers_hold_through_batches_and_reopening(
        batches in prop::collection::vec(prop::collection::vec((0usize..3, 0usize..4), 1..7), 1..7),
        lose_index_at in 0usize..7,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let register_folder = folder.path().join("register");
        let keys = [key(), key(), key()];
        let mut sizes = BTreeSet::from([0]);
        let mut origin = None;
        for (round, batch) in batches.iter().enumerate() {
            let register = open_folder(&register_folder);
            let known = origin.get_or_insert_with(|| register.verifier().to_string()).clone();
            prop_assert_eq!(&register.verifier().to_string(), &known);
            let envelopes: Vec<Envelope> =
                batch.iter().map(|(key, name)| envelope(["a", "b", "c", "d"][*name], &[&keys[*key]])).collect();
            let public = public(&[&keys[0], &keys[1], &keys[2]]);
            let submissions: Vec<Submission<'_>> = envelopes
                .iter()
                .map(|envelope| Submission { envelope, verifiers: &public })
                .collect();
            let before = wait(register.signed()).unwrap().checkpoint.clone();
            let receipts = wait(register.submit_all(&submissions, at(round as i64))).unwrap();
            prop_assert_eq!(receipts.len(), batch.len());
            let after = wait(register.signed()).unwrap().checkpoint.clone();
            prop_assert_eq!(wait(register.root(before.size)).unwrap(), before.root);
            sizes.insert(after.size);
            proofs_hold(&register, &sizes);

            let want = answers(&register);
            drop(register);
            let again = open_folder(&register_folder);
            prop_assert_eq!(&answers(&again), &want);
            prop_assert_eq!(again.storage().rebuilt(), &Rebuilt::default());
            drop(again);
            if round == lose_index_at {
                std::fs::remove_dir_all(register_folder.join("index")).unwrap();
                let rebuilt = open_folder(&register_folder);
                prop_assert_eq!(rebuilt.storage().rebuilt().commits > 0, after.size > 0);
                prop_assert_eq!(&answers(&rebuilt), &want);
            }
        }
    }
}

#[test]
fn an_index_of_no_use_is_made_anew() {
    type Change = fn(&Path);
    let cases: [(&str, Change, bool); 6] = [
        ("untouched", |_| (), false),
        ("missing", |index| std::fs::remove_dir_all(index).unwrap(), true),
        (
            "a file in its place",
            |index| {
                std::fs::remove_dir_all(index).unwrap();
                std::fs::write(index, b"not a folder").unwrap();
            },
            true,
        ),
        (
            "cut short",
            |index| {
                let file = std::fs::OpenOptions::new().write(true).open(index.join("db")).unwrap();
                file.set_len(100).unwrap();
            },
            true,
        ),
        (
            "overwritten",
            |index| {
                let length = std::fs::metadata(index.join("db")).unwrap().len();
                std::fs::write(index.join("db"), vec![0x5a; length as usize]).unwrap();
            },
            true,
        ),
        (
            "of another register",
            |index| {
                let other = tempfile::tempdir().unwrap();
                closed(&other.path().join("register"));
                std::fs::remove_dir_all(index).unwrap();
                std::fs::rename(other.path().join("register/index"), index).unwrap();
            },
            true,
        ),
    ];
    for (name, change, is_mended) in cases {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("register");
        let want = closed(&folder);
        change(&folder.join("index"));
        let register = open_folder(&folder);
        let rebuilt = register.storage().rebuilt().clone();
        assert_eq!(answers(&register), want, "{name}");
        // A database that was cut short may come back as it was a while ago.
        let mended = rebuilt.why.is_some() || rebuilt.commits > 0;
        assert_eq!(mended, is_mended, "{name}: {rebuilt:?}");
        assert_eq!(folder.join("index-aside").exists(), rebuilt.why.is_some(), "{name}");
        // And it takes new entries, and is kept.
        let key = key();
        wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
        drop(register);
        assert_eq!(open_folder(&folder).storage().rebuilt(), &Rebuilt::default(), "{name}");
    }
}

#[test]
fn a_journal_that_makes_no_index_leaves_the_one_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let want = closed(&folder);
    let rebuild = || super::super::rebuild_index(&folder, &Holder::command(), PATIENCE, &Silent);
    let segment = folder.join("journal/00000000000000000001.seg");
    let whole = std::fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[512 + 180] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let newest = || wait(open_folder(&folder).entry(2)).unwrap();
    let before = newest();
    for _ in 0..2 {
        assert!(rebuild().is_err());
        assert!(is_there("index") && !is_there("index-aside") && !is_there("index-new"));
        assert_eq!(newest().leaf, before.leaf);
    }
    // The smallest change that passes; what is left of a run that was cut off, or points nowhere,
    // is in nobody's way.
    std::fs::write(&segment, &whole).unwrap();
    std::fs::create_dir(folder.join("index-new")).unwrap();
    std::fs::write(folder.join("index-new/db"), "half").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("index-aside")).unwrap();
    assert!(rebuild().unwrap().rebuilt().commits > 2);
    assert!(folder.join("index-aside").is_dir() && !is_there("index-new"));
    assert_eq!(answers(&open_folder(&folder)), want);
}

#[test]
fn rows_of_the_index_that_were_lost_are_made_anew_at_the_next_start() {
    for kind in *b"eh" {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("register");
        let want = closed(&folder);
        let index = database::open(&folder.join("index"), 1 << 20).unwrap();
        for row in index.scan_prefix([kind]).keys() {
            index.remove(row.unwrap()).unwrap();
        }
        drop(index);
        // Noticed when it is opened, or when an entry is asked for: never an answer without it.
        if let Ok(register) = wait(open(&folder, &Holder::command(), PATIENCE)) {
            let made = register.storage().rebuilt().why.is_some();
            assert_eq!(wait(register.entry(1)).is_ok(), made, "{}", char::from(kind));
            // Whoever serves it is told to start again, and only then.
            assert_eq!(register.storage().breakdown().is_none(), made, "{}", char::from(kind));
        }
        assert_eq!(answers(&open_folder(&folder)), want, "{}", char::from(kind));
    }
}

#[test]
fn an_index_that_is_behind_or_ahead_is_brought_to_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let (index, older) = (folder.join("index"), folder.join("older"));
    closed(&folder);
    copy(&index, &older);
    let register = open_folder(&folder);
    let key = key();
    wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
    let want = answers(&register);
    drop(register);

    let newer = folder.join("newer");
    std::fs::rename(&index, &newer).unwrap();
    std::fs::rename(&older, &index).unwrap();
    let register = open_folder(&folder);
    assert_eq!(register.storage().rebuilt(), &Rebuilt { why: None, commits: 1 });
    assert_eq!(answers(&register), want);
}
