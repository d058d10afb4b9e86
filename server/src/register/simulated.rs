//! A disk in memory that can fail any one call, stop at any one change, and lose power.
//!
//! It promises no more than [`Disk`] does. Until a file is synced, each 512-byte sector of each
//! write to it may be on disk or not, in any order, or be half overwritten; so may its length. Until
//! a folder is synced, each name in it may be the old one or the new one, and a new folder may be
//! gone with all that is in it. What a failed sync should have written is not written by the next
//! one either, although readers go on seeing it: Linux marks such pages clean.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::disk::{Disk, DiskFile};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// All of it is gone.
    All,
    /// All of it happened to reach the disk.
    None,
    /// Every other sector of each file reached the disk, the even ones or the odd ones; no name.
    Torn(u64),
    /// Each sector of each write, each length, name and folder has a fate of its own, and writes
    /// to the same sector reached the disk in any order. The number is the seed.
    Random(u64),
}

/// What a call that fails does before it fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Everything.
    Whole,
    /// The first half of a write or an allocation; of anything else nothing.
    Half,
}

/// Numbers that a test can have again: splitmix64, by Sebastiano Vigna.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// The next number.
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    /// True `once` in so many times.
    pub(super) fn one_in(&mut self, once: usize) -> bool {
        self.below(once) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The part of a write that falls into one sector.
#[derive(Clone)]
struct Fragment {
    start: usize,
    bytes: Vec<u8>,
    /// Whether a sync that failed should have written it: no later one will.
    is_given_up: bool,
}

#[derive(Clone, Default)]
struct Content {
    /// As a reader sees it.
    now: Vec<u8>,
    /// As it is on disk for certain.
    synced: Vec<u8>,
    /// What leads from one to the other.
    pending: Vec<Fragment>,
}

/// A name that was given; a rename takes another one away.
#[derive(Clone)]
struct Naming {
    name: String,
    id: usize,
    old: Option<String>,
}

#[derive(Clone)]
struct Fault {
    /// Which change or call fails, counted from the first.
    at: u64,
    /// Whether every call counts, or only those that change something.
    counts_calls: bool,
    effect: Effect,
    kind: io::ErrorKind,
    /// Whether everything after it fails as well.
    is_end: bool,
}

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    /// Names as seen, names that last, and what leads from one to the other.
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    namings: Vec<Naming>,
    /// Folders, and whether they last.
    folders: BTreeMap<String, bool>,
    changes: u64,
    calls: u64,
    fault: Option<Fault>,
    /// How many bytes all files together can have, if there is a limit.
    room: Option<usize>,
}

#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    id: usize,
}

impl Content {
    fn write(&mut self, bytes: &[u8], start: usize) {
        if self.now.len() < start + bytes.len() {
            self.now.resize(start + bytes.len(), 0);
        }
        self.now[start..start + bytes.len()].copy_from_slice(bytes);
        let mut offset = start;
        while offset < start + bytes.len() {
            let end = ((offset / SECTOR + 1) * SECTOR).min(start + bytes.len());
            // What was given up is seen by readers, so that writing to the sector writes it too.
            for earlier in &mut self.pending {
                earlier.is_given_up &= earlier.start / SECTOR != offset / SECTOR;
            }
            let bytes = self.now[offset..end].to_vec();
            self.pending.push(Fragment { start: offset, bytes, is_given_up: false });
            offset = end;
        }
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for fragment in self.pending.iter().filter(|fragment| !fragment.is_given_up) {
            fragment.apply(&mut self.synced);
        }
        self.pending.retain(|fragment| fragment.is_given_up);
    }

    fn after(&self, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let mut kept = self.synced.clone();
        match loss {
            Loss::All => {}
            Loss::None => kept.clone_from(&self.now),
            Loss::Torn(parity) => {
                kept.clone_from(&self.now);
                for (number, sector) in kept.chunks_mut(SECTOR).enumerate() {
                    if number as u64 % 2 == parity {
                        let start = number * SECTOR;
                        for (at, byte) in sector.iter_mut().enumerate() {
                            *byte = self.synced.get(start + at).copied().unwrap_or(0);
                        }
                    }
                }
            }
            Loss::Random(_) => {
                let (short, long) = (self.synced.len(), self.now.len());
                match dice.below(3) {
                    0 => {}
                    1 => kept.resize(long, 0),
                    _ => kept.resize(short.min(long) + dice.below(short.abs_diff(long) + 1), 0),
                }
                let mut fragments = self.pending.clone();
                dice.shuffle(&mut fragments);
                for mut fragment in fragments {
                    match dice.below(9) {
                        0..4 => fragment.apply(&mut kept),
                        // Power failed in the middle of the sector.
                        4 => {
                            fragment.bytes.fill_with(|| dice.roll() as u8);
                            fragment.apply(&mut kept);
                        }
                        _ => {}
                    }
                }
            }
        }
        kept
    }
}

