//! `assay model verify`: whether the files of a model are as somebody signed them.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ::attest::oms::{Bundle, BundleError, Cache, Model, Scan};
use ::attest::{ArtifactId, KeyId, PublicKey};
use ::verify::{
    Authority, Comparison, KeylessScope, ModelRejection, Signer, SigstoreBundle, Verified, compare,
    verify_keyless_model, verify_model,
};
use clap::Args;
use serde::Serialize;

use super::sign::read_certificates;
use super::trouble::Trouble;
use super::{SkippedView, counted, draw_names, draw_skipped, signature_of, skipped};
use crate::command::signed::{SIGNER, SignerArgs};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::home::{self, Existing, Readers};
use crate::keys;
use crate::page::{Page, Tone};
use crate::progress::Bar;
use crate::render::{Answer, to_json};

/// Say whether the files of a model are as somebody signed them
///
/// Whose signature counts: a key or keyless signer of the trust file that may sign models; with
/// `--key` that key; with `--root` whoever has a certificate under that authority; with
/// `--trusted-root` the one keyless signer that is named. Ends with 0 if every file is
/// there as it was signed and no other is, with 1 if not.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The model: a folder, or a file
    #[arg(value_name = "PATH")]
    model: PathBuf,

    /// The signature; otherwise beside the model, with `.sig` after its name
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Believe this key, a public half in PEM; may be given several times
    #[arg(long = "key", value_name = "FILE", conflicts_with_all = ["roots", "trust"])]
    keys: Vec<PathBuf>,

    /// Believe certificates under these authorities, in PEM; may be given several times
    #[arg(long = "root", value_name = "FILE", conflicts_with = "trust")]
    roots: Vec<PathBuf>,

    /// The name that the certificate was issued to: an address, URI or host, as a whole
    #[arg(long, value_name = "NAME", requires = "roots")]
    identity: Option<String>,

    /// Believe a signature without a key under this Sigstore instance: its `trusted_root.json`
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate_identity",
        conflicts_with_all = ["keys", "roots", "trust"]
    )]
    trusted_root: Option<PathBuf>,

    /// Who must have signed without a key: the subject of the certificate, exactly
    #[arg(long, value_name = "SUBJECT", requires = "certificate_oidc_issuer")]
    certificate_identity: Option<String>,

    /// Who must have vouched for it: the issuer in the certificate, exactly
    #[arg(long, value_name = "URL", requires = "trusted_root")]
    certificate_oidc_issuer: Option<String>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Let the model have files that are not signed; they are listed all the same
    #[arg(long)]
    ignore_unsigned_files: bool,

    #[command(flatten)]
    cache: CacheArgs,
}

/// A cache of digests, for whoever asks for one.
#[derive(Args, Debug)]
pub struct CacheArgs {
    /// Keep digests in this file, and do not read again what did not change
    ///
    /// A file is unchanged while its device, inode, size and times are. Bytes that change without
    /// the file system knowing are not noticed, and whoever can write the file can say anything:
    /// use it to look again soon at what nobody else can write. Nothing that is signed, recorded
    /// or promoted comes out of it.
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The cache, if one is asked for; nobody else may have written it.
    pub fn open(&self, cx: &Context<'_>) -> Result<Option<Cache>, Error> {
        let Some(path) = &self.cache else { return Ok(None) };
        let Ok(found) = path.metadata() else { return Ok(Some(Cache::new(cx.now))) };
        let own = found.uid() == rustix::process::geteuid().as_raw();
        if !own || found.permissions().mode() & 0o022 != 0 {
            return Err(Trouble::OpenCache(path.clone()).into());
        }
        let bytes = home::read(path)?;
        let cache = Cache::parse(&bytes, cx.now);
        cache.map(Some).map_err(|source| Trouble::Cache { path: path.clone(), source }.into())
    }

