use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use attest::envelope::IN_TOTO;
use attest::hash::Silent;
use attest::{Algorithm, Envelope, NoteSigner, Sha256, SigningKey, Timestamp};

use super::super::buried::tests::tombstone;
use super::super::embedded::{Embedded, Settings};
use super::super::folder::{keep_key, make_folder};
use super::super::lock::{Holder, Lock};
use super::super::{EntryBody, PATIENCE, Register, open};
use super::*;

/// Small segments, so that a few entries close one.
const SETTINGS: Settings = Settings { segment_bytes: 8192, cache_bytes: 1 << 20 };

struct Rig {
    folder: tempfile::TempDir,
    key: SigningKey,
}

impl Rig {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), key }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a register, and a key for it.
    async fn create(&self, name: &str, origin: &str) -> Register<Embedded> {
        let folder = self.at(name);
        make_folder(&folder).unwrap();
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        keep_key(&folder, &key).unwrap();
        let lock = Lock::acquire(&folder, &Holder::command(), PATIENCE).unwrap();
        let storage = Embedded::create(lock, origin, SETTINGS).unwrap();
        Register::open(storage, NoteSigner::new(origin, key).unwrap()).await.unwrap()
    }

    /// Opens a register with small segments.
    async fn open(&self, name: &str) -> Register<Embedded> {
        let folder = self.at(name);
        let lock = Lock::acquire(&folder, &Holder::command(), PATIENCE).unwrap();
        let storage = Embedded::open(lock, SETTINGS).unwrap();
        let key = super::super::folder::read_key(&folder).unwrap();
        let signer = NoteSigner::new(storage.origin(), key).unwrap();
        Register::open(storage, signer).await.unwrap()
    }

    /// Submits an entry whose body is longer than a sector.
    async fn submit(&self, register: &Register<Embedded>, number: u64) -> Sha256 {
        let text = format!("{number} {}", "x".repeat(1500));
        let envelope = Envelope::sign("text/plain", text.into_bytes(), &[&self.key]).unwrap();
        let now = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
        register.submit(&envelope, &[self.key.public().clone()], now).await.unwrap();
        envelope.body()
    }

    /// Registers a tombstone of what was submitted as `number`.
    async fn bury(&self, register: &Register<Embedded>, number: u64) {
        let text = format!("{number} {}", "x".repeat(1500));
        let pae = attest::envelope::pae("text/plain", text.as_bytes());
        let stone = Envelope::sign(IN_TOTO, tombstone(&pae, "text/plain"), &[&self.key]).unwrap();
        let now = Timestamp::from_second(22).unwrap();
        register.submit(&stone, &[self.key.public().clone()], now).await.unwrap();
    }

    async fn archive(&self, from: &str) -> Result<Archived, ArchiveError> {
        let place = Archive::in_folder(&self.at("archive")).unwrap();
        archive(&self.at(from), &place, &Silent).await
    }

    async fn restore(&self, key_of: &str, to: &str) -> Result<Restored, ArchiveError> {
        let place = Archive::in_folder(&self.at("archive")).unwrap();
        let key = self.at(key_of).join("key.pem");
        restore(&place, &key, &self.at(to), &Holder::command(), PATIENCE, &Silent).await
    }

    /// Every object of the archive.
    fn objects(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for folder in ["segments", "lists", "checkpoints"] {
            let Ok(files) = fs::read_dir(self.at("archive").join(folder)) else { continue };
            for file in files {
                let path = file.unwrap().path();
                objects.insert(path.clone(), fs::read(path).unwrap());
            }
        }
        objects
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.path().is_dir() { copy(&file.path(), &to) } else { drop(fs::copy(file.path(), to)) }
    }
}

#[tokio::test]
async fn what_was_archived_becomes_the_same_register_and_is_not_sent_again() {
    let rig = Rig::new();
    // Held all the time, as a service holds it.
    let register = rig.create("register", "assay.local/0").await;
    let nothing = rig.archive("register").await.unwrap();
    assert_eq!((nothing.checkpoint.size, nothing.segments, nothing.sent), (0, 0, 0));
    assert!(matches!(rig.restore("register", "none").await, Err(ArchiveError::NotFound)));

    let (mut segments, mut number) = (0, 0);
    for round in 0..4 {
        for _ in 0..10 {
            rig.submit(&register, number).await;
            number += 1;
        }
        let made = rig.archive("register").await.unwrap();
        assert!(made.sent > 0 && made.segments == segments + made.sent, "{made:?}");
        segments = made.segments;
        let again = rig.archive("register").await.unwrap();
        assert_eq!((again.sent, again.bytes, again.removed), (0, 0, 0));
        assert_eq!(again.checkpoint, made.checkpoint);

        // All but what the open segment has, with the root that the register had then.
        let size = made.checkpoint.size;
        assert!((number - 4..number).contains(&size), "{size} of {number}");
        assert_eq!(made.checkpoint.root, register.root(size).await.unwrap());
        let to = format!("again-{round}");
        let restored = rig.restore("register", &to).await.unwrap();
        assert_eq!((&restored.checkpoint, restored.segments), (&made.checkpoint, segments));
        let copy = open(&rig.at(&to), &Holder::command(), PATIENCE).await.unwrap();
        let signed = copy.signed().await.unwrap();
        assert_eq!((signed.checkpoint.size, signed.checkpoint.root), (size, made.checkpoint.root));
        for index in 0..size {
            let (ours, theirs) = (register.entry(index).await, copy.entry(index).await);
            assert_eq!(ours.unwrap().pae(), theirs.unwrap().pae(), "{index}");
        }
        // And goes on, under the same name.
        rig.submit(&copy, number).await;
    }
    assert!(rig.objects().len() > 20, "{}", rig.objects().len());
}

