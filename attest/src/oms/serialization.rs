//! How the files of a model are listed and hashed (sections 5.2.2, 6.2 and 6.3).

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::ManifestError;
use super::names::{check_ignored, is_within, shown};
use crate::hash::HashAlgorithm;

/// What is left out of every model, at its top alone (section 6.2).
pub const DEFAULT_IGNORED: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];
/// The size of a shard unless another is asked for, in bytes (section 6.3.2).
pub const DEFAULT_SHARD_BYTES: NonZeroU64 = match NonZeroU64::new(1_000_000_000) {
    Some(size) => size,
    None => NonZeroU64::MIN,
};
/// How many ignored paths a manifest may have.
pub const MAX_IGNORED: usize = 10_000;

/// How files become resources.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Method {
    /// Each file is one.
    #[default]
    Files,
    /// Each stretch of this many bytes of a file is one, and its rest; an empty file is none.
    Shards(NonZeroU64),
}

/// How the files of a model are listed and hashed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Serialization {
    method: Method,
    hash: HashAlgorithm,
    allow_symlinks: bool,
    ignored: Vec<String>,
}

impl Serialization {
    /// Hashes by `hash` what `method` cuts the files into; nothing is left out but
    /// [`DEFAULT_IGNORED`], and links are refused.
    pub fn new(method: Method, hash: HashAlgorithm) -> Self {
        Self { method, hash, ..Self::default() }
    }

    /// The same, following links.
    #[must_use]
    pub const fn with_symlinks(mut self) -> Self {
        self.allow_symlinks = true;
        self
    }

    /// The same, leaving out `paths`, each with all that is below it.
    ///
    /// # Errors
    /// [`ManifestError`] for a path that leads out of the model or has a wildcard, or when there
    /// are more than [`MAX_IGNORED`].
    pub fn with_ignored(
        mut self,
        paths: impl IntoIterator<Item = String>,
    ) -> Result<Self, ManifestError> {
        for path in paths {
            check_ignored(&path)?;
            if self.ignored.len() >= MAX_IGNORED {
                return Err(ManifestError::TooManyIgnored);
            }
            self.ignored.push(path);
        }
        self.ignored.sort_unstable();
        self.ignored.dedup();
        Ok(self)
    }

    /// How files become resources.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The hash of resources.
    pub const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// Whether links are followed.
    pub const fn allow_symlinks(&self) -> bool {
        self.allow_symlinks
    }

    /// The paths that are left out, as the signer says; [`DEFAULT_IGNORED`] are, whether they
    /// stand here or not.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether `path` is left out.
    pub fn ignores(&self, path: &str) -> bool {
        DEFAULT_IGNORED.into_iter().any(|top| is_within(path, top))
            || self.ignored.iter().any(|top| is_within(path, top))
    }

    /// Where a file of this size is cut: the ends of the stretches, in order.
    pub fn cut(&self, size: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let (step, whole) = match self.method {
            Method::Files => (u64::MAX, size == 0),
            Method::Shards(step) => (step.get(), false),
        };
        let next = move |start: &u64| start.checked_add(step).filter(|start| *start < size);
        let first = (size > 0 || whole).then_some(0);
        std::iter::successors(first, next)
            .map(move |start| (start, start.saturating_add(step).min(size)))
    }

    /// How many stretches [`Serialization::cut`] makes.
    pub fn pieces(&self, size: u64) -> u64 {
        match self.method {
            Method::Files => 1,
            Method::Shards(step) => size.div_ceil(step.get()),
        }
    }
}

/// The JSON form, as strict as the schema: a parameter that is not known could change what the
/// others mean.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SerializationJson {
    method: String,
    hash_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard_size: Option<Value>,
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore_paths: Vec<String>,
}

impl TryFrom<SerializationJson> for Serialization {
    type Error = ManifestError;

