//! What the service consists of: the register, whom and what it judges by, the verdicts, who may
//! write and who may read entries.
//!
//! The storage works with blocking calls, so that whatever needs it runs on threads for that
//! purpose, a bounded number at a time (`jobs`). Admission needs none of it: it reads the
//! verdicts, and nothing else.

mod jobs;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use attest::{StageName, Timestamp};
use policy::Policy;
use tokio::sync::watch;
use verify::{FollowError, Followed, Trust};

use self::jobs::Slots;
pub use self::jobs::{MAX_READING, MAX_SUBMITTING, MAX_WRITING};
pub(crate) use self::standing::Purpose;
use crate::admission::{NamespaceError, Namespaces};
use crate::clock::{Clock, ClockBehind, Watch};
use crate::force::{Force, InForce};
use crate::http::{ApiError, Requests, Token};
use crate::judge::Gate;
use crate::keeper::{KeepError, Keeper, Keeping};
use crate::register::{Breakdown, Register, Storage};
use crate::verdicts::Verdicts;
use crate::witness::Cosigning;

/// How often what is in force may change while one question is asked.
const MAX_CHANGES: usize = 8;

/// Who may write to a service.
#[derive(Clone, Debug)]
pub enum Writers {
    /// Who knows the token.
    Token(Token),
    /// Who is on this machine and asks for it by a name of this machine. A web page can make a
    /// browser here send requests, but then to the name that the page came from.
    ThisMachine,
    /// Everybody who can reach it.
    Everybody,
}

/// Who may read the entries of a service, and tiles and lineages with them: what was signed, and
/// whose signatures there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// Who may write.
    Writers,
    /// Everybody who can reach it: the register is declared public.
    Everybody,
}

/// What a service is made of.
pub struct Parts<S> {
    /// The register.
    pub register: Register<S>,
    /// Whom it believes.
    pub trust: Trust,
    /// What must hold; without one it neither checks nor admits.
    pub policy: Option<Policy>,
    /// Who signs promotions; without one it does not promote.
    pub gate: Option<Gate>,
    /// Which stage each namespace is.
    pub namespaces: BTreeMap<String, StageName>,
    /// Who may write.
    pub writers: Writers,
    /// Who may read entries.
    pub readers: Readers,
    /// Reads the time, once for each request.
    pub clock: Clock,
}

/// A service that can be asked.
pub struct App<S> {
    register: Register<S>,
    force: Force,
    gate: Option<Gate>,
    keeper: Keeper,
    verdicts: Verdicts,
    writers: Writers,
    readers: Readers,
    watch: Watch,
    cosigning: Option<Cosigning>,
    /// Whether the register was held against its witnesses since the start.
    compared: AtomicBool,
    slots: Slots,
    /// Why the register takes nothing more.
    broken: watch::Sender<Option<Breakdown>>,
    requests: Requests,
}

/// Why the parts make no service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The trust file does not name the register.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The namespaces do not fit the policy.
    #[error(transparent)]
    Namespaces(#[from] NamespaceError),
    /// Namespaces are mapped to stages of no policy.
    #[error("namespaces are mapped to stages, but there is no policy that has them")]
    NoPolicy,
}

impl<S> App<S> {
    /// What is in force, as far as the register was followed.
    pub fn in_force(&self) -> Arc<InForce> {
        self.force.now()
    }

    /// Whom the service believes.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.in_force().trust)
    }

    /// Refuses to decide where nothing judges, and nothing that is registered could.
    pub(crate) fn require_policy(&self) -> Result<(), ApiError> {
        let governed = self.force.begun().governance().is_some();
        if governed || !self.in_force().rules.is_empty() {
            return Ok(());
        }
        Err(ApiError::NoPolicy)
    }

    /// The verdicts that are ready.
    pub const fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    pub(crate) const fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    pub(crate) const fn writers(&self) -> &Writers {
        &self.writers
    }

    pub(crate) const fn readers(&self) -> Readers {
        self.readers
    }

    /// How many requests were answered.
    pub(crate) const fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Reads the clock, once.
    pub(crate) fn now(&self) -> Result<Timestamp, ClockBehind> {
        self.watch.now()
    }

    /// The newest time that was accepted.
    pub(crate) fn newest(&self) -> Timestamp {
        self.watch.newest()
    }

    /// Accepts a time, as every request does: from it on, the clock is not followed back.
    ///
    /// # Errors
    /// [`ClockBehind`] when a later time was accepted already.
    pub fn accept(&self, now: Timestamp) -> Result<(), ClockBehind> {
        self.watch.accept(now)
    }
}

impl<S: Storage> App<S> {
    /// Puts the parts together. Nothing is judged yet: [`App::catch_up`] does that.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn new(parts: Parts<S>) -> Result<Self, AppError> {
        let Parts { register, trust, policy, gate, namespaces, writers, readers, clock } = parts;
        let trust = trust.for_others();
        let keeper = Keeper::new(register.origin(), &trust)?;
        match &policy {
            Some(policy) => drop(Namespaces::new(namespaces.clone(), policy)?),
            // What judges may stand in the register.
            None if namespaces.is_empty() || trust.governance().is_some() => {}
            None => return Err(AppError::NoPolicy),
        }
        Ok(Self {
            register: register.settled_when_told(),
            force: Force::new(trust, policy, namespaces),
            gate,
            keeper,
            verdicts: Verdicts::default(),
            writers,
            readers,
            watch: Watch::new(clock),
            cosigning: None,
            compared: AtomicBool::new(true),
            slots: Slots::default(),
            broken: watch::Sender::new(None),
            requests: Requests::default(),
        })
    }

    /// The register.
    pub const fn register(&self) -> &Register<S> {
        &self.register
    }

    /// Takes every entry of the register into account: at the start all promotions are judged,
    /// later what changed. The service is ready when this succeeds.
    ///
    /// # Errors
    /// [`KeepError`]; no verdict counts until a later call succeeds.
    pub async fn catch_up(&self, now: Timestamp) -> Result<Arc<Followed>, KeepError> {
        self.accept(now)?;
        self.keeper.catch_up(&self.register, self.keeping(now)).await
    }

    /// Takes every entry into account, and gives what the register has come to with what is in force
    /// by exactly that.
    ///
    /// # Errors
    /// As [`App::catch_up`], and while it changes faster than it can be followed.
    pub(crate) async fn decide_by(
        &self,
        now: Timestamp,
    ) -> Result<(Arc<Followed>, Arc<InForce>), ApiError> {
        for _ in 0..MAX_CHANGES {
            let followed = self.catch_up(now).await?;
            let in_force = self.in_force();
            if in_force.is_of(&followed) {
                return Ok((followed, in_force));
            }
        }
        Err(ApiError::NotReady("another trust document or policy is coming into force"))
    }

    /// Judges again what time has ended.
    ///
    /// # Errors
    /// As [`App::catch_up`].
    pub async fn renew(&self, now: Timestamp) -> Result<(), KeepError> {
        self.accept(now)?;
        self.keeper.renew(&self.register, self.keeping(now)).await
    }

    const fn keeping(&self, now: Timestamp) -> Keeping<'_> {
        Keeping { force: &self.force, verdicts: &self.verdicts, now }
    }
}
