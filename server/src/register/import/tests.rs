use attest::envelope::IN_TOTO;
use attest::hash::Silent;
use attest::{Algorithm, Envelope, SigningKey};

use super::super::buried::tests::tombstone;
use super::super::contract::wait;
use super::super::fsck::{Depth, fsck};
use super::super::{EntryBody, PATIENCE, Register, create, export, open};
use super::*;

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
        wait(import(&from, &key, &self.at(to), &Holder::command(), PATIENCE, &Silent))
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

#[test]
fn nobody_goes_on_with_a_register_without_its_key_or_over_another_one() {
    let rig = Rig::of(3);
    let other = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let key = rig.at("other.pem");
    fs::write(&key, other.to_pem(None).unwrap()).unwrap();
    let (from, to) = (rig.at("export"), rig.at("again"));
    let refused = wait(import(&from, &key, &to, &Holder::command(), PATIENCE, &Silent));
    assert!(matches!(refused, Err(ExportError::Checkpoint { .. })), "{refused:?}");
    assert!(matches!(rig.import("register"), Err(ExportError::Occupied(_))));
    let onto = export(&rig.at("register"), &rig.at("export"), &Silent);
    assert!(matches!(onto, Err(ExportError::Occupied(_))));
    assert!(rig.import("again").is_ok());
}
