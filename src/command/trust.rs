//! `assay trust`: whom this folder believes, and about what at most.

mod certified;
#[cfg(feature = "server")]
mod difference;
#[cfg(feature = "server")]
mod explain;
#[cfg(feature = "server")]
mod export;
mod granted;
#[cfg(feature = "server")]
mod init;
#[cfg(feature = "server")]
mod join;
mod keyless;
#[cfg(feature = "server")]
mod propose;
mod renew;
mod retire;
mod rotate;
#[cfg(feature = "server")]
mod show;

use std::path::{Path, PathBuf};

use self::granted::Granted;
use ::attest::{CosignerKey, KeyId, PublicKey, Timestamp, VerifierKey};
use ::verify::{Custody, May, Trust, TrustedKey, TrustedLog, TrustedVerifier, Window};
use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
#[cfg(feature = "server")]
use server::register::{Holder, served_by};

use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Home, Readers};
use crate::keys::{self, KeyFile, KeysError};
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};

pub use self::certified::ListRow;
#[cfg(feature = "server")]
pub use self::init::open_key;
#[cfg(feature = "server")]
pub use self::propose::begun;

/// Say whom to believe about what, or show it
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, global = true, value_name = "FILE")]
    trust: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    Add(Box<AddArgs>),
    List(ListArgs),
    Rotate(Box<rotate::RotateArgs>),
    Retire(retire::RetireArgs),
    Renew(renew::RenewArgs),
    #[cfg(feature = "server")]
    Export(export::ExportArgs),
    #[cfg(feature = "server")]
    Init(init::InitArgs),
    #[cfg(feature = "server")]
    Show(show::ShowArgs),
    #[cfg(feature = "server")]
    Propose(propose::ProposeArgs),
    #[cfg(feature = "server")]
    Sign(propose::SignArgs),
    #[cfg(feature = "server")]
    Activate(propose::ActivateArgs),
    #[cfg(feature = "server")]
    History(show::HistoryArgs),
    #[cfg(feature = "server")]
    Join(join::JoinArgs),
    #[cfg(feature = "server")]
    Explain(explain::ExplainArgs),
}

/// Trust a key, a log, or a key's verdicts
///
/// What a key may sign is said list by list; a list left out allows nothing, and `*` anything.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust add data.pub --name data --owner data-team \\
      --step prepare --predicate https://slsa.dev/provenance/v1 --artifact 'data/*'
  assay trust add gate.pub --name gate --owner release \\
      --predicate https://slsa.dev/verification_summary/v1 --artifact '*' --stage '*'
  assay trust add --verifier https://assay.example/gate --key gate
  assay trust add --log assay.local/4be1…+5d2e…+AT…
  assay trust add --sigstore trusted_root.json --name public
  assay trust add --signer release --instance public --owner release-team \\
      --issuer https://token.actions.githubusercontent.com \\
      --subject 'glob:https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*' \\
      --claim runner=github-hosted --predicate https://slsa.dev/provenance/v1 --artifact 'app/*'
  assay trust add --timestamp-authority tsa.pem --name clock
  assay trust add --authority ca.pem --name corporate --clock clock
  assay trust add --signer builder --certified-by corporate --owner ci-team \\
      --san-uri under:spiffe://corp.example/ci --predicate https://slsa.dev/provenance/v1 \\
      --artifact 'app/*'")]
