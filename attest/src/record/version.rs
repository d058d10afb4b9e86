//! Versions of programs, as far as names of files and a settings file tell them. Nothing is run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::runtime::head;

/// How much of a `pyvenv.cfg` is read, in bytes.
const MAX_SETTINGS: u64 = 8 << 10;
/// The longest version that is taken over, in characters.
const MAX_VERSION: usize = 64;
/// How many files of a folder are looked at.
const MAX_FILES: usize = 10_000;

/// Adds what is known of the version of a program that was called by `path` and is the file
/// `real`: `pythonVersion`, `toolchain` of rustup, or `version` of others.
pub(super) fn annotate(
    annotations: &mut std::collections::BTreeMap<String, Value>,
    path: &Path,
    real: &Path,
) {
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let installed = installed(real);
    let python = environment_version(path).or_else(|| {
        let named = name.strip_prefix("python")?;
        if !named.is_empty() && version(named).is_none() {
            return None; // another program, such as `python3-config`
        }
        let exact = conda_version(real).or_else(|| installed.clone());
        let exact = exact.or_else(|| version(named).filter(|text| text.contains('.')));
        exact.or_else(|| library_version(real))
    });
    let found = match (toolchain(real), python, installed) {
        (Some(toolchain), _, _) => ("toolchain", toolchain),
        (None, Some(version), _) => ("pythonVersion", version),
        (None, None, Some(version)) => ("version", version),
        (None, None, None) => return,
    };
    annotations
        .insert(found.0.into(), found.1.chars().take(MAX_VERSION).collect::<String>().into());
}

/// The version in the `pyvenv.cfg` of the Python environment that a program belongs to.
fn environment_version(program: &Path) -> Option<String> {
    let settings = program.parent()?.parent()?.join("pyvenv.cfg");
    head(&settings, MAX_SETTINGS)?.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        matches!(name.trim(), "version" | "version_info").then(|| value.trim().into())
    })
}

/// The version that a folder is called after in which programs are installed side by side:
/// `versions/3.11.8/bin/python3`, `versions/node/v22.1.0/bin/node`.
fn installed(real: &Path) -> Option<String> {
    let name = real.parent().filter(|folder| folder.ends_with("bin"))?.parent()?.file_name()?;
    let name = name.to_str()?;
    version(name.strip_prefix('v').unwrap_or(name)).filter(|version| version.contains('.'))
}

/// The toolchain of rustup that a program is part of: `toolchains/NAME/bin/rustc`.
fn toolchain(real: &Path) -> Option<String> {
    let folder = real.parent().filter(|folder| folder.ends_with("bin"))?.parent()?;
    folder.parent().filter(|all| all.ends_with("toolchains"))?;
    Some(folder.file_name()?.to_str()?.into())
}

/// The version in the name of what conda keeps of its package: `python-3.11.8-h955ad1f_0.json`.
fn conda_version(real: &Path) -> Option<String> {
    let packages = real.parent()?.parent()?.join("conda-meta");
    only(&packages, |name| {
        let (text, _) = name.strip_prefix("python-")?.split_once('-')?;
        version(text)
    })
}

/// The version of the one Python whose library lies beside: `lib/python3.11`.
fn library_version(real: &Path) -> Option<String> {
    let libraries = real.parent()?.parent()?.join("lib");
    only(&libraries, |name| version(name.strip_prefix("python")?).filter(|text| text.contains('.')))
}

/// What `read` finds in the names of a folder, if that is one thing.
fn only(folder: &Path, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names = fs::read_dir(folder)
        .ok()?
        .take(MAX_FILES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter_map(|name| read(&name)).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// A text that is a version: numbers with points between them.
fn version(text: &str) -> Option<String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_number).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        type Case<'a> = (&'a str, &'a [&'a str], &'a str, Option<(&'a str, &'a str)>);
        let python = |version| Some(("pythonVersion", version));
        let cases: [Case<'_>; 12] = [
            ("by its name", &[], "usr/bin/python3.11", python("3.11")),
            ("no version in it", &[], "usr/bin/python3.11-config", None),
            ("its library", &["usr/lib/python3.9/os.py"], "usr/bin/python", python("3.9")),
            (
                "two libraries",
                &["usr/lib/python3.9/os.py", "usr/lib/python3.10/os.py"],
                "usr/bin/python",
                None,
            ),
            (
                "conda",
                &["env/conda-meta/python-3.11.8-h955ad1f_0.json"],
                "env/bin/python3.11",
                python("3.11.8"),
            ),
            (
                "another package of conda",
                &["env/conda-meta/python-dateutil-2.9.0-py_0.json"],
                "env/bin/python3.11",
                python("3.11"),
            ),
            ("pyenv", &[], "versions/3.11.8/bin/python3.11", python("3.11.8")),
            ("nvm", &[], "versions/node/v22.1.0/bin/node", Some(("version", "22.1.0"))),
            ("no version", &[], "opt/node/bin/node", None),
            ("a year is none", &[], "opt/2026/bin/node", None),
            (
                "rustup",
                &[],
                "toolchains/1.95.0-x86_64-unknown-linux-gnu/bin/rustc",
                Some(("toolchain", "1.95.0-x86_64-unknown-linux-gnu")),
            ),
            ("only called so", &[], "1.2.3/rustc", None),
        ];
        for (name, others, program, want) in cases {
            let folder = tempfile::tempdir().unwrap();
            for file in others.iter().chain([&program]) {
                let path = folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let path = folder.path().join(program);
            let mut found = BTreeMap::new();
            annotate(&mut found, &path, &path);
            let want: BTreeMap<String, Value> =
                want.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
            assert_eq!(found, want, "{name}");
        }
    }
}
