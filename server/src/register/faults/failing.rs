//! Each call to the disk fails once, in every way that it can: an error is no reason to forget
//! what was acknowledged, nor to acknowledge what does not last.

use std::io::ErrorKind;

use super::super::simulated::Effect;
use super::*;

/// Runs the workload on a machine that `breaks`, and goes on where a careless caller would: with
/// the same register, after every error. Then the process starts again, or power fails.
/// Whether anything failed.
fn survives(breaks: impl Fn(&SimulatedDisk), what: &str, dice: &mut Dice) -> bool {
    let (machine, mut client) = (Machine::new(), Client::default());
    breaks(&machine.disk);
    let mut failed = false;
    match machine.open() {
        Err(_) => failed = true,
        Ok(register) => {
            for step in WORK {
                failed |= !client.does(&register, step);
            }
            if let Ok(signed) = wait(register.signed()) {
                client.see(signed.checkpoint.clone());
            }
            machine.disk.repair();
            // Whoever serves it is told to start again exactly when nothing more is taken.
            let is_broken = register.storage().breakdown().is_some();
            assert_eq!(client.submit(&register, 1).is_err(), is_broken, "{what}");
        }
    }
    machine.disk.repair();
    let cut = Machine::with(machine.disk.power_cut(Loss::Random(dice.roll())));
    for (machine, after) in [(machine, "restarted"), (cut, "power cut")] {
        let mut client = client.clone();
        let register = machine.open().unwrap_or_else(|error| panic!("{what}, {after}: {error}"));
        client.comes_back(&register);
        drop(register);
        assert!(client.finds_nothing_erased(&machine.disk), "{what}, {after}");
    }
    failed
}

#[test]
fn any_one_call_may_fail() {
    let mut dice = Dice(5);
    for number in 1.. {
        if !survives(|disk| disk.fail_call(number), &format!("call {number}"), &mut dice) {
            assert!(number > 70, "{number}");
            break;
        }
    }
}

#[test]
fn any_one_change_may_fail_half_done_or_done() {
    let mut dice = Dice(6);
    let ways = [(Effect::Half, ErrorKind::StorageFull), (Effect::Whole, ErrorKind::Other)];
    for (effect, kind) in ways {
        for number in 1.. {
            let what = format!("change {number} {effect:?}");
            if !survives(|disk| disk.fail_change(number, effect, kind), &what, &mut dice) {
                assert!(number > 50, "{number}");
                break;
            }
        }
    }
}

#[test]
fn a_disk_that_stays_full_from_any_point_on_is_survived() {
    let mut dice = Dice(7);
    for number in 1.. {
        let what = format!("full from change {number} on");
        if !survives(|disk| disk.fill(number), &what, &mut dice) {
            assert!(number > 50, "{number}");
            break;
        }
    }
}

/// Room for a segment is made before anything is written to it: when there is none the commit is
/// refused, nothing has changed, and the same register goes on as soon as there is.
#[test]
fn a_full_disk_refuses_and_the_same_register_goes_on_when_there_is_room_again() {
    for left in [0, 100, 5000] {
        let (machine, mut client) = (Machine::new(), Client::default());
        let register = machine.open().unwrap();
        machine.disk.leave_room(left);
        let error = (0..40).find_map(|_| client.submit(&register, 1).err());
        let error = error.unwrap_or_else(|| panic!("never full with {left} bytes left"));
        let full = |error: &SubmitError| {
            let SubmitError::Commit(error) = error else { return false };
            matches!(
                **error,
                CommitError::Storage(StorageError::Journal(JournalError::Full { .. }))
            )
        };
        assert!(full(&error), "{error}");
        let size = client.receipts.len() as u64;
        assert_eq!(wait(register.signed()).unwrap().checkpoint.size, size);
        // As often as it is tried, unless something smaller fits.
        for _ in 0..4 {
            let again = client.submit(&register, 1);
            assert!(again.as_ref().err().is_none_or(full), "{again:?}");
        }
        client.check(&register);
        machine.disk.repair();
        client.go_on(&register);
        client.check(&register);
    }
}
