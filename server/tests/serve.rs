//! The service as a process runs it: a folder, a port, and a signal to stop.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use attest::{Algorithm, Checkpoint, Cosigner, CosignerKey, Sha256, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::{Value, json};
use server::register::{self, FolderError, Holder, LockError, served_by};
use server::seen::Seen;
use server::wire::Receipts;
use server::witness::WitnessList;
use server::{ServeConfig, ServeError, Watched, serve_until};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use verify::Trust;

use common::{noon, submission};

const SHORT: Duration = Duration::from_millis(50);

/// Makes a register and a trust file that names it, with one key that may sign anything.
async fn folder(path: &Path, key: &SigningKey) -> String {
    let register =
        register::create(&path.join("register"), &Holder::command(), SHORT).await.unwrap();
    let trust = json!({
        "apiVersion": "assay/v1",
        "kind": "Trust",
        "keys": [{
            "id": "local",
            "spki": STANDARD.encode(key.public().der()),
            "owner": "me",
            "may": {"steps": ["*"], "predicates": ["*"], "artifacts": ["*"], "stages": ["*"]},
        }],
        "logs": [{"origin": register.origin(), "key": register.verifier().to_string()}],
        "verifiers": [],
    });
    trust.to_string()
}

fn config(path: &Path, trust: &str) -> ServeConfig {
    ServeConfig {
        agent: None,
        address: "127.0.0.1:0".parse().unwrap(),
        register: path.join("register"),
        seen: path.join("seen.json"),
        trust: Trust::parse(trust).unwrap(),
        policy: None,
        watched: Vec::new(),
        gate: None,
        namespaces: BTreeMap::new(),
        token: None,
        open: false,
        public: false,
        clock: noon,
        ready: Box::new(|_| {}),
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    service: JoinHandle<Result<(), ServeError>>,
}

async fn start(mut config: ServeConfig) -> Running {
    let (tell, told) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    config.ready = Box::new(move |address| tell.send(address).unwrap());
    let service = tokio::spawn(serve_until(config, async {
        let _ = stopped.await;
    }));
    Running { address: told.await.unwrap(), stop, service }
}

/// One request over a connection of its own: the status and the body.
async fn send(address: SocketAddr, method: &str, path: &str, body: String) -> (u16, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_it_stopped() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let running = start(config(home.path(), &trust)).await;

    let holder = served_by(&home.path().join("register")).unwrap().unwrap();
    assert_eq!(holder.url.unwrap(), format!("http://{}", running.address));
    let (status, _) = send(running.address, "GET", "/readyz", String::new()).await;
    assert_eq!(status, 200);

    let scene = common::revoked();
    let envelope = &scene.submissions[0];
    let body = submission(&envelope.envelope, &envelope.keys).to_string();
    let (status, answer) = send(running.address, "POST", "/v1/entries", body).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["entries"][0]["index"], 0);

    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).is_err());
    let answered = Receipts::deserialize(&answer).unwrap();
    let entry = &answered.entries[0].bundle.0.entries[0];
    let origin = Checkpoint::claimed_origin(&entry.proof.as_ref().unwrap().checkpoint).unwrap();
    let mark = Seen::load(&home.path().join("seen.json")).unwrap().mark(origin).unwrap();
    assert_eq!(mark.size, 1);
    assert_eq!(served_by(&home.path().join("register")).unwrap(), None);
    let register = register::open(&home.path().join("register"), &Holder::command(), SHORT).await;
    assert_eq!(register.unwrap().entry(0).await.unwrap().index, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_that_cannot_be_followed_is_not_ready_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let running = start(config(home.path(), &trust)).await;
    let scene = common::revoked();
    let body = submission(&scene.submissions[0].envelope, &scene.submissions[0].keys).to_string();
    assert_eq!(send(running.address, "POST", "/v1/entries", body).await.0, 200);
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();

    // The last bytes of the journal are those of the body, which the record's checksum leaves out.
    let mut files = std::fs::read_dir(home.path().join("register/journal")).unwrap();
    let journal = files.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 40] ^= 1;
    std::fs::write(&journal, bytes).unwrap();

    let running = start(config(home.path(), &trust)).await;
    let (status, answer) = send(running.address, "GET", "/readyz", String::new()).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("could not be followed"), "{answer}");
    running.stop.send(()).unwrap();
    // It ends as it should, or says that it cannot mark what it has not read.
    let _ = running.service.await.unwrap();
}

