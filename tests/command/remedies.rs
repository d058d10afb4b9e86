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