    fn try_from(found: SerializationJson) -> Result<Self, ManifestError> {
        let method = match (found.method.as_str(), found.shard_size) {
            ("files", None) => Method::Files,
            ("shards", Some(size)) => Method::Shards(shard_size(&size)?),
            ("files", Some(_)) | ("shards", None) => return Err(ManifestError::ShardSize),
            (other, _) => return Err(ManifestError::Method(shown(other))),
        };
        let serialization = Self::new(method, found.hash_type.parse()?);
        let serialization =
            if found.allow_symlinks { serialization.with_symlinks() } else { serialization };
        serialization.with_ignored(found.ignore_paths)
    }
}

impl From<&Serialization> for SerializationJson {
    fn from(serialization: &Serialization) -> Self {
        let (method, shard_size) = match serialization.method {
            Method::Files => ("files", None),
            Method::Shards(size) => ("shards", Some(size.get().into())),
        };
        Self {
            method: method.into(),
            hash_type: serialization.hash.as_str().into(),
            shard_size,
            allow_symlinks: serialization.allow_symlinks,
            ignore_paths: serialization.ignored.clone(),
        }
    }
}

/// A whole number of bytes; the reference implementation writes it as a double (`1000.0`).
fn shard_size(value: &Value) -> Result<NonZeroU64, ManifestError> {
    /// Up to here, doubles are exact.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = value.as_u64().or_else(|| {
        let double = value.as_f64().filter(|double| (1.0..=MAX_EXACT).contains(double))?;
        // Its shortest text has no fraction exactly when it is whole.
        double.to_string().parse().ok()
    });
    whole.and_then(NonZeroU64::new).ok_or(ManifestError::ShardSize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Serialization, ManifestError> {
        serde_json::from_str::<SerializationJson>(text).unwrap().try_into()
    }

    #[test]
    fn shard_sizes() {
        let with = |size: &str| {
            format!(
                r#"{{"method":"shards","hash_type":"sha256","allow_symlinks":false,"shard_size":{size}}}"#
            )
        };
        for (size, want) in [
            ("1000", Some(1000)),
            ("1000.0", Some(1000)),
            ("1e9", Some(1_000_000_000)),
            ("1", Some(1)),
            ("0", None),
            ("0.0", None),
            ("-1", None),
            ("1000.5", None),
            ("1e300", None),
            ("\"1000\"", None),
            ("null", None),
        ] {
            let found = parse(&with(size)).ok().map(|found| found.method());
            let want = want.and_then(NonZeroU64::new).map(Method::Shards);
            assert_eq!(found, want, "{size}");
        }
        assert!(parse(&with("1000").replace("shards", "files")).is_err());
        assert!(parse(&with("1000").replace("shards", "lines")).is_err());
        assert!(parse(&with("1000").replace("sha256", "md5")).is_err());
    }

    #[test]
    fn files_are_cut_where_the_specification_says() {
        let shards = |size| Method::Shards(NonZeroU64::new(size).unwrap());
        type Ranges<'a> = &'a [(u64, u64)];
        let cases: [(Method, u64, Ranges<'_>); 7] = [
            (Method::Files, 0, &[(0, 0)]),
            (Method::Files, 7, &[(0, 7)]),
            (shards(10), 0, &[]),
            (shards(10), 9, &[(0, 9)]),
            (shards(10), 10, &[(0, 10)]),
            (shards(10), 25, &[(0, 10), (10, 20), (20, 25)]),
            (shards(u64::MAX), 25, &[(0, 25)]),
        ];
        for (method, size, want) in cases {
            let serialization = Serialization::new(method, HashAlgorithm::Sha256);
            let found: Vec<_> = serialization.cut(size).collect();
            assert_eq!(found, want, "{method:?} {size}");
            assert_eq!(serialization.pieces(size), want.len() as u64, "{method:?} {size}");
        }
    }

    #[test]
    fn what_is_left_out() {
        let serialization = Serialization::default()
            .with_ignored(["cache".to_owned(), "sub/x".to_owned()])
            .unwrap();
        for (path, want) in [
            (".git/HEAD", true),
            (".gitignore", true),
            (".github/workflows/x.yml", true),
            (".gitmodules", false),
            ("sub/.git/HEAD", false),
            ("cache/a/b", true),
            ("sub/cache", false),
            ("sub/x", true),
            ("sub/xy", false),
        ] {
            assert_eq!(serialization.ignores(path), want, "{path}");
        }
    }
}
