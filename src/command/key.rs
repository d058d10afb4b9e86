//! `assay key`: makes keys and shows their public side. It never shows a private one.

use std::path::PathBuf;

use ::attest::{Algorithm, KeyId};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::keys::{self, KeyFile, KeysError};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Make signing keys and show their public halves
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    Generate(GenerateArgs),
    #[command(visible_alias = "show")]
    Public(WhichArgs),
    Id(WhichArgs),
}

/// Make a key; an existing one is never overwritten
#[derive(Args, Debug)]
struct GenerateArgs {
    /// Name of the key; it becomes `keys/NAME.pem` in the `.assay` folder
    #[arg(default_value = keys::LOCAL)]
    name: String,

    /// Signature algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = "p256", value_parser = ["p256", "p384", "p521", "ed25519"])]
    algorithm: String,

    /// Ask for a passphrase; without it one is used only if `ASSAY_KEY_PASSPHRASE` is set
    #[arg(long)]
    passphrase: bool,

    /// Write the key here instead; the public half goes beside it, ending in `.pub`
    #[arg(long, short, value_name = "FILE", conflicts_with = "name")]
    output: Option<PathBuf>,
}

/// Show a key's public half (`public`, PEM) or identity (`id`, digest of the public half)
#[derive(Args, Debug)]
struct WhichArgs {
    /// Name, file or URI of the key; otherwise the only one, or `local`
    #[arg(env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

pub fn key(args: &KeyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        KeyCommand::Generate(args) => generate(args, cx),
        KeyCommand::Public(args) => show(args, cx, Shown::Pem),
        KeyCommand::Id(args) => show(args, cx, Shown::Id),
    }
}

fn generate(args: &GenerateArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let algorithm: Algorithm = args.algorithm.parse().map_err(|source| {
        Error::Keys(KeysError::Unusable { path: args.name.clone().into(), source })
    })?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None if !keys::is_name(&args.name) => {
            return Err(Error::Keys(KeysError::Name(args.name.clone())));
        }
        None => {
            let home = cx.home_or_new()?;
            crate::home::private_folder(&home.keys())?;
            home.keys().join(format!("{}.pem", args.name))
        }
    };
    let half = keys::public_half(&path)?;
    // Said before a passphrase is asked for. A public half may be the last copy of its key's.
    if let Some(found) = [&path, &half].into_iter().find(|path| path.exists()) {
        return Err(Error::Keys(KeysError::Exists(found.clone())));
    }
    let passphrase = match keys::environment_passphrase() {
        Some(found) => Some(found),
        None if args.passphrase => Some(keys::new_passphrase()?),
        None => None,
    };
    let public = keys::make(&path, algorithm, passphrase.as_ref().map(|text| text.as_str()))?;
    Ok(Box::new(Generated {
        version: "assay/key/v1",
        id: public.id(),
        algorithm: algorithm.as_str(),
        encrypted: passphrase.is_some(),
        public: half,
        path,
    }))
}

fn show(args: &WhichArgs, cx: &Context<'_>, shown: Shown) -> Result<Box<dyn Answer>, Error> {
    let public = match &args.key {
        Some(file) if file.ends_with(".pub") => keys::read_public(file.as_ref())?,
        name => which(name.as_deref(), cx)?.public(cx.printer)?,
    };
    Ok(Box::new(Public {
        version: "assay/public-key/v1",
        id: public.id(),
        algorithm: public.algorithm().as_str(),
        pem: public.to_pem(),
        shown,
    }))
}

/// The key that is meant. One that is kept elsewhere needs no folder.
fn which(name: Option<&str>, cx: &Context<'_>) -> Result<KeyFile, Error> {
    if let Some(kept) = name.map(KeyFile::elsewhere).transpose()?.flatten() {
        return Ok(kept);
    }
    KeyFile::find(&cx.home()?, name)?.ok_or_else(|| {
        Error::Keys(KeysError::NotFound { name: keys::LOCAL.into(), known: Vec::new() })
    })
}

/// A key that was made.
#[derive(Serialize)]
struct Generated {
    version: &'static str,
    id: KeyId,
    algorithm: &'static str,
    encrypted: bool,
    path: PathBuf,
    public: PathBuf,
}

impl Answer for Generated {
    fn draw(&self, page: &mut Page) {
        let kind = if self.encrypted { "encrypted " } else { "" };
        page.text("made ")
            .text(kind)
            .text(self.algorithm)
            .text(" key ")
            .put(Tone::Strong, self.path.display())
            .end();
        page.text("public half ").text(self.public.display()).end();
        page.text("identity    ").text(self.id).end();
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// Which side of a public key is shown to a person.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Shown {
    Pem,
    Id,
}

/// A key's public half.
#[derive(Serialize)]
struct Public {
    version: &'static str,
    id: KeyId,
    algorithm: &'static str,
    pem: String,
    #[serde(skip)]
    shown: Shown,
}

impl Answer for Public {
    fn draw(&self, page: &mut Page) {
        match self.shown {
            Shown::Pem => page.verbatim(&self.pem),
            Shown::Id => page.line(self.id),
        };
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
