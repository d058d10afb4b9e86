//! The checkpoint, and proofs against it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;

use super::extract::Asked;
use super::openapi::{Access, Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{Signed, Storage};
use crate::wire::{Consistency, Inclusion};

pub(super) const CHECKPOINT: Operation = Operation {
    id: "checkpoint",
    summary: "Gives the newest checkpoint",
    description: "Origin, size and root in a note that the register signed (C2SP tlog-checkpoint), with the \
                  cosignatures of its witnesses. Where the operator demands a quorum of them, the newest \
                  checkpoint that met it, and 503 before one does; entries, tiles and proofs end there, too.",
    parameters: &[],
    body: None,
    answer: Answer {
        status: 200,
        media_type: "text/plain",
        schema: "Note",
        description: "The signed note.",
    },
    access: Access::Everybody,
};

pub(super) async fn checkpoint<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
) -> Result<impl IntoResponse, ApiError> {
    let note = app.read(|app| async move { Ok(app.shown().await?.note.clone()) }).await?;
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, note))
}

/// Which entry is to be proven in which tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    index: u64,
    size: u64,
}

pub(super) const INCLUSION: Operation = Operation {
    id: "proveInclusion",
    summary: "Proves that an entry is in a tree",
    description: "The audit path of RFC 6962, section 2.1.1.",
    parameters: &[
        Parameter {
            name: "index",
            place: Place::Needed,
            schema: "Index",
            description: "Position of the entry, from 0.",
        },
        Parameter {
            name: "size",
            place: Place::Needed,
            schema: "Index",
            description: "Size of the tree, above the position.",
        },
    ],
    body: None,
    answer: Answer::json("Inclusion", "The proof, and the newest checkpoint."),
    access: Access::Everybody,
};

pub(super) async fn inclusion<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    Asked(Within { index, size }): Asked<Within>,
) -> Result<Json<Inclusion>, ApiError> {
    app.read(move |app| async move {
        let shown = shown_with(&app, size).await?;
        let proof = app.register().inclusion(index, size).await?;
        Ok(Json(Inclusion::new(proof, shown.note.clone())))
    })
    .await
}

/// Between which trees.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    from: u64,
    to: u64,
}

pub(super) const CONSISTENCY: Operation = Operation {
    id: "proveConsistency",
    summary: "Proves that a tree has only grown",
    description: "The consistency proof of RFC 6962, section 2.1.2.",
    parameters: &[
        Parameter {
            name: "from",
            place: Place::Needed,
            schema: "Index",
            description: "Size of the earlier tree, at least 1.",
        },
        Parameter {
            name: "to",
            place: Place::Needed,
            schema: "Index",
            description: "Size of the later tree.",
        },
    ],
    body: None,
    answer: Answer::json("Consistency", "The proof, and the newest checkpoint."),
    access: Access::Everybody,
};

pub(super) async fn consistency<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    Asked(Between { from, to }): Asked<Between>,
) -> Result<Json<Consistency>, ApiError> {
    app.read(move |app| async move {
        let shown = shown_with(&app, to).await?;
        let proof = app.register().consistency(from, to).await?;
        Ok(Json(Consistency::new(proof, shown.note.clone())))
    })
    .await
}

/// The checkpoint that is shown, which must have as many entries.
async fn shown_with<S: Storage>(app: &App<S>, asked: u64) -> Result<Arc<Signed>, ApiError> {
    let shown = app.shown().await?;
    match shown.checkpoint.size {
        size if asked > size => Err(ApiError::NoTree { asked, size }),
        _ => Ok(shown),
    }
}
