//! The manifest of a model: its resources with their digests (sections 5.2 and 6.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MAX_RESOURCES;
use super::names::{ONLY_FILE, check_path, shown};
use super::scan::HashedFile;
use super::serialization::{MAX_IGNORED, Method, Serialization, SerializationJson};
use crate::artifact::{ArtifactId, Kind};
use crate::digest::{Sha256, from_hex, to_hex};
use crate::hash::{HashAlgorithm, UnknownHash};

/// One resource: a file, or a stretch of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// Its name: the path of the file, and for a stretch `PATH:START:END`.
    pub name: String,
    /// The digest of its bytes, as long as those of the manifest's hash.
    pub digest: Vec<u8>,
}

/// A stretch of a signed file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch<'a> {
    /// Where it begins and ends; `None` for a whole file, whose size is not signed.
    pub range: Option<(u64, u64)>,
    /// The digest of its bytes.
    pub digest: &'a [u8],
}

/// A file that a manifest lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedFile<'a> {
    /// Its path; `.` for the one file of a model in what the reference implementation writes.
    pub path: &'a str,
    /// Its stretches, in order: one, unless the method is shards.
    pub stretches: Vec<Stretch<'a>>,
}

/// The resources of a model, at least one, each once, with how they came about.
///
/// In what is written they are sorted by the code points of their names; what is read keeps its
/// order, which the root hashes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "ManifestJson", into = "ManifestJson")]
pub struct Manifest {
    resources: Vec<Resource>,
    serialization: Serialization,
}

/// Why there is no manifest of these resources.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// No resource (section 5.2.1).
    #[error("the model has no file that is signed")]
    Empty,
    /// More than [`MAX_RESOURCES`].
    #[error("the model has more than {MAX_RESOURCES} files or shards: make the shards larger")]
    TooMany,
    /// More than [`MAX_IGNORED`].
    #[error("more than {MAX_IGNORED} paths are ignored")]
    TooManyIgnored,
    /// A name that a resource or an ignored path cannot have (sections 6.1.2 and 6.2.1).
    #[error("the path `{name}` {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two resources of one name.
    #[error("`{0}` stands twice")]
    Duplicate(String),
    /// A digest that is not lowercase hex of the hash's length.
    #[error("the digest of `{0}` is malformed")]
    Digest(String),
    /// A resource by another hash than the manifest's (section 6.3).
    #[error("`{name}` is hashed by `{found}`, not by the `hash_type` of the model")]
    Algorithm {
        /// The resource.
        name: String,
        /// What it says.
        found: String,
    },
    /// Stretches that are not those into which a file is cut (section 6.3.2).
    #[error("`{0}` is no shard of a file that is cut as the model says")]
    Shard(String),
    /// `shard_size` is missing, is there for whole files, or is no positive whole number.
    #[error("`shard_size` is a positive whole number for shards, and absent for files")]
    ShardSize,
    /// Neither files nor shards.
    #[error("unknown serialization `{0}`; known are files, shards")]
    Method(String),
    /// Another hash.
    #[error(transparent)]
    Hash(#[from] UnknownHash),
}

#[derive(Clone, Deserialize, Serialize)]
struct ResourceJson {
    name: String,
    digest: String,
    algorithm: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ManifestJson {
    resources: Vec<ResourceJson>,
    serialization: SerializationJson,
}

impl Manifest {
    /// The manifest of a model with these files.
    ///
    /// # Errors
    /// [`ManifestError`] when there are none or too many, or one has a name that cannot be.
    pub fn new(files: &[HashedFile], serialization: Serialization) -> Result<Self, ManifestError> {
        let resource = |file: &HashedFile| {
            let name = |(start, end): (u64, u64)| match serialization.method() {
                Method::Files => file.name.clone(),
                Method::Shards(_) => format!("{}:{start}:{end}", file.name),
            };
            file.stretches
                .iter()
                .map(|found| Resource { name: name(found.range), digest: found.digest.clone() })
                .collect::<Vec<_>>()
        };
        let mut resources: Vec<Resource> = files.iter().flat_map(resource).collect();
        // UTF-8 keeps the order of code points.
        resources.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self::checked(resources, serialization)
    }

    pub(super) fn checked(
        resources: Vec<Resource>,
        serialization: Serialization,
    ) -> Result<Self, ManifestError> {
        match resources.len() {
            0 => return Err(ManifestError::Empty),
            1..=MAX_RESOURCES => {}
            _ => return Err(ManifestError::TooMany),
        }
        let manifest = Self { resources, serialization };
        let files = manifest.grouped()?;
        let only = files.len() == 1;
        for (path, stretches) in &files {
            if !(only && *path == ONLY_FILE) {
                check_path(path)?;
            }
            manifest.check_stretches(path, stretches)?;
        }
        Ok(manifest)
    }

