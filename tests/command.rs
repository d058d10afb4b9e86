//! What a user meets: the command's words, answers and exit statuses.
//!
//! `tests/cmd/*.trycmd` are sessions in a folder of their own (`NAME.in`, copied). Keys, times
//! and digests of statements differ in every run and stand as `[..]`; after
//! `TRYCMD=overwrite cargo test --test command`, `tests/cmd/wild.py` puts these back. What has to
//! be made or damaged first is done here.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may take the time"
)]

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

#[test]
fn sessions_go_as_written() {
    trycmd::TestCases::new().env("NO_COLOR", "1").env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}

/// Runs the command in a folder, with words separated by spaces.
fn assay(folder: &Path, words: &str) -> Output {
    command(folder, words).output().unwrap()
}

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    for name in ["ASSAY_DIR", "ASSAY_SERVER", "ASSAY_KEY", "ASSAY_TOKEN", "ASSAY_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

/// A folder with a model and a register of two statements about it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.bin"), "weights").unwrap();
    fs::write(folder.path().join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    for _ in 0..2 {
        expect(&assay(folder.path(), REVIEW), 0, "registered as entry");
    }
    folder
}

const REVIEW: &str =
    "attest --type https://example.com/review/v1 --predicate review.json --subject model.bin";
const POLICY: &str = "check model.bin --stage staging --policy policy.yaml";

/// Holds an answer against its exit status and some of its words; returns all it said.
fn expect(output: &Output, status: i32, words: &str) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(words), "`{words}` is not in: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn policy(folder: &Path) {
    let text = include_str!("cmd/bad-policy.in/good.yaml");
    fs::write(folder.join("policy.yaml"), text).unwrap();
}

#[test]
fn first_uses_at_once_make_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("model.bin"), "weights").unwrap();
    fs::write(folder.join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    let first: Vec<_> = (0..4)
        .map(|_| {
            command(folder, REVIEW).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for one in first {
        expect(&one.wait_with_output().unwrap(), 0, "registered as entry");
    }
    let said = expect(&assay(folder, "verify model.bin"), 0, "read all 4 entries");
    assert!(!said.contains("not believed"), "{said}");
}

#[test]
fn a_first_use_that_was_cut_off_is_taken_up() {
    let folder = folder();
    let folder = folder.path();
    fs::remove_file(folder.join(".assay/trust.yaml")).unwrap();
    let said = expect(&assay(folder, "verify model.bin"), 2, "there is no trust file");
    // The path by which a subject was typed may be no name.
    fs::create_dir(folder.join("inner")).unwrap();
    let above = REVIEW.replace("model.bin", "../model.bin");
    let above = above.replace("review.json", "../review.json");
    let inner = folder.join("inner");
    expect(&assay(&inner, &above), 2, "--name NAME");
    expect(&assay(&inner, &format!("{above} --name model.bin")), 0, "made trust file");
    fs::remove_file(folder.join(".assay/trust.yaml")).unwrap();
    assert!(said.contains("assay trust add"), "{said}");
    expect(&assay(folder, REVIEW), 0, "made trust file");
    expect(&assay(folder, "log head"), 0, "trusted  yes");
}

#[test]
fn a_clock_that_went_back_decides_nothing() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    expect(&assay(folder, POLICY), 1, "denied");

    let bundled = format!("{POLICY} --bundle one.json");
    let bundle = format!("{REVIEW} --output one.json");
    expect(&assay(folder, &bundle), 0, "registered");
    expect(&assay(folder, &bundled), 1, "denied");

    let seen = folder.join(".assay/seen.json");
    let text = fs::read_to_string(&seen).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["accepted"].is_string(), "{text}");
    document["accepted"] = "2199-01-01T00:00:00Z".into();
    fs::write(&seen, document.to_string()).unwrap();
    for words in [POLICY, "promote model.bin --stage staging --policy policy.yaml", &bundled] {
        let said = expect(&assay(folder, words), 2, "clock is behind");
        assert!(said.contains("take `accepted` with its time out of `"), "{said}");
        assert!(said.contains(".assay/seen.json`"), "{said}");
    }
    // What the hint says helps, and forgets nothing of the register.
    document.as_object_mut().unwrap().remove("accepted");
    fs::write(&seen, document.to_string()).unwrap();
    expect(&assay(folder, POLICY), 1, "denied");
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&seen).unwrap()).unwrap();
    assert_eq!(after["logs"].as_object().unwrap().len(), 1);
}

