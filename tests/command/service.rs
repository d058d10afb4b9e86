//! A register behind a service, and what its answers are worth.

use super::*;

#[test]
fn commands_go_through_the_service_of_the_folder() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    fs::copy(folder.join("policy.yaml"), folder.join(".assay/policy.yaml")).unwrap();
    // Others are answered by it: it is not one person's alone.
    let trust = fs::read_to_string(folder.join(".assay/trust.yaml")).unwrap();
    fs::write(folder.join(".assay/trust.yaml"), trust.replace("local: true\n", "")).unwrap();
    let mut service = command(folder, "serve --listen 127.0.0.1:0 --key local")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = service.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("says where").to_owned();

    let cases = [
        (REVIEW.to_owned(), 0, "entry 2"),
        ("log head".into(), 0, "entries  3"),
        ("log prove 1".into(), 0, "proven"),
        ("log entry 2".into(), 0, "model.bin"),
        ("find --subject model.bin".into(), 0, "3 entries"),
        ("find --words MODEL --proofs --limit 2".into(), 0, "proven: every entry shown"),
        ("find --parameter a=1 --parameter b=2".into(), 0, "0 entries"),
        (
            "find --metric accuracy>=0.9 --metric recall[age=<30] --kind training --words bin,model \
             --identity dev@example.com --issuer https://login.example --result FAILED --proofs"
                .into(),
            0,
            "0 entries; complete to 3",
        ),
        ("verify model.bin".into(), 0, "claims"),
        ("lineage model.bin".into(), 0, "entry 2"),
        ("check model.bin --stage staging".into(), 1, "denied"),
        ("check model.bin --stage staging --policy policy.yaml".into(), 1, "an opinion"),
        ("promote model.bin --stage staging".into(), 1, "not promoted"),
        (
            "promote model.bin --stage staging --policy policy.yaml".into(),
            2,
            "hint: leave `--policy` out",
        ),
        (
            "check model.bin --stage staging --trust .assay/trust.yaml".into(),
            2,
            "hint: leave `--trust` out",
        ),
        (
            "promote model.bin --stage staging --trust .assay/trust.yaml".into(),
            2,
            "hint: leave `--trust` out",
        ),
        ("serve --listen 127.0.0.1:0".into(), 2, "is served by process"),
        ("log fsck".into(), 2, "hint: stop the service"),
        ("log rebuild-index".into(), 2, "hint: stop the service"),
        (format!("log erase {} --reason x", attest::Sha256::of(b"x")), 2, "hint: stop the service"),
        ("log backup copy".into(), 0, "backed up"),
        ("log export files".into(), 0, "exported"),
        (format!("log head --server {url}"), 0, "entries  3"),
    ];
    let said: Vec<(String, Output, i32, &str)> = cases
        .into_iter()
        .map(|(words, status, want)| {
            let output = assay(folder, &words);
            (words, output, status, want)
        })
        .collect();
    let question = "check model.bin --stage staging --json";
    let served = report(&assay(folder, question));
    let trust = fs::read(folder.join(".assay/trust.yaml")).unwrap();
    let more =
        "trust add local --name second --owner local --step x --predicate approval --artifact x";
    let added = assay(folder, more);
    // Told to stop as an operator would, by its own id.
    let stop = Command::new("kill").arg(service.id().to_string()).status().unwrap();
    assert!(stop.success());
    assert!(service.wait().unwrap().success());
    fs::write(folder.join(".assay/trust.yaml"), trust).unwrap();
    let told = format!("the service at {url} reads it when it is started again");
    expect(&added, 0, &told);
    for (words, output, status, want) in said {
        eprintln!("assay {words}");
        expect(&output, status, want);
    }
    expect(&assay(folder, "log head"), 0, "entries  3");
    assert_eq!(report(&assay(folder, question)), served, "both doors give one report");
}

/// The checkpoint of a log that no trust file names.
const ELSEWHERE: &str = "elsewhere\n0\n";

/// The checkpoint that a folder's register signed last.
fn checkpoint(folder: &Path) -> String {
    fs::read_to_string(folder.join(".assay/register/checkpoint")).unwrap()
}

