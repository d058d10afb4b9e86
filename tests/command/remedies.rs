//! A denial names what would mend it, and that does.

use super::*;

/// The findings of a check, with their rules, codes and remedies.
fn findings(folder: &Path, stage: &str) -> Vec<serde_json::Value> {
    let output = assay(folder, &format!("check model.bin --stage {stage} --json"));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

fn remedy(folder: &Path, stage: &str, code: &str) -> String {
    let found = findings(folder, stage);
    let finding = found.iter().find(|one| one["code"] == code);
    assert!(finding.is_some(), "no {code} among {found:?}");
    let finding = finding.unwrap();
    let argv = finding["remedy"]["argv"].as_array().unwrap();
    let words: Vec<&str> = argv.iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[0], "assay");
    words[1..].join(" ")
}

#[test]
fn what_a_denial_names_turns_it_into_a_pass() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    trained(folder);
    let evaluate = remedy(folder, "staging", "step.missing");
    let rest = "--quiet --material model=model.bin --material holdout-dataset=holdout.csv --metrics metrics.json --product metrics.json -- cp measured.json metrics.json";
    expect(&assay(folder, &format!("{evaluate} {rest}")), 0, "");
    assert!(findings(folder, "staging").is_empty(), "{:?}", findings(folder, "staging"));

    let promote = remedy(folder, "production", "stage.not-passed");
    expect(&assay(folder, &promote), 0, "");
    assert!(findings(folder, "production").is_empty(), "{:?}", findings(folder, "production"));

    // Sound as it stands, and told when it will not be.
    let lint = "policy lint policy.yaml --artifact model.bin --stage production";
    let said = expect(&assay(folder, lint), 0, "sound");
    assert!(said.contains("not tried") && said.contains("part of every policy"), "{said}");
    let said = expect(&assay(folder, "why model.bin --stage production --next 91d"), 0, "");
    assert!(said.contains("ages.train: pass to fail"), "{said}");
    let said = expect(&assay(folder, "why model.bin --stage production --next 89d"), 0, "");
    assert!(said.contains("time alone changes nothing until"), "{said}");
    // Nobody can break what is broken.
    let broken =
        fs::read_to_string(folder.join("policy.yaml")).unwrap().replace("\"0.95\"", "\"2\"");
    fs::write(folder.join("broken.yaml"), broken).unwrap();
    let lint = "policy lint broken.yaml --artifact model.bin --stage staging";
    expect(&assay(folder, lint), 2, "does not pass");
    let vacuous = fs::read_to_string(folder.join("policy.yaml"))
        .unwrap()
        .replace("train: 90d", "train: 36500d");
    fs::write(folder.join("vacuous.yaml"), vacuous).unwrap();
    let lint = "policy lint vacuous.yaml --artifact model.bin --stage staging --json";
    expect(&assay(folder, lint), 1, "ages.train");
}

/// A folder with a model that was prepared and trained, and the policy that judges it.
fn trained(folder: &Path) {
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/judge.in");
    for entry in fs::read_dir(given).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    for (from, to) in [("part-1.csv", "train.csv"), ("part-2.csv", "holdout.csv")] {
        fs::copy(folder.join(from), folder.join(to)).unwrap();
    }
    for words in [
        "run --quiet --kind data-preparation --step prepare --material raw.csv --product train.csv --product holdout.csv -- touch train.csv holdout.csv",
        "run --quiet --kind training --step train --material train.csv --product model.bin -- cp train.csv model.bin",
    ] {
        expect(&assay(folder, words), 0, "");
    }
    fs::copy(folder.join("policy.yaml"), folder.join(".assay/policy.yaml")).unwrap();
}

/// A folder with a model that was prepared, trained and measured, and a policy by which it may run.
fn line(folder: &Path) {
    trained(folder);
    let measure = "run --quiet --kind evaluation --step evaluate --material model=model.bin --material holdout-dataset=holdout.csv --metrics metrics.json --product metrics.json -- cp measured.json metrics.json";
    expect(&assay(folder, measure), 0, "");
}

