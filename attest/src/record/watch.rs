//! Noticing that a directory on the way to a material was moved while the step ran.
//!
//! Renaming a directory changes nothing in the files below it, so a whole directory could be
//! swapped for another and put back without a trace in their identities. The kernel reports the
//! move of a watched directory itself, and only that.

use crate::root::{OpenError, Root};

/// Directories under watch.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Watch {
    queue: std::os::fd::OwnedFd,
    names: Vec<(i32, String)>,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// Watches the root and every directory between it and each name; nothing without names.
    ///
    /// Where the system grants no watch, there is none: it is one more way to notice.
    pub(super) fn of<'a>(
        root: &Root,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Self>, OpenError> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

        let mut names = names.peekable();
        if names.peek().is_none() {
            return Ok(None);
        }
        let Ok(queue) = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) else {
            return Ok(None);
        };
        let mut folders = std::collections::BTreeSet::from([String::new()]);
        for name in names {
            let ends = name.match_indices('/').map(|(end, _)| end);
            folders.extend(ends.filter_map(|end| name.get(..end)).map(str::to_owned));
        }
        let events = WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let mut watched = Vec::new();
        for folder in folders {
            // Also proves that the way to it has no link.
            root.pass(&folder)?;
            if let Ok(number) = add_watch(&queue, root.path().join(&folder), events) {
                watched.push((number, folder));
            }
        }
        Ok(Some(Self { queue, names: watched }))
    }

    /// The first directory that was moved or removed since.
    pub(super) fn moved(self) -> Option<String> {
        let found = self.first_moved();
        // The kernel takes ten milliseconds and more to end a watch, which nobody waits for.
        std::thread::spawn(move || drop(self));
        found
    }

    fn first_moved(&self) -> Option<String> {
        use rustix::fs::inotify::{ReadFlags, Reader};

        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        // The events of a directory end with its removal, and the queue is bounded: this ends.
        while let Ok(event) = reader.next() {
            let found = self.names.iter().find(|(number, _)| *number == event.wd());
            match found {
                Some((_, name)) if name.is_empty() => return Some(".".into()),
                Some((_, name)) => return Some(name.clone()),
                None if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    return Some(".".into());
                }
                None => {}
            }
        }
        None
    }
}

/// Elsewhere nothing is watched.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Watch;

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub(super) fn of<'a>(
        _root: &Root,
        _names: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Self>, OpenError> {
        Ok(None)
    }

    pub(super) fn moved(self) -> Option<String> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_that_was_put_back_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir_all(at("c")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let watch = || Watch::of(&root, ["a/b/f", "g"].into_iter()).unwrap().unwrap();

        let quiet = watch();
        fs::write(at("a/b/f"), "x").unwrap();
        fs::rename(at("a/b/f"), at("a/b/g")).unwrap();
        fs::rename(at("c"), at("d")).unwrap();
        assert_eq!(quiet.moved(), None, "entries, and directories that lead to nothing");

        for name in ["a/b", "a"] {
            let swapped = watch();
            fs::rename(at(name), at("away")).unwrap();
            fs::create_dir_all(at(name)).unwrap();
            fs::remove_dir(at(name)).unwrap();
            fs::rename(at("away"), at(name)).unwrap();
            assert_eq!(swapped.moved().as_deref(), Some(name));
        }
    }
}