#[test]
fn a_register_that_went_back_decides_nothing() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    copy(&folder.join(".assay/register"), &folder.join("yesterday"));
    expect(&assay(folder, REVIEW), 0, "entry 2");
    expect(&assay(folder, POLICY), 1, "denied");

    fs::remove_dir_all(folder.join(".assay/register")).unwrap();
    fs::rename(folder.join("yesterday"), folder.join(".assay/register")).unwrap();
    expect(&assay(folder, POLICY), 2, "has 2 entries, but had 3 before");
}

#[test]
fn a_damaged_journal_is_said_and_nothing_is_lost() {
    let folder = folder();
    let folder = folder.path();
    let journal = segment(&folder.join(".assay/register/journal"));
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();

    // The end is missing: it was published, so that going on without it would lose it.
    OpenOptions::new().write(true).open(&journal).unwrap().set_len(end as u64 - 8).unwrap();
    let cut = fs::read(&journal).unwrap();
    for words in ["log head", "find", "verify model.bin", REVIEW] {
        expect(&assay(folder, words), 2, "error: ");
    }
    assert_eq!(fs::read(&journal).unwrap(), cut, "nothing was changed");

    // A bit of the last statement is another: it is not shown as if it had been signed.
    let mut flipped = whole.clone();
    flipped[end - 40] ^= 1;
    fs::write(&journal, &flipped).unwrap();
    for words in ["find", "verify model.bin", "log entry 1"] {
        expect(&assay(folder, words), 2, "damaged");
    }
    assert_eq!(fs::read(&journal).unwrap(), flipped, "nothing was changed");

    fs::write(&journal, &whole).unwrap();
    expect(&assay(folder, "verify model.bin"), 0, "read all 2 entries");
    // What was signed while the register was of no use was kept, and goes in now.
    let said = expect(&assay(folder, "log submit"), 0, "");
    assert!(
        said.contains("registered as entry 2") || said.contains("nothing is waiting"),
        "{said}"
    );
}

#[test]
fn a_check_names_what_is_wrong_and_what_to_do() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    expect(&assay(folder, POLICY), 1, "denied");
    let said = expect(&assay(folder, "log fsck"), 0, "sound");
    assert!(said.contains("what was seen before"), "{said}");

    let journal = segment(&folder.join(".assay/register/journal"));
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let cases = [
        (700, "the journal is damaged at `journal/00000000000000000001.seg`, offset 512"),
        (end - 40, "body sha256:"),
    ];
    for (at, words) in cases {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&journal, &flipped).unwrap();
        let said = expect(&assay(folder, "log fsck"), 1, words);
        assert!(said.contains("hint: restore the register from a backup"), "{said}");
        expect(&assay(folder, "log fsck --json"), 1, "\"sound\": false");
        assert_eq!(fs::read(&journal).unwrap(), flipped, "nothing was changed");
    }
    fs::write(&journal, &whole).unwrap();
    fs::remove_file(folder.join(".assay/register/published")).unwrap();
    expect(&assay(folder, "log fsck"), 1, "`published` cannot be used: it is missing");
    fs::remove_dir_all(folder.join(".assay/register")).unwrap();
    expect(&assay(folder, "log fsck"), 2, "error: ");
}

