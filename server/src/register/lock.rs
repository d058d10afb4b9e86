//! One writer at a time on a register's folder.
//!
//! The kernel's lock on the file decides; what the file says is only there to tell a person or
//! the command who holds it, so that the words of a dead holder harm nobody. A writer waits
//! briefly for its turn. While a server holds the folder, nobody waits: the command talks to it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

const NAME: &str = "lock";
/// How often a waiting writer looks again.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often a server must be seen as the holder before it is believed: what a dead server wrote
/// stands in the file until the next holder has written its own words.
const SIGHTINGS: u32 = 3;
/// Most bytes of the file that are read.
const MAX_BYTES: u64 = 4096;

/// What a holder does with the folder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// One command; done in a moment.
    Command,
    /// A service; holds the folder until it is stopped.
    Server,
}

/// Who holds the lock, in the holder's own words.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// What the process does with the folder.
    pub role: Role,
    /// Where a server answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Holder {
    /// This process, as a command.
    pub fn command() -> Self {
        Self { pid: std::process::id(), role: Role::Command, url: None }
    }

    /// This process, as a server that answers at `url`.
    pub fn server(url: impl Into<String>) -> Self {
        Self { pid: std::process::id(), role: Role::Server, url: Some(url.into()) }
    }
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another writer kept the lock for as long as we waited.
    #[error("register `{folder}` is in use by {}; waited {} ms: try again when it is done", holder_text(.holder.as_ref()), .waited.as_millis())]
    Held {
        /// The register's folder.
        folder: PathBuf,
        /// The holder, if its words could be read.
        holder: Option<Holder>,
        /// How long we waited.
        waited: Duration,
    },
    /// A server holds the lock.
    #[error("register `{folder}` is served by process {pid}{}: use it with `--server`, or stop it", url_text(.url.as_deref()))]
    Served {
        /// The register's folder.
        folder: PathBuf,
        /// The server's process id.
        pid: u32,
        /// Where the server answers.
        url: Option<String>,
    },
    /// The lock file cannot be used.
    #[error("cannot use lock file `{path}`: give this user write access to its folder")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder_text(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, role: Role::Command, .. }) => format!("process {pid}"),
        Some(Holder { pid, role: Role::Server, .. }) => format!("server process {pid}"),
        None => "another process".into(),
    }
}

fn url_text(url: Option<&str>) -> String {
    url.map_or_else(String::new, |url| format!(" at `{url}`"))
}

/// The lock on a register's folder; given back when dropped or when the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    folder: PathBuf,
}

impl Lock {
    /// Takes the lock of `folder`, which exists, waiting at most `patience` for another command.
    ///
    /// # Errors
    /// [`LockError::Served`] as soon as a server is seen to hold it, [`LockError::Held`] when
    /// `patience` is over, [`LockError::Io`] when the file cannot be used.
    pub fn acquire(folder: &Path, holder: &Holder, patience: Duration) -> Result<Self, LockError> {
        let path = folder.join(NAME);
        let broken = |source| LockError::Io { path: path.clone(), source };
        let mut file = open(&path, true).map_err(broken)?;
        let looks = u32::try_from(patience.as_millis() / INTERVAL.as_millis()).unwrap_or(u32::MAX);
        let mut sightings = 0;
        let mut looked = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(broken(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            let found = words(&mut file);
            match &found {
                Some(Holder { role: Role::Server, .. }) => sightings += 1,
                _ => sightings = 0,
            }
            match found {
                Some(Holder { role: Role::Server, pid, url }) if sightings >= SIGHTINGS => {
                    return Err(LockError::Served { folder: folder.into(), pid, url });
                }
                holder if looked >= looks => {
                    return Err(LockError::Held {
                        folder: folder.into(),
                        holder,
                        waited: INTERVAL * looked,
                    });
                }
                _ => {}
            }
            looked += 1;
            std::thread::sleep(INTERVAL);
        }
        let lock = Self { file, folder: folder.to_owned() };
        lock.announce(holder)?;
        Ok(lock)
    }

    /// Writes who holds the lock; a server does it again once it knows its address.
    ///
    /// # Errors
    /// [`LockError::Io`] when the file cannot be written.
    pub fn announce(&self, holder: &Holder) -> Result<(), LockError> {
        let write = || -> io::Result<()> {
            let mut file = &self.file;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&serde_json::to_vec(holder)?)
        };
        write().map_err(|source| LockError::Io { path: self.folder.join(NAME), source })
    }

    /// The folder that the lock is on.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder writes its own words; until then the file says nothing.
        let _ = self.file.set_len(0);
    }
}

/// The server that holds the lock of `folder` now, if one does.
///
/// # Errors
/// [`LockError::Io`] when the file cannot be used.
pub fn served_by(folder: &Path) -> Result<Option<Holder>, LockError> {
    let path = folder.join(NAME);
    let broken = |source| LockError::Io { path: path.clone(), source };
    let mut file = match open(&path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    for _ in 0..SIGHTINGS {
        // Shared, so that two who ask do not take each other for the holder.
        match file.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(broken(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        match words(&mut file) {
            Some(Holder { role: Role::Command, .. }) => return Ok(None),
            Some(Holder { role: Role::Server, .. }) | None => std::thread::sleep(INTERVAL),
        }
    }
    Ok(words(&mut file).filter(|holder| holder.role == Role::Server))
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)
}

/// What the holder wrote, if it can be read; it may be writing just now.
fn words(file: &mut File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_second_writer_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::acquire(folder.path(), &Holder::command(), SHORT).unwrap();
        let error = Lock::acquire(folder.path(), &Holder::command(), SHORT).unwrap_err();
        assert!(
            matches!(&error, LockError::Held { holder: Some(holder), .. } if *holder == Holder::command()),
            "{error}"
        );
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        assert_eq!(served_by(folder.path()).unwrap(), None);
        drop(first);
        Lock::acquire(folder.path(), &Holder::command(), SHORT).unwrap();
    }

    #[test]
    fn a_server_is_seen_and_a_second_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(served_by(folder.path()).unwrap(), None);
        let holder = Holder::server("http://127.0.0.1:7878");
        let held = Lock::acquire(folder.path(), &holder, SHORT).unwrap();
        assert_eq!(served_by(folder.path()).unwrap(), Some(holder.clone()));
        for other in [Holder::server("http://127.0.0.1:1"), Holder::command()] {
            let error = Lock::acquire(folder.path(), &other, LONG).unwrap_err();
            assert!(
                matches!(&error, LockError::Served { url: Some(url), .. } if url.ends_with(":7878")),
                "{error}"
            );
        }
        drop(held);
        assert_eq!(served_by(folder.path()).unwrap(), None);
    }

    #[test]
    fn what_a_dead_holder_wrote_harms_nobody() {
        let dead = br#"{"pid":1,"role":"server","url":"http://127.0.0.1:1"}"#;
        for words in [&dead[..], b"{", b"", b"\xff", &[b'x'; 10_000]] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(NAME), words).unwrap();
            assert_eq!(served_by(folder.path()).unwrap(), None);
            Lock::acquire(folder.path(), &Holder::server("http://127.0.0.1:2"), SHORT).unwrap();
        }
    }

    #[test]
    fn writers_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let lock = Lock::acquire(folder.path(), &Holder::command(), LONG).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(1));
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(matches!(
            Lock::acquire(&missing, &Holder::command(), SHORT),
            Err(LockError::Io { path, .. }) if path.starts_with(&missing)
        ));
    }
}
