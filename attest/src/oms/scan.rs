//! What there is at the path of a model (section 6.1), and the digests of what is listed.
//!
//! Nothing is passed over in silence: what is left out, and what cannot be signed, is listed as
//! well. Links are not followed unless the serialization says so (section 6.1.1); then what a
//! link leads to is found once, and opened without following any link.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Dir;

use super::MAX_RESOURCES;
use super::cache::Cache;
use super::names::{MAX_NAME_BYTES, ONLY_FILE};
use super::serialization::Serialization;
use crate::content::MAX_ENTRIES;
use crate::hash::{HashError, Listed, Piece, Progress, hash_pieces};
use crate::root::{Identity, MAX_DEPTH, OpenError, Opened, Root, Seen};

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
    root: usize,
    listed: Listed,
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
    name: String,
    is_file: bool,
    signature: Option<String>,
    roots: Vec<Root>,
    files: Vec<ScannedFile>,
    skipped: Vec<Skipped>,
    refused: Vec<Refused>,
    notes: Vec<String>,
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
                let real = path.canonicalize().map_err(|error| io(path, error))?;
                real.file_name().and_then(|name| name.to_str()).map(str::to_owned)
            }
        };
        let name = name.ok_or_else(|| OpenError::NotText { path: path.into() })?;
        let signature = signature.and_then(real);
        let mut walk = Walk {
            serialization,
            signature,
            listed,
            above: Vec::new(),
            seen: 0,
            linked: BTreeMap::new(),
            found: Self {
                name,
                is_file: !is_directory,
                signature: None,
                roots: Vec::new(),
                files: Vec::new(),
                skipped: Vec::new(),
                refused: Vec::new(),
                notes: Vec::new(),
            },
        };
        if is_directory {
            let root = Root::open(path)?;
            let inside =
                walk.signature.as_ref().and_then(|path| path.strip_prefix(root.path()).ok());
            walk.found.signature = inside.and_then(Path::to_str).map(str::to_owned);
            walk.found.roots.push(root);
            walk.directory(0, "", "")?;
        } else {
            let parent = path.parent().filter(|parent| *parent != Path::new(""));
            walk.found.roots.push(Root::open(parent.unwrap_or(Path::new(".")))?);
            walk.only_file()?;
        }
        let mut found = walk.found;
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

/// A model that is being listed.
struct Walk<'a> {
    serialization: &'a Serialization,
    /// The real path of the signature.
    signature: Option<PathBuf>,
    listed: &'a dyn Fn(&str) -> bool,
    /// The directories on the way, so that no link leads back into one of them.
    above: Vec<Identity>,
    seen: usize,
    /// The roots of directories that links lead into.
    linked: BTreeMap<PathBuf, usize>,
    found: Scan,
}