#[test]
fn an_erased_statement_leaves_a_tombstone_and_its_place() {
    let folder = folder();
    let folder = folder.path();
    expect(&assay(folder, &format!("{REVIEW} --output signed.json")), 0, "entry 2");
    let shown = assay(folder, "log entry 2 --json").stdout;
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    let body = shown["entry"]["body"].as_str().unwrap();
    let erase = format!("log erase {body} --reason asked-for");

    expect(&assay(folder, "key generate stranger"), 0, "made");
    expect(&assay(folder, &format!("{erase} --key local")), 0, "its tombstone is entry 3");
    expect(&assay(folder, "log entry 2"), 0, "(erased)");
    expect(&assay(folder, "log entry 2 --output gone.json"), 2, "entry 2 has no statement");
    expect(&assay(folder, "log entry 3"), 0, "tombstone");
    expect(&assay(folder, "log prove 2"), 0, "proven");
    expect(&assay(folder, "log fsck --all"), 0, "4, 1 of them erased");
    // The others are still believed, and the register is read to its end.
    let said = expect(&assay(folder, "verify model.bin"), 0, "read all 4 entries");
    assert!(said.contains("entry 0") && !said.contains("entry 2"), "{said}");
    expect(&assay(folder, "log submit signed.json"), 2, "was erased from this register");

    // Again: by the same key it is done already, by another one it was somebody else's.
    expect(&assay(folder, &format!("{erase} --key local")), 0, "its tombstone is entry 3");
    expect(&assay(folder, &format!("{erase} --key stranger")), 2, "was erased before");
    let stone = assay(folder, "log entry 3 --json").stdout;
    let stone: serde_json::Value = serde_json::from_slice(&stone).unwrap();
    let stone = stone["entry"]["body"].as_str().unwrap();
    let refused = format!("log erase {stone} --reason x --key local");
    expect(&assay(folder, &refused), 2, "those are never erased");

    expect(&assay(folder, "log rebuild-index"), 0, "anew from 4 commits");
    expect(&assay(folder, "log fsck --all"), 0, "sound");
    expect(&assay(folder, "log submit signed.json"), 2, "was erased from this register");
}

#[test]
fn an_index_is_made_anew() {
    let folder = folder();
    let folder = folder.path();
    fs::remove_dir_all(folder.join(".assay/register/index")).unwrap();
    expect(&assay(folder, "find"), 0, "2 entries");
    fs::write(folder.join(".assay/register/index/conf"), "nonsense").unwrap();
    expect(&assay(folder, "find"), 0, "2 entries");
}

#[test]
fn deep_and_large_documents_are_bounded() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("deep.json"), "[".repeat(32 << 20)).unwrap();
    File::create(folder.join("large.json")).unwrap().set_len(1 << 30).unwrap();
    let cases = [("deep.json", "nested deeper than 64 levels"), ("large.json", "larger than")];
    for (file, why) in cases {
        let start = Instant::now();
        for words in [
            format!("attest --type https://example.com/x --predicate {file} --subject model.bin"),
            format!("verify model.bin --bundle {file}"),
        ] {
            expect(&assay(folder, &words), 2, why);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{file}");
    }
    for words in ["policy check large.json", "trust --trust large.json list"] {
        expect(&assay(folder, words), 2, "larger than");
    }
    for words in ["policy check deep.json", "trust --trust deep.json list"] {
        expect(&assay(folder, words), 2, "error: cannot use");
    }
}

