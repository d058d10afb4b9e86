//! The verifier alone: no server, no async runtime, no database. It signs into files, and judges
//! what stands in files.
#![cfg(not(feature = "server"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// A proof by a log that nobody trusts.
const PROOF: &str = "c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example/a\n1\n\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example/a AAAAAAAA\n";

/// Runs the command and holds it against its exit status and some of its words.
fn expect(folder: &Path, words: &str, status: i32, want: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words.split(' ')).current_dir(folder).env_remove("ASSAY_DIR");
    let output = command.env_remove("ASSAY_KEY").output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{words}: {said}");
    assert!(said.contains(want), "{words}: `{want}` is not in: {said}");
}

#[test]
fn bundles_in_files_are_verified_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("model.bin"), "weights").unwrap();
    fs::write(folder.join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    let text = include_str!("cmd/bad-policy.in/good.yaml");
    fs::write(folder.join("policy.yaml"), text).unwrap();
    // The log that made it is not trusted: whoever signs beside no register trusts none.
    fs::write(folder.join("7.tlog-proof"), PROOF).unwrap();

    let attest = "attest --type https://example.com/x --predicate review.json --subject model.bin \
                  --output bundle.json";
    let cases = [
        ("log head", 2, "unrecognized subcommand"),
        (attest, 0, "written to bundle.json"),
        ("verify model.bin --bundle bundle.json", 0, "believed"),
        ("verify review.json --bundle bundle.json", 1, "does not speak of the artifact"),
        ("verify model.bin", 2, "--bundle"),
        ("verify model.bin --proof 7.tlog-proof", 1, "not proven"),
        ("verify model.bin --proof review.json", 2, "cannot be used as a proof"),
        ("check model.bin --stage staging --policy policy.yaml --bundle bundle.json", 1, "denied"),
        ("policy check policy.yaml", 0, "digest"),
        ("trust list", 0, "local"),
    ];
    for (words, status, want) in cases {
        expect(folder, words, status, want);
    }

    let bundle = fs::read_to_string(folder.join("bundle.json")).unwrap();
    fs::write(folder.join("bundle.json"), bundle.replacen(r#""sig":"M"#, r#""sig":"N"#, 1))
        .unwrap();
    expect(folder, "verify model.bin --bundle bundle.json", 1, "no signature by a trusted key");
}