impl Walk<'_> {
    /// The one file of a model.
    fn only_file(&mut self) -> Result<(), ScanError> {
        let name = self.found.name.clone();
        let in_model = if (self.listed)(ONLY_FILE) { ONLY_FILE.to_owned() } else { name.clone() };
        let root = self.found.roots.first().ok_or(ScanError::TooManyLinked)?;
        match root.open_name(&name) {
            Ok(Opened::File(_, identity)) => {
                self.found.files.push(ScannedFile {
                    name: in_model,
                    root: 0,
                    listed: Listed { name, identity },
                });
                Ok(())
            }
            Err(OpenError::Link { .. }) => {
                let path = root.path().join(&name);
                self.link(&path, &in_model)
            }
            Ok(Opened::Directory(..)) => Err(HashError::Changed { path: name }.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds what is in the directory `inner` of a root, whose name in the model is `outer`.
    fn directory(&mut self, root: usize, inner: &str, outer: &str) -> Result<(), ScanError> {
        let opened = match self.root(root)?.open_name(inner)? {
            Opened::Directory(directory, identity) => (directory, identity),
            Opened::File(..) => return Err(HashError::Changed { path: outer.into() }.into()),
        };
        self.opened(root, &opened.0, opened.1, inner, outer)
    }

    /// The same for one that is open. Recursion ends at [`MAX_DEPTH`].
    fn opened(
        &mut self,
        root: usize,
        directory: &OwnedFd,
        identity: Identity,
        inner: &str,
        outer: &str,
    ) -> Result<(), ScanError> {
        if self.above.len() > MAX_DEPTH || outer.len() > MAX_NAME_BYTES {
            return Err(OpenError::TooDeep { path: outer.into() }.into());
        }
        self.above.push(identity);
        let failed = |errno| OpenError::io(outer, errno);
        let mut below: Vec<String> = Vec::new();
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > MAX_ENTRIES {
                return Err(ScanError::TooMany);
            }
            let Ok(last) = std::str::from_utf8(bytes) else {
                let name = joined(outer, &String::from_utf8_lossy(bytes));
                self.irregular(name, "its name is not UTF-8".into());
                continue;
            };
            let (in_root, in_model) = (joined(inner, last), joined(outer, last));
            match self.root(root)?.look_in(directory.as_fd(), last, &in_root) {
                Ok(Seen::File(identity)) => self.file(root, in_root, in_model, identity),
                Ok(Seen::Directory) => below.push(last.to_owned()),
                Err(OpenError::Link { target, .. }) => {
                    if self.serialization.allow_symlinks() && !self.is_left_out(&in_model) {
                        let path = self.root(root)?.path().join(&in_root);
                        self.link(&path, &in_model)?;
                    } else {
                        let why = format!("a link to `{}`", target.display());
                        self.irregular(in_model, why);
                    }
                }
                Err(OpenError::Special { what, .. }) => self.irregular(in_model, what.into()),
                Err(error) => return Err(error.into()),
            }
        }
        for last in below {
            let (in_root, in_model) = (joined(inner, &last), joined(outer, &last));
            let opened = self.root(root)?.open_in(directory.as_fd(), &last, &in_root)?;
            match opened {
                Opened::Directory(opened, identity) => {
                    self.opened(root, &opened, identity, &in_root, &in_model)?;
                }
                Opened::File(..) => return Err(HashError::Changed { path: in_model }.into()),
            }
        }
        self.above.pop();
        Ok(())
    }

    /// Adds what the link at `path`, called `name` in the model, leads to.
    fn link(&mut self, path: &Path, name: &str) -> Result<(), ScanError> {
        if !self.serialization.allow_symlinks() {
            let target = fs::read_link(path).unwrap_or_default();
            self.irregular(name.into(), format!("a link to `{}`", target.display()));
            return Ok(());
        }
        let Ok(target) = path.canonicalize() else {
            self.irregular(name.into(), "a link that leads nowhere".into());
            return Ok(());
        };
        if !self.found.is_file && !target.starts_with(self.root(0)?.path()) {
            let note = format!("`{name}` leads out of the model, to `{}`", target.display());
            self.found.notes.push(note);
        }
        // The real path has no link on it; what it leads to is opened without following any.
        let (Some(parent), Some(last)) =
            (target.parent(), target.file_name().and_then(|last| last.to_str()))
        else {
            self.irregular(name.into(), "a link to what has no name".into());
            return Ok(());
        };
        let root = match self.linked.get(parent) {
            Some(root) => *root,
            None if self.linked.len() >= MAX_LINKED_DIRECTORIES => {
                return Err(ScanError::TooManyLinked);
            }
            None => {
                self.found.roots.push(Root::open(parent)?);
                let root = self.found.roots.len() - 1;
                self.linked.insert(parent.to_owned(), root);
                root
            }
        };
        match self.root(root)?.open_name(last) {
            Ok(Opened::File(_, identity)) => self.file(root, last.into(), name.into(), identity),
            Ok(Opened::Directory(directory, identity)) => {
                if self.above.iter().any(|above| above.same_object(&identity)) {
                    let note =
                        format!("`{name}` leads back into a folder that it is in: not followed");
                    self.found.notes.push(note);
                    return Ok(());
                }
                self.opened(root, &directory, identity, last, name)?;
            }
            Err(OpenError::Special { what, .. }) => self.irregular(name.into(), what.into()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn file(&mut self, root: usize, in_root: String, in_model: String, identity: Identity) {
        let is_signature = self.signature.as_ref().is_some_and(|signature| {
            let root = self.found.roots.get(root);
            root.is_some_and(|root| root.path().join(&in_root) == *signature)
        });
        if is_signature && !(self.listed)(&in_model) {
            self.found.skipped.push(Skipped { name: in_model, why: WhySkipped::Signature });
            return;
        }
        if self.is_left_out(&in_model) {
            self.found.skipped.push(Skipped { name: in_model, why: WhySkipped::Ignored });
            return;
        }
        let nothing = self.serialization.pieces(identity.size()) == 0;
        if nothing {
            let why = WhySkipped::Empty;
            self.found.skipped.push(Skipped { name: in_model.clone(), why });
        }
        let listed = Listed { name: in_root, identity };
        self.found.files.push(ScannedFile { name: in_model, root, listed });
    }

    /// Something that is neither a file nor a directory: refused, unless it is left out.
    fn irregular(&mut self, name: String, why: String) {
        if self.is_left_out(&name) {
            self.found.skipped.push(Skipped { name, why: WhySkipped::Ignored });
        } else {
            self.found.refused.push(Refused { name, why });
        }
    }

    fn is_left_out(&self, name: &str) -> bool {
        self.serialization.ignores(name) && !(self.listed)(name)
    }

    fn root(&self, place: usize) -> Result<&Root, ScanError> {
        self.found.roots.get(place).ok_or(ScanError::TooManyLinked)
    }
}

/// The path without links, of what may not be there yet.
fn real(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

fn joined(folder: &str, last: &str) -> String {
    if folder.is_empty() { last.to_owned() } else { format!("{folder}/{last}") }
}

fn io(path: &Path, error: std::io::Error) -> OpenError {
    OpenError::io(path.display().to_string(), error)
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