#[test]
fn a_subject_without_a_digest_is_not_believed() {
    let folder = folder();
    let folder = folder.path();
    let pem = fs::read_to_string(folder.join(".assay/keys/local.pem")).unwrap();
    let key = attest::SigningKey::from_pem(&pem, None).unwrap();
    let artifact = attest::ArtifactId::file(attest::Sha256::of(b"weights"));
    let digest = artifact.digest().unwrap().to_string();
    let digest = digest.trim_start_matches("sha256:");
    let cases = [
        ("with its digest", format!(r#"{{"sha256":"{digest}"}}"#), 0, "believed"),
        ("without", "{}".to_owned(), 1, "not believed"),
        (
            "of a kind that nobody knows",
            format!(r#"{{"md5":"{}"}}"#, &digest[..32]),
            1,
            "not believed",
        ),
    ];
    for (name, digest, status, words) in cases {
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model.bin","digest":{digest}}}],"predicateType":"https://example.com/x","predicate":{{}}}}"#
        );
        let envelope =
            attest::Envelope::sign("application/vnd.in-toto+json", payload.into_bytes(), &[&key]);
        let bundle =
            attest::Bundle { envelope: envelope.unwrap(), hint: None, entries: Vec::new() };
        fs::write(folder.join("bundle.json"), bundle.to_json()).unwrap();
        let said = expect(&assay(folder, "verify model.bin --bundle bundle.json"), status, words);
        assert!(said.contains("believed"), "{name}: {said}");
    }
}

#[test]
fn a_foreign_signer_is_shown_and_not_believed() {
    let folder = folder();
    let folder = folder.path();
    let mine = fs::read(folder.join(".assay/trust.yaml")).unwrap();
    expect(&assay(folder, "key generate stranger"), 0, "made");
    expect(&assay(folder, &format!("{REVIEW} --key stranger")), 0, "entry 2");
    assert_eq!(fs::read(folder.join(".assay/trust.yaml")).unwrap(), mine, "nobody new is trusted");
    expect(&assay(folder, "verify model.bin"), 0, "entry 2    no signature by a trusted key");
    expect(&assay(folder, "find --signer stranger"), 0, "not trusted");

    // What only a stranger speaks of is unknown, and where to look is said.
    policy(folder);
    fs::write(folder.join("other.bin"), "other").unwrap();
    let check = POLICY.replace("model.bin", "other.bin");
    let said = expect(&assay(folder, &check), 1, "artifact.unknown");
    assert!(!said.contains("trust add"), "{said}");
    let review = REVIEW.replace("model.bin", "other.bin");
    expect(&assay(folder, &format!("{review} --key stranger")), 0, "entry 3");
    let said = expect(&assay(folder, &check), 1, "artifact.unknown");
    assert!(said.contains("evidence: entry 3") && said.contains("trust add KEY"), "{said}");
}

#[test]
fn a_trust_file_of_ones_own_is_an_opinion() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    fs::copy(folder.join("policy.yaml"), folder.join(".assay/policy.yaml")).unwrap();
    fs::copy(folder.join(".assay/trust.yaml"), folder.join("mine.yaml")).unwrap();
    expect(&assay(folder, "log entry 1 --output model.bundle.json"), 0, "");
    let check = "check model.bin --stage staging --json";
    for bundles in ["", " --bundle model.bundle.json"] {
        for (chosen, advisory) in
            [("", false), (" --trust mine.yaml", true), (" --policy policy.yaml", true)]
        {
            let words = format!("{check}{bundles}{chosen}");
            let said = expect(&assay(folder, &words), 1, "");
            let says = said.contains("\"advisory\": true") || said.contains("\"advisory\":true");
            assert_eq!(says, advisory, "{words}: {said}");
        }
    }
}

#[test]
fn commands_go_through_the_service_of_the_folder() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    fs::copy(folder.join("policy.yaml"), folder.join(".assay/policy.yaml")).unwrap();
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

#[test]
fn a_proof_leads_to_the_checkpoint_that_it_comes_with() {
    use attest::{Checkpoint, Sha256};
    use serde_json::Value;
    use verify::merkle::{verify_consistency, verify_inclusion};

    let folder = folder();
    let folder = folder.path();
    expect(&assay(folder, REVIEW), 0, "entry 2");
    let ask = |words: &str| -> Value {
        serde_json::from_str(&expect(&assay(folder, words), 0, "toCheckpoint")).unwrap()
    };
    let key = ask_key(folder);
    let hash = |value: &Value| -> Sha256 { value.as_str().unwrap().parse().unwrap() };
    let hashes =
        |value: &Value| -> Vec<Sha256> { value.as_array().unwrap().iter().map(hash).collect() };
    for size in 2..=3 {
        let inclusion = ask(&format!("--json log prove 1 --size {size}"));
        let consistency = ask(&format!("--json log prove --from 1 --to {size}"));
        let root = hash(&inclusion["root"]);
        let leaf = hash(&inclusion["leafHash"]);
        assert_eq!(verify_inclusion(1, size, &leaf, &hashes(&inclusion["hashes"]), &root), Ok(()));
        assert_eq!(hash(&consistency["toRoot"]), root);
        for answer in [inclusion, consistency] {
            let newest = Checkpoint::open(answer["checkpoint"].as_str().unwrap(), &key).unwrap();
            let mut grown = hashes(&answer["toCheckpoint"]);
            let led = |grown: &[Sha256]| {
                verify_consistency(size, newest.size, grown, &root, &newest.root)
            };
            assert_eq!((newest.size, led(&grown)), (3, Ok(())));
            grown.push(root);
            assert!(led(&grown).is_err(), "one hash more");
        }
    }
}

/// The checkpoint of a log that no trust file names.
const ELSEWHERE: &str = "elsewhere\n0\n";

/// The checkpoint that a folder's register signed last.
fn checkpoint(folder: &Path) -> String {
    fs::read_to_string(folder.join(".assay/register/checkpoint")).unwrap()
}

fn ask_key(folder: &Path) -> attest::VerifierKey {
    let head = expect(&assay(folder, "--json log head"), 0, "assay/head/v1");
    let head: serde_json::Value = serde_json::from_str(&head).unwrap();
    head["key"].as_str().unwrap().parse().unwrap()
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
    let (url, answering) = answering(ELSEWHERE, &report);
    let question = format!("check model.bin --stage staging --json --server {url}");
    expect(&assay(folder, &question), 2, "it shows no checkpoint of");
    answering.join().unwrap();
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
    fs::remove_file(&trust).unwrap();
    ask("no trust file", &answer, 0, "the promotion is as it claims");
}

#[test]
fn a_service_does_not_say_whom_to_believe() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.bin"), "weights").unwrap();
    let words = "verify model.bin --server http://127.0.0.1:9";
    let said = expect(&assay(folder.path(), words), 2, "there is no trust file");
    assert!(said.contains("hint: name one with `--trust FILE`"), "{said}");
}

