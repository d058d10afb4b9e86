//! `assay serve`: the register of the folder, its judge and its gate, over HTTP.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ::attest::StageName;
use clap::Args;
use serde::Serialize;
use server::{ServeConfig, Token, Watched};

use super::check::policy;
use crate::clock;
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Home};
use crate::http;
use crate::keys::{self, KeyFile};
use crate::page::Page;
use crate::render::{Answer, Color, Printer, to_json};
use crate::setup;
use crate::source::Source;

/// Serve the folder's register over HTTP: submit, check, promote, search, admit
///
/// It is asked until it is told to stop (SIGTERM, or Ctrl-C). Meanwhile other commands on the
/// folder go through it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay serve
  assay serve --listen 0.0.0.0:8080 --token-file token --policy policy.yaml --key gate")]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The file with the token that writers have to send, and readers of entries
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Let everybody write, from any machine
    #[arg(long, conflicts_with = "token_file")]
    open: bool,

    /// Declare the register public: everybody may read its entries, and needs no token for it
    #[arg(long)]
    public: bool,

    /// The policy to judge by; otherwise `policy.yaml` in the `.assay` folder, if it is there
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Name, file or URI of the gate's key, which signs promotions; without it there are none
    #[arg(long, value_name = "NAME|FILE|URI", env = keys::KEY, hide_env = true)]
    key: Option<String>,

    /// The stage that a namespace of a cluster stands for; others get the strictest
    #[arg(long = "namespace", value_name = "NAMESPACE=STAGE")]
    namespaces: Vec<Namespace>,
}

/// How long threads may still block after the service ended: time to let go of the register, and
/// less than anybody waits before killing it.
const LINGER: Duration = Duration::from_secs(2);

/// A namespace and its stage.
#[derive(Clone, Debug)]
struct Namespace(String, StageName);

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, stage) = text.split_once('=').ok_or("write it as `NAMESPACE=STAGE`")?;
        let stage = stage.parse::<StageName>().map_err(|error| error.to_string())?;
        Ok(Self(name.to_owned(), stage))
    }
}

pub fn serve(args: &ServeArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let home = cx.home_or_new()?;
    if !home.register().join("journal").is_dir() {
        // Made as any first use makes it, so that the trust file knows the register.
        let (home, _) = setup::key(args.key.as_deref(), cx)?;
        drop(Source::open_or_create(&home, cx)?);
    }
    let config = args.config(&home, cx)?;
    run(server::serve(config), |source| Error::Serve(Box::new(source)), cx)
}

/// Runs a service until it is stopped; what happens to it is said on standard error.
pub fn run<E>(
    service: impl Future<Output = Result<(), E>>,
    failed: impl FnOnce(E) -> Error,
    cx: &Context<'_>,
) -> Result<Box<dyn Answer>, Error> {
    log_to_standard_error(cx.global.color);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(server::worker_threads()).enable_all();
    let runtime = runtime.build().map_err(Error::Runtime)?;
    let ended = runtime.block_on(service).map_err(failed);
    // The service has waited for what it began as long as it does. Dropping the runtime would wait
    // for threads that block, however long they do.
    runtime.shutdown_timeout(LINGER);
    ended?;
    Ok(Box::new(Stopped))
}

impl ServeArgs {
    fn config(&self, home: &Home, cx: &Context<'_>) -> Result<ServeConfig, Error> {
        let policy = match &self.policy {
            None if !home.policy().exists() => None,
            named => Some(policy(named.as_ref(), cx)?),
        };
        let trust = cx.trust(self.trust.as_deref())?;
        let path = self.trust.clone().unwrap_or_else(|| home.trust());
        let mut watched = vec![Watched::trust(path, trust.digest())];
        if let Some(policy) = &policy {
            let path = self.policy.clone().unwrap_or_else(|| home.policy());
            watched.push(Watched::policy(path, policy.digest()));
        }
        let gate = match self.key.as_deref() {
            Some(name) => KeyFile::find(home, Some(name))?,
            None => None,
        };
        let printer = cx.printer;
        Ok(ServeConfig {
            address: self.listen,
            register: home.register(),
            seen: home.seen(),
            trust,
            policy,
            watched,
            gate: gate.map(|file| file.open(cx.printer)).transpose()?,
            namespaces: self.namespaces()?,
            token: self.token()?,
            open: self.open,
            public: self.public,
            clock: clock::now,
            agent: Some(http::agent()?),
            ready: Box::new(move |address| ready(printer, address)),
        })
    }

    fn namespaces(&self) -> Result<BTreeMap<String, StageName>, Error> {
        let mut map = BTreeMap::new();
        for Namespace(name, stage) in &self.namespaces {
            if map.insert(name.clone(), stage.clone()).is_some_and(|other| other != *stage) {
                return Err(Error::TwoStages(name.clone()));
            }
        }
        Ok(map)
    }

    fn token(&self) -> Result<Option<Token>, Error> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = zeroize::Zeroizing::new(home::read_text(path)?);
        match text.parse::<Token>() {
            Ok(token) => Ok(Some(token)),
            Err(error) => Err(Error::Token { path: path.clone(), why: error.to_string() }),
        }
    }
}

/// Says where it listens, once it does.
fn ready(printer: Printer, address: SocketAddr) {
    printer.answer(&Listening::at(address));
}

#[derive(Serialize)]
pub struct Listening {
    version: &'static str,
    url: String,
}

impl Listening {
    /// At the address.
    pub fn at(address: SocketAddr) -> Self {
        Self { version: "assay/serving/v1", url: format!("http://{address}") }
    }
}

impl Answer for Listening {
    fn draw(&self, page: &mut Page) {
        page.text("listening on ").line(&self.url);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// A service that was told to stop.
struct Stopped;

impl Answer for Stopped {
    fn draw(&self, page: &mut Page) {
        page.line("stopped");
    }

    fn json(&self) -> serde_json::Result<String> {
        Ok(r#"{"version":"assay/stopped/v1"}"#.into())
    }
}

/// What happens goes to standard error; `ASSAY_LOG` says how much of it.
fn log_to_standard_error(color: Color) {
    use tracing_subscriber::EnvFilter;

    let ansi = match color {
        Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        Color::Always => true,
        Color::Never => false,
    };
    let filter = EnvFilter::try_from_env("ASSAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Somebody who has set up a log already keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .try_init();
}
