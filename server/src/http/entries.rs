//! Submitting attestations, and reading entries.

use std::sync::Arc;

use attest::carried::{CARRIED, mark};
use attest::{Envelope, PublicKey, json};
use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verify::Trust;

use super::extract::{Body, MayRead, MayWrite, Now, OfEntry, Posted};
use super::openapi::{Access, Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{MAX_VERIFIERS, ReadError, Storage};
use crate::wire::{
    BundleDocument, EntryDocument, EntryView, ReceiptDocument, Receipts, Submission,
};

impl Posted for Submission {
    const LIMIT: usize = json::MAX_BYTES;
}

pub(super) const SUBMIT: Operation = Operation {
    id: "submit",
    summary: "Registers an attestation",
    description: "Each signature is checked and becomes an entry; one that is there already is not added \
                  again, and its position is answered. When this answers, the entries are durable and the \
                  verdicts take them into account; where the operator demands a quorum of witnesses, it has \
                  cosigned them.",
    parameters: &[],
    body: Some("Submission"),
    answer: Answer::json("Receipts", "Where each signature stands, with its proof."),
    access: Access::Writers,
};

pub(super) async fn submit<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayWrite,
    Now(now): Now,
    Body(submission): Body<Submission>,
) -> Result<Json<Receipts>, ApiError> {
    let refused = |error: &dyn std::fmt::Display| ApiError::Refused(error.to_string());
    let bytes = submission.envelope.to_string().into_bytes();
    let envelope = Envelope::parse(&bytes).map_err(|error| refused(&error))?;
    app.submit(now, move |app| async move {
        let verifiers = verifiers(&submission.verifiers, &envelope, &app.trust())?;
        let mut receipts = app.register().submit(&envelope, &verifiers, now).await?;
        app.require_witnesses(&mut receipts).await?;
        Ok(Json(Receipts { entries: receipts.into_iter().map(ReceiptDocument::from).collect() }))
    })
    .await
}

/// The keys that were given, or those of the trust file that signed.
fn verifiers(
    given: &[String],
    envelope: &Envelope,
    trust: &Trust,
) -> Result<Vec<PublicKey>, ApiError> {
    if given.len() > MAX_VERIFIERS {
        return Err(ApiError::Refused(format!("more than {MAX_VERIFIERS} `verifiers`")));
    }
    if given.is_empty() && envelope.payload_type == CARRIED {
        return Ok(mark().into_iter().collect());
    }
    if given.is_empty() {
        let pae = envelope.pae();
        let signed = |key: &PublicKey| {
            envelope.signatures.iter().any(|signature| key.verify(&pae, &signature.sig).is_ok())
        };
        let keys = trust.keys().iter().map(|trusted| trusted.key());
        return Ok(keys.filter(|key| signed(key)).take(MAX_VERIFIERS).cloned().collect());
    }
    let parse = |text: &String| {
        let wrong = || ApiError::Refused("a key in `verifiers` cannot be read".into());
        Submission::parse_verifier(text).ok_or_else(wrong)
    };
    given.iter().map(parse).collect()
}

pub(super) const ENTRY: Operation = Operation {
    id: "entry",
    summary: "Gives an entry",
    description: "With its leaf, and with its attestation and proof if the body is there. What it says is \
                  shown as it says it; the proof is in the bundle. \
                  Needs the token, unless the register is declared public.",
    parameters: &[Parameter {
        name: "index",
        place: Place::Path,
        schema: "Index",
        description: "Position of the entry, from 0.",
    }],
    body: None,
    answer: Answer::json("EntryDocument", "The entry."),
    access: Access::Readers,
};

pub(super) async fn entry<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayRead,
    OfEntry(index): OfEntry,
) -> Result<Json<EntryDocument>, ApiError> {
    app.read(move |app| async move {
        let shown = app.shown().await?;
        let size = shown.checkpoint.size;
        if index >= size {
            return Err(ApiError::NoEntry { index, size });
        }
        let entry = app.register().entry(index).await?;
        let bundle = match app.register().bundle_under(index, &shown).await {
            Ok(bundle) => Some(BundleDocument(bundle)),
            Err(ReadError::NoBody(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let leaf = STANDARD.encode(entry.leaf.bytes());
        Ok(Json(EntryDocument { entry: EntryView::of(&entry), leaf, bundle }))
    })
    .await
}