/// Adds a section to the policy of the register.
fn also(folder: &Path, section: &str) {
    let path = folder.join(".assay/policy.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}{section}\n")).unwrap();
}

/// Runs a command as it is named, whatever its words have in them.
fn named(folder: &Path, argv: &serde_json::Value) -> Output {
    let argv: Vec<&str> =
        argv.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(argv[0], "assay");
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(&argv[1..]).arg("--quiet").current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

fn of_code<'a>(findings: &'a [serde_json::Value], code: &str) -> &'a serde_json::Value {
    let found = findings.iter().find(|one| one["code"] == code);
    assert!(found.is_some(), "no {code} among {findings:?}");
    &found.unwrap()["remedy"]
}

#[test]
fn a_statement_that_a_denial_names_is_filled_in_and_signed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    line(folder);
    expect(&assay(folder, "check model.bin --stage staging"), 0, "allowed");
    also(folder, "monitoring: {signers: [local], maxAge: 24h, drift: {psi: {atMost: \"0.2\"}}}");
    let said = expect(&assay(folder, "check model.bin --stage staging"), 1, "monitoring.missing");
    let command = "assay attest --statement monitoring.monitoring.missing.json --key local";
    assert!(said.contains(&format!("to satisfy it: {command}")), "{said}");
    assert!(said.contains("--stage staging --skeletons ."), "{said}");

    let why = "why model.bin --stage staging --skeletons todo";
    let said = expect(&assay(folder, why), 1, "");
    assert!(said.contains("--statement todo/monitoring.monitoring.missing.json"), "{said}");
    let output = assay(folder, &format!("{why} --json"));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let remedy = of_code(report["report"]["findings"].as_array().unwrap(), "monitoring.missing");

    // What nobody has filled in is not signed, and the finding stays.
    let refused = named(folder, &remedy["argv"]);
    expect(&refused, 2, "nothing was signed");
    assert_eq!(findings(folder, "staging").len(), 1);

    let path = folder.join(remedy["skeleton"]["file"].as_str().unwrap());
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for placeholder in remedy["skeleton"]["placeholders"].as_array().unwrap() {
        let place = text.pointer_mut(placeholder["at"].as_str().unwrap()).unwrap();
        assert!(place.as_str().unwrap().starts_with("<fill in: "), "{place}");
        *place = placeholder["suffices"].clone();
    }
    fs::write(&path, text.to_string()).unwrap();
    // What somebody has filled in is not written over.
    expect(&assay(folder, why), 1, "");
    expect(&named(folder, &remedy["argv"]), 0, "");
    assert!(findings(folder, "staging").is_empty(), "{:?}", findings(folder, "staging"));
}

#[test]
fn an_approval_that_a_denial_names_is_given_as_it_says() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    line(folder);
    also(folder, "approvals: {signers: {anyOf: [local]}, maxAge: 30d}");
    let found = findings(folder, "staging");
    let remedy = of_code(&found, "approval.missing");
    expect(&named(folder, &remedy["argv"]), 0, "");
    assert!(findings(folder, "staging").is_empty(), "{:?}", findings(folder, "staging"));
    // It is for the stage that was asked about, and no other.
    expect(&assay(folder, "promote model.bin --stage staging --quiet"), 0, "");
    of_code(&findings(folder, "production"), "approval.missing");
}

/// What stands in a line of an answer after `words`.
fn after(said: &str, words: &str) -> String {
    let line = said.lines().find_map(|line| line.trim_start().strip_prefix(words));
    assert!(line.is_some(), "no `{words}` in {said}");
    line.unwrap().to_owned()
}

