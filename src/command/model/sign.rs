//! `assay model sign`: lists and hashes the files of a model, and signs the list.

use std::path::{Path, PathBuf};

use ::attest::certificate;
use ::attest::envelope::IN_TOTO;
use ::attest::oms::{self, Bundle, Manifest, Material, Scan};
use ::attest::{Algorithm, ArtifactId, Envelope, SigningKey};
use clap::Args;
use serde::Serialize;

use super::shape::ShapeArgs;
use super::trouble::Trouble;
use super::{SkippedView, counted, draw_skipped, signature_of, skipped};
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};
#[cfg(feature = "server")]
use crate::keyless::{KeylessArgs, Signable};
use crate::keys::KeysError;
use crate::keys::{self, KeyFile};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::setup;

/// Sign the files of a model
///
/// The signature lists every file with its digest. It is read by any client of OpenSSF Model
/// Signing; `assay log submit` registers it, too.
#[derive(Args, Debug)]
pub struct SignArgs {
    /// The model: a folder, or a file
    #[arg(value_name = "PATH")]
    model: PathBuf,

    /// Write the signature here; otherwise beside the model, with `.sig` after its name
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Name, file or URI of the key: P-256, P-384 or P-521; otherwise the only one, or `local`
    #[arg(long, value_name = "KEY", env = keys::KEY, hide_env = true)]
    #[cfg_attr(feature = "server", arg(conflicts_with = "keyless"))]
    key: Option<String>,

    /// The certificate of the key, in PEM; it is put into the signature
    #[arg(long, value_name = "FILE")]
    #[cfg_attr(feature = "server", arg(conflicts_with = "keyless"))]
    certificate: Option<PathBuf>,

    /// Certificates between that and an authority, in PEM; may be given several times
    #[arg(long = "chain", value_name = "FILE", requires = "certificate")]
    chains: Vec<PathBuf>,

    #[cfg(feature = "server")]
    #[command(flatten)]
    keyless: KeylessArgs,

    #[command(flatten)]
    shape: ShapeArgs,
}

pub fn sign(args: &SignArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let output = signature_of(&args.model, args.signature.as_deref())?;
    let chain = chain(args)?;
    #[cfg(feature = "server")]
    let keyless = args.keyless.open(cx)?;
    // No digest of a cache gets into a signature (THREATS, rule 16).
    let (scan, manifest) = args.shape.manifest(&args.model, Some(&output), None, cx)?;
    let payload = oms::payload(scan.name(), &manifest).map_err(Error::Statement)?;
    #[cfg(feature = "server")]
    if let Some(keyless) = keyless {
        let signed = keyless.sign(Signable::Statement(&payload), cx)?;
        signed.write(&output)?;
        return Ok(Box::new(Signed::of(&scan, &manifest, output, signed.name())));
    }
    let (key, signer) = open_key(args.key.as_deref(), cx)?;
    let material = match chain {
        None => Material::of_key(key.public()),
        Some(chain) => {
            let path = args.certificate.clone().unwrap_or_default();
            let leaf = chain.first().map(|der| certificate::public_key(der));
            match leaf {
                Some(Ok(public)) if public == *key.public() => Material::Chain(chain),
                Some(Err(source)) => return Err(Trouble::Certificates { path, source }.into()),
                _ => return Err(Trouble::OtherKey(path).into()),
            }
        }
    };
    let failed = |source| Error::from(KeysError::Unusable { path: signer.clone().into(), source });
    let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).map_err(failed)?;
    let bundle = Bundle { envelope, material, timestamps: Vec::new() };
    home::write(&output, &bundle.to_json(), Readers::All, Existing::Replaced)?;
    Ok(Box::new(Signed::of(&scan, &manifest, output, signer)))
}

/// The certificates to put into the signature, the signer's first.
fn chain(args: &SignArgs) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let Some(own) = &args.certificate else { return Ok(None) };
    let mut chain = read_certificates(own)?;
    for path in &args.chains {
        chain.extend(read_certificates(path)?);
    }
    if chain.len() > oms::MAX_CERTIFICATES {
        let source = certificate::CertificateError::TooMany;
        return Err(Trouble::Certificates { path: own.clone(), source }.into());
    }
    Ok(Some(chain))
}

/// Reads the certificates in a PEM file.
pub fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let pem = home::read_text(path)?;
    certificate::from_pem(&pem)
        .map_err(|source| Trouble::Certificates { path: path.into(), source }.into())
}

/// Opens the key, with the name by which to speak of it. A key that is named by its file or URI
/// needs no folder; without any, the first use makes one.
fn open_key(name: Option<&str>, cx: &Context<'_>) -> Result<(SigningKey, String), Error> {
    let file = match name.map(KeyFile::elsewhere).transpose()?.flatten() {
        Some(kept) => kept,
        None if let Some(path) = name.map(Path::new).filter(|path| path.is_file()) => {
            KeyFile::at(path)
        }
        None => {
            let (home, file) = setup::key(name, cx)?;
            setup::trust(&home, None, cx)?;
            file
        }
    };
    let key = file.open(cx.printer)?;
    match key.public().algorithm() {
        Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => Ok((key, file.name())),
        other @ Algorithm::Ed25519 => Err(Trouble::Algorithm(other.as_str()).into()),
    }
}

/// A model that was signed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    version: &'static str,
    artifact: ArtifactId,
    name: String,
    signature: PathBuf,
    signer: String,
    files: usize,
    bytes: u64,
    not_signed: Vec<SkippedView>,
}

impl Signed {
    fn of(scan: &Scan, manifest: &Manifest, signature: PathBuf, signer: String) -> Self {
        Self {
            version: "assay/model-signature/v1",
            artifact: manifest.artifact(),
            name: scan.name().into(),
            signature,
            signer,
            files: manifest.files().len(),
            bytes: scan.files().iter().map(oms::ScannedFile::size).sum(),
            not_signed: skipped(scan.skipped()),
        }
    }
}

impl Answer for Signed {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "signed").text(" ").put(Tone::Strong, &self.name).text("  ");
        page.put(Tone::Faint, self.artifact).end();
        page.text(format_args!("  files       {}, ", self.files))
            .line(counted(usize::try_from(self.bytes).unwrap_or(usize::MAX), "byte"));
        page.text("  signature   ")
            .text(self.signature.display())
            .line(format_args!(", by {}", self.signer));
        draw_skipped(page, &self.not_signed);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
