//! What the register holds about an artifact: its attestations, and its family.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::extract::{Asked, MayRead, Now, OfArtifact};
use super::openapi::{Access, Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::{App, Purpose};
use crate::family::{Family, Way};
use crate::judge;
use crate::register::{Storage, Term};
use crate::wire::ArtifactBundles;

const ARTIFACT: Parameter = Parameter {
    name: "artifact",
    place: Place::Path,
    schema: "Artifact",
    description: "The artifact, with its kind unless it is a file.",
};

/// How an attestation names an artifact.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NamedAs {
    #[default]
    Subject,
    Material,
}

/// Which attestations are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default, rename = "as")]
    named: NamedAs,
    #[serde(default)]
    start: u64,
}

pub(super) const BUNDLES: Operation = Operation {
    id: "bundles",
    summary: "Gives the attestations of an artifact",
    description: "Each as a Sigstore bundle with its proof. Says how far the answer is complete; an answer \
                  never shows that something negative does not exist: follow every entry for that. \
                  Needs the token, unless the register is declared public.",
    parameters: &[
        ARTIFACT,
        Parameter {
            name: "as",
            place: Place::Optional,
            schema: "NamedAs",
            description: "Whether the attestation is about the artifact, or of a step that used it.",
        },
        Parameter {
            name: "start",
            place: Place::Optional,
            schema: "Index",
            description: "Where to go on: `next` of the page before.",
        },
    ],
    body: None,
    answer: Answer::json("ArtifactBundles", "A page of attestations."),
    access: Access::Readers,
};

pub(super) async fn bundles<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayRead,
    OfArtifact(artifact): OfArtifact,
    Asked(Which { named, start }): Asked<Which>,
) -> Result<Json<ArtifactBundles>, ApiError> {
    let term = match named {
        NamedAs::Subject => Term::Subject(artifact),
        NamedAs::Material => Term::Material(artifact),
    };
    app.read(move |app| async move {
        let shown = app.shown().await?;
        Ok(Json(app.register().bundles_under(term, start, &shown).await?.into()))
    })
    .await
}

/// Which way a lineage is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Towards {
    direction: Way,
}

pub(super) const LINEAGE: Operation = Operation {
    id: "lineage",
    summary: "Draws the lineage of an artifact",
    description: "Believed statements only, as rows in drawing order; what does not count is listed beside \
                  them, with the reason. \
                  Needs the token, unless the register is declared public.",
    parameters: &[
        ARTIFACT,
        Parameter {
            name: "direction",
            place: Place::Needed,
            schema: "Direction",
            description: "`up` to what made it, `down` to what was made from it.",
        },
    ],
    body: None,
    answer: Answer::json("Family", "The lineage."),
    access: Access::Readers,
};

pub(super) async fn lineage<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayRead,
    OfArtifact(artifact): OfArtifact,
    Asked(Towards { direction }): Asked<Towards>,
    Now(now): Now,
) -> Result<Json<Family>, ApiError> {
    app.read(move |app| async move {
        app.require_sound(Purpose::Deciding)?;
        let (followed, in_force) = app.decide_by(now).await?;
        let (register, trust) = (app.register(), &*in_force.trust);
        let negatives = &followed.negatives;
        let lineage =
            judge::lineage(register, artifact, direction.into(), trust, negatives, now).await?;
        Ok(Json(Family::of(&lineage)))
    })
    .await
}
