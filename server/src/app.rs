//! What the service consists of: the register, whom and what it judges by, the verdicts, who may
//! write and who may read tiles.
//!
//! The storage works with blocking calls, so that whatever needs it runs on threads for that
//! purpose, a bounded number at a time. Admission needs none of it: it reads the
//! verdicts, and nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attest::{StageName, Timestamp};
use policy::Policy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};
use verify::{FollowError, Followed, Trust};

use crate::admission::{NamespaceError, Namespaces};
use crate::clock::{Clock, ClockBehind, Watch};
use crate::http::{ApiError, Requests, Token};
use crate::judge::{Gate, Grounds};
use crate::keeper::{KeepError, Keeper, Keeping, Unaccounted};
use crate::register::{Receipt, Register, Storage};
use crate::verdicts::{Cause, Currency, Verdicts};
use crate::witness::Cosigning;

/// How many requests that only read work with the register at once.
pub const MAX_READING: u32 = 12;
/// How many requests that may write do: they have places of their own, so that no heap of
/// questions keeps a revocation waiting.
pub const MAX_WRITING: u32 = 4;

/// How many submissions are worked on at once; they wait for each other's commit together, so that
/// there may be many. Whoever comes then is told to come again.
pub const MAX_SUBMITTING: u32 = 256;

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

/// Who may read the tiles of a service: every leaf, and so whose signatures there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// Who may write.
    Writers,
    /// Everybody who can reach it: the register is declared public.
    Everybody,
}

/// What a request is about to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// To say what is so by all that the register has.
    Deciding,
    /// To add to the register.
    Adding,
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
    /// Who may read tiles.
    pub readers: Readers,
    /// Reads the time, once for each request.
    pub clock: Clock,
}

/// A service that can be asked.
pub struct App<S> {
    register: Register<S>,
    trust: Trust,
    policy: Option<Policy>,
    gate: Option<Gate>,
    namespaces: Option<Namespaces>,
    keeper: Keeper,
    verdicts: Verdicts,
    writers: Writers,
    readers: Readers,
    watch: Watch,
    cosigning: Option<Cosigning>,
    /// Whether the register was held against its witnesses since the start.
    compared: AtomicBool,
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    submitting: Arc<Semaphore>,
    /// Whether what is still being sent is not waited for any longer.
    hurrying: watch::Sender<bool>,
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
    /// Whom the service believes.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What the service judges by.
    pub const fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The verdicts that are ready.
    pub const fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    pub(crate) const fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    pub(crate) const fn namespaces(&self) -> Option<&Namespaces> {
        self.namespaces.as_ref()
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

impl<S> App<S> {
    /// Says that nothing may be decided, for as long as `cause` stands, or that it no longer does.
    pub(crate) fn suspend(&self, cause: Cause, stands: bool) {
        if self.verdicts.suspend(cause, stands) {
            if stands {
                tracing::error!("verdicts do not count: {cause}");
            } else {
                tracing::info!("verdicts count again; no longer so: {cause}");
            }
        }
    }
}

impl<S: Storage> App<S> {
    /// Puts the parts together. Nothing is judged yet: [`App::catch_up`] does that.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn new(parts: Parts<S>) -> Result<Self, AppError> {
        let Parts { register, trust, policy, gate, namespaces, writers, readers, clock } = parts;
        let keeper = Keeper::new(register.origin(), &trust)?;
        let namespaces = match &policy {
            Some(policy) => Some(Namespaces::new(namespaces, policy)?),
            None if namespaces.is_empty() => None,
            None => return Err(AppError::NoPolicy),
        };
        Ok(Self {
            register,
            trust,
            policy,
            gate,
            namespaces,
            keeper,
            verdicts: Verdicts::default(),
            writers,
            readers,
            watch: Watch::new(clock),
            cosigning: None,
            compared: AtomicBool::new(true),
            reading: Arc::new(Semaphore::new(MAX_READING as usize)),
            writing: Arc::new(Semaphore::new(MAX_WRITING as usize)),
            submitting: Arc::new(Semaphore::new(MAX_SUBMITTING as usize)),
            hurrying: watch::Sender::new(false),
            requests: Requests::default(),
        })
    }

    /// The service, with witnesses for its register. It decides nothing until [`App::compared`].
    #[must_use]
    pub fn with_witnesses(self, cosigning: Cosigning) -> Self {
        let compared = AtomicBool::new(false);
        let app = Self { cosigning: Some(cosigning), compared, ..self };
        app.look_for_forks();
        app
    }

    /// Who asks the witnesses of the register, if anybody does.
    pub(crate) const fn cosigning(&self) -> Option<&Cosigning> {
        self.cosigning.as_ref()
    }

    /// Holds every verdict up while there is a fork that nobody has settled.
    pub(crate) fn look_for_forks(&self) {
        let forked = self.cosigning.as_ref().is_some_and(|cosigning| cosigning.fork().is_some());
        self.suspend(Cause::Fork, forked);
    }

    /// Says that the register was held against as many of its witnesses as answered.
    pub fn compared(&self) {
        self.look_for_forks();
        self.compared.store(true, Ordering::Release);
    }

    /// Refuses what may not be done while the register may be forked, or something else suspends
    /// the service.
    pub(crate) fn require_sound(&self, purpose: Purpose) -> Result<(), ApiError> {
        if !self.compared.load(Ordering::Acquire) {
            return Err(ApiError::NotReady("the register is being held against its witnesses"));
        }
        let stops = |cause: Cause| match purpose {
            Purpose::Deciding => true,
            Purpose::Adding => cause.stops_adding(),
        };
        match self.verdicts.currency() {
            Currency::Suspended(cause) if stops(cause) => Err(ApiError::NotReady(cause.as_str())),
            Currency::Suspended(_) | Currency::Cold | Currency::Behind | Currency::Current => {
                Ok(())
            }
        }
    }

    /// The newest checkpoint that the register shows: under a quorum of its witnesses, if one is
    /// asked for.
    pub(crate) async fn shown_checkpoint(&self) -> Result<String, ApiError> {
        let newest = self.register.checkpoint().await?;
        Ok(match &self.cosigning {
            Some(cosigning) => cosigning.shown(newest),
            None => newest,
        })
    }

    /// Before something is acknowledged: waits for the quorum of witnesses over every entry that
    /// there is, if one is asked for, and puts the receipts under the checkpoint that they
    /// cosigned.
    pub(crate) async fn require_witnesses(&self, receipts: &mut [Receipt]) -> Result<(), ApiError> {
        if receipts.is_empty() || !self.require_quorum().await? {
            return Ok(());
        }
        for receipt in receipts {
            receipt.bundle = self.register.bundle(receipt.index).await?;
        }
        Ok(())
    }

    /// Waits for the quorum of witnesses over every entry that there is, if one is asked for; says
    /// whether there are witnesses at all.
    pub(crate) async fn require_quorum(&self) -> Result<bool, ApiError> {
        let Some(cosigning) = &self.cosigning else { return Ok(false) };
        let size = self.register.signed().await?.checkpoint.size;
        let met = cosigning.require(&self.register, size).await;
        self.look_for_forks();
        self.require_sound(Purpose::Adding)?;
        match met {
            Ok(true) => Ok(true),
            Ok(false) => Err(ApiError::NotWitnessed),
            Err(error) => Err(ApiError::undecided(error)),
        }
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

    /// Judges again what time has ended.
    ///
    /// # Errors
    /// As [`App::catch_up`].
    pub async fn renew(&self, now: Timestamp) -> Result<(), KeepError> {
        self.accept(now)?;
        self.keeper.renew(&self.register, self.keeping(now)).await
    }

    const fn keeping(&self, now: Timestamp) -> Keeping<'_> {
        let policy = self.policy.as_ref();
        Keeping { trust: &self.trust, policy, verdicts: &self.verdicts, now }
    }

    pub(crate) const fn grounds<'a>(
        &'a self,
        policy: &'a Policy,
        followed: &'a Followed,
        now: Timestamp,
    ) -> Grounds<'a> {
        Grounds { trust: &self.trust, policy, followed, now }
    }
}

