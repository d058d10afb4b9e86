//! The client of Sigstore's conformance suite, run as the suite runs it; and that checking a bundle
//! starts no process and opens no connection.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attest::hash::{HashAlgorithm, Silent};
use attest::oms::{self, Manifest, Method, Scan, Serialization};
use attest::{PublicKey, Timestamp};
use fixtures::authority::{
    CertificateAuthority, CertificateRecipe, TimestampClock, extensions, to_pem,
};
use fixtures::sigstore::{Form, Made};

/// How many cases there are, and how many of them must be believed.
const CASES: (usize, usize) = (47, 14);
const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn vectors() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let vectors = std::env::var("ASSAY_VECTORS").map_or_else(|_| beside(), PathBuf::from);
    let folder = vectors.join("sigstore/bundle-verify");
    if !folder.is_dir() {
        eprintln!(
            "\n!!! VECTORS NOT RUN: no folder `sigstore` in ASSAY_VECTORS or ../shared/vectors !!!\n"
        );
        return None;
    }
    Some(folder)
}

/// The cases by name, those that begin alike far from each other.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort_by_key(|name| name.bytes().rev().collect::<Vec<u8>>());
    names
}

/// What the suite hands to the client for a case, copied to where no name says how it must end.
fn arguments(folder: &Path, name: &str, into: &Path) -> Vec<String> {
    let case = folder.join(name);
    let copy = |from: PathBuf, to: &str| {
        let to = into.join(to);
        fs::copy(from, &to).unwrap();
        to.display().to_string()
    };
    let or = |name: &str, other: &str| {
        let own = case.join(name);
        if own.exists() { own } else { folder.join(other) }
    };
    let text = |name: &str, other: &str| {
        fs::read_to_string(case.join(name)).map_or(other.into(), |text| text.trim().to_owned())
    };
    let root = or("trusted_root.json", "../production_trusted_root.json");
    let mut words = vec![
        "verify-bundle".to_owned(),
        "--bundle".into(),
        copy(case.join("bundle.sigstore.json"), "bundle"),
        "--trusted-root".into(),
        copy(root, "root"),
    ];
    if case.join("key.pub").exists() {
        words.extend(["--key".to_owned(), copy(case.join("key.pub"), "key")]);
    } else {
        let subject = text("identity", IDENTITY);
        words.extend(["--certificate-identity".to_owned(), subject]);
        words.extend(["--certificate-oidc-issuer".to_owned(), text("issuer", ISSUER)]);
    }
    words.push(copy(or("artifact", "a.txt"), "artifact"));
    words
}

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/client")
}

fn run(program: &Path, words: &[String]) -> Output {
    let mut command = Command::new(program);
    command.args(words).env("ASSAY", env!("CARGO_BIN_EXE_assay")).env_remove("ASSAY_DIR");
    command.output().unwrap()
}

