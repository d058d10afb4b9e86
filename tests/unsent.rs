//! What was signed is never lost, and goes to its register in the order of signing.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod reviewed;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reviewed::{REVIEW, command, expect, folder, said as assay};

/// Where nobody answers.
const NOBODY: &str = "http://127.0.0.1:1";

/// Takes away the register's own key, so that it cannot be opened, while something is done.
fn without_register<T>(folder: &Path, done: impl FnOnce() -> T) -> T {
    let (key, aside) = (folder.join(".assay/register/key.pem"), folder.join("aside.pem"));
    fs::rename(&key, &aside).unwrap();
    let found = done();
    fs::rename(aside, key).unwrap();
    found
}

fn waiting(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join(".assay/unsent")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A model that only waits for its evaluation.
fn judged() -> tempfile::TempDir {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("holdout.csv"), "data").unwrap();
    fs::remove_file(at.join("model.bin")).unwrap();
    assay(
        at,
        "run --kind training --step train --product model.bin -- touch model.bin",
        0,
        "entry",
    );
    for (name, value) in [("pass", "0.97"), ("fail", "0.50")] {
        let metrics = format!(r#"{{"sampleSize": 50, "metrics": {{"accuracy": {value}}}}}"#);
        fs::write(at.join(format!("{name}.json")), metrics).unwrap();
    }
    let digest = attest::Sha256::of(b"data");
    let policy = format!(
        r#"apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: order, version: 1}}
stages:
  staging: {{mode: enforce}}
steps:
  train: {{predicates: ["https://slsa.dev/provenance/v1"], kind: training, signers: {{anyOf: [local]}}}}
  evaluate: {{predicates: [evaluation/v0.1], signers: {{anyOf: [local]}}}}
flow:
  - {{from: train.products, to: evaluate.subject, coverage: all}}
ml:
  metrics:
    - {{step: evaluate, name: accuracy, dataset: {{name: holdout, digest: "{digest}"}}, atLeast: "0.95", minSamples: 50}}
"#
    );
    fs::write(at.join("policy.yaml"), policy).unwrap();
    folder
}

const CHECK: &str = "check model.bin --stage staging --policy policy.yaml";

fn evaluate(numbers: &str) -> String {
    format!("attest evaluation --subject model.bin --dataset holdout.csv --metrics {numbers}.json")
}

/// THREATS, rule 18: of several evaluations the latest counts, also when all were registered late.
#[test]
fn what_waits_is_registered_in_the_order_of_signing() {
    let cases = [
        (["pass", "fail"], 1, "denied"),
        (["fail", "pass"], 0, "allowed"),
        (["pass", "fail"], 1, "denied"),
        (["fail", "pass"], 0, "allowed"),
    ];
    for (numbers, status, verdict) in cases {
        let folder = judged();
        let at = folder.path();
        without_register(at, || {
            for one in numbers {
                assay(at, &evaluate(one), 2, "signed, but not registered");
            }
        });
        assert_eq!(waiting(at).len(), 2);
        let said = assay(at, "log submit", 0, "entry 3");
        assert!(said.find("entry 2") < said.find("entry 3"), "{said}");
        assert!(waiting(at).is_empty());
        assay(at, CHECK, status, verdict);
    }
}

#[test]
fn nothing_newer_is_registered_before_what_waits() {
    for (numbers, status, verdict) in
        [(["pass", "fail"], 1, "denied"), (["fail", "pass"], 0, "allowed")]
    {
        let folder = judged();
        let at = folder.path();
        without_register(at, || assay(at, &evaluate(numbers[0]), 2, "is kept as"));
        // The second one is signed while the register answers again.
        let said = assay(at, &evaluate(numbers[1]), 0, "registered as entry 3");
        assert!(said.contains("registered as entry 2 what was kept as"), "{said}");
        assert!(waiting(at).is_empty());
        assay(at, CHECK, status, verdict);
    }

    // What waits and cannot be registered keeps the newer one back.
    let folder = judged();
    let at = folder.path();
    without_register(at, || assay(at, &evaluate("fail"), 2, "is kept as"));
    let first = waiting(at).remove(0);
    let whole = fs::read(&first).unwrap();
    fs::write(&first, "{").unwrap();
    let said = assay(at, &evaluate("pass"), 2, "was signed before and is not registered yet");
    assert!(said.contains("never to be registered") && said.contains("log submit"), "{said}");
    assert_eq!(waiting(at).len(), 2);
    fs::write(&first, whole).unwrap();
    assay(at, "log submit", 0, "entry 3");
    assay(at, CHECK, 0, "allowed");
}

#[test]
fn what_was_signed_is_kept_whatever_is_wrong_with_the_register() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("no key", |register| fs::remove_file(register.join("key.pem")).unwrap()),
        ("published is gone", |register| fs::remove_file(register.join("published")).unwrap()),
        ("no journal that can be read", |register| {
            for entry in fs::read_dir(register.join("journal")).unwrap() {
                fs::write(entry.unwrap().path(), "nonsense").unwrap();
            }
        }),
    ];
    for (name, damage) in damages {
        let folder = folder();
        let at = folder.path();
        damage(&at.join(".assay/register"));
        assay(at, REVIEW, 2, "is kept as");
        let run = "run --kind build --product out.txt -- touch out.txt";
        assay(at, run, 2, "is kept as");
        assert!(at.join("out.txt").exists(), "{name}");
        assert_eq!(waiting(at).len(), 2, "{name}");
    }
}

