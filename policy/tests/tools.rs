//! Tools that look at policies: a first one from good evidence, and cases whose outcome is known.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::path::Path;

use attest::Timestamp;
use attest::predicate::{OPENVEX, VULNERABILITIES};
use fixtures::{Recipe, Scene};
use policy::{Case, Code, Policy, Verdict};
use serde_json::{Value, json};
use support::{Door, decide, lineage};
use verify::{Change, Supposed, Trust};

const NOW: &str = "2026-11-20T12:00:00Z";

/// The honest line of the attacks.
fn good() -> Scene {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks");
    let cases = fixtures::load(&root).unwrap();
    let case = cases.iter().find(|case| case.name.starts_with("08-too-old")).unwrap();
    let good = case.rows.iter().find(|row| {
        row.registered.as_ref().is_some_and(|want| want.verdict == fixtures::Verdict::Allowed)
    });
    good.unwrap().scene(NOW.parse().unwrap()).unwrap()
}

/// The bundles of a case are all there is, and nothing is decided by it.
#[test]
fn a_case_is_judged_by_what_stands_in_it() {
    let scene = good();
    let decision = decide(&scene, Door::Presented).unwrap();
    let codes: Vec<Code> = decision.findings().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::LogIncomplete]);

    let lineage = lineage(&scene, Door::Presented).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let case = |at: &str, verdict: &str| {
        let (stage, artifact) = (&scene.stage, scene.artifact);
        let expect = format!("expect: {{verdict: {verdict}}}");
        let text = format!("at: {at}\nstage: {stage}\nartifact: {artifact}\n{expect}\n");
        Case::parse("case", &text).unwrap()
    };
    let rows = [
        (NOW, "allowed", Verdict::Allowed, "", true),
        (NOW, "denied", Verdict::Allowed, "", false),
        ("2027-11-20T12:00:00Z", "allowed", Verdict::Denied, "age.exceeded", false),
        (
            "2027-11-20T12:00:00Z",
            "{verdict: denied, codes: [age.exceeded]}",
            Verdict::Denied,
            "age.exceeded",
            true,
        ),
        (
            "2027-11-20T12:00:00Z",
            "{verdict: denied, codes: [age.future]}",
            Verdict::Denied,
            "age.exceeded",
            false,
        ),
    ];
    for (at, expected, verdict, code, met) in rows {
        let case = match expected.strip_prefix("{verdict: ") {
            Some(rest) => case(at, rest.trim_end_matches('}')),
            None => case(at, expected),
        };
        let found = policy.rehearse(&case, &lineage);
        assert_eq!(found.verdict(), verdict, "{at} {expected}: {:?}", found.findings());
        let codes: Vec<&str> = found.codes().into_iter().map(Code::as_str).collect();
        assert_eq!(codes.join(" "), code, "{at} {expected}");
        assert_eq!(case.expected.is_met(found.verdict(), &found.codes()), met, "{at} {expected}");
    }
}

