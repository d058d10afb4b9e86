//! The `.assay` folder: where it is found, what lies where in it, and how files get into it.
//!
//! Found like git's: here or in a folder above. A folder that somebody else owns is refused
//! unless it was named outright, because the trust file in it decides whom we believe.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};

use crate::error::{Action, Error};

/// The folder's name.
pub const FOLDER: &str = ".assay";
/// What git reads in the folder.
const IGNORE: &[u8] = b"# Made by assay: private keys and the register stay out of git.\n*\n";
/// How far up the folder is looked for.
const MAX_LEVELS: usize = 256;
/// The largest document that is read into memory: a trust file, a policy, a predicate, a bundle.
pub const MAX_DOCUMENT: u64 = 64 << 20;

/// How long a pipe may wait for somebody who opens it for writing.
const OPENING: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// How long a pipe may say nothing while somebody has it open for writing.
const WRITING: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// The folder that holds keys, trust and the register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Finds the folder: the one named by `--dir`, else `.assay` here or above.
    ///
    /// `None` when there is none yet.
    pub fn find(named: Option<&Path>) -> Result<Option<Self>, Error> {
        if let Some(path) = named {
            return match fs::metadata(path) {
                Ok(found) if found.is_dir() => Ok(Some(Self { path: path.into() })),
                Ok(_) => Err(Error::NotAFolder(path.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io(Action::Read, path, error)),
            };
        }
        let here = working_directory()?;
        for folder in here.ancestors().take(MAX_LEVELS) {
            let path = folder.join(FOLDER);
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(_) => continue,
            };
            if !found.is_dir() {
                return Err(Error::NotAFolder(path));
            }
            if found.uid() != rustix::process::geteuid().as_raw() {
                return Err(Error::ForeignFolder { path, owner: found.uid() });
            }
            return Ok(Some(Self { path }));
        }
        Ok(None)
    }

    /// The folder that a first use makes: the one named by `--dir`, else `.assay` here.
    pub fn make(named: Option<&Path>) -> Result<Self, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => working_directory()?.join(FOLDER),
        };
        // A folder that was named and is there may be anybody's, a whole repository even.
        let own = !path.is_dir() || path.file_name() == Some(FOLDER.as_ref());
        let home = Self { path };
        private_folder(&home.path)?;
        if own {
            home.keep_from_git()?;
        }
        private_folder(&home.keys())?;
        Ok(home)
    }

    /// Private keys are not committed by accident: git sees nothing of the folder, unless the
    /// file is there already and says otherwise.
    fn keep_from_git(&self) -> Result<(), Error> {
        let path = self.path.join(".gitignore");
        match write(&path, IGNORE, Readers::All, Existing::Kept) {
            // Another first use was sooner, or somebody knows better.
            Err(_) if path.exists() => Ok(()),
            written => written,
        }
    }

    /// Waits until no other command sets the folder up, and keeps others from it until the answer
    /// is dropped. Setting up takes an instant: nobody is asked anything meanwhile.
    pub fn hold(&self) -> Result<File, Error> {
        let failed = |error| Error::io(Action::Read, &self.path, error);
        let folder = File::open(&self.path).map_err(failed)?;
        match folder.lock() {
            // Where folders cannot be locked, nothing is replaced all the same.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(failed(error)),
            _ => Ok(folder),
        }
    }

    /// Private and public keys, `NAME.pem` and `NAME.pub`.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Whom this user believes.
    pub fn trust(&self) -> PathBuf {
        self.path.join("trust.yaml")
    }

    /// The trust document that was last seen to be in force, where it has owners.
    #[cfg(feature = "server")]
    pub fn in_force(&self) -> PathBuf {
        self.path.join("trust-in-force.yaml")
    }

    /// The register's own policy, if it has one.
    pub fn policy(&self) -> PathBuf {
        self.path.join("policy.yaml")
    }

    /// High-water marks of the registers that were seen.
    #[cfg(feature = "server")]
    pub fn seen(&self) -> PathBuf {
        self.path.join("seen.json")
    }

    /// Bundles that were signed but could not be registered.
    #[cfg(feature = "server")]
    pub fn unsent(&self) -> PathBuf {
        self.path.join("unsent")
    }

    /// What the folder's own witness cosigned.
    #[cfg(feature = "server")]
    pub fn witness(&self) -> PathBuf {
        self.path.join("witness")
    }

    /// The register.
    #[cfg(feature = "server")]
    pub fn register(&self) -> PathBuf {
        self.path.join("register")
    }
}

/// The working directory.
pub fn working_directory() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|error| Error::io(Action::Read, Path::new("."), error))
}

/// Makes a folder, with those above it, that only its owner may enter.
pub fn private_folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|error| Error::io(Action::Make, path, error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|error| Error::io(Action::Make, path, error))
}

