//! The cases of the conformance suite: a folder each, without the name that says how it must end.

#![expect(clippy::disallowed_methods, reason = "tests read vectors from disk")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use attest::{PublicKey, Timestamp};
use fixtures::sigstore::Form;
use verify::{
    Content, Custody, Demands, May, Pattern, SigstoreArtifact, SigstoreBundle, SigstoreRoot, Trust,
    Verified, VerifyError, Whom, Window, verify_sigstore,
};

/// How many cases there are, and how many of them must be believed.
pub(crate) const CASES: (usize, usize) = (47, 14);

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bundle: Vec<u8>,
    pub(crate) artifact: Vec<u8>,
    pub(crate) root: String,
    pub(crate) whom: Signed,
    /// When it is judged.
    pub(crate) now: Timestamp,
}

pub(crate) enum Signed {
    Keyless { subject: String, issuer: String },
    Key(String),
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let vectors = std::env::var("ASSAY_VECTORS").map_or_else(|_| beside(), PathBuf::from);
    let folder = vectors.join("sigstore/bundle-verify");
    if !folder.is_dir() {
        eprintln!(
            "\n!!! VECTORS NOT RUN: no folder `sigstore` in ASSAY_VECTORS or ../shared/vectors !!!\n"
        );
        return None;
    }
    Some(folder)
}

/// Every case, in the order of the folder.
pub(crate) fn all() -> Vec<Case> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(&folder, path)).collect()
}

impl Case {
    fn read(folder: &Path, path: &Path) -> Self {
        let file = |name: &str| fs::read(path.join(name)).ok();
        let text = |name: &str| file(name).map(|bytes| String::from_utf8(bytes).unwrap());
        let or = |name: &str, other: &str| text(name).map_or(other.into(), |it| it.trim().into());
        let production = || fs::read_to_string(folder.join("../production_trusted_root.json"));
        Self {
            name: path.file_name().unwrap().to_str().unwrap().into(),
            bundle: file("bundle.sigstore.json").unwrap(),
            artifact: file("artifact").unwrap_or_else(|| fs::read(folder.join("a.txt")).unwrap()),
            root: text("trusted_root.json").unwrap_or_else(|| production().unwrap()),
            whom: match text("key.pub") {
                Some(pem) => Signed::Key(pem),
                None => Signed::Keyless {
                    subject: or("identity", IDENTITY),
                    issuer: or("issuer", ISSUER),
                },
            },
            now: now(),
        }
    }

    /// A form of bundle, made anew with fresh keys, long enough ago for the machine's clock.
    pub(crate) fn made(form: &Form) -> Self {
        let now = "2025-06-15T12:00:00Z".parse().unwrap();
        let made = form.make(now).unwrap();
        Self {
            name: form.name.into(),
            bundle: made.bundle.to_string().into_bytes(),
            artifact: made.artifact,
            root: made.trusted_root.to_string(),
            whom: match made.key {
                Some(key) => Signed::Key(key.to_pem()),
                None => {
                    Signed::Keyless { subject: made.identity.into(), issuer: made.issuer.into() }
                }
            },
            now,
        }
    }

    /// Whether the suite wants it believed.
    pub(crate) fn is_good(&self) -> bool {
        !self.name.ends_with("_fail")
    }

    /// A trust file that names the root and the signer, and nobody else.
    pub(crate) fn trust(&self) -> Result<Trust, String> {
        self.trust_demanding(Demands::default())
    }

    /// The same, of a root that demands this.
    pub(crate) fn trust_demanding(&self, demands: Demands) -> Result<Trust, String> {
        let mut trust = Trust::empty();
        let root = SigstoreRoot::parse(&self.root).map_err(|error| error.to_string())?;
        trust.add_root("instance", &root, demands).unwrap();
        let may = May::default();
        match &self.whom {
            Signed::Key(pem) => {
                let key = PublicKey::from_pem(pem).map_err(|error| error.to_string())?;
                trust
                    .add_key("key", &key, "owner", &may, Window::default(), Custody::Shared)
                    .unwrap();
            }
            Signed::Keyless { subject, issuer } => {
                let whom = Whom {
                    issuer: Pattern::exact(issuer).unwrap(),
                    subject: Pattern::exact(subject).unwrap(),
                    claims: BTreeMap::new(),
                };
                let (window, custody) = (Window::default(), Custody::Shared);
                trust
                    .add_signer("signer", "instance", &whom, "owner", &may, window, custody)
                    .unwrap();
            }
        }
        Ok(trust)
    }

    /// What comes of the case.
    pub(crate) fn run(&self) -> Result<Verified<Content>, String> {
        let trust = self.trust()?;
        let bundle = SigstoreBundle::parse(&self.bundle).map_err(|error| error.to_string())?;
        self.verify(&bundle, &trust).map_err(|error| error.to_string())
    }

    pub(crate) fn verify(
        &self,
        bundle: &SigstoreBundle,
        trust: &Trust,
    ) -> Result<Verified<Content>, VerifyError> {
        verify_sigstore(bundle, SigstoreArtifact::Bytes(&self.artifact), trust, self.now)
    }
}
