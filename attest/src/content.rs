//! What stands at a path, as an artifact: a file, a directory, or an OCI image layout folder.
//!
//! The identity of what stands at a path never depends on who asks: recording a step and looking
//! a path up later give the same artifact. [`list`] finds out what there is without reading it,
//! [`digest`] reads what was listed. A listing taken later is equal exactly when nothing moved.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::Dir;

use crate::artifact::ArtifactId;
use crate::digest::Sha256;
use crate::hash::{HashError, Listed, Progress, hash_files, read_file};
use crate::oci::{self, OciError};
use crate::root::{MAX_DEPTH, OpenError, Opened, Root, Seen};
use crate::tree::{self, Entry, Manifest, TreeError};

/// How many files and directories one directory may hold, at all depths.
pub const MAX_ENTRIES: usize = 1_000_000;

/// Why what stands at a path is no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A file cannot be opened, or has no digest.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The directory is no tree that can be named.
    #[error("`{path}`: {source}")]
    Tree {
        /// The path of the directory.
        path: String,
        /// What is wrong.
        source: TreeError,
    },
    /// The folder looks like an OCI image layout, and is none.
    #[error("`{path}`: {source}")]
    Oci {
        /// The path of the folder.
        path: String,
        /// What is wrong.
        source: OciError,
    },
    /// More than [`MAX_ENTRIES`] files and directories.
    #[error("`{path}` holds more than {MAX_ENTRIES} files and directories")]
    TooMany {
        /// The path of the directory.
        path: String,
    },
}

impl From<OpenError> for ContentError {
    fn from(error: OpenError) -> Self {
        Self::Hash(error.into())
    }
}

/// What stands below a name, unread: equal to another listing exactly when nothing moved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listing {
    name: String,
    is_file: bool,
    /// In the order of their names.
    files: Vec<Listed>,
    /// With their identities; a file that came and went shows in that of its directory.
    directories: Vec<Listed>,
}

impl Listing {
    /// The name that was listed; empty for the root itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is one file, not a directory.
    pub const fn is_file(&self) -> bool {
        self.is_file
    }

    /// The files, in the order of their names.
    pub fn files(&self) -> &[Listed] {
        &self.files
    }

    /// How many bytes the files have together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.identity.size()).sum()
    }

    /// When the last of it changed, in nanoseconds since the epoch.
    pub fn changed(&self) -> i128 {
        let all = self.files.iter().chain(&self.directories);
        all.map(|listed| listed.identity.changed()).max().unwrap_or(0)
    }
}

/// What stands below a name, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The documents that say what the artifact contains, outermost first; none for a file.
    pub manifests: Vec<ManifestBytes>,
    /// The digests of its files, in the order of [`Listing::files`].
    pub files: Vec<Sha256>,
}

/// A document that says what an artifact contains.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ManifestBytes {
    /// Its media type; see [`crate::manifest`].
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Lists what stands below `name`; the whole root when it is empty.
///
/// # Errors
/// [`ContentError`] when there is a link, a FIFO or the like, or too much.
pub fn list(root: &Root, name: &str) -> Result<Listing, ContentError> {
    let mut found =
        Listing { name: name.into(), is_file: false, files: Vec::new(), directories: Vec::new() };
    match root.open_name(name)? {
        Opened::File(identity) => {
            found.is_file = true;
            found.files.push(Listed { name: name.into(), identity });
        }
        Opened::Directory(directory, identity) => {
            let mut seen = 0;
            walk(root, &mut found, &mut seen, 0, &directory, name)?;
            found.directories.push(Listed { name: name.into(), identity });
            found.files.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            found.directories.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        }
    }
    Ok(found)
}

