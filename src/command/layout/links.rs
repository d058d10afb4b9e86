//! Reading the folder in which links lie.

use std::fs;
use std::path::{Path, PathBuf};

use verify::layout::{LinkFolder, MAX_SUBLAYOUTS};

use crate::error::{Action, Error};
use crate::home;

/// The files of a folder that can be links, and those of folders below that can be sublayouts'.
///
/// A folder that is not there is an error: it was named. What the names of links do not look like
/// is not read.
pub(super) fn read(path: &Path) -> Result<LinkFolder, Error> {
    let mut folder = LinkFolder::default();
    take(path, path, &mut Vec::new(), &mut folder)?;
    Ok(folder)
}

/// Recursion ends at [`MAX_SUBLAYOUTS`].
fn take(
    root: &Path,
    path: &Path,
    folders: &mut Vec<String>,
    into: &mut LinkFolder,
) -> Result<(), Error> {
    let failed = |path: &Path, error| Error::io(Action::Read, path, error);
    for entry in fs::read_dir(path).map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path: PathBuf = entry.path();
        let is_folder = || fs::metadata(&path).is_ok_and(|found| found.is_dir());
        if name.ends_with(".link") && !is_folder() {
            let bytes = home::read(&path)?;
            let below: Vec<&str> = folders.iter().map(String::as_str).collect();
            into.insert(&below, &name, bytes)
                .map_err(|source| Error::Links { path: root.into(), source })?;
        } else if is_sublayout(&name) && folders.len() < MAX_SUBLAYOUTS && is_folder() {
            folders.push(name);
            take(root, &path, folders, into)?;
            folders.pop();
        }
    }
    Ok(())
}

/// Whether a folder's name is a step's and the first digits of a key id.
fn is_sublayout(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(step, label)| {
        !step.is_empty()
            && (1..=8).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
