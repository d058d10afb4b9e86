//! The monitor against a published log, and against one that lies.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test ends when something is not as it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};

use attest::{NoteSigner, SigningKey, VerifierKey};
use server::monitor::{Believed, FetchError, Look, MonitorError, TileError, look};
use server::seen::Mark;
use verify::{LastGood, Reach, Trust};

/// The key of transparency-dev/tessera's test log.
const KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// What is served at a path in place of what is there.
type Change = fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>>;
/// Whether an error is the one that was due.
type Want = fn(&MonitorError) -> bool;

/// The published log; `None` where it is not.
fn log() -> Option<PathBuf> {
    let vectors = std::env::var_os("ASSAY_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = vectors.join("tlog/tessera/log");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no published log in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Looks at the log as it was with `size` entries; `change` may replace what it serves.
fn at(
    folder: &Path,
    size: u64,
    before: Option<Mark>,
    change: Change,
) -> Result<Look, MonitorError> {
    let key: VerifierKey = KEY.parse().unwrap();
    let fetch = |path: &str, _: usize| -> Result<Option<Vec<u8>>, FetchError> {
        let file = if path == "checkpoint" { format!("checkpoint.{size}") } else { path.into() };
        Ok(change(path, fs::read(folder.join(file)).ok()))
    };
    look(Believed::Key(&key), before, true, &fetch)
}

fn honest(_: &str, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
    bytes
}

fn mark(found: &Look) -> Option<Mark> {
    Some(Mark { size: found.checkpoint.size, root: found.checkpoint.root })
}

#[test]
fn the_published_log_grows_from_every_size_to_every_other() {
    let Some(folder) = log() else { return };
    for from in 0..=15 {
        let first = at(&folder, from, None, honest).unwrap();
        assert_eq!(first.checkpoint.size, from);
        for to in from..=15 {
            let later = at(&folder, to, mark(&first), honest).unwrap();
            assert_eq!((later.checkpoint.size, later.before), (to, mark(&first)));
            // And back: what was seen is not forgotten.
            if to > from {
                let back = at(&folder, from, mark(&later), honest).unwrap_err();
                assert!(matches!(back, MonitorError::Rollback(_)), "{back}");
            }
        }
    }
}

#[test]
fn what_a_hostile_log_serves() {
    let Some(folder) = log() else { return };
    let nine = mark(&at(&folder, 9, None, honest).unwrap());
    let other = Some(Mark { root: attest::Sha256::of(b"another history"), ..nine.unwrap() });
    assert!(at(&folder, 15, nine, honest).is_ok());
    // It signed another tree of nine entries before, of which this one knows nothing.
    for to in [9, 15] {
        let fork = at(&folder, to, other, honest).unwrap_err();
        assert!(matches!(fork, MonitorError::Fork(_)), "{fork}");
    }
    let cases: [(&str, Change, Want); 5] = [
        (
            "a wrong partial tile",
            |path, bytes| if path.starts_with("tile/0/") { flip_byte(bytes) } else { bytes },
            |error| matches!(error, MonitorError::Tile(TileError::Wrong(_))),
        ),
        (
            "a wrong entry",
            |path, bytes| if path.starts_with("tile/entries") { flip_byte(bytes) } else { bytes },
            |error| matches!(error, MonitorError::Tile(TileError::Wrong(_))),
        ),
        (
            "a withheld entry",
            |path, bytes| bytes.filter(|_| !path.starts_with("tile/entries")),
            |error| matches!(error, MonitorError::Tile(TileError::Missing(_))),
        ),
        (
            "no checkpoint",
            |path, bytes| bytes.filter(|_| path != "checkpoint"),
            |error| matches!(error, MonitorError::NoCheckpoint),
        ),
        (
            "a checkpoint that nobody signed",
            |path, bytes| if path == "checkpoint" { flip_byte(bytes) } else { bytes },
            |error| matches!(error, MonitorError::Open(_)),
        ),
    ];
    for (name, change, want) in cases {
        let found = at(&folder, 15, nine, change).unwrap_err();
        assert!(want(&found), "{name}: {found:?}");
    }
}

/// THREATS 31: whoever keeps the trust file vouches for a tree, because a key was lost.
#[test]
fn a_log_comes_through_the_tree_that_is_vouched_for() {
    let Some(folder) = log() else { return };
    let nine = mark(&at(&folder, 9, None, honest).unwrap()).unwrap();
    let other = attest::Sha256::of(b"another history");
    let lost = NoteSigner::new("example.com/log/testdata", {
        SigningKey::from_ed25519_seed(&[1; 32]).unwrap()
    });
    let lost = lost.unwrap().verifier().clone();
    let look_at = |size: u64, root, before| {
        let mut trust = Trust::empty();
        trust.add_log(&lost).unwrap();
        let last_good = Reach::LastGood(LastGood { size: nine.size, root });
        trust.rotate_log(&KEY.parse().unwrap(), last_good).unwrap();
        let fetch = |path: &str, _: usize| -> Result<Option<Vec<u8>>, FetchError> {
            let file =
                if path == "checkpoint" { format!("checkpoint.{size}") } else { path.into() };
            Ok(fs::read(folder.join(file)).ok())
        };
        look(Believed::Log(&trust.logs()[0]), before, true, &fetch)
    };
    let seven = mark(&at(&folder, 7, None, honest).unwrap());
    for before in [None, seven, Some(nine)] {
        assert!(look_at(9, nine.root, before).is_ok());
        assert!(look_at(15, nine.root, before).is_ok());
    }
    // Every key of the log is held to it, and nobody has to have seen anything before.
    let short = look_at(8, nine.root, None).unwrap_err();
    assert!(matches!(short, MonitorError::Rollback(_)), "{short}");
    let same = look_at(9, other, None).unwrap_err();
    assert!(matches!(same, MonitorError::Open(_)), "{same}");
    let fork = look_at(15, other, None).unwrap_err();
    assert!(matches!(fork, MonitorError::Fork(_)), "{fork}");
}

fn flip_byte(bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
    bytes.map(|mut bytes| {
        bytes[40] ^= 1;
        bytes
    })
}
