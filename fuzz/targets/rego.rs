#![no_main]

use attest::Sha256;
use policy::{Files, Policy};

// Rules in Rego: whatever the text, it is read or refused, in bounded time and without a panic.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let policy = format!(
        "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: fuzz, version: 1}}
stages: {{production: {{mode: enforce}}}}
steps: {{train: {{predicates: ['https://slsa.dev/provenance/v1'], signers: {{anyOf: [a]}}}}}}
rego: [{{id: R-1, file: rule.rego, sha256: '{}'}}]
",
        Sha256::of(bytes)
    );
    let files: Files = [("rule.rego".to_owned(), bytes.to_vec())].into();
    if let Err(error) = Policy::parse_with(&policy, &files) {
        assert!(error.place().is_some() && !error.to_string().contains("did not finish"), "{error}");
    }
});