    /// The stretches of each file, by its path.
    fn grouped(&self) -> Result<BTreeMap<&str, Vec<Stretch<'_>>>, ManifestError> {
        let mut files: BTreeMap<&str, Vec<Stretch<'_>>> = BTreeMap::new();
        for resource in &self.resources {
            let name = resource.name.as_str();
            if resource.digest.len() != self.serialization.hash().length() {
                return Err(ManifestError::Digest(shown(name)));
            }
            let (path, range) = match self.serialization.method() {
                Method::Files => (name, None),
                Method::Shards(_) => {
                    let (path, range) =
                        split_shard(name).ok_or_else(|| ManifestError::Shard(shown(name)))?;
                    (path, Some(range))
                }
            };
            files.entry(path).or_default().push(Stretch { range, digest: &resource.digest });
        }
        for stretches in files.values_mut() {
            stretches.sort_by_key(|stretch| stretch.range);
        }
        Ok(files)
    }

    /// One for a file; for shards, exactly those into which a file of that size is cut.
    fn check_stretches(&self, path: &str, found: &[Stretch<'_>]) -> Result<(), ManifestError> {
        let Method::Shards(_) = self.serialization.method() else {
            return match found {
                [_] => Ok(()),
                _ => Err(ManifestError::Duplicate(shown(path))),
            };
        };
        let ranges = || found.iter().filter_map(|stretch| stretch.range);
        let mut last = None;
        for range in ranges() {
            if last.replace(range) == Some(range) {
                let (start, end) = range;
                return Err(ManifestError::Duplicate(shown(&format!("{path}:{start}:{end}"))));
            }
        }
        let size = last.map_or(0, |(_, end)| end);
        // Not more are made than are compared: at most one beyond those that there are.
        if ranges().eq(self.serialization.cut(size)) {
            Ok(())
        } else {
            Err(ManifestError::Shard(shown(path)))
        }
    }

    /// The resources, in the order that the root hashes.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// How they came about.
    pub const fn serialization(&self) -> &Serialization {
        &self.serialization
    }

    /// The files that are listed, by path.
    pub fn files(&self) -> Vec<SignedFile<'_>> {
        // What was checked once can be grouped again.
        let files = self.grouped().unwrap_or_default();
        files.into_iter().map(|(path, stretches)| SignedFile { path, stretches }).collect()
    }

    /// The files whose whole content has a known SHA-256 digest: what the model contains as
    /// artifacts of their own.
    pub fn whole_files(&self) -> Vec<(&str, Sha256)> {
        if self.serialization.hash() != HashAlgorithm::Sha256 {
            return Vec::new();
        }
        let whole = |file: SignedFile<'_>| match file.stretches.as_slice() {
            [only] => Some(Sha256::from_bytes(only.digest.try_into().ok()?)),
            _ => None,
        };
        let files = self.files().into_iter();
        files.filter_map(|file| Some((file.path, whole(file)?))).collect()
    }

    /// The root: SHA-256 over the digests, in their order (section 6.5.1).
    pub fn root(&self) -> Sha256 {
        Sha256::of_parts(self.resources.iter().map(|resource| resource.digest.as_slice()))
    }

    /// The artifact that the model is. It is to be relied on only with this manifest, or with a
    /// believed statement that holds it.
    pub fn artifact(&self) -> ArtifactId {
        ArtifactId::new(Kind::Oms, self.root())
    }
}

impl TryFrom<ManifestJson> for Manifest {
    type Error = ManifestError;

    fn try_from(found: ManifestJson) -> Result<Self, ManifestError> {
        let serialization = Serialization::try_from(found.serialization)?;
        let hash = serialization.hash();
        let sharded = match serialization.method() {
            Method::Files => None,
            Method::Shards(size) => Some(format!("{}-sharded-{size}", hash.as_str())),
        };
        let resource = |resource: ResourceJson| {
            let algorithm = resource.algorithm;
            if algorithm != hash.as_str() && Some(&algorithm) != sharded.as_ref() {
                let (name, found) = (shown(&resource.name), shown(&algorithm));
                return Err(ManifestError::Algorithm { name, found });
            }
            let digest = from_hex(&resource.digest);
            let digest = digest.ok_or_else(|| ManifestError::Digest(shown(&resource.name)))?;
            Ok(Resource { name: resource.name, digest })
        };
        let resources = found.resources.into_iter().map(resource).collect::<Result<_, _>>()?;
        Self::checked(resources, serialization)
    }
}

impl From<Manifest> for ManifestJson {
    fn from(manifest: Manifest) -> Self {
        let algorithm = manifest.serialization.hash().as_str();
        let resource = |resource: Resource| ResourceJson {
            name: resource.name,
            digest: to_hex(&resource.digest),
            algorithm: algorithm.into(),
        };
        Self {
            serialization: (&manifest.serialization).into(),
            resources: manifest.resources.into_iter().map(resource).collect(),
        }
    }
}

/// Path, start and end of the name of a shard: its last two parts between colons are numbers.
fn split_shard(name: &str) -> Option<(&str, (u64, u64))> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|found| found.to_string() == text);
    let (rest, end) = name.rsplit_once(':')?;
    let (path, start) = rest.rsplit_once(':')?;
    Some((path, (number(start)?, number(end)?)))
}