#[command(group = ArgGroup::new("who").args(["public", "signer"]).multiple(true))]
#[command(group = ArgGroup::new("voucher").args(["instance", "certified_by"]))]
#[command(group = ArgGroup::new("timed").args(["public", "signer", "timestamp_authority"]).multiple(true))]
#[command(group = ArgGroup::new("named").args(["public", "sigstore", "authority", "timestamp_authority"]).multiple(true))]
struct AddArgs {
    /// The key: its public half in PEM, the name of a key in the `.assay` folder, or its URI
    #[arg(value_name = "KEY", required_unless_present_any = [
        "log", "verifier", "sigstore", "signer", "authority", "timestamp_authority",
    ])]
    public: Option<String>,

    /// What to call the key, or the instance, in policies and reports
    #[arg(long, requires = "named")]
    name: Option<String>,

    /// Who answers for it; "two persons" counts owners
    #[arg(long, requires = "who")]
    owner: Option<String>,

    /// A step whose statements it may sign
    #[arg(long = "step", value_name = "STEP", requires = "who")]
    steps: Vec<String>,

    /// A type of statement that it may sign: a URI, or `evaluation/v0.1` for one of Assay's own
    #[arg(long = "predicate", value_name = "URI", requires = "who")]
    predicates: Vec<String>,

    /// A pattern for the names of artifacts that it may speak of
    #[arg(long = "artifact", value_name = "GLOB", requires = "who")]
    artifacts: Vec<String>,

    /// A stage that it may promote to
    #[arg(long = "stage", value_name = "STAGE", requires = "who")]
    stages: Vec<String>,

    /// From when on it is trusted
    #[arg(long, value_name = "TIME", requires = "timed")]
    from: Option<Moment>,

    /// Until when it is trusted: `2027-03-01` or `365d`
    #[arg(long, value_name = "TIME", requires = "timed")]
    until: Option<Moment>,

    /// Whether the steps it signs for can read the key
    #[arg(long, value_parser = ["shared", "separate"], default_value = "shared")]
    custody: String,

    /// Trust a log, by its verifier key (`assay log head` shows it)
    #[arg(long, value_name = "VKEY", conflicts_with_all = ["public", "verifier"])]
    log: Option<VerifierKey>,

    /// A witness of the log that must have cosigned, by its verifier key
    #[arg(long = "witness", value_name = "VKEY", requires = "log")]
    witnesses: Vec<CosignerKey>,

    /// How many of its witnesses must have cosigned; otherwise all
    #[arg(long, value_name = "N", requires = "witnesses")]
    quorum: Option<usize>,

    /// Accept verdicts under this id when `--key` signed them
    #[arg(long, value_name = "URI", requires = "key", conflicts_with = "public")]
    verifier: Option<String>,

    /// The name of the key, or of the signer without one, that signs a verifier's verdicts
    #[arg(long, value_name = "NAME", requires = "verifier")]
    key: Option<String>,

    #[command(flatten)]
    keyless: keyless::KeylessArgs,

    #[command(flatten)]
    certified: certified::CertifiedArgs,
}

/// Show whom to believe about what
#[derive(Args, Debug)]
struct ListArgs {}

