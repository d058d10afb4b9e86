//! Short words for types of statements, in both directions.

use attest::NAMESPACE;
use attest::predicate::{
    CYCLONEDX, MODEL_SIGNATURE, PROVENANCE, PROVENANCE_V0_2, SCAI, SPDX, TEST_RESULT,
    VERIFICATION_SUMMARY, VULNERABILITIES,
};

/// Words for types that are not Assay's own.
const WORDS: [(&str, &str); 9] = [
    ("provenance", PROVENANCE),
    ("provenance-v0.2", PROVENANCE_V0_2),
    ("promotion", VERIFICATION_SUMMARY),
    ("model-signature", MODEL_SIGNATURE),
    ("test-result", TEST_RESULT),
    ("cyclonedx", CYCLONEDX),
    ("spdx", SPDX),
    ("vulnerabilities", VULNERABILITIES),
    ("scai", SCAI),
];

/// Words for Assay's own types.
const OWN: [&str; 12] = [
    "evaluation",
    "deployment",
    "monitoring",
    "approval",
    "waiver",
    "revocation",
    "reinstatement",
    "tombstone",
    "key-rotation",
    "trust",
    "policy",
    "policy-activation",
];

/// The version of Assay's own types.
const OWN_VERSION: &str = "/v0.1";

/// The word for a type, else the type itself.
pub fn short(predicate_type: &str) -> &str {
    if let Some((word, _)) = WORDS.iter().find(|(_, full)| *full == predicate_type) {
        return word;
    }
    predicate_type
        .strip_prefix(NAMESPACE)
        .and_then(|rest| rest.strip_prefix("attestation/")?.strip_suffix(OWN_VERSION))
        .filter(|word| OWN.contains(word))
        .unwrap_or(predicate_type)
}

/// The word for a type in a sentence.
pub fn spoken(predicate_type: &str) -> &str {
    match predicate_type {
        CYCLONEDX | SPDX => "bill of materials",
        MODEL_SIGNATURE => "model signature",
        TEST_RESULT => "test result",
        VULNERABILITIES => "vulnerability scan",
        other => short(other),
    }
}

/// The type that a word stands for, else the text itself.
pub fn full(text: &str) -> String {
    if let Some((_, full)) = WORDS.iter().find(|(word, _)| *word == text) {
        return (*full).to_owned();
    }
    if OWN.contains(&text) {
        return format!("{NAMESPACE}attestation/{text}{OWN_VERSION}");
    }
    text.to_owned()
}

/// The words that stand for types.
#[cfg(feature = "server")]
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().map(|(word, _)| word).chain(OWN)
}

/// Whether a text can be the type of a predicate: a URI, with its scheme (RFC 3986, section 3).
pub fn is_type(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
        && !rest.is_empty()
        && rest.chars().all(|one| one.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use attest::predicate::{EVALUATION, REVOCATION};

    use super::*;

    #[test]
    fn words_and_types_are_one_to_one() {
        for (word, _) in WORDS {
            assert_eq!(short(&full(word)), word);
        }
        for word in OWN {
            assert_eq!(short(&full(word)), word);
        }
        assert_eq!(full("evaluation"), EVALUATION);
        assert_eq!(full("revocation"), REVOCATION);
    }

    #[test]
    fn a_type_is_a_uri() {
        let cases = [
            ("https://example.com/x", true),
            ("urn:example:x", true),
            ("", false),
            ("review", false),
            ("example.com/x", false),
            ("https:", false),
            (":x", false),
            ("1a:x", false),
            ("https://example.com/a b", false),
            ("https://example.com/\u{1b}[2K", false),
        ];
        for (text, want) in cases {
            assert_eq!(is_type(text), want, "{text}");
        }
        for (word, full) in WORDS {
            assert!(is_type(full), "{word}");
        }
    }

    #[test]
    fn what_is_not_known_stays_whole() {
        for text in ["https://example.com/x", "evaluation/v0.1", "*", ""] {
            assert_eq!(full(text), text);
            assert_eq!(short(text), text);
        }
        let near = format!("{EVALUATION}.1");
        assert_eq!(short(&near), near);
    }
}
