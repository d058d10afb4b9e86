//! A folder with a model that is reviewed, and the command run in it, as several tests begin.

#![allow(dead_code, reason = "each test needs a part of it")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) const REVIEW: &str =
    "attest --type https://example.com/review/v1 --predicate review.json --subject model.bin";
/// Wants a model reviewed.
pub(crate) const POLICY: &str = "\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages:
  staging: {mode: enforce}
steps:
  review:
    predicates: [\"https://example.com/review/v1\"]
    signers: {anyOf: [local]}
";

/// The command in a folder, with words separated by spaces and nothing of the environment that would
/// lead it elsewhere.
pub(crate) fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ASSAY_") {
            command.env_remove(name);
        }
    }
    command
}

/// Holds an answer against its status and some of its words, and gives all that was said.
pub(crate) fn expect(output: &Output, status: i32, want: &str) -> String {
    held(output, "", status, want)
}

fn held(output: &Output, words: &str, status: i32, want: &str) -> String {
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words}: {said}");
    assert!(said.contains(want), "{words}: `{want}` is not in: {said}");
    said
}

/// Runs the command, holds its answer against its status and some of its words, and gives what was
/// said, notes and errors last.
pub(crate) fn said(folder: &Path, words: &str, status: i32, want: &str) -> String {
    held(&command(folder, words).output().unwrap(), words, status, want)
}

/// The same, and gives the answer alone.
pub(crate) fn assay(folder: &Path, words: &str, status: i32, want: &str) -> String {
    let output = command(folder, words).output().unwrap();
    held(&output, words, status, want);
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a model, a key, and a register of one review.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("model.bin"), "weights").unwrap();
    fs::write(at.join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    assay(at, REVIEW, 0, "entry 0");
    folder
}