/// Waits until the service is ready, or is not; says what it says then.
async fn until_ready(address: SocketAddr, ready: bool) -> String {
    for _ in 0..300 {
        let (status, answer) = send(address, "GET", "/readyz", String::new()).await;
        if (status == 200) == ready {
            return answer;
        }
        tokio::time::sleep(2 * SHORT).await;
    }
    String::from("30 s were not enough")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_below_a_running_service_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let (file, seen) = (home.path().join("trust.yaml"), home.path().join("seen.json"));
    std::fs::write(&file, &trust).unwrap();
    let watched = vec![Watched::trust(file.clone(), Sha256::of(trust.as_bytes()))];
    let running = start(ServeConfig { watched, ..config(home.path(), &trust) }).await;
    assert!(until_ready(running.address, true).await.contains("ready"));

    let remembered = std::fs::read(&seen).unwrap();
    let cases = [
        (&file, trust.into_bytes(), "the trust file has changed; start the service again"),
        (&seen, remembered, "what was seen of it before"),
    ];
    for (path, before, says) in cases {
        std::fs::write(path, "{").unwrap();
        let said = until_ready(running.address, false).await;
        assert!(said.contains(says), "{said}");
        let artifact = format!("file:{}", Sha256::of(b"model"));
        let path_of = format!("/v1/lineage/{artifact}?direction=up");
        let (status, answer) = send(running.address, "GET", &path_of, String::new()).await;
        assert!(status == 503 && answer.contains(says), "{status} {answer}");
        std::fs::write(path, before).unwrap();
        assert!(until_ready(running.address, true).await.contains("ready"));
        let (status, answer) = send(running.address, "GET", &path_of, String::new()).await;
        assert_eq!(status, 200, "{answer}");
    }
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_keeps_no_service_from_stopping() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let running = start(config(home.path(), &trust)).await;
    let begin = || {
        let mut stream = TcpStream::connect(running.address).unwrap();
        let head = format!(
            "POST /v1/entries HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{",
            running.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let (mut never, mut late) = (begin(), begin());
    // The service has to have read both heads before it is told to stop.
    tokio::time::sleep(4 * SHORT).await;
    let stopped = Instant::now();
    running.stop.send(()).unwrap();
    tokio::time::sleep(4 * SHORT).await;
    late.write_all(b"}").unwrap();
    let answers = tokio::task::spawn_blocking(move || {
        [&mut late, &mut never].map(|stream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    });
    let [late, never] = answers.await.unwrap();
    assert!(late.contains("400 Bad Request") && late.contains("envelope"), "{late}");
    assert!(never.contains("503 Service Unavailable") && never.contains("stopped"), "{never}");
    running.service.await.unwrap().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_is_refused_and_told_where_the_first_one_is() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let running = start(config(home.path(), &trust)).await;
    let second = serve_until(config(home.path(), &trust), std::future::pending()).await;
    let url = format!("http://{}", running.address);
    assert!(matches!(
        second,
        Err(ServeError::Register(FolderError::Lock(LockError::Served { url: Some(found), .. })))
            if found == url
    ));
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_together_does_not_start() {
    fn early() -> Timestamp {
        noon() - Duration::from_secs(301)
    }
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    // The control starts, and leaves its mark.
    let running = start(config(home.path(), &trust)).await;
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();
    assert!(Seen::load(&home.path().join("seen.json")).unwrap().require_clock(early()).is_err());

    let never = || std::future::pending();
    let outside =
        || ServeConfig { address: "0.0.0.0:0".parse().unwrap(), ..config(home.path(), &trust) };
    assert!(matches!(serve_until(outside(), never()).await, Err(ServeError::NeedsToken(_))));
    let gate = ServeConfig { gate: Some(key), ..config(home.path(), &trust) };
    assert!(matches!(serve_until(gate, never()).await, Err(ServeError::Gate(_))));
    let clock = ServeConfig { clock: early, ..config(home.path(), &trust) };
    assert!(matches!(serve_until(clock, never()).await, Err(ServeError::Seen(_))));
    let namespaces = BTreeMap::from([("default".to_owned(), "production".parse().unwrap())]);
    let mapped = ServeConfig { namespaces, ..config(home.path(), &trust) };
    assert!(matches!(serve_until(mapped, never()).await, Err(ServeError::App(_))));
    let other = trust.replace("assay.local/", "assay.local/x");
    assert!(Trust::parse(&other).is_err(), "the log's key is under its name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_that_went_back_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let scene = common::revoked();
    let path = home.path().join("register");
    let old = home.path().join("old");
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    copy(&path, &old);
    {
        let register = register::open(&path, &Holder::command(), SHORT).await.unwrap();
        let sent = &scene.submissions[0];
        register.submit(&sent.envelope, &sent.keys, noon()).await.unwrap();
    }
    let running = start(config(home.path(), &trust)).await;
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();

    // Yesterday's copy of the register, beside today's mark.
    std::fs::remove_dir_all(&path).unwrap();
    copy(&old, &path);
    let back = serve_until(config(home.path(), &trust), std::future::pending()).await;
    assert!(matches!(
        back,
        Err(ServeError::Seen(server::seen::SeenError::Shorter { size: 0, seen: 1, .. }))
    ));

    // The same, with another entry appended.
    {
        let register = register::open(&path, &Holder::command(), SHORT).await.unwrap();
        let sent = &scene.submissions[1];
        register.submit(&sent.envelope, &sent.keys, noon()).await.unwrap();
    }
    let fork = serve_until(config(home.path(), &trust), std::future::pending()).await;
    assert!(matches!(fork, Err(ServeError::Seen(server::seen::SeenError::Fork { size: 1, .. }))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_index_lost_rows_ends_and_the_next_one_has_them() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let scene = common::revoked();
    let envelope = &scene.submissions[0];
    let body = submission(&envelope.envelope, &envelope.keys).to_string();
    let running = start(config(home.path(), &trust)).await;
    assert_eq!(send(running.address, "POST", "/v1/entries", body).await.0, 200);
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();

    for (lost, ready) in [(b"e", 503), (b"x", 200)] {
        let path = home.path().join("register/index");
        // A thread of the service is still closing it.
        let index = (0..100).find_map(|_| {
            std::thread::sleep(SHORT);
            sled::open(&path).ok()
        });
        let index = index.unwrap();
        for row in index.scan_prefix(lost).keys() {
            index.remove(row.unwrap()).unwrap();
        }
        drop(index);
        let running = start(config(home.path(), &trust)).await;
        let (status, why) = send(running.address, "GET", "/readyz", String::new()).await;
        assert_eq!((status, why.contains("takes nothing more")), (ready, ready == 503), "{why}");
        if ready == 200 {
            running.stop.send(()).unwrap();
            running.service.await.unwrap().unwrap();
            continue;
        }
        // By itself.
        let ended = running.service.await.unwrap();
        assert!(matches!(ended, Err(ServeError::Broken(_))), "{ended:?}");
    }
    let running = start(config(home.path(), &trust)).await;
    assert_eq!(send(running.address, "GET", "/v1/entries/0", String::new()).await.0, 200);
    running.stop.send(()).unwrap();
    running.service.await.unwrap().unwrap();
}

/// A witness that takes every connection and answers nothing, as long as the runtime lives.
async fn silent_witness() -> (String, CosignerKey) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    (url, Cosigner::new("silent", key).unwrap().verifier().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_says_nothing_keeps_no_service_from_stopping_nor_anybody_from_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let agent = Some(ureq::Agent::new_with_defaults());
    let running = start(ServeConfig { agent, ..config(home.path(), &trust) }).await;
    let (url, witness) = silent_witness().await;
    let mut list = WitnessList::default();
    list.add(&url, witness).unwrap();
    list.set_quorum(1).unwrap();
    list.save(&home.path().join("register")).unwrap();

    let scene = common::revoked();
    let sent: Vec<_> = (0..40)
        .map(|one| {
            let sent = &scene.submissions[one % 4];
            let body = submission(&sent.envelope, &sent.keys).to_string();
            tokio::spawn(send(running.address, "POST", "/v1/entries", body))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = Instant::now();
    running.stop.send(()).unwrap();
    for one in sent {
        let (status, answer) = one.await.unwrap();
        assert!(status == 503 && answer.contains("not-witnessed"), "{status} {answer}");
    }
    running.service.await.unwrap().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(18), "{:?}", stopped.elapsed());
}

// One thread, so that nothing is accepted before the test lets it.
#[tokio::test(flavor = "current_thread")]
async fn whoever_has_connected_when_the_service_is_told_to_stop_is_answered() {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let trust = folder(home.path(), &key).await;
    let running = start(config(home.path(), &trust)).await;
    let request =
        format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", running.address);
    let begun: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(running.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    running.stop.send(()).unwrap();
    let answers = tokio::task::spawn_blocking(move || {
        let read = |mut stream: TcpStream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        begun.into_iter().map(read).collect::<Vec<_>>()
    });
    for answer in answers.await.unwrap() {
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    }
    running.service.await.unwrap().unwrap();
}
