//! The files among which a layout's links lie, as somebody else read them.

use std::collections::BTreeMap;

use super::MAX_SUBLAYOUTS;

/// How many files there may be, those of sublayouts included.
pub const MAX_LINK_FILES: usize = 10_000;
/// How many bytes the files may have together.
pub const MAX_LINK_BYTES: usize = 256 << 20;

/// A folder of links. The links of a sublayout lie in a folder below.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LinkFolder {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeMap<String, LinkFolder>,
    count: usize,
    bytes: usize,
}

/// Why a file is not taken in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Too many files.
    #[error("more than {MAX_LINK_FILES} links")]
    TooManyFiles,
    /// Too many bytes.
    #[error("links of more than {MAX_LINK_BYTES} bytes together")]
    TooLarge,
    /// Below more folders than sublayouts may be deep.
    #[error("folders of links nested deeper than {MAX_SUBLAYOUTS} levels")]
    TooDeep,
}

impl LinkFolder {
    /// Takes in a file: the folders that lead to it, its name, its bytes.
    ///
    /// # Errors
    /// [`FolderError`] when there would be too much; then nothing is taken in.
    pub fn insert(
        &mut self,
        folders: &[&str],
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<(), FolderError> {
        if folders.len() > MAX_SUBLAYOUTS {
            return Err(FolderError::TooDeep);
        }
        if self.count >= MAX_LINK_FILES {
            return Err(FolderError::TooManyFiles);
        }
        if self.bytes.saturating_add(bytes.len()) > MAX_LINK_BYTES {
            return Err(FolderError::TooLarge);
        }
        self.count += 1;
        self.bytes += bytes.len();
        let mut folder = self;
        for below in folders {
            folder = folder.folders.entry((*below).to_owned()).or_default();
        }
        folder.files.insert(name.to_owned(), bytes);
        Ok(())
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The folder of this name.
    pub fn folder(&self, name: &str) -> Option<&Self> {
        self.folders.get(name)
    }

    /// How many files there are, those of folders below included.
    pub const fn count(&self) -> usize {
        self.count
    }
}
