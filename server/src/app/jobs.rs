//! The work of requests, on threads that may block, a bounded number at a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use attest::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot, watch};

use super::{App, Purpose};
use crate::http::ApiError;
use crate::keeper::Unaccounted;
use crate::register::Storage;
use crate::verdicts::Cause;

/// How many requests that only read work with the register at once.
pub const MAX_READING: u32 = 12;
/// How many requests that may write do: they have places of their own, so that no heap of
/// questions keeps a revocation waiting.
pub const MAX_WRITING: u32 = 4;

/// How many submissions are worked on at once; they wait for each other's commit together, so that
/// there may be many. Whoever comes then is told to come again.
pub const MAX_SUBMITTING: u32 = 256;

/// The places for work.
#[derive(Debug)]
pub(super) struct Slots {
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    submitting: Arc<Semaphore>,
    /// Whether what is still being sent is not waited for any longer.
    hurrying: watch::Sender<bool>,
}

impl Default for Slots {
    fn default() -> Self {
        let places = |count: u32| Arc::new(Semaphore::new(count as usize));
        Self {
            reading: places(MAX_READING),
            writing: places(MAX_WRITING),
            submitting: places(MAX_SUBMITTING),
            hurrying: watch::Sender::new(false),
        }
    }
}

impl<S: Storage + 'static> App<S> {
    /// Waits no longer for bodies that are still being sent, nor for witnesses that were not asked
    /// yet.
    pub(crate) fn hurry(&self) {
        self.slots.hurrying.send_replace(true);
        if let Some(cosigning) = &self.cosigning {
            cosigning.stop();
        }
    }

    /// Ends when bodies are no longer waited for.
    pub(crate) async fn hurries(&self) {
        let _ = self.slots.hurrying.subscribe().wait_for(|hurrying| *hurrying).await;
    }

    /// Runs what reads the register, on a thread that may block.
    pub(crate) async fn read<T, J, F>(self: Arc<Self>, job: J) -> Result<T, ApiError>
    where
        T: Send + 'static,
        J: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let slot = Arc::clone(&self.slots.reading).acquire_owned().await;
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
        let slots = Arc::clone(&self.slots.writing);
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
        let slot = match Arc::clone(&self.slots.submitting).try_acquire_owned() {
            Ok(slot) => slot,
            Err(TryAcquireError::NoPermits) => return Err(ApiError::Busy),
            Err(TryAcquireError::Closed) => return Err(ApiError::NotReady("it is being stopped")),
        };
        self.work(slot, move |app| accounted(now, job)(app)).await
    }

    /// What was begun is brought to its end even when the client has gone, so that a submission
    /// is committed or refused, and never left half-way. What the storage can do later it does when
    /// the answer is out, in the same place: only so much of it is under way at a time.
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
        let (answer, answered) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let done = {
                let _after = Looking(Arc::clone(&self));
                runtime.block_on(job(Arc::clone(&self)))
            };
            // The client may have gone.
            let _ = answer.send(done);
            let _after = Looking(Arc::clone(&self));
            self.register.settle();
        });
        answered.await.map_err(|_| {
            tracing::error!("a request ended in a panic");
            ApiError::Internal
        })?
    }

    /// Takes no more work, and waits until what was begun is done. Returns whether it was.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        let slots = [
            (&self.slots.submitting, MAX_SUBMITTING),
            (&self.slots.writing, MAX_WRITING),
            (&self.slots.reading, MAX_READING),
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

/// Looks at what became of the register when the work ends, also by a panic.
struct Looking<S: Storage + 'static>(Arc<App<S>>);

impl<S: Storage + 'static> Drop for Looking<S> {
    fn drop(&mut self) {
        self.0.look_for_breakdown();
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
        if app.register.storage().breakdown().is_some() {
            return Err(ApiError::NotReady(Cause::Register.as_str()));
        }
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
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use attest::{NoteSigner, SigningKey};
    use verify::Trust;

    use super::super::{Parts, Readers, Writers};
    use super::*;
    use crate::register::{Memory, Register};

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
        while app.slots.submitting.available_permits() > 0 {
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
