//! `assay log erase`: takes a statement's text out of the folder's register, and leaves a
//! tombstone.

use ::attest::leaf::body_digests;
use ::attest::predicate::Tombstone;
use ::attest::{Envelope, Predicate, ResourceDescriptor, Sha256, Statement, envelope};
use clap::Args;
use serde::Serialize;
use server::register::{EraseError, Erased, Holder, PATIENCE, open};
use tokio::runtime::Builder;

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::keys::KeysError;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::setup;

/// Erase the text of a statement from the folder's register, and register a tombstone
///
/// The entry, the tree and every proof stay as they are. Statements of revocation, trust, policy,
/// activation, waiver, tombstone and key rotation are never erased. Copies elsewhere stay: bundles
/// that were handed out, exports, and backups until the next backup.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay log entry 7                                    shows the body of entry 7
  assay log erase sha256:… --reason 'personal data'")]
pub(super) struct EraseArgs {
    /// Digest of the body, as `assay log entry` shows it
    #[arg(value_name = "BODY")]
    body: Sha256,

    /// Why; it stands in the tombstone for ever
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,

    /// Name, file or URI of the key that signs the tombstone; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE|URI", env = crate::keys::KEY, hide_env = true)]
    key: Option<String>,
}

impl EraseArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Erasure, Error> {
        let path = cx.home()?.register();
        let runtime = Builder::new_current_thread().build().map_err(Error::Runtime)?;
        let register = runtime
            .block_on(open(&path, &Holder::command(), PATIENCE))
            .map_err(|source| folder_error(&path, source))?;
        let failed = |source: EraseError| Error::Erase(Box::new(source));
        let erasable = runtime.block_on(register.erasable(&self.body)).map_err(failed)?;
        let (_, file) = setup::key(self.key.as_deref(), cx)?;
        let key = file.open(cx.printer)?;
        let public = key.public().clone();
        // A tombstone that this key has registered already is not made twice.
        let earlier = runtime.block_on(register.finish_erasing(&self.body, public.id()));
        if let Some(erased) = earlier.map_err(failed)? {
            return Ok(Erasure::of(&erased, register.origin()));
        }
        let Some((pae, predicate_type)) = erasable else {
            return Err(Error::ErasedBefore(self.body));
        };
        let payload = self.tombstone(&pae, predicate_type, cx)?.with_nonce()?.to_json()?;
        let tombstone = Envelope::sign(envelope::IN_TOTO, payload, &[&key]).map_err(|source| {
            Error::Keys(KeysError::Unusable { path: file.path().into(), source })
        })?;
        drop(key);
        let keys = [public];
        let erased = register.erase(&self.body, &tombstone, &keys, crate::clock::now());
        Ok(Erasure::of(&runtime.block_on(erased).map_err(failed)?, register.origin()))
    }

    fn tombstone(
        &self,
        pae: &[u8],
        predicate_type: String,
        cx: &Context<'_>,
    ) -> Result<Statement, Error> {
        let digest = body_digests(pae).into_iter().map(|(name, hex)| (name.to_owned(), hex));
        let subject = ResourceDescriptor {
            name: Some(self.body.to_string()),
            digest: digest.collect(),
            ..ResourceDescriptor::default()
        };
        let said =
            Tombstone { predicate_type, reason: self.reason.clone(), erased_on: Some(cx.now) };
        Ok(Statement { subject: vec![subject], predicate: Predicate::Tombstone(said) })
    }
}

/// A body that was erased.
#[derive(Serialize)]
pub(super) struct Erasure {
    version: &'static str,
    origin: String,
    body: Sha256,
    /// Position of the tombstone.
    tombstone: u64,
}

impl Erasure {
    fn of(erased: &Erased, origin: &str) -> Self {
        let Erased { body, tombstone } = *erased;
        Self { version: "assay/erased/v1", origin: origin.into(), body, tombstone }
    }
}

impl Answer for Erasure {
    fn draw(&self, page: &mut Page) {
        page.text("erased ").put(Tone::Strong, self.body).text(" from ").line(&self.origin);
        page.text("its tombstone is ").line(format_args!("entry {}", self.tombstone));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
