use std::fs;
use std::sync::Arc;

use attest::Note;
use attest::predicate::is_erasable;
use verify::{Reach, Trust, TrustedLog, verify_rotation};

use super::super::contract::wait;
use super::super::embedded::Settings;
use super::super::record::JournalId;
use super::super::simulated::{Loss, SimulatedDisk};
use super::super::{EraseError, PATIENCE, Submission, WithKey, backup, create};
use super::*;

const ORIGIN: &str = "assay.local/0";
const SETTINGS: Settings = Settings { segment_bytes: 1 << 16, cache_bytes: 1 << 20 };
const LOSSES: [Loss; 6] =
    [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1), Loss::Random(1), Loss::Random(2)];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A register on a disk that can fail, with its key in the file that a folder has it in.
struct Machine {
    disk: SimulatedDisk,
    index: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { disk: SimulatedDisk::default(), index: tempfile::tempdir().unwrap() };
        let file = machine.disk.create(KEY).unwrap();
        file.write_at(key(1).to_pem(None).unwrap().as_bytes(), 0).unwrap();
        file.sync().unwrap();
        machine.disk.sync_folder("").unwrap();
        let disk = Arc::new(machine.disk.clone());
        let index = machine.index.path().join("index");
        let id = JournalId([5; 16]);
        Embedded::create_on(disk, &index, ORIGIN, id, SETTINGS, None).unwrap();
        machine
    }

    fn after(&self, loss: Loss) -> Self {
        Self { disk: self.disk.power_cut(loss), index: tempfile::tempdir().unwrap() }
    }

    fn key(&self, name: &str) -> Option<SigningKey> {
        let pem = self.disk.contents().remove(name)?;
        Some(SigningKey::from_pem(&String::from_utf8(pem).unwrap(), None).unwrap())
    }

    fn open(&self) -> Register<Embedded> {
        let disk = Arc::new(self.disk.clone());
        let index = self.index.path().join("index");
        let storage = Embedded::open_on(disk, &index, SETTINGS, None).unwrap();
        let signer = |key| NoteSigner::new(ORIGIN, key).unwrap();
        let current = signer(self.key(KEY).unwrap());
        let register = wait(Register::open(storage, current)).unwrap();
        match self.key(NEXT_KEY).map(signer) {
            Some(next) if next.verifier() != register.verifier() => {
                register.with_next_key(next).unwrap()
            }
            _ => register,
        }
    }

    fn begin(&self) -> Result<Rotated, RotateError> {
        self.begin_with(u64::MAX / 2)
    }

    /// The same, and the change that is `step`-th from the opened register on fails.
    fn begin_with(&self, step: u64) -> Result<Rotated, RotateError> {
        let (register, old) = (self.open(), self.key(KEY).unwrap());
        self.disk.fail(step, true);
        wait(begin(register, &self.disk, &old, at(10)))
    }

    fn finish(&self) -> Result<Finished, RotateError> {
        self.finish_with(u64::MAX / 2)
    }

    fn finish_with(&self, step: u64) -> Result<Finished, RotateError> {
        let register = self.open();
        self.disk.fail(step, true);
        wait(finish(&register, &self.disk))
    }
}

fn log(trust: &Trust) -> &TrustedLog {
    trust.log(ORIGIN).unwrap()
}

/// Whom a client believes that knows this key.
fn knowing(key: &VerifierKey) -> Trust {
    let mut trust = Trust::empty();
    trust.add_log(key).unwrap();
    trust
}

fn verifier(seed: u8) -> VerifierKey {
    NoteSigner::new(ORIGIN, key(seed)).unwrap().verifier().clone()
}

fn shown(register: &Register<Embedded>) -> String {
    wait(register.checkpoint()).unwrap()
}