#[test]
fn every_kind_of_step_runs_by_the_line_that_a_denial_shows() {
    const CHECK: &str = "check model.bin --stage staging --policy policy.yaml";
    let kinds = ["data-preparation", "training", "fine-tuning", "evaluation", "build", "packaging"];
    for kind in kinds {
        let temporary = super::folder();
        let folder = temporary.path();
        for file in ["raw.csv", "holdout.csv"] {
            fs::write(folder.join(file), file).unwrap();
        }
        let numbers = r#"{"sampleSize": 50, "metrics": {"accuracy": 0.97}}"#;
        fs::write(folder.join("measured.json"), numbers).unwrap();
        let of = match kind {
            "evaluation" => "predicates: [evaluation/v0.1]".to_owned(),
            kind => format!("predicates: ['https://slsa.dev/provenance/v1'], kind: {kind}"),
        };
        let policy = format!(
            "apiVersion: assay/v1\nkind: PromotionPolicy\nmetadata: {{name: one, version: 1}}\n\
             stages: {{staging: {{mode: enforce}}}}\n\
             steps: {{made: {{{of}, signers: {{anyOf: [local]}}}}}}\n"
        );
        fs::write(folder.join("policy.yaml"), policy).unwrap();
        let said = expect(&assay(folder, CHECK), 1, "step.missing");
        let line = after(&said, "to satisfy it: assay ");
        assert!(line.starts_with(&format!("run --step made --kind {kind}")), "{line}");
        // Each blank is filled in, and nothing else is added.
        let (line, command) = line.rsplit_once('…').unwrap();
        assert!(command.is_empty(), "{line}");
        let command =
            if kind == "evaluation" { "cp measured.json metrics.json" } else { "touch model.bin" };
        let mut line = format!("{line}{command}");
        for (blank, filled) in [
            ("--metrics …", "--metrics metrics.json"),
            ("model=…", "model=model.bin"),
            ("holdout-dataset=…", "holdout-dataset=holdout.csv"),
            ("--material …", "--material raw.csv"),
            ("--product …", "--product model.bin"),
        ] {
            line = line.replace(blank, filled);
        }
        assert!(!line.contains('…'), "{line}");
        expect(&assay(folder, &line), 0, "");
        expect(&assay(folder, CHECK), 0, "allowed");
    }
}

#[test]
fn an_exception_is_had_by_the_two_commands_that_a_denial_names_and_not_by_the_first() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    line(folder);
    expect(&assay(folder, "key generate ben"), 0, "");
    let trust = "trust add ben --name ben --owner ben --predicate waiver --artifact *";
    expect(&assay(folder, trust), 0, "trusting");
    let path = folder.join(".assay/policy.yaml");
    let stricter = fs::read_to_string(&path).unwrap().replace("\"0.95\"", "\"0.99\"");
    fs::write(&path, stricter).unwrap();
    also(folder, "waivers: {maxLife: 30d, approvers: [ben, cat]}");
    let said = expect(&assay(folder, "check model.bin --stage staging"), 1, "metric.threshold");
    let approval = after(&said, "and by somebody else: ");
    let want =
        "assay attest cosign '<fill in: the entry of the waiver>' --key ben, by one of ben, cat";
    assert_eq!(approval, want);

    let remedy = of_code(&findings(folder, "staging"), "metric.threshold").clone();
    assert_eq!(remedy["approvers"], serde_json::json!(["ben", "cat"]));
    let filled = |argv: &serde_json::Value, text: &str| {
        let words = argv.as_array().unwrap().iter();
        let fill = |word: &serde_json::Value| match word.as_str().unwrap() {
            blank if blank.starts_with("<fill in: ") => text.into(),
            _ => word.clone(),
        };
        serde_json::Value::Array(words.map(fill).collect())
    };
    let said = expect(&named(folder, &filled(&remedy["waiver"], "better data")), 0, "entry 3");
    assert!(said.contains("waiver"), "{said}");
    expect(&assay(folder, "check model.bin --stage staging"), 1, "waiver not accepted");
    expect(&named(folder, &filled(&remedy["approval"], "3")), 0, "signed with ben");
    expect(&assay(folder, "check model.bin --stage staging"), 0, "allowed");
}
