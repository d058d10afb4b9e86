//! The few file operations on which the register's durability rests.
//!
//! Everything that must survive a power cut (the journal, the published head) goes through these
//! two traits and nothing else does, so that a test can lose, tear or refuse any single
//! operation. Paths are relative to the register's folder and use `/`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A folder with files.
pub(super) trait Disk: Send + Sync {
    /// Names of the files in `folder`, in no order; none when the folder does not exist.
    ///
    /// # Errors
    /// As the file system reports them.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes `folder` if it is missing. Lasting after [`Disk::sync_folder`] of its parent.
    ///
    /// # Errors
    /// As the file system reports them.
    fn make_folder(&self, folder: &str) -> io::Result<()>;

    /// Opens an empty file for reading and writing; an older one is emptied.
    ///
    /// # Errors
    /// As the file system reports them.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none; others as the file system reports them.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it. Lasting after [`Disk::sync_folder`].
    ///
    /// # Errors
    /// As the file system reports them.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names in `folder` (the register's own folder for an empty path) last.
    ///
    /// # Errors
    /// As the file system reports them. After an error nothing is known about what lasts.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
}

/// An open file.
pub(super) trait DiskFile: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// As the file system reports them.
    fn length(&self) -> io::Result<u64>;

    /// Makes the file `length` bytes long with room on disk for all of them; new bytes are zero.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room; others as the file system reports.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts the file off at `length` bytes and gives the room behind back to the disk. Lasting after
    /// [`DiskFile::sync`].
    ///
    /// # Errors
    /// As the file system reports them.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends first; others as the system reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes `bytes` at `offset`. Lasting after [`DiskFile::sync`].
    ///
    /// # Errors
    /// As the file system reports them; some of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes everything written to the file last (`fdatasync`).
    ///
    /// # Errors
    /// As the file system reports them. After an error nothing is known about what lasts, and
    /// another call may report success without having written anything.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Clone, Debug)]
pub(super) struct FolderDisk {
    root: PathBuf,
}

impl FolderDisk {
    /// The files under `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Disk for FolderDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A name that is not UTF-8 is none of ours.
        entries
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(folder))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Box::new(options.open(self.root.join(path))?))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.root.join(path))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.root.join(folder))?.sync_all()
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        match fallocate(self, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve room; writing zeros does the same, more slowly.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                let zeros = [0; 1 << 16];
                let mut offset = self.length()?;
                while offset < length {
                    let count = usize::try_from(length - offset)
                        .map_or(zeros.len(), |left| left.min(zeros.len()));
                    self.write_all_at(zeros.get(..count).unwrap_or_default(), offset)?;
                    offset += count as u64;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
