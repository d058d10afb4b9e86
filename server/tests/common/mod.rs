//! A service in memory, made of a scene of `tests/attacks`, and requests to it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test ends when something is not as it should be"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use attest::{Envelope, PublicKey, Sha256, StageName, Timestamp};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use fixtures::{Scene, log_signer, signing_key};
use policy::Policy;
use serde_json::{Value, json};
use server::app::{App, Parts, Readers, Writers};
use server::http::router;
use server::judge::Gate;
use server::register::{
    Batch, Blob, CommitError, Head, Key, Memory, Page, Query, Register, Storage, StorageError,
};
use server::wire::Submission;
use server::witness::Cosigning;
use tokio::sync::watch;
use tower::ServiceExt as _;
use verify::Trust;

pub const TOKEN: &str = "dGhpcyBpcyBhIHRva2VuIG9mIG91cnM";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// What a row of a case comes to at noon.
pub fn scene(case: &str, row: &str) -> Scene {
    let cases = fixtures::load(&root().join("tests/attacks")).unwrap();
    let case = cases.iter().find(|one| one.name == case).expect("no such case");
    case.rows.iter().find(|one| one.name == row).expect("no such row").scene(noon()).unwrap()
}

/// The honest line, for one stage that enforces, with a revocation of its raw data at the end.
pub fn revoked() -> Scene {
    scene("20-junk-around-a-revocation", "the raw data is revoked")
}

/// Three stages, the first two passed.
pub fn staged() -> Scene {
    scene("19-failed-where-it-was-only-warned", "passed every stage before")
}

/// A storage that can be made to panic whenever it is asked.
#[derive(Default)]
pub struct Breakable {
    memory: Memory,
    broken: AtomicBool,
    breaks_after_commit: AtomicBool,
    /// What does not go on until it is let go.
    held: watch::Sender<Option<Step>>,
    /// How often it has settled.
    settled: AtomicUsize,
}

/// What a storage can be held up in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    Commit,
    Settle,
}

impl Breakable {
    pub fn break_it(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Lets one more commit through, and is broken then.
    pub fn break_after_commit(&self) {
        self.breaks_after_commit.store(true, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.breaks_after_commit.store(false, Ordering::SeqCst);
        self.broken.store(false, Ordering::SeqCst);
    }

    /// Holds up whatever comes to that step, or lets everything go on.
    pub fn hold(&self, step: Option<Step>) {
        self.held.send_replace(step);
    }

    /// How often it has settled.
    pub fn settled(&self) -> usize {
        self.settled.load(Ordering::SeqCst)
    }

    async fn pass(&self, step: Step) {
        self.held.subscribe().wait_for(|held| *held != Some(step)).await.unwrap();
    }

    fn sound(&self) -> &Memory {
        assert!(!self.broken.load(Ordering::SeqCst), "the storage was asked");
        &self.memory
    }
}

impl Storage for Breakable {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        self.sound().head().await
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.sound().read(key).await
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        self.sound().find(query).await
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        self.pass(Step::Commit).await;
        let committed = self.sound().commit(from, batch).await;
        if self.breaks_after_commit.load(Ordering::SeqCst) {
            self.break_it();
        }
        committed
    }

    fn settle(&self) {
        tokio::runtime::Handle::current().block_on(self.pass(Step::Settle));
        self.settled.fetch_add(1, Ordering::SeqCst);
    }
}

/// What a service of a test has besides the scene.
#[derive(Default)]
pub struct Setup {
    pub token: bool,
    pub no_policy: bool,
    pub no_gate: bool,
    pub public: bool,
    pub namespaces: BTreeMap<String, StageName>,
    pub witnesses: Option<Cosigning>,
}

pub struct Service {
    pub app: Arc<App<Breakable>>,
    pub router: Router,
    now: Arc<AtomicI64>,
}

pub struct Reply {
    pub status: StatusCode,
    pub media_type: String,
    pub allow: Option<String>,
    pub cache: String,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The body of an answer that went well.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The code of the problem, whose form is checked.
    pub fn problem(&self) -> String {
        assert_eq!(self.media_type, "application/problem+json", "{}", self.status);
        let problem: server::http::Problem = serde_json::from_value(self.json()).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert!(!problem.next.is_empty() && !problem.detail.is_empty(), "{problem:?}");
        problem.code
    }
}

impl Service {
    pub async fn new(scene: &Scene, setup: Setup) -> Self {
        let now = Arc::new(AtomicI64::new(scene.now.as_microsecond()));
        let clock = Arc::clone(&now);
        let register = Register::open(Breakable::default(), log_signer().unwrap()).await.unwrap();
        let trust = Trust::parse(&scene.trust).unwrap();
        let gate =
            (!setup.no_gate).then(|| Gate::new(signing_key("gate").unwrap(), &trust).unwrap());
        let app = App::new(Parts {
            register,
            trust,
            policy: (!setup.no_policy).then(|| Policy::parse(&scene.policy).unwrap()),
            gate,
            namespaces: setup.namespaces,
            writers: if setup.token {
                Writers::Token(TOKEN.parse().unwrap())
            } else {
                Writers::ThisMachine
            },
            readers: if setup.public { Readers::Everybody } else { Readers::Writers },
            clock: Box::new(move || {
                Timestamp::from_microsecond(clock.load(Ordering::SeqCst)).unwrap()
            }),
        });
        let app = match setup.witnesses {
            Some(witnesses) => app.unwrap().with_witnesses(witnesses),
            None => app.unwrap(),
        };
        app.compared();
        let app = Arc::new(app);
        Self { router: router(Arc::clone(&app)), app, now }
    }

