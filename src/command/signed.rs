//! `assay verify --trusted-root` and `--key`: whether one bundle is a signature over the artifact
//! by exactly this signer. Also for signatures over a file's own bytes, which say nothing about
//! the file and so are part of no lineage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::attest::{ArtifactId, Kind, Sha256, Timestamp};
use ::verify::{
    Clock, Content, Custody, Demands, May, Pattern, SigstoreArtifact, SigstoreBundle, SigstoreRoot,
    Trust, Verified, VerifyError, Whom, Window, verify_sigstore,
};
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::home;
use crate::keys;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::target::Target;

/// Whom to believe instead of whom the trust file names.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "One signer instead of the trust file")]
pub struct SignerArgs {
    /// Believe this Sigstore instance: its `trusted_root.json`
    #[arg(long, value_name = "FILE", requires = "bundles")]
    trusted_root: Option<PathBuf>,

    /// Who must have signed: the subject of the certificate, exactly
    #[arg(
        long,
        value_name = "SUBJECT",
        requires = "certificate_oidc_issuer",
        requires = "trusted_root"
    )]
    certificate_identity: Option<String>,

    /// Who must have vouched for it: the issuer in the certificate, exactly
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,

    /// The key that must have signed, its public half in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "bundles",
        conflicts_with = "certificate_identity"
    )]
    key: Option<PathBuf>,
}

impl SignerArgs {
    /// One keyless signer, as other commands name it.
    pub fn keyless(root: &Path, subject: &str, issuer: &str) -> Self {
        Self {
            trusted_root: Some(root.into()),
            certificate_identity: Some(subject.into()),
            certificate_oidc_issuer: Some(issuer.into()),
            key: None,
        }
    }

    /// A trust file that names this signer alone; nothing when no signer was named.
    pub fn trust(&self) -> Result<Option<Trust>, Error> {
        if self.trusted_root.is_none() && self.key.is_none() {
            return Ok(None);
        }
        let mut trust = Trust::empty();
        if let Some(path) = &self.trusted_root {
            let root = read_root(path)?;
            trust.add_root(ROOT, &root, Demands::default()).map_err(Error::Signer)?;
        }
        // Nothing that it signs is judged: who signed is the whole question.
        let may = May::default();
        let (window, custody) = (Window::default(), Custody::default());
        match (&self.certificate_identity, &self.certificate_oidc_issuer, &self.key) {
            (Some(subject), Some(issuer), _) => {
                let whom = Whom {
                    issuer: Pattern::exact(issuer).map_err(Error::Pattern)?,
                    subject: Pattern::exact(subject).map_err(Error::Pattern)?,
                    claims: BTreeMap::new(),
                };
                let added = trust.add_signer(SIGNER, ROOT, &whom, SIGNER, &may, window, custody);
                added.map_err(Error::Signer)?;
            }
            (.., Some(path)) => {
                let key = keys::read_public(path)?;
                let added = trust.add_key(SIGNER, &key, SIGNER, &may, window, custody);
                added.map_err(Error::Signer)?;
            }
            _ => return Err(Error::NoSigner),
        }
        Ok(Some(trust))
    }
}

/// What the one root of the command line is called.
const ROOT: &str = "--trusted-root";
/// What the one signer of the command line is called.
pub const SIGNER: &str = "--signer";

/// The trusted root in a file.
pub fn read_root(path: &Path) -> Result<SigstoreRoot, Error> {
    let text = home::read_text(path)?;
    SigstoreRoot::parse(&text).map_err(|source| Error::TrustedRoot { path: path.into(), source })
}

/// The bundles that are signatures over an artifact's own bytes, and those that are not.
pub fn messages(bundles: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let (mut messages, mut others) = (Vec::new(), Vec::new());
    for path in bundles {
        let found = SigstoreBundle::parse(&home::read(path)?);
        let is_message = found.is_ok_and(|bundle| !bundle.is_statement());
        if is_message { &mut messages } else { &mut others }.push(path.clone());
    }
    Ok((messages, others))
}

