//! Trying a policy by cases, and replaying by another what was decided.

use std::fs;
use std::path::Path;

use attest::Timestamp;
use attest::envelope::IN_TOTO;
use attest::predicate::VERIFICATION_SUMMARY;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::authority::{
    CertificateAuthority, CertificateRecipe, TimestampClock, extensions, fresh_key, to_pem,
};
use serde_json::{Value, json};
use verify::{Custody, May, NameKind, NameRule, Pattern, Trust, Usage, Window};

use crate::{assay, command, expect};

const POLICY: &str = "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: replayed, version: 1}
stages:
  staging: {mode: enforce}
  production: {mode: enforce, after: [staging]}
steps:
  train: {predicates: ['https://slsa.dev/provenance/v1'], kind: training, signers: {anyOf: [local]}}
";

/// A folder with a trained model that was promoted to both stages, and the bundle of its training.
pub(super) fn promoted() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("train.csv"), "1\n2\n").unwrap();
    let train = "run --quiet --kind training --step train --material train.csv --product model.bin \
                 --output evidence/train.json -- cp train.csv model.bin";
    fs::create_dir(here.join("evidence")).unwrap();
    expect(&assay(here, train), 0, "");
    fs::write(here.join(".assay/policy.yaml"), POLICY).unwrap();
    expect(&assay(here, "promote model.bin --stage staging"), 0, "promoted");
    expect(&assay(here, "promote model.bin --stage production"), 0, "promoted");
    folder
}

fn simulate(folder: &Path, words: &str, status: i32) -> Value {
    let found = command(folder, &format!("policy simulate --json {words}")).output().unwrap();
    assert_eq!(found.status.code(), Some(status), "{found:?}");
    serde_json::from_slice(&found.stdout).unwrap()
}

#[test]
fn what_was_decided_comes_out_again_whatever_is_registered_since() {
    let folder = promoted();
    let here = folder.path();
    expect(&assay(here, "policy simulate --against 1d"), 0, "2 come out as they were registered");

    // Under another version, and at a time when it is too old.
    let next = POLICY.replace("version: 1", "version: 2") + "ages: {train: 1s}\n";
    fs::write(here.join("next.yaml"), &next).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let found = simulate(here, "--against 1d --policy next.yaml --at 1d", 1);
    assert_eq!((&found["replayed"], &found["reproduced"]), (&2.into(), &2.into()), "{found:#}");
    for (flip, stage) in [(0, "staging"), (1, "production")] {
        let flip = &found["flips"][flip];
        assert_eq!(
            (&flip["stage"], &flip["wouldBe"]),
            (&stage.into(), &"denied".into()),
            "{found:#}"
        );
        assert_eq!(flip["codes"], serde_json::json!(["age.exceeded"]), "{found:#}");
    }
    let looser = POLICY.replace("version: 1", "version: 3") + "ages: {train: 90d}\n";
    fs::write(here.join("looser.yaml"), looser).unwrap();
    let found = simulate(here, "--against 1d --policy looser.yaml", 0);
    assert_eq!(found["flips"], serde_json::json!([]), "{found:#}");

    // A revocation counts today, and did not count then.
    fs::write(
        here.join("revocation.json"),
        r#"{"kind": "artifact", "reason": "bad", "effect": "only"}"#,
    )
    .unwrap();
    let revoke = "attest --quiet --type revocation --predicate revocation.json --subject model.bin";
    expect(&assay(here, revoke), 0, "");
    expect(&assay(here, "check model.bin --stage staging"), 1, "revoked.artifact");
    let found = simulate(here, "--against 1d", 0);
    assert_eq!(found["reproduced"], 2, "{found:#}");
    let found = simulate(here, "--against 1d --at 1m", 1);
    assert_eq!(found["flips"][0]["codes"], serde_json::json!(["revoked.artifact"]), "{found:#}");

    // Without the policy nothing can be replayed, and nothing is claimed.
    fs::write(here.join(".assay/policy.yaml"), next).unwrap();
    let found = simulate(here, "--against 1d", 1);
    assert_eq!((&found["reproduced"], &found["flips"]), (&0.into(), &serde_json::json!([])));
    let why = found["notReproduced"][0]["why"].as_str().unwrap();
    assert!(why.contains("is neither registered nor that of the folder"), "{why}");
    // Its file does as well.
    fs::write(here.join("was.yaml"), POLICY).unwrap();
    let found = simulate(here, "--against 1d --was was.yaml", 0);
    assert_eq!(
        (&found["reproduced"], &found["notReproduced"]),
        (&2.into(), &serde_json::json!([]))
    );
    expect(&assay(here, "policy simulate --against 2030-01-01"), 2, "no verdict was registered");
}