/// A service that shows a checkpoint and gives one answer to what is sent to it, and its URL.
fn answering(checkpoint: &str, body: &serde_json::Value) -> (String, std::thread::JoinHandle<()>) {
    use std::io::{Read as _, Write as _};

    let (checkpoint, body) = (checkpoint.to_owned(), body.to_string());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            let asks = |request: &[u8]| request.starts_with(b"GET ");
            // A body ends with the brace of its first line; headers have none.
            while !request.ends_with(if asks(&request) { b"\r\n\r\n".as_slice() } else { b"}" }) {
                let count = stream.read(&mut part).unwrap();
                assert!(count > 0, "the request ends early");
                request.extend_from_slice(&part[..count]);
            }
            let answer = if asks(&request) { &checkpoint } else { &body };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let length = answer.len();
            write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{answer}").unwrap();
            if !asks(&request) {
                return;
            }
        }
    });
    (url, answering)
}

#[test]
fn a_receipt_for_something_else_loses_nothing() {
    let folder = folder();
    let folder = folder.path();
    let earlier = assay(folder, &format!("{REVIEW} --json")).stdout;
    let earlier: serde_json::Value = serde_json::from_slice(&earlier).unwrap();
    let receipt = serde_json::json!({
        "index": earlier["index"], "duplicate": false, "bundle": earlier["bundle"],
    });
    let (url, answering) = answering(ELSEWHERE, &serde_json::json!({"entries": [receipt]}));
    let said = assay(folder, &format!("{REVIEW} --server {url}"));
    answering.join().unwrap();
    expect(&said, 2, "for another attestation");
    assert_eq!(fs::read_dir(folder.join(".assay/unsent")).unwrap().count(), 1, "it is kept");
}

/// A policy that a review is enough for.
const REVIEWED: &str = "\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages: {staging: {mode: enforce}}
steps: {review: {predicates: ['https://example.com/review/v1'], signers: {anyOf: ['*']}}}
";

/// How an answer is changed on its way.
type Change = fn(&mut serde_json::Value);

#[test]
fn a_report_that_is_no_answer_decides_nothing() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("policy.yaml"), REVIEWED).unwrap();
    let output = assay(folder, &format!("{POLICY} --json"));
    let note = checkpoint(folder);
    let mut report: serde_json::Value =
        serde_json::from_str(&expect(&output, 0, "assay/report/v1")).unwrap();
    report["advisory"] = false.into();
    let finding = serde_json::json!({
        "rule": "revocation", "code": "revoked.artifact", "outcome": "fail", "message": "revoked",
        "evidence": [], "artifacts": [],
    });
    let cases: [(&str, Change, i32, &str); 9] = [
        ("as it was made", |_| {}, 0, "assay/report/v1"),
        (
            "by less than was shown",
            |one| one["completeness"]["size"] = 1.into(),
            2,
            "not by all of the 2 entries",
        ),
        ("another version", |one| one["version"] = "assay/report/v2".into(), 2, "version"),
        (
            "another artifact",
            |one| one["artifact"] = format!("file:{}", attest::Sha256::of(b"other")).into(),
            2,
            "is about",
        ),
        ("another stage", |one| one["stage"] = "production".into(), 2, "for stage `production`"),
        ("an opinion", |one| one["advisory"] = true.into(), 2, "no opinion"),
        (
            "a rule that fails",
            |one| one["rules"][0]["outcome"] = "fail".into(),
            2,
            "does not follow",
        ),
        ("denied for nothing", |one| one["passed"] = false.into(), 2, "does not follow"),
        ("not admitted", |one| one["admitted"] = false.into(), 2, "does not follow"),
    ];
    let ask = |name: &str, report: &serde_json::Value, status: i32, words: &str| {
        let (url, answering) = answering(&note, report);
        let question = format!("check model.bin --stage staging --json --server {url}");
        let said = expect(&assay(folder, &question), status, words);
        answering.join().unwrap();
        assert!(status == 0 || !said.contains("\"passed\": true"), "{name}: {said}");
    };
    for (name, change, status, words) in cases {
        let mut changed = report.clone();
        change(&mut changed);
        ask(name, &changed, status, words);
    }
    // A register that shows nothing could have been anything before.
    for words in ["check", "promote"] {
        let (url, _) = answering(ELSEWHERE, &report);
        let question = format!("{words} model.bin --stage staging --json --server {url}");
        expect(&assay(folder, &question), 2, "does not name the register `elsewhere`");
    }
    report["findings"] = serde_json::json!([finding]);
    ask("a finding", &report, 2, "does not follow");
}

