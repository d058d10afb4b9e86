//! The processes that a command leaves behind: adopting them, and finding them.

use rustix::process::Pid;

pub(super) use system::{Reaper, children, name_of};

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use rustix::io::Errno;
    use rustix::process::{
        DumpableBehavior, WaitId, WaitIdOptions, child_subreaper, dumpable_behavior, getpid,
        set_child_subreaper, set_dumpable_behavior, waitid,
    };

    use super::{Pid, parent_of};

    /// How many processes are looked at. Linux has at most 4,194,304 process ids.
    const MAX_PROCESSES: usize = 1 << 22;

    /// While it lives, orphans among our descendants become our children, and no other process
    /// of the same user can look into us: our environment may hold a passphrase that the
    /// command's does not.
    #[derive(Debug)]
    pub(crate) struct Reaper {
        reaper: Option<Pid>,
        dumpable: Option<DumpableBehavior>,
    }

    impl Reaper {
        pub(crate) fn new() -> rustix::io::Result<Self> {
            let reaper = child_subreaper()?;
            set_child_subreaper(Some(getpid()))?;
            // Not everywhere granted, and the environment of the command is clean without.
            let dumpable = dumpable_behavior().ok();
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
            Ok(Self { reaper, dumpable })
        }
    }

    impl Drop for Reaper {
        fn drop(&mut self) {
            // Nothing can be done about a system that takes back what it has granted.
            if self.reaper.is_none() {
                let _ = set_child_subreaper(None);
            }
            if let Some(dumpable) = self.dumpable {
                let _ = set_dumpable_behavior(dumpable);
            }
        }
    }

    /// Our children, those that have ended included.
    pub(crate) fn children() -> Vec<Pid> {
        // Most often there are none, and that is known without looking at every process.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::All, options).is_err_and(|errno| errno == Errno::CHILD) {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let own = getpid();
        let numbers = entries.take(MAX_PROCESSES).filter_map(|entry| {
            let number = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Pid::from_raw(number)
        });
        let stat = |number: &Pid| fs::read(format!("/proc/{}/stat", number.as_raw_pid())).ok();
        numbers
            .filter(|number| stat(number).and_then(|stat| parent_of(&stat)) == Some(own))
            .collect()
    }

    /// The name of a process.
    pub(crate) fn name_of(process: Pid) -> String {
        let name = fs::read(format!("/proc/{}/comm", process.as_raw_pid())).unwrap_or_default();
        String::from_utf8_lossy(&name).trim_end().chars().take(64).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Pid;

    #[derive(Debug)]
    pub(crate) struct Reaper;

    impl Reaper {
        pub(crate) fn new() -> rustix::io::Result<Self> {
            Ok(Self)
        }
    }

    pub(crate) fn children() -> Vec<Pid> {
        Vec::new()
    }

    pub(crate) fn name_of(_process: Pid) -> String {
        String::new()
    }
}

/// The parent in what `/proc/…/stat` says. The name in it may hold anything, brackets too.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has /proc"))]
fn parent_of(stat: &[u8]) -> Option<Pid> {
    let name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name + 1..)?).ok()?;
    Pid::from_raw(rest.split_ascii_whitespace().nth(1)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_stands_after_any_name() {
        let cases: [(&[u8], Option<i32>); 5] = [
            (b"12 (sh) S 7 12 12 0", Some(7)),
            (b"12 (a) S 1 (b) S 7 12", Some(7)),
            (b"12 (\xFF\n) R 7 12", Some(7)),
            (b"12 (sh) S", None),
            (b"", None),
        ];
        for (stat, want) in cases {
            assert_eq!(parent_of(stat).map(Pid::as_raw_pid), want);
        }
    }
}
