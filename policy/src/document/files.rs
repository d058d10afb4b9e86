//! Files that a document names by digest: they stand beside it on a disk, or are registered with it.
//!
//! The digest is written in the document, so that the digest of the document covers them too, and
//! where they come from does not matter.

use std::collections::{BTreeMap, BTreeSet};

use attest::Sha256;

use super::field::{Compiled, value, wrong};
use super::{Document, Problem, Text};

/// The most bytes of one file that a policy names.
pub const MAX_FILE_BYTES: usize = 256 << 10;
/// The most bytes of all files that a policy names.
pub const MAX_FILES_BYTES: usize = 1 << 20;

/// The files beside a document, by the names that it gives them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files that a document names, each once, with their digests, in the order of their names.
pub(crate) fn named(document: &Document) -> Compiled<BTreeSet<(String, Sha256)>> {
    let mut names = BTreeSet::new();
    let rego = document.rego.0.iter().map(|line| (&line.value.file, &line.value.sha256));
    let layouts = document.layouts.0.iter().map(|line| (&line.value.file, &line.value.sha256));
    let below = document.layouts.0.iter().flat_map(|line| &line.value.sublayouts.0);
    let below = below.map(|line| (&line.value.file, &line.value.sha256));
    for (file, digest) in rego.chain(layouts).chain(below) {
        if let (Some(file), Some(digest)) = (file, digest) {
            names.insert((file_name(file)?, file_digest(digest)?));
        }
    }
    Ok(names)
}

/// The files that a document names, of those that were registered: `registered` gives the text
/// with a digest. They are not checked here.
pub(crate) fn registered<'t>(
    document: &Document,
    registered: impl Fn(&Sha256) -> Option<&'t str>,
) -> Compiled<Files> {
    let file = |(name, digest): (String, Sha256)| match registered(&digest) {
        Some(text) => Ok((name, text.as_bytes().to_vec())),
        None => Err(Problem::FileNotRegistered { name, digest }.into()),
    };
    named(document)?.into_iter().map(file).collect()
}

/// The files that were given, and those of them that are named.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    given: &'a Files,
    kept: Files,
}

impl<'a> Shelf<'a> {
    pub(super) const fn new(given: &'a Files) -> Self {
        Self { given, kept: Files::new() }
    }

    /// The files that were named.
    pub(super) fn into_kept(self) -> Files {
        self.kept
    }

    /// The text of a file, which has the digest that is written and at most `limit` bytes.
    pub(super) fn text(&mut self, file: &Text, digest: &Text, limit: usize) -> Compiled<&'a str> {
        let name = file_name(file)?;
        let wanted = file_digest(digest)?;
        let Some(bytes) = self.given.get(&name) else {
            return Err(wrong(file, Problem::FileMissing(name)));
        };
        let found = Sha256::of(bytes);
        if found != wanted {
            return Err(wrong(digest, Problem::FileDigest { name, found }));
        }
        if bytes.len() > limit {
            let problem =
                format!("`{name}` has {} bytes, more than the limit of {limit}", bytes.len());
            return Err(wrong(file, Problem::Value(problem)));
        }
        let text = str::from_utf8(bytes).map_err(|error| wrong(file, value(error)))?;
        if !self.kept.contains_key(&name) {
            let held: usize = self.kept.values().map(Vec::len).sum();
            if held.saturating_add(bytes.len()) > MAX_FILES_BYTES {
                let problem = format!("the files have more than {MAX_FILES_BYTES} bytes");
                return Err(wrong(file, Problem::Value(problem)));
            }
            self.kept.insert(name, bytes.clone());
        }
        Ok(text)
    }
}

/// A name below the folder of the document.
pub(super) fn file_name(file: &Text) -> Compiled<String> {
    attest::name::check_artifact_name(&file.value).map_err(|error| wrong(file, value(error)))?;
    let part = |part: &str| part.is_empty() || part == "." || part == "..";
    if file.value.split('/').any(part) {
        let problem = "a file stands below the folder of the policy: no `..`, no `/` in front";
        return Err(wrong(file, Problem::Contradiction(problem)));
    }
    Ok(file.value.clone())
}

/// The digest of a file: 64 hex digits, with or without `sha256:`.
fn file_digest(digest: &Text) -> Compiled<Sha256> {
    match digest.value.len() {
        64 => format!("sha256:{}", digest.value).parse(),
        _ => digest.value.parse(),
    }
    .map_err(|error: attest::DigestError| wrong(digest, value(error)))
}
