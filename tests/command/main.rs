//! What a user meets: the command's words, answers and exit statuses.
//!
//! `tests/cmd/*.trycmd` are sessions in a folder of their own (`NAME.in`, copied). Keys, times
//! and digests of statements differ in every run and stand as `[..]`; after
//! `TRYCMD=overwrite cargo test --test command`, `tests/cmd/wild.py` puts these back. What has to
//! be made or damaged first is done here.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may take the time"
)]

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

mod folder;
mod judging;
mod remedies;
mod replaying;
mod revoking;
mod served;
mod service;

#[test]
fn sessions_go_as_written() {
    trycmd::TestCases::new().env("NO_COLOR", "1").env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}

/// Runs the command in a folder, with words separated by spaces.
fn assay(folder: &Path, words: &str) -> Output {
    command(folder, words).output().unwrap()
}

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    for name in ["ASSAY_DIR", "ASSAY_SERVER", "ASSAY_KEY", "ASSAY_TOKEN", "ASSAY_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

/// A folder with a model and a register of two statements about it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.bin"), "weights").unwrap();
    fs::write(folder.path().join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    for _ in 0..2 {
        expect(&assay(folder.path(), REVIEW), 0, "registered as entry");
    }
    folder
}

const REVIEW: &str =
    "attest --type https://example.com/review/v1 --predicate review.json --subject model.bin";
const POLICY: &str = "check model.bin --stage staging --policy policy.yaml";

/// Holds an answer against its exit status and some of its words; returns all it said.
fn expect(output: &Output, status: i32, words: &str) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(words), "`{words}` is not in: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn policy(folder: &Path) {
    let text = include_str!("../cmd/bad-policy.in/good.yaml");
    fs::write(folder.join("policy.yaml"), text).unwrap();
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_str(&expect(output, 1, "assay/report/v1")).unwrap()
}

fn segment(journal: &Path) -> std::path::PathBuf {
    let mut segments: Vec<_> =
        fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments.pop().unwrap()
}