/// A service on the folder, and where it is.
pub(super) fn serve(folder: &Path) -> (std::process::Child, String) {
    let mut service = command(folder, "serve --listen 127.0.0.1:0 --key local")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = service.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("says where").to_owned();
    (service, url)
}

/// Somebody on the way to the service at `url`, who asks it for `to` where `from` was asked for.
pub(super) fn on_the_way(url: &str, from: &str, to: &str) -> String {
    use std::io::{Read as _, Write as _};
    let (from, to) = (format!("GET {from} "), format!("GET {to} "));
    let there = url.strip_prefix("http://").unwrap().to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            let request = String::from_utf8(request).unwrap();
            let Some((head, _)) = request.split_once("\r\n\r\n") else { continue };
            let head = head.replacen(&from, &to, 1);
            let mut service = std::net::TcpStream::connect(&there).unwrap();
            write!(service, "{head}\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            service.read_to_end(&mut answer).unwrap();
            let _ = stream.write_all(&answer);
        }
    });
    here
}

#[test]
fn a_register_behind_a_service_is_read_to_its_end_and_replayed() {
    let folder = promoted();
    let here = folder.path();
    // Others are answered by it: it is not one person's alone.
    let trust = fs::read_to_string(here.join(".assay/trust.yaml")).unwrap();
    fs::write(here.join(".assay/trust.yaml"), trust.replace("local: true\n", "")).unwrap();
    let (mut service, url) = serve(here);
    let other = tempfile::tempdir().unwrap();
    let there = other.path();
    fs::create_dir(there.join(".assay")).unwrap();
    for name in ["trust.yaml", "policy.yaml"] {
        fs::copy(here.join(".assay").join(name), there.join(".assay").join(name)).unwrap();
    }
    fs::copy(here.join("model.bin"), there.join("model.bin")).unwrap();
    let replay = |url: &str, status: i32| {
        let words = format!("--server {url} policy simulate --against 1d --json");
        let found = command(there, &words).output().unwrap();
        assert_eq!(found.status.code(), Some(status), "{found:?}");
        found
    };
    let found: Value = serde_json::from_slice(&replay(&url, 0).stdout).unwrap();
    assert_eq!((&found["replayed"], &found["reproduced"]), (&2.into(), &2.into()), "{found:#}");
    let next = POLICY.replace("version: 1", "version: 2").replace("[local]", "[nobody]");
    fs::write(there.join("next.yaml"), next).unwrap();
    let words = format!("--server {url} policy simulate --against 1d --policy next.yaml --json");
    let found = expect(&assay(there, &words), 1, "step.signer");
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["reproduced"], 2, "{found}");

    // What would fall is found in all entries of the service, too.
    let revoke = format!("--server {url} revoke --subject model.bin --reason bad --dry-run --json");
    let radius = assay(there, &revoke);
    expect(&radius, 0, "assay/radius/v1");
    let radius: Value = serde_json::from_slice(&radius.stdout).unwrap();
    assert_eq!(radius["followed"], true, "{radius:#}");
    assert_eq!(radius["flips"].as_array().map(Vec::len), Some(2), "{radius:#}");

    // One entry in the place of another: nothing is replayed, and nothing said.
    let same = on_the_way(&url, "/v1/entries/1", "/v1/entries/1");
    replay(&same, 0);
    let bent = on_the_way(&url, "/v1/entries/1", "/v1/entries/0");
    let said = replay(&bent, 2);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("cannot follow the register"), "{said}");
    expect(&assay(there, &revoke.replace(&url, &bent)), 2, "cannot follow the register");
    service.kill().unwrap();
    service.wait().unwrap();
}