impl<S: Storage + 'static> App<S> {
    /// Waits no longer for bodies that are still being sent.
    pub(crate) fn hurry(&self) {
        self.hurrying.send_replace(true);
    }

    /// Ends when bodies are no longer waited for.
    pub(crate) async fn hurries(&self) {
        let _ = self.hurrying.subscribe().wait_for(|hurrying| *hurrying).await;
    }

    /// Runs what reads the register, on a thread that may block.
    pub(crate) async fn read<T, J, F>(self: Arc<Self>, job: J) -> Result<T, ApiError>
    where
        T: Send + 'static,
        J: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let slot = Arc::clone(&self.reading).acquire_owned().await;
        let slot = slot.map_err(|_| ApiError::NotReady("it is being stopped"))?;
        self.work(slot, job).await
    }

    /// Runs what may write to the register, on a thread that may block, and takes what it wrote
    /// into account. When either does not come to its end, no verdict counts until a later
    /// [`App::catch_up`] succeeds: nobody knows what was written.
    pub(crate) async fn write<T, J, F>(
        self: Arc<Self>,
        now: Timestamp,
        job: J,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        J: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let slots = Arc::clone(&self.writing);
        let slot = slots.acquire_owned().await;
        let slot = slot.map_err(|_| ApiError::NotReady("it is being stopped"))?;
        self.work(slot, move |app| accounted(now, job)(app)).await
    }

    /// Runs what submits to the register, as [`App::write`] does. Many do so at once, and are
    /// committed together.
    pub(crate) async fn submit<T, J, F>(
        self: Arc<Self>,
        now: Timestamp,
        job: J,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        J: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let slot = match Arc::clone(&self.submitting).try_acquire_owned() {
            Ok(slot) => slot,
            Err(TryAcquireError::NoPermits) => return Err(ApiError::Busy),
            Err(TryAcquireError::Closed) => return Err(ApiError::NotReady("it is being stopped")),
        };
        self.work(slot, move |app| accounted(now, job)(app)).await
    }

    /// What was begun is brought to its end even when the client has gone, so that a submission
    /// is committed or refused, and never left half-way.
    async fn work<T, J, F>(
        self: Arc<Self>,
        slot: OwnedSemaphorePermit,
        job: J,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        J: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            runtime.block_on(job(self))
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a request ended in a panic");
            ApiError::Internal
        })?
    }

    /// Takes no more work, and waits until what was begun is done. Returns whether it was.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        let slots = [
            (&self.submitting, MAX_SUBMITTING),
            (&self.writing, MAX_WRITING),
            (&self.reading, MAX_READING),
        ];
        let all = async {
            for (slots, count) in slots {
                if let Ok(all) = slots.acquire_many(count).await {
                    all.forget();
                }
            }
        };
        let done = tokio::time::timeout(patience, all).await.is_ok();
        slots.iter().for_each(|(slots, _)| slots.close());
        done
    }
}

