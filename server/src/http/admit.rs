//! Answering admission reviews of a cluster.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};

use super::extract::json_bytes;
use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::admission::{self, Review};
use crate::app::App;
use crate::register::Storage;

/// The most bytes of a review: the object and the one before it, each of which the API server
/// limits to 3 MiB.
pub(super) const MAX_REVIEW: usize = 8 << 20;

pub(super) const ADMIT: Operation = Operation {
    id: "admit",
    summary: "Answers an AdmissionReview of Kubernetes",
    description: "For Pods and KServe InferenceServices. Reads verdicts that are ready and asks nobody. A \
                  refusal has status 200 and `allowed: false`, with the reason and what to run.",
    parameters: &[],
    body: Some("AdmissionReview"),
    answer: Answer::json("AdmissionReview", "The review with its response."),
    access: Access::Everybody,
};

/// The same, at the path that hooks of clusters are commonly set up with.
pub(super) const VALIDATE: Operation = Operation {
    id: "validate",
    summary: "Answers an AdmissionReview of Kubernetes, as `/v1/admission` does",
    ..ADMIT
};

pub(super) async fn admit<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    request: Request,
) -> Result<Json<admission::Answer>, ApiError> {
    let bytes = json_bytes(request, &app, MAX_REVIEW).await?;
    let review = Review::parse(&bytes).map_err(|error| ApiError::Body(error.to_string()))?;
    let in_force = app.in_force();
    Ok(Json(match (app.now(), &in_force.namespaces) {
        (Ok(now), Some(namespaces)) => admission::decide(&review, namespaces, app.verdicts(), now),
        (Err(behind), _) => admission::refuse(&review, format!("clock.behind: {behind}")),
        (_, None) => {
            let why = "the service has no policy to admit by; start it with one";
            admission::refuse(&review, why.into())
        }
    }))
}
