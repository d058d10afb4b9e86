//! Admission over HTTP: what runs, what does not, and that nobody is asked.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use attest::envelope::IN_TOTO;
use attest::{Envelope, Sha256};
use axum::http::StatusCode;
use fixtures::{Scene, signing_key};
use serde_json::{Value, json};

use common::{Service, Setup, image, noon, pod, recorded, revoked, scene, staged};

/// A service with everything of the scene but what is named, and its artifact promoted.
async fn promoted(scene: &Scene, without: &str) -> Service {
    let service = Service::new(scene, Setup::default()).await;
    service.submit_all(scene, |id| id != without).await;
    let promotion = service.promote(scene).await;
    assert!(promotion["entry"].is_object(), "{promotion:#}");
    service
}

fn digest(scene: &Scene) -> Sha256 {
    scene.artifact.digest().unwrap()
}

fn message(response: &Value) -> &str {
    response["status"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn after_warm_up_nobody_is_asked() {
    let scene = staged();
    let service = promoted(&scene, "").await;
    service.app.register().storage().break_it();
    // The control: whatever asks the register fails now, and says nothing that could be "allowed".
    let reply = service.post("/v1/check", &common::question(&scene)).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "internal")
    );

    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);
    let good = image(digest(&scene));
    let unknown = image(Sha256::of(b"another manifest"));
    let cases = [
        (good.clone(), true, ""),
        (unknown, false, "artifact.unknown"),
        ("registry.example/serve:1.2".into(), false, "names no digest"),
        (good.replace("sha256", "sha512"), false, "not an image reference"),
    ];
    for (image, allowed, says) in cases {
        let response = service.admit(&pod(&image)).await;
        assert_eq!(response["allowed"], allowed, "{image}: {response:#}");
        assert!(message(&response).contains(says), "{image}: {response:#}");
    }
}

#[tokio::test]
async fn recorded_requests_are_refused_as_they_are_and_allowed_with_the_promoted_digest() {
    let scene = staged();
    let service = promoted(&scene, "").await;
    service.app.register().storage().break_it();
    for (name, request) in recorded() {
        let review = &request["body"];
        let refused = service.admit(review).await;
        assert_eq!(refused["allowed"], false, "{name}");
        let path = request["path"].as_str().unwrap();
        let as_sent = service.post(path, review).await.good();
        assert_eq!(as_sent["response"], refused, "{name}: {path}");
        assert!(!message(&refused).is_empty(), "{name}");

        let mut review = review.clone();
        let good = image(digest(&scene));
        let specification = &mut review["request"]["object"]["spec"];
        match specification.pointer_mut("/predictor/model/storageUri") {
            Some(uri) => *uri = format!("oci://{good}").into(),
            None => specification["containers"][0]["image"] = good.clone().into(),
        }
        assert_eq!(service.admit(&review).await["allowed"], true, "{name}");

        // The smallest change: one more container that nobody promoted.
        let specification = &mut review["request"]["object"]["spec"];
        match specification.get_mut("predictor") {
            Some(predictor) => predictor["containers"] = json!([{"name": "d", "image": "d:1"}]),
            None => specification["initContainers"] = json!([{"name": "d", "image": "d:1"}]),
        }
        assert_eq!(service.admit(&review).await["allowed"], false, "{name}");
    }
}

