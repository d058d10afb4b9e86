//! The tree and the entries in tiles, for whoever reads the whole log (C2SP tlog-tiles).
//!
//! A tile never changes, so that it may be kept for ever; one that is not there may come, so that
//! its absence may not be kept. Tiles show no payload, but whose signatures there are: like entries,
//! they are for those who may write, unless the register is declared public.

use std::sync::Arc;

use attest::TilePath;
use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::extract::MayRead;
use super::openapi::{Access, Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::{App, Readers};
use crate::register::Storage;

/// For everybody's caches.
const SHARED: &str = "public, max-age=31536000, immutable";
/// For the cache of whoever asked.
const OWN: &str = "private, max-age=31536000, immutable";

pub(super) const TILE: Operation = Operation {
    id: "tile",
    summary: "Gives a part of the tree, or of the entries",
    description: "As C2SP tlog-tiles has it: `LEVEL/POSITION` for hashes, `entries/POSITION` for entries, with \
                  `.p/WIDTH` after it for a part of a tile. A part stays there when the tile is full. \
                  Needs the token, unless the register is declared public.",
    parameters: &[Parameter {
        name: "path",
        place: Place::Path,
        schema: "TilePath",
        description: "Level or `entries`, position, width; its slashes are not escaped.",
    }],
    body: None,
    answer: Answer {
        status: 200,
        media_type: "application/octet-stream",
        schema: "Tile",
        description: "The tile.",
    },
    access: Access::Readers,
};

pub(super) async fn tile<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayRead,
    OfTile(path): OfTile,
) -> Result<impl IntoResponse, ApiError> {
    let cache = match app.readers() {
        Readers::Everybody => SHARED,
        Readers::Writers => OWN,
    };
    let bytes = app
        .read(move |app| async move {
            let size = app.shown().await?.checkpoint.size;
            Ok(app.register().tile_below(&path, size).await?)
        })
        .await?;
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, cache)];
    Ok((headers, bytes))
}

/// The tile that the path names, as it is written: an escape would be another name of it.
pub(super) struct OfTile(TilePath);

impl<A: Send + Sync> FromRequestParts<A> for OfTile {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, ApiError> {
        let path = parts.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path).parse();
        path.map(Self).map_err(|error| ApiError::NoTile(format!("{error}")))
    }
}