pub fn trust(args: &TrustArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        TrustCommand::Add(add) => Ok(Box::new(add.run(args.trust.clone(), cx)?)),
        TrustCommand::List(ListArgs {}) => {
            let trust = cx.trust(args.trust.as_deref())?;
            // The file of a document that has owners is where belief began; a named one is shown.
            #[cfg(feature = "server")]
            if args.trust.is_none() && trust.governance().is_some() {
                let (_, governing) = propose::begun(None, cx)?;
                return Ok(Box::new(Listing::of(governing.trust(), cx.now)));
            }
            Ok(Box::new(Listing::of(&trust, cx.now)))
        }
        TrustCommand::Rotate(rotate) => Ok(Box::new(rotate.run(args.trust.as_deref(), cx)?)),
        TrustCommand::Retire(retire) => Ok(Box::new(retire.run(args.trust.as_deref(), cx)?)),
        TrustCommand::Renew(renew) => Ok(Box::new(renew.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Export(export) => Ok(Box::new(export.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Init(init) => Ok(Box::new(init.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Show(show) => show.run(args.trust.as_deref(), cx),
        #[cfg(feature = "server")]
        TrustCommand::Propose(propose) => Ok(Box::new(propose.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Sign(sign) => {
            Ok(Box::new(propose::Signed(sign.run(args.trust.as_deref(), cx)?)))
        }
        #[cfg(feature = "server")]
        TrustCommand::Activate(activate) => Ok(Box::new(activate.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::History(history) => Ok(Box::new(history.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Join(join) => Ok(Box::new(join.run(cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Explain(explain) => Ok(Box::new(explain.run(args.trust.as_deref(), cx)?)),
    }
}

impl AddArgs {
    fn run(&self, named: Option<PathBuf>, cx: &Context<'_>) -> Result<Added, Error> {
        let path = match named {
            Some(path) => path,
            None => self.home(cx)?.trust(),
        };
        let broken = |source| Error::Trust { path: path.clone(), source };
        let mut trust = if path.exists() {
            Trust::parse(&home::read_text(&path)?).map_err(broken)?
        } else {
            Trust::empty()
        };
        require_ungoverned(&trust, &path, cx)?;
        let refused = |source| Error::NotAdded { path: path.clone(), source };
        let added = match (&self.log, &self.verifier, &self.key, &self.public) {
            (Some(log), ..) => {
                let quorum = self.quorum.unwrap_or(self.witnesses.len());
                trust.add_witnessed_log(log, &self.witnesses, quorum).map_err(refused)?;
                format!("log {}", log.name())
            }
            (_, Some(id), Some(key), _) => {
                trust.add_verifier(id, key).map_err(refused)?;
                let added = trust.verifiers().last().map(verifier_in_words);
                format!("verifier {}", added.unwrap_or_default())
            }
            (.., Some(public)) => {
                let key = self.public_key(public, cx)?;
                let name = match &self.name {
                    Some(name) => name.clone(),
                    None if KeyFile::elsewhere(public)?.is_some() => {
                        return Err(Error::Keys(KeysError::Unnamed));
                    }
                    None => stem(public),
                };
                let owner = self.owner.clone().unwrap_or_else(|| name.clone());
                let (window, custody) = (self.window(cx)?, self.custody());
                let may = self.may().map_err(refused)?;
                trust.add_key(&name, &key, &owner, &may, window, custody).map_err(refused)?;
                format!("key {name}")
            }
            _ => match self.certified.add(self.name.as_deref(), self.window(cx)?, &mut trust)? {
                Some(added) => added.map_err(refused)?,
                None if self.keyless.is_some() => self.add_keyless(&mut trust, &path, cx)?,
                None => return Err(Error::NothingToTrust),
            },
        };
        home::write(&path, trust.to_yaml().as_bytes(), Readers::All, Existing::Replaced)?;
        #[cfg(feature = "server")]
        say_who_has_read_it(&path, cx)?;
        let digest = trust.digest().to_string();
        Ok(Added { version: "assay/trust-added/v1", added, path, digest })
    }

    fn add_keyless(
        &self,
        trust: &mut Trust,
        path: &Path,
        cx: &Context<'_>,
    ) -> Result<String, Error> {
        let refused = |source| Error::NotAdded { path: path.to_owned(), source };
        if let Some((root, demands)) = self.keyless.root()? {
            let name = self.name.as_deref().unwrap_or("sigstore");
            trust.add_root(name, &root, demands).map_err(refused)?;
            return Ok(format!("sigstore instance {name}, trusted root {}", root.digest()));
        }
        if let (Some(name), Some((authority, rule))) =
            (self.keyless.name(), self.certified.signer()?)
        {
            let owner = self.owner.as_deref().unwrap_or(name);
            let (may, window) = (self.may().map_err(refused)?, self.window(cx)?);
            let custody = self.custody();
            let added =
                trust.add_certified_signer(name, authority, &rule, owner, &may, window, custody);
            added.map_err(refused)?;
            return Ok(format!("signer {name}"));
        }
        let Some((name, instance, whom)) = self.keyless.signer()? else {
            return Err(Error::NothingToTrust);
        };
        let owner = self.owner.as_deref().unwrap_or(name);
        let (may, window) = (self.may().map_err(refused)?, self.window(cx)?);
        let added = trust.add_signer(name, instance, &whom, owner, &may, window, self.custody());
        added.map_err(refused)?;
        Ok(format!("signer {name}"))
    }

    fn window(&self, cx: &Context<'_>) -> Result<Window, Error> {
        Ok(Window {
            from: self.from.and_then(|moment| moment.after(cx.now)),
            until: self.until.map(|until| self.end(until, cx)).transpose()?,
        })
    }

    fn custody(&self) -> Custody {
        match self.custody.as_str() {
            "separate" => Custody::Separate,
            _ => Custody::Shared,
        }
    }

    fn home(&self, cx: &Context<'_>) -> Result<Home, Error> {
        cx.home_or_new()
    }

    fn end(&self, until: Moment, cx: &Context<'_>) -> Result<Timestamp, Error> {
        until.after(cx.now).filter(|end| *end > cx.now).ok_or(Error::PastUntil)
    }

    fn may(&self) -> Result<May, ::verify::TrustError> {
        let predicates: Vec<String> =
            self.predicates.iter().map(|name| predicate_name::full(name)).collect();
        May::of(
            &texts(&self.steps),
            &texts(&predicates),
            &texts(&self.artifacts),
            &texts(&self.stages),
        )
    }

    fn public_key(&self, public: &str, cx: &Context<'_>) -> Result<PublicKey, Error> {
        if let Some(kept) = KeyFile::elsewhere(public)? {
            return kept.public(cx.printer);
        }
        if keys::is_name(public)
            && !PathBuf::from(public).exists()
            && let Some(home) = cx.found_home()?
            && let Some(file) = KeyFile::find(&home, Some(public))?
        {
            return file.public(cx.printer);
        }
        keys::read_public(public.as_ref())
    }
}

/// The folder's own file is not changed once the document has owners: they decide about the next
/// version. A copy of it can be, to be proposed.
fn require_ungoverned(trust: &Trust, path: &Path, cx: &Context<'_>) -> Result<(), Error> {
    let same = |own: PathBuf| match (own.canonicalize(), path.canonicalize()) {
        (Ok(own), Ok(path)) => own == path,
        _ => own == *path,
    };
    let own = cx.found_home()?.is_some_and(|home| same(home.trust()));
    if own && trust.governance().is_some() {
        return Err(Error::Governed(path.into()));
    }
    Ok(())
}

/// A running service judges by the trust file that it was started with, and by no other.
#[cfg(feature = "server")]
fn say_who_has_read_it(path: &Path, cx: &Context<'_>) -> Result<(), Error> {
    let Some(home) = cx.found_home()?.filter(|home| home.trust() == *path) else { return Ok(()) };
    if let Ok(Some(Holder { url: Some(url), .. })) = served_by(&home.register()) {
        cx.printer.note(&format!(
            "the service at {url} reads it when it is started again, and decides nothing until then"
        ));
    }
    Ok(())
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn stem(public: &str) -> String {
    let stem = PathBuf::from(public);
    stem.file_stem().map_or_else(|| public.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

#[derive(Serialize)]
struct Added {
    version: &'static str,
    added: String,
    path: PathBuf,
    digest: String,
}

impl Answer for Added {
    fn draw(&self, page: &mut Page) {
        page.text("trusting ").put(Tone::Strong, &self.added).end();
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    version: &'static str,
    digest: String,
    keys: Vec<KeyRow>,
    logs: Vec<LogRow>,
    verifiers: Vec<VerifierRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sigstore: Vec<keyless::RootRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers: Vec<keyless::SignerRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clocks: Vec<certified::ClockRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<certified::AuthorityRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certified: Vec<certified::CertifiedRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    name: String,
    owner: String,
    id: KeyId,
    algorithm: &'static str,
    #[serde(flatten)]
    granted: Granted,
}

#[derive(Serialize)]
struct LogRow {
    origin: String,
    key: String,
    #[serde(rename = "formerKeys", skip_serializing_if = "Vec::is_empty")]
    former: Vec<rotate::Former>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<WitnessRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<usize>,
}

#[derive(Serialize)]
struct WitnessRow {
    key: String,
    owner: String,
}

impl LogRow {
    fn of(log: &TrustedLog) -> Self {
        let witnesses = log.witnesses().list().iter().map(|witness| WitnessRow {
            key: witness.key().to_string(),
            owner: witness.owner().into(),
        });
        Self {
            origin: log.origin().into(),
            key: log.key().to_string(),
            former: log.former().iter().map(rotate::Former::of).collect(),
            witnesses: witnesses.collect(),
            quorum: Some(log.witnesses().quorum()).filter(|quorum| *quorum > 0),
        }
    }
}

#[derive(Serialize)]
struct VerifierRow {
    id: String,
    /// The name of the key that signs for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The name of the signer without a key that signs for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[serde(skip)]
    words: String,
}

impl VerifierRow {
    fn of(verifier: &TrustedVerifier) -> Self {
        let named = |wanted: bool| wanted.then(|| verifier.name().to_owned());
        Self {
            id: verifier.id().into(),
            key: named(verifier.key().is_some()),
            signer: named(verifier.key().is_none()),
            words: verifier_in_words(verifier),
        }
    }
}

/// A verifier and whatever signs for it: a key, or a signer that has none of its own.
fn verifier_in_words(verifier: &TrustedVerifier) -> String {
    let by = if verifier.key().is_some() { "with key" } else { "by signer" };
    format!("{} {by} {}", verifier.id(), verifier.name())
}

impl Listing {
    fn of(trust: &Trust, now: Timestamp) -> Self {
        let logs = trust.logs().iter();
        let verifiers = trust.verifiers().iter();
        Self {
            version: "assay/trust/v1",
            digest: trust.digest().to_string(),
            keys: trust.keys().iter().flat_map(|key| rows(key, now)).collect(),
            logs: logs.map(LogRow::of).collect(),
            verifiers: verifiers.map(VerifierRow::of).collect(),
            sigstore: trust.roots().iter().map(keyless::RootRow::of).collect(),
            signers: trust.signers().iter().map(|one| keyless::SignerRow::of(one, now)).collect(),
            clocks: trust.clocks().iter().map(certified::ClockRow::of).collect(),
            authorities: trust.authorities().iter().map(certified::AuthorityRow::of).collect(),
            certified: trust
                .certified_signers()
                .iter()
                .map(|one| certified::CertifiedRow::of(one, now))
                .collect(),
        }
    }
}

fn rows(key: &TrustedKey, now: Timestamp) -> Vec<KeyRow> {
    let row = |grant: &::verify::Grant| KeyRow {
        name: grant.name().into(),
        owner: key.owner().into(),
        id: key.id(),
        algorithm: key.key().algorithm().as_str(),
        granted: Granted::of(grant, key.custody(), now),
    };
    key.grants().iter().map(row).collect()
}

impl Answer for Listing {
    fn draw(&self, page: &mut Page) {
        if self.keys.is_empty()
            && self.logs.is_empty()
            && self.sigstore.is_empty()
            && self.clocks.is_empty()
            && self.authorities.is_empty()
        {
            page.line("nobody is trusted");
            return;
        }
        let heads = ["KEY", "OWNER", "STEPS", "PREDICATES", "ARTIFACTS", "STAGES", "UNTIL"];
        let rows: Vec<Vec<String>> = self.keys.iter().map(KeyRow::cells).collect();
        if !rows.is_empty() {
            page.table(&heads, &rows);
        }
        for log in &self.logs {
            page.end().put(Tone::Faint, "log       ").text(&log.key).end();
            for former in &log.former {
                former.draw(page, "former    ");
            }
            if let Some(quorum) = log.quorum {
                let count = log.witnesses.len();
                page.line(format_args!("          if cosigned by {quorum} of {count} witnesses:"));
            }
            for witness in &log.witnesses {
                page.put(Tone::Faint, "witness   ").text(&witness.key);
                page.text(format_args!(" of {}", witness.owner)).end();
            }
        }
        for verifier in &self.verifiers {
            page.put(Tone::Faint, "verifier  ").text(&verifier.words).end();
        }
        self.sigstore.iter().for_each(|root| root.draw(page));
        self.signers.iter().for_each(|signer| signer.draw(page));
        self.clocks.iter().for_each(|clock| clock.draw(page));
        self.authorities.iter().for_each(|authority| authority.draw(page));
        self.certified.iter().for_each(|signer| signer.draw(page));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl KeyRow {
    fn cells(&self) -> Vec<String> {
        let granted = &self.granted;
        let all = |list: &[String]| {
            if list.is_empty() { "-".to_owned() } else { list.join(" ") }
        };
        let predicates: Vec<String> =
            granted.predicates.iter().map(|name| predicate_name::short(name).to_owned()).collect();
        let until = match (granted.valid_until, granted.valid) {
            (Some(until), true) => until.to_string(),
            (_, false) => match &granted.still_counts {
                Some(still) => format!("ended; before entry {}", still.before),
                None => "not valid now".into(),
            },
            (None, true) => "-".into(),
        };
        vec![
            self.name.clone(),
            self.owner.clone(),
            all(&granted.steps),
            all(&predicates),
            all(&granted.artifacts),
            all(&granted.stages),
            until,
        ]
    }
}