/// Adds the entries of one directory. Recursion ends at [`MAX_DEPTH`].
fn walk(
    root: &Root,
    found: &mut Listing,
    seen: &mut usize,
    depth: usize,
    directory: &std::os::fd::OwnedFd,
    name: &str,
) -> Result<(), ContentError> {
    if depth > MAX_DEPTH {
        return Err(OpenError::TooDeep { path: name.into() }.into());
    }
    let failed = |errno| OpenError::io(name, errno);
    let mut below: Vec<(String, String)> = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let bytes = entry.file_name().to_bytes();
        if matches!(bytes, b"." | b"..") {
            continue;
        }
        *seen += 1;
        if *seen > MAX_ENTRIES {
            return Err(ContentError::TooMany { path: found.name.clone() });
        }
        let Ok(last) = std::str::from_utf8(bytes) else {
            let path = Path::new(name).join(String::from_utf8_lossy(bytes).as_ref());
            return Err(OpenError::NotText { path }.into());
        };
        let path = if name.is_empty() { last.to_owned() } else { format!("{name}/{last}") };
        match root.look_in(directory.as_fd(), last, &path)? {
            Seen::File(identity) => found.files.push(Listed { name: path, identity }),
            Seen::Directory => below.push((last.to_owned(), path)),
        }
    }
    for (last, path) in below {
        match root.open_in(directory.as_fd(), &last, &path)? {
            Opened::Directory(opened, identity) => {
                walk(root, found, seen, depth + 1, &opened, &path)?;
                found.directories.push(Listed { name: path, identity });
            }
            Opened::File(identity) => found.files.push(Listed { name: path, identity }),
        }
    }
    Ok(())
}

/// Reads what was listed. Nothing may have moved since.
///
/// # Errors
/// [`ContentError`] when something moved or cannot be read, a directory has no unambiguous
/// manifest, or a folder with an `oci-layout` file is not an image layout.
pub fn digest(
    root: &Root,
    listings: &[&Listing],
    progress: &dyn Progress,
) -> Result<Vec<Content>, ContentError> {
    let files: Vec<&Listed> = listings.iter().flat_map(|listing| &listing.files).collect();
    progress.start(listings.iter().map(|listing| listing.bytes()).sum());
    let digests = hash_files(root, &files, progress);
    progress.finish();
    let mut digests = digests?.into_iter();
    listings
        .iter()
        .map(|listing| {
            let own: Vec<Sha256> = digests.by_ref().take(listing.files.len()).collect();
            content(root, listing, &own)
        })
        .collect()
}

fn content(root: &Root, listing: &Listing, digests: &[Sha256]) -> Result<Content, ContentError> {
    let path = if listing.name.is_empty() { "." } else { listing.name.as_str() };
    if listing.is_file {
        let digest = digests.first().copied();
        let changed = || HashError::Changed { path: path.into() };
        let artifact = ArtifactId::file(digest.ok_or_else(changed)?);
        return Ok(Content { artifact, manifests: Vec::new(), files: digests.to_vec() });
    }
    let files = || listing.files.iter().zip(digests);
    let top = |file: &Listed| below(&listing.name, &file.name).to_owned();
    if files().any(|(file, _)| below(&listing.name, &file.name) == "oci-layout") {
        let known: BTreeMap<_, _> =
            files().map(|(file, digest)| (top(file), (file.identity.size(), *digest))).collect();
        return Ok(Content { files: digests.to_vec(), ..image(root, listing, path, &known)? });
    }
    let entries = files().map(|(file, digest)| Entry {
        path: top(file),
        size: file.identity.size(),
        executable: file.identity.executable(),
        digest: *digest,
    });
    let manifest = Manifest::new(entries.collect())
        .map_err(|source| ContentError::Tree { path: path.into(), source })?;
    let bytes = manifest.to_bytes();
    let manifests = vec![ManifestBytes { media_type: tree::MEDIA_TYPE.into(), bytes }];
    Ok(Content { artifact: manifest.artifact(), manifests, files: digests.to_vec() })
}

/// Why an image layout is not read, before the folder is named.
enum LayoutError {
    Oci(OciError),
    Hash(HashError),
}

impl From<OciError> for LayoutError {
    fn from(error: OciError) -> Self {
        Self::Oci(error)
    }
}

