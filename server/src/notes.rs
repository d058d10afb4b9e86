//! The notes of registers that were seen: the newest of each, and both notes of one that took
//! something back.
//!
//! They stand in `monitor`, beside the file of what was seen ([`crate::seen`]). A size and a root
//! are enough to notice a fork; to show it to somebody else takes both signed notes (THREATS 27).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use attest::note::MAX_BYTES;
use attest::{Checkpoint, Sha256};

use crate::monitor::Split;
use crate::witness::durable;

const FOLDER: &str = "monitor";

/// Where notes are kept.
#[derive(Clone, Debug)]
pub struct Notes {
    folder: PathBuf,
}

impl Notes {
    /// Those beside the file of what was seen.
    pub fn beside(seen: &Path) -> Self {
        Self { folder: seen.with_file_name(FOLDER) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the newest note of the log `origin`, to have it when a later one contradicts it. A
    /// power cut may take it away: what was seen is remembered elsewhere.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, origin: &str, note: &str) -> io::Result<()> {
        private_folder(&self.folder)?;
        let path = self.newest(origin);
        // Several processes may do so at once.
        let new = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, note)?;
        fs::rename(&new, &path)
    }

    /// Keeps both notes of a log that took something back, `what` it did by its name, and says
    /// where: that before, and that now. Of what nobody has a note, the checkpoint is kept.
    ///
    /// # Errors
    /// When they cannot be written; whoever found them must act on it all the same.
    pub fn keep_evidence(&self, what: &str, split: &Split) -> io::Result<[PathBuf; 2]> {
        let Split { now, note, before } = split;
        let at: String = Sha256::of(note.as_bytes()).hex().chars().take(16).collect();
        let name = Sha256::of(now.origin.as_bytes()).hex();
        let folder = self.folder.join(format!("{name}-{what}-{at}"));
        private_folder(&self.folder)?;
        private_folder(&folder)?;
        let paths = [folder.join("before.note"), folder.join("now.note")];
        let origin = now.origin.clone();
        let mark = Checkpoint { origin, size: before.size, root: before.root }.to_string();
        let kept = durable::read(&self.newest(&now.origin), MAX_BYTES as u64).ok().flatten();
        let kept = kept.filter(|note| note.starts_with(&mark));
        let [earlier, later] = &paths;
        // Found again, it is kept as it was found first.
        if !earlier.exists() || kept.is_some() {
            durable::replace(earlier, kept.unwrap_or(mark).as_bytes())?;
        }
        durable::replace(later, note.as_bytes())?;
        Ok(paths)
    }

    fn newest(&self, origin: &str) -> PathBuf {
        self.folder.join(format!("{}.note", Sha256::of(origin.as_bytes()).hex()))
    }
}

/// Makes a folder that only its owner may enter.
fn private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}
