//! `assay witness`: a witness of our own for other people's logs.
//!
//! Its key and what it cosigned belong together: whoever loses the state ends the witness and
//! begins another under a new name and key.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::attest::{Algorithm, Cosigner, VerifierKey};
use clap::{Args, Subcommand};
use serde::Serialize;
use server::witness::{WitnessConfig, serve_witness};

use super::serve::{Listening, run};
use crate::clock;
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Home};
use crate::keys::{self, KeyFile, KeysError};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// The key that a first use makes.
const WITNESS: &str = "witness";

/// Witness other logs: cosign their checkpoints, each only if it extends the one before
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    Serve(ServeArgs),
    Key(KeyArgs),
}

/// Who cosigns.
#[derive(Args, Debug)]
struct Who {
    /// The witness's name, for ever: best a host and a path, without `https://`
    #[arg(long)]
    name: String,

    /// Name, file or URI of its Ed25519 key; otherwise `witness`, made if there is none
    #[arg(long, value_name = "NAME|FILE|URI")]
    key: Option<String>,
}

/// Answer logs that ask for cosignatures (C2SP tlog-witness)
///
/// What was cosigned is kept in `witness` in the `.assay` folder; it must not be lost.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  assay witness serve --name witness.example/w1 --listen 0.0.0.0:8081 --log log.example/a+5d2e…+AT…")]
struct ServeArgs {
    #[command(flatten)]
    who: Who,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,

    /// A log to witness, by its verifier key
    #[arg(long = "log", value_name = "VKEY")]
    logs: Vec<VerifierKey>,

    /// A file of logs to witness: a verifier key a line, `#` begins a comment
    #[arg(long, value_name = "FILE")]
    logs_file: Option<PathBuf>,
}

/// Show the key by which others check its cosignatures
#[derive(Args, Debug)]
struct KeyArgs {
    #[command(flatten)]
    who: Who,
}

pub fn witness(args: &WitnessArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        WitnessCommand::Key(args) => {
            let (_, cosigner) = args.who.cosigner(cx)?;
            let key = cosigner.verifier().to_string();
            Ok(Box::new(Shown { version: "assay/witness-key/v1", key }))
        }
        WitnessCommand::Serve(args) => args.serve(cx),
    }
}

impl Who {
    /// The folder, and the one who cosigns.
    fn cosigner(&self, cx: &Context<'_>) -> Result<(Home, Cosigner), Error> {
        let home = cx.home_or_new()?;
        let path = home.keys().join(format!("{WITNESS}.pem"));
        if self.key.is_none() && !path.exists() {
            let passphrase = keys::environment_passphrase();
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            home::private_folder(&home.keys())?;
            keys::make(&path, Algorithm::Ed25519, passphrase)?;
            cx.printer.note(&format!("made key `{}`", path.display()));
        }
        let name = self.key.as_deref().unwrap_or(WITNESS);
        let missing =
            || Error::Keys(KeysError::NotFound { name: name.into(), known: keys::names(&home) });
        let file = KeyFile::find(&home, Some(name))?.ok_or_else(missing)?;
        let cosigner = Cosigner::new(&self.name, file.open(cx.printer)?).map_err(|source| {
            Error::Cosigner { name: self.name.clone(), path: file.path().into(), source }
        })?;
        Ok((home, cosigner))
    }
}

impl ServeArgs {
    fn serve(&self, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
        let mut logs = self.logs.clone();
        if let Some(path) = &self.logs_file {
            logs.extend(read_logs(path)?);
        }
        if logs.is_empty() {
            return Err(Error::NoLogs);
        }
        let (home, cosigner) = self.who.cosigner(cx)?;
        let printer = cx.printer;
        printer.note(&format!("witness key {}", cosigner.verifier()));
        let config = WitnessConfig {
            address: self.listen,
            folder: home.witness(),
            cosigner,
            logs,
            clock: clock::now,
            ready: Box::new(move |address| {
                printer.answer(&Listening::at(address));
            }),
        };
        run(serve_witness(config), |source| Error::Witness(Box::new(source)), cx)
    }
}

fn read_logs(path: &Path) -> Result<Vec<VerifierKey>, Error> {
    let text = home::read_text(path)?;
    let lines = text.lines().zip(1..).map(|(text, line)| (text.trim(), line));
    let lines = lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#'));
    let parse = |(text, line): (&str, usize)| {
        let wrong = |source| Error::LogList { path: path.into(), line, source };
        text.parse::<VerifierKey>().map_err(wrong)
    };
    lines.map(parse).collect()
}

/// The witness's verifier key.
#[derive(Serialize)]
struct Shown {
    version: &'static str,
    key: String,
}

impl Answer for Shown {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Plain, &self.key).end();
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