#[tokio::test]
async fn a_service_loads_its_model_by_no_other_way() {
    let scene = staged();
    let service = promoted(&scene, "").await;
    let good = image(digest(&scene));
    let runs = json!([{"name": "c", "image": good}]);
    let cases = [
        ("the image alone", json!({"predictor": {"containers": runs}}), true),
        (
            "the model, promoted",
            json!({"predictor": {"model": {"storageUri": format!("oci://{good}")}}}),
            true,
        ),
        (
            "a list beside the model",
            json!({"predictor": {"containers": runs, "storageUris": [{"uri": "s3://other"}]}}),
            false,
        ),
        (
            "a location beside the model",
            json!({"predictor": {"containers": runs, "storageUri": "s3://other"}}),
            false,
        ),
        (
            "a location at a container",
            json!({"predictor": {"containers": [{"image": good, "storageUri": "s3://other"}]}}),
            false,
        ),
        (
            "a container in the model",
            json!({"predictor": {"model": {
                "storageUri": format!("oci://{good}"), "container": {"image": "other:1"}}}}),
            false,
        ),
        (
            "a part that nobody knows",
            json!({"predictor": {"containers": runs},
                "canary": {"predictor": {"model": {"storageUri": "s3://other"}}}}),
            false,
        ),
    ];
    for (name, specification, allowed) in cases {
        let mut review = pod(&good);
        let request = &mut review["request"];
        request["kind"] = json!(
            {"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"}
        );
        request["object"]["spec"] = specification;
        let response = service.admit(&review).await;
        assert_eq!(response["allowed"], allowed, "{name}: {response:#}");
    }
}

#[tokio::test]
async fn until_it_is_warm_nothing_is_admitted() {
    let scene = staged();
    let promotion = promoted(&scene, "").await.promote(&scene).await;
    let service = Service::new(&scene, Setup::default()).await;
    let register = service.app.register();
    for sent in &scene.submissions {
        register.submit(&sent.envelope, &sent.keys, scene.now).await.unwrap();
    }
    let bundle = promotion["entry"]["bundle"].to_string();
    let envelope = attest::Bundle::parse(bundle.as_bytes()).unwrap().envelope;
    let gate = [signing_key("gate").unwrap().public().clone()];
    register.submit(&envelope, &gate, scene.now).await.unwrap();

    let review = pod(&image(digest(&scene)));
    let cold = service.get("/readyz").await;
    assert_eq!(
        (cold.status, cold.problem().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not-ready")
    );
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("not ready"), "{response:#}");

    service.app.catch_up(scene.now).await.unwrap();
    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(service.admit(&review).await["allowed"], true);
}

#[tokio::test]
async fn a_revocation_counts_when_its_submission_is_answered() {
    let scene = revoked();
    let service = promoted(&scene, "revoke").await;
    let review = pod(&image(digest(&scene)));
    assert_eq!(service.admit(&review).await["allowed"], true);

    // The control: the same statement by somebody who may not revoke.
    let sent = scene.submissions.iter().find(|sent| sent.id == "revoke").unwrap();
    let trainer = signing_key("trainer").unwrap();
    let powerless = Envelope::sign(IN_TOTO, sent.envelope.payload.clone(), &[&trainer]).unwrap();
    service.submit(&powerless, &[trainer.public().clone()]).await.good();
    assert_eq!(service.admit(&review).await["allowed"], true);

    service.submit(&sent.envelope, &sent.keys).await.good();
    service.app.register().storage().break_it();
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("revoked.artifact"), "{response:#}");
}

#[tokio::test]
async fn while_an_entry_is_not_taken_into_account_nothing_is_admitted() {
    let scene = revoked();
    let service = promoted(&scene, "revoke").await;
    let review = pod(&image(digest(&scene)));
    let storage = service.app.register().storage();
    let sent = &scene.submissions[0];
    let stranger = signing_key("stranger").unwrap();
    let harmless = Envelope::sign(IN_TOTO, sent.envelope.payload.clone(), &[&stranger]).unwrap();

    storage.break_after_commit();
    let reply = service.submit(&harmless, &[stranger.public().clone()]).await;
    assert_eq!(reply.problem(), "internal");
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("fallen behind"), "{response:#}");
    assert_eq!(service.get("/readyz").await.problem(), "not-ready");

    storage.mend();
    service.app.catch_up(scene.now).await.unwrap();
    assert_eq!(service.admit(&review).await["allowed"], true);
    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_attestation_denies_what_rests_on_it() {
    let scene = scene("20-junk-around-a-revocation", "an attestation is revoked");
    let service = promoted(&scene, "revoke").await;
    let review = pod(&image(digest(&scene)));
    assert_eq!(service.admit(&review).await["allowed"], true);
    service.submit_all(&scene, |id| id == "revoke").await;
    assert_eq!(service.admit(&review).await["allowed"], false);
}

