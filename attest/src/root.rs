//! Opening what lies below one directory, without ever following a link.
//!
//! A name that leads through a link means one file now and may mean another a moment later, so
//! that what is hashed need not be what a step reads. Every part of a path is therefore opened
//! by itself, relative to the directory before it, and a link anywhere below the root is an
//! error that says what to name instead. Only regular files and directories are opened: a
//! FIFO would block, and opening a device can have effects.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::name::{NameError, check_artifact_name};

/// How many parts a path may have below its root.
pub const MAX_DEPTH: usize = 64;

/// How a directory on the way is opened: for passing through, which needs no right to list it.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

/// How what is read is opened: no link is followed, and nothing is waited for or taken.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Why something cannot be opened as a file or directory below the root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing of that name.
    #[error("`{path}` does not exist below `{}`", root.display())]
    NotFound {
        /// The path below the root.
        path: String,
        /// The root.
        root: PathBuf,
    },
    /// The path, or a directory on it, is a symbolic link.
    #[error(
        "`{path}` is a link to `{}`, and links are not followed: name what it points to, or copy that below the root",
        target.display()
    )]
    Link {
        /// The path of the link below the root.
        path: String,
        /// What the link says, which may be itself.
        target: PathBuf,
    },
    /// Neither a regular file nor a directory.
    #[error("`{path}` is {what}; only regular files and directories can be recorded")]
    Special {
        /// The path below the root.
        path: String,
        /// What it is: a FIFO, a socket, a device.
        what: &'static str,
    },
    /// A part of the path that should be a directory is none.
    #[error("`{path}` is not a directory")]
    NotADirectory {
        /// The path of the part, below the root.
        path: String,
    },
    /// The path leads out of the root.
    #[error(
        "`{}` is outside `{}`: move it below, or start in a folder that holds both",
        path.display(),
        root.display()
    )]
    Outside {
        /// The path as given.
        path: PathBuf,
        /// The root.
        root: PathBuf,
    },
    /// The path is the root.
    #[error("`{}` is the root itself: name files or directories below it", path.display())]
    Whole {
        /// The path as given.
        path: PathBuf,
    },
    /// The path has more than [`MAX_DEPTH`] parts.
    #[error("`{path}` is more than {MAX_DEPTH} directories deep")]
    TooDeep {
        /// The path below the root.
        path: String,
    },
    /// The path is not UTF-8, so that no statement can name it.
    #[error("`{}` is not a UTF-8 name; rename it", path.display())]
    NotText {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is no name that a statement may carry.
    #[error("{0}; rename it")]
    Name(#[from] NameError),
    /// The system refuses.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The path, below the root where there is one.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: source.into() }
    }
}

/// What tells one state of a file or directory from another without reading it.
///
/// The change time moves with every write, rename, link and change of mode, and no program can
/// set it, so a file that was swapped and put back has another identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    device: i128,
    inode: i128,
    mode: u32,
    size: u64,
    modified: i128,
    changed: i128,
}

impl Identity {
    /// Takes the identity out of what the system says of a descriptor.
    fn of(stat: &Stat) -> Self {
        const NANOSECONDS: i128 = 1_000_000_000;
        Self {
            device: stat.st_dev.into(),
            inode: stat.st_ino.into(),
            mode: stat.st_mode,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: i128::from(stat.st_mtime) * NANOSECONDS + i128::from(stat.st_mtime_nsec),
            changed: i128::from(stat.st_ctime) * NANOSECONDS + i128::from(stat.st_ctime_nsec),
        }
    }

    /// The size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether its owner may execute it.
    pub const fn executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// When it last changed in any way, in nanoseconds since the epoch.
    pub const fn changed(&self) -> i128 {
        self.changed
    }

    /// Whether both are the same file or directory, in whatever state.
    pub const fn same_object(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// What a cache of digests can know a state by: device, inode, size, and the times of the last
    /// write and of the last change of any kind, in nanoseconds since the epoch.
    pub(crate) const fn state(&self) -> [i128; 5] {
        [self.device, self.inode, self.size as i128, self.modified, self.changed]
    }

    /// The type.
    fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }
}

/// What a name below the root leads to.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file that can be read.
    File(Identity),
    /// A directory, open for listing.
    Directory(OwnedFd, Identity),
}

