//! `assay run`: runs a step and leaves a signed, registered statement of what went in and out.
//!
//! The command keeps its input, output and exit status; what is said here goes to standard error.
//! The key is opened only after every process that the command started has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use ::attest::hash::Progress;
use ::attest::in_toto::{self, Form, LayoutKey, Link, SignError};
use ::attest::predicate::BuildKind;
use ::attest::record::parameters::{self, ParametersError};
use ::attest::record::{
    Material, Observer, Plan, Process, ProductName, RecordError, Recorder, Recording,
};
use ::attest::{SigningKey, Statement, StepName};
use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::error::{Action, Error};
use crate::exit::Exit;
use crate::home::{self, Existing, Home, Readers};
use crate::keyless::{Keyless, KeylessArgs};
use crate::keys::KeyFile;
use crate::page::Page;
use crate::progress::Bar;
use crate::publish::{self, Registered};
use crate::render::{Answer, Printer, Stream, to_json};
use crate::setup;
use crate::source::require_server;

/// Run a step and attest what went in and what came out
///
/// The step's input, output and exit status stay its own. A step that fails leaves no statement
/// unless `--attest-failure` is given.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay run --kind training --material train.csv --product model.bin -- python train.py
  assay run --kind evaluation --step evaluate --metrics metrics.json \\
      --material model=model.bin --material holdout-dataset=holdout.csv -- python evaluate.py")]
pub struct RunArgs {
    /// What kind of step it is: data-preparation, training, fine-tuning, evaluation, build or
    /// packaging
    #[arg(long)]
    kind: BuildKind,

    /// What the policy calls the step; otherwise its kind
    #[arg(long, value_name = "NAME")]
    step: Option<StepName>,

    /// A file or folder that goes in, with what it is to the step; may be given several times
    #[arg(long = "material", value_name = "[ROLE=]PATH")]
    materials: Vec<OsString>,

    /// A file or folder that comes out; may be given several times
    #[arg(long = "product", value_name = "PATH")]
    products: Vec<PathBuf>,

    /// A parameter of the step; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    param: Vec<String>,

    /// A file with parameters, JSON or YAML; `--param` goes before it
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,

    /// A file with numbers that the step writes: `{"sampleSize": 50, "metrics": {"accuracy": 0.97}}`
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    /// What to call the product, and its version if it has one
    #[arg(long, value_name = "NAME[@VERSION]")]
    name: Option<ProductName>,

    /// Also record this environment variable
    ///
    /// Of the rest only those are recorded that change what is computed, such as
    /// `PYTHONHASHSEED`, `OMP_NUM_THREADS`, `CUDA_VISIBLE_DEVICES`, `LANG` and `TZ`.
    #[arg(long = "env", value_name = "VARIABLE")]
    environment: Vec<String>,

    /// The folder below which everything lies; otherwise the working directory
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Attest a step that failed, too
    #[arg(long)]
    attest_failure: bool,

    /// Name, file or URI of the key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE|URI", env = crate::keys::KEY, hide_env = true)]
    #[arg(conflicts_with = "keyless")]
    key: Option<String>,

    /// Also write the bundle here
    #[arg(long, short, value_name = "FILE", required_if_eq("keyless", "true"))]
    output: Option<PathBuf>,

    /// Also write an in-toto link into this folder, for those who check layouts
    ///
    /// Its name is `STEP.KEYID.link`, with the key id that in-toto gives the key. `assay layout
    /// verify` and `in-toto-verify` read it. A step that failed leaves none.
    #[arg(long, value_name = "DIR", conflicts_with = "keyless")]
    link: Option<PathBuf>,

    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    keyless: KeylessArgs,
}

pub fn run(args: &RunArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let plan = args.plan()?;
    // What is missing is said before the step runs, which may take hours.
    args.output_is_apart()?;
    args.link_is_apart()?;
    let signing = args.signing(cx)?;
    let watcher = Watcher { bar: Bar::new(cx.printer), printer: cx.printer };
    let environment: Vec<_> = std::env::vars_os().collect();
    let started = match Recorder::start(plan, &environment, cx.now, &watcher) {
        Ok(started) => started,
        Err(error) => return failed_to_start(error, cx),
    };
    let ended = match started.run(&watcher) {
        Ok(ended) => ended,
        Err(error) => return failed_to_start(error, cx),
    };
    let status = ended.status();
    let registered = ended
        .finish(clock::now(), &watcher)
        .map_err(record)
        .and_then(|recording| args.publish(recording, &signing, cx));
    match registered {
        Ok(registered) => Ok(Box::new(Ran::new(status, registered))),
        // The step's own failure is what its caller has to see.
        Err(error) if status != 0 => {
            cx.printer.error(&error);
            Ok(Box::new(Unattested { status }))
        }
        Err(error) => Err(error),
    }
}

