//! Our register under its witnesses: asks them, shows what they cosigned, and stops on a fork.
//!
//! With a quorum of 0 nobody waits: a checkpoint is shown as soon as it is signed, and gets its
//! cosignatures when they come. With a quorum, `/checkpoint` shows the newest one that met it, and
//! whoever submits waits for it. They wait together: what one round comes to, also that it failed,
//! is the answer of all whose entries it was about, so that a witness that says nothing costs each
//! of them two rounds at most, however many they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use attest::note::MAX_BYTES;
use attest::{Checkpoint, Note, NoteError};
use tokio::sync::{Mutex, MutexGuard, Notify, watch};
use ureq::Agent;

use super::durable;
use super::fork;
use super::list::{ListError, WitnessList};
use super::round::{Outcome, Round, round};
use crate::register::{ReadError, Register, Signed, Storage};

/// The newest note that met the quorum, beside the register.
const COSIGNED: &str = "cosigned";
/// How long to wait before witnesses that did not cosign are asked again.
pub(crate) const RETRY: Duration = Duration::from_secs(20);
/// After how many such waits they are asked in any case, so that their times stay fresh.
pub(crate) const FRESH: u32 = 15;

/// What is needed to ask the witnesses of one register.
pub struct Cosigning {
    folder: PathBuf,
    agent: Agent,
    /// One round at a time.
    rounds: Mutex<Rounds>,
    /// How many rounds have ended.
    ended: AtomicU64,
    /// Whether no round is begun any longer.
    stopping: watch::Sender<bool>,
    /// The newest checkpoint that met the quorum.
    witnessed: RwLock<Option<Witnessed>>,
    /// Rings when there may be something new to cosign.
    news: Notify,
}

/// A checkpoint, and how many witnesses cosigned it: the quorum may be raised afterwards.
#[derive(Clone)]
struct Witnessed {
    signed: Arc<Signed>,
    cosignatures: usize,
}

/// What is known from round to round.
#[derive(Default)]
struct Rounds {
    /// What each witness cosigned last.
    sizes: HashMap<String, u64>,
    /// What the last round came to.
    last: Option<Ended>,
}

/// What a round came to.
#[derive(Clone, Copy)]
struct Ended {
    /// Which one, from 1.
    number: u64,
    /// How many entries it was about.
    size: u64,
    /// Whether it met the quorum.
    met: bool,
}

/// Why the witnesses were not asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CosigningError {
    /// The list of witnesses cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// The register cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cosignatures do not fit under the note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// No round is begun any longer.
    #[error("the witnesses are not asked while the service is being stopped")]
    Stopping,
}

impl Cosigning {
    /// Asks the witnesses of the register in `folder`, over `agent`.
    pub fn new(folder: PathBuf, agent: Agent) -> Self {
        Self {
            folder,
            agent,
            rounds: Mutex::default(),
            ended: AtomicU64::new(0),
            stopping: watch::Sender::new(false),
            witnessed: RwLock::default(),
            news: Notify::new(),
        }
    }

    /// Asks every witness once. Cosignatures that meet the quorum are shown from now on, and a
    /// fork is kept as evidence and holds everything up. It blocks: not for threads that must not.
    ///
    /// # Errors
    /// [`CosigningError`].
    pub async fn round<S: Storage>(&self, register: &Register<S>) -> Result<Round, CosigningError> {
        let mut rounds = self.turn().await?;
        self.round_with(register, &mut rounds).await
    }

