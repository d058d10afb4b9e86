//! What is answered here about a register behind a service: by all of its entries, as the service
//! decides by, and without a mark of what was only supposed.

use serde_json::Value;

use super::replaying::{on_the_way, promoted, serve};
use super::*;

/// A policy by which the training is enough, and gets too old.
const AGING: &str = "\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: aging, version: 1}
stages: {staging: {mode: enforce}}
steps: {train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [local]}}}
ages: {train: 1d}
";

/// A service, which is ended with its test.
struct Served {
    folder: tempfile::TempDir,
    service: std::process::Child,
    url: String,
}

impl Served {
    /// One on a folder with a promoted model, judged by [`AGING`].
    fn new() -> Self {
        let folder = promoted();
        let home = folder.path().join(".assay");
        fs::write(home.join("policy.yaml"), AGING).unwrap();
        // Others are answered by it: it is not one person's alone.
        let trust = fs::read_to_string(home.join("trust.yaml")).unwrap();
        fs::write(home.join("trust.yaml"), trust.replace("local: true\n", "")).unwrap();
        let (service, url) = serve(folder.path());
        Self { folder, service, url }
    }

    fn here(&self) -> &Path {
        self.folder.path()
    }

    /// A folder elsewhere, of somebody with the files of that name.
    fn elsewhere(&self, files: &[&str]) -> tempfile::TempDir {
        let other = tempfile::tempdir().unwrap();
        fs::copy(self.here().join("model.bin"), other.path().join("model.bin")).unwrap();
        for name in files {
            fs::create_dir_all(other.path().join(".assay")).unwrap();
            let to = other.path().join(".assay").join(name);
            fs::copy(self.here().join(".assay").join(name), to).unwrap();
        }
        other
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

fn seen(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join(".assay/seen.json")).unwrap()).unwrap()
}

#[test]
fn why_and_lint_say_what_check_says_and_by_the_same_entries() {
    let served = Served::new();
    let other = served.elsewhere(&["trust.yaml", "policy.yaml"]);
    let (here, there, url) = (served.here(), other.path(), &served.url);
    let model = "model.bin --stage staging";
    let lint = format!("policy lint .assay/policy.yaml --artifact {model}");
    let asks = |status: i32, words: &str| {
        for (folder, server) in [(here, String::new()), (there, format!("--server {url} "))] {
            expect(&assay(folder, &format!("{server}check {model}")), status, words);
            expect(&assay(folder, &format!("{server}why {model}")), status, words);
        }
    };
    asks(0, "read all 3 entries");
    for (folder, server) in [(here, String::new()), (there, format!("--server {url} "))] {
        expect(&assay(folder, &format!("{server}{lint}")), 0, "sound");
    }
    let question = format!("--server {url} why {model} --json");
    let found: Value = serde_json::from_slice(&assay(there, &question).stdout).unwrap();
    assert_eq!(found["report"]["completeness"]["kind"], "followed", "{found:#}");

    // The smallest changes: a statement against it, one that is withheld, one in another's place.
    let digest = attest::Sha256::of(&fs::read(here.join("model.bin")).unwrap());
    let of = |artifact: &str| format!("/v1/artifacts/{artifact}/bundles?as=subject&start=0");
    let unknown = of(&format!("file:{}", attest::Sha256::of(b"unknown")));
    let withheld = on_the_way(url, &of(&format!("file:{digest}")), &unknown);
    let words = question.replace(url, &withheld);
    expect(&assay(there, &words), 1, "entry 1 speaks of it and was not supplied");
    let bent = on_the_way(url, "/v1/entries/1", "/v1/entries/0");
    let words = question.replace(url, &bent);
    expect(&assay(there, &words), 2, "cannot follow the register");
    let revoke = "revoke --subject model.bin --reason POISONED --yes";
    expect(&assay(here, revoke), 0, "registered as entry 3");
    asks(1, "read all 4 entries");
    expect(&assay(there, &format!("--server {url} {lint}")), 2, "cannot try to break the policy");
}

