//! The tour of the README, run as it stands there.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// Every block fenced as `sh tour`, in order, as one script.
fn tour(readme: &str) -> String {
    let mut script = String::from("set -eu\n");
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh tour" => inside = true,
            "```" => inside = false,
            _ if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

#[test]
fn the_tour_works_as_written() {
    let script = tour(include_str!("../README.md"));
    assert!(script.lines().filter(|line| line.starts_with("assay ")).count() >= 15, "{script}");

    let assay = Path::new(env!("CARGO_BIN_EXE_assay"));
    let path = format!("{}:{}", assay.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("ASSAY_DIR")
        .env_remove("ASSAY_SERVER")
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n--- stdout\n{out}\n--- stderr\n{err}", output.status);
}
