//! What there is at the path of a model (section 6.1), and the digests of what is listed.
//!
//! Nothing is passed over in silence: what is left out, and what cannot be signed, is listed as
//! well. Links are not followed unless the serialization says so (section 6.1.1); then what a
//! link leads to is found once, and opened without following any link.

use std::fs;
use std::path::Path;

use super::MAX_RESOURCES;
use super::cache::Cache;
use super::serialization::Serialization;
use super::walk::Walk;
use crate::content::MAX_ENTRIES;
use crate::hash::{HashError, Listed, Piece, Progress, hash_pieces};
use crate::root::{OpenError, Root};

/// Into how many directories the links of one model may lead.
pub const MAX_LINKED_DIRECTORIES: usize = 64;

/// Why a model cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// Something cannot be opened, or has no digest.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// More than [`MAX_ENTRIES`] files and directories.
    #[error("the model has more than {MAX_ENTRIES} files and directories")]
    TooMany,
    /// More than [`MAX_RESOURCES`].
    #[error("the model has more than {MAX_RESOURCES} files or shards: make the shards larger")]
    TooManyResources,
    /// Links into more than [`MAX_LINKED_DIRECTORIES`].
    #[error("links of the model lead into more than {MAX_LINKED_DIRECTORIES} directories")]
    TooManyLinked,
}

impl From<OpenError> for ScanError {
    fn from(error: OpenError) -> Self {
        Self::Hash(error.into())
    }
}

/// A file of a model, unread.
#[derive(Clone, Debug)]
pub struct ScannedFile {
    /// Its name in the model.
    pub name: String,
    /// The directory that it is opened below: 0 is the model's, the others are those of links.
    pub(super) root: usize,
    pub(super) listed: Listed,
}

impl ScannedFile {
    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.listed.identity.size()
    }
}

/// Something that is there and not signed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Skipped {
    /// Its name in the model.
    pub name: String,
    /// Why it is not.
    pub why: WhySkipped,
}

/// Why something is not signed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum WhySkipped {
    /// It is in an ignored path.
    Ignored,
    /// It is the signature.
    Signature,
    /// It is empty, and shards have no stretch for it (section 6.3.2).
    Empty,
}

impl WhySkipped {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Signature => "signature",
            Self::Empty => "empty",
        }
    }
}

/// Something that no model may hold, outside of ignored paths.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Refused {
    /// Its name in the model.
    pub name: String,
    /// Why, in words.
    pub why: String,
}

/// A file with the digests of its stretches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HashedFile {
    /// Its name in the model.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its stretches, in order; none for an empty file in shards.
    pub stretches: Vec<HashedStretch>,
}

/// A stretch of a file with its digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HashedStretch {
    /// Where it begins and ends.
    pub range: (u64, u64),
    /// The digest of its bytes.
    pub digest: Vec<u8>,
}

/// What there is at the path of a model.
#[derive(Debug)]
pub struct Scan {
    pub(super) name: String,
    pub(super) is_file: bool,
    pub(super) signature: Option<String>,
    pub(super) roots: Vec<Root>,
    pub(super) files: Vec<ScannedFile>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) refused: Vec<Refused>,
    pub(super) notes: Vec<String>,
}

impl Scan {
    /// Lists what is at `path`, unread.
    ///
    /// `signature` is left out, if it is inside. What is `listed` is never left out, whatever
    /// the serialization ignores.
    ///
    /// # Errors
    /// [`ScanError`] when something cannot be looked at, or there is too much.
    pub fn of(
        path: &Path,
        serialization: &Serialization,
        signature: Option<&Path>,
        listed: &dyn Fn(&str) -> bool,
    ) -> Result<Self, ScanError> {
        let is_directory = fs::metadata(path).is_ok_and(|found| found.is_dir());
        // A folder by whatever way; a file by its own name, which may be that of a link.
        let name = match path.file_name() {
            Some(name) => name.to_str().map(str::to_owned),
            None => {
                let real = path
                    .canonicalize()
                    .map_err(|error| OpenError::io(path.display().to_string(), error))?;
                real.file_name().and_then(|name| name.to_str()).map(str::to_owned)
            }
        };
        let name = name.ok_or_else(|| OpenError::NotText { path: path.into() })?;
        let empty = Self {
            name,
            is_file: !is_directory,
            signature: None,
            roots: Vec::new(),
            files: Vec::new(),
            skipped: Vec::new(),
            refused: Vec::new(),
            notes: Vec::new(),
        };
        let mut found = Walk::new(empty, serialization, signature, listed).run(path)?;
        found.files.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        found.skipped.sort_unstable();
        found.refused.sort_unstable();
        Ok(found)
    }

