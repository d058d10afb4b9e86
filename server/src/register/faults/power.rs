//! The machine stops at every point of a workload, loses power or only the process, and what was
//! not synced has every fate.

use super::super::simulated::Effect;
use super::*;

const FIXED: [Loss; 4] = [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1)];

/// Runs the workload on a machine that stops at its `stop`-th change; `None` when it does not.
fn stopped(stop: u64, effect: Effect) -> Option<(Machine, Client)> {
    let (machine, mut client) = (Machine::new(), Client::default());
    machine.disk.stop(stop, effect);
    (!work(&machine, &mut client)).then_some((machine, client))
}

/// The register comes back, holds what it said, and goes on.
fn reopened(disk: SimulatedDisk, client: &Client, what: &str) -> (Machine, Client) {
    let (machine, mut client) = (Machine::with(disk), client.clone());
    let register = machine.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    client.comes_back(&register);
    drop(register);
    assert!(client.finds_nothing_erased(&machine.disk), "{what}");
    (machine, client)
}

#[test]
fn a_power_cut_at_any_point_loses_nothing_that_was_acknowledged() {
    let (mut cuts, mut dice) = (0, Dice(1));
    for stop in 1.. {
        let effect = [Effect::None, Effect::Half, Effect::Whole][dice.below(3)];
        let Some((machine, client)) = stopped(stop, effect) else {
            assert!(stop > 50, "{stop}");
            break;
        };
        let seeds: [u64; 3] = std::array::from_fn(|_| dice.roll());
        for loss in FIXED.into_iter().chain(seeds.map(Loss::Random)) {
            reopened(machine.disk.power_cut(loss), &client, &format!("{stop} {loss:?}"));
            cuts += 1;
        }
    }
    assert!(cuts > 350, "{cuts}");
}

#[test]
fn a_recovery_that_is_cut_off_is_recovered_from() {
    let mut dice = Dice(2);
    for stop in 1.. {
        let Some((machine, client)) = stopped(stop, Effect::Half) else { break };
        let first = Loss::Random(dice.roll());
        // What the first recovery changes, and the commit after it, is cut off at some point.
        let cut = Machine::with(machine.disk.power_cut(first));
        let again = 1 + dice.below(12) as u64;
        cut.disk.stop(again, Effect::None);
        let mut client = client;
        if let Ok(register) = cut.open() {
            client.check(&register);
            let _ = client.submit(&register, 1);
        }
        for loss in [Loss::All, Loss::Random(dice.roll())] {
            let what = format!("{stop} {first:?} {again} {loss:?}");
            reopened(cut.disk.power_cut(loss), &client, &what);
        }
    }
}

/// A process that is killed leaves what it wrote in the page cache, where the next one finds it;
/// that it was found does not make it last.
#[test]
fn what_a_killed_process_left_unsynced_is_not_relied_on() {
    let mut dice = Dice(3);
    for stop in 1.. {
        let Some((machine, client)) = stopped(stop, Effect::Whole) else { break };
        let (next, client) =
            reopened(machine.disk.restart(), &client, &format!("{stop} restarted"));
        for loss in [Loss::All, Loss::Random(dice.roll())] {
            let what = format!("{stop} restarted {loss:?}");
            reopened(next.disk.power_cut(loss), &client, &what);
        }
    }
}

/// The next process finds the index of the one before it, or an older one, or none.
#[test]
fn a_power_cut_leaves_any_index() {
    let mut dice = Dice(4);
    for stop in (1..).step_by(5) {
        let Some((machine, mut client)) = stopped(stop, Effect::Half) else { break };
        let cut = Machine::with(machine.disk.power_cut(Loss::Random(dice.roll())));
        if machine.index().exists() {
            copy(&machine.index(), &cut.index());
        }
        let register = cut.open().unwrap();
        client.comes_back(&register);
        answers_like_a_scan(&register);
    }
}
