//! What executes the command: the program file, found as the system finds it, and its digest.
//!
//! No program is run to ask for its version. What can be read is recorded: the digest of the
//! executable, that of what a script or a shim hands over to, and the versions that file names
//! and `pyvenv.cfg` tell. Which packages there were is what lock files say.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Observer;
use super::version::annotate;
use crate::artifact::ArtifactId;
use crate::hash::{Listed, hash_files};
use crate::resource::ResourceDescriptor;
use crate::root::{Opened, Root};

/// The role of the program.
const ROLE: &str = "runtime";
/// How many folders of `PATH` are searched.
const MAX_FOLDERS: usize = 256;
/// How much of a script is read for its first line, in bytes: what the kernel looks at.
const MAX_FIRST_LINE: u64 = 256;
/// How far up a version file is looked for.
const MAX_LEVELS: usize = 256;
/// How much of a version file is read, in bytes.
const MAX_VERSION_FILE: u64 = 4 << 10;

/// Describes the program that `command` starts, and what that hands over to, one level deep;
/// what cannot be read is left out.
pub(super) fn runtime(
    command: &OsStr,
    environment: &[(OsString, OsString)],
    directory: &Path,
    observer: &dyn Observer,
) -> Vec<ResourceDescriptor> {
    let Some(path) = find(command, environment, directory) else { return Vec::new() };
    let next = chosen(&path, environment, directory).or_else(|| {
        let interpreter = interpreter(&path)?;
        find(&interpreter, environment, directory)
    });
    let described = [Some(path), next].into_iter().flatten();
    described.filter_map(|path| describe(&path, observer)).collect()
}

/// The program at `path`, whatever its size: it is read at the speed of the disk.
fn describe(path: &Path, observer: &dyn Observer) -> Option<ResourceDescriptor> {
    let real = path.canonicalize().ok()?;
    let (root, name) = (Root::open(real.parent()?).ok()?, real.file_name()?.to_str()?);
    let Opened::File(identity) = root.open_name(name).ok()? else { return None };
    let listed = Listed { name: name.into(), identity };
    observer.start(listed.identity.size());
    let digests = hash_files(&root, &[&listed], observer);
    observer.finish();
    let artifact = ArtifactId::file(digests.ok()?.pop()?);
    let mut found = ResourceDescriptor::of(name, &artifact).with_role(ROLE);
    found.annotations.insert("path".into(), real.to_str()?.into());
    annotate(&mut found.annotations, path, &real);
    Some(found)
}

/// The file that the system would execute for `command`.
fn find(
    command: &OsStr,
    environment: &[(OsString, OsString)],
    directory: &Path,
) -> Option<PathBuf> {
    if command.as_encoded_bytes().contains(&b'/') {
        return Some(directory.join(command));
    }
    let path = variable(environment, "PATH")?;
    std::env::split_paths(path)
        .take(MAX_FOLDERS)
        .map(|folder| directory.join(folder).join(command))
        .find(|file| is_program(file))
}

fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsString> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The interpreter that the first line of a script names: after `env`, the first word that is
/// neither an option nor a variable.
fn interpreter(path: &Path) -> Option<OsString> {
    let head = head(path, MAX_FIRST_LINE)?;
    let mut words = head.strip_prefix("#!")?.lines().next()?.split_whitespace();
    let program = words.next()?;
    if Path::new(program).file_name()? != "env" {
        return Some(program.into());
    }
    words.find(|word| !word.starts_with('-') && !word.contains('=')).map(Into::into)
}

/// The program that a shim of pyenv stands for: by `PYENV_VERSION`, a `.python-version` here or
/// above, or the `version` of all.
fn chosen(shim: &Path, environment: &[(OsString, OsString)], directory: &Path) -> Option<PathBuf> {
    let folder = shim.parent().filter(|folder| folder.ends_with("shims"))?;
    let (root, name) = (folder.parent()?, shim.file_name()?);
    let given = variable(environment, "PYENV_VERSION")
        .map(|text| text.to_string_lossy().into_owned())
        .filter(|text| !text.is_empty());
    let here = || {
        let folders = directory.ancestors().take(MAX_LEVELS);
        folders.map(|folder| folder.join(".python-version")).find_map(|file| version_file(&file))
    };
    let text = given.or_else(here).or_else(|| version_file(&root.join("version")))?;
    // Several are tried in their order; `system` stands for what is found without pyenv.
    let mut versions = text.split([':', '\n', ' ']).map(str::trim).filter(|text| is_plain(text));
    versions.find_map(|version| {
        let program = root.join("versions").join(version).join("bin").join(name);
        is_program(&program).then_some(program)
    })
}

fn version_file(path: &Path) -> Option<String> {
    head(path, MAX_VERSION_FILE).filter(|text| !text.trim().is_empty())
}

/// Whether a text is one part of a path and nothing else.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && text != "." && text != ".."
}

