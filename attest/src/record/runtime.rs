//! What executes the command: the program file, found as the system finds it, and its digest.
//!
//! No program is run to ask for its version. What can be read is recorded: the digest of the
//! executable, and for a Python environment the version that its `pyvenv.cfg` names. Which
//! packages there were is what lock files say.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::artifact::ArtifactId;
use crate::hash::{Listed, Silent, hash_files};
use crate::resource::ResourceDescriptor;
use crate::root::{Opened, Root};

/// The role of the program.
const ROLE: &str = "runtime";
/// The largest program that is hashed, in bytes. A larger one would be felt.
const MAX_BYTES: u64 = 32 << 20;
/// How many folders of `PATH` are searched.
const MAX_FOLDERS: usize = 256;

/// Describes the program that `command` starts; `None` when it cannot be read.
pub(super) fn runtime(
    command: &OsStr,
    environment: &[(OsString, OsString)],
    directory: &Path,
) -> Option<ResourceDescriptor> {
    let path = find(command, environment, directory)?;
    let real = path.canonicalize().ok()?;
    let (root, name) = (Root::open(real.parent()?).ok()?, real.file_name()?.to_str()?);
    let Opened::File(_, identity) = root.open_name(name).ok()? else { return None };
    if identity.size() > MAX_BYTES {
        return None;
    }
    let listed = Listed { name: name.into(), identity };
    let digest = hash_files(&root, &[&listed], &Silent).ok()?.pop()?;
    let mut found = ResourceDescriptor::of(name, &ArtifactId::file(digest)).with_role(ROLE);
    found.annotations.insert("path".into(), real.to_str()?.into());
    if let Some(version) = environment_version(&path) {
        found.annotations.insert("pythonVersion".into(), version.into());
    }
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
    let (_, path) = environment.iter().find(|(name, _)| name == "PATH")?;
    std::env::split_paths(path)
        .take(MAX_FOLDERS)
        .map(|folder| directory.join(folder).join(command))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
}

/// The version in the `pyvenv.cfg` of the Python environment that a program belongs to.
fn environment_version(program: &Path) -> Option<String> {
    let settings = program.parent()?.parent()?.join("pyvenv.cfg");
    let mut text = String::new();
    std::fs::File::open(settings).ok()?.take(8 << 10).read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let known = matches!(name.trim(), "version" | "version_info");
        known.then(|| value.trim().chars().take(64).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::digest::Sha256;

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
        let look = |command: &str| runtime(OsStr::new(command), &environment, folder.path());
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
        assert!(runtime(OsStr::new("python"), &[], folder.path()).is_none());
    }
}
