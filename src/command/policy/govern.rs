//! `assay policy publish`, `propose`, `sign`, `activate` and `history`: how a policy comes to judge.
//!
//! A policy owner registers the text; as many as the trust document asks for sign that it judges
//! for stages from then on. Going back is another activation, with a higher number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ::attest::predicate::{Document, PolicyActivation, PolicyVersion};
use ::attest::{ArtifactId, KeyId, Predicate, ResourceDescriptor, Sha256, StageName, Statement};
use ::policy::Policy;
use ::verify::{Activations, Duty, Governance, Governing, PolicyText, Role, Trust};
use clap::Args;
use serde::Serialize;
use server::force::RulesError;

use super::read;
use crate::command::trust::{begun, open_key};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::governed::{self, Agreement, Draft};
use crate::home::{self, Existing};
use crate::keys;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Register a policy, so that it can be activated
///
/// The files that it names are registered with it. The key must be a policy owner's, for policies of
/// that name. It judges nothing yet.
#[derive(Args, Debug)]
pub(super) struct PublishArgs {
    /// The policy
    file: PathBuf,

    /// Name or file of the policy owner's key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE", env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

impl PublishArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Published, Error> {
        let (policy, text) = (read(&self.file)?, home::read_text(&self.file)?);
        let (source, governing) = begun(None, cx)?;
        let key = open_key(self.key.as_deref(), cx)?;
        let trust = governing.trust();
        let may =
            |governance: &Governance| governance.may_propose(&key.public().id(), policy.name());
        if !trust.governance().is_some_and(may) {
            return Err(Error::NoOwner(self.key.clone().unwrap_or_else(|| keys::LOCAL.into())));
        }
        let said = PolicyVersion {
            name: policy.name().into(),
            version: policy.version(),
            document: Document::new(text),
            files: files(&policy),
            proposed_on: Some(cx.now),
        };
        let predicate = Predicate::PolicyVersion(Box::new(said));
        let mut draft = Draft::new(about(policy.digest(), predicate))?;
        draft.sign(&key)?;
        let entry = draft.register(draft.signed_by(&[trust], |_| true), &source, cx)?;
        let (name, digest) = (policy.name().to_owned(), policy.digest());
        Ok(Published { version: "assay/policy-published/v1", name, digest, entry })
    }
}