#[tokio::test]
async fn a_verdict_ends_when_its_time_has_come() {
    let scene = scene("09-outlives-its-limit", "the evaluation gets too old");
    let service = promoted(&scene, "").await;
    let review = pod(&image(digest(&scene)));
    let second = Duration::from_secs(1);
    let limit = noon() + Duration::from_secs(2 * 60 * 60);
    let cases = [
        (noon() - 301 * second, false, "clock.behind"),
        (noon(), true, ""),
        (limit - second, true, ""),
        (limit + second, false, "verdict.expired"),
    ];
    for (now, allowed, says) in cases {
        service.set_time(now);
        let response = service.admit(&review).await;
        assert_eq!(response["allowed"], allowed, "{now}: {response:#}");
        assert!(message(&response).contains(says), "{now}: {response:#}");
    }
    // Judged again, it says what there is to renew.
    service.app.renew(limit + second).await.unwrap();
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("age.exceeded"), "{response:#}");
}

#[tokio::test]
async fn a_clock_set_back_while_the_service_runs_revives_nothing() {
    /// How the service comes to know a later time.
    #[derive(Clone, Copy, Debug)]
    enum Met {
        Renewing,
        Admitting,
        Checking,
    }
    let scene = scene("09-outlives-its-limit", "the evaluation gets too old");
    let review = pod(&image(digest(&scene)));
    let second = Duration::from_secs(1);
    let late = noon() + Duration::from_secs(2 * 60 * 60 + 1);
    let cases = [
        ("never later", None, true),
        ("as far as clocks differ", Some((noon() + 300 * second, Met::Checking)), true),
        ("a second more", Some((noon() + 301 * second, Met::Checking)), false),
        ("judged again after the limit", Some((late, Met::Renewing)), false),
        ("asked after the limit", Some((late, Met::Admitting)), false),
    ];
    for (name, met, allowed) in cases {
        let service = promoted(&scene, "").await;
        if let Some((time, met)) = met {
            service.set_time(time);
            let denied = match met {
                Met::Renewing => service.app.renew(time).await.is_ok(),
                Met::Admitting => service.admit(&review).await["allowed"] == false,
                Met::Checking => service.check(&scene).await["passed"] == true,
            };
            assert!(denied, "{name}");
            service.set_time(noon());
        }
        let stranger = signing_key("stranger").unwrap();
        let payload = scene.submissions[0].envelope.payload.clone();
        let harmless = Envelope::sign(IN_TOTO, payload, &[&stranger]).unwrap();
        let replies = [
            service.submit(&harmless, &[stranger.public().clone()]).await,
            service.post("/v1/check", &common::question(&scene)).await,
            service.post("/v1/promote", &common::question(&scene)).await,
            service.get("/readyz").await,
        ];
        for reply in replies {
            assert_eq!(reply.status == StatusCode::OK, allowed, "{name}");
            assert!(allowed || reply.problem() == "clock.behind", "{name}");
        }
        let response = service.admit(&review).await;
        assert_eq!(response["allowed"], allowed, "{name}: {response:#}");
        assert!(allowed || message(&response).contains("clock.behind"), "{name}: {response:#}");
    }
}

#[tokio::test]
async fn namespaces_are_stages_and_an_unmapped_one_is_the_strictest() {
    let scene = staged();
    let namespaces = BTreeMap::from([("default".to_owned(), "development".parse().unwrap())]);
    let service = Service::new(&scene, Setup { namespaces, ..Setup::default() }).await;
    service.submit_all(&scene, |_| true).await;
    let good = image(digest(&scene));
    let unknown = image(Sha256::of(b"another manifest"));
    let cases = [
        ("default", &good, true, 0),
        ("default", &unknown, true, 1),
        ("elsewhere", &good, false, 0),
        ("elsewhere", &unknown, false, 0),
    ];
    for (namespace, image, allowed, warnings) in cases {
        let mut review = pod(image);
        review["request"]["namespace"] = namespace.into();
        let response = service.admit(&review).await;
        assert_eq!(response["allowed"], allowed, "{namespace} {image}: {response:#}");
        let warned = response["warnings"].as_array().map_or(0, Vec::len);
        assert_eq!(warned, warnings, "{namespace} {image}: {response:#}");
    }
    service.promote(&scene).await;
    let mut review = pod(&good);
    review["request"]["namespace"] = "elsewhere".into();
    assert_eq!(service.admit(&review).await["allowed"], true);
}