    /// Writes what is now known.
    pub fn keep(&self, cache: Option<&Cache>) -> Result<(), Error> {
        match (&self.cache, cache) {
            (Some(path), Some(cache)) if cache.is_changed() => {
                home::write(path, &cache.to_bytes(), Readers::Owner, Existing::Replaced)
            }
            _ => Ok(()),
        }
    }
}

pub fn verify(args: &VerifyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let path = signature_of(&args.model, args.signature.as_deref())?;
    let bytes = home::read(&path)?;
    let model = args.model.display().to_string();
    let believed = match Bundle::parse(&bytes) {
        Ok(_) if args.trusted_root.is_some() => Err(ModelRejection::NotKeyless),
        Ok(bundle) => believed(args, &bundle, cx)?,
        Err(BundleError::Sigstore) => believed_keyless(args, &path, &bytes, cx)?,
        Err(source) => return Err(Trouble::Bundle { path, source: Box::new(source) }.into()),
    };
    let signed = match believed {
        Ok(signed) => signed,
        Err(why) => return Ok(Box::new(Verification::rejected(model, &why))),
    };
    let manifest = &signed.content().manifest;
    let failed = |source| Trouble::Scan { path: args.model.clone(), source };
    let files = manifest.files();
    let listed: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
    let is_listed = |name: &str| listed.contains(name);
    let serialization = manifest.serialization();
    let scan = Scan::of(&args.model, serialization, Some(&path), &is_listed).map_err(failed)?;
    let mut cache = args.cache.open(cx)?;
    let bar = Bar::new(cx.printer);
    let hashed = scan
        .hash(serialization, &|file| is_listed(&file.name), cache.as_mut(), &bar)
        .map_err(failed)?;
    args.cache.keep(cache.as_ref())?;
    for note in scan.notes() {
        cx.printer.warn(note);
    }
    let found = compare(&signed, &scan, &hashed);
    let cached = args.cache.cache.is_some();
    Ok(Box::new(Verification::of(model, &signed, &found, args.ignore_unsigned_files, cached)))
}

/// What is believed of the signature, by whoever counts.
fn believed(
    args: &VerifyArgs,
    bundle: &Bundle,
    cx: &Context<'_>,
) -> Result<Result<Verified<Model>, ModelRejection>, Error> {
    if !args.roots.is_empty() {
        let mut roots = Vec::new();
        for path in &args.roots {
            roots.extend(read_certificates(path)?);
        }
        let identity = args.identity.as_deref();
        let authority = Authority::Roots { roots: &roots, identity };
        return Ok(verify_model(bundle, authority, cx.now));
    }
    if !args.keys.is_empty() {
        let keys = args.keys.iter().map(|path| keys::read_public(path));
        let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
        return Ok(verify_model(bundle, Authority::Keys(&keys), cx.now));
    }
    let trust = cx.believed(args.trust.as_deref())?;
    Ok(verify_model(bundle, Authority::Trust(&trust), cx.now))
}

/// The same of a signature that was made without a key.
fn believed_keyless(
    args: &VerifyArgs,
    path: &Path,
    bytes: &[u8],
    cx: &Context<'_>,
) -> Result<Result<Verified<Model>, ModelRejection>, Error> {
    if !args.keys.is_empty() || !args.roots.is_empty() {
        return Ok(Err(ModelRejection::Keyless));
    }
    let bundle = SigstoreBundle::parse(bytes)
        .map_err(|source| Error::SigstoreBundle { path: path.into(), source })?;
    let named = (&args.trusted_root, &args.certificate_identity, &args.certificate_oidc_issuer);
    if let (Some(root), Some(subject), Some(issuer)) = named {
        let signer = SignerArgs::keyless(root, subject, issuer);
        let trust = signer.trust()?.ok_or(Error::NoSigner)?;
        return Ok(verify_keyless_model(&bundle, &trust, KeylessScope::Whatever, cx.now));
    }
    let trust = cx.trust(args.trust.as_deref())?;
    Ok(verify_keyless_model(&bundle, &trust, KeylessScope::AsGranted, cx.now))
}

