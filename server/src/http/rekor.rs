//! Rekor v2's way to register: a signature over a digest, without the statement.
//!
//! Source: `CLIENTS.md` and `api/proto/rekor/v2/rekor_service.proto` of sigstore/rekor-tiles. What
//! is registered this way is proven and shown, and is never evidence. A key that the trust file
//! names is sent to `/v1/entries`: its statement would be looked for, and the entry would stand in
//! its way.

use std::sync::Arc;

use attest::Proposed;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::extract::{Body, MayWrite, Now, Posted};
use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{Recorded, Storage};
use crate::wire::rekor::{CreateEntryRequest, MAX_REQUEST_BYTES};

/// Where the entry is, for whoever does not read the body; Rekor v2 sends it with a duplicate.
const LOG_INDEX: &str = "x-log-index";

impl Posted for CreateEntryRequest {
    const LIMIT: usize = MAX_REQUEST_BYTES;
}

pub(super) const CREATE: Operation = Operation {
    id: "createLogEntry",
    summary: "Registers a signature over a digest, as Rekor v2 does",
    description: "For Sigstore clients. The signature is checked over the digest and becomes an entry without \
                  a statement: it is proven and shown, and is never evidence. One that is there already is \
                  answered with status 200 and its first place. Keys of the service's trust file are refused \
                  here: what they sign is registered with its statement, by `submit`.",
    parameters: &[],
    body: Some("CreateEntryRequest"),
    answer: Answer {
        status: 201,
        media_type: "application/json",
        schema: "TransparencyLogEntry",
        description: "The entry with its inclusion proof under the newest checkpoint.",
    },
    access: Access::Writers,
};

pub(super) async fn create<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayWrite,
    Now(now): Now,
    Body(request): Body<CreateEntryRequest>,
) -> Result<Response, ApiError> {
    let proposal = request.proposal().map_err(|error| ApiError::Entry(error.to_string()))?;
    if let Proposed::Key(_) = proposal.verifier {
        let key = proposal.key().map_err(|error| ApiError::Entry(error.to_string()))?;
        if app.trust().key(&key.id()).is_some() {
            return Err(ApiError::StatementNeeded);
        }
    }
    app.submit(now, async move |app| {
        let Recorded { duplicate, mut entry } = app.register().record(&proposal, now).await?;
        if app.require_quorum().await? {
            // Under the checkpoint that the witnesses have cosigned.
            entry = app.register().log_entry(entry.index, &*app.shown().await?).await?;
        }
        let status = if duplicate { StatusCode::OK } else { StatusCode::CREATED };
        let index = entry.index.to_string();
        let headers =
            [(header::CONTENT_TYPE.as_str(), "application/json"), (LOG_INDEX, index.as_str())];
        Ok((status, headers, entry.to_json()).into_response())
    })
    .await
}
