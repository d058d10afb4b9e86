//! The sections of a policy: what is refused in them, and where. Each row changes one thing of the
//! policy that has every key.

use policy::{Policy, PolicyError, Reads};

const WHOLE: &str = include_str!("../../tests/policy_schema/whole.yaml");

fn changed(from: &str, to: &str) -> Result<Policy, PolicyError> {
    assert!(WHOLE.contains(from), "{from}");
    Policy::parse(&WHOLE.replacen(from, to, 1))
}

#[test]
fn what_is_refused() {
    let cases = [
        (
            "expires: 2027-05-01T00:00:00Z",
            "expires: 2026-11-01T00:00:00Z",
            "would expire before it is in force",
        ),
        ("notBefore: 2026-11-01T00:00:00Z", "notBefore: yesterday", "is not a moment"),
        (
            "{notBefore: 2026-11-01T00:00:00Z, expires: 2027-05-01T00:00:00Z}",
            "{}",
            "`validity` is empty",
        ),
        ("names: [\"reviews-*\"]", "names: []", "`names` is empty"),
        ("onNoMatch: deny", "onNoMatch: allow", "known are `deny`, `apply`"),
        (
            "mode: enforce, after: [staging], soak: 24h",
            "mode: enforce, soak: 24h",
            "`soak` and `maxAge` count from when",
        ),
        ("soak: 24h", "soak: 24h, onError: admit", "denies what cannot be decided"),
        ("after: [staging], soak", "after: [staging], soaks", "did you mean `soak`?"),
        (
            "anyOf: [ci, nightly]",
            "anyOf: [ci, nightli]",
            "no signer `nightli`; did you mean `nightly`?",
        ),
        (
            "{issuer: \"https://issuer.example\",",
            "{key: \"sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\", issuer: \"https://issuer.example\",",
            "not both",
        ),
        (
            "{issuer: \"https://issuer.example\",",
            "{issuer: \"https://issuer.example\", authority: corporate,",
            "nobody is both",
        ),
        (
            "{glob: \"https://example.test/**\"}",
            "{glob: \"https://example.test/**\", exact: x}",
            "one of `exact`, `glob` and `regex`",
        ),
        ("{regex: 'https://example\\.test/.*'}", "{regex: '('}", "unclosed group"),
        (
            "{signer: release, id: \"https://gate.example\"}",
            "{signer: released, id: \"https://gate.example\"}",
            "no signer `released`",
        ),
        ("maxSlsaBuildLevel: 3", "maxSlsaBuildLevel: 4", "the levels 1 to 3"),
        (
            "maxSlsaBuildLevel: 3",
            "maxSlsaBuildLevel: 1",
            "no entry of `builders` reaches this level",
        ),
        ("steps: [train], policies", "steps: [evaluate], policies", "provenance only"),
        (
            "registeredBefore: evaluate",
            "registeredBefore: evaluat",
            "no step `evaluat`; did you mean `evaluate`?",
        ),
        (
            "notSameAs: train}, log: required",
            "notSameAs: train}, log: optional",
            "no place in its order",
        ),
        (
            "licences: {allow: [CC-BY-4.0, MIT], signers: [release]}",
            "licences: {allow: [MIT], deny: [X], signers: [release]}",
            "either allowed",
        ),
        (
            "licences: {allow: [CC-BY-4.0, MIT],",
            "licences: {allow: [My own],",
            "no SPDX identifier",
        ),
        (
            "allow: [{name: all-MiniLM-L6-v2,",
            "allow: [{nam: all-MiniLM-L6-v2,",
            "did you mean `name`?",
        ),
        ("atMost: \"1e-3\"", "atMost: \"1e-9\"", "both `atLeast` and `atMost`"),
        ("atMost: \"1e-3\"", "atMost: \"small\"", "no number such as"),
        ("{oneOf: [lbfgs, saga]}", "{required: false}", "`required: true`"),
        ("{oneOf: [lbfgs, saga]}", "{oneOf: []}", "`oneOf` is empty"),
        ("deny: [pickle]}, detected", "deny: [pikle]}, detected", "not a format"),
        ("deny: [pickle]}, detected", "deny: [onnx]}, detected", "both allowed and denied"),
        ("pinned: all", "pinned: some", "known are `all`"),
        ("maxSeverity: medium", "maxSeverity: unknown", "not a severity"),
        (
            "maxSeverity: medium, signers: [release], scanMaxAge: 7d, databaseMaxAge: 3d, vex: {signers: [release]}",
            "maxSeverity: critical, signers: [release], scanMaxAge: 7d",
            "would pass every scan",
        ),
        (
            "threshold: 2, notSameAs: train}, maxAge",
            "threshold: 3, notSameAs: train}, maxAge",
            "more than the 2 signers",
        ),
        (
            "train: {signers: [release], threshold: 1}",
            "trian: {signers: [release]}",
            "no step `trian`",
        ),
        (
            "train: {signers: [release], threshold: 1}",
            "evaluate: {signers: [release]}",
            "only the signer of the step could corroborate it",
        ),
        (
            "train: {signers: [release], threshold: 1}",
            "train: {signers: [release], threshold: 2}",
            "more than the 1 signers",
        ),
        ("drift: {psi: {atLeast: \"0\", atMost: \"0.2\"}}", "drift: {psi: {}}", "`drift` is empty"),
        ("onMissing: accept", "onMissing: warn", "known are `deny`, `accept`"),
    ];
    for (from, to, want) in cases {
        match changed(from, to) {
            Ok(_) => panic!("`{to}` is read"),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(want), "`{to}`: {text}");
                assert!(error.place().is_some(), "`{to}`: {text} has no place");
            }
        }
    }
}

#[test]
fn every_rule_says_what_it_reads() {
    let policy = match Policy::parse(WHOLE) {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    };
    let inventory = policy.inventory();
    assert_eq!(inventory.len(), policy.rules().count());
    // What these look at is how the evidence was gathered, and no part of it.
    let silent = ["artifact.known", "completeness", "history.consistent", "history.explored"];
    for rule in &inventory {
        assert_eq!(rule.reads.is_empty(), silent.contains(&rule.rule.as_str()), "{rule:?}");
    }
    let found = inventory.iter().find(|rule| rule.rule == "ml.hyperparameters.train.epochs");
    let field = "/predicate/buildDefinition/externalParameters/parameters/epochs";
    assert!(found.is_some_and(|rule| rule.reads.contains(&Reads::Field(field.into()))));
}
