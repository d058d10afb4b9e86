//! Policy documents: what is read, and where and why everything else is refused.

use policy::{MAX_ENTRIES, Mode, Policy, PolicyError, Problem};

const GOOD: &str = r#"apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: models, version: 3}
stages:
  staging: {mode: warn}
  production: {mode: enforce, after: [staging]}
steps:
  prepare: {predicates: ["https://slsa.dev/provenance/v1"], kind: data-preparation, signers: {anyOf: [data]}}
  train: {predicates: ["https://slsa.dev/provenance/v1"], kind: training, signers: {anyOf: [trainer, second], threshold: 2}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [evaluator], notSameAs: train}, log: optional}
flow:
  - {from: prepare.products, select: data/train.csv, to: train.materials, coverage: all}
  - {from: train.products, to: evaluate.subject, coverage: any}
  - {forbid: {from: prepare.products, select: data/holdout.csv, to: train.materials}, strength: declared-files}
ml:
  metrics:
    - {step: evaluate, name: accuracy, dataset: {name: holdout, digest: "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"}, atLeast: "0.95", minSamples: 100, slices: {atLeast: "0.9", gapAtMost: "0.1"}}
  holdout:
    - {name: holdout, digest: "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", notIn: train.materials}
ages: {train: 90d}
completeness: claimed
"#;

fn changed(from: &str, to: &str) -> Result<Policy, PolicyError> {
    assert!(GOOD.contains(from), "{from}");
    Policy::parse(&GOOD.replacen(from, to, 1))
}

#[test]
fn a_good_document_says_who_it_is() {
    let policy = Policy::parse(GOOD).unwrap();
    assert_eq!((policy.name(), policy.version()), ("models", 3));
    assert_eq!(policy.uri(), "https://assay.example/policy/models/v3");
    assert_eq!(policy.digest(), attest::Sha256::of(GOOD.as_bytes()));
    let stages: Vec<(&str, Mode)> =
        policy.stages().map(|(name, mode)| (name.as_str(), mode)).collect();
    assert_eq!(stages, [("staging", Mode::Warn), ("production", Mode::Enforce)]);
    assert_eq!(policy.mode(&"production".parse().unwrap()), Some(Mode::Enforce));
    assert_eq!(policy.mode(&"canary".parse().unwrap()), None);
    let named = changed("version: 3", "version: 3, uri: \"https://x.example/p\"").unwrap();
    assert_eq!(named.uri(), "https://x.example/p");
}