#[test]
fn both_keys_sign_from_the_statement_on_and_the_new_one_alone_after_the_end() {
    let machine = Machine::new();
    let (old, before) = (knowing(&verifier(1)), shown(&machine.open()));
    assert!(matches!(machine.finish(), Err(RotateError::NotBegun(_))));
    let begun = machine.begin().unwrap();
    assert_eq!((&begun.from, begun.index), (&verifier(1), 0));
    let rotation = verify_rotation(&begun.bundle, log(&old)).unwrap();
    assert_eq!((&rotation.to, rotation.size), (&begun.to, 0));
    let mut both = old.clone();
    both.rotate_log(&begun.to, Reach::Whole).unwrap();
    let new = knowing(&begun.to);

    let during = shown(&machine.open());
    assert_eq!(during.parse::<Note>().unwrap().signatures.len(), 2);
    for trust in [&old, &both, &new] {
        assert!(log(trust).open(&during).is_ok());
    }
    // Witnesses are sent both signatures, and no stranger's.
    let register = machine.open();
    let lines = during.parse::<Note>().unwrap().signatures;
    assert!(lines.iter().all(|line| register.is_named_by(line)));
    let stranger = NoteSigner::new(ORIGIN, key(9)).unwrap().sign("text\n").unwrap();
    assert!(!register.is_named_by(&stranger.signatures[0]));
    drop(register);
    assert!(log(&new).open(&before).is_err(), "the new key signed nothing before");

    let finished = machine.finish().unwrap();
    assert_eq!((&finished.from, &finished.to), (&begun.from, &begun.to));
    assert_eq!(finished.last.size, 1);
    let after = shown(&machine.open());
    assert_eq!(after.parse::<Note>().unwrap().signatures.len(), 1);
    assert!(log(&both).open(&after).is_ok() && log(&new).open(&after).is_ok());
    assert!(log(&old).open(&after).is_err(), "whoever knows the old key alone");
    assert_eq!(machine.open().origin(), ORIGIN);
    let keys: Vec<_> =
        machine.disk.contents().into_keys().filter(|name| name.contains("key")).collect();
    assert_eq!(keys, [KEY], "the old key is gone");
    assert!(matches!(machine.finish(), Err(RotateError::NotBegun(_))));

    // And once more, from the new key to a newer one.
    let again = machine.begin().unwrap();
    assert_eq!((&again.from, again.index), (&begun.to, 1));
    assert!(verify_rotation(&again.bundle, log(&both)).is_ok());
    assert!(verify_rotation(&again.bundle, log(&old)).is_err());
}

#[test]
fn beginning_twice_says_it_once() {
    let machine = Machine::new();
    let one = machine.begin().unwrap();
    let two = machine.begin().unwrap();
    assert_eq!((&one.to, one.index), (&two.to, two.index));
    assert_eq!(wait(machine.open().signed()).unwrap().checkpoint.size, 1);
}

#[test]
fn only_the_word_of_the_old_key_lets_it_be_finished() {
    let machine = Machine::new();
    // The new key is there, and the machine stopped before the statement.
    let new = SigningKey::generate(Algorithm::Ed25519).unwrap();
    keep_next(&machine.disk, &new).unwrap();
    assert!(matches!(machine.finish(), Err(RotateError::NotSaid(_))));
    // The same statement, signed by others: the new key itself, and a stranger.
    let to = NoteSigner::new(ORIGIN, machine.key(NEXT_KEY).unwrap()).unwrap().verifier().clone();
    for other in [machine.key(NEXT_KEY).unwrap(), key(9)] {
        wait(say(&machine.open(), &other, &verifier(1), &to, at(10))).unwrap();
        assert!(matches!(machine.finish(), Err(RotateError::NotSaid(_))));
    }
    assert_eq!(machine.begin().unwrap().index, 2);
    assert!(machine.finish().is_ok());
}

#[test]
fn the_statement_is_never_erased() {
    assert!(!is_erasable(KEY_ROTATION));
    let machine = Machine::new();
    let body = machine.begin().unwrap().bundle.envelope.body();
    let refused = wait(machine.open().erasable(&body));
    assert!(matches!(refused, Err(EraseError::Kept { .. })), "{refused:?}");
}

