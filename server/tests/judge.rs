//! Checking and promoting over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use attest::envelope::IN_TOTO;
use attest::{Bundle, Envelope, Sha256, Statement};
use axum::http::StatusCode;
use serde_json::{Value, json};
use server::judge::{self, Grounds, IfDenied};
use server::register::Submission;
use verify::Direction;

use common::{Service, Setup, codes, noon, question, revoked, staged};

#[tokio::test]
async fn the_honest_line_is_allowed_and_each_missing_piece_denies() {
    let scene = revoked();
    let cases = [
        ("all of it", "revoke", None),
        ("no evaluation", "evaluate", Some("step.missing")),
        ("no training", "train", Some("step.missing")),
        ("nothing about it", "package", Some("artifact.unknown")),
        ("and its data revoked", "", Some("revoked.artifact")),
    ];
    for (name, without, want) in cases {
        let service = Service::new(&scene, Setup::default()).await;
        service
            .submit_all(&scene, |id| id != without && (id != "revoke" || without.is_empty()))
            .await;
        let report = service.check(&scene).await;
        assert_eq!(report["passed"], want.is_none(), "{name}: {report:#}");
        assert_eq!(report["advisory"], false);
        assert_eq!(report["completeness"]["kind"], "followed");
        if let Some(code) = want {
            assert!(codes(&report).contains(&code), "{name}: {:?}", codes(&report));
        }
    }
}

#[tokio::test]
async fn the_report_is_the_one_that_the_library_gives() {
    let scene = staged();
    let service = Service::of(&scene).await;
    let followed = service.app.catch_up(scene.now).await.unwrap();
    let in_force = service.app.in_force();
    let policy = &in_force.rules.policy(&scene.stage).unwrap();
    let grounds = Grounds { trust: &in_force.trust, policy, followed: &followed, now: scene.now };
    let register = service.app.register();
    let decision = judge::check(register, &scene.artifact, &scene.stage, &grounds).await.unwrap();
    assert_eq!(
        service.check(&scene).await,
        serde_json::to_value(decision.report_at(scene.now)).unwrap()
    );
}

#[tokio::test]
async fn a_policy_in_the_question_is_an_opinion() {
    let scene = staged();
    let service = Service::of(&scene).await;
    let ask =
        |policy: &str| json!({"artifact": scene.artifact, "stage": scene.stage, "policy": policy});
    let report = service.post("/v1/check", &ask(&scene.policy)).await.good();
    assert_eq!((&report["passed"], &report["advisory"]), (&json!(true), &json!(true)));
    let reply = service.post("/v1/check", &ask("stages: {}")).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reply.problem(), "policy");

    let before = service.size().await;
    let reply = service.post("/v1/promote", &ask(&scene.policy)).await;
    assert_eq!(reply.problem(), "body");
    assert_eq!(service.size().await, before);
}