/// A directory below which everything that is recorded lies.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a directory as root. Links on the way to it are the caller's choice and followed.
    ///
    /// # Errors
    /// [`OpenError::Io`] when it is not a directory that can be opened.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::io(path.display().to_string(), source);
        let canonical = path.canonicalize().map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, &canonical, flags, Mode::empty())
            .map_err(|errno| OpenError::io(path.display().to_string(), errno))?;
        Ok(Self { directory, path: canonical })
    }

    /// Its absolute path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its identity now.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the system refuses.
    pub fn identity(&self) -> Result<Identity, OpenError> {
        identity_of(self.directory.as_fd(), "")
    }

    /// The name below the root of the path `given`, which is relative to `directory`.
    ///
    /// `.` and `..` are resolved as text, which is right because links are not followed. An
    /// absolute path may reach the root through links.
    ///
    /// # Errors
    /// [`OpenError`] when the path leads out, is the root, or is no name for a statement.
    pub fn name_of(&self, directory: &Path, given: &Path) -> Result<String, OpenError> {
        let outside = || OpenError::Outside { path: given.to_path_buf(), root: self.path.clone() };
        let absolute = resolved(&directory.join(given)).ok_or_else(outside)?;
        let below = match absolute.strip_prefix(&self.path) {
            Ok(below) => below,
            Err(_) => self.below(&absolute).ok_or_else(outside)?,
        };
        let mut parts = Vec::new();
        for component in below.components() {
            let text = component.as_os_str().to_str();
            parts.push(text.ok_or_else(|| OpenError::NotText { path: given.to_path_buf() })?);
        }
        let name = parts.join("/");
        match parts.len() {
            0 => Err(OpenError::Whole { path: given.to_path_buf() }),
            1..=MAX_DEPTH => Ok(check_artifact_name(&name).map(|()| name)?),
            _ => Err(OpenError::TooDeep { path: name }),
        }
    }

    /// What remains of `absolute` after that ancestor of it which is this root by another path.
    fn below<'a>(&self, absolute: &'a Path) -> Option<&'a Path> {
        let own = self.identity().ok()?;
        absolute.ancestors().take(MAX_DEPTH).find_map(|ancestor| {
            let found = Identity::of(&rustix::fs::stat(ancestor).ok()?);
            if found.same_object(&own) { absolute.strip_prefix(ancestor).ok() } else { None }
        })
    }

    /// Opens what `name` leads to; the root itself when `name` is empty.
    pub(crate) fn open_name(&self, name: &str) -> Result<Opened, OpenError> {
        let Some((parents, last)) = split(name) else {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = openat(&self.directory, ".", flags, Mode::empty())
                .map_err(|errno| OpenError::io(".", errno))?;
            let identity = identity_of(directory.as_fd(), ".")?;
            return Ok(Opened::Directory(directory, identity));
        };
        let parent = self.pass(parents)?;
        self.open_in(parent.as_ref().map_or(self.directory.as_fd(), AsFd::as_fd), last, name)
    }

    /// Opens the entry `last` of the open directory `parent`; `name` is its path for messages.
    pub(crate) fn open_in(
        &self,
        parent: BorrowedFd<'_>,
        last: &str,
        name: &str,
    ) -> Result<Opened, OpenError> {
        let failed = |errno| self.explain(parent, last, name, errno);
        // Looked at before it is opened, because opening a device can have effects. What is
        // true is what the descriptor says afterwards.
        let seen = statat(parent, last, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let directory = match FileType::from_raw_mode(seen.st_mode) {
            FileType::RegularFile => OFlags::empty(),
            FileType::Directory => OFlags::DIRECTORY,
            other => return Err(self.refuse(parent, last, name, other)),
        };
        let opened = openat(parent, last, READ | directory, Mode::empty()).map_err(failed)?;
        let identity = identity_of(opened.as_fd(), name)?;
        match identity.file_type() {
            FileType::RegularFile => Ok(Opened::File(identity)),
            FileType::Directory => Ok(Opened::Directory(opened, identity)),
            other => Err(self.refuse(parent, last, name, other)),
        }
    }

    /// Opens the entry `last` of `parent`, which was seen to be a regular file, and looks neither
    /// before nor after: whoever reads it has to hold its identity against the one that was seen.
    /// What was put in its place since then is opened without effect: no link is followed, and a
    /// FIFO or terminal is neither waited for nor taken.
    pub(crate) fn open_seen(
        &self,
        parent: Option<BorrowedFd<'_>>,
        last: &str,
        name: &str,
    ) -> Result<File, OpenError> {
        let parent = parent.unwrap_or(self.directory.as_fd());
        let opened = openat(parent, last, READ, Mode::empty());
        opened.map(File::from).map_err(|errno| self.explain(parent, last, name, errno))
    }

    /// The identity of the entry `last` of `parent`, unopened; links and special files refused.
    pub(crate) fn look_in(
        &self,
        parent: BorrowedFd<'_>,
        last: &str,
        name: &str,
    ) -> Result<Seen, OpenError> {
        let stat = statat(parent, last, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.explain(parent, last, name, errno))?;
        let identity = Identity::of(&stat);
        match identity.file_type() {
            FileType::RegularFile => Ok(Seen::File(identity)),
            FileType::Directory => Ok(Seen::Directory),
            other => Err(self.refuse(parent, last, name, other)),
        }
    }

    /// Opens the directory `name` for passing through, part by part; `None` is the root.
    pub(crate) fn pass(&self, name: &str) -> Result<Option<OwnedFd>, OpenError> {
        if name.split('/').count() > MAX_DEPTH {
            return Err(OpenError::TooDeep { path: name.into() });
        }
        let flags = PASS | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut current: Option<OwnedFd> = None;
        let mut end = 0;
        for part in name.split('/').filter(|part| !part.is_empty()) {
            end += part.len();
            let parent = current.as_ref().map_or(self.directory.as_fd(), AsFd::as_fd);
            let path = name.get(..end).unwrap_or(name);
            let next = openat(parent, part, flags, Mode::empty())
                .map_err(|errno| self.explain(parent, part, path, errno))?;
            current = Some(next);
            end += 1;
        }
        Ok(current)
    }

    /// Says why opening the entry `last` of `parent` failed.
    fn explain(&self, parent: BorrowedFd<'_>, last: &str, path: &str, errno: Errno) -> OpenError {
        match errno {
            Errno::NOENT => OpenError::NotFound { path: path.into(), root: self.path.clone() },
            Errno::NOTDIR | Errno::LOOP => {
                let seen = statat(parent, last, AtFlags::SYMLINK_NOFOLLOW);
                match seen.map(|seen| FileType::from_raw_mode(seen.st_mode)) {
                    Ok(FileType::Symlink) => self.refuse(parent, last, path, FileType::Symlink),
                    _ => OpenError::NotADirectory { path: path.into() },
                }
            }
            _ => OpenError::io(path, errno),
        }
    }

    /// Says why a thing of this type is not opened.
    fn refuse(&self, parent: BorrowedFd<'_>, last: &str, path: &str, found: FileType) -> OpenError {
        let what = match found {
            FileType::Symlink => {
                let target = readlinkat(parent, last, Vec::new())
                    .map(|target| PathBuf::from(target.to_string_lossy().into_owned()))
                    .unwrap_or_default();
                return OpenError::Link { path: path.into(), target };
            }
            FileType::Fifo => "a FIFO",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            _ => "neither a file nor a directory",
        };
        OpenError::Special { path: path.into(), what }
    }
}