impl Fragment {
    /// Writes what falls into the file.
    fn apply(&self, bytes: &mut [u8]) {
        if let Some(place) = bytes.get_mut(self.start..) {
            let length = place.len().min(self.bytes.len());
            place[..length].copy_from_slice(&self.bytes[..length]);
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>, takes_old: bool) {
        if let Some(old) = self.old.as_ref().filter(|_| takes_old) {
            names.remove(old);
        }
        names.insert(self.name.clone(), self.id);
    }
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl State {
    /// Counts a call; says how it is to fail if its turn has come.
    fn turn(&mut self, is_change: bool) -> Option<(Effect, io::Error)> {
        self.calls += 1;
        self.changes += u64::from(is_change);
        let fault = self.fault.as_ref()?;
        let (count, counts) =
            if fault.counts_calls { (self.calls, true) } else { (self.changes, is_change) };
        let now = counts && count == fault.at;
        let past = fault.is_end && count >= fault.at;
        let effect = if now { fault.effect } else { Effect::None };
        (now || past).then(|| (effect, io::Error::new(fault.kind, "simulated failure")))
    }

    /// Makes a change, unless it is its turn to fail.
    fn change<T>(&mut self, effect: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        match self.turn(true) {
            None => effect(self),
            Some((Effect::Whole, error)) => effect(self).and(Err(error)),
            Some((_, error)) => Err(error),
        }
    }

    /// Changes `length` bytes or half of them.
    fn change_some(
        &mut self,
        length: usize,
        effect: impl FnOnce(&mut Self, usize),
    ) -> io::Result<()> {
        match self.turn(true) {
            None => effect(self, length),
            Some((part, error)) => {
                match part {
                    Effect::None => {}
                    Effect::Half => effect(self, length / 2),
                    Effect::Whole => effect(self, length),
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes sure that a file can have that length.
    fn require_room(&self, id: usize, length: usize) -> io::Result<()> {
        let used: usize = self.files.iter().map(|file| file.now.len()).sum();
        let more = length.saturating_sub(self.files[id].now.len());
        match self.room {
            Some(room) if more > 0 && used + more > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Reads, unless it is its turn to fail.
    fn look<T>(&mut self, read: impl FnOnce(&Self) -> io::Result<T>) -> io::Result<T> {
        match self.turn(false) {
            None => read(self),
            Some((_, error)) => Err(error),
        }
    }
}

impl SimulatedDisk {
    /// How many calls have changed something so far.
    pub(super) fn operations(&self) -> u64 {
        self.0.lock().unwrap().changes
    }

    /// Every file as a reader sees it.
    pub(super) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let content = |(name, id): (&String, &usize)| (name.clone(), state.files[*id].now.clone());
        state.names.iter().map(content).collect()
    }

    /// Fails the change that is `number`-th from now, once.
    pub(super) fn fail(&self, number: u64, after_effect: bool) {
        let effect = if after_effect { Effect::Whole } else { Effect::None };
        self.fail_change(number, effect, io::ErrorKind::Other);
    }

    /// Fails the change that is `number`-th from now, once.
    pub(super) fn fail_change(&self, number: u64, effect: Effect, kind: io::ErrorKind) {
        self.set(number, false, effect, kind, false);
    }

    /// Fails the call that is `number`-th from now, once, whether it reads or changes.
    pub(super) fn fail_call(&self, number: u64) {
        self.set(number, true, Effect::None, io::ErrorKind::Other, false);
    }

    /// Stops the machine at the change that is `number`-th from now: nothing after it is done.
    pub(super) fn stop(&self, number: u64, effect: Effect) {
        self.set(number, false, effect, io::ErrorKind::Other, true);
    }

    /// From the change that is `number`-th from now on there is no room.
    pub(super) fn fill(&self, number: u64) {
        self.set(number, false, Effect::Half, io::ErrorKind::StorageFull, true);
    }

    /// Leaves room for this many bytes more than there are.
    pub(super) fn leave_room(&self, bytes: usize) {
        let mut state = self.0.lock().unwrap();
        let used: usize = state.files.iter().map(|file| file.now.len()).sum();
        state.room = Some(used + bytes);
    }

    /// Nothing fails any longer, and there is room.
    pub(super) fn repair(&self) {
        let mut state = self.0.lock().unwrap();
        (state.fault, state.room) = (None, None);
    }

    fn set(&self, number: u64, calls: bool, effect: Effect, kind: io::ErrorKind, is_end: bool) {
        let mut state = self.0.lock().unwrap();
        let at = number + if calls { state.calls } else { state.changes };
        state.fault = Some(Fault { at, counts_calls: calls, effect, kind, is_end });
    }

    /// The disk as the next process finds it when this one is killed: the machine runs on, so that
    /// what was not synced is still seen, and may still be lost.
    pub(super) fn restart(&self) -> Self {
        let state = State { fault: None, room: None, ..self.0.lock().unwrap().clone() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after a power cut at this moment.
    pub(super) fn power_cut(&self, loss: Loss) -> Self {
        let state = self.0.lock().unwrap();
        let mut dice = Dice(if let Loss::Random(seed) = loss { seed } else { 0 });
        let files = state.files.iter().map(|file| {
            let kept = file.after(loss, &mut dice);
            Content { now: kept.clone(), synced: kept, pending: Vec::new() }
        });
        let files = files.collect();
        let mut names = state.synced_names.clone();
        let mut folders = state.folders.clone();
        match loss {
            Loss::None => names.clone_from(&state.names),
            Loss::All | Loss::Torn(_) => folders.retain(|_, lasts| *lasts),
            Loss::Random(_) => {
                for naming in &state.namings {
                    match dice.below(5) {
                        0 | 1 => {}
                        2 => naming.apply(&mut names, false),
                        _ => naming.apply(&mut names, true),
                    }
                }
                folders.retain(|_, lasts| *lasts || dice.one_in(2));
            }
        }
        names.retain(|name, _| {
            let folder = folder_of(name);
            folder.is_empty() || folders.contains_key(folder)
        });
        folders.values_mut().for_each(|lasts| *lasts = true);
        let state =
            State { files, synced_names: names.clone(), names, folders, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes the bytes of a file behind everybody's back.
    pub(super) fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let id = state.names[path];
        let file = &mut state.files[id];
        change(&mut file.now);
        file.synced = file.now.clone();
        file.pending.clear();
    }

    /// Takes a file away behind everybody's back.
    pub(super) fn remove(&self, path: &str) {
        let mut state = self.0.lock().unwrap();
        state.names.remove(path);
        state.synced_names.remove(path);
        state.namings.retain(|naming| naming.name != path);
    }
}

impl Disk for SimulatedDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.lock().unwrap().look(|state| {
            let inside = state.names.keys().filter(|name| folder_of(name) == folder);
            Ok(inside.map(|name| name[folder.len()..].trim_start_matches('/').into()).collect())
        })
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        self.0.lock().unwrap().change(|state| {
            state.folders.entry(folder.into()).or_insert(false);
            Ok(())
        })
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.0.lock().unwrap().change(|state| {
            let folder = folder_of(path);
            if !folder.is_empty() && !state.folders.contains_key(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if let Some(id) = state.names.get(path).copied() {
                state.files[id].now.clear();
                state.files[id].pending.clear();
                return Ok(id);
            }
            state.files.push(Content::default());
            let id = state.files.len() - 1;
            let naming = Naming { name: path.into(), id, old: None };
            naming.apply(&mut state.names, true);
            state.namings.push(naming);
            Ok(id)
        })?;
        Ok(Box::new(SimulatedFile { state: self.0.clone(), id }))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.0.lock().unwrap().look(|state| {
            state.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
        })?;
        Ok(Box::new(SimulatedFile { state: self.0.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.lock().unwrap().change(|state| {
            let id = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            let naming = Naming { name: to.into(), id, old: Some(from.into()) };
            naming.apply(&mut state.names, true);
            state.namings.push(naming);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.lock().unwrap().change(|state| {
            let State { namings, synced_names, folders, .. } = state;
            namings.retain(|naming| {
                let is_inside = folder_of(&naming.name) == folder;
                if is_inside {
                    naming.apply(synced_names, true);
                }
                !is_inside
            });
            for (name, lasts) in folders {
                *lasts |= folder_of(name) == folder;
            }
            Ok(())
        })
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        self.state.lock().unwrap().look(|state| Ok(state.files[self.id].now.len() as u64))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.require_room(self.id, length as usize)?;
        state.change_some(length as usize, |state, length| {
            let now = &mut state.files[self.id].now;
            now.resize(length.max(now.len()), 0);
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.state.lock().unwrap().change(|state| {
            state.files[self.id].now.truncate(length as usize);
            Ok(())
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.state.lock().unwrap().look(|state| {
            // Of no bytes there are enough everywhere, as for `pread`.
            if buffer.is_empty() {
                return Ok(());
            }
            let start = offset as usize;
            let bytes = state.files[self.id].now.get(start..start + buffer.len());
            buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.require_room(self.id, offset as usize + bytes.len())?;
        state.change_some(bytes.len(), |state, length| {
            state.files[self.id].write(&bytes[..length], offset as usize);
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        match state.turn(true) {
            None => state.files[self.id].sync(),
            Some((effect, error)) => {
                if effect == Effect::Whole {
                    state.files[self.id].sync();
                }
                state.files[self.id].pending.iter_mut().for_each(|left| left.is_given_up = true);
                return Err(error);
            }
        }
        Ok(())
    }
}