/// Whether every bundle is a signature over the artifact by a signer of `trust`.
pub fn verify(
    target: &Target,
    bundles: &[PathBuf],
    trust: &Trust,
    cx: &Context<'_>,
) -> Result<Signatures, Error> {
    let artifact = cx.resolve(target)?;
    let mut signatures = Vec::new();
    for path in bundles {
        let bytes = home::read(path)?;
        let bundle = SigstoreBundle::parse(&bytes)
            .map_err(|source| Error::SigstoreBundle { path: path.clone(), source })?;
        let found = one(target, artifact, &bundle, trust, cx.now)?;
        signatures.push(Signature::of(path, artifact, found));
    }
    let verified = !signatures.is_empty() && signatures.iter().all(|one| one.verified);
    let name = target.name();
    let version = "assay/signatures/v1";
    Ok(Signatures { version, artifact, name, verified, signatures })
}

fn one(
    target: &Target,
    artifact: ArtifactId,
    bundle: &SigstoreBundle,
    trust: &Trust,
    now: Timestamp,
) -> Result<Result<Verified<Content>, VerifyError>, Error> {
    let Some(digest) = artifact.digest() else { return Ok(Err(VerifyError::OtherArtifact)) };
    let found = verify_sigstore(bundle, SigstoreArtifact::Digest(digest), trust, now);
    let (Err(VerifyError::NeedsBytes), Target::Path(path)) = (&found, target) else {
        return Ok(found);
    };
    let bytes = home::read(path)?;
    if Sha256::of(&bytes) != digest {
        return Ok(Err(VerifyError::OtherArtifact));
    }
    Ok(verify_sigstore(bundle, SigstoreArtifact::Bytes(&bytes), trust, now))
}

/// What came of the bundles.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signatures {
    version: &'static str,
    artifact: ArtifactId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    verified: bool,
    signatures: Vec<Signature>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    bundle: PathBuf,
    verified: bool,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Found {
    Signed {
        #[serde(skip_serializing_if = "Option::is_none")]
        predicate_type: Option<String>,
        signers: Vec<SignerView>,
        log_entries: Vec<EntryView>,
        times: Vec<TimeView>,
    },
    Nothing {
        why: String,
    },
}

/// Who signed, as it was verified: nothing that a bundle merely says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerView {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified: Option<CertifiedView>,
}

/// The name that an authority certified.
#[derive(Serialize)]
struct CertifiedView {
    kind: &'static str,
    name: String,
    authority: String,
}

#[derive(Serialize)]
struct EntryView {
    log: String,
    index: u64,
    size: u64,
    root: Sha256,
}

#[derive(Serialize)]
struct TimeView {
    time: Timestamp,
    by: &'static str,
}

impl Signature {
    fn of(
        path: &Path,
        artifact: ArtifactId,
        found: Result<Verified<Content>, VerifyError>,
    ) -> Self {
        let found = found.and_then(|verified| {
            if is_about(verified.content(), artifact) {
                Ok(verified)
            } else {
                Err(VerifyError::OtherArtifact)
            }
        });
        let (verified, found) = match found {
            Ok(verified) => (true, Found::of(&verified)),
            Err(error) => (false, Found::Nothing { why: error.to_string() }),
        };
        Self { bundle: path.into(), verified, found }
    }
}

/// Whether what was signed is about the artifact, and not about one of another kind that has the
/// same digest (THREATS, rule 12).
fn is_about(content: &Content, artifact: ArtifactId) -> bool {
    match content {
        Content::Statement(statement) => {
            statement.subject.iter().any(|subject| subject.artifact() == Ok(artifact))
        }
        Content::Message(digest) => {
            let of_bytes = [Kind::File, Kind::OciManifest, Kind::OciIndex];
            artifact.kind().is_some_and(|kind| of_bytes.contains(&kind))
                && artifact.digest() == Some(*digest)
        }
        _ => false,
    }
}

