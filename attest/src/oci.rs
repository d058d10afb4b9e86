//! OCI images: strict reading of manifests and indexes, and of image layout folders.
//!
//! Source: OCI Image Format 1.1, "Image Manifest", "Image Index", "Image Layout". The artifact
//! that an image is has the digest of its manifest's bytes, so the bytes are parsed as they
//! stand and never written anew. A document that could be taken for both a manifest and an
//! index is refused (CVE-2021-41190), and so is a key that stands twice, or once more in other
//! letters: parsers that match keys without regard to case, as Go's does, would read another
//! document. Nothing here opens a file: [`crate::content`] reads folders.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use serde::Deserialize;
use serde_json::Value;

use crate::artifact::{ArtifactId, Kind};
use crate::digest::Sha256;
use crate::json::{self, JsonError};

/// The media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image manifest as registries for Docker have it; the same shape.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of an image index as registries for Docker have it; the same shape.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest or index that is read, in bytes; registries have the same limit.
pub const MAX_BYTES: usize = 4 << 20;
/// How many layers a manifest, or manifests an index, may have.
pub const MAX_CHILDREN: usize = 4096;
/// How many manifests and indexes of one folder are read.
pub const MAX_DOCUMENTS: usize = 4096;

/// The keys of manifests and indexes, those of Docker's oldest ones included.
const DOCUMENT_KEYS: [&str; 11] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
];
/// The keys of descriptors.
const DESCRIPTOR_KEYS: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];

/// Why bytes are not an image manifest or index, or a folder is not an image layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// Not JSON of this shape.
    #[error("not an OCI document: {0}")]
    Json(#[from] JsonError),
    /// `schemaVersion` is not 2.
    #[error("`schemaVersion` is {0}, not 2")]
    SchemaVersion(u64),
    /// The media type is none of those known, or not that of the document's shape.
    #[error("`{0}` is not the media type of this image manifest or index")]
    MediaType(String),
    /// The document has fields of both shapes, or of neither.
    #[error("the document is not clearly either an image manifest or an image index")]
    Ambiguous,
    /// A key that differs from a known one only in the case of its letters: some parsers take it
    /// for that one.
    #[error("`{0}` is spelled like a key of the format, in letters of another case")]
    Key(String),
    /// More than [`MAX_CHILDREN`].
    #[error("the document names more than {MAX_CHILDREN} others")]
    TooMany,
    /// The document is larger than [`MAX_BYTES`].
    #[error("the document is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A digest that is not SHA-256.
    #[error("`{0}` is not a `sha256:` digest, and no other identifies an image here")]
    Digest(String),
    /// The `oci-layout` file does not say version 1.0.0.
    #[error("the `oci-layout` file does not say `imageLayoutVersion` 1.0.0")]
    Layout,
    /// `index.json` does not name exactly one image.
    #[error("`index.json` names {0} images: export exactly one into the folder")]
    NotOne(usize),
    /// A file that an image layout must have is not there.
    #[error("the image has no `{0}`")]
    Missing(String),
    /// A file that is no part of the image: what one digest names must be all there is.
    #[error(
        "`{0}` is no part of the image that `index.json` names; remove it, or export the image into a fresh folder"
    )]
    Foreign(String),
    /// A blob's bytes have not the digest that its name says.
    #[error("`{0}` has not the digest that its name says")]
    Corrupt(String),
    /// A blob has not the size that its descriptor says.
    #[error("`{0}` has not the size that its descriptor says")]
    Size(String),
}

/// What a document says of another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
struct DescriptorJson {
    media_type: String,
    digest: String,
    size: u64,
}

/// A reference from a document to a blob or another document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    /// The media type of what it refers to.
    pub media_type: String,
    /// Its digest.
    pub digest: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

impl Descriptor {
    /// The artifact that it refers to: a manifest, an index, or else a file.
    pub fn artifact(&self) -> ArtifactId {
        let kind = document_kind(&self.media_type).unwrap_or(Kind::File);
        ArtifactId::new(kind, self.digest)
    }