    /// The last part of the path: what to call the model (section 6.5).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the model is one file.
    pub const fn is_file(&self) -> bool {
        self.is_file
    }

    /// The name of the signature in the model, whether it is there yet or not; `None` outside.
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// The files, by name.
    pub fn files(&self) -> &[ScannedFile] {
        &self.files
    }

    /// What is there and left out, by name.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What no model may hold, by name: links that are not followed, devices and the like.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// What a person has to know of links that were followed, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads the files that are `wanted`, cut as the serialization says, in the order of names.
    /// What the cache knows is not read.
    ///
    /// # Errors
    /// [`ScanError`] when one cannot be read or has moved since, or there are too many stretches.
    pub fn hash(
        &self,
        serialization: &Serialization,
        wanted: &dyn Fn(&ScannedFile) -> bool,
        cache: Option<&mut Cache>,
        progress: &dyn Progress,
    ) -> Result<Vec<HashedFile>, ScanError> {
        let files: Vec<&ScannedFile> = self.files.iter().filter(|file| wanted(file)).collect();
        let count = files.iter().map(|file| serialization.pieces(file.size()));
        // Not more than can be in a manifest are kept, or computed.
        if count.fold(0, u64::saturating_add) > MAX_RESOURCES as u64 {
            return Err(ScanError::TooManyResources);
        }
        let mut pieces = Vec::new();
        for file in &files {
            let root = self.roots.get(file.root).ok_or(ScanError::TooManyLinked)?;
            let cut = serialization.cut(file.size());
            pieces.extend(cut.map(|(start, end)| Piece { root, file: &file.listed, start, end }));
        }
        let algorithm = serialization.hash();
        let known: Vec<Option<Vec<u8>>> = match &cache {
            Some(cache) => pieces.iter().map(|piece| cache.get(algorithm, piece)).collect(),
            None => vec![None; pieces.len()],
        };
        let unknown: Vec<Piece<'_>> = (pieces.iter().zip(&known))
            .filter(|(_, known)| known.is_none())
            .map(|(piece, _)| *piece)
            .collect();
        progress.start(unknown.iter().map(|piece| piece.end.saturating_sub(piece.start)).sum());
        let read = hash_pieces(algorithm, &unknown, progress);
        progress.finish();
        let read = read?;
        if let Some(cache) = cache {
            for (piece, digest) in unknown.iter().zip(&read) {
                cache.put(algorithm, piece, digest);
            }
        }
        let mut read = read.into_iter();
        let mut digests = known.into_iter().map(|known| known.or_else(|| read.next()));
        let hashed = |file: &&ScannedFile| HashedFile {
            name: file.name.clone(),
            size: file.size(),
            stretches: serialization
                .cut(file.size())
                .map(|range| HashedStretch {
                    range,
                    digest: digests.next().flatten().unwrap_or_default(),
                })
                .collect(),
        };
        Ok(files.iter().map(hashed).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn scan(path: &Path, serialization: &Serialization) -> Scan {
        Scan::of(path, serialization, None, &|_| false).unwrap()
    }

    fn names(scan: &Scan) -> Vec<&str> {
        scan.files().iter().map(|file| file.name.as_str()).collect()
    }

    fn skipped(scan: &Scan) -> Vec<(&str, WhySkipped)> {
        scan.skipped().iter().map(|one| (one.name.as_str(), one.why)).collect()
    }

    /// A folder with these files, each holding its name.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_left_out_is_listed() {
        let files = ["a", ".git/HEAD", ".gitignore", "sub/.git/HEAD", "cache/x/y", "model.sig"];
        let folder = folder(&files);
        symlink("nowhere", folder.path().join("cache/link")).unwrap();
        let ignoring = Serialization::default().with_ignored(["cache".to_owned()]).unwrap();
        let signature = folder.path().join("model.sig");
        let found = Scan::of(folder.path(), &ignoring, Some(&signature), &|_| false).unwrap();
        assert_eq!(names(&found), ["a", "sub/.git/HEAD"]);
        let ignored = WhySkipped::Ignored;
        let want = [
            (".git/HEAD", ignored),
            (".gitignore", ignored),
            ("cache/link", ignored),
            ("cache/x/y", ignored),
            ("model.sig", WhySkipped::Signature),
        ];
        assert_eq!(skipped(&found), want);
        assert!(found.refused().is_empty());
        assert_eq!(found.signature(), Some("model.sig"));
        // What a manifest lists is looked at, whatever it says is ignored.
        let listed = |name: &str| matches!(name, ".git/HEAD" | "cache/link" | "model.sig");
        let found = Scan::of(folder.path(), &ignoring, Some(&signature), &listed).unwrap();
        assert_eq!(names(&found), [".git/HEAD", "a", "model.sig", "sub/.git/HEAD"]);
        assert_eq!(found.refused()[0].name, "cache/link");
    }

    #[test]
    fn links_are_refused_or_followed_as_far_as_they_lead() {
        let folder = folder(&["model/a", "model/sub/b", "blobs/c"]);
        let model = folder.path().join("model");
        symlink("a", model.join("alias")).unwrap();
        symlink("../blobs/c", model.join("outside")).unwrap();
        symlink("sub", model.join("way")).unwrap();
        symlink("..", model.join("sub/up")).unwrap();
        symlink("nowhere", model.join("dangling")).unwrap();
        symlink("/dev/null", model.join("device")).unwrap();
        let refused =
            |scan: &Scan| scan.refused().iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let found = scan(&model, &Serialization::default());
        assert_eq!(names(&found), ["a", "sub/b"]);
        let links = ["alias", "dangling", "device", "outside", "sub/up", "way"];
        assert_eq!(refused(&found), links);

        let following = Serialization::default().with_symlinks();
        let found = scan(&model, &following);
        assert_eq!(names(&found), ["a", "alias", "outside", "sub/b", "way/b"]);
        assert_eq!(refused(&found), ["dangling", "device"]);
        let notes = found.notes().join("\n");
        for part in ["`outside` leads out of the model", "`sub/up` leads back"] {
            assert!(notes.contains(part), "{notes}");
        }
        let read = found.hash(&following, &|_| true, None, &crate::hash::Silent).unwrap();
        let digest = |name: &str| {
            let file = read.iter().find(|file| file.name == name).unwrap();
            file.stretches[0].digest.clone()
        };
        assert_eq!(digest("alias"), digest("a"));
        assert_eq!(digest("way/b"), digest("sub/b"));
    }

    #[test]
    fn a_model_of_one_file() {
        let folder = folder(&["m.bin"]);
        let path = folder.path().join("m.bin");
        let found = scan(&path, &Serialization::default());
        assert_eq!((found.name(), names(&found), found.is_file()), ("m.bin", vec!["m.bin"], true));
        let as_reference =
            Scan::of(&path, &Serialization::default(), None, &|name| name == ".").unwrap();
        assert_eq!(names(&as_reference), ["."]);
        symlink("m.bin", folder.path().join("link")).unwrap();
        let link = folder.path().join("link");
        assert_eq!(scan(&link, &Serialization::default()).refused().len(), 1);
        assert_eq!(names(&scan(&link, &Serialization::default().with_symlinks())), ["link"]);
        assert!(
            Scan::of(&folder.path().join("none"), &Serialization::default(), None, &|_| false)
                .is_err()
        );
    }

    #[test]
    fn an_empty_file_is_no_shard_and_is_said_to_be_none() {
        let folder = folder(&["a"]);
        fs::write(folder.path().join("empty"), "").unwrap();
        let shards = super::super::Method::Shards(std::num::NonZeroU64::new(1).unwrap());
        let shards = Serialization::new(shards, crate::hash::HashAlgorithm::Sha256);
        assert_eq!(skipped(&scan(folder.path(), &shards)), [("empty", WhySkipped::Empty)]);
        assert!(skipped(&scan(folder.path(), &Serialization::default())).is_empty());
    }
}
