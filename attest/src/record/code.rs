//! The commit that a step runs from, and whether the files still are what was committed.
//!
//! A claim by the recorder: the digests of materials say what was read. Looking at a large
//! repository takes long, and a step should not wait for it, so the look goes on beside the
//! hashing and is broken off [`PATIENCE`] after that; the statement then says `unknown`, never
//! `clean`. Filters that the repository's owner has configured run as they do for `git status`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use gix::status::{Item, UntrackedFiles};

use crate::artifact::{ArtifactId, Commit};
use crate::resource::ResourceDescriptor;

/// How long is waited for the state of the files when everything else is done.
const PATIENCE: Duration = Duration::from_millis(500);
/// Assay's own folder, which is no part of anybody's code.
const OWN: &str = ".assay";
/// The role of the commit.
const ROLE: &str = "source";

/// Where the code came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Code {
    pub(super) commit: Commit,
    branch: Option<String>,
    remote: Option<String>,
    state: State,
}

/// How the files differ from the commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Not at all.
    Clean,
    /// Tracked files are those committed, and there are others, which are not ignored.
    Untracked,
    /// Tracked files differ, or are staged.
    Changed,
    /// That was not found out.
    Unknown,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Untracked => "untracked-files",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
        }
    }
}

impl Code {
    /// The dependency that the commit is.
    pub(super) fn descriptor(&self) -> ResourceDescriptor {
        let mut found =
            ResourceDescriptor::of("git", &ArtifactId::Git(self.commit)).with_role(ROLE);
        let branch = self.branch.as_deref();
        found.uri = self.remote.as_ref().map(|remote| match branch {
            Some(branch) => format!("git+{remote}@refs/heads/{branch}"),
            None => format!("git+{remote}"),
        });
        if let Some(branch) = branch {
            found.annotations.insert("branch".into(), branch.into());
        }
        found.annotations.insert("state".into(), self.state.as_str().into());
        found
    }
}

/// A look at the repository that has begun.
pub(super) struct Look {
    found: Receiver<Told>,
    enough: Arc<AtomicBool>,
}

enum Told {
    Commit(Code),
    State(State),
}

impl Look {
    /// Begins to look for the repository that holds `directory`.
    pub(super) fn begin(directory: PathBuf) -> Self {
        let (tell, found) = channel();
        let enough = Arc::new(AtomicBool::new(false));
        let interrupt = Arc::clone(&enough);
        thread::spawn(move || look(&directory, &tell, interrupt));
        Self { found, enough }
    }

    /// What was found: nothing where there is no commit.
    pub(super) fn end(self) -> Option<Code> {
        let Ok(Told::Commit(mut code)) = self.found.recv_timeout(PATIENCE) else {
            self.enough.store(true, Ordering::Relaxed);
            return None;
        };
        match self.found.recv_timeout(PATIENCE) {
            Ok(Told::State(state)) => code.state = state,
            Ok(Told::Commit(_)) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => self.enough.store(true, Ordering::Relaxed),
        }
        Some(code)
    }
}

/// Tells the commit, then the state; ends without telling when there is nothing to tell.
fn look(directory: &Path, tell: &Sender<Told>, interrupt: Arc<AtomicBool>) {
    let Ok(repository) = gix::discover(directory) else { return };
    let Some(commit) = repository.head_id().ok().and_then(|id| id.to_string().parse().ok()) else {
        return;
    };
    let branch = repository.head_name().ok().flatten();
    let branch = branch.and_then(|name| Some(name.shorten().to_str().ok()?.to_owned()));
    let remote = remote(&repository, branch.as_deref());
    if tell.send(Told::Commit(Code { commit, branch, remote, state: State::Unknown })).is_err() {
        return;
    }
    let state = state(&repository, interrupt).unwrap_or(State::Unknown);
    // Nobody waits any more when this fails.
    let _ = tell.send(Told::State(state));
}

/// Compares commit, index and files; `None` when that cannot be done to the end.
///
/// `is_dirty()` knows nothing of untracked files, which a program can import as well.
fn state(repository: &gix::Repository, interrupt: Arc<AtomicBool>) -> Option<State> {
    let changes = repository
        .status(gix::progress::Discard)
        .ok()?
        .untracked_files(UntrackedFiles::Collapsed)
        .index_worktree_rewrites(None)
        .should_interrupt_owned(Arc::clone(&interrupt))
        .into_iter(Vec::new())
        .ok()?;
    let mut state = State::Clean;
    for change in changes {
        let change = change.ok()?;
        match &change {
            Item::IndexWorktree(gix::status::index_worktree::Item::DirectoryContents {
                ..
            }) => {
                let path = change.location();
                let own = path.split_str("/").any(|part| part == OWN.as_bytes());
                if !own {
                    state = State::Untracked;
                }
            }
            Item::IndexWorktree(item) if item.summary().is_none() => {}
            Item::IndexWorktree(_) | Item::TreeIndex(_) => return Some(State::Changed),
        }
    }
    // An interrupted comparison ends early, and without an error.
    (!interrupt.load(Ordering::Relaxed)).then_some(state)
}

/// The address of the remote of a branch, without anything that could be a credential.
fn remote(repository: &gix::Repository, branch: Option<&str>) -> Option<String> {
    let settings = repository.config_snapshot();
    let text = |key: &str| Some(settings.string(key)?.to_str().ok()?.to_owned());
    let name = branch.and_then(|branch| text(&format!("branch.{branch}.remote")));
    let url = text(&format!("remote.{}.url", name.as_deref().unwrap_or("origin")))?;
    public_address(&url)
}

/// `scheme://host/path` of a remote; nothing for a folder, which has a meaning only here.
fn public_address(url: &str) -> Option<String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme @ ("https" | "http" | "ssh" | "git"), rest)) => (scheme, rest.to_owned()),
        Some(_) => return None,
        None => {
            // `user@host:path`, as scp has it; a path has its `/` before any `:`.
            let (host, path) = url.split_once(':')?;
            if host.contains('/') || host.is_empty() {
                return None;
            }
            ("ssh", format!("{host}/{}", path.trim_start_matches('/')))
        }
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = rest.get(..end)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let visible = |text: &str| text.chars().all(|letter| letter.is_ascii_graphic());
    if host.is_empty() || !visible(host) || !visible(path) || rest.len() > 1024 {
        return None;
    }
    Some(super::secrets::redact_text(&format!("{scheme}://{host}/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_credentials() {
        let cases = [
            ("https://host/a/b.git", Some("https://host/a/b.git")),
            ("https://ada:secret@host:8443/b", Some("https://host:8443/b")),
            ("https://ghp_0123456789012345678901234567890123456@host/b", Some("https://host/b")),
            ("https://host/b?private_token=abc#x", Some("https://host/b")),
            ("git@host:team/b.git", Some("ssh://host/team/b.git")),
            ("ssh://git@host:22/b", Some("ssh://host:22/b")),
            ("/home/ada/b", None),
            ("../b", None),
            ("file:///home/ada/b", None),
            ("./a:b", None),
            ("https://", None),
        ];
        for (url, want) in cases {
            assert_eq!(public_address(url).as_deref(), want, "{url}");
        }
    }

    #[test]
    fn outside_a_repository_there_is_no_code() {
        assert_eq!(Look::begin("/".into()).end(), None);
    }
}
