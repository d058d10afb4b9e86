//! A file that the service was started with, and whether it is still what it was.
//!
//! A service judges by the trust file and the policy that it has read. When an operator changes
//! one of them, whoever asks must not be answered by the old one as if nothing had happened.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use attest::Sha256;

use crate::verdicts::Cause;

/// The largest file that is read, in bytes: more than any trust file or policy that parses.
const MAX_BYTES: u64 = 64 << 20;

/// A file, as it was read.
#[derive(Clone, Debug)]
pub struct Watched {
    path: PathBuf,
    digest: Sha256,
    pub(crate) cause: Cause,
}

impl Watched {
    /// The trust file at `path`, whose bytes had `digest`.
    pub const fn trust(path: PathBuf, digest: Sha256) -> Self {
        Self { path, digest, cause: Cause::Trust }
    }

    /// The policy at `path`, whose bytes had `digest`.
    pub const fn policy(path: PathBuf, digest: Sha256) -> Self {
        Self { path, digest, cause: Cause::Policy }
    }

    /// Whether it is something else now, or cannot be read. What is no file, such as a pipe, can
    /// be read only once, and is not looked at again.
    pub(crate) fn has_changed(&self) -> bool {
        match self.path.metadata() {
            Ok(found) if found.is_file() => {}
            Ok(found) => return found.is_dir(),
            // The name of a pipe goes with it.
            Err(_) => return !self.path.starts_with("/dev/fd") && !self.path.starts_with("/proc"),
        }
        let mut bytes = Vec::new();
        let read = File::open(&self.path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        read.is_err() || Sha256::of(&bytes) != self.digest
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_has_changed_when_its_bytes_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.yaml");
        let watched = Watched::trust(path.clone(), Sha256::of(b"one"));
        type Change = fn(&PathBuf);
        let cases: [(&str, Change, bool); 6] = [
            ("as it was", |path| fs::write(path, "one").unwrap(), false),
            ("other bytes", |path| fs::write(path, "two").unwrap(), true),
            ("as it was again", |path| fs::write(path, "one").unwrap(), false),
            ("gone", |path| fs::remove_file(path).unwrap(), true),
            ("a folder", |path| fs::create_dir(path).unwrap(), true),
            (
                "back",
                |path| {
                    fs::remove_dir(path).unwrap();
                    fs::write(path, "one").unwrap();
                },
                false,
            ),
        ];
        for (name, change, changed) in cases {
            change(&path);
            assert_eq!(watched.has_changed(), changed, "{name}");
        }
    }
}