/// The beginning of a regular file, as far as it is text.
pub(super) fn head(path: &Path, limit: u64) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None; // opening a pipe would wait for its writer
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::digest::Sha256;
    use crate::hash::Silent;

    #[test]
    fn programs_are_found_as_the_system_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("env/bin")).unwrap();
        fs::create_dir_all(at("first/tool")).unwrap();
        let put = |name: &str, mode: u32| {
            fs::write(at(name), name).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        put("python3", 0o755);
        put("plain", 0o644);
        put("env/bin/tool", 0o755);
        fs::write(at("env/pyvenv.cfg"), "home = /x\nversion = 3.11.2\n").unwrap();
        std::os::unix::fs::symlink("../../python3", at("env/bin/python")).unwrap();
        let path = std::env::join_paths(["first", "env/bin", "."]).unwrap();
        let environment = [(OsString::from("PATH"), path)];
        let look = |command: &str| {
            let mut found = runtime(OsStr::new(command), &environment, folder.path(), &Silent);
            assert!(found.len() < 2, "{command}: none of these is a script");
            found.pop()
        };
        let cases = [
            ("python", Some(("python3", "python3", Some("3.11.2")))),
            ("tool", Some(("tool", "env/bin/tool", Some("3.11.2")))),
            ("./python3", Some(("python3", "python3", None))),
            ("plain", None),
            ("absent", None),
            ("./absent", None),
        ];
        for (command, want) in cases {
            let found = look(command);
            let Some((name, content, version)) = want else {
                assert_eq!(found, None, "{command}");
                continue;
            };
            let found = found.unwrap();
            assert_eq!(found.name.as_deref(), Some(name), "{command}");
            let artifact = ArtifactId::file(Sha256::of(content.as_bytes()));
            assert_eq!(found.artifact(), Ok(artifact), "{command}");
            let noted = found.annotations.get("pythonVersion").and_then(|value| value.as_str());
            assert_eq!(noted, version, "{command}");
        }
        assert!(runtime(OsStr::new("python"), &[], folder.path(), &Silent).is_empty());
    }

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn what_a_script_or_a_shim_hands_over_to_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let at = |name: &str| folder.join(name);
        program(&at("bin/python3.11"), "interpreter");
        program(&at("versions/3.12.1/bin/python3"), "3.12.1");
        program(&at("versions/3.10.2/bin/python3"), "3.10.2");
        program(&at("shims/python3"), "#!/usr/bin/env no-such-shell\n");
        fs::write(at("version"), "3.12.1\n").unwrap();
        let direct = format!("#!{}\n", at("bin/python3.11").display());
        program(&at("bin/direct"), &direct);
        program(&at("bin/by-env"), "#!/usr/bin/env -S A=b python3.11 -u\n");
        program(&at("bin/nowhere"), "#!/no/such/interpreter\n");
        program(&at("bin/plain"), "no script");
        let path = std::env::join_paths([at("bin"), at("shims")]).unwrap();
        let look = |command: &str, version: Option<&str>| {
            let mut environment = vec![(OsString::from("PATH"), path.clone())];
            environment.extend(version.map(|text| ("PYENV_VERSION".into(), text.into())));
            let found = runtime(OsStr::new(command), &environment, &folder, &Silent);
            let text = |one: &ResourceDescriptor, name: &str| {
                one.annotations.get(name).map(|value| value.as_str().unwrap().to_owned())
            };
            let last = found.last().unwrap();
            assert!(found.iter().all(|one| one.role() == Some("runtime")), "{command}");
            (found.len(), last.name.clone().unwrap(), text(last, "pythonVersion"))
        };
        let found = |count: usize, name: &str, version: Option<&str>| {
            (count, name.to_owned(), version.map(str::to_owned))
        };
        assert_eq!(look("direct", None), found(2, "python3.11", Some("3.11")));
        assert_eq!(look("by-env", None), found(2, "python3.11", Some("3.11")));
        assert_eq!(look("nowhere", None), found(1, "nowhere", None));
        assert_eq!(look("plain", None), found(1, "plain", None));
        assert_eq!(look("python3", None), found(2, "python3", Some("3.12.1")));
        assert_eq!(look("python3", Some("3.10.2")), found(2, "python3", Some("3.10.2")));
        assert_eq!(look("python3", Some("../bin")), found(1, "python3", None));
        fs::write(at(".python-version"), "none:3.10.2\n").unwrap();
        assert_eq!(look("python3", None), found(2, "python3", Some("3.10.2")));
    }

    #[test]
    fn a_large_program_has_a_digest_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        program(&path, "x");
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(40 << 20).unwrap();
        let found = runtime(path.as_os_str(), &[], folder.path(), &Silent);
        let mut bytes = vec![0; 40 << 20];
        bytes[0] = b'x';
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact(), Ok(ArtifactId::file(Sha256::of(&bytes))));
    }
}
