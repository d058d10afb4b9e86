//! Every route, with its handler, its limit and its description.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use super::openapi::{Access, Answer, Operation};
use super::problem::{ApiError, Effect};
use super::{
    admit, artifacts, check, entries, find, health, metrics, openapi, promote, proofs, rekor, tiles,
};
use crate::app::App;
use crate::register::Storage;
use crate::wire::rekor::CreateEntryRequest;
use crate::wire::{PromotionRequest, Question, Submission};

/// How long a request may take, its body included.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A path and a method, with what answers them.
struct Route<S> {
    path: &'static str,
    method: &'static str,
    operation: Operation,
    handler: MethodRouter<Arc<App<S>>>,
}

impl<S: Storage + 'static> Route<S> {
    fn get(path: &'static str, operation: Operation, handler: MethodRouter<Arc<App<S>>>) -> Self {
        let handler =
            handler.layer(middleware::from_fn_with_state((operation.effect(), PATIENCE), deadline));
        Self { path, method: "get", operation, handler }
    }

    fn post(
        path: &'static str,
        operation: Operation,
        limit: usize,
        handler: MethodRouter<Arc<App<S>>>,
    ) -> Self {
        let handler = handler
            .layer(DefaultBodyLimit::max(limit))
            .layer(middleware::from_fn_with_state((operation.effect(), PATIENCE), deadline));
        Self { path, method: "post", operation, handler }
    }
}

fn routes<S: Storage + 'static>() -> Vec<Route<S>> {
    use super::extract::Posted as _;
    let submission = Submission::LIMIT;
    vec![
        Route::post("/v1/entries", entries::SUBMIT, submission, post(entries::submit)),
        Route::post(
            "/api/v2/log/entries",
            rekor::CREATE,
            CreateEntryRequest::LIMIT,
            post(rekor::create),
        ),
        Route::get("/v1/entries/{index}", entries::ENTRY, get(entries::entry)),
        Route::get("/v1/artifacts/{artifact}/bundles", artifacts::BUNDLES, get(artifacts::bundles)),
        Route::get("/v1/lineage/{artifact}", artifacts::LINEAGE, get(artifacts::lineage)),
        Route::get("/v1/proofs/inclusion", proofs::INCLUSION, get(proofs::inclusion)),
        Route::get("/v1/proofs/consistency", proofs::CONSISTENCY, get(proofs::consistency)),
        Route::get("/checkpoint", proofs::CHECKPOINT, get(proofs::checkpoint)),
        Route::get("/tile/{*path}", tiles::TILE, get(tiles::tile)),
        Route::get("/v1/find", find::FIND, get(find::find)),
        Route::post("/v1/check", check::CHECK, Question::LIMIT, post(check::check)),
        Route::post(
            "/v1/promote",
            promote::PROMOTE,
            PromotionRequest::LIMIT,
            post(promote::promote),
        ),
        Route::post("/v1/admission", admit::ADMIT, admit::MAX_REVIEW, post(admit::admit)),
        Route::post(
            "/v1/admission/validate",
            admit::VALIDATE,
            admit::MAX_REVIEW,
            post(admit::admit),
        ),
        Route::get("/healthz", health::LIVE, get(health::live)),
        Route::get("/readyz", health::READY, get(health::ready)),
        Route::get("/metrics", metrics::METRICS, get(metrics::metrics)),
        Route::get("/openapi.json", DESCRIBE, get(describe::<S>)),
    ]
}

/// Every route of the service, over `app`.
pub fn router<S: Storage + 'static>(app: Arc<App<S>>) -> Router {
    let mut router = Router::new();
    for Route { path, handler, .. } in routes() {
        router = router.route(path, handler);
    }
    router
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), logged))
        .with_state(app)
}

const DESCRIBE: Operation = Operation {
    id: "describe",
    summary: "Describes this interface",
    description: "As OpenAPI 3.1.",
    parameters: &[],
    body: None,
    answer: Answer::json("Document", "The description."),
    access: Access::Everybody,
};

async fn describe<S: Storage + 'static>() -> Json<Value> {
    Json(description::<S>())
}

fn description<S: Storage + 'static>() -> Value {
    let routes: Vec<_> = routes::<S>()
        .into_iter()
        .map(|Route { path, method, operation, .. }| (path, method, operation))
        .collect();
    openapi::document(&routes)
}

/// Ends what takes too long: a client that sends slowly, or a register that does not answer. What
/// was begun goes on all the same.
async fn deadline(
    State((effect, patience)): State<(Effect, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut { seconds: patience.as_secs(), effect }.into_response(),
    }
}

/// Counts and logs each request; neither its headers nor its body, which may hold secrets.
async fn logged<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    app.requests().count(response.status());
    tracing::info!(%method, path, status = response.status().as_u16(), "request");
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::register::Memory;

    #[tokio::test]
    async fn what_was_not_waited_for_may_have_been_registered_if_it_writes() {
        use axum::body::Body;
        use tower::ServiceExt as _;

        let cases = [
            (Effect::Reads, "timed-out", "take it as not allowed"),
            (Effect::Writes, "unacknowledged", "/v1/find"),
        ];
        for (effect, code, next) in cases {
            let never = get(std::future::pending::<()>);
            let layer =
                middleware::from_fn_with_state((effect, Duration::from_millis(10)), deadline);
            let router: Router = Router::new().route("/", never.layer(layer));
            let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
            let problem: crate::http::Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!((problem.status, problem.code.as_str()), (503, code));
            assert!(problem.next.contains(next), "{problem:?}");
        }
    }

    /// Every `$ref` in a document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "$ref" => found.push(text.clone()),
                        value => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_shape_is_described_and_used() {
        let document = description::<Memory>();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(schemas.contains_key(name), "{name} is not described");
        }
        for name in schemas.keys() {
            let used = found.iter().any(|reference| reference.ends_with(&format!("/{name}")));
            assert!(used, "{name} is not used");
        }
    }

    #[test]
    fn every_route_has_a_name_of_its_own() {
        let mut names: Vec<_> = routes::<Memory>().iter().map(|one| one.operation.id).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// `server/openapi.json` is what is served; write it anew with `ASSAY_BLESS=1`.
    #[test]
    fn the_committed_description_is_the_one_that_is_served() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let served = format!("{:#}\n", description::<Memory>());
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(&path, &served).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == served,
            "run the test again with ASSAY_BLESS=1 and read the difference"
        );
    }
}