#[test]
fn a_promotion_that_is_none_promotes_nothing() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("policy.yaml"), REVIEWED).unwrap();
    let words = "promote model.bin --stage staging --policy policy.yaml --json";
    let note = checkpoint(folder);
    let promoted: serde_json::Value = serde_json::from_slice(&assay(folder, words).stdout).unwrap();
    let review = assay(folder, "log entry 0 --output review.bundle.json");
    expect(&review, 0, "review");
    let review: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("review.bundle.json")).unwrap()).unwrap();
    let answer = serde_json::json!({"report": promoted["report"], "entry": promoted["entry"]});
    let ask = |name: &str, answer: &serde_json::Value, status: i32, words: &str| {
        let (url, answering) = answering(&note, answer);
        let question = format!("promote model.bin --stage staging --json --server {url}");
        let said = expect(&assay(folder, &question), status, words);
        answering.join().unwrap();
        assert!(status == 0 || !said.contains("\"passed\": true"), "{name}: {said}");
    };
    let cases: [(&str, Change, i32, &str); 6] = [
        ("as it was made", |_| {}, 0, "assay/promotion/v1"),
        ("no entry", |one| drop(one["entry"].take()), 2, "no entry of it"),
        ("another entry", |one| one["entry"]["index"] = 0.into(), 2, "no proof of entry 0"),
        (
            "another policy",
            |one| one["report"]["policy"]["digest"] = attest::Sha256::of(b"x").to_string().into(),
            2,
            "not the summary",
        ),
        ("another stage", |one| one["report"]["stage"] = "production".into(), 2, "for stage"),
        (
            "another signature",
            |one| {
                let signature = "/entry/bundle/dsseEnvelope/signatures/0/sig";
                let signature = one.pointer_mut(signature).unwrap();
                let changed = signature.as_str().unwrap().replacen('M', "N", 1);
                *signature = changed.into();
            },
            2,
            "cannot read the answer",
        ),
    ];
    for (name, change, status, words) in cases {
        let mut changed = answer.clone();
        change(&mut changed);
        ask(name, &changed, status, words);
    }
    let mut other = answer.clone();
    other["entry"] = serde_json::json!({"index": 0, "duplicate": false, "bundle": review});
    ask("another statement", &other, 2, "not the summary");

    // Whom the trust file believes decides, and whether it speaks of the register at all.
    let trust = folder.join(".assay/trust.yaml");
    let text = fs::read_to_string(&trust).unwrap();
    let (before, _) = text.split_once("verifiers:").unwrap();
    fs::write(&trust, format!("{before}verifiers: []\n")).unwrap();
    ask("no verifier", &answer, 2, "by no verifier that the trust file names");
    // Nor of the register: a URL alone teaches no trust.
    let (before, rest) = text.split_once("logs:").unwrap();
    let (_, verifiers) = rest.split_once("verifiers:").unwrap();
    let unnamed = format!(
        "{before}logs: []
verifiers:{verifiers}"
    );
    for (text, words) in [(Some(&unnamed), "does not name the register"), (None, "no trust file")] {
        match text {
            Some(text) => fs::write(&trust, text).unwrap(),
            None => fs::remove_file(&trust).unwrap(),
        }
        let (url, _) = answering(&note, &answer);
        let question = format!("promote model.bin --stage staging --json --server {url}");
        expect(&assay(folder, &question), 2, words);
    }
}

#[test]
fn a_service_does_not_say_whom_to_believe() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.bin"), "weights").unwrap();
    let words = "verify model.bin --server http://127.0.0.1:9";
    let said = expect(&assay(folder.path(), words), 2, "there is no trust file");
    assert!(said.contains("`assay trust join LINE`"), "{said}");
}