#[tokio::test]
async fn only_the_latest_summary_by_a_verifier_counts() {
    let scene = staged();
    let promotion = promoted(&scene, "").await.promote(&scene).await;
    let bundle = promotion["entry"]["bundle"].to_string();
    let payload = attest::Bundle::parse(bundle.as_bytes()).unwrap().envelope.payload;
    let text = String::from_utf8(payload.clone()).unwrap();
    let failed = text.replace("\"PASSED\"", "\"FAILED\"");
    let elsewhere = text.replace("ASSAY_STAGE_PRODUCTION", "ASSAY_STAGE_STAGING");
    let policy = attest::Sha256::of(scene.policy.as_bytes()).hex();
    let other = text.replace(&policy, &Sha256::of(b"another policy").hex());
    for changed in [&failed, &elsewhere, &other] {
        assert_ne!(*changed, text);
    }
    type Said<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Said<'_>, bool); 7] = [
        ("by the gate", &[("gate", &text)], true),
        ("by nobody", &[], false),
        ("by somebody else", &[("security", &text)], false),
        ("failed", &[("gate", &failed)], false),
        ("passed, then failed", &[("gate", &text), ("gate", &failed)], false),
        ("for another stage", &[("gate", &elsewhere)], false),
        ("by another policy", &[("gate", &other)], false),
    ];
    let review = pod(&image(digest(&scene)));
    for (name, said, allowed) in cases {
        let service = Service::of(&scene).await;
        for (key, text) in said {
            let key = signing_key(key).unwrap();
            let envelope = Envelope::sign(IN_TOTO, text.as_bytes().to_vec(), &[&key]).unwrap();
            service.submit(&envelope, &[key.public().clone()]).await.good();
        }
        assert_eq!(service.admit(&review).await["allowed"], allowed, "{name}");
    }
}

#[tokio::test]
async fn evidence_that_comes_later_changes_the_verdict() {
    let scene = scene("18-pass-then-fail", "passed, then failed");
    let last = scene.submissions.last().unwrap().id.clone();
    let service = promoted(&scene, &last).await;
    let review = pod(&image(digest(&scene)));
    assert_eq!(service.admit(&review).await["allowed"], true);
    service.submit_all(&scene, |id| id == last).await;
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("metric.threshold"), "{response:#}");
}

#[tokio::test]
async fn without_a_policy_nothing_is_admitted() {
    let scene = staged();
    let service = Service::new(&scene, Setup { no_policy: true, ..Setup::default() }).await;
    service.app.catch_up(scene.now).await.unwrap();
    let response = service.admit(&pod(&image(digest(&scene)))).await;
    assert_eq!(response["allowed"], false);
}

#[tokio::test]
async fn a_review_without_an_object_is_refused_unless_something_goes_away() {
    let scene = staged();
    let service = promoted(&scene, "").await;
    let mut review = pod(&image(digest(&scene)));
    assert_eq!(service.admit(&review).await["allowed"], true);
    review["request"]["object"] = Value::Null;
    let response = service.admit(&review).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(message(&response), "`request.object` is not an object");
    review["request"]["operation"] = "DELETE".into();
    assert_eq!(service.admit(&review).await["allowed"], true);
}

#[tokio::test]
async fn what_is_no_review_is_a_problem() {
    let service = Service::of(&staged()).await;
    let good = pod("serve:1");
    service.post("/v1/admission", &good).await.good();
    let mut other = good.clone();
    other["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let mut nameless = good;
    nameless["request"]["uid"] = Value::Null;
    for body in [json!({}), other, nameless] {
        let reply = service.post("/v1/admission", &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(reply.problem(), "body");
    }
}
