//! Rules in Rego in a policy document: where their texts may stand, what covers them, and what is
//! no rule.

#![cfg(feature = "rego")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says how long it took"
)]

use attest::Sha256;
use policy::{Files, MAX_REGO_RULES, Policy, PolicyError, Problem};
use proptest::prelude::*;

const TEXT: &str = "package assay
deny contains {\"msg\": \"no\", \"code\": \"no\", \"subject\": input.artifact} if count(input.chain.train) > 1
";

fn document(lines: &str) -> String {
    format!(
        "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: models, version: 1}}
stages: {{production: {{mode: enforce}}}}
steps: {{train: {{predicates: ['https://slsa.dev/provenance/v1'], signers: {{anyOf: [a]}}}}}}
rego:
{lines}
"
    )
}

fn in_file(digest: &str) -> String {
    document(&format!("  - {{id: R-1, file: rules/r1.rego, sha256: \"{digest}\"}}"))
}

fn files(text: &str) -> Files {
    [("rules/r1.rego".to_owned(), text.as_bytes().to_vec())].into()
}

fn inline(text: &str) -> String {
    let text = text.replace('\n', "\n      ");
    document(&format!("  - id: R-1\n    text: |\n      {text}"))
}

fn refused(text: &str, files: &Files) -> PolicyError {
    match Policy::parse_with(text, files) {
        Ok(_) => panic!("read: {text}"),
        Err(error) => error,
    }
}

#[test]
fn a_registered_policy_is_read_with_the_files_that_were_registered_with_it() {
    let digest = Sha256::of(TEXT.as_bytes());
    let text = in_file(&digest.hex());
    let beside = Policy::parse_with(&text, &files(TEXT)).unwrap();
    let registered = Policy::parse_registered(&text, |of| (*of == digest).then_some(TEXT)).unwrap();
    assert_eq!((registered.digest(), registered.files()), (beside.digest(), beside.files()));
    // The smallest changes: it is not there; it is there with one letter more.
    let error = Policy::parse_registered(&text, |_| None).unwrap_err();
    let name = "rules/r1.rego".to_owned();
    assert_eq!(error.problem(), &Problem::FileNotRegistered { name: name.clone(), digest });
    assert!(error.to_string().contains("`assay policy publish`"), "{error}");
    let longer = format!("{TEXT}\n");
    let error = Policy::parse_registered(&text, |_| Some(&longer)).unwrap_err();
    let found = Sha256::of(longer.as_bytes());
    assert_eq!(error.problem(), &Problem::FileDigest { name, found });
}

#[test]
fn a_rule_stands_in_the_document_or_in_a_file_that_its_digest_covers() {
    let digest = Sha256::of(TEXT.as_bytes());
    for written in [digest.to_string(), digest.hex()] {
        let text = in_file(&written);
        assert_eq!(Policy::files_of(&text).unwrap(), ["rules/r1.rego"]);
        let mut given = files(TEXT);
        given.insert("rules/other.rego".into(), b"not named".to_vec());
        let policy = Policy::parse_with(&text, &given).unwrap();
        assert_eq!(policy.digest(), Sha256::of(text.as_bytes()));
        assert_eq!(*policy.files(), files(TEXT));
        assert!(policy.rules().any(|(rule, _)| rule == "rego.R-1"));
    }
    let text = inline(TEXT);
    assert_eq!(Policy::files_of(&text).unwrap(), Vec::<String>::new());
    assert!(Policy::parse(&text).unwrap().files().is_empty());

    // The least change of the file, and the file under another name.
    let text = in_file(&digest.to_string());
    let changed = TEXT.replace("> 1", "> 2");
    let error = refused(&text, &files(&changed));
    let found = Sha256::of(changed.as_bytes());
    let name = "rules/r1.rego".to_owned();
    assert_eq!(*error.problem(), Problem::FileDigest { name: name.clone(), found });
    assert_eq!(error.place().map(|place| place.line), Some(7));
    let elsewhere = [("r1.rego".to_owned(), TEXT.as_bytes().to_vec())].into();
    assert_eq!(*refused(&text, &elsewhere).problem(), Problem::FileMissing(name));
}

#[test]
fn what_is_refused_and_where() {
    let digest = Sha256::of(TEXT.as_bytes());
    let quoted = "'package assay\n\n    deny contains {\"msg\": \"a\", \"code\": \"a\", \"subject\": input.artifact} if input.stage == \"a\"'";
    let line = |fields: &str| document(&format!("  - {{{fields}}}"));
    let cases = [
        (
            "unknown key",
            line(&format!("id: R-1, texts: {quoted}")),
            "unknown key `texts`; did you mean `text`?",
        ),
        ("no name", line(&format!("text: {quoted}")), "the key `id` is missing"),
        ("a name with a space", line(&format!("id: 'R 1', text: {quoted}")), "an `id` is letters"),
        ("nothing to run", line("id: R-1"), "the key `text` is missing"),
        (
            "both",
            line(&format!("id: R-1, file: a.rego, sha256: '{digest}', text: {quoted}")),
            "not both",
        ),
        (
            "a file without digest",
            line("id: R-1, file: rules/r1.rego"),
            "the key `sha256` is missing",
        ),
        (
            "a digest without file",
            line(&format!("id: R-1, sha256: '{digest}', text: {quoted}")),
            "`sha256` is that of a `file`",
        ),
        ("a short digest", line("id: R-1, file: rules/r1.rego, sha256: '00'"), "sha256"),
        ("a file above", line(&format!("id: R-1, file: ../r1.rego, sha256: '{digest}'")), "`..`"),
        (
            "a file from the root",
            line(&format!("id: R-1, file: /r1.rego, sha256: '{digest}'")),
            "/r1.rego",
        ),
        (
            "a time that is none",
            line(&format!("id: R-1, effectiveOn: tomorrow, text: {quoted}")),
            "tomorrow",
        ),
        (
            "an end before the beginning",
            line(&format!(
                "id: R-1, effectiveOn: 2027-01-01T00:00:00Z, effectiveUntil: 2027-01-01T00:00:00Z, text: {quoted}"
            )),
            "never ask anything",
        ),
        (
            "twice",
            document(&format!("  - {{id: R-1, text: {quoted}}}\n  - {{id: R-1, text: {quoted}}}")),
            "`R-1` stands twice",
        ),
        ("another package", inline(&TEXT.replace("assay", "main")), "write `package assay`"),
        (
            "not Rego",
            inline("package assay\ndeny contains"),
            "not a rule in Rego: line 3, column 1",
        ),
        (
            "a step that is not there",
            inline(&TEXT.replace("train", "trian")),
            "no `input.chain.trian`; did you mean `train`? known are `train`",
        ),
    ];
    for (name, text, want) in cases {
        let error = refused(&text, &files(TEXT));
        assert!(error.to_string().contains(want), "{name}: {error}");
        assert!(error.place().is_some_and(|place| place.line >= 6), "{name}: {error:?}");
    }
    let binary = [("rules/r1.rego".to_owned(), vec![0xff])].into();
    let text = in_file(&Sha256::of(&[0xff]).to_string());
    assert!(refused(&text, &binary).to_string().contains("utf-8"));
}

#[test]
fn there_are_no_more_rules_than_a_decision_can_run() {
    let many = |count: usize| {
        let line = |at| {
            format!(
                "  - {{id: R-{at}, file: rules/r1.rego, sha256: \"{}\"}}\n",
                Sha256::of(TEXT.as_bytes())
            )
        };
        document(&(0..count).map(line).collect::<String>())
    };
    let begun = std::time::Instant::now();
    let policy = Policy::parse_with(&many(MAX_REGO_RULES), &files(TEXT)).unwrap();
    println!("{MAX_REGO_RULES} rules read in {:?}", begun.elapsed());
    assert_eq!(policy.files().len(), 1);
    let error = refused(&many(MAX_REGO_RULES + 1), &files(TEXT));
    assert!(error.to_string().contains("more than 100 rules in Rego"), "{error}");
}

/// What the fuzzer of rules starts from: one of everything that the language has.
fn seeds() -> Vec<String> {
    let subject = "\"subject\": input.artifact";
    vec![
        TEXT.into(),
        format!(
            "package assay\nimport rego.v1\ndefault limit := 3\ndeny contains {{\"msg\": msg, \"code\": \"a\", {subject}}} if {{\n some i, s in input.statements\n i > limit\n not known(s)\n msg := sprintf(\"%d of %v\", [i, s.body])\n}}\nknown(s) if s.step in {{\"train\"}}\nelse := false\n"
        ),
        format!(
            "package assay\ndeny contains {{\"msg\": \"a\", \"code\": \"a\", {subject}}} if {{\n every s in input.statements {{ s.index - 1 >= 0 }}\n x := [y | some y in numbers.range(1, 9); y % 2 == 0]\n z := {{k: v | some k, v in input.chain}}\n count(x) + count(z) > 1.5e1\n regex.match(`^[a-z]+$`, input.stage)\n}}\n"
        ),
    ]
}

#[test]
fn every_seed_is_read() {
    for seed in seeds() {
        let text = in_file(&Sha256::of(seed.as_bytes()).to_string());
        Policy::parse_with(&text, &files(&seed)).unwrap();
    }
}

/// Not a test of its own: `make fuzz` has it write the seeds, into the folder `ASSAY_CORPUS`.
#[test]
#[ignore = "started by `make fuzz`"]
fn write_seeds() {
    let corpus = std::path::PathBuf::from(std::env::var_os("ASSAY_CORPUS").unwrap()).join("rego");
    std::fs::create_dir_all(&corpus).unwrap();
    for (number, seed) in seeds().iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Damage of the smallest kind: a cut, a change of one byte, a piece said again.
    #[test]
    fn damaged_rules_are_read_or_refused(
        seed in 0_usize..3,
        cut in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = seeds()[seed].clone().into_bytes();
        let (cut, other) = (cut.index(bytes.len()), other.index(bytes.len()));
        match byte % 3 {
            0 => bytes.truncate(cut),
            1 => bytes[cut] = byte,
            _ => {
                let piece = bytes[cut.min(other)..cut.max(other)].to_vec();
                bytes.splice(cut..cut, piece);
            }
        }
        let text = in_file(&Sha256::of(&bytes).to_string());
        let given = [("rules/r1.rego".to_owned(), bytes)].into();
        if let Err(error) = Policy::parse_with(&text, &given) {
            prop_assert!(error.place().is_some());
            prop_assert!(!error.to_string().contains("did not finish"), "{error}");
        }
    }
}
