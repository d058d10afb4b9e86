//! Submitting over HTTP: what is taken, and everything that is not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use attest::{Envelope, SigningKey};
use axum::http::{Method, StatusCode};
use fixtures::signing_key;
use serde_json::{Value, json};
use server::app::MAX_SUBMITTING;
use tokio::task::JoinSet;

use common::{Service, Setup, Step, TOKEN, revoked, submission};

fn honest() -> Value {
    let scene = revoked();
    let sent = &scene.submissions[0];
    submission(&sent.envelope, &sent.keys)
}

#[tokio::test]
async fn an_entry_comes_back_with_its_place_and_a_duplicate_with_the_first_one() {
    let scene = revoked();
    let service = Service::new(&scene, Setup::default()).await;
    for (place, sent) in scene.submissions.iter().enumerate() {
        let entries = service.submit(&sent.envelope, &sent.keys).await.good();
        assert_eq!(entries["entries"][0]["index"], place, "{}", sent.id);
        assert_eq!(entries["entries"][0]["duplicate"], false, "{}", sent.id);
    }
    let size = service.size().await;
    for (place, sent) in scene.submissions.iter().enumerate() {
        let entries = service.submit(&sent.envelope, &sent.keys).await.good();
        assert_eq!(entries["entries"][0]["index"], place, "{}", sent.id);
        assert_eq!(entries["entries"][0]["duplicate"], true, "{}", sent.id);
    }
    assert_eq!(service.size().await, size);
}

#[tokio::test]
async fn what_is_not_a_good_submission_changes_nothing() {
    let scene = revoked();
    let service = Service::new(&scene, Setup::default()).await;
    let sent = &scene.submissions[0];
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = honest();
        change(&mut body);
        body.to_string()
    };
    let mut forged = sent.envelope.clone();
    forged.signatures[0].sig[10] ^= 1;
    let mut edited = sent.envelope.clone();
    edited.payload[20] ^= 1;
    let unreadable = attest::Envelope::sign(
        attest::envelope::IN_TOTO,
        b"{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[]}".to_vec(),
        &[&signing_key("data").unwrap()],
    )
    .unwrap();
    let other = signing_key("somebody else").unwrap().public().clone();
    let text = honest().to_string();
    let cases = [
        ("as it should be, the control", text.clone(), StatusCode::OK, ""),
        (
            "no keys: those of the trust file",
            changed(&|body| body["verifiers"] = json!([])),
            StatusCode::OK,
            "",
        ),
        (
            "a bit of the signature",
            submission(&forged, &sent.keys).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "a bit of the payload",
            submission(&edited, &sent.keys).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "another's key",
            submission(&sent.envelope, &[other]).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "a statement without subject",
            submission(&unreadable, &sent.keys).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "a key that is none",
            changed(&|body| body["verifiers"] = json!(["AAAA"])),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "too many keys",
            changed(&|body| body["verifiers"] = json!(vec!["AAAA"; 17])),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        (
            "an envelope that is none",
            changed(&|body| body["envelope"] = json!(1)),
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
        ),
        ("not JSON", text[1..].to_owned(), StatusCode::BAD_REQUEST, "body"),
        ("cut short", text[..text.len() - 1].to_owned(), StatusCode::BAD_REQUEST, "body"),
        (
            "a field that nothing reads",
            changed(&|body| body["extra"] = json!(1)),
            StatusCode::BAD_REQUEST,
            "body",
        ),
        (
            "a field twice",
            text.replacen("{\"envelope\"", "{\"envelope\":{},\"envelope\"", 1),
            StatusCode::BAD_REQUEST,
            "body",
        ),
        ("nested without end", "[".repeat(1 << 20), StatusCode::BAD_REQUEST, "body"),
        (
            "more than is read",
            " ".repeat(attest::json::MAX_BYTES + 1),
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
        ),
    ];
    let headers = [("content-type", "application/json")];
    for (name, body, status, code) in cases {
        let before = service.size().await;
        let reply = service.send(Method::POST, "/v1/entries", &headers, body.into_bytes()).await;
        assert_eq!(reply.status, status, "{name}: {}", String::from_utf8_lossy(&reply.body));
        if status != StatusCode::OK {
            assert_eq!(reply.problem(), code, "{name}");
            assert_eq!(service.size().await, before, "{name}");
        }
    }
    assert_eq!(service.size().await, 1);
}

#[tokio::test]
async fn a_key_that_nobody_trusts_must_be_given() {
    let scene = revoked();
    let service = Service::new(&scene, Setup::default()).await;
    let stranger = SigningKey::generate(attest::Algorithm::P256).unwrap();
    let payload = scene.submissions[0].envelope.payload.clone();
    let envelope =
        attest::Envelope::sign(attest::envelope::IN_TOTO, payload, &[&stranger]).unwrap();
    assert_eq!(service.submit(&envelope, &[]).await.problem(), "refused");
    service.submit(&envelope, &[stranger.public().clone()]).await.good();
}

