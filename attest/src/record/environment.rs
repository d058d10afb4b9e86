//! The environment of the command: what of it is recorded, and what the command never sees.
//!
//! Only variables on a list are recorded, because an environment is full of secrets. The
//! command runs without Assay's own secrets and without what could be traded for a signing
//! identity: a step that is recorded must not be able to sign for itself (THREATS, rule 4).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::secrets::redact_value;

/// The variables that are recorded when they are set: what changes the numbers that a step
/// computes, and nothing that says who computes them.
pub const RECORDED: [&str; 27] = [
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "LOCAL_RANK",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONNOUSERSITE",
    "PYTHONOPTIMIZE",
    "RANK",
    "RAYON_NUM_THREADS",
    "ROCR_VISIBLE_DEVICES",
    "SOURCE_DATE_EPOCH",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TOKENIZERS_PARALLELISM",
    "TZ",
    "VECLIB_MAXIMUM_THREADS",
    "WORLD_SIZE",
    "XLA_FLAGS",
];

/// What the names of Assay's own variables start with; the command sees none of them.
const OWN: &str = "ASSAY_";

/// Variables that hold, or lead to, something that can be traded for a signing identity.
const IDENTITIES: [&str; 13] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "BITBUCKET_STEP_OIDC_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "CIRCLE_OIDC_TOKEN",
    "CIRCLE_OIDC_TOKEN_V2",
    "COSIGN_KEY",
    "COSIGN_PASSWORD",
    "COSIGN_PRIVATE_KEY",
    "SIGSTORE_ID_TOKEN",
    "SIGSTORE_ID_TOKEN_FILE",
    "SPIFFE_ENDPOINT_SOCKET",
    "TUF_DELEGATION_KEY",
];

/// How long a recorded value may be, in bytes; longer ones are cut and say so.
const MAX_VALUE_BYTES: usize = 1024;

/// The environment without what the command must not see: Assay's own variables, what can be
/// traded for an identity, and the names in `hidden`.
pub fn without_secrets(
    variables: &[(OsString, OsString)],
    hidden: &[String],
) -> Vec<(OsString, OsString)> {
    let secret = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(OWN)
            || IDENTITIES.contains(&name.as_ref())
            || hidden.iter().any(|hidden| *hidden == name)
    };
    variables.iter().filter(|(name, _)| !secret(name)).cloned().collect()
}

/// What of the environment is recorded: the variables on the list and those in `named`, without
/// secrets. `variables` are what the command sees.
pub(super) fn recorded(
    variables: &[(OsString, OsString)],
    named: &[String],
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        if RECORDED.contains(&name) || named.iter().any(|named| named == name) {
            let mut value = redact_value(name, &value.to_string_lossy());
            if value.len() > MAX_VALUE_BYTES {
                value = value.chars().take(MAX_VALUE_BYTES / 4).collect::<String>() + " [cut]";
            }
            found.insert(name.to_owned(), value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_command_sees_no_identity() {
        let cases = [
            ("ASSAY_KEY_PASSPHRASE", false),
            ("ASSAY_TOKEN_FILE", false),
            ("ASSAY_DIR", false),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", false),
            ("SIGSTORE_ID_TOKEN", false),
            ("MY_SIGNING_TOKEN", false),
            ("MY_OTHER_TOKEN", true),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", true),
            ("PATH", true),
            ("NASSAY_X", true),
        ];
        for (name, seen) in cases {
            let given = variables(&[(name, "x")]);
            let left = without_secrets(&given, &["MY_SIGNING_TOKEN".into()]);
            assert_eq!(!left.is_empty(), seen, "{name}");
        }
    }

    #[test]
    fn only_listed_variables_are_recorded() {
        let given = variables(&[
            ("PYTHONHASHSEED", "0"),
            ("TZ", "UTC"),
            ("HOME", "/home/ada"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("EXPERIMENT", "seven"),
            ("HF_TOKEN", "x"),
            ("LANG", "https://ada:pw@host/"),
        ]);
        let found = recorded(&given, &["EXPERIMENT".into(), "HF_TOKEN".into()]);
        let want = [
            ("EXPERIMENT", "seven"),
            ("HF_TOKEN", "[redacted]"),
            ("LANG", "https://[redacted]@host/"),
            ("PYTHONHASHSEED", "0"),
            ("TZ", "UTC"),
        ];
        assert_eq!(found, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let long = recorded(&variables(&[("TZ", &"ab ".repeat(1000))]), &[]);
        assert!(long["TZ"].len() < MAX_VALUE_BYTES && long["TZ"].ends_with("[cut]"));
    }
}