#[tokio::test]
async fn an_opinion_comes_with_the_files_that_it_names() {
    let scene = staged();
    let service = Service::of(&scene).await;
    let rule = "\
package assay

deny contains {\"msg\": \"no\", \"code\": \"no\", \"subject\": input.artifact} if input.stage == \"moon\"
";
    let digest = Sha256::of(rule.as_bytes()).hex();
    let mut policy: Value = serde_json::from_str(&scene.policy).unwrap();
    policy["rego"] = json!([{"id": "R-1", "file": "rules/r1.rego", "sha256": digest}]);
    let policy = policy.to_string();
    let ask = |rule: Option<&str>| {
        let mut question =
            json!({"artifact": scene.artifact, "stage": scene.stage, "policy": policy});
        if let Some(rule) = rule {
            question["files"] = json!({"rules/r1.rego": rule});
        }
        question
    };
    let report = service.post("/v1/check", &ask(Some(rule))).await.good();
    // The verdict at the stage before is by another policy; nothing else stands against it.
    assert_eq!(codes(&report), ["stage.not-passed"], "{report:#}");
    assert!(report.to_string().contains("rego.R-1"), "{report:#}");
    assert_eq!(report["policy"]["digest"], json!(Sha256::of(policy.as_bytes())));
    // The smallest changes: the file is not there, or is another.
    for rule in [None, Some("package assay\n")] {
        let reply = service.post("/v1/check", &ask(rule)).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(reply.problem(), "policy");
    }
}

#[tokio::test]
async fn a_stage_that_the_policy_does_not_have_is_a_finding() {
    let scene = staged();
    let service = Service::of(&scene).await;
    let question = json!({"artifact": scene.artifact, "stage": "moon"});
    let report = service.post("/v1/check", &question).await.good();
    assert_eq!(report["admitted"], false);
    assert!(codes(&report).contains(&"stage.unknown"), "{report:#}");
}

#[tokio::test]
async fn stages_are_promoted_in_order_and_a_skipped_one_is_refused_with_nothing_signed() {
    let scene = staged();
    let service = Service::new(&scene, Setup::default()).await;
    service.submit_all(&scene, |id| id != "developed" && id != "staged").await;
    let size = service.size().await;

    let refused = service.promote(&scene).await;
    assert_eq!(refused["report"]["passed"], false);
    assert!(codes(&refused["report"]).contains(&"stage.not-passed"));
    assert!(refused.get("entry").is_none());
    assert_eq!(service.size().await, size);

    for (place, stage) in ["development", "staging", "production"].iter().enumerate() {
        let question = json!({"artifact": scene.artifact, "stage": stage});
        let promoted = service.post("/v1/promote", &question).await.good();
        assert_eq!(promoted["report"]["passed"], true, "{stage}: {promoted:#}");
        assert_eq!(promoted["entry"]["index"], size + place as u64, "{stage}");
        let bundle = promoted["entry"]["bundle"].to_string();
        let bundle = Bundle::parse(bundle.as_bytes()).unwrap();
        let statement = Statement::parse(&bundle.envelope.payload).unwrap();
        assert_eq!(statement.stage().unwrap().as_str(), *stage);
        assert_eq!(statement.subject[0].name.as_deref(), Some("image"));
        assert!(statement.subject[0].annotations.contains_key("nonce"));
    }
    let question = json!({"artifact": scene.artifact, "stage": "staging", "format": "svr"});
    let promoted = service.post("/v1/promote", &question).await.good();
    let bundle = promoted["simple"]["bundle"].to_string();
    let bundle = Bundle::parse(bundle.as_bytes()).unwrap();
    let statement = Statement::parse(&bundle.envelope.payload).unwrap();
    assert_eq!(statement.predicate_type(), "https://in-toto.io/attestation/svr/v0.2");
    assert_eq!(statement.stage().unwrap().as_str(), "staging");
    let index = |name: &str| promoted[name]["index"].as_u64().unwrap();
    assert_eq!(index("simple"), index("entry") + 1);
}

#[tokio::test]
async fn a_failure_is_registered_only_when_asked_for() {
    let scene = staged();
    let service = Service::new(&scene, Setup::default()).await;
    service.submit_all(&scene, |id| id != "evaluate").await;
    let app = &service.app;
    let trust = &app.trust();
    let gate = judge::Gate::new(fixtures::signing_key("gate").unwrap(), trust).unwrap();
    let size = service.size().await;
    for (if_denied, more) in [(IfDenied::SignNothing, 0), (IfDenied::RegisterFailure, 1)] {
        let followed = app.catch_up(scene.now).await.unwrap();
        let policy = &app.in_force().rules.policy(&scene.stage).unwrap();
        let grounds = Grounds { trust, policy, followed: &followed, now: scene.now };
        let register = app.register();
        let promotion =
            judge::promote(register, &scene.artifact, &scene.stage, &grounds, &gate, if_denied)
                .await;
        let promotion = promotion.unwrap();
        assert!(!promotion.decision.passed());
        assert_eq!(promotion.registered.is_some(), more == 1);
        assert_eq!(service.size().await, size + more);
    }
    let stranger = attest::SigningKey::generate(attest::Algorithm::P256).unwrap();
    assert!(matches!(judge::Gate::new(stranger, trust), Err(judge::JudgeError::NoVerifier { .. })));
}

#[tokio::test]
async fn without_policy_or_gate_nothing_is_decided() {
    let scene = staged();
    let service = Service::new(&scene, Setup { no_policy: true, ..Setup::default() }).await;
    for path in ["/v1/check", "/v1/promote"] {
        assert_eq!(service.post(path, &question(&scene)).await.problem(), "no-policy", "{path}");
    }
    let service = Service::new(&scene, Setup { no_gate: true, ..Setup::default() }).await;
    assert_eq!(service.post("/v1/promote", &question(&scene)).await.problem(), "no-gate");
}

#[tokio::test]
async fn a_clock_set_backwards_is_no_answer() {
    let scene = staged();
    let service = Service::of(&scene).await;
    for (back, answers) in [(300, true), (301, false)] {
        service.set_time(noon() - std::time::Duration::from_secs(back));
        for path in ["/v1/check", "/v1/promote"] {
            let reply = service.post(path, &question(&scene)).await;
            if answers {
                reply.good();
            } else {
                assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
                assert_eq!(reply.problem(), "clock.behind", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn heaps_by_a_stranger_use_up_nothing() {
    let scene = staged();
    let service = Service::of(&scene).await;
    let stranger = fixtures::signing_key("stranger").unwrap();
    let public = [stranger.public().clone()];
    let package = scene.submissions.iter().find(|sent| sent.id == "package").unwrap();
    let mut statement: serde_json::Value =
        serde_json::from_slice(&package.envelope.payload).unwrap();
    let envelopes: Vec<Envelope> = (0..judge::MAX_STRANGERS + 1)
        .map(|copy| {
            statement["subject"][0]["annotations"]["nonce"] = copy.into();
            let payload = statement.to_string().into_bytes();
            Envelope::sign(IN_TOTO, payload, &[&stranger]).unwrap()
        })
        .collect();
    let heap: Vec<Submission<'_>> =
        envelopes.iter().map(|envelope| Submission { envelope, verifiers: &public }).collect();
    let register = service.app.register();
    register.submit_all(&heap, scene.now).await.unwrap();

    let (trust, up) = (&service.app.trust(), Direction::Up);
    let followed = service.app.catch_up(scene.now).await.unwrap();
    let negatives = &followed.negatives;
    let lineage = judge::lineage(register, scene.artifact, up, trust, negatives, scene.now).await;
    let lineage = lineage.unwrap();
    assert_eq!(lineage.rejected().len(), judge::MAX_STRANGERS);
    let policy = service.app.in_force().rules.policy(&scene.stage).unwrap();
    assert!(policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now).passed());
}
