//! A register that came back from yesterday and went on from there (THREATS 27): everybody who saw
//! it in between refuses, at every door, and keeps both notes, which the register itself signed.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod reviewed;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use attest::{Checkpoint, Sha256, SigningKey, VerifierKey};
use reviewed::{POLICY, REVIEW, command, said as assay};
use serde_json::{Value, json};
use verify::{LastGood, Reach, Trust};

const CHECK: &str = "check model.bin --stage staging";
/// A program that answers over HTTP until it is dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(folder: &Path, words: &str) -> Self {
        let mut child =
            command(folder, words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("says where").to_owned();
        Self { child, url }
    }

    fn register(folder: &Path) -> Self {
        Self::start(folder, "serve --listen 127.0.0.1:0 --key local")
    }

    /// Status and body of an answer.
    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        let mut answer = request.send(body.to_string()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // By its own id, as an operator would: what was begun comes to its end.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A folder with a model, a policy that wants it reviewed, and a register of one review.
fn folder() -> tempfile::TempDir {
    let folder = reviewed::folder();
    let at = folder.path();
    fs::write(at.join(".assay/policy.yaml"), POLICY).unwrap();
    // Others are answered by it: it is not one person's alone.
    let trust = fs::read_to_string(at.join(".assay/trust.yaml")).unwrap();
    fs::write(at.join(".assay/trust.yaml"), trust.replace("local: true\n", "")).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(status.success());
}

/// Puts yesterday's copy into the place of a folder.
fn restore(at: &Path, name: &str, copied: &Path) {
    fs::remove_dir_all(at.join(name)).unwrap();
    copy(copied, &at.join(name));
}

/// The pairs of notes that were kept of something that was taken back.
fn evidence(folder: &Path, what: &str) -> Vec<[String; 2]> {
    let kept = fs::read_dir(folder.join(".assay/monitor")).into_iter().flatten();
    let kept = kept.map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_str().unwrap().contains(&format!("-{what}-")));
    let pair = |path: PathBuf| {
        ["before.note", "now.note"].map(|name| fs::read_to_string(path.join(name)).unwrap())
    };
    kept.map(pair).collect()
}

fn key(folder: &Path) -> VerifierKey {
    let text = fs::read_to_string(folder.join(".assay/trust.yaml")).unwrap();
    Trust::parse(&text).unwrap().logs()[0].key().clone()
}

/// Both notes are by the register, and say what cannot both be true.
fn contradict([before, now]: &[String; 2], key: &VerifierKey) {
    let [before, now] = [before, now].map(|note| Checkpoint::open(note, key).unwrap());
    assert!(now.size <= before.size && now.root != before.root, "{before:?} {now:?}");
}

#[test]
fn its_own_folder_refuses_a_register_that_came_back_from_yesterday() {
    let folder = folder();
    let at = folder.path();
    let yesterday = at.join("yesterday");
    copy(&at.join(".assay/register"), &yesterday);
    assay(at, REVIEW, 0, "entry 1");
    assay(at, CHECK, 0, "allowed");

    // What was seen of it stands outside of it.
    restore(at, ".assay/register", &yesterday);
    let doors = [CHECK, "promote model.bin --stage staging", "serve --listen 127.0.0.1:0"];
    for words in doors {
        assay(at, words, 2, "has 1 entries, but had 2 before");
    }
    // It goes on, and is as long as it was.
    assay(at, REVIEW, 0, "entry 1");
    for words in doors {
        assay(at, words, 2, "has another history");
    }
    assay(at, CHECK, 2, "both notes are kept in");
    let key = key(at);
    for what in ["rollback", "fork"] {
        let [pair] = &evidence(at, what)[..] else { panic!("of one {what} there is one pair") };
        contradict(pair, &key);
    }
    // The register as it was is believed again, and nothing else was remembered.
    assay(at, "log head", 0, "entries  2");
}

#[test]
fn a_client_refuses_a_service_that_came_back_from_yesterday() {
    let (home, client) = (folder(), tempfile::tempdir().unwrap());
    let (home, client) = (home.path(), client.path());
    let yesterday = home.join("yesterday");
    fs::create_dir(client.join(".assay")).unwrap();
    fs::copy(home.join(".assay/trust.yaml"), client.join(".assay/trust.yaml")).unwrap();
    fs::copy(home.join("model.bin"), client.join("model.bin")).unwrap();
    copy(&home.join(".assay"), &yesterday);
    assay(home, REVIEW, 0, "entry 1");
    let today = Serving::register(home);
    assay(client, &format!("{CHECK} --server {}", today.url), 0, "allowed");
    drop(today);

    // All of it comes back, what it saw itself included: it does not know.
    restore(home, ".assay", &yesterday);
    assay(home, REVIEW, 0, "entry 1");
    let back = Serving::register(home);
    for words in [CHECK, "promote model.bin --stage staging"] {
        assay(client, &format!("{words} --server {}", back.url), 2, "has another history");
    }
    let pairs = evidence(client, "fork");
    let [pair] = &pairs[..] else { panic!("one fork, one pair: {pairs:?}") };
    contradict(pair, &key(client));
    assay(client, &format!("monitor {}", back.url), 1, "fork");
}