    /// Where an image layout keeps it.
    pub fn blob(&self) -> String {
        format!("blobs/sha256/{}", self.digest.hex())
    }

    fn parse(json: DescriptorJson) -> Result<Self, OciError> {
        let digest =
            Sha256::from_str(&json.digest).map_err(|_| OciError::Digest(shown(&json.digest)))?;
        Ok(Self { media_type: json.media_type, digest, size: json.size })
    }
}

/// An image manifest or index, parsed from its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    media_type: String,
    artifact: ArtifactId,
    children: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentJson {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<DescriptorJson>,
    #[serde(default)]
    layers: Option<Vec<DescriptorJson>>,
    #[serde(default)]
    manifests: Option<Vec<DescriptorJson>>,
    #[serde(default)]
    fs_layers: Option<Value>,
}

impl Document {
    /// Parses the bytes of a manifest or index.
    ///
    /// `media_type` is what a descriptor or a registry says that they are; it must agree with
    /// what the bytes say, and decides where they say nothing.
    ///
    /// # Errors
    /// [`OciError`] when the bytes are neither, or could be taken for both.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, OciError> {
        let kind =
            document_kind(media_type).ok_or_else(|| OciError::MediaType(shown(media_type)))?;
        if bytes.len() > MAX_BYTES {
            return Err(OciError::TooLarge);
        }
        let value = json::parse(bytes)?;
        check_keys(&value)?;
        let json = DocumentJson::deserialize(value).map_err(JsonError::from)?;
        if json.schema_version != 2 {
            return Err(OciError::SchemaVersion(json.schema_version));
        }
        match json.media_type {
            Some(own) if own != media_type => return Err(OciError::MediaType(shown(&own))),
            // Docker's documents always say what they are; OCI's may leave it out.
            None if matches!(media_type, DOCKER_MANIFEST | DOCKER_INDEX) => {
                return Err(OciError::MediaType(shown(media_type)));
            }
            _ => {}
        }
        let children: Vec<_> = match (kind, json.config, json.layers, json.manifests) {
            _ if json.fs_layers.is_some() => return Err(OciError::Ambiguous),
            (Kind::OciManifest, Some(config), Some(layers), None) => {
                std::iter::once(config).chain(layers).collect()
            }
            (Kind::OciIndex, None, None, Some(manifests)) => manifests,
            _ => return Err(OciError::Ambiguous),
        };
        if children.len() > MAX_CHILDREN {
            return Err(OciError::TooMany);
        }
        let children = children.into_iter().map(Descriptor::parse).collect::<Result<_, _>>()?;
        let artifact = ArtifactId::new(kind, Sha256::of(bytes));
        Ok(Self { media_type: media_type.into(), artifact, children })
    }

    /// The media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The artifact that it is: a manifest or an index, with the digest of its bytes.
    pub fn artifact(&self) -> ArtifactId {
        self.artifact
    }

    /// What it names: configuration and layers of a manifest, manifests of an index.
    pub fn children(&self) -> &[Descriptor] {
        &self.children
    }
}

/// Refuses keys of a document, or of a descriptor in it, that only case tells from known ones.
fn check_keys(document: &Value) -> Result<(), OciError> {
    let refuse = |value: &Value, known: &[&str]| {
        let mut keys = value.as_object().into_iter().flat_map(|fields| fields.keys());
        let alike = |key: &&String| {
            !known.contains(&key.as_str()) && known.iter().any(|name| folded(key) == folded(name))
        };
        keys.find(alike).map_or(Ok(()), |key| Err(OciError::Key(shown(key))))
    };
    refuse(document, &DOCUMENT_KEYS)?;
    for name in ["config", "layers", "manifests", "subject"] {
        match document.get(name) {
            Some(Value::Array(items)) => {
                items.iter().try_for_each(|item| refuse(item, &DESCRIPTOR_KEYS))?;
            }
            Some(one) => refuse(one, &DESCRIPTOR_KEYS)?,
            None => {}
        }
    }
    Ok(())
}