fn record(source: RecordError) -> Error {
    Error::Record(Box::new(source))
}

/// A command that cannot be started ends as a shell says it: 127 when there is none, 126 when it
/// cannot be run.
fn failed_to_start(error: RecordError, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match error.exit_status() {
        Some(status) => {
            cx.printer.error(&record(error));
            Ok(Box::new(Unattested { status }))
        }
        None => Err(record(error)),
    }
}

/// What the statement is signed with, once the step is over.
enum Signing {
    Key { home: Home, key: Box<KeyFile> },
    Keyless(Box<Keyless>),
}

impl RunArgs {
    /// What is to be signed with. The key stays closed, and a token that was shown to us is not
    /// shown to the step (THREATS, rule 4).
    fn signing(&self, cx: &Context<'_>) -> Result<Signing, Error> {
        require_server(cx)?;
        if let Some(keyless) = self.keyless.open(cx)? {
            return Ok(Signing::Keyless(Box::new(keyless)));
        }
        let (home, key) = setup::key(self.key.as_deref(), cx)?;
        key.require_passphrase()?;
        Ok(Signing::Key { home, key: Box::new(key) })
    }

    fn plan(&self) -> Result<Plan, Error> {
        let step = match &self.step {
            Some(step) => step.clone(),
            None => self.kind.as_str().parse().map_err(Error::Name)?,
        };
        let mut plan = Plan::new(self.kind, step, self.command.clone());
        for text in &self.materials {
            plan.materials.push(self.material(text)?);
        }
        plan.products.clone_from(&self.products);
        plan.parameters = self.parameters()?;
        plan.metrics.clone_from(&self.metrics);
        plan.name.clone_from(&self.name);
        plan.environment.clone_from(&self.environment);
        plan.hidden.extend(self.keyless.variable().map(str::to_owned));
        plan.attest_failure = self.attest_failure;
        if let Some(root) = &self.root {
            plan.root.clone_from(root);
        }
        Ok(plan)
    }

    /// A path that has a `=` itself is never looked for under another name.
    fn material(&self, text: &OsStr) -> Result<Material, Error> {
        let material = Material::parse(text);
        let root = self.root.as_deref().unwrap_or(Path::new("."));
        if material.role.is_some()
            && !root.join(&material.path).exists()
            && root.join(text).exists()
        {
            let whole = text.to_string_lossy().into_owned();
            return Err(Error::RoleOrPath { whole, path: material.path });
        }
        Ok(material)
    }

    /// The bundle is written after all has been hashed, over whatever stands there.
    fn output_is_apart(&self) -> Result<(), Error> {
        let Some(output) = &self.output else { return Ok(()) };
        publish::require_output(Some(output))?;
        match self.holding(output)? {
            Some(path) => Err(Error::OutputInStep { output: output.clone(), path }),
            None => Ok(()),
        }
    }