/// THREATS 31: the key was lost, and whoever keeps the trust file vouches for a tree of then.
#[test]
fn a_client_demands_the_tree_that_its_trust_file_vouches_for() {
    let (home, client) = (folder(), tempfile::tempdir().unwrap());
    let (home, client) = (home.path(), client.path());
    fs::create_dir(client.join(".assay")).unwrap();
    fs::copy(home.join("model.bin"), client.join("model.bin")).unwrap();
    assay(home, REVIEW, 0, "entry 1");
    let first = command(home, "log prove --from 1 --json").output().unwrap();
    let first: Value = serde_json::from_slice(&first.stdout).unwrap();
    let root: Sha256 = first["fromRoot"].as_str().unwrap().parse().unwrap();
    let key = key(home);
    let lost = SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
    let lost = VerifierKey::new(key.name(), lost.public().clone()).unwrap();
    let served = Serving::register(home);
    let check = format!("{CHECK} --server {}", served.url);
    for (root, status, want) in
        [(root, 0, "allowed"), (Sha256::of(b"another past"), 2, "has another history")]
    {
        let mut trust = Trust::empty();
        trust.add_log(&lost).unwrap();
        trust.rotate_log(&key, Reach::LastGood(LastGood { size: 1, root })).unwrap();
        fs::write(client.join(".assay/trust.yaml"), trust.to_yaml()).unwrap();
        assay(client, &check, status, want);
    }
    assert_eq!(evidence(client, "fork").len(), 1);
}

#[test]
fn a_witness_holds_up_every_door_of_a_register_that_came_back_from_yesterday() {
    let (home, other) = (folder(), tempfile::tempdir().unwrap());
    let (home, other) = (home.path(), other.path());
    let yesterday = home.join("yesterday");
    let words = "witness serve --name w.example/w1 --listen 127.0.0.1:0 --log";
    let witness = Serving::start(other, &format!("{words} {}", key(home)));
    let named = assay(other, "witness key --name w.example/w1", 0, "w.example/w1+");
    assay(home, &format!("log witness add {} {}", witness.url, named.trim()), 0, "w.example");
    copy(&home.join(".assay"), &yesterday);
    assay(home, REVIEW, 0, "entry 1");
    assay(home, "log witness ask", 0, "cosigned");

    restore(home, ".assay", &yesterday);
    assay(home, REVIEW, 0, "entry 1");
    let served = Serving::register(home);
    assay(home, CHECK, 2, "a witness has seen another history");
    assay(home, "promote model.bin --stage staging", 2, "a witness has seen another history");
    let artifact = format!("file:sha256:{}", Sha256::of(b"weights").hex());
    let question = json!({"artifact": artifact, "stage": "staging"});
    for path in ["/v1/check", "/v1/promote"] {
        let (status, answer) = served.post(path, &question);
        assert!(status == 503 && answer.contains("another history"), "{path}: {status} {answer}");
    }
    let (status, answer) = served.post("/v1/admission", &review());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(false)), "{answer}");
    assert!(answer["response"]["status"]["message"].to_string().contains("history"), "{answer}");
    drop(served);
    // Without the service as well, until an operator has decided.
    assay(home, CHECK, 2, "a witness has seen another history");
    let kept: Vec<_> = fs::read_dir(home.join(".assay/register/fork")).unwrap().collect();
    let fork = fs::read(kept[0].as_ref().unwrap().path()).unwrap();
    let fork: Value = serde_json::from_slice(&fork).unwrap();
    assert_eq!((kept.len(), &fork["proven"]), (1, &json!(true)));
    let notes = ["theirs", "ours"].map(|name| fork[name].as_str().unwrap().to_owned());
    contradict(&notes, &key(home));
    assay(home, "log witness settle", 0, "settled");
    assay(home, CHECK, 0, "allowed");
}

/// A pod with an image, as a cluster asks about it.
fn review() -> Value {
    let image = format!("registry.example/i@sha256:{}", "0".repeat(64));
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "workloads",
            "object": {"spec": {"containers": [{"name": "c", "image": image}]}},
        },
    })
}
