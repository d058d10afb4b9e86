//! Bytes on disk that are not what was written. What was never acknowledged may go; whatever was is
//! there or is missed with an error, and nothing is changed on the way to that error.

use super::super::disk::Disk as _;
use super::super::segment::{self, FOLDER};
use super::*;

/// Whatever the register answers about what was acknowledged is right.
fn right_or_refused(machine: &Machine, client: &Client, what: &str) -> bool {
    let before = machine.disk.contents();
    let register = match machine.open() {
        Ok(register) => register,
        Err(ReadError::Storage(StorageError::Journal(JournalError::Io { source, .. }))) => {
            panic!("{what}: {source}")
        }
        Err(ReadError::Storage(_)) => {
            assert!(machine.disk.contents() == before, "{what}: changed, then refused");
            return false;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let mut is_whole = true;
    for (index, hash) in &client.receipts {
        match wait(register.entry(*index)) {
            Ok(entry) => {
                assert_eq!(entry.leaf.hash(), *hash, "{what}: entry {index}");
                assert!(client.expects(&entry), "{what}: entry {index}: {:?}", entry.body);
            }
            Err(ReadError::Storage(StorageError::Damaged(_) | StorageError::Journal(_))) => {
                is_whole = false;
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    is_whole
}

/// A machine whose every commit was acknowledged, and the path and end of the last segment.
fn filled() -> (Machine, Client, String, usize) {
    let (machine, mut client) = (Machine::new(), Client::default());
    assert!(work(&machine, &mut client));
    let names = machine.disk.names(FOLDER).unwrap();
    let last = names.iter().filter(|name| name.ends_with(".seg")).max().unwrap();
    let path = format!("{FOLDER}/{last}");
    let mut end = 0;
    machine.disk.tamper(&path, |bytes| {
        end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    });
    (machine, client, path, end)
}

#[test]
fn a_changed_byte_of_the_last_segment_is_missed_or_refused_and_never_believed() {
    let (machine, client, path, end) = filled();
    let (mut dice, mut refused, mut tried) = (Dice(8), 0, 0);
    // Every byte of headers and lengths, and every 13th of the rest.
    let places = (0..end).filter(|place| place % 512 < 8 || place % 13 == 0);
    for place in places {
        let copy = Machine::with(machine.disk.power_cut(Loss::None));
        copy.disk.tamper(&path, |bytes| bytes[place] ^= 1 << dice.below(8));
        refused += usize::from(!right_or_refused(&copy, &client, &format!("byte {place}")));
        tried += 1;
    }
    // But for padding, every change was noticed.
    assert!(refused > tried / 2, "{refused} of {tried}");
    // The smallest change that mends it.
    assert!(right_or_refused(&machine, &client, "untouched"));
}

/// Damage in the middle is found when it is read, or when the index has to be made anew: then the
/// register is refused, and never goes on as if what is behind it had not been.
#[test]
fn a_changed_byte_in_the_middle_is_missed_or_refused_and_never_skipped() {
    let (machine, client, ..) = filled();
    let first = segment::path_of(1);
    let mut dice = Dice(12);
    for place in (0..6000).step_by(61) {
        for keeps_index in [true, false] {
            let copy =
                if keeps_index { machine.again() } else { Machine::with(machine.disk.restart()) };
            copy.disk.tamper(&first, |bytes| bytes[place] ^= 1 << dice.below(8));
            let what = format!("byte {place}, index {keeps_index}");
            if right_or_refused(&copy, &client, &what) {
                // Only what nothing hangs on may go unnoticed: padding.
                let mut client = client.clone();
                let register = copy.open().unwrap();
                client.check(&register);
            }
        }
    }
}

/// Zeros are not what tells that a statement was erased: its tombstone does.
#[test]
fn a_body_that_is_lost_to_zeros_is_missed_and_never_taken_for_erased() {
    let (machine, client, ..) = filled();
    let names = machine.disk.names(FOLDER).unwrap();
    let mut lost = 0;
    for name in names.iter().filter(|name| name.ends_with(".seg")) {
        let path = format!("{FOLDER}/{name}");
        let bytes = machine.disk.contents()[&path].clone();
        for number in &client.known {
            let pae = ENVELOPES[*number].pae();
            let Some(at) = bytes.windows(pae.len()).position(|part| part == pae) else { continue };
            let zero = |copy: &Machine| {
                copy.disk.tamper(&path, |bytes| bytes[at..at + pae.len()].fill(0));
            };
            let what = format!("body {number}");
            let damaged = Damaged::Body(Sha256::of(&pae));
            // With its index, everything else is answered.
            let copy = machine.again();
            zero(&copy);
            let register = copy.open().unwrap();
            let missed = client.receipts.keys().filter(|index| {
                let found = wait(register.entry(**index));
                matches!(found, Err(ReadError::Storage(StorageError::Damaged(it))) if it == damaged)
            });
            assert_eq!(missed.count(), 1, "{what}");
            // Submitted again it is not called erased, and others are not refused for it.
            let now = Timestamp::from_second(1000).unwrap();
            let again = wait(register.submit(&ENVELOPES[*number], &*VERIFIERS, now)).unwrap_err();
            assert!(again.to_string().contains("damaged"), "{what}: {again}");
            wait(register.submit(&ENVELOPES[63], &*VERIFIERS, now)).unwrap();
            drop(register);
            assert!(!right_or_refused(&copy, &client, &what));
            // Without, every body is read, and the register refused: each time.
            let copy = Machine::with(machine.disk.restart());
            zero(&copy);
            for _ in 0..3 {
                assert!(copy.open().is_err(), "{what}");
            }
            lost += 1;
        }
    }
    assert_eq!(lost, client.known.len() - client.gone.len());
    assert_eq!(client.gone.len(), 2);
}

/// What a second signature is over was indexed with the first, and may be gone since.
#[test]
fn an_index_that_is_behind_is_not_brought_up_over_a_body_that_is_lost() {
    let machine = Machine::new();
    let now = Timestamp::from_second(1000).unwrap();
    let another = SigningKey::generate(Algorithm::P256).unwrap();
    let payload = ENVELOPES[0].payload.clone();
    let again = Envelope::sign(IN_TOTO, payload, &[&another]).unwrap();
    wait(machine.open().unwrap().submit(&ENVELOPES[0], &*VERIFIERS, now)).unwrap();
    let before = machine.again();
    wait(machine.open().unwrap().submit(&again, &[another.public().clone()], now)).unwrap();
    let behind = || {
        let copied = Machine::with(machine.disk.restart());
        copy(&before.index(), &copied.index());
        copied
    };
    let whole = behind().open().unwrap();
    assert_eq!(whole.storage().rebuilt(), &Rebuilt { why: None, commits: 1 });
    assert!(wait(whole.entry(1)).unwrap().envelope().is_some());
    let lost = behind();
    lost.disk.tamper(&segment::path_of(1), |bytes| {
        let pae = ENVELOPES[0].pae();
        let at = bytes.windows(pae.len()).position(|part| part == pae).unwrap();
        bytes[at..at + pae.len()].fill(0);
    });
    for _ in 0..3 {
        assert!(lost.open().is_err());
    }
}

#[test]
fn a_cut_segment_is_refused_as_long_as_anything_acknowledged_is_missing() {
    let (machine, client, path, end) = filled();
    for length in (0..end).step_by(512) {
        let copy = Machine::with(machine.disk.power_cut(Loss::None));
        copy.disk.tamper(&path, |bytes| bytes.truncate(length));
        assert!(!right_or_refused(&copy, &client, &format!("cut at {length}")));
        let zeroed = Machine::with(machine.disk.power_cut(Loss::None));
        zeroed.disk.tamper(&path, |bytes| bytes[length..].fill(0));
        assert!(!right_or_refused(&zeroed, &client, &format!("zeros from {length}")));
    }
    // The padding of the last record is all that may be missing.
    let copy = Machine::with(machine.disk.power_cut(Loss::None));
    copy.disk.tamper(&path, |bytes| bytes[end..].fill(0));
    assert!(right_or_refused(&copy, &client, "zeros after the end"));
}

#[test]
fn a_damaged_slot_of_the_published_head_is_made_up_for_and_two_are_refused() {
    let (machine, client, ..) = filled();
    let mut dice = Dice(9);
    for place in (0..176).step_by(5).flat_map(|place| [place, place + 4096]) {
        let copy = Machine::with(machine.disk.power_cut(Loss::None));
        copy.disk.tamper("published", |bytes| bytes[place] ^= 1 << dice.below(8));
        let mut client = client.clone();
        let register = copy.open().unwrap_or_else(|error| panic!("byte {place}: {error}"));
        client.comes_back(&register);
        drop(register);
        assert!(copy.open().is_ok());
    }
    let copy = Machine::with(machine.disk.power_cut(Loss::None));
    copy.disk.tamper("published", |bytes| (bytes[3], bytes[4099]) = (0, 0));
    assert!(!right_or_refused(&copy, &client, "both slots"));
}
