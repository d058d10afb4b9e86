//! What a monitoring system reads.

#![allow(clippy::unwrap_used, reason = "a test ends when something is not as it should be")]

mod common;

use axum::http::StatusCode;

use common::{Service, revoked};

/// The numbers, by name.
async fn metrics(service: &Service) -> Vec<(String, i64)> {
    let answer = service.get("/metrics").await;
    assert_eq!(
        (answer.status, answer.media_type.as_str()),
        (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with('\n'));
    let mut described = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            described = rest.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&described), "{line}");
            found.push((name.to_owned(), value.parse().unwrap()));
        }
    }
    found
}

fn value(metrics: &[(String, i64)], name: &str) -> Option<i64> {
    metrics.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
}

#[tokio::test]
async fn numbers_follow_what_happens() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let before = metrics(&service).await;
    let entries = i64::try_from(scene.submissions.len()).unwrap();
    assert_eq!(value(&before, "assay_register_entries"), Some(entries));
    assert_eq!(value(&before, "assay_register_waiting_entries"), Some(0));
    assert_eq!(value(&before, "assay_verdicts_current"), Some(1));
    assert_eq!(value(&before, "assay_register_commits"), None, "in memory there is no journal");

    service.get("/nowhere").await;
    service.get("/healthz").await;
    let after = metrics(&service).await;
    let answered = |of: &[(String, i64)], class: &str| {
        value(of, &format!("assay_http_requests_total{{status=\"{class}\"}}")).unwrap()
    };
    assert_eq!(answered(&after, "4xx") - answered(&before, "4xx"), 1);
    // The first reading is counted when it is answered.
    assert_eq!(answered(&after, "2xx") - answered(&before, "2xx"), 2);
}
