//! Walking through a model: what it holds, by name, and where that is opened.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Dir;

use super::names::{MAX_NAME_BYTES, ONLY_FILE};
use super::scan::{
    MAX_LINKED_DIRECTORIES, Refused, Scan, ScanError, ScannedFile, Skipped, WhySkipped,
};
use super::serialization::Serialization;
use crate::content::MAX_ENTRIES;
use crate::hash::{HashError, Listed};
use crate::root::{Identity, MAX_DEPTH, OpenError, Opened, Root, Seen};

/// A model that is being listed.
pub(super) struct Walk<'a> {
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

impl<'a> Walk<'a> {
    /// A listing that goes into `found`, in which there is nothing yet.
    pub(super) fn new(
        found: Scan,
        serialization: &'a Serialization,
        signature: Option<&Path>,
        listed: &'a dyn Fn(&str) -> bool,
    ) -> Self {
        let signature = signature.and_then(real);
        let (above, seen, linked) = (Vec::new(), 0, BTreeMap::new());
        Self { serialization, signature, listed, above, seen, linked, found }
    }

    /// Lists what is at `path`.
    pub(super) fn run(mut self, path: &Path) -> Result<Scan, ScanError> {
        if self.found.is_file {
            let parent = path.parent().filter(|parent| *parent != Path::new(""));
            self.found.roots.push(Root::open(parent.unwrap_or(Path::new(".")))?);
            self.only_file()?;
        } else {
            let root = Root::open(path)?;
            let inside =
                self.signature.as_ref().and_then(|path| path.strip_prefix(root.path()).ok());
            self.found.signature = inside.and_then(Path::to_str).map(str::to_owned);
            self.found.roots.push(root);
            self.directory(0, "", "")?;
        }
        Ok(self.found)
    }

    /// The one file of a model.
    fn only_file(&mut self) -> Result<(), ScanError> {
        let name = self.found.name.clone();
        let in_model = if (self.listed)(ONLY_FILE) { ONLY_FILE.to_owned() } else { name.clone() };
        let root = self.found.roots.first().ok_or(ScanError::TooManyLinked)?;
        match root.open_name(&name) {
            Ok(Opened::File(identity)) => {
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
            Ok(Opened::File(identity)) => self.file(root, last.into(), name.into(), identity),
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
            // Most files are told apart by their names alone.
            let root = self.found.roots.get(root);
            signature.as_os_str().as_bytes().ends_with(in_root.as_bytes())
                && root.is_some_and(|root| root.path().join(&in_root) == *signature)
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
