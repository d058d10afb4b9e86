//! Trusted roots of Sigstore instances: who issues certificates, who logs them, who logs
//! signatures, who tells the time.
//!
//! Source: Sigstore protobuf specification, `sigstore_trustroot.proto`, in its JSON form
//! (`trusted_root.json`). One root is one instance: what one root names never completes what
//! another lacks. Parsing prepares every key and certificate, so that a root with a bad one is
//! refused when it is registered and not when it is needed.

use std::fmt;
use std::sync::Arc;

use attest::json::{self, JsonError};
use attest::{KeyError, PublicKey, Sha256, Timestamp};
use serde::Deserialize as _;
use sigstore_trust_root::TrustedRoot;
use sigstore_tsa::TsaAuthority;
use sigstore_types::TimeRange;
use sigstore_verify::Verifier;
use sigstore_verify::crypto::VerificationKey;

use crate::authority::weakness;
use crate::trust::Window;

/// The largest trusted root that is read, in bytes: that of the public instance has 7 KiB.
pub const MAX_ROOT_BYTES: usize = 256 << 10;
/// How many logs, logs of certificates and authorities a root may each have.
const MAX_AUTHORITIES: usize = 64;

/// The types that are read: two spellings of one format.
const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// A trusted root, with its keys and certificates parsed.
#[derive(Clone)]
pub struct SigstoreRoot(Arc<Prepared>);

struct Prepared {
    root: TrustedRoot,
    verifier: Verifier,
    logs: Vec<RekorLog>,
    text: String,
    digest: Sha256,
}

/// A log of signatures that a root names.
pub(super) struct RekorLog {
    /// Where it is served, which is what it is called in reports.
    pub(super) url: String,
    /// The log id: what the SHA-256 digest of its key is for Rekor v1.
    pub(super) id: Vec<u8>,
    pub(super) key: VerificationKey,
    valid: Option<TimeRange>,
}

/// Why bytes are not a trusted root that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SigstoreRootError {
    /// More than [`MAX_ROOT_BYTES`].
    #[error("the trusted root has {found} bytes, more than the limit of {MAX_ROOT_BYTES}")]
    TooLarge {
        /// How many it has.
        found: usize,
    },
    /// Not JSON of this shape.
    #[error("not a trusted root of Sigstore: {0}")]
    Json(
        /// What is wrong.
        String,
    ),
    /// Another type of document.
    #[error("trusted roots of type `{0}` are not read")]
    MediaType(
        /// The type.
        String,
    ),
    /// More authorities or logs than the limit.
    #[error("the trusted root has {found} `{field}`, more than the limit of {MAX_AUTHORITIES}")]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A key or certificate in it is not one, or two are in each other's way.
    #[error("the trusted root cannot be used: {0}")]
    Material(
        /// What is wrong.
        String,
    ),
}

impl From<JsonError> for SigstoreRootError {
    fn from(error: JsonError) -> Self {
        Self::Json(error.to_string())
    }
}

impl SigstoreRoot {
    /// Parses a `trusted_root.json`.
    ///
    /// # Errors
    /// [`SigstoreRootError`].
    pub fn parse(text: &str) -> Result<Self, SigstoreRootError> {
        if text.len() > MAX_ROOT_BYTES {
            return Err(SigstoreRootError::TooLarge { found: text.len() });
        }
        let mut document = json::parse(text.as_bytes())?;
        // The JSON form of protocol buffers leaves empty texts out; the library wants this one.
        let authorities = document.get_mut("certificateAuthorities");
        for authority in authorities.and_then(|list| list.as_array_mut()).into_iter().flatten() {
            if let Some(fields) = authority.as_object_mut() {
                fields.entry("uri").or_insert_with(|| "".into());
            }
        }
        let root = TrustedRoot::deserialize(document)
            .map_err(|error| SigstoreRootError::Json(error.to_string()))?;
        if !MEDIA_TYPES.contains(&root.media_type.as_str()) {
            let found = root.media_type.chars().take(100).collect();
            return Err(SigstoreRootError::MediaType(found));
        }
        let counts = [
            ("tlogs", root.tlogs.len()),
            ("certificateAuthorities", root.certificate_authorities.len()),
            ("ctlogs", root.ctlogs.len()),
            ("timestampAuthorities", root.timestamp_authorities.len()),
        ];
        if let Some((field, found)) = counts.into_iter().find(|(_, count)| *count > MAX_AUTHORITIES)
        {
            return Err(SigstoreRootError::TooMany { field, found });
        }
        let verifier = Verifier::new(&root).map_err(material)?;
        let logs = root.tlogs.iter().map(RekorLog::of).collect::<Result<_, _>>()?;
        let digest = Sha256::of(text.as_bytes());
        let root = Self(Arc::new(Prepared { root, verifier, logs, text: text.into(), digest }));
        root.is_strong()?;
        Ok(root)
    }

