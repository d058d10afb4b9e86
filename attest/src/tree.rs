//! Directories as artifacts: the manifest of a tree, and the digest that it has.
//!
//! A manifest lists every regular file with its digest, executable bit, size and path. It is
//! text, and there is exactly one spelling for each tree:
//!
//! ```text
//! application/vnd.assay.tree.v1
//! <64 hex digits> <x or -> <size> <path>
//! ```
//!
//! The digest of the tree is the SHA-256 of these bytes. The first line separates the domain:
//! nothing else that Assay hashes starts with it. Because sizes, paths and modes are hashed with
//! the digests, no file of concatenated digests, no other cut of the same bytes into shards and
//! no renaming has the digest of the tree. Directories exist only as parts of paths, so an
//! empty one is not seen, as in git; a tree without any file is refused, because every such
//! tree would be the same artifact. Owners, times and extended attributes are not part of it.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::artifact::{ArtifactId, Kind};
use crate::digest::Sha256;
use crate::name::{NameError, check_product_names};
use crate::root::MAX_DEPTH;

/// The media type of a manifest, and its first line.
pub const MEDIA_TYPE: &str = "application/vnd.assay.tree.v1";
/// How many files a tree may have.
pub const MAX_ENTRIES: usize = 1_000_000;
/// The largest manifest that is parsed, in bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// One file of a tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its path from the top of the tree, with `/` between parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// The SHA-256 of its bytes.
    pub digest: Sha256,
}

/// The files of a tree: sorted by path, each path once, and at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

/// Why there is no manifest of these files, or these bytes are none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// No file.
    #[error("the tree has no file")]
    Empty,
    /// More files than [`MAX_ENTRIES`].
    #[error("the tree has more than {MAX_ENTRIES} files")]
    TooMany,
    /// The manifest is larger than [`MAX_BYTES`].
    #[error("the manifest is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A path that two readers may read differently.
    #[error("{0}; rename it")]
    Name(#[from] NameError),
    /// A path with more than [`MAX_DEPTH`] parts.
    #[error("`{0}` is more than {MAX_DEPTH} directories deep")]
    TooDeep(String),
    /// One path is both a file and a directory of another.
    #[error("`{0}` is a file and a directory at once")]
    FileAndDirectory(String),
    /// The first line is not the media type.
    #[error("the first line of a tree manifest is `{MEDIA_TYPE}`")]
    Heading,
    /// A line that is not the one spelling of an entry, or that does not stand in its place.
    #[error("line {line} of the tree manifest is not an entry in its place")]
    Line {
        /// The line, counted from one.
        line: usize,
    },
}

impl Manifest {
    /// The manifest of a tree with these files, in any order.
    ///
    /// # Errors
    /// [`TreeError`] when there are none or too many, or their paths are not unambiguous.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, TreeError> {
        entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        match entries.len() {
            0 => return Err(TreeError::Empty),
            1..=MAX_ENTRIES => {}
            _ => return Err(TreeError::TooMany),
        }
        check_product_names(entries.iter().map(|entry| entry.path.as_str()))?;
        let files: HashSet<String> = entries.iter().map(|entry| folded(&entry.path)).collect();
        for entry in &entries {
            let path = folded(&entry.path);
            if path.split('/').count() > MAX_DEPTH {
                return Err(TreeError::TooDeep(entry.path.clone()));
            }
            let parents = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
            if let Some(parent) = parents.into_iter().find(|parent| files.contains(*parent)) {
                return Err(TreeError::FileAndDirectory(parent.into()));
            }
        }
        Ok(Self { entries })
    }

    /// Parses a manifest. Only the one spelling of a tree parses: writing it again gives the
    /// same bytes.
    ///
    /// # Errors
    /// [`TreeError`] saying which line is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, TreeError> {
        if bytes.len() > MAX_BYTES {
            return Err(TreeError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TreeError::Heading)?;
        let body = text.strip_prefix(MEDIA_TYPE).and_then(|rest| rest.strip_prefix('\n'));
        let mut entries: Vec<Entry> = Vec::new();
        for (index, text) in body.ok_or(TreeError::Heading)?.split_inclusive('\n').enumerate() {
            let wrong = || TreeError::Line { line: index + 2 };
            if index >= MAX_ENTRIES {
                return Err(TreeError::TooMany);
            }
            let entry = text.strip_suffix('\n').and_then(parse_entry).ok_or_else(wrong)?;
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(wrong());
            }
            entries.push(entry);
        }
        Self::new(entries)
    }

    /// The bytes of the manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(32 + self.entries.len() * 128);
        text.push_str(MEDIA_TYPE);
        text.push('\n');
        for Entry { path, size, executable, digest } in &self.entries {
            let mode = if *executable { 'x' } else { '-' };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {mode} {size} {path}", digest.hex());
        }
        text.into_bytes()
    }

    /// The artifact that the tree is.
    pub fn artifact(&self) -> ArtifactId {
        ArtifactId::new(Kind::Tree, Sha256::of(&self.to_bytes()))
    }

    /// The files, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Parses one line without its end.