#[tokio::test]
async fn what_is_erased_leaves_the_archive() {
    let rig = Rig::new();
    let register = rig.create("register", "assay.local/0").await;
    let secret = rig.submit(&register, 9).await;
    for number in 10..22 {
        rig.submit(&register, number).await;
    }
    let holders = |rig: &Rig| {
        let objects = rig.objects();
        let holds = |bytes: &Vec<u8>| bytes.windows(5).any(|part| part == b" 9 xx");
        let found = objects.into_iter().filter(|(_, bytes)| holds(bytes));
        found.collect::<Vec<_>>()
    };
    rig.archive("register").await.unwrap();
    let [(old, bytes)] = holders(&rig).try_into().unwrap();
    let closed = rig.archive("register").await.unwrap();
    rig.bury(&register, 9).await;
    register.storage().erase_body(&secret).unwrap();
    let made = rig.archive("register").await.unwrap();
    // The open segment goes along as far as the tombstone, and no further.
    assert_eq!((made.sent, made.removed, made.segments), (2, 1, closed.segments + 1));
    assert_eq!(made.checkpoint.size, 14);
    assert!(holders(&rig).is_empty());
    // Also when a run was cut off before it did so.
    fs::write(&old, bytes).unwrap();
    let made = rig.archive("register").await.unwrap();
    assert_eq!((made.sent, made.removed, holders(&rig).len()), (0, 1, 0));

    let restored = rig.restore("register", "again").await.unwrap();
    assert_eq!(restored.checked.erased, 1);
    let again = rig.open("again").await;
    assert!(matches!(again.entry(0).await.unwrap().body, EntryBody::Erased(_)));
    assert!(matches!(again.entry(1).await.unwrap().body, EntryBody::Here { .. }));
    drop(again);

    // What was open is sent again once it is closed, and only then.
    rig.submit(&register, 23).await;
    let same = rig.archive("register").await.unwrap();
    assert_eq!((same.sent, same.removed, same.checkpoint.size), (0, 0, 14));
    for number in 24..30 {
        rig.submit(&register, number).await;
    }
    let more = rig.archive("register").await.unwrap();
    assert!(more.checkpoint.size > 14 && more.removed == 1, "{more:?}");
    rig.restore("register", "once more").await.unwrap();
    // A register that went another way from within that segment is another one.
    let again = rig.open("again").await;
    for number in 30..40 {
        rig.submit(&again, number).await;
    }
    drop(again);
    assert!(matches!(rig.archive("again").await, Err(ArchiveError::Fork { .. })));
}

#[tokio::test]
async fn what_is_lost_stays_in_the_archive() {
    let rig = Rig::new();
    let register = rig.create("register", "assay.local/0").await;
    for number in 0..16 {
        rig.submit(&register, number).await;
    }
    rig.archive("register").await.unwrap();
    let objects = rig.objects();
    let segment = rig.at("register").join("journal/00000000000000000001.seg");
    let whole = fs::read(&segment).unwrap();
    let start = whole.windows(8).position(|part| part == b"DSSEv1 1").unwrap();
    let end = start + whole[start..].windows(2).position(|part| part == [b'x', 0]).unwrap() + 1;
    let mut zeroed = whole.clone();
    zeroed[start..end].fill(0);
    fs::write(&segment, &zeroed).unwrap();
    let lost = rig.archive("register").await.unwrap_err();
    assert!(lost.to_string().contains("damaged"), "{lost}");
    assert_eq!(rig.objects(), objects);
    // A tombstone of something else does not make up for it, and its own does.
    rig.bury(&register, 1).await;
    assert!(rig.archive("register").await.is_err());
    assert_eq!(rig.objects(), objects);
    rig.bury(&register, 0).await;
    assert_eq!(rig.archive("register").await.unwrap().removed, 1);
}

