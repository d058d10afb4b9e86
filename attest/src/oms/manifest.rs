//! The manifest of a model: its resources with their digests (sections 5.2 and 6.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

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
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "ManifestJson")]
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

#[derive(Deserialize)]
struct ResourceJson {
    name: String,
    digest: String,
    algorithm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestJson {
    resources: Vec<ResourceJson>,
    serialization: SerializationJson,
}

/// A resource as it is written.
#[derive(Serialize)]
struct WrittenResource<'a> {
    name: &'a str,
    digest: String,
    algorithm: &'static str,
}

/// The resources of a manifest as they are written, one after the other and without a copy of all.
struct WrittenResources<'a>(&'a Manifest);

#[derive(Serialize)]
struct WrittenManifest<'a> {
    resources: WrittenResources<'a>,
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

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let serialization = (&self.serialization).into();
        WrittenManifest { resources: WrittenResources(self), serialization }.serialize(serializer)
    }
}

impl Serialize for WrittenResources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let algorithm = self.0.serialization.hash().as_str();
        serializer.collect_seq(self.0.resources.iter().map(|resource| WrittenResource {
            name: &resource.name,
            digest: to_hex(&resource.digest),
            algorithm,
        }))
    }
}

/// Path, start and end of the name of a shard: its last two parts between colons are numbers.
fn split_shard(name: &str) -> Option<(&str, (u64, u64))> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|found| found.to_string() == text);
    let (rest, end) = name.rsplit_once(':')?;
    let (path, start) = rest.rsplit_once(':')?;
    Some((path, (number(start)?, number(end)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oms::HashedStretch;

    fn file(name: &str, size: u64, serialization: &Serialization) -> HashedFile {
        let digest = |range: (u64, u64)| Sha256::of(format!("{name} {range:?}").as_bytes());
        let stretches = serialization.cut(size).map(|range| HashedStretch {
            range,
            digest: digest(range).as_bytes().repeat(serialization.hash().length() / 32),
        });
        HashedFile { name: name.into(), size, stretches: stretches.collect() }
    }

    fn shards() -> Serialization {
        Serialization::new(Method::Shards(10.try_into().unwrap()), HashAlgorithm::Sha256)
    }

    fn text(serialization: &Serialization, files: &[(&str, u64)]) -> String {
        let files: Vec<_> =
            files.iter().map(|(name, size)| file(name, *size, serialization)).collect();
        let manifest = Manifest::new(&files, serialization.clone()).unwrap();
        serde_json::to_string(&manifest).unwrap()
    }

    fn parse(text: &str) -> Result<Manifest, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn names_are_sorted_by_code_points_and_read_back() {
        for serialization in [Serialization::default(), shards()] {
            let written = text(&serialization, &[("b", 25), ("a/b", 3), ("a.b", 10), ("é", 1)]);
            let manifest = parse(&written).unwrap();
            let names: Vec<&str> =
                manifest.resources().iter().map(|resource| resource.name.as_str()).collect();
            assert!(names.is_sorted() && names[0].starts_with("a.b"), "{names:?}");
            assert_eq!(serde_json::to_string(&manifest).unwrap(), written);
            let paths: Vec<&str> = manifest.files().iter().map(|file| file.path).collect();
            assert_eq!(paths, ["a.b", "a/b", "b", "é"]);
        }
    }

    #[test]
    fn what_is_no_manifest() {
        let files = text(&Serialization::default(), &[("a", 3), ("b", 3)]);
        let shards = text(&shards(), &[("a", 25), ("b:1:2", 10)]);
        let hex = "\"digest\":\"";
        let cases = [
            ("files", files.clone(), true),
            ("shards", shards.clone(), true),
            (
                "as the reference names shards",
                shards.replace("\"algorithm\":\"sha256", "\"algorithm\":\"sha256-sharded-10"),
                true,
            ),
            (
                "another size of shards in that",
                shards.replace("\"algorithm\":\"sha256", "\"algorithm\":\"sha256-sharded-11"),
                false,
            ),
            (
                "that for files",
                files.replace("\"algorithm\":\"sha256", "\"algorithm\":\"sha256-sharded-10"),
                false,
            ),
            ("one name twice", files.replace("\"name\":\"b\"", "\"name\":\"a\""), false),
            ("a shard twice", shards.replace("a:10:20", "a:0:10"), false),
            ("a shard missing", shards.replace("a:10:20", "c:0:10"), false),
            ("a shard too short", shards.replace("a:10:20", "a:10:19"), false),
            ("a shard too long", shards.replace("a:20:25", "a:20:31"), false),
            ("the last one empty", shards.replace("a:20:25", "a:20:20"), false),
            ("a gap", shards.replace("a:20:25", "a:21:25"), false),
            ("another spelling", shards.replace("a:0:10", "a:00:10"), false),
            ("a sign", shards.replace("a:0:10", "a:+0:10"), false),
            ("no range", shards.replace("a:0:10", "a"), false),
            ("an upper-case digest", files.replacen(hex, &format!("{hex}A"), 1), false),
            ("a long digest", files.replacen(hex, &format!("{hex}00"), 1), false),
            ("no resources", files.replace("resources", "more"), false),
            ("a field more", files.replacen('{', "{\"more\":1,", 1), false),
            (
                "a field more of a resource",
                files.replace("\"name\"", "\"uri\":\"x\",\"name\""),
                true,
            ),
            ("a parameter more", files.replace("\"method\"", "\"more\":1,\"method\""), false),
            ("an absolute name", files.replace("\"a\"", "\"/a\""), false),
            ("a name that leads out", files.replace("\"a\"", "\"../a\""), false),
            ("a dot among several", files.replace("\"a\"", "\".\""), false),
            (
                "an ignored wildcard",
                files.replace("false", "false,\"ignore_paths\":[\"*\"]"),
                false,
            ),
            ("an ignored path", files.replace("false", "false,\"ignore_paths\":[\"x\"]"), true),
            ("everything ignored", files.replace("false", "false,\"ignore_paths\":[\".\"]"), false),
            ("links as text", files.replace("false", "\"false\""), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(parse(&text).is_ok(), want, "{name}: {text}");
        }
        let empty = Manifest::new(&[], Serialization::default());
        assert_eq!(empty, Err(ManifestError::Empty));
        let only = text(&Serialization::default(), &[("a", 3)]).replace("\"a\"", "\".\"");
        assert!(parse(&only).is_ok(), "a dot alone, as the reference writes it");
    }

    /// Why the root is never relied on without its manifest (THREATS, rule 13).
    #[test]
    fn the_root_binds_no_names() {
        let whole = Serialization::default();
        let one = parse(&text(&whole, &[("a", 3), ("b", 3)])).unwrap();
        let renamed = serde_json::to_string(&one).unwrap();
        let renamed = renamed.replace("\"b\"", "\"c\"");
        let renamed = parse(&renamed).unwrap();
        assert_eq!(one.root(), renamed.root());
        assert_ne!(one, renamed);
        let concatenated: Vec<u8> =
            one.resources().iter().flat_map(|resource| resource.digest.clone()).collect();
        assert_eq!(one.root(), Sha256::of(&concatenated));
        assert_ne!(one.artifact(), ArtifactId::file(Sha256::of(&concatenated)));
    }

    #[test]
    fn files_that_are_artifacts_of_their_own() {
        let names = |serialization: Serialization| {
            let manifest = parse(&text(&serialization, &[("one", 10), ("two", 11)])).unwrap();
            let files = manifest.whole_files();
            files.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Serialization::default()), ["one", "two"]);
        assert_eq!(names(shards()), ["one"], "of the other, no digest of the whole is known");
        let other = Serialization::new(Method::Files, HashAlgorithm::Blake3);
        assert!(names(other).is_empty());
    }
}