/// Each row changes one thing of the good document; the error stands at the changed place.
#[test]
fn what_is_refused_and_where() {
    let cases: &[(&str, &str, &str, &str)] = &[
        // Keys.
        (
            "unknown key",
            "kind: training, signers",
            "kinds: training, signers",
            "unknown key `kinds`; did you mean `kind`?",
        ),
        (
            "unknown key of signers",
            "anyOf: [data]",
            "any_of: [data]",
            "unknown key `any_of`; did you mean `anyOf`?",
        ),
        ("unknown key at the top", "ages: {", "age: {", "unknown key `age`; did you mean `ages`?"),
        (
            "unlike any key",
            "ages: {",
            "xylophones: {",
            "unknown key `xylophones`; known are `apiVersion`, `kind`, `metadata`",
        ),
        (
            "unlike any key of trust",
            "completeness: claimed",
            "completeness: claimed\ntrust: {keys: {a: b}}",
            "unknown key `keys`; known are `signers`, `verifiers`",
        ),
        ("missing key", "{mode: warn}", "{}", "the key `mode` is missing"),
        ("missing coverage", ", coverage: any", "", "the key `coverage` is missing"),
        ("missing strength", ", strength: declared-files", "", "the key `strength` is missing"),
        (
            "repeated key",
            "ages: {train: 90d}",
            "ages: {train: 90d}\nages: {train: 91d}",
            "the key `ages` stands twice",
        ),
        ("repeated step", "  evaluate: {pred", "  train: {pred", "the key `train` stands twice"),
        // Words and values.
        (
            "version of the format",
            "assay/v1",
            "assay/v2",
            "`assay/v2` is not an API version; known are `assay/v1`",
        ),
        (
            "kind of document",
            "PromotionPolicy",
            "Policy",
            "`Policy` is not a kind of document; known are `PromotionPolicy`",
        ),
        (
            "mode",
            "mode: warn",
            "mode: block",
            "`block` is not a mode; known are `audit`, `warn`, `enforce`",
        ),
        ("coverage", "coverage: any", "coverage: some", "`some` is not a coverage"),
        ("log", "log: optional", "log: never", "`never` is not a log rule"),
        (
            "completeness",
            "completeness: claimed",
            "completeness: full",
            "`full` is not a completeness",
        ),
        ("kind of step", "kind: training", "kind: learning", "unknown kind of step `learning`"),
        ("version zero", "version: 3", "version: 0", "versions count from 1"),
        ("version as text", "version: 3", "version: three", "line 3"),
        ("name", "name: models", "name: Models of ours", "line 3"),
        (
            "short predicate",
            "evaluation/v0.1",
            "evaluations/v0.1",
            "did you mean `evaluation/v0.1`?",
        ),
        (
            "predicate URI",
            "[\"https://slsa.dev/provenance/v1\"], kind: training",
            "[\"https://slsa.dev/*\"], kind: training",
            "is not an absolute URI",
        ),
        (
            "no build types",
            "kind: training, signers",
            "buildTypes: [], signers",
            "`buildTypes` is empty",
        ),
        (
            "build types and a kind",
            "kind: training, signers",
            "kind: training, buildTypes: [\"https://ci.example/build\"], signers",
            "no build type of others has a `kind`",
        ),
        (
            "a build type of our own",
            "kind: training, signers",
            "buildTypes: [\"https://assay.example/build-type/training/v1\"], signers",
            "is asked for by `kind`",
        ),
        (
            "build types of what is not built",
            "evaluate: {predicates: [evaluation/v0.1], signers",
            "evaluate: {predicates: [evaluation/v0.1], buildTypes: [x], signers",
            "read from SLSA provenance only",
        ),
        ("threshold zero", "threshold: 2", "threshold: 0", "a threshold is at least 1"),
        ("digest", "digest: \"sha256:0f", "digest: \"sha256:0F", "line 17"),
        ("decimal", "atLeast: \"0.95\"", "atLeast: \"95%\"", "`95%` is not a decimal number"),
        ("NaN", "atLeast: \"0.95\"", "atLeast: NaN", "is not a decimal number"),
        ("samples", "minSamples: 100", "minSamples: 0", "`minSamples` is at least 1"),
        ("gap", "gapAtMost: \"0.1\"", "gapAtMost: \"-0.1\"", "a gap is not negative"),
        ("age", "train: 90d", "train: 3 months", "`3 months` is not an age"),
        (
            "port",
            "train.materials, coverage: all",
            "train.inputs, coverage: all",
            "`inputs` is not a port",
        ),
        ("end without a port", "to: evaluate.subject", "to: evaluate", "is not a step and a port"),
        // Names of what is not there.
        (
            "stage",
            "after: [staging]",
            "after: [stagin]",
            "there is no stage `stagin`; did you mean `staging`?",
        ),
        (
            "step of a flow",
            "from: train.products",
            "from: training.products",
            "there is no step `training`",
        ),
        (
            "step of a metric",
            "step: evaluate",
            "step: evaluation",
            "there is no step `evaluation`; did you mean `evaluate`?",
        ),
        (
            "step of notSameAs",
            "notSameAs: train",
            "notSameAs: trainer",
            "there is no step `trainer`; did you mean `train`?",
        ),
        ("step of an age", "ages: {train", "ages: {training", "there is no step `training`"),
        // Rules that could never hold, or never fail.
        (
            "no stages",
            "stages:\n  staging: {mode: warn}\n  production: {mode: enforce, after: [staging]}",
            "stages: {}",
            "`stages` is empty",
        ),
        ("no stage before", "after: [staging]", "after: []", "`after` is empty"),
        (
            "no predicates",
            "predicates: [evaluation/v0.1]",
            "predicates: []",
            "`predicates` is empty",
        ),
        ("no signers", "anyOf: [data]", "anyOf: []", "`anyOf` is empty"),
        ("no slices", "{atLeast: \"0.9\", gapAtMost: \"0.1\"}", "{}", "`slices` is empty"),
        (
            "stage before itself",
            "staging: {mode: warn}",
            "staging: {mode: warn, after: [production]}",
            "the stage `staging` would have to come before itself",
        ),
        (
            "threshold too high",
            "threshold: 2",
            "threshold: 3",
            "the threshold 3 is more than the 2 signers of the step",
        ),
        (
            "signer twice",
            "[trainer, second]",
            "[trainer, trainer]",
            "the key `trainer` stands twice",
        ),
        (
            "anybody, and somebody",
            "anyOf: [trainer, second]",
            "anyOf: [trainer, \"*\"]",
            "`*` already stands for",
        ),
        (
            "not itself",
            "notSameAs: train",
            "notSameAs: evaluate",
            "a step cannot have other signers than itself",
        ),
        (
            "a verdict is no step",
            "[evaluation/v0.1]",
            "[\"https://slsa.dev/verification_summary/v1\"]",
            "is no step",
        ),
        (
            "a window of monitoring is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, monitoring/v0.1]",
            "is no step",
        ),
        (
            "a deployment is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, deployment/v0.1]",
            "is no step",
        ),
        (
            "a rotation of a key is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, key-rotation/v0.1]",
            "is no step",
        ),
        (
            "a trust document is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, trust/v0.1]",
            "is no step",
        ),
        (
            "an activation is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, policy-activation/v0.1]",
            "is no step",
        ),
        (
            "a tombstone is no step",
            "[evaluation/v0.1]",
            "[evaluation/v0.1, tombstone/v0.1]",
            "is no step",
        ),
        (
            "kind of an evaluation",
            "signers: {anyOf: [evaluator]",
            "kind: training, signers: {anyOf: [evaluator]",
            "`kind` is read from SLSA provenance only",
        ),
        (
            "products of an evaluation",
            "from: train.products, to: evaluate.subject",
            "from: evaluate.products, to: train.materials",
            "`products` are read from SLSA provenance only",
        ),
        (
            "flow from materials",
            "from: train.products",
            "from: train.materials",
            "a flow starts at",
        ),
        (
            "flow to products",
            "to: train.materials, coverage",
            "to: train.products, coverage",
            "a flow ends at",
        ),
        (
            "flow to itself",
            "from: train.products, to: evaluate.subject",
            "from: train.products, to: train.materials",
            "a flow joins two different steps",
        ),
        (
            "flow in a circle",
            "to: evaluate.subject, coverage: any",
            "to: prepare.materials, coverage: any",
            "lead back to it",
        ),
        ("demand and prohibition", "- {forbid:", "- {from: prepare.products, forbid:", "not both"),
        (
            "strength of a demand",
            "coverage: any",
            "coverage: any, strength: declared-files",
            "`strength` belongs to a forbidden flow",
        ),
        (
            "strength that nothing shows",
            "strength: declared-files",
            "strength: records",
            "nothing that is recorded today",
        ),
        (
            "pattern",
            "select: data/holdout.csv",
            "select: \"data/*.csv\"",
            "`select` names a product whole",
        ),
        ("name of a product", "select: data/holdout.csv", "select: ../holdout.csv", "line 14"),
        (
            "metric without bound",
            "atLeast: \"0.95\", minSamples",
            "minSamples",
            "a metric needs `atLeast` or `atMost`",
        ),
        (
            "metric with impossible bounds",
            "atLeast: \"0.95\"",
            "atLeast: \"0.95\", atMost: \"0.9\"",
            "no value is both",
        ),
        (
            "metric of a training",
            "step: evaluate",
            "step: train",
            "metrics are read from evaluations",
        ),
        (
            "hold-out in products",
            "notIn: train.materials",
            "notIn: train.products",
            "kept out of the `materials`",
        ),
        // YAML that a reader could misread.
        ("anchor", "{mode: warn}", "&x {mode: warn}", "line 5"),
        ("alias", "anyOf: [data]", "anyOf: *x", "line 8"),
        ("merge", "{mode: warn}", "{<<: {mode: warn}}", "line 5"),
        ("tag", "mode: warn", "mode: !other warn", "line 5"),
        (
            "two documents",
            "completeness: claimed\n",
            "completeness: claimed\n---\na: b\n",
            "more than one document",
        ),
        ("not a map", GOOD, "[]", ""),
        ("nothing", GOOD, "", ""),
    ];
    for (name, from, to, want) in cases {
        let error = changed(from, to).map(|policy| policy.version()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(want), "{name}: {text}");
        if !matches!(*name, "two documents" | "nothing") {
            assert!(error.place().is_some(), "{name} has no place: {text}");
        }
    }
}