/// A job that may write, and then takes what it wrote into account.
fn accounted<S, T, J, F>(
    now: Timestamp,
    job: J,
) -> impl AsyncFnOnce(Arc<App<S>>) -> Result<T, ApiError>
where
    S: Storage,
    J: FnOnce(Arc<App<S>>) -> F,
    F: Future<Output = Result<T, ApiError>>,
{
    async move |app: Arc<App<S>>| {
        app.require_sound(Purpose::Adding)?;
        let unaccounted = Unaccounted::new(&app.verdicts);
        let result = job(Arc::clone(&app)).await;
        match app.catch_up(now).await {
            Ok(_) => unaccounted.accounted(),
            Err(error) => tracing::error!(%error, "what was written is not accounted for"),
        }
        if let Some(cosigning) = &app.cosigning {
            cosigning.ring();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use attest::{NoteSigner, SigningKey};

    use super::*;
    use crate::register::Memory;

    async fn app() -> Arc<App<Memory>> {
        let key = || SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        let signer = NoteSigner::new("assay.local/0", key()).unwrap();
        let register = Register::open(Memory::new(), signer).await.unwrap();
        let log = register.verifier().to_string();
        let trust = format!(
            r#"{{"apiVersion":"assay/v1","kind":"Trust","keys":[],"verifiers":[],"logs":[{{"origin":"assay.local/0","key":"{log}"}}]}}"#
        );
        let parts = Parts {
            register,
            trust: Trust::parse(&trust).unwrap(),
            policy: None,
            gate: None,
            namespaces: BTreeMap::new(),
            writers: Writers::ThisMachine,
            readers: Readers::Writers,
            clock: Box::new(|| Timestamp::UNIX_EPOCH),
        };
        Arc::new(App::new(parts).unwrap())
    }

    #[tokio::test]
    async fn work_that_was_begun_is_done_even_when_the_client_has_gone() {
        static DONE: AtomicBool = AtomicBool::new(false);
        let app = app().await;
        let (begin, begun) = tokio::sync::oneshot::channel();
        let client = tokio::spawn(Arc::clone(&app).write(Timestamp::UNIX_EPOCH, |_| async move {
            begin.send(()).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            DONE.store(true, Ordering::SeqCst);
            Ok(())
        }));
        begun.await.unwrap();
        client.abort();
        assert!(app.drain(Duration::from_secs(20)).await);
        assert!(DONE.load(Ordering::SeqCst));
        let late = Arc::clone(&app).read(|_| async { Ok(()) }).await;
        assert!(matches!(late, Err(ApiError::NotReady(_))));
    }

    #[tokio::test]
    async fn whoever_comes_when_too_many_submit_is_told_to_come_again() {
        let app = app().await;
        let (finish, finished) = tokio::sync::watch::channel(());
        let submit = |app: &Arc<App<Memory>>| {
            let mut finished = finished.clone();
            tokio::spawn(Arc::clone(app).submit(Timestamp::UNIX_EPOCH, move |_| async move {
                finished.changed().await.map_err(ApiError::undecided)
            }))
        };
        let waiting: Vec<_> = (0..MAX_SUBMITTING).map(|_| submit(&app)).collect();
        while app.submitting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(submit(&app).await.unwrap(), Err(ApiError::Busy)));
        finish.send(()).unwrap();
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        assert!(Arc::clone(&app).submit(Timestamp::UNIX_EPOCH, |_| async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_not_waited_for_and_not_called_done() {
        let app = app().await;
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let client = tokio::spawn(Arc::clone(&app).read(|_| async move {
            begin.send(()).unwrap();
            let _ = finished.await;
            Ok(())
        }));
        begun.await.unwrap();
        assert!(!app.drain(Duration::from_millis(10)).await);
        finish.send(()).unwrap();
        client.await.unwrap().unwrap();
    }
}
