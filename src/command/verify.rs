//! `assay verify`: who said what about an artifact, and why anything was not believed. With a
//! proof, whether a log holds an entry.

use std::path::PathBuf;

use ::attest::{ArtifactId, Sha256};
use ::verify::{Attestation, Completeness, Direction, Lineage, Rejected, Trust};
use clap::Args;
use serde::Serialize;

use super::proof;
use super::signed::{self, SignerArgs};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::gather;
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};
use crate::target::Target;

/// Show who said what about an artifact, and why anything is not believed
///
/// Ends with 0 if anything is believed, with 1 if nothing is. Whether that is enough to use the
/// artifact is what `assay check` decides.
///
/// A Sigstore bundle with a signature over the artifact's own bytes says nothing about it: who signed
/// is the answer, and every such bundle must be good.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// Look into this bundle instead of a register; may be given several times
    #[arg(long = "bundle", value_name = "FILE")]
    #[cfg_attr(not(feature = "server"), arg(required_unless_present = "proof"))]
    bundles: Vec<PathBuf>,

    /// Show that a trusted log holds the file as an entry, by this proof (C2SP tlog-proof)
    #[arg(long, value_name = "FILE", conflicts_with = "bundles")]
    proof: Option<PathBuf>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trusted_root", "key"])]
    trust: Option<PathBuf>,

    #[command(flatten)]
    signer: SignerArgs,
}

pub fn verify(args: &VerifyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    if let Some(trust) = args.signer.trust()? {
        let signatures = signed::verify(&args.artifact, &args.bundles, &trust, cx)?;
        return Ok(Box::new(signatures));
    }
    // A register says itself what is in force; without one, what was seen last counts.
    let asks = args.bundles.is_empty() && args.proof.is_none();
    let named = args.trust.as_deref();
    let trust = if asks { cx.trust(named)? } else { cx.believed(named)? };
    if let Some(proof) = &args.proof {
        return proof::verify(&args.artifact, proof, &trust);
    }
    // Each file is judged by what it is: a signature over bytes is part of no lineage.
    let (messages, statements) = signed::messages(&args.bundles)?;
    let signatures = match messages.as_slice() {
        [] => None,
        messages => Some(signed::verify(&args.artifact, messages, &trust, cx)?),
    };
    let signatures = match signatures {
        Some(signatures) if statements.is_empty() => return Ok(Box::new(signatures)),
        others => others,
    };
    let (artifact, lineage) = lineage(&args.artifact, Direction::Up, &statements, &trust, cx)?;
    let believed = Verification::of(artifact, args.artifact.name(), &lineage);
    Ok(Box::new(Verification { signatures, ..believed }))
}

/// The lineage of what was typed, from bundles if there are any, else from the register.
pub fn lineage(
    target: &Target,
    direction: Direction,
    bundles: &[PathBuf],
    trust: &Trust,
    cx: &Context<'_>,
) -> Result<(ArtifactId, Lineage), Error> {
    if !bundles.is_empty() {
        let artifact = target.resolve(cx.printer, |_| Ok(Vec::new()))?;
        let bundles = gather::read_bundles(bundles)?;
        return Ok((artifact, gather::from_bundles(artifact, direction, &bundles, trust, cx.now)));
    }
    #[cfg(feature = "server")]
    {
        let source = crate::source::Source::open(cx)?;
        let artifact = target.resolve(cx.printer, |candidates| source.known(candidates))?;
        let lineage = gather::from_source(artifact, direction, &source, trust, cx)?;
        Ok((artifact, lineage))
    }
    #[cfg(not(feature = "server"))]
    Err(Error::NoBundles)
}

/// What is believed about an artifact, and what is not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    version: &'static str,
    artifact: ArtifactId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    believed: Vec<Believed>,
    not_believed: Vec<NotBelieved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<RevokedView>,
    completeness: CompletenessView,
    trust: Sha256,
    /// What came of signatures over the artifact's own bytes, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<signed::Signatures>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Believed {
    body: Sha256,
    index: Option<u64>,
    predicate_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    signers: Vec<SignerView>,
    materials: usize,
}

#[derive(Serialize)]
struct SignerView {
    name: String,
    owner: String,
    #[serde(flatten)]
    verified: signed::SignerView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotBelieved {
    artifact: ArtifactId,
    body: Sha256,
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<String>,
    why: String,
}

#[derive(Serialize)]
struct RevokedView {
    index: u64,
    body: Sha256,
    by: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<ArtifactId>,
}

/// How much of the register stands behind an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum CompletenessView {
    /// Every leaf was followed.
    Followed {
        /// The register.
        origin: String,
        /// Up to which size.
        size: u64,
    },
    /// The source says so.
    Claimed {
        /// The register.
        origin: String,
        /// Up to which size.
        size: u64,
    },
    /// Nobody says anything.
    None,
}