#[test]
fn cases_are_tried_and_what_differs_is_said() {
    let folder = promoted();
    let here = folder.path();
    fs::copy(here.join(".assay/trust.yaml"), here.join("evidence/trust.yaml")).unwrap();
    let digest = attest::Sha256::of(&fs::read(here.join("model.bin")).unwrap());
    let case = |name: &str, at: &str, expect: &str| {
        format!(
            "  - {{name: {name}, evidence: evidence, at: {at}, stage: staging, artifact: '{digest}', \
             expect: {expect}}}\n"
        )
    };
    let now = "2199-01-01T00:00:00Z";
    let good = case("good", now, "{verdict: allowed}");
    let future = case("future", "2020-01-01T00:00:00Z", "{verdict: denied, codes: [age.future]}");
    let write = |tests: &[&String]| {
        let tests: String = tests.iter().map(|one| one.as_str()).collect();
        fs::write(here.join("policy.yaml"), format!("{POLICY}tests:\n{tests}")).unwrap();
    };
    write(&[&good, &future]);
    expect(&assay(here, "policy test policy.yaml"), 0, "2 of 2 cases");

    let wrong = case("wrong", now, "{verdict: denied, codes: [step.missing]}");
    write(&[&good, &wrong]);
    let said = expect(&assay(here, "policy test policy.yaml"), 1, "1 of 2 cases");
    assert!(
        said.contains("allowed, not denied") && said.contains("not found: step.missing"),
        "{said}"
    );
    let tap = expect(&assay(here, "policy test policy.yaml --format tap"), 1, "not ok 2 - wrong");
    assert!(tap.starts_with("TAP version 13\n1..2\nok 1 - good\n"), "{tap}");
    expect(&assay(here, "policy test policy.yaml --format junit"), 1, "tests=\"2\" failures=\"1\"");

    // In folders of their own; none at all is no answer.
    fs::write(here.join("policy.yaml"), POLICY).unwrap();
    expect(&assay(here, "policy test policy.yaml"), 2, "has no cases");
    fs::create_dir_all(here.join("cases/late")).unwrap();
    for file in ["train.json", "trust.yaml"] {
        fs::copy(here.join("evidence").join(file), here.join("cases/late").join(file)).unwrap();
    }
    let lone =
        format!("at: {now}\nstage: staging\nartifact: '{digest}'\nexpect: {{verdict: allowed}}\n");
    fs::write(here.join("cases/late/case.yaml"), &lone).unwrap();
    expect(&assay(here, "policy test policy.yaml --cases cases"), 0, "1 of 1 cases");
    fs::remove_file(here.join("cases/late/train.json")).unwrap();
    expect(&assay(here, "policy test policy.yaml --cases cases"), 2, "holds no bundle");

    // One that cannot be tried does not keep the others from it, and is no pass.
    for (name, text) in [("broken", "at: never\n"), ("early", lone.as_str())] {
        fs::create_dir_all(here.join("cases").join(name)).unwrap();
        fs::write(here.join("cases").join(name).join("case.yaml"), text).unwrap();
    }
    for file in ["train.json", "trust.yaml"] {
        fs::copy(here.join("evidence").join(file), here.join("cases/early").join(file)).unwrap();
    }
    let lost = good.replace("evidence: evidence", "evidence: nowhere").replace("good", "lost");
    write(&[&lost, &good]);
    let words = "policy test policy.yaml --cases cases";
    let said = expect(&assay(here, words), 2, "2 of 5 cases come out as they should");
    assert!(said.contains("; 3 could not be tried"), "{said}");
    let tap = expect(&assay(here, &format!("{words} --format tap")), 2, "1..5");
    for line in ["not ok 1 - lost", "ok 2 - good", "not ok 3 - broken", "ok 4 - early"] {
        assert!(tap.lines().any(|one| one == line), "{line}: {tap}");
    }
    assert!(tap.contains("# not tried: cannot read"), "{tap}");
    let junit = expect(&assay(here, &format!("{words} --format junit")), 2, "errors=\"3\"");
    assert!(junit.contains("failures=\"0\"") && junit.contains("<error message"), "{junit}");
    let json = command(here, &format!("{words} --json")).output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["cases"][1]["verdict"], "allowed", "{json:#}");
    assert_eq!((&json["cases"][0]["passed"], &json["passed"]), (&false.into(), &false.into()));
    assert!(json["cases"][0]["untried"].as_str().unwrap().contains("nowhere"), "{json:#}");
    // A denial beside it is still no answer about the one that was not tried.
    write(&[&lost, &wrong]);
    expect(&assay(here, "policy test policy.yaml"), 2, "0 of 2 cases");
}

/// Somebody whom an authority certifies for each signature anew, and a clock that says when.
struct Gate {
    authority: CertificateAuthority,
    clocks: CertificateAuthority,
    clock: TimestampClock,
}

const GATE: &str = "spiffe://corp.example/gate";

impl Gate {
    fn new() -> Self {
        let (from, until) = ("2021-01-01T00:00:00Z", "2039-01-01T00:00:00Z");
        let clocks = CertificateAuthority::root("clocks").unwrap();
        let clock = clocks.clock("clock", from.parse().unwrap(), until.parse().unwrap()).unwrap();
        Self { authority: CertificateAuthority::root("corporate").unwrap(), clocks, clock }
    }