#[test]
fn an_error_has_line_and_column() {
    let error = changed("anyOf: [data]", "anyOff: [data]").unwrap_err();
    let place = error.place().unwrap();
    let line = GOOD.lines().nth(7).unwrap();
    assert_eq!(place.line, 8);
    assert_eq!(place.column, line.find("anyOf").unwrap() as u64 + 1);
    let Problem::UnknownKey { key, nearest, known } = error.problem() else { panic!("{error}") };
    assert_eq!((key.as_str(), nearest.as_deref()), ("anyOff", Some("anyOf")));
    assert!(known.iter().any(|key| key == "threshold"), "{known:?}");
    assert!(error.to_string().starts_with("line 8 column "), "{error}");
}

#[test]
fn the_same_with_the_smallest_change_is_read() {
    let cases = [
        ("threshold: 2", "threshold: 1"),
        ("anyOf: [trainer, second]", "anyOf: [\"*\"]"),
        ("mode: warn", "mode: audit"),
        ("train: 90d", "train: 36h"),
        ("coverage: any", "coverage: all"),
        ("atLeast: \"0.95\", min", "atMost: \"0.95\", min"),
        ("completeness: claimed", "completeness: given"),
        ("digest: \"sha256:0f", "digest: \"tree:sha256:0f"),
    ];
    for (from, to) in cases {
        if let Err(error) = changed(from, to) {
            panic!("{to}: {error}");
        }
    }
}

