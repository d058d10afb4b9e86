//! Whether the service lives, and whether it may be asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;

use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::app::App;
use crate::register::Storage;
use crate::verdicts::Currency;

/// What a probe reads.
#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
}

pub(super) const LIVE: Operation = Operation {
    id: "live",
    summary: "Says that the process answers",
    description: "Touches nothing else. Use it as a liveness probe.",
    parameters: &[],
    body: None,
    answer: Answer::json("Health", "The process answers."),
    access: Access::Everybody,
};

pub(super) async fn live() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(Health { status: "live" }))
}

pub(super) const READY: Operation = Operation {
    id: "ready",
    summary: "Says whether verdicts are ready",
    description: "Answers 503 until every promotion in the register has been judged since the start, and \
                  while an entry of the register could not be taken into account, a witness has seen another \
                  history of it, no checkpoint of it has met the quorum of witnesses that is demanded, \
                  a write to it failed (the service is ending then), or trust, policy or \
                  register are no longer what the service was started with. Use it as a readiness probe.",
    parameters: &[],
    body: None,
    answer: Answer::json("Health", "Every entry of the register has been taken into account."),
    access: Access::Everybody,
};

pub(super) async fn ready<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
) -> Result<impl IntoResponse, ApiError> {
    app.now()?;
    match app.verdicts().currency() {
        Currency::Current => {
            app.require_shown().await?;
            Ok(([(header::CACHE_CONTROL, "no-store")], Json(Health { status: "ready" })))
        }
        Currency::Cold => Err(ApiError::NotReady("promotions are being judged after the start")),
        Currency::Behind => Err(ApiError::NotReady(
            "the register could not be followed to its end; the service's log says why",
        )),
        Currency::Suspended(cause) => Err(ApiError::NotReady(cause.as_str())),
    }
}