#[test]
fn the_client_answers_as_the_suite_wants() {
    let Some(folder) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let names = names(&folder);
    for name in &names {
        let words = arguments(&folder, name, scratch.path());
        let status = run(&client(), &words).status.code().unwrap();
        if status != i32::from(name.ends_with("_fail")) {
            wrong.push(format!("{name} ended with {status}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let good = names.iter().filter(|name| !name.ends_with("_fail")).count();
    assert_eq!((names.len(), good), CASES);
}

#[test]
fn what_the_suite_does_not_ask_for_fails() {
    let Some(folder) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let good = arguments(&folder, "happy-path-v0.3", scratch.path());
    let key = arguments(&folder, "managed-key-happy-path", &{
        let other = scratch.path().join("key");
        fs::create_dir(&other).unwrap();
        other
    });
    let digest = format!("sha256:{}", "0".repeat(64));
    let artifact = good.last().unwrap().clone();
    let changed = |words: &[String], from: &str, to: &str| {
        assert!(words.iter().any(|word| word == from), "{from}");
        words.iter().map(|word| if word == from { to.to_owned() } else { word.clone() }).collect()
    };
    let without = |words: &[String], option: &str| -> Vec<String> {
        let place = words.iter().position(|word| word == option).unwrap();
        words
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != place && *at != place + 1)
            .map(|(_, word)| word.clone())
            .collect()
    };
    let cases: Vec<(&str, Vec<String>, i32)> = vec![
        ("as it is", good.clone(), 0),
        ("another artifact by its digest", changed(&good, &artifact, &digest), 1),
        ("another subject", changed(&good, IDENTITY, &IDENTITY[1..]), 1),
        ("another issuer", changed(&good, ISSUER, &ISSUER[..30]), 1),
        ("no issuer", without(&good, "--certificate-oidc-issuer"), 1),
        ("no subject", without(&good, "--certificate-identity"), 1),
        ("no root", without(&good, "--trusted-root"), 1),
        ("another command", changed(&good, "verify-bundle", "sign-bundle"), 1),
        ("by a key", key.clone(), 0),
        ("by nobody", without(&key, "--key"), 1),
    ];
    for (name, words, want) in cases {
        let output = run(&client(), &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(want), "{name}: {said}");
    }
}

/// System calls that start a process or reach beyond it.
const FORBIDDEN: [&str; 9] = [
    "socket(",
    "connect(",
    "bind(",
    "sendto(",
    "execve(",
    "execveat(",
    "fork(",
    "vfork(",
    "accept",
];

/// Whether there is a program to watch system calls with; says so loudly when there is none.
fn is_watched() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        eprintln!("\n!!! NOT SHOWN: no program `strace` to watch system calls with !!!\n");
    }
    found
}

/// The system calls by which a program that is run in `folder` with these words starts processes or
/// reaches beyond its own; it must end as wanted.
fn calls(program: &Path, name: &str, folder: &Path, words: &[String], want: i32) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let trace = scratch.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=process,network", "-o"]).arg(&trace);
    command.arg(program).args(words).current_dir(folder).env_remove("ASSAY_DIR");
    let output = command.env("ASSAY", env!("CARGO_BIN_EXE_assay")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(want), "{name}: {said}");
    let calls: Vec<String> =
        fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect();
    // The first call is the one that starts the program itself.
    assert!(calls.first().is_some_and(|line| line.contains("execve(")), "{calls:?}");
    calls
}

/// Runs the command in `folder` with these words, and holds it to how it must end and to no process
/// and no connection on the way.
fn watched(name: &str, folder: &Path, words: &[String], want: i32) {
    let assay = Path::new(env!("CARGO_BIN_EXE_assay"));
    for line in calls(assay, name, folder, words, want).iter().skip(1) {
        assert!(FORBIDDEN.iter().all(|call| !line.contains(call)), "{name}: {line}");
    }
}

/// Runs the client of the suite, and holds it to starting the command, once, and nothing else.
fn client_watched(name: &str, folder: &Path, words: &[String], want: i32) {
    let assay = env!("CARGO_BIN_EXE_assay");
    let mut started = 0;
    for line in calls(&client(), name, folder, words, want).iter().skip(1) {
        let starts = line.contains(&format!("execve(\"{assay}\""));
        started += usize::from(starts);
        // How a shell starts it is the shell's.
        let forks = line.contains("fork(");
        let forbidden = FORBIDDEN.iter().any(|call| line.contains(call));
        assert!(starts || forks || !forbidden, "{name}: {line}");
    }
    assert_eq!(started, 1, "{name}");
}

#[test]
fn checking_starts_no_process_and_opens_no_connection() {
    let Some(folder) = vectors() else { return };
    if !is_watched() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let cases = [
        ("happy-path-v0.3", 0),
        ("rekor2-dsse-happy-path", 0),
        ("managed-key-happy-path", 0),
        ("rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", 1),
    ];
    for (name, want) in cases {
        let mut words = arguments(&folder, name, scratch.path());
        client_watched(name, scratch.path(), &words, want);
        for word in &mut words {
            if word == "verify-bundle" {
                *word = "verify".into();
            }
        }
        watched(name, scratch.path(), &words, want);
    }
}

/// A copy of the folder of a session, which the command may write into.
fn session(name: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(format!("{name}.in"));
    copy(&from, folder.path());
    folder
}

