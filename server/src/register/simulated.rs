//! A disk in memory that can fail any one operation and lose power.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use std::io;

use super::disk::{Disk, DiskFile};

/// What a power cut does to writes that were not synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// All of them are gone.
    All,
    /// All of them happened to reach the disk.
    None,
    /// Every other 512-byte sector of each reached the disk, the even ones or the odd ones.
    Torn(u64),
}

#[derive(Clone, Default)]
struct Content {
    /// As a reader sees it.
    now: Vec<u8>,
    /// As it is on disk for certain.
    synced: Vec<u8>,
}

#[derive(Default)]
struct State {
    files: Vec<Content>,
    /// Names as seen, and names that last.
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    operations: u64,
    fail_at: Option<u64>,
    /// Whether an operation that fails has its effect all the same.
    fails_after_effect: bool,
}

#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    id: usize,
}

impl State {
    /// Counts an operation that changes something, and fails it if its turn has come.
    fn change<T>(&mut self, effect: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        self.operations += 1;
        if self.fail_at == Some(self.operations) {
            if self.fails_after_effect {
                effect(self)?;
            }
            return Err(io::Error::other("simulated failure"));
        }
        effect(self)
    }
}

impl SimulatedDisk {
    /// How many operations have changed something so far.
    pub(super) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// Fails the operation that is `number`-th from now, once.
    pub(super) fn fail(&self, number: u64, after_effect: bool) {
        let mut state = self.0.lock().unwrap();
        state.fail_at = Some(state.operations + number);
        state.fails_after_effect = after_effect;
    }

    /// The disk after a power cut at this moment.
    pub(super) fn power_cut(&self, loss: Loss) -> Self {
        let state = self.0.lock().unwrap();
        let files = state.files.iter().map(|file| {
            let kept = match loss {
                Loss::All => file.synced.clone(),
                Loss::None => file.now.clone(),
                Loss::Torn(parity) => {
                    let mut kept = file.now.clone();
                    for (number, sector) in kept.chunks_mut(512).enumerate() {
                        if number as u64 % 2 == parity {
                            let start = number * 512;
                            for (at, byte) in sector.iter_mut().enumerate() {
                                *byte = file.synced.get(start + at).copied().unwrap_or(0);
                            }
                        }
                    }
                    kept
                }
            };
            Content { now: kept.clone(), synced: kept }
        });
        let names = match loss {
            Loss::None => state.names.clone(),
            Loss::All | Loss::Torn(_) => state.synced_names.clone(),
        };
        let files = files.collect();
        let state = State { files, synced_names: names.clone(), names, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes the bytes of a file behind everybody's back.
    pub(super) fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let id = state.names[path];
        change(&mut state.files[id].now);
        state.files[id].synced = state.files[id].now.clone();
    }

    /// Takes a file away behind everybody's back.
    pub(super) fn remove(&self, path: &str) {
        let mut state = self.0.lock().unwrap();
        state.names.remove(path);
        state.synced_names.remove(path);
    }
}

impl Disk for SimulatedDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let prefix = format!("{folder}/");
        Ok(state
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(Into::into)
            .collect())
    }

    fn make_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.0.lock().unwrap().change(|state| {
            state.files.push(Content::default());
            let id = state.files.len() - 1;
            state.names.insert(path.into(), id);
            Ok(id)
        })?;
        Ok(Box::new(SimulatedFile { state: self.0.clone(), id }))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.0.lock().unwrap().names.get(path).copied();
        let id = id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(SimulatedFile { state: self.0.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.lock().unwrap().change(|state| {
            let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.into(), id);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.lock().unwrap().change(|state| {
            let within =
                |name: &String| name.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
            state.synced_names.retain(|name, _| !within(name));
            let names = state.names.iter().filter(|(name, _)| within(name));
            let names: Vec<_> = names.map(|(name, id)| (name.clone(), *id)).collect();
            state.synced_names.extend(names);
            Ok(())
        })
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().files[self.id].now.len() as u64)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.state.lock().unwrap().change(|state| {
            state.files[self.id].now.resize(length as usize, 0);
            Ok(())
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.state.lock().unwrap();
        let start = offset as usize;
        let bytes = state.files[self.id].now.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.state.lock().unwrap().change(|state| {
            let start = offset as usize;
            let now = &mut state.files[self.id].now;
            if now.len() < start + bytes.len() {
                now.resize(start + bytes.len(), 0);
            }
            now[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.state.lock().unwrap().change(|state| {
            let file = &mut state.files[self.id];
            file.synced = file.now.clone();
            Ok(())
        })
    }
}