impl Found {
    fn of(verified: &Verified<Content>) -> Self {
        let predicate_type = match verified.content() {
            Content::Statement(statement) => Some(statement.predicate_type().to_owned()),
            _ => None,
        };
        let log_entries = verified.rekor().iter().map(|entry| EntryView {
            log: entry.log.clone(),
            index: entry.index,
            size: entry.size,
            root: entry.tree,
        });
        let times = verified.times().iter().map(|proven| TimeView {
            time: proven.time,
            by: match proven.by {
                Clock::Log { .. } => "log",
                Clock::Witnesses { .. } => "quorum of witnesses",
                _ => "timestamp authority",
            },
        });
        Self::Signed {
            predicate_type,
            signers: verified.signers().iter().map(SignerView::of).collect(),
            log_entries: log_entries.collect(),
            times: times.collect(),
        }
    }
}

impl SignerView {
    /// A signer as it was verified.
    pub fn of(signer: &::verify::Signer) -> Self {
        let keyless = signer.keyless.as_ref();
        let claims = keyless.into_iter().flat_map(|keyless| &keyless.claims);
        Self {
            key: signer.key.to_string(),
            subject: keyless.map(|keyless| keyless.subject.clone()),
            issuer: keyless.map(|keyless| keyless.issuer.clone()),
            claims: claims.map(|(claim, value)| (claim.as_str(), value.clone())).collect(),
            certified: signer.certified.as_ref().map(|certified| CertifiedView {
                kind: certified.kind.as_str(),
                name: certified.name.clone(),
                authority: certified.authority.clone(),
            }),
        }
    }

    /// Whom to show: what somebody vouched for, or the key.
    pub fn shown(&self) -> &str {
        let certified = self.certified.as_ref().map(|certified| &certified.name);
        self.subject.as_ref().or(certified).unwrap_or(&self.key)
    }

    /// The name that an instance or an authority vouched for, and which, if one did.
    pub fn vouched(&self) -> Option<String> {
        let certified = self.certified.as_ref();
        let certified = certified.map(|found| format!("{} by {}", found.name, found.authority));
        let keyless = self.subject.as_ref().zip(self.issuer.as_ref());
        keyless.map(|(subject, issuer)| format!("{subject} by {issuer}")).or(certified)
    }
}

impl Answer for Signatures {
    fn exit(&self) -> Exit {
        if self.verified { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let name = self.name.as_deref().unwrap_or("artifact");
        page.put(Tone::Strong, name).text("  ").put(Tone::Faint, self.artifact).end();
        self.draw_each(page);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl Signatures {
    /// Whether every one of them is good.
    pub const fn verified(&self) -> bool {
        self.verified
    }

    /// Draws what came of each, without the artifact.
    pub fn draw_each(&self, page: &mut Page) {
        for signature in &self.signatures {
            signature.draw(page);
        }
    }
}

impl Signature {
    fn draw(&self, page: &mut Page) {
        match &self.found {
            Found::Signed { predicate_type, signers, log_entries, times } => {
                page.put(Tone::Good, "verified").text("  ").line(self.bundle.display());
                for signer in signers {
                    page.put(Tone::Faint, "  signed by    ");
                    page.line(signer.shown());
                    if let Some(issuer) = &signer.issuer {
                        page.put(Tone::Faint, "  issuer       ").line(issuer);
                    }
                    if let Some(certified) = &signer.certified {
                        page.put(Tone::Faint, "  certified by ").line(&certified.authority);
                    }
                    for (claim, value) in &signer.claims {
                        page.put(Tone::Faint, format_args!("  {claim:<13}")).line(value);
                    }
                }
                if let Some(predicate_type) = predicate_type {
                    page.put(Tone::Faint, "  says         ").line(predicate_type);
                }
                for entry in log_entries {
                    page.put(Tone::Faint, "  logged       ");
                    page.line(format_args!(
                        "{}, place {} of {}",
                        entry.log, entry.index, entry.size
                    ));
                }
                for proven in times {
                    page.put(Tone::Faint, "  before       ");
                    page.line(format_args!("{}, says a {}", proven.time, proven.by));
                }
            }
            Found::Nothing { why } => {
                page.put(Tone::Bad, "not verified").text("  ").line(self.bundle.display());
                page.put(Tone::Faint, "  why          ").line(why);
            }
        }
    }
}
