//! A witness over HTTP (C2SP tlog-witness).
//!
//! Nobody has to be known to ask: what counts is the log's signature. Requests are small, and
//! there are only so many connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use attest::{Cosigner, Timestamp, VerifierKey};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::request::MAX_REQUEST_BYTES;
use super::service::{Witness, WitnessError};
use super::state::Refusal;
use crate::listener::Bounded;

/// How long requests that were begun may take after the service was told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the body of a conflict is (C2SP tlog-witness).
pub(super) const SIZE: &str = "text/x.tlog.size";
const TEXT: &str = "text/plain; charset=utf-8";

/// What a witness is started with.
pub struct WitnessConfig {
    /// Where it listens; port 0 for any that is free.
    pub address: SocketAddr,
    /// The folder of its state; made when there is none.
    pub folder: PathBuf,
    /// Who cosigns.
    pub cosigner: Cosigner,
    /// The logs whose checkpoints it cosigns.
    pub logs: Vec<VerifierKey>,
    /// Reads the time.
    pub clock: fn() -> Timestamp,
    /// Called once, when it listens at the address.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Why the witness does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessServeError {
    /// The address cannot be used.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The state cannot be used.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The system does not let it wait for signals or connections.
    #[error("the witness cannot run")]
    Run(#[source] io::Error),
}

struct Shared {
    witness: Witness,
    clock: fn() -> Timestamp,
}

/// Serves until the process is told to stop (SIGTERM or SIGINT).
///
/// # Errors
/// [`WitnessServeError`].
pub async fn serve_witness(config: WitnessConfig) -> Result<(), WitnessServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(WitnessServeError::Run)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(WitnessServeError::Run)?;
    serve_witness_until(config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}

/// Serves until `stop` ends. What was begun is brought to its end.
///
/// # Errors
/// [`WitnessServeError`].
pub async fn serve_witness_until(
    config: WitnessConfig,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), WitnessServeError> {
    let WitnessConfig { address, folder, cosigner, logs, clock, ready } = config;
    let failed = |source| WitnessServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let opened = tokio::task::spawn_blocking(move || Witness::open(&folder, cosigner, logs)).await;
    let witness = opened.map_err(|error| WitnessServeError::Run(io::Error::other(error)))??;

    let (tell, mut told) = watch::channel(false);
    let server = axum::serve(Bounded::new(listener), witness_router(witness, clock))
        .with_graceful_shutdown(async move {
            let _ = told.wait_for(|stop| *stop).await;
        });
    let mut server = tokio::spawn(server.into_future());
    tracing::info!(%bound, "listening");
    ready(bound);
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = stop => None,
    };
    tracing::info!("stopping");
    let _ = tell.send(true);
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => tokio::time::timeout(GRACE, &mut server).await,
    };
    server.abort();
    match ended {
        Ok(Ok(result)) => result.map_err(WitnessServeError::Run),
        Ok(Err(error)) => Err(WitnessServeError::Run(io::Error::other(error))),
        Err(_) => {
            tracing::warn!("connections were still open");
            Ok(())
        }
    }
}

/// The routes of a witness.
pub fn witness_router(witness: Witness, clock: fn() -> Timestamp) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add))
        .route("/{log}/checkpoint", get(newest))
        .route("/healthz", get(async || (no_store(TEXT), "ok\n")))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn(async |request, next: middleware::Next| {
            match tokio::time::timeout(PATIENCE, next.run(request)).await {
                Ok(response) => response,
                Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "the request took too long"),
            }
        }))
        .with_state(Arc::new(Shared { witness, clock }))
}

async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(body) = String::from_utf8(body.to_vec()) else {
        return refused(StatusCode::BAD_REQUEST, "the request is not UTF-8");
    };
    let asked = move || {
        let now = u64::try_from((shared.clock)().as_second()).unwrap_or_default();
        shared.witness.add(&body, now)
    };
    // A client that goes away does not keep what was begun from its end.
    match tokio::task::spawn_blocking(asked).await {
        Ok(Ok(line)) => (no_store(TEXT), line).into_response(),
        Ok(Err(error)) => answer(&error),
        Err(error) => {
            tracing::error!(%error, "a request ended in a panic");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed")
        }
    }
}