#[test]
fn a_power_cut_leaves_a_register_with_a_key_that_is_known() {
    // The key, the record, the head: so many changes, and then one that does not fail.
    for step in 1..=10 {
        for loss in LOSSES {
            let machine = Machine::new();
            let begun = machine.begin_with(step);
            assert_eq!(begun.is_ok(), step > 9, "{step}");
            let after = machine.after(loss);
            let register = after.open();
            assert_eq!(*register.verifier(), verifier(1), "{step} {loss:?}");
            assert!(log(&knowing(&verifier(1))).open(&shown(&register)).is_ok());
            drop(register);
            let again = after.begin().unwrap();
            if let Ok(begun) = begun {
                assert_eq!((begun.to, begun.index), (again.to, again.index), "{step} {loss:?}");
            }
            assert!(verify_rotation(&again.bundle, log(&knowing(&verifier(1)))).is_ok());
            after.finish().unwrap();
        }
    }
}

#[test]
fn a_power_cut_at_the_end_leaves_both_keys_or_the_new_one() {
    for step in 1..=4 {
        for loss in LOSSES {
            let machine = Machine::new();
            let begun = machine.begin().unwrap();
            let finished = machine.finish_with(step).is_ok();
            assert_eq!(finished, step > 3, "{step}");
            let after = machine.after(loss);
            let register = after.open();
            let mut both = knowing(&verifier(1));
            both.rotate_log(&begun.to, Reach::Whole).unwrap();
            assert!(log(&both).open(&shown(&register)).is_ok());
            let is_new = *register.verifier() == begun.to;
            let is_old = *register.verifier() == verifier(1);
            let next = register.next_verifier();
            assert!(is_new && next.is_none() || is_old && next == Some(&begun.to));
            assert!(is_new || !finished, "{step} {loss:?}");
            drop(register);
            match after.finish() {
                Ok(finished) => assert!(is_old && finished.to == begun.to),
                Err(RotateError::NotBegun(_)) => assert!(is_new),
                Err(error) => panic!("{step} {loss:?}: {error}"),
            }
            assert_eq!(*after.open().verifier(), begun.to);
        }
    }
}

#[test]
fn a_folder_goes_through_it_and_so_does_its_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("register"), folder.path().join("copy"));
    let holder = Holder::command();
    let old = wait(create(&path, &holder, PATIENCE)).unwrap().verifier().clone();
    let save = || {
        let silent = attest::hash::Silent;
        backup(&path, &copy, WithKey::Yes, &holder, PATIENCE, &silent).unwrap();
        let mut keys: Vec<_> =
            [KEY, NEXT_KEY].into_iter().filter(|name| copy.join(name).exists()).collect();
        keys.sort_unstable();
        keys
    };
    let begun = wait(rotate_key(&path, &holder, PATIENCE, at(10))).unwrap();
    assert_eq!(begun.from, old);
    assert_eq!(save(), [NEXT_KEY, KEY]);
    let checkpoint = || fs::read_to_string(path.join(CHECKPOINT)).unwrap();
    assert_eq!(checkpoint().parse::<Note>().unwrap().signatures.len(), 2);
    // Something more is registered meanwhile.
    let register = wait(open(&path, &holder, PATIENCE)).unwrap();
    let envelope = Envelope::sign("text/plain", b"more".to_vec(), &[&key(4)]).unwrap();
    let submission = Submission { envelope: &envelope, verifiers: &[key(4).public().clone()] };
    wait(register.submit_all(&[submission], at(11))).unwrap();
    drop(register);
    let finished = wait(finish_rotation(&path, &holder, PATIENCE)).unwrap();
    assert_eq!((finished.to, finished.last.size), (begun.to.clone(), 2));
    // Whoever looks into the folder before it is opened again can check what it shows.
    assert!(Checkpoint::open(&checkpoint(), &begun.to).is_ok());
    assert_eq!(save(), [KEY]);
    let register = wait(open(&copy, &holder, PATIENCE)).unwrap();
    assert_eq!((register.verifier(), register.next_verifier()), (&begun.to, None));
}