#[test]
fn what_is_only_supposed_leaves_no_mark_of_a_service() {
    let served = Served::new();
    let other = served.elsewhere(&["trust.yaml", "policy.yaml"]);
    let (there, model) = (other.path(), "model.bin --stage staging");
    let ask = |words: &str| assay(there, &format!("--server {} {words}", served.url));
    expect(&ask(&format!("check {model}")), 0, "allowed");
    let before = seen(there);
    let said = expect(&ask(&format!("why {model} --next 30d")), 0, "ages.train");
    assert!(said.contains("pass to fail") && said.contains("owner: local"), "{said}");
    assert_eq!(seen(there), before, "nothing but what is so is remembered");
    expect(&ask(&format!("check {model}")), 0, "allowed");

    // A mark of the future is what everything stops for.
    let mut marked = before;
    marked["accepted"] = "2999-01-01T00:00:00Z".into();
    fs::write(there.join(".assay/seen.json"), marked.to_string()).unwrap();
    for words in [format!("check {model}"), format!("why {model} --next 30d")] {
        expect(&ask(&words), 2, "clock is behind");
    }
}

#[test]
fn a_service_decides_for_those_who_know_its_register() {
    let served = Served::new();
    let known = served.elsewhere(&["trust.yaml"]);
    let text = fs::read_to_string(known.path().join(".assay/trust.yaml")).unwrap();
    let [bare, empty, unnamed] = [(); 3].map(|()| served.elsewhere(&[]));
    for folder in [&empty, &unnamed] {
        fs::create_dir(folder.path().join(".assay")).unwrap();
    }
    fs::write(unnamed.path().join(".assay/trust.yaml"), without_logs(&text)).unwrap();
    for word in ["check", "promote"] {
        let question = format!("--server {} {word} model.bin --stage staging", served.url);
        let cases = [
            (known.path(), 0, "allowed"),
            (bare.path(), 2, "a service does not say whom to believe"),
            (empty.path(), 2, "a service does not say whom to believe"),
            (unnamed.path(), 2, "does not name the register `assay.local/"),
        ];
        for (folder, status, words) in cases {
            let said = expect(&assay(folder, &question), status, words);
            assert_eq!(status == 0, said.contains("allowed"), "{said}");
        }
    }
    assert!(!bare.path().join(".assay").exists(), "nothing is made where somebody only asks");
}

/// A trust file that names no register.
fn without_logs(text: &str) -> String {
    let (before, rest) = text.split_once("logs:").unwrap();
    let (_, verifiers) = rest.split_once("verifiers:").unwrap();
    format!("{before}logs: []\nverifiers:{verifiers}")
}

#[test]
fn why_asks_a_service_by_the_trust_and_policy_of_whoever_asks() {
    let served = Served::new();
    let bare = served.elsewhere(&[]);
    let there = bare.path();
    for name in ["trust.yaml", "policy.yaml"] {
        fs::copy(served.here().join(".assay").join(name), there.join(name)).unwrap();
    }
    let trust = fs::read_to_string(there.join("trust.yaml")).unwrap();
    fs::write(there.join("unnamed.yaml"), without_logs(&trust)).unwrap();
    // Marked as one person's alone, it is no better than where the service judges by it.
    fs::write(there.join("local.yaml"), format!("local: true\n{trust}")).unwrap();
    let cases = [
        ("--trust trust.yaml --policy policy.yaml", 0, "read all 3 entries"),
        ("--trust local.yaml --policy policy.yaml", 1, "trust.local"),
        ("--policy policy.yaml", 2, "there is no trust file"),
        ("--trust trust.yaml", 2, "--policy FILE"),
        ("--trust unnamed.yaml --policy policy.yaml", 2, "log head"),
    ];
    for (options, status, words) in cases {
        let asked = format!("--server {} why model.bin --stage staging {options}", served.url);
        expect(&assay(there, &asked), status, words);
    }
    assert!(!there.join(".assay").exists(), "nothing is made where somebody only asks");
}
