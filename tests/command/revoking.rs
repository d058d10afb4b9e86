//! What would fall with a revocation, and what nobody can say.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{assay, expect};

const POLICY: &str = "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: revoking, version: 1}
stages:
  staging: {mode: enforce}
steps:
  train: {predicates: ['https://slsa.dev/provenance/v1'], kind: training, signers: {anyOf: [local]}}
";

/// A folder with a model that was trained from `raw.csv` and promoted by a policy that is not the
/// folder's.
fn promoted() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("raw.csv"), "1\n2\n").unwrap();
    fs::write(here.join("policy.yaml"), POLICY).unwrap();
    let train = "run --quiet --kind training --step train --material raw.csv --product model.bin -- \
                 cp raw.csv model.bin";
    expect(&assay(here, train), 0, "");
    // The model is not the data, byte by byte.
    fs::write(here.join("raw.csv"), "1\n2\n").unwrap();
    expect(&assay(here, "promote model.bin --stage staging --policy policy.yaml"), 0, "promoted");
    folder
}

fn json(folder: &Path, words: &str) -> Value {
    serde_json::from_str(&expect(&assay(folder, words), 0, "assay/radius/v1")).unwrap()
}

#[test]
fn promotions_that_nobody_can_judge_are_not_said_to_stay() {
    const REVOKE: &str = "revoke --subject model.bin --reason BAD --descendants --dry-run";
    let folder = promoted();
    let here = folder.path();
    let bent = POLICY.replace("staging:", "production:");
    fs::write(here.join("bent.yaml"), bent).unwrap();
    fs::write(here.join("broken.yaml"), "kind: [").unwrap();
    // What lies in the folder, what is named, and what is said.
    let cases = [
        (
            "nothing",
            None,
            "",
            Err("1 promotion could not be judged: no policy; give `--policy FILE`"),
        ),
        ("the one by which it passed", None, " --policy policy.yaml", Ok(())),
        ("another without the stage", None, " --policy bent.yaml", Err("has no such stage")),
        ("the folder's", Some("policy.yaml"), "", Ok(())),
        ("the folder's, broken", Some("broken.yaml"), "", Err("cannot use policy")),
        (
            "the folder's, broken, and one named",
            Some("broken.yaml"),
            " --policy policy.yaml",
            Ok(()),
        ),
    ];
    for (case, own, named, judged) in cases {
        let place = here.join(".assay/policy.yaml");
        match own {
            Some(own) => drop(fs::copy(here.join(own), &place).unwrap()),
            None => drop(fs::remove_file(&place)),
        }
        let words = format!("{REVOKE}{named}");
        let said = expect(&assay(here, &words), 0, "revoking model.bin");
        let found = json(here, &format!("{words} --json"));
        let count = |list: &str| found[list].as_array().unwrap().len();
        assert_eq!(
            (count("flips"), count("unjudged")),
            if judged.is_ok() { (1, 0) } else { (0, 1) }
        );
        let want = judged.err().unwrap_or("1 of 1 promotion would be decided otherwise");
        assert!(said.contains(want), "{case}: {said}");
        assert_eq!(said.contains("would be decided otherwise"), judged.is_ok(), "{case}: {said}");
    }
    // A policy that was named is not passed over.
    expect(&assay(here, &format!("{REVOKE} --policy broken.yaml")), 2, "cannot use policy");
}