fn image(
    root: &Root,
    listing: &Listing,
    path: &str,
    known: &BTreeMap<String, (u64, Sha256)>,
) -> Result<Content, ContentError> {
    let read = |name: &str, limit: usize| {
        let found = listing.files.iter().find(|file| below(&listing.name, &file.name) == name);
        let file = found.ok_or_else(|| LayoutError::Oci(OciError::Missing(name.into())))?;
        let bytes = read_file(root, file, limit).map_err(LayoutError::Hash)?;
        // The second reading of the same descriptor state; only the digest proves it.
        match known.get(name) {
            Some((_, digest)) if Sha256::of(&bytes) == *digest => Ok(bytes),
            _ => Err(LayoutError::Hash(HashError::Changed { path: file.name.clone() })),
        }
    };
    let wrong = |source| ContentError::Oci { path: path.into(), source };
    let image = oci::check_layout(known, read).map_err(|error| match error {
        LayoutError::Oci(source) => wrong(source),
        LayoutError::Hash(source) => source.into(),
    })?;
    let artifact = image.artifact().ok_or_else(|| wrong(OciError::Missing("index.json".into())))?;
    let manifests = image.documents().iter().map(|(document, bytes)| ManifestBytes {
        media_type: document.media_type().into(),
        bytes: bytes.clone(),
    });
    Ok(Content { artifact, manifests: manifests.collect(), files: Vec::new() })
}

/// The part of `name` below the directory `top`.
fn below<'a>(top: &str, name: &'a str) -> &'a str {
    if top.is_empty() {
        return name;
    }
    name.strip_prefix(top).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

