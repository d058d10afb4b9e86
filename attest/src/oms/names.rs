//! The names of resources and of ignored paths (sections 6.1.2 and 6.2.1).

use super::manifest::ManifestError;

/// The longest name, in bytes: what Linux takes for a path.
pub const MAX_NAME_BYTES: usize = 4096;

/// The name of the one file of a model in what the reference implementation writes.
pub(super) const ONLY_FILE: &str = ".";

/// Checks the path of a file below the model: relative, normal, with `/` between parts.
pub(super) fn check_path(path: &str) -> Result<(), ManifestError> {
    let wrong = |why| Err(ManifestError::Name { name: shown(path), why });
    if path.len() > MAX_NAME_BYTES {
        return wrong("is longer than 4096 bytes");
    }
    if path.contains('\0') {
        return wrong("has a zero character");
    }
    if path.starts_with('/') {
        return wrong("is absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return wrong("leads out of the model");
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return wrong("has an empty or `.` part");
    }
    Ok(())
}

/// Checks an ignored path: a path, and without wildcards, which would not be obeyed.
pub(super) fn check_ignored(path: &str) -> Result<(), ManifestError> {
    if path.contains(['*', '?', '[']) {
        let why = "has a wildcard, and ignored paths are exact";
        return Err(ManifestError::Name { name: shown(path), why });
    }
    check_path(path)
}

/// Whether `path` is `top`, or below it.
pub(super) fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name for a message: not too long.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_model() {
        for good in ["a", "a/b.c", "naïve ü.txt", ".git", "sub/.git/HEAD", "a:b", "..a", "a b"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "/a", "a/", "a//b", ".", "./a", "a/.", "..", "a/../b", "a\0b", &long] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
        assert!(check_path(&long[1..]).is_ok());
    }

    #[test]
    fn ignored_paths_are_exact() {
        assert!(check_ignored("cache/x").is_ok());
        for bad in ["*.log", "a?", "a[1]", "../a", "/a", "."] {
            assert!(check_ignored(bad).is_err(), "{bad}");
        }
        for (path, want) in
            [("cache", true), ("cache/x", true), ("cached", false), ("a/cache", false)]
        {
            assert_eq!(is_within(path, "cache"), want, "{path}");
        }
    }
}