#[test]
fn size_entries_and_depth_are_bounded() {
    let large = format!("{GOOD}# {}\n", "x".repeat(policy::MAX_BYTES));
    let error = Policy::parse(&large).unwrap_err();
    assert_eq!(*error.problem(), Problem::TooLarge { bytes: large.len() });

    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("k{at}")).collect();
        changed("anyOf: [data]", &format!("anyOf: [{}]", names.join(", ")))
    };
    assert!(many(MAX_ENTRIES).is_ok());
    assert!(many(MAX_ENTRIES + 1).unwrap_err().to_string().contains("more than 256 entries"));

    let deep = changed("anyOf: [data]", &format!("anyOf: {}", "[".repeat(100_000)));
    assert!(deep.is_err());
}

#[test]
fn the_policies_of_the_repository_are_read() {
    if let Err(error) = Policy::parse(include_str!("../../examples/breast-cancer/policy.yaml")) {
        panic!("{error}");
    }
}

proptest::proptest! {
    /// Whatever is cut out of a document or put into it, reading it ends with a policy or with
    /// an error.
    #[test]
    fn damaged_documents_are_read_or_refused(
        from in 0..GOOD.len(),
        length in 0..200_usize,
        text in "[ -~\n]{0,40}",
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        let end = (from + length).min(bytes.len());
        bytes.splice(from..end, text.into_bytes());
        let damaged = String::from_utf8(bytes).unwrap();
        match Policy::parse(&damaged) {
            Ok(policy) => assert_eq!(policy.digest(), attest::Sha256::of(damaged.as_bytes())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