#[test]
fn what_is_no_case_is_refused_with_its_place() {
    let good = format!(
        "at: {NOW}\nstage: production\nartifact: sha256:{}\nexpect: {{verdict: denied, codes: [age.exceeded]}}\n",
        "0f".repeat(32)
    );
    assert!(Case::parse("case", &good).is_ok());
    let rows = [
        (
            "age.exceeded",
            "age.exceded",
            "there is no code `age.exceded`; did you mean `age.exceeded`?",
        ),
        ("denied", "no", "`no` is not a verdict; known are `allowed`, `denied`"),
        ("denied", "allowed", "what is allowed has no findings, and so no codes"),
        ("expect", "expects", "unknown key `expects`; did you mean `expect`?"),
        ("artifact: sha256:", "artifact: sha256:z", "line 3"),
        ("stage: ", "stage: A", "line 2"),
        ("2026-11-20T12:00:00Z", "today", "line 1 column 5"),
    ];
    for (from, to, want) in rows {
        let error = Case::parse("case", &good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(want), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_first_policy_passes_what_it_was_written_from_and_nothing_less() {
    let now: Timestamp = NOW.parse().unwrap();
    let scene = good();
    let lineage = lineage(&scene, Door::Registered).unwrap();
    let stages = ["staging".parse().unwrap(), "production".parse().unwrap()];
    let text = Policy::starter("first", &stages, &lineage, now);
    let policy = Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let decision = policy.evaluate(&scene.artifact, &stages[0], &lineage, now);
    assert!(decision.passed(), "{:#?}\n{text}", decision.findings());
    for section in ["flow:", "metrics:", "holdout:", "ages:", "notSameAs: train"] {
        assert!(text.contains(section), "{section} is not in\n{text}");
    }
    // The later stage was not promoted to yet.
    assert!(!policy.evaluate(&scene.artifact, &stages[1], &lineage, now).passed());

    let (trust, whole) = (Trust::parse(&scene.trust).unwrap(), Supposed::of(&lineage));
    assert!(lineage.attestations().len() >= 4);
    assert!(policy.simulate(&scene.artifact, &stages[0], &whole, now).would_pass());
    for one in lineage.attestations() {
        let without = whole.with(&Change::Remove { body: one.body() }, &trust).unwrap();
        let found = policy.simulate(&scene.artifact, &stages[0], &without, now);
        assert!(
            !found.would_pass(),
            "passes without {:?} of {:?}\n{text}",
            one.predicate_type,
            one.step
        );
    }
}

/// The honest line with what says what things were: the format of the model, the licences of its
/// data and of what is in the image.
fn described() -> Value {
    let mut line: Value = serde_saphyr::from_str(include_str!("cases/line.yaml")).unwrap();
    line["keys"]["packager"]["predicates"] = json!(["provenance", "bom"]);
    line["keys"]["data"] = json!({"predicates": ["provenance", "bom"], "artifacts": ["data/*"]});
    line["evidence"][1]["set"] =
        json!({"/subject/0/annotations/detectedFormats": ["safetensors", "json"]});
    let licensed = |id: &str| json!([{"license": {"id": id}}]);
    let mut bill = |id: &str, sign: &str, about: &str, bom: Value| {
        line["evidence"].as_array_mut().unwrap().push(json!({
            "id": id, "sign": sign, "says": "bom", "about": about, "set": {"/predicate": bom},
        }));
    };
    let component = json!({"name": "train", "licenses": licensed("CC-BY-4.0")});
    bill(
        "data-bill",
        "data",
        "data/train.csv",
        json!({"bomFormat": "CycloneDX", "metadata": {"component": component}}),
    );
    let choice = json!([{"expression": "MIT OR AGPL-3.0-only"}]);
    let numpy = json!({"name": "numpy", "version": "2", "licenses": licensed("BSD-3-Clause")});
    bill(
        "image-bill",
        "packager",
        "image is oci-manifest:image",
        json!({"bomFormat": "CycloneDX", "components": [numpy, {"name": "other", "licenses": choice}]}),
    );
    line
}

fn scene_of(line: &Value) -> Scene {
    let recipe: Recipe = serde_json::from_value(line.clone()).unwrap();
    let policy = serde_saphyr::from_str(include_str!("cases/policy.yaml")).unwrap();
    Scene::new(&recipe, &policy, NOW.parse().unwrap()).unwrap()
}

#[test]
fn a_first_policy_asks_for_what_things_were_and_a_change_of_each_fails() {
    let now: Timestamp = NOW.parse().unwrap();
    let (stage, good) = ("production".parse().unwrap(), described());
    let found = lineage(&scene_of(&good), Door::Registered).unwrap();
    let text = Policy::starter("first", &[stage], &found, now);
    let wanted = [
        "weights: {of: [train], formats: {allow: [safetensors]}, detected: required}",
        "licences: {allow: [CC-BY-4.0], signers: [\"data\"]}",
        "pinned: all",
        "licences: {allow: [BSD-3-Clause, MIT], signers: [\"packager\"]}",
    ];
    for want in wanted {
        assert!(text.contains(want), "`{want}` is not in\n{text}");
    }
    let policy = Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    type Edit = fn(&mut Value);
    const FORMATS: &str = "/subject/0/annotations/detectedFormats";
    const UNPINNED: &str = "/predicate/buildDefinition/resolvedDependencies/1";
    let cases: [(&str, Edit, &[&str]); 9] = [
        ("as it was", |_| {}, &[]),
        (
            "another format",
            |line| line["evidence"][1]["set"][FORMATS] = json!(["pickle"]),
            &["model.format"],
        ),
        (
            "nobody looked",
            |line| drop(line["evidence"][1].as_object_mut().unwrap().remove("set")),
            &["model.format"],
        ),
        (
            "data under another licence",
            |line| {
                line["evidence"][4]["set"]["/predicate"]["metadata"]["component"]["licenses"] =
                    json!([{"license": {"id": "CC-BY-NC-4.0"}}]);
            },
            &["dataset.licence"],
        ),
        (
            "data under none that anybody says",
            |line| drop(line["evidence"].as_array_mut().unwrap().remove(4)),
            &["dataset.licence"],
        ),
        (
            "a component under another licence",
            |line| {
                line["evidence"][5]["set"]["/predicate"]["components"][0]["licenses"] =
                    json!([{"license": {"id": "AGPL-3.0-only"}}]);
            },
            &["licence.denied"],
        ),
        (
            "a component under none",
            |line| {
                line["evidence"][5]["set"]["/predicate"]["components"][0]["licenses"] = json!([]);
            },
            &["licence.denied"],
        ),
        (
            "no bill of the image",
            |line| drop(line["evidence"].as_array_mut().unwrap().remove(5)),
            &["licence.unlisted", "step.signer"],
        ),
        (
            "a dependency without a digest",
            |line| line["evidence"][3]["set"] = json!({UNPINNED: {"uri": "pkg:pypi/numpy"}}),
            &["dependency.unpinned"],
        ),
    ];
    for (name, edit, want) in cases {
        let mut line = good.clone();
        edit(&mut line);
        let scene = scene_of(&line);
        let lineage = lineage(&scene, Door::Registered).unwrap();
        let decision = policy.evaluate(&scene.artifact, &scene.stage, &lineage, now);
        let mut codes: Vec<&str> =
            decision.findings().iter().map(|finding| finding.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, want, "{name}: {:#?}\n{text}", decision.findings());
        // What is another on purpose passes a policy that is written from it.
        let own = Policy::starter("own", std::slice::from_ref(&scene.stage), &lineage, now);
        let own = Policy::parse(&own).unwrap_or_else(|error| panic!("{name}: {error}\n{own}"));
        let decision = own.evaluate(&scene.artifact, &scene.stage, &lineage, now);
        assert!(decision.passed(), "{name}: {:#?}", decision.findings());
    }
}

/// The honest line with a scan of the image that finds something too bad, of which somebody says that it
/// does no harm.
fn scanned() -> Value {
    let mut line: Value = serde_saphyr::from_str(include_str!("cases/line.yaml")).unwrap();
    line["keys"]["scanner"] = json!({"predicates": [VULNERABILITIES], "artifacts": ["image"]});
    line["keys"]["triage"] = json!({"predicates": [OPENVEX], "artifacts": ["image"]});
    let found =
        |id: &str, score: &str| json!({"id": id, "severity": [{"method": "nvd", "score": score}]});
    let scan = json!({
        "scanner": {
            "uri": "https://scanner.example",
            "db": {"lastUpdate": "${time -10d}"},
            "result": [found("CVE-1", "5.0"), found("CVE-2", "9.8")],
        },
        "metadata": {"scanStartedOn": "${time -1h}", "scanFinishedOn": "${time -1h}"},
    });
    let harmless = json!({"statements": [{"vulnerability": "CVE-2", "status": "not_affected"}]});
    let says = [("scan", "scanner", VULNERABILITIES, scan), ("word", "triage", OPENVEX, harmless)];
    for (id, sign, says, predicate) in says {
        line["evidence"].as_array_mut().unwrap().push(json!({
            "id": id, "sign": sign, "says": says, "about": "image is oci-manifest:image",
            "set": {"/predicate": predicate},
        }));
    }
    line
}

#[test]
fn a_first_policy_lets_a_scan_find_nothing_worse() {
    let now: Timestamp = NOW.parse().unwrap();
    let (stage, good) = ("production".parse().unwrap(), scanned());
    let written = |line: &Value| {
        let found = lineage(&scene_of(line), Door::Registered).unwrap();
        Policy::starter("first", std::slice::from_ref(&stage), &found, now)
    };
    let text = written(&good);
    let want = "vulnerabilities: {maxSeverity: medium, signers: [\"scanner\"], scanMaxAge: 7d, \
                databaseMaxAge: 40d, vex: {signers: [\"triage\"]}}";
    assert!(text.contains(want), "{text}");
    let policy = Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    const SCAN: usize = 4;
    const WORD: usize = 5;
    type Edit = fn(&mut Value);
    // With what the policy says of vulnerabilities that is written from the changed line.
    let cases: [(&str, Edit, i64, &[&str], &str); 8] = [
        ("as it was", |_| {}, 0, &[], want),
        (
            "no scan",
            |line| drop(line["evidence"].as_array_mut().unwrap().remove(SCAN)),
            0,
            &["step.missing", "vulnerability.unscanned"],
            "",
        ),
        (
            "one finding worse",
            |line| scan_of(line)["scanner"]["result"][0]["severity"][0]["score"] = json!("7.0"),
            0,
            &["vulnerability.severity"],
            "maxSeverity: high,",
        ),
        (
            "one that nobody has scored",
            |line| {
                drop(
                    scan_of(line)["scanner"]["result"][0]
                        .as_object_mut()
                        .unwrap()
                        .remove("severity"),
                )
            },
            0,
            &["vulnerability.severity"],
            "no rule on vulnerabilities yet: the last scan finds",
        ),
        (
            "nobody says that it does no harm",
            |line| drop(line["evidence"].as_array_mut().unwrap().remove(WORD)),
            0,
            &["step.missing", "vulnerability.severity"],
            "no rule on vulnerabilities yet: the last scan finds",
        ),
        (
            "a scan that cannot be read",
            |line| drop(scan_of(line)["scanner"].as_object_mut().unwrap().remove("result")),
            0,
            &["vulnerability.unreadable"],
            "no rule on vulnerabilities yet: a scan",
        ),
        ("a week later", |_| {}, 7, &["vulnerability.age"], ""),
        (
            "nothing found",
            |line| scan_of(line)["scanner"]["result"] = json!([]),
            0,
            &[],
            "maxSeverity: none, signers: [\"scanner\"], scanMaxAge: 7d, databaseMaxAge: 40d}",
        ),
    ];
    for (name, edit, days, want, own) in cases {
        let mut line = good.clone();
        edit(&mut line);
        let scene = scene_of(&line);
        let lineage = lineage(&scene, Door::Registered).unwrap();
        let then = now.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap();
        let decision = policy.evaluate(&scene.artifact, &scene.stage, &lineage, then);
        let mut codes: Vec<&str> =
            decision.findings().iter().map(|finding| finding.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, want, "{name}: {:#?}\n{text}", decision.findings());
        let text = written(&line);
        assert!(text.contains(own), "{name}: no `{own}` in\n{text}");
        let own = Policy::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let decision = own.evaluate(&scene.artifact, &scene.stage, &lineage, now);
        assert!(decision.passed(), "{name}: {:#?}", decision.findings());
    }
}

fn scan_of(line: &mut Value) -> &mut Value {
    line.pointer_mut("/evidence/4/set/~1predicate").unwrap()
}
