use attest::envelope::IN_TOTO;
use attest::hash::Silent;
use attest::{Algorithm, Envelope, SigningKey};

use super::super::buried::tests::tombstone;
use super::super::contract::wait;
use super::super::fsck::{Depth, fsck};
use super::super::{EntryBody, PATIENCE, Register, create, export, open};
use super::*;

/// When every export is read: as the last entry of the longest is committed, but for the tolerance.
const NOW: Timestamp = Timestamp::constant(0, 0);

struct Rig {
    folder: tempfile::TempDir,
    trees: u64,
}

impl Rig {
    /// A register of so many entries, the second of which is erased, and its export.
    fn of(count: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rig = Self { folder, trees: count };
        let register = wait(create(&rig.at("register"), &Holder::command(), PATIENCE)).unwrap();
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let mut envelopes = Vec::new();
        // The last entry is the tombstone.
        let statements = if count > 1 { count - 1 } else { count };
        for number in 0..statements {
            let payload = format!("payload {number}").into_bytes();
            let envelope = Envelope::sign("text/plain", payload, &[&key]).unwrap();
            let now = Timestamp::from_second(number as i64).unwrap();
            wait(register.submit(&envelope, &[key.public().clone()], now)).unwrap();
            envelopes.push(envelope);
        }
        if let Some(erased) = envelopes.get(1) {
            let stone = tombstone(&erased.pae(), "text/plain");
            let stone = Envelope::sign(IN_TOTO, stone, &[&key]).unwrap();
            let now = Timestamp::from_second(count as i64).unwrap();
            wait(register.submit(&stone, &[key.public().clone()], now)).unwrap();
            register.storage().erase_body(&erased.body()).unwrap();
        }
        // Exported while it is held, as a service holds it.
        let exported = export(&rig.at("register"), &rig.at("export"), &Silent).unwrap();
        let erased = u64::from(count > 1);
        assert_eq!((exported.checkpoint.size, exported.erased), (count, erased));
        assert_eq!(exported.bodies, count - erased);
        rig
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn import(&self, to: &str) -> Result<Exported, ExportError> {
        let (from, key) = (self.at("export"), self.at("register/key.pem"));
        wait(import(&from, &key, &self.at(to), &Holder::command(), PATIENCE, NOW, &Silent))
    }

    fn open(&self, name: &str) -> Register<Embedded> {
        wait(open(&self.at(name), &Holder::command(), PATIENCE)).unwrap()
    }
}

#[test]
fn what_was_exported_becomes_the_same_register() {
    for count in [0, 1, 5, 300] {
        let rig = Rig::of(count);
        let imported = rig.import("again").unwrap();
        assert_eq!(imported.checkpoint.size, count);
        let checked =
            fsck(&rig.at("again"), &Holder::command(), PATIENCE, |_| None, Depth::All, &Silent)
                .unwrap();
        assert_eq!((checked.faults, checked.indexed), (vec![], count));
        let (before, after) = (rig.open("register"), rig.open("again"));
        assert_eq!(wait(before.signed()).unwrap(), wait(after.signed()).unwrap());
        for index in 0..rig.trees {
            let (one, two) =
                (wait(before.entry(index)).unwrap(), wait(after.entry(index)).unwrap());
            assert_eq!((one.time, one.leaf.bytes()), (two.time, two.leaf.bytes()));
            assert_eq!(one.pae(), two.pae());
            assert_eq!(index == 1, matches!(two.body, EntryBody::Erased(_)));
        }
    }
}

/// What a client of static logs reads is what the register itself serves.
#[test]
fn an_export_has_the_tiles_that_the_register_serves() {
    let rig = Rig::of(300);
    let register = rig.open("register");
    for path in [
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ] {
        let served = wait(register.tile(&path.parse().unwrap())).unwrap();
        assert_eq!(fs::read(rig.at("export").join(path)).unwrap(), served, "{path}");
    }
    let note = fs::read_to_string(rig.at("export/checkpoint")).unwrap();
    assert_eq!(note, wait(register.checkpoint()).unwrap());
}

#[test]
fn an_export_that_was_changed_becomes_nothing() {
    type Change = fn(&Path);
    fn flip(path: &Path, at: usize) {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let cases: [(&str, Change); 7] = [
        ("a leaf", |export| flip(&export.join("tile/entries/000.p/5"), 40)),
        ("a length", |export| flip(&export.join("tile/entries/000.p/5"), 1)),
        ("the checkpoint", |export| flip(&export.join("checkpoint"), 25)),
        ("a body", |export| {
            let body = fs::read_dir(export.join("body")).unwrap().next().unwrap().unwrap();
            flip(&body.path(), 3);
        }),
        ("a time", |export| {
            let path = export.join("entries");
            let text = fs::read_to_string(&path).unwrap().replacen("0 ", "9000000 ", 1);
            fs::write(&path, text).unwrap();
        }),
        ("a line", |export| {
            let path = export.join("entries");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.split_once('\n').unwrap().1).unwrap();
        }),
        ("a tile", |export| fs::remove_file(export.join("tile/entries/000.p/5")).unwrap()),
    ];
    for (name, change) in cases {
        let rig = Rig::of(5);
        change(&rig.at("export"));
        assert!(rig.import("again").is_err(), "{name}");
        assert!(!rig.at("again/journal").exists(), "{name}");
        assert_eq!(fs::read_dir(rig.at("again")).map_or(0, Iterator::count), 0, "{name}");
    }
}

/// The tree has neither times nor which body an entry has.
#[test]
fn what_the_tree_does_not_have_is_vouched_for_by_the_key() {
    type Refused = fn(&ExportError) -> bool;
    type Damage<'a> = &'a dyn Fn(&Rig);
    let changed: Refused = |error| matches!(error, ExportError::Changed { .. });
    let entries = |rig: &Rig, change: &dyn Fn(String) -> String| {
        let path = rig.at("export/entries");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    };
    let body_of = |rig: &Rig, line: usize| {
        let text = fs::read_to_string(rig.at("export/entries")).unwrap();
        let hex = text.lines().nth(line).unwrap().split_once(' ').unwrap().1.to_owned();
        rig.at("export/body").join(hex)
    };
    let cases: [(&str, Damage<'_>, Refused); 8] = [
        (
            "a body never given",
            &|rig| {
                entries(rig, &|text| {
                    let body = text.lines().nth(2).unwrap().split_once(' ').unwrap().1.to_owned();
                    text.replace(&body, "-")
                });
            },
            changed,
        ),
        (
            "later times",
            &|rig| entries(rig, &|text| text.replacen("5000000 ", "5000001 ", 1)),
            changed,
        ),
        ("a line more", &|rig| entries(rig, &|text| format!("{text}5000000 -\n")), changed),
        ("a body is missing", &|rig| fs::remove_file(body_of(rig, 0)).unwrap(), |error| {
            matches!(error, ExportError::NoBody(_))
        }),
        ("the tombstone is missing", &|rig| fs::remove_file(body_of(rig, 4)).unwrap(), |error| {
            matches!(error, ExportError::NoBody(_))
        }),
        (
            "all bodies are missing",
            &|rig| fs::remove_dir_all(rig.at("export/body")).unwrap(),
            |error| matches!(error, ExportError::NoBody(_)),
        ),
        (
            "no note, as from an older version",
            &|rig| fs::remove_file(rig.at("export/entries.note")).unwrap(),
            |error| matches!(error, ExportError::Unvouched(_)),
        ),
        (
            "the checkpoint in its place",
            &|rig| {
                let note = fs::read(rig.at("export/checkpoint")).unwrap();
                fs::write(rig.at("export/entries.note"), note).unwrap();
            },
            |error| matches!(error, ExportError::Checkpoint { .. }),
        ),
    ];
    for (name, change, refused) in cases {
        let rig = Rig::of(5);
        change(&rig);
        let error = rig.import("again").unwrap_err();
        assert!(refused(&error), "{name}: {error:?}");
        assert!(!rig.at("again/journal").exists(), "{name}");
    }

    // Vouched for, of this register, and older.
    let rig = Rig::of(5);
    let before = fs::read(rig.at("export/entries.note")).unwrap();
    let register = rig.open("register");
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let envelope = Envelope::sign("text/plain", b"more".to_vec(), &[&key]).unwrap();
    let now = Timestamp::from_second(300).unwrap();
    wait(register.submit(&envelope, &[key.public().clone()], now)).unwrap();
    export(&rig.at("register"), &rig.at("more"), &Silent).unwrap();
    let import = |now: i64, to: &str| {
        let (from, key) = (rig.at("more"), rig.at("register/key.pem"));
        let now = Timestamp::from_second(now).unwrap();
        wait(import(&from, &key, &rig.at(to), &Holder::command(), PATIENCE, now, &Silent))
    };
    // Five minutes are tolerated, and no second more.
    assert!(matches!(import(-1, "again"), Err(ExportError::Future { index: 5, .. })));
    let whole = fs::read(rig.at("more/entries.note")).unwrap();
    fs::write(rig.at("more/entries.note"), before).unwrap();
    assert!(matches!(import(0, "again"), Err(ExportError::Changed { .. })));
    fs::write(rig.at("more/entries.note"), whole).unwrap();
    assert_eq!(import(0, "again").unwrap().checkpoint.size, 6);
}

#[test]
fn nobody_goes_on_with_a_register_without_its_key_or_over_another_one() {
    let rig = Rig::of(3);
    let other = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let key = rig.at("other.pem");
    fs::write(&key, other.to_pem(None).unwrap()).unwrap();
    let (from, to) = (rig.at("export"), rig.at("again"));
    let refused = wait(import(&from, &key, &to, &Holder::command(), PATIENCE, NOW, &Silent));
    assert!(matches!(refused, Err(ExportError::Checkpoint { .. })), "{refused:?}");
    assert!(matches!(rig.import("register"), Err(ExportError::Occupied(_))));
    let onto = export(&rig.at("register"), &rig.at("export"), &Silent);
    assert!(matches!(onto, Err(ExportError::Occupied(_))));
    assert!(rig.import("again").is_ok());
}