#[test]
fn what_cannot_be_said_of_a_step_does_not_change_how_it_ended() {
    let folder = folder();
    let folder = folder.path();
    for (code, words) in [(0, "true"), (3, "exit 3")] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_assay"));
        run.args(["run", "--kind", "training", "--product", "out.bin", "--", "sh", "-c"]);
        run.arg(format!("date +%N > out.bin; {words}")).current_dir(folder);
        run.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert_eq!(run.status().unwrap().code(), Some(code), "{words}");
    }
    expect(&assay(folder, "find --step training"), 0, "1 entry");
    // An answer that is lost is no answer.
    let mut lost = command(folder, "find");
    lost.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(lost.output().unwrap().status.code(), Some(2));
}

#[test]
fn a_pipe_is_read_only_while_somebody_writes_to_it() {
    let folder = folder();
    let folder = folder.path();
    let shell = |words: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", words]).current_dir(folder).env("PROGRAM", env!("CARGO_BIN_EXE_assay"));
        bash.output().unwrap()
    };
    let verify = "\"$PROGRAM\" verify model.bin --trust";
    expect(&shell(&format!("{verify} <(cat .assay/trust.yaml)")), 0, "believed");
    expect(&shell(&format!("{verify} <(sleep 1; cat .assay/trust.yaml)")), 0, "believed");
    let piped = format!("mkfifo pipe; cat .assay/trust.yaml > pipe & {verify} pipe");
    expect(&shell(&piped), 0, "believed");
    let start = Instant::now();
    expect(&shell(&format!("{verify} pipe")), 2, "nobody writes to this pipe");
    assert!(start.elapsed() < Duration::from_secs(30));
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_str(&expect(output, 1, "assay/report/v1")).unwrap()
}

fn segment(journal: &Path) -> std::path::PathBuf {
    let mut segments: Vec<_> =
        fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments.pop().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