#[tokio::test]
async fn a_changed_or_missing_object_is_found_and_named() {
    let rig = Rig::new();
    let register = rig.create("register", "assay.local/0").await;
    for number in 0..16 {
        rig.submit(&register, number).await;
    }
    rig.archive("register").await.unwrap();
    let objects = rig.objects();
    assert!(objects.len() > 4);
    for (path, bytes) in &objects {
        let name = path.strip_prefix(rig.at("archive")).unwrap().to_str().unwrap();
        let is_note = name.starts_with("checkpoints/");
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            fs::write(path, changed).unwrap();
            let error = rig.restore("register", "again").await.unwrap_err();
            assert!(is_note || error.to_string().contains(name), "{name} {place}: {error}");
            assert!(!rig.at("again").join("journal").exists(), "{name} {place}");
        }
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(rig.restore("register", "again").await.is_err(), "{name}");
        fs::remove_file(path).unwrap();
        match rig.restore("register", "again").await.unwrap_err() {
            ArchiveError::NotFound => assert!(is_note),
            ArchiveError::Missing(missing) => assert_eq!(missing, name),
            error => panic!("{name}: {error}"),
        }
        fs::write(path, bytes).unwrap();
    }
    rig.restore("register", "again").await.unwrap();
    // Nor is what stands there written over.
    assert!(matches!(rig.restore("register", "again").await, Err(ArchiveError::Occupied(_))));
}

#[tokio::test]
async fn another_register_s_archive_is_refused_both_ways() {
    let rig = Rig::new();
    for (name, origin) in [("one", "assay.local/1"), ("two", "assay.local/2")] {
        let register = rig.create(name, origin).await;
        for number in 0..8 {
            rig.submit(&register, number).await;
        }
    }
    // Another key under the same name.
    let same = rig.create("same", "assay.local/1").await;
    for number in 0..8 {
        rig.submit(&same, number).await;
    }
    assert!(matches!(Archive::in_folder(&rig.at("two")), Err(ArchiveError::Register(_))));
    rig.archive("one").await.unwrap();
    let objects = rig.objects();
    assert!(matches!(rig.archive("two").await, Err(ArchiveError::Other { .. })));
    assert!(matches!(rig.archive("same").await, Err(ArchiveError::Checkpoint { .. })));
    for key in ["two", "same"] {
        let refused = rig.restore(key, "again").await;
        assert!(matches!(refused, Err(ArchiveError::Checkpoint { .. })), "{key}");
    }
    assert_eq!(rig.objects(), objects);
    rig.restore("one", "again").await.unwrap();
}

#[tokio::test]
async fn a_register_that_forked_or_lost_entries_does_not_take_its_archive_with_it() {
    let rig = Rig::new();
    let register = rig.create("register", "assay.local/0").await;
    for number in 0..8 {
        rig.submit(&register, number).await;
    }
    drop(register);
    copy(&rig.at("register"), &rig.at("older"));
    copy(&rig.at("register"), &rig.at("fork"));
    for (name, start) in [("register", 100), ("fork", 200)] {
        let register = rig.open(name).await;
        for number in start..start + 12 {
            rig.submit(&register, number).await;
        }
    }
    rig.archive("register").await.unwrap();
    let objects = rig.objects();
    assert!(matches!(rig.archive("fork").await, Err(ArchiveError::Fork { .. })));
    assert!(matches!(rig.archive("older").await, Err(ArchiveError::Ahead { .. })));
    assert_eq!(rig.objects(), objects);
    // The smallest change that passes: the register itself.
    assert_eq!(rig.archive("register").await.unwrap().sent, 0);
}

#[tokio::test]
async fn nothing_is_written_over_and_nothing_damaged_is_sent() {
    let rig = Rig::new();
    let register = rig.create("register", "assay.local/0").await;
    for number in 0..8 {
        rig.submit(&register, number).await;
    }
    rig.archive("register").await.unwrap();
    let objects = rig.objects();
    let (path, bytes) =
        objects.iter().find(|(path, _)| path.to_str().unwrap().contains("segments/0")).unwrap();
    // Something else of the same length under a name that will be used.
    for entry in ["segments", "lists", "checkpoints"] {
        fs::remove_dir_all(rig.at("archive").join(entry)).unwrap();
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(path, vec![7; bytes.len()]).unwrap();
    assert!(matches!(rig.archive("register").await, Err(ArchiveError::Different(_))));
    assert_eq!(fs::read(path).unwrap(), vec![7; bytes.len()]);
    // What a run that was cut off had sent is taken over.
    fs::write(path, bytes).unwrap();
    let made = rig.archive("register").await.unwrap();
    assert_eq!(made.sent, made.segments - 1);

    drop(register);
    let segment = rig.at("register").join("journal/00000000000000000001.seg");
    let whole = fs::read(&segment).unwrap();
    let text = whole.windows(9).position(|part| part == b"xxxxxxxxx").unwrap();
    let objects = rig.objects();
    for place in [600, text] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&segment, changed).unwrap();
        let error = rig.archive("register").await.unwrap_err();
        assert!(error.to_string().contains("damaged"), "{place}: {error}");
        assert_eq!(rig.objects(), objects);
    }
    fs::write(&segment, whole).unwrap();
    rig.archive("register").await.unwrap();
}
