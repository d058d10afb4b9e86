//! Lock files at the root: which versions of which packages a step could use.

use std::fs;

use crate::root::Root;

/// Names of lock files.
const NAMES: [&str; 11] = [
    "Cargo.lock",
    "Pipfile.lock",
    "conda-lock.yml",
    "environment.yml",
    "go.sum",
    "package-lock.json",
    "pdm.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "yarn.lock",
];
/// How many entries of the root are looked at.
const MAX_ENTRIES: usize = 10_000;
/// How many lock files are recorded.
pub(super) const MAX_LOCKS: usize = 32;
/// The largest lock file that is recorded, in bytes. Hashing a larger one would be felt.
pub(super) const MAX_LOCK_BYTES: u64 = 64 << 20;

/// The names of the lock files at the root, sorted. Links are left out, as they are everywhere.
pub(super) fn lock_files(root: &Root) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.path()) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .take(MAX_ENTRIES)
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_lock(name))
        .collect();
    found.sort_unstable();
    found.truncate(MAX_LOCKS);
    found
}

fn is_lock(name: &str) -> bool {
    let requirements = name.starts_with("requirements") && name.ends_with(".txt");
    requirements || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_at_the_root_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("sub")).unwrap();
        fs::create_dir_all(at("go.sum")).unwrap();
        for name in [
            "uv.lock",
            "requirements.txt",
            "requirements-dev.txt",
            "my-requirements.txt",
            "Cargo.toml",
            "sub/yarn.lock",
        ] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink("uv.lock", at("poetry.lock")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let want = ["requirements-dev.txt", "requirements.txt", "uv.lock"];
        assert_eq!(lock_files(&root), want);
    }
}