    /// Lets the gate verify by the trust file.
    fn trusted(&self, path: &Path) {
        let mut trust = Trust::parse(&fs::read_to_string(path).unwrap()).unwrap();
        let clock = to_pem(&[self.clock.certificate(), self.clocks.certificate()]);
        trust.add_clock("clock", &clock, Window::default()).unwrap();
        let roots = to_pem(&[self.authority.certificate()]);
        trust.add_authority("corporate", &roots, None, Usage::CodeSigning, &["clock"]).unwrap();
        let rule = NameRule::new(NameKind::Uri, Pattern::exact(GATE).unwrap()).unwrap();
        let may = May::of(&[], &[VERIFICATION_SUMMARY], &["*"], &["*"]).unwrap();
        let (window, custody) = (Window::default(), Custody::Separate);
        trust
            .add_certified_signer("gate", "corporate", &rule, "release", &may, window, custody)
            .unwrap();
        trust.add_verifier("https://gate.example", "gate").unwrap();
        fs::write(path, trust.to_yaml()).unwrap();
    }

    /// A bundle with this statement, signed and stamped at `now`, with a certificate by `authority`.
    fn sign(&self, authority: &CertificateAuthority, statement: &Value, now: Timestamp) -> Value {
        // Certificates know no fractions of a second.
        let now = Timestamp::from_second(now.as_second()).unwrap();
        let hour = jiff::SignedDuration::from_hours(1);
        let recipe = CertificateRecipe {
            subject: "gate".into(),
            from: now.checked_sub(hour).unwrap(),
            until: now.checked_add(hour).unwrap(),
            extensions: vec![
                extensions::digital_signature(),
                extensions::usage(3),
                extensions::names(&[(6, GATE)]),
            ],
        };
        let key = fresh_key().unwrap();
        let certificate = authority.issue(key.public(), &recipe).unwrap();
        let payload = statement.to_string().into_bytes();
        let envelope = attest::Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
        let stamp = self.clock.stamp(&envelope.signatures[0].sig, now).unwrap();
        let stamps = json!([{"signedTimestamp": STANDARD.encode(stamp)}]);
        json!({
            "mediaType": attest::bundle::MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(certificate)},
                "tlogEntries": [],
                "timestampVerificationData": {"rfc3161Timestamps": stamps},
            },
            "dsseEnvelope": serde_json::from_slice::<Value>(&envelope.to_json()).unwrap(),
        })
    }
}

#[test]
fn verdicts_by_verifiers_without_a_key_are_replayed_and_what_is_left_out_is_said() {
    let folder = promoted();
    let here = folder.path();
    let answer = assay(here, "promote model.bin --stage staging --json");
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let payload = answer["entry"]["bundle"]["dsseEnvelope"]["payload"].as_str().unwrap();
    let mut verdict: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
    verdict["predicate"]["verifier"]["id"] = "https://gate.example".into();
    let now: Timestamp = verdict["predicate"]["timeVerified"].as_str().unwrap().parse().unwrap();

    let (gate, stranger) = (Gate::new(), CertificateAuthority::root("corporate").unwrap());
    gate.trusted(&here.join(".assay/trust.yaml"));
    let submit = |bundle: &Value| {
        fs::write(here.join("gate.json"), bundle.to_string()).unwrap();
        expect(&assay(here, "log submit gate.json"), 0, "registered as");
    };
    let counts = |found: &Value| (found["replayed"].clone(), found["reproduced"].clone());
    let found = simulate(here, "--against 1d", 0);
    assert_eq!(counts(&found), (3.into(), 3.into()), "{found:#}");

    submit(&gate.sign(&gate.authority, &verdict, now));
    let found = simulate(here, "--against 1d", 0);
    assert_eq!(counts(&found), (4.into(), 4.into()), "{found:#}");
    assert_eq!(found["leftOut"], json!({}), "{found:#}");

    // By somebody with a certificate of the same name by another authority; and without a time.
    submit(&gate.sign(&stranger, &verdict, now));
    verdict["predicate"].as_object_mut().unwrap().remove("timeVerified");
    submit(&gate.sign(&gate.authority, &verdict, now));
    let found = simulate(here, "--against 1d", 0);
    assert_eq!(counts(&found), (4.into(), 4.into()), "{found:#}");
    assert_eq!(found["leftOut"], json!({"stranger": 1, "unclear": 1}), "{found:#}");
    assert_eq!(found["unread"], 2, "{found:#}");
    let said = expect(&assay(here, "policy simulate --against 1d"), 0, "4 verdicts");
    assert!(said.contains("1 verdict was left out: by nobody whom"), "{said}");
    assert!(said.contains("1 verdict was left out: without a time"), "{said}");

    // What the gate said is another's under another policy, as every verdict is.
    let next = POLICY.replace("version: 1", "version: 2").replace("[local]", "[nobody]");
    fs::write(here.join("next.yaml"), next).unwrap();
    let found = simulate(here, "--against 1d --policy next.yaml", 1);
    assert_eq!(found["flips"].as_array().map(Vec::len), Some(4), "{found:#}");
}