    /// Links lie in a folder that is there, and not among what the step reads or writes.
    fn link_is_apart(&self) -> Result<(), Error> {
        let Some(folder) = &self.link else { return Ok(()) };
        match std::fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(Error::NotAFolder(folder.clone())),
            Err(error) => return Err(Error::io(Action::Write, folder, error)),
        }
        match self.holding(folder)? {
            Some(path) => Err(Error::LinkInStep { folder: folder.clone(), path }),
            None => Ok(()),
        }
    }

    /// The material or product in which something would be written.
    fn holding(&self, written: &Path) -> Result<Option<PathBuf>, Error> {
        let whole = |path: &Path| {
            std::path::absolute(path).map_err(|error| Error::io(Action::Write, path, error))
        };
        let materials = self.materials.iter().map(|text| Material::parse(text).path);
        let products = self.products.iter().chain(&self.metrics).cloned();
        let written = whole(written)?;
        for path in materials.chain(products) {
            if written.starts_with(whole(&path)?) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn parameters(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut found = BTreeMap::new();
        let mut given = BTreeSet::new();
        if let Some(path) = &self.params {
            let text = home::read_text(path)?;
            found = parameters::parse(&text).map_err(|source| Error::Parameters {
                path: path.clone(),
                source: Box::new(source),
            })?;
        }
        for text in &self.param {
            let (name, value) =
                parameters::parse_one(text).map_err(|source| Error::Parameter(Box::new(source)))?;
            if !given.insert(name.clone()) {
                return Err(Error::Parameter(Box::new(ParametersError::Twice(name))));
            }
            found.insert(name, value);
        }
        Ok(found)
    }

    fn publish(
        &self,
        recording: Recording,
        signing: &Signing,
        cx: &Context<'_>,
    ) -> Result<Option<Registered>, Error> {
        let Some(statement) = recording.statement else { return Ok(None) };
        let payload = payload(statement)?;
        let (home, key) = match (signing, &self.output) {
            (Signing::Key { home, key }, _) => (home, key),
            (Signing::Keyless(keyless), Some(output)) => {
                let signed = publish::sign_keyless(&payload, keyless, output, cx);
                // The step is not run again because a service was away.
                let signed = signed.map_err(|why| publish::keep_unsigned(&payload, output, why))?;
                return signed.register(output, cx).map(Some);
            }
            (Signing::Keyless(_), None) => return Ok(None),
        };
        let opened = key.open(cx.printer)?;
        // Whatever becomes of the link, the statement of the step is registered.
        let linked = match (&self.link, &recording.link) {
            (Some(folder), Some(link)) => write_link(folder, link, &opened, cx),
            _ => Ok(()),
        };
        let registered = publish::submit_opened(payload, key, opened, home, cx)?;
        publish::write_bundle(&registered, self.output.as_deref())?;
        linked?;
        Ok(Some(registered))
    }
}

/// Signs a link as DSSE envelope and writes it under the name that those who check look for.
fn write_link(folder: &Path, link: &Link, key: &SigningKey, cx: &Context<'_>) -> Result<(), Error> {
    let failed = |source: SignError| Error::Link(Box::new(source));
    let label = LayoutKey::from_public(key.public()).map_err(|error| failed(error.into()))?;
    let document = link.to_value().map_err(|error| failed(error.into()))?;
    let bytes = in_toto::sign(&document, Form::Envelope, &[key]).map_err(failed)?;
    let path = folder.join(in_toto::file_name(&link.name, label.label()));
    home::write(&path, &bytes, Readers::All, Existing::Replaced)?;
    cx.printer.note(&format!("wrote link `{}`", path.display()));
    Ok(())
}

fn payload(statement: Statement) -> Result<Vec<u8>, Error> {
    Ok(statement.with_nonce()?.to_json()?)
}

/// Shows hashing, and what keeps the step from being over.
struct Watcher {
    bar: Bar,
    printer: Printer,
}

impl Progress for Watcher {
    fn start(&self, bytes: u64) {
        self.bar.start(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.advance(bytes);
    }

    fn finish(&self) {
        self.bar.finish();
    }
}

impl Observer for Watcher {
    fn still_running(&self, processes: &[Process]) {
        let names: Vec<String> =
            processes.iter().map(|process| format!("{} ({})", process.name, process.id)).collect();
        self.printer.note(&format!(
            "the command has ended; waiting for what it started: {}",
            names.join(", ")
        ));
    }
}

/// How the step ended, and what was registered of it.
#[derive(Serialize)]
struct Ran {
    version: &'static str,
    status: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<Registered>,
}

impl Ran {
    const fn new(status: i32, registered: Option<Registered>) -> Self {
        Self { version: "assay/run/v1", status, registered }
    }
}

/// The exit status that stands for a command's.
fn exit(status: i32) -> Exit {
    Exit::Child(u8::try_from(status).unwrap_or(u8::MAX))
}

/// A step of which nothing can be said, for a reason that was given already.
struct Unattested {
    status: i32,
}

impl Answer for Unattested {
    fn exit(&self) -> Exit {
        exit(self.status)
    }

    fn stream(&self) -> Stream {
        Stream::Error
    }

    fn draw(&self, _: &mut Page) {}

    fn json(&self) -> serde_json::Result<String> {
        to_json(&Ran::new(self.status, None))
    }
}

impl Answer for Ran {
    fn exit(&self) -> Exit {
        exit(self.status)
    }

    fn stream(&self) -> Stream {
        Stream::Error
    }

    fn draw(&self, page: &mut Page) {
        match &self.registered {
            Some(registered) => {
                page.text("assay: ");
                registered.draw(page);
            }
            None => {
                page.line(format_args!(
                    "assay: the command ended with {}; nothing was attested",
                    self.status
                ));
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