    /// Waits until no round is under way.
    async fn turn(&self) -> Result<MutexGuard<'_, Rounds>, CosigningError> {
        let mut stopping = self.stopping.subscribe();
        let rounds = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Err(CosigningError::Stopping),
            rounds = self.rounds.lock() => rounds,
        };
        Ok(rounds)
    }

    async fn round_with<S: Storage>(
        &self,
        register: &Register<S>,
        rounds: &mut Rounds,
    ) -> Result<Round, CosigningError> {
        let list = WitnessList::load(&self.folder)?;
        let round = round(register, &list, &self.agent, &mut rounds.sizes).await?;
        let number = self.ended.fetch_add(1, Ordering::AcqRel) + 1;
        rounds.last = Some(Ended { number, size: round.checkpoint.size, met: round.is_met() });
        for (witness, outcome) in &round.outcomes {
            if let Outcome::Absent(why) = outcome {
                tracing::warn!(witness, why, "a witness did not cosign");
            }
        }
        for found in round.forks() {
            let kept = found.keep(&self.folder);
            tracing::error!(
                witness = found.witness,
                says = found.says,
                proven = found.proven,
                ?kept,
                "this register is not the one that its witness saw; nothing is allowed until it is settled"
            );
        }
        if round.is_met() && !round.lines.is_empty() {
            let signed = register.cosign(&round.checkpoint, &round.lines)?;
            self.keep(Witnessed { signed, cosignatures: round.lines.len() });
        }
        Ok(round)
    }

    /// Makes sure that a tree of `size` entries, or a larger one, met the quorum; without one,
    /// nobody waits. Returns whether it did. It blocks, for what is left of a round and one more.
    ///
    /// # Errors
    /// [`CosigningError`].
    pub async fn require<S: Storage>(
        &self,
        register: &Register<S>,
        size: u64,
    ) -> Result<bool, CosigningError> {
        let quorum = WitnessList::load(&self.folder)?.quorum();
        if quorum == 0 {
            return Ok(true);
        }
        let asked = self.ended.load(Ordering::Acquire);
        let mut rounds = self.turn().await?;
        // Whoever came before may have had this entry cosigned with theirs.
        if self.witnessed(quorum).is_some_and(|signed| signed.checkpoint.size >= size) {
            return Ok(true);
        }
        // A round that ended since this one waits was about these entries, too: to ask again what
        // was just not answered would keep everybody behind waiting.
        match rounds.last {
            Some(last) if last.number > asked && last.size >= size => return Ok(last.met),
            Some(_) | None => {}
        }
        let round = self.round_with(register, &mut rounds).await?;
        Ok(round.is_met() && round.checkpoint.size >= size)
    }

    /// The checkpoint to show: `newest` when no quorum is asked for, and otherwise the newest that
    /// met it. `None` when none ever did; a register without entries has nothing to be held to.
    pub fn shown(&self, newest: Arc<Signed>) -> Option<Arc<Signed>> {
        // A list that cannot be read may ask for one.
        match WitnessList::load(&self.folder).map_or(1, |list| list.quorum()) {
            0 => Some(newest),
            quorum => self
                .witnessed(quorum)
                .or_else(|| Some(newest).filter(|one| one.checkpoint.size == 0)),
        }
    }

    /// Where the evidence of a fork lies, while nobody has settled it.
    pub fn fork(&self) -> Option<PathBuf> {
        fork::unsettled(&self.folder)
    }

    /// Puts back what was cosigned before the last stop, if it is of this tree.
    pub async fn restore<S: Storage>(&self, register: &Register<S>) {
        if let Some(found) = restored(&self.folder, register).await {
            *self.witnessed.write().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
    }

    /// Begins no round any longer, and answers whoever waits for one. A round that is under way
    /// comes to its end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Says that there may be something new to cosign.
    pub(crate) fn ring(&self) {
        self.news.notify_one();
    }

    /// Waits until there may be something new to cosign, or `patience` is over.
    pub(crate) async fn wait(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.news.notified()).await.is_ok()
    }

    /// The newest checkpoint that so many witnesses cosigned.
    fn witnessed(&self, quorum: usize) -> Option<Arc<Signed>> {
        let found = self.witnessed.read().unwrap_or_else(PoisonError::into_inner).clone();
        found.filter(|found| found.cosignatures >= quorum).map(|found| found.signed)
    }

    fn keep(&self, found: Witnessed) {
        let signed = &found.signed;
        // It can be asked for again: losing it loses nothing but a round.
        if let Err(error) = durable::replace(&self.folder.join(COSIGNED), signed.note.as_bytes()) {
            tracing::warn!(%error, "cannot keep the cosigned checkpoint");
        }
        *self.witnessed.write().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }
}

/// Reads the note that met the quorum last, and puts its cosignatures back under the register's
/// checkpoint. Lines that do not hold, or are by nobody on the list,
/// are left out, and so is a note about another tree or about more entries than there are.
pub async fn restore<S: Storage>(folder: &Path, register: &Register<S>) -> Option<Arc<Signed>> {
    restored(folder, register).await.map(|found| found.signed)
}

async fn restored<S: Storage>(folder: &Path, register: &Register<S>) -> Option<Witnessed> {
    let text = durable::read(&folder.join(COSIGNED), MAX_BYTES as u64).ok()??;
    let checkpoint = Checkpoint::open(&text, register.verifier()).ok()?;
    let note: Note = text.parse().ok()?;
    // Of a tree that is gone it says nothing, also when another has grown as large since.
    if register.root(checkpoint.size).await.ok()? != checkpoint.root {
        return None;
    }
    let list = WitnessList::load(folder).ok()?;
    let held = |line: &&attest::NoteSignature| {
        list.witnesses().iter().any(|asked| asked.key.verify(&note.text, line).is_ok())
    };
    let lines: Vec<_> = note.signatures.iter().filter(held).cloned().collect();
    if lines.is_empty() || lines.len() < list.quorum() {
        return None;
    }
    let signed = register.cosign(&checkpoint, &lines).ok()?;
    Some(Witnessed { signed, cosignatures: lines.len() })
}