fn parse_entry(line: &str) -> Option<Entry> {
    let mut parts = line.splitn(4, ' ');
    let digest = Sha256::from_hex(parts.next()?).ok()?;
    let executable = match parts.next()? {
        "x" => true,
        "-" => false,
        _ => return None,
    };
    let digits = parts.next()?;
    let size: u64 = digits.parse().ok()?;
    // `+1` and `01` would be second spellings.
    if size.to_string() != digits {
        return None;
    }
    Some(Entry { path: parts.next()?.into(), size, executable, digest })
}

/// The path as a case-insensitive file system compares it.
fn folded(path: &str) -> String {
    path.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, text: &str) -> Entry {
        let size = text.len() as u64;
        Entry { path: path.into(), size, executable: false, digest: Sha256::of(text.as_bytes()) }
    }

    fn tree(entries: &[(&str, &str)]) -> Manifest {
        Manifest::new(entries.iter().map(|(path, text)| entry(path, text)).collect()).unwrap()
    }

    #[test]
    fn the_format_is_fixed() {
        let manifest = tree(&[("b", ""), ("a/x", "abc")]);
        let want = "application/vnd.assay.tree.v1\n\
            ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad - 3 a/x\n\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 - 0 b\n";
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), want);
        assert_eq!(manifest.artifact(), ArtifactId::new(Kind::Tree, Sha256::of(want.as_bytes())));
        assert_eq!(Manifest::parse(want.as_bytes()), Ok(manifest));
    }

    #[test]
    fn what_differs_in_anything_is_another_tree() {
        let original = tree(&[("model/a", "one"), ("model/b", "two")]);
        let mut executable = original.entries.clone();
        executable[0].executable = true;
        let others = [
            ("an order-keeping rename", tree(&[("model/a", "one"), ("model/c", "two")])),
            ("a renamed directory", tree(&[("modem/a", "one"), ("modem/b", "two")])),
            ("other shards of the same bytes", tree(&[("model/a", "onet"), ("model/b", "wo")])),
            ("one file of the same bytes", tree(&[("model/a", "onetwo")])),
            ("swapped contents", tree(&[("model/a", "two"), ("model/b", "one")])),
            ("one file more", tree(&[("model/a", "one"), ("model/b", "two"), ("model/c", "")])),
            ("one file less", tree(&[("model/a", "one")])),
            ("an executable bit", Manifest::new(executable).unwrap()),
        ];
        for (name, other) in others {
            assert_ne!(original.artifact(), other.artifact(), "{name}");
        }
        assert_eq!(original.artifact(), tree(&[("model/b", "two"), ("model/a", "one")]).artifact());
    }

    #[test]
    fn no_file_is_a_tree() {
        let manifest = tree(&[("a", "one"), ("b", "two")]);
        let digests: Vec<u8> =
            manifest.entries().iter().flat_map(|entry| *entry.digest.as_bytes()).collect();
        let Some(tree) = manifest.artifact().digest() else { panic!("a tree has a digest") };
        assert_ne!(Sha256::of(&digests), tree, "concatenated digests");
        // Only the manifest itself has these bytes' digest, and as a file it is another artifact.
        assert_eq!(Sha256::of(&manifest.to_bytes()), tree);
        assert_ne!(ArtifactId::file(tree), manifest.artifact());
    }

    #[test]
    fn paths_are_unambiguous() {
        let cases: [(&str, &[&str], bool); 10] = [
            ("plain", &["a", "b/c", "b/d"], true),
            ("none", &[], false),
            ("twice", &["a", "a"], false),
            ("in case only", &["a", "A"], false),
            ("file and directory", &["a", "a/b"], false),
            ("file and directory in case only", &["A", "a/b"], false),
            ("a prefix that is no part", &["a", "ab/c"], true),
            ("control character", &["a\nb"], false),
            ("parent", &["../a"], false),
            ("decomposed", &["e\u{301}"], false),
        ];
        for (name, paths, good) in cases {
            let entries = paths.iter().map(|path| entry(path, "x")).collect();
            assert_eq!(Manifest::new(entries).is_ok(), good, "{name}");
        }
        let deep = format!("{}x", "d/".repeat(MAX_DEPTH));
        assert_eq!(Manifest::new(vec![entry(&deep, "x")]), Err(TreeError::TooDeep(deep.clone())));
        assert!(Manifest::new(vec![entry(&deep[2..], "x")]).is_ok());
    }

    #[test]
    fn only_one_spelling_parses() {
        let hex = "ab".repeat(32);
        let good = format!("{MEDIA_TYPE}\n{hex} - 3 a\n{hex} x 0 b c\n");
        let parsed = Manifest::parse(good.as_bytes()).unwrap();
        assert_eq!(parsed.to_bytes(), good.as_bytes());
        assert_eq!(parsed.entries()[1].path, "b c");
        let cases = [
            ("another heading", good.replace(".v1", ".v2")),
            ("no heading", format!("{hex} - 3 a\n")),
            ("no entry", format!("{MEDIA_TYPE}\n")),
            ("no last line end", good.trim_end().into()),
            ("an empty line", format!("{good}\n")),
            ("carriage returns", good.replace('\n', "\r\n")),
            ("uppercase digest", good.replace("ab", "AB")),
            ("leading zero", good.replace(" 3 ", " 03 ")),
            ("sign", good.replace(" 3 ", " +3 ")),
            ("negative size", good.replace(" 3 ", " -3 ")),
            ("size too large", good.replace(" 3 ", " 18446744073709551616 ")),
            ("mode", good.replace(" x ", " X ")),
            ("two spaces", good.replace(" - 3 a", " -  3 a")),
            ("order", format!("{MEDIA_TYPE}\n{hex} - 3 b\n{hex} - 3 a\n")),
            ("twice", format!("{MEDIA_TYPE}\n{hex} - 3 a\n{hex} - 3 a\n")),
            ("absolute", good.replace(" a\n", " /a\n")),
        ];
        for (name, text) in cases {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{name}");
        }
        assert!(Manifest::parse(&[0xFF; 40]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_written_the_same(bytes in "[ab]{0,3}(\n| - | x | 1 |/|[a-f0-9]{64}){0,8}") {
            let text = format!("{MEDIA_TYPE}\n{bytes}");
            if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
                proptest::prop_assert_eq!(manifest.to_bytes(), text.into_bytes());
            }
        }

        #[test]
        fn what_is_written_parses(
            files in proptest::collection::btree_map("[a-c]{1,2}[0-9]", (0u64.., proptest::bool::ANY), 1..20)
        ) {
            let entries = files.into_iter().map(|(path, (size, executable))| {
                Entry { digest: Sha256::of(path.as_bytes()), path, size, executable }
            });
            let manifest = Manifest::new(entries.collect()).unwrap();
            proptest::prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
        }
    }
}
