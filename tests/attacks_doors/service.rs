//! The interface and admission: a service in memory that holds a scene, asked over its router.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use attest::envelope::IN_TOTO;
use attest::predicate::VERIFICATION_SUMMARY;
use attest::{Envelope, PublicKey, Timestamp};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use fixtures::{Scene, log_signer, signing_key};
use policy::Policy;
use serde_json::{Value, json};
use server::app::{App, Parts, Readers, Writers};
use server::http::router;
use server::judge::Gate;
use server::register::{Memory, Register};
use server::wire::Submission;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use verify::Trust;

use super::Answer;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;
/// The namespace that is mapped to the stage of the scene.
const NAMESPACE: &str = "workloads";

/// A service with the log, the trust file and the policy of a scene.
pub(crate) struct Service {
    runtime: Runtime,
    app: Arc<App<Memory>>,
    router: Router,
    now: Arc<AtomicI64>,
}

impl Service {
    /// The service with everything that is sent to the register in the scene, in its order.
    ///
    /// Whatever the scene says must be refused is, and nothing else.
    pub(crate) fn of(scene: &Scene) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let now = Arc::new(AtomicI64::new(scene.now.as_microsecond()));
        let clock = Arc::clone(&now);
        let trust = Trust::parse(&scene.trust).unwrap();
        let register = runtime.block_on(Register::open(Memory::new(), log_signer().unwrap()));
        let app = App::new(Parts {
            register: register.unwrap(),
            gate: Some(Gate::new(signing_key("gate").unwrap(), &trust).unwrap()),
            trust,
            policy: Some(Policy::parse(&scene.policy).unwrap()),
            namespaces: [(NAMESPACE.to_owned(), scene.stage.clone())].into(),
            writers: Writers::Everybody,
            readers: Readers::Writers,
            clock: Box::new(move || {
                Timestamp::from_microsecond(clock.load(Ordering::SeqCst)).unwrap()
            }),
        });
        let app = Arc::new(app.unwrap());
        let service = Self { router: router(Arc::clone(&app)), runtime, app, now };
        for sent in &scene.submissions {
            let (status, body) = service.submit(&sent.envelope, &sent.keys);
            if (status != StatusCode::OK) != sent.refused {
                return Err(format!("`{}`: {status} {}", sent.id, text(&body)));
            }
        }
        // A service that cannot take its register into account answers, and decides nothing.
        let _ = service.runtime.block_on(service.app.catch_up(scene.now));
        Ok(service)
    }

    /// Makes it a later time.
    pub(crate) fn set_time(&self, now: Timestamp) {
        self.now.store(now.as_microsecond(), Ordering::SeqCst);
    }

    /// `POST /v1/check`: the answer, and the bytes of the report.
    pub(crate) fn check(&self, scene: &Scene) -> (Answer, Vec<u8>) {
        self.ask(&question(scene))
    }

    /// The same by a policy that comes with the question.
    pub(crate) fn check_by(&self, scene: &Scene, policy: &str) -> Answer {
        let mut question = question(scene);
        question["policy"] = policy.into();
        self.ask(&question).0
    }

    fn ask(&self, question: &Value) -> (Answer, Vec<u8>) {
        let (status, body) = self.post("/v1/check", question);
        let answer = match (status, serde_json::from_slice(&body)) {
            (StatusCode::OK, Ok(report)) => Answer::Report(Box::new(report)),
            _ => Answer::Undecided(format!("{status} {}", text(&body))),
        };
        (answer, body)
    }

    /// `POST /v1/promote`: whether a summary was signed and registered.
    pub(crate) fn promote(&self, scene: &Scene) -> Result<bool, String> {
        let (status, body) = self.post("/v1/promote", &question(scene));
        match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if status == StatusCode::OK => Ok(answer["entry"].is_object()),
            _ => Err(format!("{status} {}", text(&body))),
        }
    }

    /// Whether it promotes by a policy that comes with the request: it never may.
    pub(crate) fn promotes_by(&self, scene: &Scene, policy: &str) -> bool {
        let mut question = question(scene);
        question["policy"] = policy.into();
        self.post("/v1/promote", &question).0 == StatusCode::OK
    }

    /// Registers that the gate promoted the artifact, as if it once had.
    pub(crate) fn say_promoted(&self, scene: &Scene) {
        let key = signing_key("gate").unwrap();
        let policy = self.app.in_force().rules.digest(&scene.stage);
        let statement = json!({
            "_type": attest::statement::STATEMENT_V1,
            "subject": [attest::ResourceDescriptor::of("image", &scene.artifact)],
            "predicateType": VERIFICATION_SUMMARY,
            "predicate": {
                "verifier": {"id": "https://gate.example"},
                "timeVerified": scene.now.to_string(),
                "resourceUri": "https://example.test/artifact",
                "policy": {"digest": {"sha256": policy.map(|policy| policy.hex())}},
                "verificationResult": "PASSED",
                "verifiedLevels": [scene.stage.level()],
            },
        });
        let envelope = Envelope::sign(IN_TOTO, statement.to_string().into_bytes(), &[&key]);
        let (status, body) = self.submit(&envelope.unwrap(), &[key.public().clone()]);
        assert_eq!(status, StatusCode::OK, "{}", text(&body));
    }

    /// `POST /v1/admission` for what runs the artifact: whether it may, and why not.
    ///
    /// A Pod and an inference service that loads it get the same answer.
    pub(crate) fn admit(&self, scene: &Scene) -> (bool, String) {
        let image = format!("registry.example/i@{}", scene.artifact.digest().unwrap());
        let pod = json!({"containers": [{"name": "c", "image": image}]});
        let service = json!({"predictor": {"model": {"storageUri": format!("oci://{image}")}}});
        let (allowed, why) = self.review("", "v1", "Pod", &pod);
        let other = self.review("serving.kserve.io", "v1beta1", "InferenceService", &service);
        assert_eq!(other.0, allowed, "a Pod: {why}; an inference service: {}", other.1);
        (allowed, why)
    }

    fn review(&self, group: &str, version: &str, kind: &str, spec: &Value) -> (bool, String) {
        let review = json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "u-1",
                "kind": {"group": group, "version": version, "kind": kind},
                "operation": "CREATE",
                "namespace": NAMESPACE,
                "object": {"spec": spec},
            },
        });
        let (status, body) = self.post("/v1/admission", &review);
        assert_eq!(status, StatusCode::OK, "{}", text(&body));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let response = &answer["response"];
        let why = response["status"]["message"].as_str().unwrap_or_default();
        (response["allowed"] == true, why.to_owned())
    }

    fn submit(&self, envelope: &Envelope, keys: &[PublicKey]) -> (StatusCode, Vec<u8>) {
        let envelope: Value = serde_json::from_slice(&envelope.to_json()).unwrap();
        let verifiers: Vec<String> = keys.iter().map(Submission::verifier).collect();
        self.post("/v1/entries", &json!({"envelope": envelope, "verifiers": verifiers}))
    }

    fn post(&self, path: &str, body: &Value) -> (StatusCode, Vec<u8>) {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap();
            (status, body.to_vec())
        })
    }
}

fn question(scene: &Scene) -> Value {
    json!({"artifact": scene.artifact, "stage": scene.stage})
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
