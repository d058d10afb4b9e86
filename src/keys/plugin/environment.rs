//! What a signer plugin sees of the environment: what programs of cloud services need, and nothing
//! of Assay's own.
//!
//! `ASSAY_SIGNER_X=…` is passed on as `X=…`, whatever `X` is. A step that `assay run` runs sees
//! nothing that begins with `ASSAY_` (THREATS, rule 4), so that credentials under such a name are
//! the plugin's alone.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Passed on as they are.
const NAMES: [&str; 18] = [
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "https_proxy",
    "http_proxy",
    "no_proxy",
];

/// Passed on, whatever follows.
const PREFIXES: [&str; 5] = ["AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "VAULT_"];

/// Passed on without this.
const OWN: &str = "ASSAY_SIGNER_";

/// The environment of a plugin.
pub(super) fn passed() -> Vec<(OsString, OsString)> {
    select(std::env::vars_os())
}

fn select(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let (own, others): (Vec<_>, Vec<_>) =
        all.partition(|(name, _)| name.as_bytes().starts_with(OWN.as_bytes()));
    let given = own.into_iter().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(OWN.as_bytes())?;
        (!name.is_empty()).then(|| (OsStr::from_bytes(name).to_owned(), value))
    });
    // What is meant for the plugin alone comes last, and so goes before.
    others.into_iter().filter(|(name, _)| is_passed(name)).chain(given).collect()
}

fn is_passed(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    NAMES.iter().any(|known| bytes == known.as_bytes())
        || PREFIXES.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on() {
        let cases = [
            ("PATH", Some("PATH")),
            ("AWS_PROFILE", Some("AWS_PROFILE")),
            ("VAULT_ADDR", Some("VAULT_ADDR")),
            ("ASSAY_SIGNER_VAULT_TOKEN", Some("VAULT_TOKEN")),
            ("ASSAY_SIGNER_ANYTHING", Some("ANYTHING")),
            ("ASSAY_SIGNER_", None),
            ("ASSAY_KEY_PASSPHRASE", None),
            ("ASSAY_PKCS11_PIN", None),
            ("ANYTHING", None),
            ("LD_PRELOAD", None),
            ("MY_AWS_PROFILE", None),
        ];
        for (name, want) in cases {
            let passed = select([(name.into(), "value".into())].into_iter());
            let want: Vec<(OsString, OsString)> =
                want.iter().map(|name| (name.into(), "value".into())).collect();
            assert_eq!(passed, want, "{name}");
        }
    }
}