fn split(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// What is done before, without being watched.
fn prepared(folder: &Path, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(split(line)).current_dir(folder).env_remove("ASSAY_DIR");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

/// What is believed by a trust file, models and layouts: checked with nothing from elsewhere too.
#[test]
fn no_way_of_checking_starts_a_process_or_opens_a_connection() {
    if !is_watched() {
        return;
    }
    // A folder, what is done before without being watched, and what is, with how it must end.
    type Session<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, i32)]);
    let mut sessions: Vec<Session<'_>> = vec![
        (
            "authority",
            &[
                "trust --trust trust.yaml add --timestamp-authority clock.pem --name clock",
                "trust --trust trust.yaml add --authority ca.pem --name corporate --clock clock",
                "trust --trust trust.yaml add --signer builder --certified-by corporate --owner \
                 ci-team --san-uri under:spiffe://corp.example/ci --predicate \
                 https://example.com/review/v1 --artifact *",
            ],
            &[
                ("verify model.bin --bundle bundle.json --trust trust.yaml", 0),
                ("verify model.bin --bundle bare.json --trust trust.yaml", 1),
                ("inspect bundle.json", 0),
            ],
        ),
        (
            "model",
            &[
                "key generate",
                "model sign model --key .assay/keys/local.pem",
                "key generate other --algorithm p384",
            ],
            &[
                ("model verify model --key .assay/keys/local.pub", 0),
                ("model verify model --key .assay/keys/other.pub", 1),
                ("model verify other --signature model.sig --key .assay/keys/local.pub", 1),
                ("model digest model", 0),
            ],
        ),
        (
            "layout",
            &[],
            &[
                ("layout verify root.layout --key owner.pub --links links --parameter name=foo", 0),
                (
                    "layout verify root.layout --key stranger.pub --links links --parameter name=foo",
                    1,
                ),
                // It asks for programs to be run, and nobody asked us to.
                ("layout show inspected.layout", 0),
                ("layout verify inspected.layout --key owner.pub --links links", 2),
            ],
        ),
    ];
    // By the register: nothing of it is asked over a connection to oneself either.
    if cfg!(feature = "server") {
        sessions.push((
            "model",
            &[
                "key generate",
                "model sign model --key .assay/keys/local.pem",
                "attest --key local --type https://example.com/review/v1 --predicate review.json \
                 --subject model/model.bin",
                "log submit model.sig",
                "log prove 1 --output 1.tlog-proof",
                "log entry 1 --leaf leaf.json",
            ],
            &[
                ("verify model/model.bin", 0),
                ("verify review.json", 1),
                ("lineage model/model.bin", 0),
                ("verify leaf.json --proof 1.tlog-proof", 0),
                ("verify review.json --proof 1.tlog-proof", 1),
            ],
        ));
        sessions.push((
            "policy-tools",
            &[
                "key generate",
                "attest --type https://example.com/review/v1 --predicate review.json --subject \
                 model.bin",
            ],
            &[
                ("check model.bin --stage staging --policy policy.yaml", 0),
                ("check model.bin --stage staging --policy next.yaml", 1),
                ("why model.bin --stage staging --policy policy.yaml --next 30d", 0),
            ],
        ));
    }
    for (name, before, cases) in sessions {
        let folder = session(name);
        for line in before {
            prepared(folder.path(), line);
        }
        for (line, want) in cases {
            watched(line, folder.path(), &split(line), *want);
        }
    }
}

/// When the models of the tests below were signed: long enough ago for the machine's clock.
const SIGNED: &str = "2025-06-15T12:00:00Z";
/// Who signed them.
const ADDRESS: &str = "modeller@corp.example";

/// A model that somebody signed without a key, checked with nothing but the instance's root.
#[test]
fn checking_a_keyless_model_starts_no_process_and_opens_no_connection() {
    if !is_watched() {
        return;
    }
    let folder = session("model");
    let model = folder.path().join("model");
    let serialization = Serialization::new(Method::Files, HashAlgorithm::Sha256);
    let scan = Scan::of(&model, &serialization, None, &|_| false).unwrap();
    let hashed = scan.hash(&serialization, &|_| true, None, &Silent).unwrap();
    let manifest = Manifest::new(&hashed, serialization).unwrap();
    let payload = oms::payload("model", &manifest).unwrap();
    let form = Form::ALL.into_iter().find(|form| form.name == "rekor2-dsse-happy-path").unwrap();
    let signed: Timestamp = SIGNED.parse().unwrap();
    let Made { bundle, trusted_root, identity, issuer, .. } =
        form.make_of(payload, signed).unwrap();
    fs::write(folder.path().join("model.sig"), bundle.to_string()).unwrap();
    fs::write(folder.path().join("root.json"), trusted_root.to_string()).unwrap();
    let add = "trust --trust trust.yaml add";
    prepared(folder.path(), &format!("{add} --sigstore root.json --name own"));
    prepared(
        folder.path(),
        &format!(
            "{add} --signer modeller --instance own --owner team --issuer {issuer} --subject \
             {identity} --predicate https://model_signing/signature/v1.0 --artifact *"
        ),
    );
    let by = |identity: &str| {
        format!(
            "model verify model --trusted-root root.json --certificate-identity {identity} \
             --certificate-oidc-issuer {issuer}"
        )
    };
    let cases = [
        (by(identity), 0),
        (by(&identity[1..]), 1),
        ("model verify model --trust trust.yaml".into(), 0),
        ("model verify other --signature model.sig --trust trust.yaml".into(), 1),
    ];
    for (line, want) in cases {
        watched(&line, folder.path(), &split(&line), want);
    }
}