/// The artifact that stands at `path`, which may be anywhere. Links on the way to its parent
/// directory are followed; it is no link itself, and holds none.
///
/// # Errors
/// [`ContentError`] when there is none.
pub fn artifact_of(path: &Path, progress: &dyn Progress) -> Result<ArtifactId, ContentError> {
    let (root, name) = match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(parent), Some(name)) => {
            let parent = if parent == Path::new("") { Path::new(".") } else { parent };
            (Root::open(parent)?, name)
        }
        (_, None) if path.file_name().is_some() => {
            return Err(OpenError::NotText { path: path.into() }.into());
        }
        _ => (Root::open(path)?, ""),
    };
    let listing = list(&root, name)?;
    match digest(&root, &[&listing], progress)?.pop() {
        Some(content) => Ok(content.artifact),
        None => Err(HashError::Changed { path: name.into() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::artifact::Kind;
    use crate::hash::Silent;

    fn read(folder: &Path) -> Result<Content, String> {
        let root = Root::open(folder).unwrap();
        let listing = list(&root, "").map_err(|error| error.to_string())?;
        let mut found = digest(&root, &[&listing], &Silent).map_err(|error| error.to_string())?;
        Ok(found.remove(0))
    }

    #[test]
    fn a_directory_is_the_manifest_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("a/b/data"), "abc").unwrap();
        fs::write(at("a-file"), "").unwrap();
        fs::write(at("run"), "x").unwrap();
        fs::set_permissions(at("run"), fs::Permissions::from_mode(0o755)).unwrap();
        let found = read(folder.path()).unwrap();
        let manifest = Manifest::parse(&found.manifests[0].bytes).unwrap();
        assert_eq!(manifest.artifact(), found.artifact);
        let entries: Vec<_> = manifest
            .entries()
            .iter()
            .map(|entry| (entry.path.as_str(), entry.executable))
            .collect();
        assert_eq!(entries, [("a-file", false), ("a/b/data", false), ("run", true)]);

        let copy = tempfile::tempdir().unwrap();
        let inner = copy.path().join("deep/copy");
        fs::create_dir_all(inner.join("a/b")).unwrap();
        fs::write(inner.join("a/b/data"), "abc").unwrap();
        fs::write(inner.join("a-file"), "").unwrap();
        fs::write(inner.join("run"), "x").unwrap();
        assert_ne!(artifact_of(&inner, &Silent).unwrap(), found.artifact, "a mode differs");
        fs::set_permissions(inner.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(artifact_of(&inner, &Silent).unwrap(), found.artifact);
        let file = artifact_of(&inner.join("a/b/data"), &Silent).unwrap();
        assert_eq!(file, ArtifactId::file(Sha256::of(b"abc")));
    }

    #[test]
    fn what_cannot_be_recorded_is_named() {
        type Make<'a> = &'a dyn Fn(&Path);
        let cases: [(&str, Make<'_>, &str); 6] = [
            ("empty", &|_| {}, "no file"),
            ("a link", &|at| symlink("x", at.join("link")).unwrap(), "`link` is a link to `x`"),
            ("a link loop", &|at| symlink("..", at.join("up")).unwrap(), "`up` is a link to `..`"),
            (
                "a socket",
                &|at| drop(std::os::unix::net::UnixListener::bind(at.join("s"))),
                "socket",
            ),
            (
                "case",
                &|at| ["A", "a"].iter().for_each(|name| fs::write(at.join(name), "").unwrap()),
                "only in case",
            ),
            ("a line end", &|at| fs::write(at.join("a\nb"), "").unwrap(), "control"),
        ];
        for (name, make, want) in cases {
            let folder = tempfile::tempdir().unwrap();
            make(folder.path());
            let found = read(folder.path()).unwrap_err();
            assert!(found.contains(want), "{name}: {found}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(read(folder.path()).unwrap_err().contains("directories deep"));
    }

    #[test]
    fn equal_listings_mean_that_nothing_moved() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let root = Root::open(folder.path()).unwrap();
        fs::create_dir_all(at("data/sub")).unwrap();
        fs::write(at("data/sub/f"), "abc").unwrap();
        let pause = || std::thread::sleep(std::time::Duration::from_millis(10));
        let changes: [(&str, &dyn Fn()); 4] = [
            ("swapped and restored", &|| {
                fs::rename(at("data/sub/f"), at("kept")).unwrap();
                fs::write(at("data/sub/f"), "evil").unwrap();
                fs::rename(at("kept"), at("data/sub/f")).unwrap();
            }),
            ("written with the same bytes", &|| fs::write(at("data/sub/f"), "abc").unwrap()),
            ("a file that came and went", &|| {
                fs::write(at("data/sub/g"), "").unwrap();
                fs::remove_file(at("data/sub/g")).unwrap();
            }),
            ("a directory swapped and restored", &|| {
                fs::rename(at("data/sub"), at("away")).unwrap();
                fs::rename(at("away"), at("data/sub")).unwrap();
            }),
        ];
        for (name, change) in changes {
            let before = list(&root, "data").unwrap();
            pause();
            assert_eq!(list(&root, "data").unwrap(), before, "{name}: nothing yet");
            change();
            assert_ne!(list(&root, "data").unwrap(), before, "{name}");
        }
    }

    #[test]
    fn an_image_layout_folder_is_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8]| {
            let digest = Sha256::of(bytes);
            fs::write(blobs.join(digest.hex()), bytes).unwrap();
            format!(r#""digest":"{digest}","size":{}"#, bytes.len())
        };
        let config = put(b"{}");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.empty.v1+json",{config}}},"layers":[]}}"#
        );
        let image = put(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}",{image}}}]}}"#,
            oci::MANIFEST
        );
        fs::write(folder.path().join("index.json"), index).unwrap();
        assert_eq!(read(folder.path()).unwrap().artifact.kind(), Some(Kind::Tree));
        let layout = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(folder.path().join("oci-layout"), layout).unwrap();
        let found = read(folder.path()).unwrap();
        let digest = Sha256::of(manifest.as_bytes());
        assert_eq!(found.artifact, ArtifactId::new(Kind::OciManifest, digest));
        assert_eq!(found.manifests[0].bytes, manifest.as_bytes());
        assert_eq!(found.manifests[0].media_type, oci::MANIFEST);

        fs::write(folder.path().join("weights.bin"), "not in the image").unwrap();
        assert!(read(folder.path()).unwrap_err().contains("`weights.bin` is no part of the image"));
    }
}
