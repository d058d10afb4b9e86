//! Running the service: opens the register as its one server, listens, keeps verdicts up to date,
//! and stops gracefully.
//!
//! It prints nothing and reads no flag, environment or clock of its own. It refuses to listen
//! beyond this machine without a token for writes, unless it is told to be open.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attest::{SigningKey, StageName, Timestamp};
use policy::Policy;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use verify::Trust;

use crate::app::{App, AppError, Parts, Readers, Writers};
use crate::http::{ApiError, Token, router};
use crate::judge::{Gate, JudgeError};
use crate::listener::Bounded;
use crate::register::{
    self, Breakdown, Embedded, FolderError, Holder, PATIENCE, Register, Storage,
};
use crate::seen::{self, SeenError};
use crate::verdicts::{Cause, Currency};
use crate::watched::Watched;
use crate::witness::{Cosigning, FRESH, RETRY};

/// How many threads a runtime needs that a register is served in: one for each processor, and one more
/// because a commit holds the thread that leads it while the disk writes.
pub fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_add(1)
}

/// How often verdicts that time has ended are judged again.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long requests that were begun may take after the service was told to stop: less than
/// whoever stops it waits before killing it, which is 30 s in a cluster.
const GRACE: Duration = Duration::from_secs(20);
/// How long connections are still accepted then: those that were there already are answered, and
/// not reset.
const GATHER: Duration = Duration::from_millis(100);
/// How long of that bodies may take that are still being sent, and how long witnesses are still
/// asked.
const SENDING: Duration = Duration::from_secs(5);
/// How long the service goes on answering after the register broke down, so that whoever asks
/// whether it is ready is told why it is not.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a service is started with.
pub struct ServeConfig {
    /// Where it listens; port 0 for any that is free.
    pub address: SocketAddr,
    /// The folder of the register; made when there is none.
    pub register: PathBuf,
    /// The file that remembers what was seen of registers.
    pub seen: PathBuf,
    /// Whom it believes.
    pub trust: Trust,
    /// What must hold; without one it neither checks nor admits.
    pub policy: Option<Policy>,
    /// The files that these were read from. When one is no longer what it was, nothing is decided
    /// until the service is started again.
    pub watched: Vec<Watched>,
    /// The key that signs promotions; without one it does not promote.
    pub gate: Option<SigningKey>,
    /// Which stage each namespace of the cluster is.
    pub namespaces: BTreeMap<String, StageName>,
    /// Who knows it may write. Without it, who is on this machine may.
    pub token: Option<Token>,
    /// Whether everybody who can reach it may write, when there is no token.
    pub open: bool,
    /// Whether the register is declared public: everybody who can reach it may read it.
    pub public: bool,
    /// Reads the time.
    pub clock: fn() -> Timestamp,
    /// Asks the witnesses of the register; without it there are none.
    pub agent: Option<ureq::Agent>,
    /// Called once, when it listens at the address and the verdicts are ready.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Everybody could write.
    #[error(
        "{0} can be reached from other machines, and nothing would keep them from writing: give a token, or say that the service is open"
    )]
    NeedsToken(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The register cannot be used.
    #[error(transparent)]
    Register(#[from] FolderError),
    /// The register is not what it was.
    #[error(transparent)]
    Seen(#[from] SeenError),
    /// The key does not make a gate.
    #[error(transparent)]
    Gate(#[from] JudgeError),
    /// Register, trust, policy and namespaces do not fit each other.
    #[error(transparent)]
    App(#[from] AppError),
    /// The system does not let it wait for signals, connections or threads.
    #[error("the service cannot run")]
    Run(#[source] io::Error),
    /// Not everything that was begun came to its end.
    #[error("stopped with requests unfinished after {} s; what was not acknowledged may be in the register or not", GRACE.as_secs())]
    Unfinished,
    /// A write to the register failed, so that nobody knows what the disk has of it. What was
    /// acknowledged it has; the next start finds out the rest, and goes on.
    #[error("the register takes nothing more: {}", .0.why)]
    Broken(Breakdown),
}

/// Serves until the process is told to stop (SIGTERM or SIGINT), or the register broke down.
/// Submissions that were begun are committed or refused before it returns.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: ServeConfig) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Run)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Run)?;
    serve_until(config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}

/// Serves until `stop` ends.
///
/// # Errors
/// [`ServeError`].
pub async fn serve_until(
    config: ServeConfig,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let ServeConfig { address, seen, token, open, clock, ready, .. } = config;
    let writers = match token {
        Some(token) => Writers::Token(token),
        None if open => Writers::Everybody,
        None if address.ip().is_loopback() => Writers::ThisMachine,
        None => return Err(ServeError::NeedsToken(address)),
    };
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;

    let cosigning = config.agent.map(|agent| Cosigning::new(config.register.clone(), agent));
    let (folder, mark) = (config.register, seen.clone());
    let (register, accepted) = blocking(move || async move {
        let register = open_register(folder, bound).await?;
        let accepted = seen::accept(&mark, &register, clock()).await?;
        Ok((register, accepted))
    })
    .await?;
    let gate = config.gate.map(|key| Gate::new(key, &config.trust)).transpose()?;
    let app = App::new(Parts {
        register,
        trust: config.trust,
        policy: config.policy,
        gate,
        namespaces: config.namespaces,
        writers,
        readers: if config.public { Readers::Everybody } else { Readers::Writers },
        clock: Box::new(clock),
    })?;
    let app = Arc::new(match cosigning {
        Some(cosigning) => {
            cosigning.restore(app.register()).await;
            app.with_witnesses(cosigning)
        }
        None => app,
    });
    app.accept(accepted).map_err(SeenError::from)?;

    let (tell, mut told) = watch::channel(false);
    let server = axum::serve(Bounded::new(listener), router(Arc::clone(&app)))
        .with_graceful_shutdown(async move {
            let _ = told.wait_for(|stop| *stop).await;
            tokio::time::sleep(GATHER).await;
        });
    let mut server = tokio::spawn(server.into_future());
    let watching = tokio::spawn(look(Arc::clone(&app), config.watched));
    let keeping = tokio::spawn(keep(Arc::clone(&app), seen.clone(), move || ready(bound)));
    let cosigning = tokio::spawn(cosign(Arc::clone(&app)));
    tracing::info!(%bound, "listening");

    let mut broken = None;
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = stop => None,
        breakdown = app.broken() => {
            broken = Some(breakdown);
            tokio::time::sleep(FAREWELL).await;
            None
        }
    };
    tracing::info!("stopping");
    let _ = tell.send(true);
    let end = Instant::now() + GRACE;
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => match tokio::time::timeout(SENDING, &mut server).await {
            Ok(ended) => Ok(ended),
            Err(_) => {
                app.hurry();
                tokio::time::timeout_at(end, &mut server).await
            }
        },
    };
    // A client that does not read its answer does not keep the service from stopping, and neither
    // does a round with witnesses that nobody waits for.
    app.hurry();
    server.abort();
    keeping.abort();
    cosigning.abort();
    watching.abort();
    let drained = app.drain(end.saturating_duration_since(Instant::now())).await;
    // Closing the index works with the disk, too.
    let marked = blocking(move || async move {
        let marked = seen::accept(&seen, app.register(), app.newest()).await;
        drop(app);
        marked?;
        Ok(())
    })
    .await;
    if let Some(breakdown) = broken {
        return Err(ServeError::Broken(breakdown));
    }
    match ended {
        Ok(Ok(result)) => result.map_err(ServeError::Run)?,
        Ok(Err(error)) => return Err(ServeError::Run(io::Error::other(error))),
        Err(_) => tracing::warn!("connections were still open"),
    }
    if drained { marked } else { Err(ServeError::Unfinished) }
}

/// Opens the register, and says in its lock where it is served.
async fn open_register(
    folder: PathBuf,
    bound: SocketAddr,
) -> Result<Register<Embedded>, ServeError> {
    let holder = Holder::server(format!("http://{}", reachable(bound)));
    Ok(register::open_or_create(&folder, &holder, PATIENCE).await?)
}

/// The address at which this machine reaches a service that listens at `bound`.
fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound
}

/// Asks the register's witnesses whenever there is something new, again while one has not
/// cosigned, and now and then so that their times stay fresh.
async fn cosign(app: Arc<App<Embedded>>) {
    if app.cosigning().is_none() {
        return;
    }
    // It was asked once before the service was ready.
    let mut all = false;
    loop {
        for waited in 1..=FRESH {
            let Some(cosigning) = app.cosigning() else { return };
            let news = cosigning.wait(RETRY).await;
            app.look_for_forks();
            // With a quorum that was raised nothing is shown before it is met.
            let is_shown = Arc::clone(&app).require_shown().await.is_ok();
            if news || !all || !is_shown || waited == FRESH {
                break;
            }
        }
        all = ask_witnesses(&app).await;
    }
}

/// One round; returns whether every witness cosigned. New cosignatures may be what the verdicts
/// waited for.
async fn ask_witnesses(app: &Arc<App<Embedded>>) -> bool {
    let asked = Arc::clone(app).read(|app| async move {
        let Some(cosigning) = app.cosigning() else { return Ok((true, false)) };
        let round = cosigning.round(app.register()).await.map_err(ApiError::undecided)?;
        app.look_for_forks();
        let current = app.verdicts().currency() == Currency::Current;
        Ok((round.lines.len() == round.outcomes.len(), !round.lines.is_empty() && !current))
    });
    match asked.await {
        Ok((all, news)) => {
            if news {
                log(Arc::clone(app)
                    .read(|app| async move { Ok(app.catch_up(app.now()?).await.map(|_| ())?) })
                    .await);
            }
            all
        }
        Err(error) => {
            tracing::error!(%error, chain = chain(&error), "the witnesses cannot be asked");
            false
        }
    }
}

/// Judges all promotions, then judges again what time ends, for as long as the service runs.
async fn keep(app: Arc<App<Embedded>>, seen: PathBuf, ready: impl FnOnce() + Send) {
    // The register holds itself against its witnesses before anybody is told anything.
    ask_witnesses(&app).await;
    app.compared();
    let marks = seen.clone();
    let first = Arc::clone(&app).write(app.newest(), |app| async move {
        app.catch_up(app.now()?).await?;
        let trusted = seen::accept_trust(&marks, app.register().origin(), &app.trust());
        app.suspend(Cause::Seen, trusted.is_err());
        trusted.map_err(ApiError::undecided)
    });
    log(first.await);
    ready();
    loop {
        tokio::time::sleep(RENEWAL).await;
        let seen = seen.clone();
        let renewal = Arc::clone(&app).write(app.newest(), move |app| async move {
            // What is marked is the newest time that anybody was answered at, also when the clock
            // has been set back since.
            let marked = mark(&app, &seen).await;
            app.suspend(Cause::Seen, marked.is_err());
            app.renew(app.now()?).await?;
            marked.map_err(ApiError::undecided)
        });
        log(renewal.await);
    }
}

/// Looks whether the files are what they were, for as long as the service runs.
async fn look(app: Arc<App<Embedded>>, watched: Vec<Watched>) {
    loop {
        for file in watched.clone() {
            let cause = file.cause;
            let changed = tokio::task::spawn_blocking(move || file.has_changed()).await;
            app.suspend(cause, changed.unwrap_or(true));
        }
        tokio::time::sleep(RENEWAL).await;
    }
}

/// Holds the register and the clock against what was seen of them, and remembers how far they are.
async fn mark<S: Storage>(app: &App<S>, seen: &Path) -> Result<(), SeenError> {
    let accepted = seen::accept(seen, app.register(), app.newest()).await?;
    app.accept(accepted)?;
    // Nothing is remembered of what was not followed to its end.
    if app.verdicts().currency() == Currency::Current {
        seen::accept_trust(seen, app.register().origin(), &app.trust())?;
    }
    Ok(())
}

fn log(result: Result<(), ApiError>) {
    if let Err(error) = result {
        tracing::error!(%error, chain = chain(&error), "verdicts are not up to date");
    }
}

/// Every cause of an error, the nearest first: the last one says what to mend.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Runs what works with the disk on a thread that may block.
async fn blocking<T, J, F>(job: J) -> Result<T, ServeError>
where
    T: Send + 'static,
    J: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, ServeError>>,
{
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(job())).await;
    done.map_err(|error| ServeError::Run(io::Error::other(error)))?
}