/// What came of the signature, and of the files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    version: &'static str,
    model: String,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<String>,
    #[serde(flatten)]
    signed: Option<SignedView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedView {
    artifact: ArtifactId,
    predicate_type: String,
    signers: Vec<SignerView>,
    intact: usize,
    changed: Vec<String>,
    missing: Vec<String>,
    unsigned: Vec<String>,
    unsigned_allowed: bool,
    refused: Vec<RefusedView>,
    not_signed: Vec<SkippedView>,
    cached: bool,
}

#[derive(Serialize)]
struct SignerView {
    name: String,
    owner: String,
    key: KeyId,
}

#[derive(Serialize)]
struct RefusedView {
    path: String,
    why: String,
}

impl SignerView {
    fn of(signer: &Signer) -> Self {
        let (name, owner) = match &signer.keyless {
            // On the command line a signer has no name but its own.
            Some(keyless) if signer.name == SIGNER => (&keyless.subject, &keyless.issuer),
            Some(keyless) => (&keyless.subject, &signer.owner),
            None => (&signer.name, &signer.owner),
        };
        Self { name: name.clone(), owner: owner.clone(), key: signer.key }
    }
}

impl Verification {
    fn rejected(model: String, why: &ModelRejection) -> Self {
        let (version, rejected) = ("assay/model-verification/v1", Some(why.to_string()));
        Self { version, model, verified: false, rejected, signed: None }
    }

    fn of(
        model: String,
        signed: &Verified<Model>,
        found: &Comparison,
        unsigned_allowed: bool,
        cached: bool,
    ) -> Self {
        let refused = found.refused.iter();
        let verified = if unsigned_allowed { found.has_signed() } else { found.is_whole() };
        let signers = signed.signers().iter().map(SignerView::of);
        let view = SignedView {
            artifact: signed.content().artifact(),
            predicate_type: signed.content().predicate_type.clone(),
            signers: signers.collect(),
            intact: found.intact,
            changed: found.changed.clone(),
            missing: found.missing.clone(),
            unsigned: found.unsigned.clone(),
            unsigned_allowed,
            refused: refused
                .map(|one| RefusedView { path: one.name.clone(), why: one.why.clone() })
                .collect(),
            not_signed: skipped(&found.skipped),
            cached,
        };
        let version = "assay/model-verification/v1";
        Self { version, model, verified, rejected: None, signed: Some(view) }
    }
}

impl Answer for Verification {
    fn exit(&self) -> Exit {
        if self.verified { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let (tone, word) =
            if self.verified { (Tone::Good, "verified") } else { (Tone::Bad, "not verified") };
        page.put(tone, word).text(" ").put(Tone::Strong, &self.model);
        if let Some(signed) = &self.signed {
            page.text("  ").put(Tone::Faint, signed.artifact);
        }
        page.end();
        if let Some(rejected) = &self.rejected {
            page.text("  ").line(rejected);
        }
        let Some(signed) = &self.signed else { return };
        for signer in &signed.signers {
            page.text(format_args!("  signed by   {}", signer.name));
            if signer.owner != signer.name {
                page.text(format_args!(" (of {})", signer.owner));
            }
            page.end();
        }
        let cached = if signed.cached { ", as far as the cache knows" } else { "" };
        page.line(format_args!("  as signed   {}{cached}", counted(signed.intact, "file")));
        let tone = if signed.unsigned_allowed { Tone::Warn } else { Tone::Bad };
        draw_names(page, Tone::Bad, "changed", &signed.changed);
        draw_names(page, Tone::Bad, "missing", &signed.missing);
        draw_names(page, tone, "unsigned", &signed.unsigned);
        let refused: Vec<String> =
            signed.refused.iter().map(|one| format!("{} ({})", one.path, one.why)).collect();
        draw_names(page, tone, "refused", &refused);
        draw_skipped(page, &signed.not_signed);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