    /// Whether no key in it is one by which anybody can sign anything: the library that checks with
    /// them follows the lax rule for Ed25519.
    fn is_strong(&self) -> Result<(), SigstoreRootError> {
        for claims in self.claims() {
            let keys = claims.key.iter().map(|key| PublicKey::from_der(key).err());
            let held = claims.certificates.iter().map(|der| weakness(der));
            if keys.chain(held).flatten().any(|error| error == KeyError::Weak) {
                return Err(SigstoreRootError::Material(KeyError::Weak.to_string()));
            }
        }
        Ok(())
    }

    /// The text that was parsed, as it was.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The digest of the text that was parsed.
    pub fn digest(&self) -> Sha256 {
        self.0.digest
    }

    pub(super) fn read(&self) -> &TrustedRoot {
        &self.0.root
    }

    /// Where the logs of signatures that it names are served, in its order.
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        self.0.logs.iter().map(|log| log.url.as_str())
    }

    /// Whether it names a log of certificates, whose stamps certificates must then carry.
    pub fn has_certificate_logs(&self) -> bool {
        !self.0.root.ctlogs.is_empty()
    }

    /// The stretch around `now` in which nothing that the root names begins to be trusted. What
    /// has ended stays trusted for what was signed before, so that ends are no edges.
    pub fn window(&self, now: Timestamp) -> Window {
        let starts = || self.0.windows().filter_map(|window| window.map(|range| range.start));
        Window {
            from: starts().filter(|start| *start <= now).max(),
            until: starts().filter(|start| *start > now).min(),
        }
    }

    /// The time in a token that one of its timestamp authorities made for `signature`, while it was
    /// to be believed.
    pub(crate) fn time(&self, token: &[u8], signature: &[u8]) -> Option<Timestamp> {
        self.0.root.timestamp_authorities.iter().find_map(|authority| {
            let mut chain =
                authority.cert_chain.certificates.iter().map(|one| one.raw_bytes.clone());
            let (own, root) = (chain.next()?, chain.next_back()?);
            let known = TsaAuthority::new(own, chain.collect(), root, authority.valid_for);
            crate::authority::time(token, signature, &known)
        })
    }

    /// Calls `check` with a verifier that knows nothing whose time has not come at `now`, and with
    /// the logs of signatures that it knows.
    pub(super) fn at<T>(
        &self,
        now: Timestamp,
        check: impl FnOnce(&Verifier, &[&RekorLog]) -> T,
    ) -> Result<T, SigstoreRootError> {
        let begun = |window: &Option<TimeRange>| window.is_none_or(|range| range.start <= now);
        let logs: Vec<&RekorLog> = self.0.logs.iter().filter(|log| begun(&log.valid)).collect();
        if self.0.windows().all(|window| begun(&window)) {
            return Ok(check(&self.0.verifier, &logs));
        }
        let mut root = self.0.root.clone();
        root.tlogs.retain(|log| begun(&log.public_key.valid_for));
        root.ctlogs.retain(|log| begun(&log.public_key.valid_for));
        root.certificate_authorities.retain(|authority| begun(&authority.valid_for));
        root.timestamp_authorities.retain(|authority| begun(&authority.valid_for));
        let verifier = Verifier::new(&root).map_err(material)?;
        Ok(check(&verifier, &logs))
    }
}

impl Prepared {
    fn windows(&self) -> impl Iterator<Item = Option<TimeRange>> {
        let root = &self.root;
        let logs = root.tlogs.iter().map(|log| log.public_key.valid_for);
        let certificate_logs = root.ctlogs.iter().map(|log| log.public_key.valid_for);
        let authorities = root.certificate_authorities.iter().map(|one| one.valid_for);
        let clocks = root.timestamp_authorities.iter().map(|one| one.valid_for);
        logs.chain(certificate_logs).chain(authorities).chain(clocks)
    }
}

impl RekorLog {
    /// The last moment at which it may speak, if it has one.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.valid.and_then(|range| range.end)
    }

    fn of(log: &sigstore_trust_root::TransparencyLog) -> Result<Self, SigstoreRootError> {
        let key = VerificationKey::from_spki(&log.public_key.raw_bytes)
            .map_err(|error| SigstoreRootError::Material(error.to_string()))?;
        Ok(Self {
            url: log.base_url.clone(),
            id: log.log_id.key_id.as_bytes().to_vec(),
            key,
            valid: log.public_key.valid_for,
        })
    }
}

fn material(error: sigstore_verify::Error) -> SigstoreRootError {
    SigstoreRootError::Material(error.to_string())
}

impl fmt::Debug for SigstoreRoot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SigstoreRoot").field(&self.0.digest).finish()
    }
}
