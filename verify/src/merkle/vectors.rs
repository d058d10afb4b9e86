//! The published vectors of transparency-dev/merkle, when they are at hand.

// Reading test data is the one thing here that opens files.
#![expect(clippy::disallowed_methods, reason = "tests read vectors from disk")]

use std::path::{Path, PathBuf};

use attest::Sha256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

const INCLUSION: usize = 64;
const CONSISTENCY: usize = 65;
const ACCEPTED: usize = 7;

fn folder() -> Option<PathBuf> {
    let given = std::env::var("ASSAY_VECTORS").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = given.unwrap_or_else(|_| beside()).join("merkle");
    folder.is_dir().then_some(folder)
}

fn cases(folder: &Path) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                found.push((path.display().to_string(), value));
            }
        }
    }
    found
}

/// `None` for what is not a SHA-256 digest, which the types refuse before any check.
fn hash(value: &Value) -> Option<Sha256> {
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    Some(Sha256::from_bytes(bytes.try_into().ok()?))
}

fn proof(value: &Value) -> Option<Vec<Sha256>> {
    value.as_array().map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

fn inclusion(case: &Value) -> Option<bool> {
    let index = case["leafIdx"].as_u64()?;
    let size = case["treeSize"].as_u64()?;
    let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
    Some(verify_inclusion(index, size, &leaf, &proof(&case["proof"])?, &root).is_ok())
}

fn consistency(case: &Value) -> Option<bool> {
    let (from, to) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
    let (old, new) = (hash(&case["root1"])?, hash(&case["root2"])?);
    Some(verify_consistency(from, to, &proof(&case["proof"])?, &old, &new).is_ok())
}

type Check = fn(&Value) -> Option<bool>;

#[test]
fn published_vectors() {
    let Some(folder) = folder() else {
        eprintln!(
            "\n!!! MERKLE VECTORS NOT RUN: no folder `merkle` in ASSAY_VECTORS or ../shared/vectors !!!\n"
        );
        return;
    };
    let kinds: [(&str, usize, Check); 2] =
        [("inclusion", INCLUSION, inclusion), ("consistency", CONSISTENCY, consistency)];
    let mut accepted = 0;
    for (kind, count, check) in kinds {
        let cases = cases(&folder.join(kind));
        assert_eq!(cases.len(), count, "{kind}");
        for (name, case) in cases {
            let good = check(&case).unwrap_or(false);
            assert_eq!(good, !case["wantErr"].as_bool().unwrap(), "{name}");
            accepted += usize::from(good);
        }
    }
    assert_eq!(accepted, ACCEPTED);
}