/// The files that a policy names, each once. They are texts, else it had not been read.
fn files(policy: &Policy) -> Vec<Document> {
    let texts = policy.files().values().filter_map(|bytes| str::from_utf8(bytes).ok());
    let files = texts.map(Document::new).map(|file| (file.claimed(), file));
    files.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn about(policy: Sha256, predicate: Predicate) -> Statement {
    let subject = ResourceDescriptor::of("policy.yaml", &ArtifactId::file(policy));
    Statement { subject: vec![subject], predicate }
}

/// A policy that is registered.
#[derive(Serialize)]
pub(super) struct Published {
    version: &'static str,
    name: String,
    digest: Sha256,
    entry: u64,
}

impl Answer for Published {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "registered").text(" policy ").put(Tone::Strong, &self.name);
        page.line(format_args!(": entry {}", self.entry));
        page.put(Tone::Faint, "  digest  ").line(self.digest);
        page.line("it judges when it is activated: `assay policy propose FILE --stage STAGE`");
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// Write a draft that a policy judges for stages, for its owners to sign
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy publish policy.yaml --key pia
  assay policy propose policy.yaml --stage production --output activation.json
  assay policy sign activation.json --key pia
  assay policy activate activation.json")]
pub(super) struct ProposeArgs {
    /// The policy, which is registered already
    file: PathBuf,

    /// A stage that it judges for
    #[arg(long = "stage", value_name = "STAGE", required = true)]
    stages: Vec<StageName>,

    /// How many activations before it still count where a stage must have been passed
    #[arg(long, value_name = "N", default_value_t = 0)]
    accept_previous: u64,

    /// Where to write the draft
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl ProposeArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Standing, Error> {
        let policy = read(&self.file)?;
        let (_, governing) = begun(None, cx)?;
        if let Some(stage) = self.stages.iter().find(|stage| policy.mode(stage).is_none()) {
            return Err(Error::NoSuchStage { policy: policy.name().into(), stage: stage.clone() });
        }
        let activations = governing.activations();
        registered(activations, policy.digest())?;
        let said = PolicyActivation {
            policy: policy.digest(),
            stages: self.stages.iter().map(ToString::to_string).collect(),
            sequence: activations.next_sequence(&self.stages),
            accept_previous: self.accept_previous,
            activated_on: Some(cx.now),
        };
        let draft = Draft::new(about(policy.digest(), Predicate::PolicyActivation(said)))?;
        draft.write(&self.output, Existing::Kept)?;
        Standing::of(&draft, &governing, Act::Proposed)
    }
}

/// A policy that is registered, and can judge: with all files that it names.
fn registered(activations: &Activations, digest: Sha256) -> Result<&PolicyText, Error> {
    let text = activations.policy(&digest).ok_or(Error::NotPublished(digest))?;
    let unreadable = |why| Error::Rules(RulesError::Unreadable { digest, why });
    server::force::read(text).map(|_| &**text).map_err(unreadable)
}

/// Sign a draft that a policy judges for stages
#[derive(Args, Debug)]
pub(super) struct SignArgs {
    /// The draft
    draft: PathBuf,

    /// Name or file of the policy owner's key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE", env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

impl SignArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Standing, Error> {
        let mut draft = Draft::read(&self.draft)?;
        let (_, governing) = begun(None, cx)?;
        let said = activation(&draft)?;
        let name = registered(governing.activations(), said.policy)?.name.clone();
        let key = open_key(self.key.as_deref(), cx)?;
        let may = |governance: &Governance| governance.may_propose(&key.public().id(), &name);
        if !governing.trust().governance().is_some_and(may) {
            return Err(Error::NoOwner(self.key.clone().unwrap_or_else(|| keys::LOCAL.into())));
        }
        draft.sign(&key)?;
        draft.write(&self.draft, Existing::Replaced)?;
        Standing::of(&draft, &governing, Act::Signed)
    }
}

/// Register a draft that enough policy owners have signed: the policy judges from then on
///
/// Ends with 1 when too few have, and says who has not.
#[derive(Args, Debug)]
pub(super) struct ActivateArgs {
    /// The draft, or signed copies of it
    #[arg(required = true, value_name = "DRAFT")]
    drafts: Vec<PathBuf>,
}

impl ActivateArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Standing, Error> {
        let draft = Draft::read_all(&self.drafts)?;
        let (source, governing) = begun(None, cx)?;
        let standing = Standing::of(&draft, &governing, Act::Refused)?;
        if !standing.met {
            return Ok(standing);
        }
        let said = activation(&draft)?;
        if said.sequence < governing.activations().next_sequence(&standing.stages) {
            return Err(Error::OldActivation(said.sequence));
        }
        let signed = draft.signed_by(&[governing.trust()], |_| true);
        let entry = draft.register(signed, &source, cx)?;
        let after = governed::in_force(&source, governing.begun(), cx)?;
        let active = |stage: &StageName| {
            let (active, _) = after.activations().active(stage)?;
            (active.body == draft.body()).then_some(active.index)
        };
        let places: Option<Vec<u64>> = standing.stages.iter().map(active).collect();
        match places.as_deref() {
            Some([place, ..]) => Ok(Standing { act: Act::Activated(*place), ..standing }),
            _ => Err(Error::NotInForce(entry)),
        }
    }
}

fn activation(draft: &Draft) -> Result<&PolicyActivation, Error> {
    match &draft.statement().predicate {
        Predicate::PolicyActivation(said) => Ok(said),
        _ => Err(Error::OtherDraft("an activation of a policy")),
    }
}

/// What was done with a draft.
#[derive(Clone, Copy, Debug)]
enum Act {
    Proposed,
    Signed,
    Refused,
    Activated(u64),
}

/// How far a draft has come.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    version: &'static str,
    name: String,
    policy: Sha256,
    stages: Vec<StageName>,
    sequence: u64,
    accept_previous: u64,
    agreements: Vec<Agreement>,
    met: bool,
    #[serde(skip)]
    act: Act,
}

