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

/// Adds a key to the folder, which the trust file lets sign statements of these types.
fn key(folder: &Path, name: &str, predicate: Option<&str>) {
    expect(&assay(folder, &format!("key generate {name}")), 0, "");
    if let Some(predicate) = predicate {
        let may = format!("--owner {name} --predicate {predicate} --step * --artifact *");
        expect(&assay(folder, &format!("trust add {name} --name {name} {may}")), 0, "trusting");
    }
}

#[test]
fn a_revocation_that_nobody_would_believe_is_refused() {
    const REVOKE: &str = "revoke --subject model.bin --reason BAD --descendants --key";
    let folder = promoted();
    let here = folder.path();
    let check = "check model.bin --stage staging --policy policy.yaml";
    key(here, "ann", Some("approval"));
    key(here, "sec", Some("revocation"));
    key(here, "lost", Some("revocation"));
    key(here, "stranger", None);
    let lose =
        "revoke --revoked-key .assay/keys/lost.pub --from-entry 0 --reason LOST --key local --yes";
    expect(&assay(here, lose), 0, "registered as entry 2");

    let cases = [
        ("ann", "the trust document does not let `ann` sign revocations"),
        ("lost", "`lost` is revoked by entry 2, and what it says afterwards is void"),
        ("stranger", "the trust document does not name the key sha256:"),
    ];
    for (name, why) in cases {
        let dry = format!("{REVOKE} {name} --dry-run --policy policy.yaml");
        let said = expect(&assay(here, &dry), 0, &format!("nobody would believe it: {why}"));
        assert!(said.contains("what follows holds once somebody has signed it who may"), "{said}");
        let found = json(here, &format!("{dry} --json"))["unheard"].clone();
        assert!(found.as_str().unwrap().starts_with(why), "{found}");
        let said = expect(&assay(here, &format!("{REVOKE} {name} --yes")), 2, why);
        assert!(said.contains("nothing was revoked"), "{said}");
        // As it says: whoever insists is not believed.
        let force = format!("{REVOKE} {name} --yes --force");
        let said = expect(&assay(here, &force), 0, &format!("nobody would believe it: {why}"));
        assert!(said.contains("registered as entry"), "{said}");
        expect(&assay(here, check), 0, "allowed");
    }
    // The smallest change: a key that may.
    let said = expect(&assay(here, &format!("{REVOKE} sec --dry-run --policy policy.yaml")), 0, "");
    assert!(!said.contains("nobody would believe it"), "{said}");
    assert!(said.contains("denied at staging"), "{said}");
    let said = expect(&assay(here, &format!("{REVOKE} sec --yes")), 0, "registered as entry");
    assert!(!said.contains("nobody would believe it"), "{said}");
    expect(&assay(here, check), 1, "revoked.artifact");
}

#[test]
fn what_the_register_has_no_entry_of_was_mistyped_perhaps() {
    let folder = promoted();
    let here = folder.path();
    key(here, "idle", None);
    let listed = expect(&assay(here, "find --type provenance --json"), 0, "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let body = listed["entries"][0]["body"].as_str().unwrap();
    let builder = "https://assay.example/builder/local/v1";
    let zeros = format!("sha256:{}", "0".repeat(64));
    // What is meant, and what is typed instead.
    let cases = [
        ("builder", format!("--builder {builder}"), format!("--builder {builder}2")),
        ("attestation", format!("--attestation {body}"), format!("--attestation {zeros}")),
        (
            "key",
            "--revoked-key .assay/keys/local.pub".into(),
            "--revoked-key .assay/keys/idle.pub".into(),
        ),
        ("artifact", "--subject model.bin".into(), "--subject policy.yaml".into()),
    ];
    for (kind, meant, typed) in cases {
        let doubt = format!("no entry of the register is of this {kind}");
        let revoke =
            |what: &str| format!("revoke {what} --reason BAD --descendants --from-entry 0");
        let revoke = |what: &str| match kind {
            "artifact" | "attestation" => revoke(what).replace(" --from-entry 0", ""),
            _ => revoke(what),
        };
        let dry = |what: &str| format!("{} --dry-run --policy policy.yaml", revoke(what));
        let said = expect(&assay(here, &dry(&meant)), 0, "1 of 1 promotion would be decided");
        assert!(!said.contains(&doubt), "{said}");
        assert_eq!(json(here, &format!("{} --json", dry(&meant)))["known"], true, "{kind}");
        let said = expect(&assay(here, &dry(&typed)), 0, &doubt);
        assert!(said.contains("0 of 1 promotion would be decided otherwise"), "{said}");
        assert_eq!(json(here, &format!("{} --json", dry(&typed)))["known"], false, "{kind}");
        // Who does not want to see it before is told while it is done.
        expect(&assay(here, &format!("{} --yes --key local", revoke(&typed))), 0, &doubt);
    }
}

#[test]
fn a_key_is_revoked_by_its_name_its_identity_or_its_public_half() {
    let folder = promoted();
    let here = folder.path();
    let listed = expect(&assay(here, "trust list --json"), 0, "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["keys"][0]["id"].as_str().unwrap();
    fs::rename(here.join(".assay/keys/local.pub"), here.join("local.pub")).unwrap();
    // A name of the trust file needs no file.
    for name in ["local", id, "local.pub"] {
        let words = format!("revoke --revoked-key {name} --reason LOST --dry-run --json");
        assert_eq!(json(here, &words)["subjects"][0]["artifact"], format!("file:{id}"), "{name}");
    }
    let said = expect(&assay(here, "revoke --revoked-key local --reason LOST --dry-run"), 0, "");
    assert!(said.starts_with("revoking local "), "{said}");
    let unknown = "revoke --revoked-key nobody --reason LOST --dry-run";
    expect(&assay(here, unknown), 2, "no key `nobody`: neither in the trust file");
}