/// What an entry of a directory is, before it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    /// A regular file.
    File(Identity),
    /// A directory.
    Directory,
}

/// The identity of an open file or directory.
pub(crate) fn identity_of(opened: BorrowedFd<'_>, path: &str) -> Result<Identity, OpenError> {
    fstat(opened).map(|stat| Identity::of(&stat)).map_err(|errno| OpenError::io(path, errno))
}

/// The directory and the last part of a name; `None` when the name is empty.
pub(crate) fn split(name: &str) -> Option<(&str, &str)> {
    match name.rsplit_once('/') {
        Some(parts) => Some(parts),
        None if name.is_empty() => None,
        None => Some(("", name)),
    }
}

/// The path without `.` and `..`; `None` when it leads above the top.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !found.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            other => found.push(other),
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::create_dir_all(real.join("sub")).unwrap();
        symlink(&real, folder.path().join("alias")).unwrap();
        let root = Root::open(&real).unwrap();
        let directory = root.path().join("sub");
        let cases = [
            ("a", Ok("sub/a")),
            ("./a//b/.", Ok("sub/a/b")),
            ("../a", Ok("a")),
            ("x/../../y", Ok("y")),
            ("../../a", Err("outside")),
            ("/etc/passwd", Err("outside")),
            ("../../../../../../../../../..", Err("outside")),
            ("..", Err("the root itself")),
            ("a\u{202E}b", Err("rename it")),
            ("e\u{301}", Err("rename it")),
            ("a\\b", Err("rename it")),
        ];
        for (given, want) in cases {
            let found = root.name_of(&directory, Path::new(given)).map_err(|why| why.to_string());
            match want {
                Ok(name) => assert_eq!(found.as_deref(), Ok(name), "{given}"),
                Err(part) => assert!(found.as_ref().unwrap_err().contains(part), "{found:?}"),
            }
        }
        let through_a_link = folder.path().join("alias/sub/a");
        assert_eq!(root.name_of(&directory, &through_a_link).unwrap(), "sub/a");
        let deep = "d/".repeat(MAX_DEPTH);
        assert!(matches!(
            root.name_of(&directory, Path::new(&deep)),
            Err(OpenError::TooDeep { .. })
        ));
    }

    #[test]
    fn only_files_and_directories_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/file"), "x").unwrap();
        fs::write(at("plain"), "x").unwrap();
        symlink("sub/file", at("link")).unwrap();
        symlink("sub", at("way")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        rustix::fs::mkfifoat(CWD, at("pipe"), Mode::RUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let cases = [
            ("plain", None),
            ("sub", None),
            ("sub/file", None),
            ("", None),
            ("absent", Some("`absent` does not exist")),
            ("absent/file", Some("`absent` does not exist")),
            ("plain/file", Some("`plain` is not a directory")),
            ("link", Some("`link` is a link to `sub/file`")),
            ("way/file", Some("`way` is a link to `sub`")),
            ("loop", Some("`loop` is a link to `loop`")),
            ("loop/file", Some("`loop` is a link to `loop`")),
            ("dangling", Some("is a link to `nowhere`")),
            ("pipe", Some("is a FIFO")),
            ("socket", Some("is a socket")),
        ];
        for (name, want) in cases {
            match (root.open_name(name), want) {
                (Ok(_), None) => {}
                (Err(found), Some(want)) => {
                    assert!(found.to_string().contains(want), "{name}: {found}");
                }
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        let devices = Root::open(Path::new("/dev")).unwrap();
        let found = devices.open_name("null").unwrap_err().to_string();
        assert!(found.contains("is a device"), "{found}");
    }
}