impl Standing {
    fn of(draft: &Draft, governing: &Governing, act: Act) -> Result<Self, Error> {
        let said = activation(draft)?;
        let text = registered(governing.activations(), said.policy)?;
        let stages = said.stages.iter().map(|stage| stage.parse::<StageName>());
        let stages: Vec<StageName> = stages
            .collect::<Result<_, _>>()
            .map_err(|_| Error::OtherDraft("an activation of a policy"))?;
        let trust: &Trust = governing.trust();
        let governance = trust.governance();
        let signed = draft.signed_by(&[trust], |_| true);
        let signed: BTreeSet<KeyId> = signed.iter().map(|(key, _)| key.id()).collect();
        let counts = |role: &Role| {
            let for_stage = |stage: &StageName| role.stages().has(stage.as_str());
            role.duty() == Duty::Policy
                && role.policies().has(&text.name)
                && stages.iter().any(for_stage)
        };
        let agreements =
            governance.map(|one| Agreement::of(one, &text.name, &signed, trust, counts));
        let met = governance.is_some_and(|one| {
            stages.iter().all(|stage| one.is_policy_quorum(&signed, &text.name, stage))
        });
        Ok(Self {
            version: "assay/policy-activation/v1",
            name: text.name.clone(),
            policy: said.policy,
            stages,
            sequence: said.sequence,
            accept_previous: said.accept_previous,
            agreements: agreements.unwrap_or_default(),
            met,
            act,
        })
    }
}

impl Answer for Standing {
    fn exit(&self) -> Exit {
        if matches!(self.act, Act::Refused) { Exit::Denied } else { Exit::Success }
    }

    fn draw(&self, page: &mut Page) {
        match self.act {
            Act::Proposed => page.text("draft that "),
            Act::Signed => page.put(Tone::Good, "signed").text(" the draft that "),
            Act::Refused => {
                page.put(Tone::Bad, "not active").text(": too few owners have signed that ")
            }
            Act::Activated(_) => page.put(Tone::Good, "active").text(": "),
        };
        let stages: Vec<&str> = self.stages.iter().map(StageName::as_str).collect();
        page.text("policy ").put(Tone::Strong, &self.name);
        page.text(format_args!(" judges for {}", stages.join(", ")));
        match self.act {
            Act::Activated(entry) => page.line(format_args!(", by entry {entry}")),
            _ => page.end(),
        };
        page.put(Tone::Faint, "  digest    ").line(self.policy);
        page.put(Tone::Faint, "  sequence  ").line(self.sequence);
        if self.accept_previous > 0 {
            page.put(Tone::Faint, "  accepts   ");
            page.line(format_args!("verdicts by {} activations before it", self.accept_previous));
        }
        self.agreements.iter().for_each(|one| one.draw(page));
    }

    fn json(&self) -> serde_json::Result<String> {
        let entry = match self.act {
            Act::Activated(entry) => Some(entry),
            _ => None,
        };
        let mut value = serde_json::to_value(self)?;
        if let (Some(entry), Some(object)) = (entry, value.as_object_mut()) {
            object.insert("entry".into(), entry.into());
        }
        to_json(&value)
    }
}

/// List which policies judged for which stages
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    /// Of this stage alone
    #[arg(long)]
    stage: Option<StageName>,
}

impl HistoryArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<History, Error> {
        let (_, governing) = begun(None, cx)?;
        let activations = governing.activations();
        let mut rows = Vec::new();
        for (stage, all) in activations.stages() {
            if self.stage.as_ref().is_some_and(|only| only != stage) {
                continue;
            }
            for (place, one) in all.iter().enumerate() {
                let text = activations.policy(&one.policy);
                rows.push(Row {
                    stage: stage.clone(),
                    sequence: one.sequence,
                    name: text.map_or_else(String::new, |text| text.name.clone()),
                    policy_version: text.map_or(0, |text| text.version),
                    policy: one.policy,
                    entry: one.index,
                    accept_previous: one.accept_previous,
                    active: place + 1 == all.len(),
                });
            }
        }
        Ok(History { version: "assay/policy-history/v1", activations: rows })
    }
}

/// Every activation.
#[derive(Serialize)]
pub(super) struct History {
    version: &'static str,
    activations: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    stage: StageName,
    sequence: u64,
    name: String,
    policy_version: u64,
    policy: Sha256,
    entry: u64,
    accept_previous: u64,
    active: bool,
}

impl Answer for History {
    fn draw(&self, page: &mut Page) {
        if self.activations.is_empty() {
            page.line("no policy was activated; the file in the folder judges");
            return;
        }
        let heads = ["STAGE", "NUMBER", "POLICY", "VERSION", "BY ENTRY", "ACCEPTS", "", "DIGEST"];
        let row = |row: &Row| {
            vec![
                row.stage.to_string(),
                row.sequence.to_string(),
                row.name.clone(),
                row.policy_version.to_string(),
                row.entry.to_string(),
                row.accept_previous.to_string(),
                if row.active { "active".into() } else { String::new() },
                row.policy.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = self.activations.iter().map(row).collect();
        page.table(&heads, &rows);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