fn answer(error: &WitnessError) -> Response {
    let status = match error {
        WitnessError::Request(_) => StatusCode::BAD_REQUEST,
        WitnessError::Refused(refusal) => match refusal {
            Refusal::Malformed | Refusal::OldIsLarger => StatusCode::BAD_REQUEST,
            Refusal::UnknownLog => StatusCode::NOT_FOUND,
            Refusal::NotByTheLog => StatusCode::FORBIDDEN,
            Refusal::OtherSize(size) | Refusal::Fork(size) => {
                return (StatusCode::CONFLICT, no_store(SIZE), format!("{size}\n")).into_response();
            }
            Refusal::NotConsistent(_) | Refusal::Empty => StatusCode::UNPROCESSABLE_ENTITY,
        },
        WitnessError::ClockBehind { .. }
        | WitnessError::Store(_)
        | WitnessError::Sign(_)
        | WitnessError::Logs(_) => {
            tracing::error!(%error, "cannot cosign");
            return refused(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot cosign now");
        }
    };
    refused(status, &error.to_string())
}

async fn newest(State(shared): State<Arc<Shared>>, Path(log): Path<String>) -> Response {
    match tokio::task::spawn_blocking(move || shared.witness.newest(&log)).await {
        Ok(Ok(Some(note))) => (no_store(TEXT), note).into_response(),
        Ok(Ok(None)) => refused(StatusCode::NOT_FOUND, "no checkpoint of such a log was cosigned"),
        _ => refused(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot read its state"),
    }
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, no_store(TEXT), format!("{why}\n")).into_response()
}

const fn no_store(kind: &'static str) -> [(header::HeaderName, &'static str); 2] {
    [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")]
}

#[cfg(test)]
mod tests {
    use attest::{Checkpoint, NoteSigner, Sha256, SigningKey};
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::super::request::AddCheckpoint;
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
    }

    fn request(origin: &str, seed: u8, old: u64, size: u64, root: &str) -> String {
        let root = Sha256::of(root.as_bytes());
        let text = Checkpoint { origin: origin.into(), size, root }.to_string();
        let note = NoteSigner::new(origin, key(seed)).unwrap().sign(&text).unwrap().to_string();
        AddCheckpoint { old, proof: Vec::new(), note }.to_string()
    }

    #[tokio::test]
    async fn every_answer_of_the_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let log = NoteSigner::new("log", key(9)).unwrap().verifier().clone();
        let cosigner = Cosigner::new("witness", key(1)).unwrap();
        let witness = Witness::open(folder.path(), cosigner, vec![log]).unwrap();
        let router = witness_router(witness, || Timestamp::from_second(100).unwrap());
        let cases = [
            ("the first", request("log", 9, 0, 5, "five"), 200, TEXT, "— witness "),
            ("again, from 0", request("log", 9, 0, 5, "five"), 409, SIZE, "5\n"),
            ("again", request("log", 9, 5, 5, "five"), 200, TEXT, "— witness "),
            ("a fork", request("log", 9, 5, 5, "other"), 409, SIZE, "5\n"),
            ("growth without a proof", request("log", 9, 5, 6, "six"), 422, TEXT, ""),
            ("a smaller one", request("log", 9, 5, 4, "four"), 400, TEXT, ""),
            ("another log", request("fog", 9, 0, 5, "five"), 404, TEXT, ""),
            ("another key", request("log", 8, 0, 5, "five"), 403, TEXT, ""),
            ("no request", "old\n".into(), 400, TEXT, ""),
            ("too much", "x".repeat(MAX_REQUEST_BYTES + 1), 413, "", ""),
        ];
        for (name, body, status, kind, starts) in cases {
            let asked = Request::post("/add-checkpoint").body(Body::from(body)).unwrap();
            let answer = router.clone().oneshot(asked).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{name}");
            if !kind.is_empty() {
                assert_eq!(answer.headers()[header::CONTENT_TYPE], kind, "{name}");
            }
            let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
            assert!(body.starts_with(starts.as_bytes()), "{name}: {body:?}");
        }
        let path = format!("/{}/checkpoint", Sha256::of(b"log").hex());
        for (path, status) in [(path.as_str(), 200), ("/00/checkpoint", 404), ("/healthz", 200)] {
            let asked = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(asked).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}");
        }
    }
}
