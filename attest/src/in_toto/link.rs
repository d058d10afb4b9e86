//! Links: evidence that a step was done, with the digests of what went in and came out.
//!
//! Source: in-toto specification v1.0, section 4.4.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::layout::{LayoutError, check_name};

/// How many materials, and how many products, a link may have.
pub const MAX_ARTIFACTS: usize = 100_000;
/// The longest path of an artifact, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// How many digests an artifact may have.
const MAX_DIGESTS: usize = 16;

/// Artifacts by their paths, each with its digests: algorithm to hex digits.
pub type Artifacts = BTreeMap<String, BTreeMap<String, String>>;

/// What somebody says of a step that was done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Link {
    /// The step.
    pub name: String,
    /// The command that was run.
    pub command: Vec<String>,
    /// What went in.
    pub materials: Artifacts,
    /// What came out.
    pub products: Artifacts,
    /// What else came of it, such as `return-value`.
    pub byproducts: Map<String, Value>,
    /// Where it was done.
    pub environment: Map<String, Value>,
}

/// Why a document is not a link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Not of this shape.
    #[error("not a link: {0}")]
    Shape(#[from] serde_json::Error),
    /// Not the name of a step.
    #[error(transparent)]
    Name(LayoutError),
    /// More artifacts than are read.
    #[error("{found} {side}, more than the limit of {MAX_ARTIFACTS}")]
    TooMany {
        /// `materials` or `products`.
        side: &'static str,
        /// How many there are.
        found: usize,
    },
    /// An artifact that is not described as one.
    #[error("artifact `{path}`: {why}")]
    Artifact {
        /// Its path, as far as it is shown.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[derive(Deserialize)]
struct LinkJson {
    name: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    materials: Artifacts,
    #[serde(default)]
    products: Artifacts,
    #[serde(default)]
    byproducts: Map<String, Value>,
    #[serde(default)]
    environment: Map<String, Value>,
}

impl Link {
    pub(super) fn from_value(value: Value) -> Result<Self, LinkError> {
        let found = LinkJson::deserialize(value)?;
        let link = Self {
            name: found.name,
            command: found.command,
            materials: found.materials,
            products: found.products,
            byproducts: found.byproducts,
            environment: found.environment,
        };
        link.check()?;
        Ok(link)
    }

    fn check(&self) -> Result<(), LinkError> {
        check_name(&self.name).map_err(LinkError::Name)?;
        check_artifacts("materials", &self.materials)?;
        check_artifacts("products", &self.products)
    }

    /// The document to sign.
    ///
    /// # Errors
    /// [`LinkError`], as for reading: what cannot be read back must not be signed.
    pub fn to_value(&self) -> Result<Value, LinkError> {
        self.check()?;
        Ok(json!({
            "_type": "link",
            "name": self.name,
            "command": self.command,
            "materials": self.materials,
            "products": self.products,
            "byproducts": self.byproducts,
            "environment": self.environment,
        }))
    }
}

fn check_artifacts(side: &'static str, artifacts: &Artifacts) -> Result<(), LinkError> {
    if artifacts.len() > MAX_ARTIFACTS {
        return Err(LinkError::TooMany { side, found: artifacts.len() });
    }
    for (path, digests) in artifacts {
        let wrong = |why| LinkError::Artifact { path: path.chars().take(200).collect(), why };
        if path.len() > MAX_PATH_BYTES {
            return Err(wrong("the path is too long"));
        }
        if digests.len() > MAX_DIGESTS {
            return Err(wrong("too many digests"));
        }
        let is_hex = |hex: &String| {
            !hex.is_empty() && hex.len() <= 256 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if !digests.values().all(is_hex) {
            return Err(wrong("a digest is not hex digits"));
        }
    }
    Ok(())
}