/// A model that somebody signed with a certificate: under an authority that is named, which is
/// judged by now, and under one of the trust file, which is judged by its clock.
#[test]
fn checking_a_certified_model_starts_no_process_and_opens_no_connection() {
    if !is_watched() {
        return;
    }
    let folder = session("model");
    let file = |name: &str| folder.path().join(name);
    prepared(folder.path(), "key generate");
    let public = fs::read_to_string(file(".assay/keys/local.pub")).unwrap();
    let public = PublicKey::from_pem(&public).unwrap();
    let root = CertificateAuthority::root("corporate").unwrap();
    let between = root.intermediate("issuing", &[]).unwrap();
    let moment = |text: &str| -> Timestamp { text.parse().unwrap() };
    let (from, until) = (moment("2025-01-01T00:00:00Z"), moment("2039-12-31T00:00:00Z"));
    let clocks = CertificateAuthority::root("clocks").unwrap();
    let clock: TimestampClock = clocks.clock("clock", from, until).unwrap();
    let certified = |until| {
        let recipe = CertificateRecipe {
            subject: "modeller".into(),
            from,
            until,
            extensions: vec![
                extensions::digital_signature(),
                extensions::usage(3),
                extensions::names(&[(1, ADDRESS)]),
            ],
        };
        between.issue(&public, &recipe).unwrap()
    };
    let pems = [
        ("ca.pem", to_pem(&[root.certificate()])),
        ("other.pem", to_pem(&[clocks.certificate()])),
        ("between.pem", to_pem(&[between.certificate()])),
        ("clock.pem", to_pem(&[clock.certificate(), clocks.certificate()])),
        ("lasting.pem", to_pem(&[&certified(until)])),
        ("expired.pem", to_pem(&[&certified(moment("2025-07-01T00:00:00Z"))])),
    ];
    for (name, pem) in &pems {
        fs::write(file(name), pem).unwrap();
    }
    for name in ["lasting", "expired"] {
        let line = format!(
            "model sign model --key .assay/keys/local.pem --certificate {name}.pem --chain \
             between.pem --signature {name}.sig"
        );
        prepared(folder.path(), &line);
        let mut bundle =
            oms::Bundle::parse(&fs::read(file(&format!("{name}.sig"))).unwrap()).unwrap();
        let signature = &bundle.envelope.signatures.first().unwrap().sig;
        bundle.timestamps = vec![clock.stamp(signature, moment(SIGNED)).unwrap()];
        fs::write(file(&format!("{name}.stamped.sig")), bundle.to_json()).unwrap();
    }
    let add = "trust --trust trust.yaml add";
    prepared(folder.path(), &format!("{add} --timestamp-authority clock.pem --name clock"));
    prepared(folder.path(), &format!("{add} --authority ca.pem --name corporate --clock clock"));
    prepared(
        folder.path(),
        &format!(
            "{add} --signer modeller --certified-by corporate --owner team --san-email {ADDRESS} \
             --predicate https://model_signing/signature/v1.0 --artifact *"
        ),
    );
    let cases = [
        ("--signature lasting.sig --root ca.pem --identity modeller@corp.example", 0),
        ("--signature lasting.sig --root ca.pem --identity modeller@corp.exampl", 1),
        ("--signature lasting.sig --root other.pem", 1),
        ("--signature expired.sig --root ca.pem", 1),
        ("--signature expired.stamped.sig --trust trust.yaml", 0),
        ("--signature expired.sig --trust trust.yaml", 1),
    ];
    for (words, want) in cases {
        let line = format!("model verify model {words}");
        watched(&line, folder.path(), &split(&line), want);
    }
}