/// The text without regard to case, Unicode's simple folding included: the long s is an s, and the
/// sign for kelvin a k.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The kind of artifact that documents of a media type are, if they are manifests or indexes.
pub fn document_kind(media_type: &str) -> Option<Kind> {
    match media_type {
        MANIFEST | DOCKER_MANIFEST => Some(Kind::OciManifest),
        INDEX | DOCKER_INDEX => Some(Kind::OciIndex),
        _ => None,
    }
}

/// The image that a folder holds: the one document that its `index.json` names, and every
/// further manifest below it, outermost first, with their bytes.
#[derive(Clone, Debug)]
pub struct Image {
    documents: Vec<(Document, Vec<u8>)>,
}

impl Image {
    /// The artifact: what a runtime would be told to run.
    pub fn artifact(&self) -> Option<ArtifactId> {
        self.documents.first().map(|(document, _)| document.artifact())
    }

    /// The documents with their bytes, outermost first.
    pub fn documents(&self) -> &[(Document, Vec<u8>)] {
        &self.documents
    }
}

/// Checks the files of an image layout folder and finds its image.
///
/// `files` are all files below the folder with their sizes and digests; `read` gives the bytes
/// of one of them. Every blob must hash to its name, and every file must be part of the one
/// image: what else a folder held would go unseen with it. A manifest needs its configuration
/// and layers; an index may name manifests for platforms that the folder has not.
///
/// # Errors
/// [`OciError`], or what `read` says, when the folder is not such a layout.
pub fn check_layout<E: From<OciError>>(
    files: &BTreeMap<String, (u64, Sha256)>,
    mut read: impl FnMut(&str, usize) -> Result<Vec<u8>, E>,
) -> Result<Image, E> {
    for (name, (_, digest)) in files {
        if let Some(hex) = name.strip_prefix("blobs/sha256/")
            && hex != digest.hex()
        {
            return Err(OciError::Corrupt(name.clone()).into());
        }
    }
    let mut own = |name: &str, limit: usize| {
        if !files.contains_key(name) {
            return Err(OciError::Missing(name.into()).into());
        }
        read(name, limit)
    };
    let layout: Value = json::parse(&own("oci-layout", 4096)?).map_err(OciError::from)?;
    if layout.get("imageLayoutVersion").and_then(Value::as_str) != Some("1.0.0") {
        return Err(OciError::Layout.into());
    }
    let index = Document::parse(INDEX, &own("index.json", MAX_BYTES)?)?;
    let [image] = index.children() else {
        return Err(OciError::NotOne(index.children().len()).into());
    };

    let mut seen = BTreeSet::from(["oci-layout".to_owned(), "index.json".to_owned()]);
    let mut documents = Vec::new();
    // The image itself must be there; below an index, platforms may be left out.
    let mut waiting = vec![(image.clone(), true)];
    while let Some((descriptor, required)) = waiting.pop() {
        let blob = descriptor.blob();
        match files.get(&blob) {
            None if required => return Err(OciError::Missing(blob).into()),
            None => continue,
            Some((size, _)) if *size != descriptor.size => return Err(OciError::Size(blob).into()),
            Some(_) => {}
        }
        let is_document = document_kind(&descriptor.media_type).is_some();
        if !seen.insert(blob.clone()) || !is_document {
            if documents.is_empty() {
                return Err(OciError::MediaType(shown(&descriptor.media_type)).into());
            }
            continue;
        }
        if documents.len() >= MAX_DOCUMENTS {
            return Err(OciError::TooMany.into());
        }
        let bytes = own(&blob, MAX_BYTES)?;
        let document = Document::parse(&descriptor.media_type, &bytes)?;
        let whole = document.artifact().kind() == Some(Kind::OciManifest);
        waiting.extend(document.children().iter().rev().map(|child| (child.clone(), whole)));
        documents.push((document, bytes));
    }
    match files.keys().find(|name| !seen.contains(*name)) {
        Some(name) => Err(OciError::Foreign(name.clone()).into()),
        None => Ok(Image { documents }),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str, bytes: &[u8]) -> String {
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#,
            Sha256::of(bytes),
            bytes.len()
        )
    }

    fn manifest(layer: &[u8]) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
            descriptor("application/vnd.oci.image.layer.v1.tar", layer),
        )
    }

    fn index(children: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","))
    }

    #[test]
    fn documents() {
        let manifest = manifest(b"layer");
        let one = index(&[descriptor(MANIFEST, manifest.as_bytes())]);
        let sha512 = manifest.replace("sha256:", "sha512:");
        let both = manifest.replace("\"layers\"", "\"manifests\":[],\"layers\"");
        let cases = [
            ("manifest", MANIFEST, manifest.clone(), true),
            ("index", INDEX, one.clone(), true),
            ("empty index", INDEX, index(&[]), true),
            ("manifest said to be an index", INDEX, manifest.clone(), false),
            ("index said to be a manifest", MANIFEST, one.clone(), false),
            ("type says otherwise", DOCKER_MANIFEST, manifest.clone(), false),
            ("no manifest at all", "text/plain", manifest.clone(), false),
            ("both shapes", MANIFEST, both, false),
            ("old schema", MANIFEST, manifest.replace("\":2", "\":1"), false),
            ("other digest", MANIFEST, sha512, false),
            ("no config", MANIFEST, manifest.replace("\"config\"", "\"other\""), false),
            (
                "layers twice",
                MANIFEST,
                manifest.replace("\"layers\"", "\"layers\":[],\"layers\""),
                false,
            ),
            ("negative size", MANIFEST, manifest.replace("\"size\":5", "\"size\":-5"), false),
            (
                "layers again in other letters",
                MANIFEST,
                manifest.replace("\"layers\"", "\"Layers\":[],\"layers\""),
                false,
            ),
            (
                "layers in a letter that only some fold",
                MANIFEST,
                manifest.replace("\"layers\"", "\"layerſ\":[],\"layers\""),
                false,
            ),
            (
                "digest again in other letters",
                MANIFEST,
                manifest.replacen("\"digest\"", "\"DIGEST\":\"sha256:0\",\"digest\"", 1),
                false,
            ),
            (
                "manifests of another document in other letters",
                MANIFEST,
                manifest.replace("\"layers\"", "\"Manifests\":[],\"layers\""),
                false,
            ),
            (
                "a key that nobody knows",
                MANIFEST,
                manifest.replace("\"layers\"", "\"layered\":[],\"layers\""),
                true,
            ),
            ("not JSON", MANIFEST, "{".into(), false),
        ];
        for (name, media_type, text, good) in cases {
            let found = Document::parse(media_type, text.as_bytes());
            assert_eq!(found.is_ok(), good, "{name}: {found:?}");
            if let Ok(document) = found {
                assert_eq!(document.artifact().digest(), Some(Sha256::of(text.as_bytes())));
            }
        }
        let children = Document::parse(MANIFEST, manifest.as_bytes()).unwrap();
        let artifacts: Vec<_> = children.children().iter().map(Descriptor::artifact).collect();
        let want = [b"{}".as_slice(), b"layer"].map(|bytes| ArtifactId::file(Sha256::of(bytes)));
        assert_eq!(artifacts, want);
    }

    type Files = BTreeMap<String, Vec<u8>>;
    type Change<'a> = &'a dyn Fn(&mut Files);

    fn blob(files: &mut Files, bytes: &[u8]) {
        files.insert(format!("blobs/sha256/{}", Sha256::of(bytes).hex()), bytes.into());
    }

    fn layout() -> Files {
        let mut files = Files::new();
        let manifest = manifest(b"layer");
        for bytes in [b"{}".as_slice(), b"layer", manifest.as_bytes()] {
            blob(&mut files, bytes);
        }
        files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.into());
        let index = index(&[descriptor(MANIFEST, manifest.as_bytes())]);
        files.insert("index.json".into(), index.into());
        files
    }

    fn check(files: &Files) -> Result<Image, OciError> {
        let listed = files
            .iter()
            .map(|(name, bytes)| (name.clone(), (bytes.len() as u64, Sha256::of(bytes))))
            .collect();
        check_layout(&listed, |name, _| Ok::<_, OciError>(files[name].clone()))
    }

    #[test]
    fn a_layout_holds_one_image_and_nothing_else() {
        let name = |bytes: &[u8]| format!("blobs/sha256/{}", Sha256::of(bytes).hex());
        let manifest = manifest(b"layer");
        let two = index(&[
            descriptor(MANIFEST, manifest.as_bytes()),
            descriptor(MANIFEST, manifest.as_bytes()),
        ]);
        let cases: [(&str, Change<'_>, &str); 11] = [
            ("whole", &|_| {}, ""),
            (
                "foreign file",
                &|files| drop(files.insert("weights.bin".into(), b"x".into())),
                "no part",
            ),
            ("unused blob", &|files| blob(files, b"unused"), "no part"),
            (
                "corrupt layer",
                &|files| drop(files.insert(name(b"layer"), b"LAYER".into())),
                "digest",
            ),
            ("missing layer", &|files| drop(files.remove(&name(b"layer"))), "has no"),
            ("missing manifest", &|files| drop(files.remove(&name(manifest.as_bytes()))), "has no"),
            ("no index", &|files| drop(files.remove("index.json")), "has no `index.json`"),
            ("no layout file", &|files| drop(files.remove("oci-layout")), "has no `oci-layout`"),
            (
                "other version",
                &|files| {
                    drop(files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"2"}"#.into()))
                },
                "1.0.0",
            ),
            (
                "two images",
                &|files| drop(files.insert("index.json".into(), two.clone().into())),
                "names 2",
            ),
            (
                "wrong size",
                &|files| {
                    let text = String::from_utf8(files["index.json"].clone()).unwrap();
                    let size = format!("\"size\":{}", manifest.len());
                    files.insert("index.json".into(), text.replace(&size, "\"size\":7").into());
                },
                "size",
            ),
        ];
        for (name, change, want) in cases {
            let mut files = layout();
            change(&mut files);
            match check(&files) {
                Ok(image) => {
                    assert_eq!(want, "", "{name}");
                    let manifest =
                        ArtifactId::new(Kind::OciManifest, Sha256::of(manifest.as_bytes()));
                    assert_eq!(image.artifact(), Some(manifest));
                }
                Err(found) => {
                    assert!(
                        !want.is_empty() && found.to_string().contains(want),
                        "{name}: {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_index_may_lack_platforms_but_not_layers() {
        let (one, other) = (manifest(b"layer"), manifest(b"other layer"));
        let platforms =
            index(&[descriptor(MANIFEST, one.as_bytes()), descriptor(MANIFEST, other.as_bytes())]);
        let mut files = layout();
        blob(&mut files, platforms.as_bytes());
        let top = index(&[descriptor(INDEX, platforms.as_bytes())]);
        files.insert("index.json".into(), top.into());
        let image = check(&files).unwrap();
        let index = ArtifactId::new(Kind::OciIndex, Sha256::of(platforms.as_bytes()));
        assert_eq!(image.artifact(), Some(index));
        assert_eq!(image.documents().len(), 2);
        blob(&mut files, other.as_bytes());
        assert!(matches!(check(&files), Err(OciError::Missing(_))), "a platform without its layer");
        blob(&mut files, b"other layer");
        assert_eq!(check(&files).unwrap().documents().len(), 3);
    }
}
