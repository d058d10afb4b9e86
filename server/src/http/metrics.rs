//! What a monitoring system reads: sizes, what waits, how far behind, what was answered.
//!
//! Source: the Prometheus text exposition format, version 0.0.4. Nothing here says whose
//! statements there are or what they say.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{Measures, Storage};
use crate::verdicts::Currency;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) const METRICS: Operation = Operation {
    id: "metrics",
    summary: "Gives numbers for a monitoring system",
    description: "As Prometheus reads them: entries, bytes and commits of the register, submissions that wait, \
                  entries that the index lacks, whether verdicts are current, requests by status.",
    parameters: &[],
    body: None,
    answer: Answer {
        status: 200,
        media_type: "text/plain",
        schema: "Metrics",
        description: "The numbers, one a line.",
    },
    access: Access::Everybody,
};

/// How many requests were answered, by the first digit of the status.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    answered: [AtomicU64; 5],
}

impl Requests {
    /// Counts an answer.
    pub(super) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(answered) = self.answered.get(class) {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) async fn metrics<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
) -> Result<impl IntoResponse, ApiError> {
    let text = app.read(|app| async move { text(&app).await }).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], text))
}

async fn text<S: Storage>(app: &App<S>) -> Result<String, ApiError> {
    let register = app.register();
    let head = register.storage().head().await.map_err(ApiError::undecided)?;
    let size = head.map_or(0, |head| head.size);
    let mut page = Exposition(String::new());
    page.gauge("assay_register_entries", "Entries of the register.", size);
    if let Some(head) = head {
        let seconds = head.time.as_second();
        page.gauge(
            "assay_register_last_commit_seconds",
            "When the last commit was made, in seconds since 1970.",
            seconds,
        );
    }
    let measures = register.storage().measures().map_err(ApiError::undecided)?;
    if let Some(Measures { commits, segments, bytes, indexed }) = measures {
        page.gauge("assay_register_commits", "Commits of the journal.", commits);
        page.gauge("assay_register_segments", "Files of the journal.", segments);
        page.gauge("assay_register_journal_bytes", "Bytes of the journal's files.", bytes);
        let lag = size.saturating_sub(indexed);
        page.gauge("assay_register_index_lag_entries", "Entries that the index lacks.", lag);
    }
    page.gauge(
        "assay_register_waiting_entries",
        "Entries that wait to be committed.",
        register.waiting(),
    );
    let current = u8::from(app.verdicts().currency() == Currency::Current);
    page.gauge(
        "assay_verdicts_current",
        "Whether every entry has been taken into account by the verdicts: 1 or 0.",
        current,
    );
    page.head("assay_http_requests_total", "Requests that were answered.", "counter");
    for (class, answered) in (1..).zip(&app.requests().answered) {
        let answered = answered.load(Ordering::Relaxed);
        page.line(&format!("assay_http_requests_total{{status=\"{class}xx\"}} {answered}"));
    }
    Ok(page.0)
}

/// Text in the exposition format.
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(&format!("# HELP {name} {help}"));
        self.line(&format!("# TYPE {name} {kind}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, help, "gauge");
        self.line(&format!("{name} {value}"));
    }

    fn line(&mut self, line: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}