impl From<&Completeness> for CompletenessView {
    fn from(completeness: &Completeness) -> Self {
        match completeness {
            Completeness::Followed { origin, size, .. } => {
                Self::Followed { origin: origin.clone(), size: *size }
            }
            Completeness::Claimed { origin, size } => {
                Self::Claimed { origin: origin.clone(), size: *size }
            }
            // A kind that is not known here claims nothing.
            _ => Self::None,
        }
    }
}

impl CompletenessView {
    /// In words.
    pub fn sentence(&self) -> String {
        match self {
            Self::Followed { origin, size } => {
                format!("read all {size} entries of {origin}")
            }
            Self::Claimed { origin, size } => {
                format!("complete to {size} entries, as {origin} claims")
            }
            Self::None => {
                "nothing says that this is all: something against it may be missing".into()
            }
        }
    }
}

impl Verification {
    fn of(artifact: ArtifactId, name: Option<String>, lineage: &Lineage) -> Self {
        // A statement about several artifacts is listed under its first: none may be left out.
        let rejected = lineage.rejected().iter();
        Self {
            version: "assay/verification/v1",
            artifact,
            name,
            believed: lineage.about(&artifact).map(Believed::of).collect(),
            not_believed: rejected.map(NotBelieved::of).collect(),
            revoked: lineage.revoked(&artifact).map(|revoked| RevokedView {
                index: revoked.by.index,
                body: revoked.by.body,
                by: revoked.by.by.name.clone(),
                reason: revoked.by.reason.clone(),
                through: revoked.through,
            }),
            completeness: lineage.completeness().into(),
            trust: lineage.trust(),
            signatures: None,
        }
    }
}

impl Believed {
    fn of(attestation: &Attestation) -> Self {
        let signers = attestation.signers.iter().map(|signer| SignerView {
            name: signer.name.clone(),
            owner: signer.owner.clone(),
            verified: signed::SignerView::of(signer),
        });
        Self {
            body: attestation.body(),
            index: attestation.index,
            predicate_type: attestation.predicate_type.clone(),
            step: attestation.step.as_ref().map(ToString::to_string),
            stage: attestation.statement().stage().map(|stage| stage.to_string()),
            signers: signers.collect(),
            materials: attestation.materials.len() + attestation.unidentified.len(),
        }
    }

    fn sentence(&self) -> String {
        let word = predicate_name::spoken(&self.predicate_type);
        match (&self.step, &self.stage) {
            (Some(step), _) => format!("{word} of step {step}"),
            (None, Some(stage)) => format!("{word} for {stage}"),
            (None, None) => word.to_owned(),
        }
    }
}

impl NotBelieved {
    fn of(rejected: &Rejected) -> Self {
        Self {
            artifact: rejected.artifact,
            body: rejected.body,
            index: rejected.index,
            predicate_type: rejected.predicate_type.clone(),
            why: rejected.why.to_string(),
        }
    }
}

fn place(index: Option<u64>) -> String {
    index.map_or_else(|| "not logged".into(), |index| format!("entry {index}"))
}

impl Answer for Verification {
    fn exit(&self) -> Exit {
        let signed = self.signatures.as_ref().is_none_or(signed::Signatures::verified);
        if self.believed.is_empty() || !signed { Exit::Denied } else { Exit::Success }
    }

    fn draw(&self, page: &mut Page) {
        let name = self.name.as_deref().unwrap_or("artifact");
        page.put(Tone::Strong, name).text("  ").put(Tone::Faint, self.artifact).end();
        if let Some(revoked) = &self.revoked {
            page.put(Tone::Bad, "revoked").text(" by ").text(&revoked.by);
            page.line(format_args!(" in entry {}: {}", revoked.index, revoked.reason));
        }
        if self.believed.is_empty() {
            page.put(Tone::Bad, "nothing is believed about it").end();
        } else {
            page.put(Tone::Good, "believed").end();
        }
        for believed in &self.believed {
            let signers: Vec<String> = believed
                .signers
                .iter()
                .map(|signer| match signer.verified.vouched() {
                    Some(whom) => format!("{} (of {}), {whom}", signer.name, signer.owner),
                    None => format!("{} (of {})", signer.name, signer.owner),
                })
                .collect();
            page.text(format_args!("  {:<11}", place(believed.index)))
                .text(believed.sentence())
                .text(", signed by ")
                .line(signers.join(", "));
            page.put(Tone::Faint, format_args!("             {}", believed.body)).end();
        }
        if !self.not_believed.is_empty() {
            page.put(Tone::Warn, "not believed").end();
        }
        for rejected in &self.not_believed {
            let word = rejected.predicate_type.as_deref().map(predicate_name::spoken);
            page.text(format_args!("  {:<11}", place(rejected.index)))
                .text(word.map(|word| format!("{word}: ")).unwrap_or_default())
                .line(&rejected.why);
            if rejected.artifact != self.artifact {
                page.put(Tone::Faint, format_args!("             about {}", rejected.artifact))
                    .end();
            }
            page.put(Tone::Faint, format_args!("             {}", rejected.body)).end();
        }
        if let Some(signatures) = &self.signatures {
            signatures.draw_each(page);
        }
        page.put(Tone::Faint, self.completeness.sentence()).end();
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