/// Reads a document whole, up to [`MAX_DOCUMENT`] bytes. A pipe, such as `<(…)` of a shell, is
/// read as well, as long as somebody writes to it.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::io(Action::Read, path, error);
    // Otherwise opening a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(file.map_err(|error| failed(error.into()))?);
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(Error::NotAFile(path.into()));
    }
    let mut bytes = Vec::new();
    if kind.is_fifo() {
        Pipe::new(file).take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(|error| failed(error.into()))?;
        file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Error::TooLarge { path: path.into(), limit: MAX_DOCUMENT });
    }
    Ok(bytes)
}

/// The reading end of a pipe, which waits for its writer, and not for ever.
struct Pipe {
    file: File,
    /// Whether somebody has it open, or had.
    begun: bool,
    /// Whether it was waited for that.
    waited: bool,
}

impl Pipe {
    const fn new(file: File) -> Self {
        Self { file, begun: false, waited: false }
    }

    /// Waits until there is something to read or the writer has gone, and says whether that is so.
    fn is_ready(&self, patience: Timespec) -> io::Result<bool> {
        let mut wanted = [PollFd::new(&self.file, PollFlags::IN)];
        Ok(rustix::event::poll(&mut wanted, Some(&patience))? > 0)
    }
}

impl io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let late = |why| io::Error::new(io::ErrorKind::TimedOut, why);
        // Ends after one wait for the writer, and one for each time that it has written.
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.begun = true;
                    if !self.is_ready(WRITING)? {
                        return Err(late("nothing comes out of this pipe"));
                    }
                }
                Ok(0) if !self.begun && !self.waited => {
                    self.waited = true;
                    self.begun = self.is_ready(OPENING)?;
                }
                Ok(0) if !self.begun => return Err(late("nobody writes to this pipe")),
                read => {
                    self.begun = true;
                    return read;
                }
            }
        }
    }
}

/// Reads a text document whole, up to [`MAX_DOCUMENT`] bytes.
pub fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?).map_err(|_| Error::NotText(path.into()))
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// Only its owner (mode 0600).
    Owner,
    /// Everybody (mode 0644, less the process's mask).
    All,
}

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Existing {
    /// It is kept, and writing is an error.
    Kept,
    /// It is replaced as a whole.
    Replaced,
}

/// Writes a file whole or not at all: to a new name, synced, then moved into place.
pub fn write(path: &Path, bytes: &[u8], readers: Readers, existing: Existing) -> Result<(), Error> {
    let failed = |error| Error::io(Action::Write, path, error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    // Without this, the error would name the temporary file.
    fs::metadata(folder).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .prefix(".assay-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match existing {
        Existing::Kept => file.persist_noclobber(path),
        Existing::Replaced => file.persist(path),
    }
    .map_err(|error| failed(error.error))?;
    // The name is durable only when its folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_never_overwritten_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"one", Readers::Owner, Existing::Kept).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let error = write(&path, b"two", Readers::Owner, Existing::Kept).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"one");

        write(&path, b"two", Readers::Owner, Existing::Replaced).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing left over");
    }

    #[test]
    fn a_pipe_is_read_while_somebody_writes_to_it_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let writer = |pauses: &'static [u64]| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut file = File::options().write(true).open(path).unwrap();
                for pause in pauses {
                    std::thread::sleep(std::time::Duration::from_millis(*pause));
                    file.write_all(b"part ").unwrap();
                }
            })
        };
        for (pauses, want) in [(&[0][..], "part "), (&[200, 200], "part part ")] {
            let writing = writer(pauses);
            assert_eq!(read_text(&path).unwrap(), want);
            writing.join().unwrap();
        }
        let error = read_text(&path).unwrap_err();
        assert!(error.message().contains("nobody writes to this pipe"), "{error}");
    }

    #[test]
    fn a_folder_that_is_made_is_kept_from_git_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        let cases = [("named", true), (FOLDER, true), ("there", false)];
        for (name, ignored) in cases {
            let home = Home::make(Some(&folder.path().join(name))).unwrap();
            let path = home.path.join(".gitignore");
            assert_eq!(
                fs::read_to_string(&path).is_ok_and(|text| text.ends_with("\n*\n")),
                ignored
            );
        }
        // Cut off before the file was written, and written by somebody else.
        let path = folder.path().join(FOLDER).join(".gitignore");
        fs::remove_file(&path).unwrap();
        Home::make(Some(&folder.path().join(FOLDER))).unwrap();
        assert_eq!(fs::read(&path).unwrap(), IGNORE);
        fs::write(&path, "!trust.yaml").unwrap();
        Home::make(Some(&folder.path().join(FOLDER))).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"!trust.yaml");
    }

    #[test]
    fn a_folder_named_outright_is_found_or_not_yet_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(Home::find(Some(folder.path())).unwrap().is_some());
        assert!(Home::find(Some(&folder.path().join("none"))).unwrap().is_none());
        assert!(matches!(Home::find(Some(&file)), Err(Error::NotAFolder(_))));
    }
}