#[tokio::test]
async fn writes_need_the_token_and_reads_do_not() {
    let scene = revoked();
    let service = Service::new(&scene, Setup { token: true, ..Setup::default() }).await;
    let right = format!("Bearer {TOKEN}");
    let wrong = format!("Bearer {TOKEN}x");
    let json = ("content-type", "application/json");
    let submission = honest();
    let question = common::question(&scene);
    let cases: [(&str, &Value, Option<&str>, bool); 8] = [
        ("/v1/entries", &submission, Some(&right), true),
        ("/v1/entries", &submission, Some(&wrong), false),
        ("/v1/entries", &submission, None, false),
        ("/v1/promote", &question, Some(&right), true),
        ("/v1/promote", &question, Some(&wrong), false),
        ("/v1/promote", &question, None, false),
        ("/v1/check", &question, None, true),
        ("/v1/admission", &common::pod("serve:1"), None, true),
    ];
    for (path, body, token, opens) in cases {
        let mut headers = vec![json];
        headers.extend(token.map(|token| ("authorization", token)));
        let body = body.to_string().into_bytes();
        let reply = service.send(Method::POST, path, &headers, body).await;
        if opens {
            reply.good();
        } else {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
            assert_eq!(reply.problem(), "unauthorised");
        }
    }
}

#[tokio::test]
async fn without_a_token_a_write_names_this_machine() {
    let service = Service::new(&revoked(), Setup::default()).await;
    let cases = [
        ("localhost:7878", true),
        ("LOCALHOST", true),
        ("127.0.0.1:7878", true),
        ("[::1]:7878", true),
        ("assay.example", false),
        ("localhost.assay.example:7878", false),
        ("127.0.0.1.assay.example", false),
        ("192.0.2.1:7878", false),
        ("", false),
    ];
    for (host, takes) in cases {
        let headers = [("content-type", "application/json"), ("host", host)];
        let body = honest().to_string().into_bytes();
        let reply = service.send(Method::POST, "/v1/entries", &headers, body).await;
        if takes {
            reply.good();
        } else {
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::FORBIDDEN, "not-local")
            );
        }
        // Reading is for everybody.
        let headers = [("host", host)];
        let read = service.send(Method::GET, "/checkpoint", &headers, Vec::new()).await;
        assert_eq!(read.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_no_route_answers_is_a_problem() {
    let service = Service::new(&revoked(), Setup::default()).await;
    let json = [("content-type", "application/json")];
    let text = [("content-type", "text/plain")];
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Method, &str, Headers<'_>, StatusCode, &str); 8] = [
        (Method::GET, "/v1/entries", &[], StatusCode::METHOD_NOT_ALLOWED, "method"),
        (Method::DELETE, "/v1/entries/0", &[], StatusCode::METHOD_NOT_ALLOWED, "method"),
        (Method::PUT, "/checkpoint", &[], StatusCode::METHOD_NOT_ALLOWED, "method"),
        (Method::GET, "/v2/entries", &[], StatusCode::NOT_FOUND, "no-route"),
        (Method::POST, "/", &json, StatusCode::NOT_FOUND, "no-route"),
        (Method::POST, "/v1/entries", &[], StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
        (Method::POST, "/v1/check", &text, StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
        (Method::POST, "/v1/check", &json, StatusCode::BAD_REQUEST, "body"),
    ];
    for (method, path, headers, status, code) in cases {
        let reply = service.send(method.clone(), path, headers, Vec::new()).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.problem(), code, "{method} {path}");
        let refuses_method = status == StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(reply.allow.is_some(), refuses_method, "{method} {path}: {:?}", reply.allow);
    }
    let head = service.send(Method::HEAD, "/checkpoint", &[], Vec::new()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_waits_for_what_can_be_done_later() {
    let scene = revoked();
    let service = Service::new(&scene, Setup::default()).await;
    let storage = service.app.register().storage();
    storage.hold(Some(Step::Settle));
    let sent = &scene.submissions[0];
    service.submit(&sent.envelope, &sent.keys).await.good();
    assert_eq!(storage.settled(), 0);
    storage.hold(None);
    while storage.settled() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What adds nothing leaves nothing for later.
    service.get("/v1/entries/0").await.good();
    service.check(&scene).await;
    assert_eq!(storage.settled(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_submission_too_many_is_to_come_again_and_then_is_taken() {
    let service = Arc::new(Service::new(&revoked(), Setup::default()).await);
    let key = SigningKey::from_ed25519_seed(&[9; 32]).unwrap();
    let submit = |number: u32| {
        let (service, keys) = (Arc::clone(&service), [key.public().clone()]);
        let payload = number.to_string().into_bytes();
        let envelope = Envelope::sign("text/plain", payload, &[&key]).unwrap();
        async move { (number, service.submit(&envelope, &keys).await) }
    };
    let storage = service.app.register().storage();
    storage.hold(Some(Step::Commit));
    let mut waiting: JoinSet<_> = (0..=MAX_SUBMITTING).map(submit).collect();
    let (number, refused) = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.problem(), "busy");
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    // All the others wait, and nobody else is refused.
    let patience = Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, waiting.join_next()).await.is_err());
    assert_eq!(service.size().await, 0);

    storage.hold(None);
    while let Some(one) = waiting.join_next().await {
        one.unwrap().1.good();
    }
    assert_eq!(service.size().await, u64::from(MAX_SUBMITTING));
    submit(number).await.1.good();
    assert_eq!(service.size().await, u64::from(MAX_SUBMITTING) + 1);
}