#[test]
fn what_would_lose_the_statement_is_said_before_the_step() {
    let folder = folder();
    let at = folder.path();
    let sealed = attest::SigningKey::generate(attest::Algorithm::P256).unwrap();
    fs::write(at.join("sealed.pem"), &*sealed.to_pem(Some("open")).unwrap()).unwrap();

    fs::create_dir(at.join("bundles")).unwrap();
    let step = "--kind build --product out.txt -- touch out.txt";
    let cases = [
        ("--server x", "it starts with neither https:// nor http://"),
        ("--server http://assay.example", "plain http goes to this machine only"),
        ("--key sealed.pem", "no passphrase was given"),
        ("--output bundles", "is a folder, not a file"),
        ("--output nowhere/bundle.json", "cannot write"),
        ("--output model.bin/bundle.json", "is not a folder"),
    ];
    for (option, want) in cases {
        assay(at, &format!("run {option} {step}"), 2, want);
        assert!(!at.join("out.txt").exists(), "{option}: the step ran");
        assay(at, &format!("{REVIEW} {option}"), 2, want);
        assert_eq!(waiting(at), Vec::<PathBuf>::new(), "{option}");
    }
    let empty = command(at, &format!("run {step}")).env("ASSAY_SERVER", "").output().unwrap();
    expect(&empty, 2, "cannot use the server");
    assay(at, "log head", 0, "entries  1");

    // Beside each: what the step needs is there.
    let opened = command(at, &format!("run --key sealed.pem --output bundles/one.json {step}"))
        .env("ASSAY_KEY_PASSPHRASE", "open")
        .output()
        .unwrap();
    expect(&opened, 0, "entry 1");
    assert!(at.join("bundles/one.json").exists());
}

#[test]
fn a_bundle_that_cannot_be_written_does_not_hide_that_it_is_registered() {
    let folder = folder();
    let at = folder.path();
    fs::create_dir(at.join("bundles")).unwrap();
    // The step takes away the folder that was there before it.
    let words = "run --kind build --product out.txt --output bundles/b.json -- sh script.sh";
    fs::write(at.join("script.sh"), "rmdir bundles; touch out.txt").unwrap();
    let said = assay(at, words, 2, "registered as entry 1, but its bundle is not written");
    assert!(said.contains("assay log entry 1 --output FILE"), "{said}");
    assert!(waiting(at).is_empty(), "it is registered");
    assay(at, "log head", 0, "entries  2");
}

/// Serves the register of a folder until it is told to stop.
fn serve(folder: &Path, address: &str) -> Child {
    let words = format!("serve --listen {address} --key local");
    let mut service =
        command(folder, &words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    service
}

#[test]
fn what_was_kept_for_a_service_goes_there_and_nowhere_else() {
    let home = folder();
    let (home, folder) = (home.path(), tempfile::tempdir().unwrap());
    fs::write(home.join(".assay/policy.yaml"), include_str!("cmd/bad-policy.in/good.yaml"))
        .unwrap();
    let at = folder.path();
    fs::write(at.join("model.bin"), "weights").unwrap();
    fs::write(at.join("review.json"), "{}").unwrap();
    let said = assay(at, &format!("--server {NOBODY} {REVIEW}"), 2, "is kept as");
    assert!(said.contains("run `assay log submit`"), "{said}");
    let trust = fs::read(at.join(".assay/trust.yaml")).unwrap();

    // The service is still out of reach: nothing is made in its stead, and nothing is forgotten.
    assay(at, "log submit", 2, "no answer from");
    assert!(!at.join(".assay/register").exists());
    assert_eq!(fs::read(at.join(".assay/trust.yaml")).unwrap(), trust);
    assert_eq!(waiting(at).len(), 1);
    // The folder's own register is another one, which does not wait for the service.
    assay(at, REVIEW, 0, "entry 0");
    assert_eq!(waiting(at).len(), 1);

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    assay(at, &format!("--server {url} {REVIEW}"), 2, "is kept as");
    assay(at, &format!("--server {url} {REVIEW}"), 2, "is kept as");
    fs::write(at.join(".assay/unsent/00000002-broken.json"), "{").unwrap();
    let mut service = serve(home, &free.to_string());
    let sent = command(at, "log submit --json").output().unwrap();
    let stop = Command::new("kill").arg(service.id().to_string()).status().unwrap();
    assert!(stop.success() && service.wait().unwrap().success());

    let said = expect(&sent, 2, "assay/submitted/v1");
    let answer: serde_json::Value = serde_json::from_slice(&sent.stdout).unwrap();
    let entries: Vec<_> = answer["entries"].as_array().unwrap().iter().collect();
    assert_eq!(entries.iter().map(|one| &one["index"]).collect::<Vec<_>>(), [1, 2], "{said}");
    // What nobody answered for and what is no bundle is listed, and stays.
    assert_eq!(answer["failed"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(waiting(at).len(), 2);
    assay(at, "log head", 0, "entries  1");
    assay(home, "log head", 0, "entries  3");
}

#[test]
fn without_a_register_nothing_is_made_by_submitting() {
    let folder = folder();
    let at = folder.path();
    without_register(at, || assay(at, REVIEW, 2, "is kept as"));
    let file = waiting(at).remove(0);
    fs::rename(at.join(".assay/register"), at.join("aside")).unwrap();
    assay(at, "log submit", 2, "there is no register in");
    assert!(!at.join(".assay/register").exists() && file.exists());
    fs::rename(at.join("aside"), at.join(".assay/register")).unwrap();
    assay(at, "log submit", 0, "entry 1");
    assert!(!file.exists());
    // A bundle that lies elsewhere is registered, and stays where it is.
    let bundle = format!("{REVIEW} --output bundle.json");
    assay(at, &bundle, 0, "entry 2");
    assay(at, "log submit bundle.json", 0, "entry 2");
    assert!(at.join("bundle.json").exists());
}