    /// A service that holds the whole scene and is warm.
    pub async fn of(scene: &Scene) -> Self {
        let service = Self::new(scene, Setup::default()).await;
        service.submit_all(scene, |_| true).await;
        service.app.catch_up(scene.now).await.unwrap();
        service
    }

    pub fn set_time(&self, now: Timestamp) {
        self.now.store(now.as_microsecond(), Ordering::SeqCst);
    }

    pub async fn submit_all(&self, scene: &Scene, wanted: impl Fn(&str) -> bool) {
        for sent in scene.submissions.iter().filter(|sent| wanted(&sent.id)) {
            let reply = self.submit(&sent.envelope, &sent.keys).await;
            assert_eq!(reply.status != StatusCode::OK, sent.refused, "{}", sent.id);
        }
    }

    pub async fn submit(&self, envelope: &Envelope, keys: &[PublicKey]) -> Reply {
        self.post("/v1/entries", &submission(envelope, keys)).await
    }

    pub async fn size(&self) -> u64 {
        self.app.register().storage().sound().head().await.unwrap().map_or(0, |head| head.size)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
        self.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.map_or("", |value| value.to_str().unwrap()).to_owned();
        let allow = response.headers().get(header::ALLOW);
        let allow = allow.map(|value| value.to_str().unwrap().to_owned());
        let cache = response.headers().get(header::CACHE_CONTROL);
        let cache = cache.map_or("", |value| value.to_str().unwrap()).to_owned();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        Reply { status, media_type, allow, cache, retry_after, body: body.to_vec() }
    }

    pub async fn check(&self, scene: &Scene) -> Value {
        self.post("/v1/check", &question(scene)).await.good()
    }

    pub async fn promote(&self, scene: &Scene) -> Value {
        self.post("/v1/promote", &question(scene)).await.good()
    }

    /// The response to an admission review.
    pub async fn admit(&self, review: &Value) -> Value {
        let answer = self.post("/v1/admission", review).await.good();
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        answer["response"].clone()
    }
}

pub fn submission(envelope: &Envelope, keys: &[PublicKey]) -> Value {
    let envelope: Value = serde_json::from_slice(&envelope.to_json()).unwrap();
    let verifiers: Vec<String> = keys.iter().map(Submission::verifier).collect();
    json!({"envelope": envelope, "verifiers": verifiers})
}

pub fn question(scene: &Scene) -> Value {
    json!({"artifact": scene.artifact, "stage": scene.stage})
}

/// The codes of a report's findings.
pub fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// A review of a pod with this image.
pub fn pod(image: &str) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "default",
            "object": {"spec": {"containers": [{"name": "c", "image": image}]}},
        },
    })
}

pub fn image(digest: Sha256) -> String {
    format!("registry.example/serve@{digest}")
}

/// The recorded requests of a cluster, by file name; says so loudly when they are absent.
pub fn recorded() -> Vec<(String, Value)> {
    let folder = std::env::var_os("ASSAY_VECTORS")
        .map_or_else(|| root().join("../shared/vectors"), PathBuf::from)
        .join("admission");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!(
            "\n*** SKIPPED: no recorded requests in {}; set ASSAY_VECTORS ***\n",
            folder.display()
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let request: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        found.push((path.file_name().unwrap().to_string_lossy().into_owned(), request));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}
