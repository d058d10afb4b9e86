//! What keeps a model from being signed or looked at, each with a line of advice.

use std::path::PathBuf;

use ::attest::certificate::CertificateError;
use ::attest::oms::{BundleError, CacheError, ManifestError, ScanError};

/// Why the question could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The model cannot be read.
    #[error("cannot read the model `{}`", path.display())]
    Scan {
        /// The model.
        path: PathBuf,
        /// Why.
        source: ScanError,
    },
    /// Something that no model may hold.
    #[error("`{name}` cannot be signed: {why}{}", and_others(*others))]
    Refused {
        /// Its name in the model.
        name: String,
        /// Why.
        why: String,
        /// How many more there are.
        others: usize,
    },
    /// The files make no manifest.
    #[error("the model cannot be signed: {0}")]
    Manifest(#[from] ManifestError),
    /// A file is no signature that can be read.
    #[error("cannot use signature `{}`", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<BundleError>,
    },
    /// A key of an algorithm that signs no models.
    #[error("keys of {0} sign no models (OpenSSF Model Signing v1.0, algorithm registry)")]
    Algorithm(&'static str),
    /// A file with certificates is none.
    #[error("cannot use the certificates in `{}`", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
    /// The certificate belongs to another key.
    #[error("the certificate in `{}` is that of another key", .0.display())]
    OtherKey(PathBuf),
    /// The cache of digests is none.
    #[error("cannot use the cache `{}`", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CacheError,
    },
    /// Somebody else may write to the cache of digests.
    #[error("others may write to the cache `{}`", .0.display())]
    OpenCache(PathBuf),
}

fn and_others(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (and 1 more)".into(),
        count => format!(" (and {count} more)"),
    }
}

impl Trouble {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Scan { source: ScanError::Hash(_), .. } => {
                "check that this is the model, a folder or a file, and that nobody writes to it"
                    .into()
            }
            Self::Scan { .. } => return None,
            Self::Refused { .. } => {
                "take it out of the model, leave it out with `--ignore PATH`, or follow links with \
                 `--allow-symlinks`"
                    .into()
            }
            Self::Manifest(ManifestError::Name { .. }) => {
                "give paths in the model, with `/` between parts".into()
            }
            Self::Manifest(_) => "nothing was signed".into(),
            Self::Bundle { source, .. } if matches!(**source, BundleError::Sigstore) => {
                "nothing was decided".into()
            }
            Self::Bundle { .. } => "name the signature with `--signature FILE`".into(),
            Self::Algorithm(_) => {
                "make one with `assay key generate --algorithm p256`, or p384 or p521".into()
            }
            Self::Certificates { .. } => "give certificates in PEM".into(),
            Self::OtherKey(_) => "give the certificate that was issued for the key".into(),
            Self::Cache { path, .. } => {
                format!("remove `{}`; it is made anew", path.display())
            }
            Self::OpenCache(path) => format!("run `chmod go-w {}`", path.display()),
        })
    }
}
