//! `assay policy simulate`: replays what gates decided, under another version of the policy or at
//! another time, and lists every verdict that would be another.
//!
//! Each registered verdict is first replayed as it was: by the policy that judged, at its time, over
//! the register as it was before the verdict. What does not come out the same is listed with the
//! reason, because what is said of the change would mean nothing there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ::attest::carried::opened;
use ::attest::predicate::{VERIFICATION_SUMMARY, VerificationResult};
use ::attest::{ArtifactId, Bundle, Predicate, Sha256, StageName, Statement, Timestamp};
use ::policy::{Code, Policy, Simulation, Verdict};
use ::verify::{Direction, Followed, Rewound};
use clap::Args;
use serde::Serialize;
use server::register::{MAX_PAGE, Query, Search, Term};

use super::read;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::following;
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// The most verdicts that are replayed.
const MAX_VERDICTS: usize = 100_000;
/// Of how many artifacts the bundles are kept, so that a model below many images is read once.
const MAX_KEPT: usize = 4096;

/// Replay what was decided, under another policy or at another time
///
/// Ends with 0 if every registered verdict comes out as it was and no verdict would be another,
/// with 1 if one would, or does not come out as it was, and with 2 if nothing could be replayed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy simulate --against 30d --policy next.yaml
  assay policy simulate --against 30d --at 2027-01-01
  assay policy simulate --against 90d

Without `--policy` and `--at` it only asserts that what was decided can be decided again. Nothing is
signed, and nothing is promoted by what is simulated. With `--server` every entry of the service is
read first, and held against the root that its register signed.")]
pub(super) struct SimulateArgs {
    /// Replay the verdicts since then: `30d`, `2026-11-01`
    #[arg(long, value_name = "TIME")]
    against: Moment,

    /// Replay under this policy in the place of the one that judged
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// A policy that judged then and is not registered; may be given several times
    #[arg(long, value_name = "FILE")]
    was: Vec<PathBuf>,

    /// Judge by all that is registered today, at this time: `30d` from now, `2027-01-01`
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
}

/// A registered verdict.
#[derive(Clone, Debug)]
struct Registered {
    index: u64,
    artifact: ArtifactId,
    name: String,
    stage: StageName,
    policy: Sha256,
    time: Timestamp,
    verdict: Verdict,
    inputs: BTreeSet<Sha256>,
}

impl SimulateArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Replayed, Error> {
        let since = self.against.before(cx.now).unwrap_or(Timestamp::MIN);
        let at = self.at.map(|at| at.after(cx.now).unwrap_or(Timestamp::MAX));
        let next = self.policy.as_ref().map(|path| read(path)).transpose()?.map(Arc::new);
        let source = Source::open(cx)?;
        let followed = source.follow_to_judge(&cx.trust(None)?, cx)?;
        let mut known: Vec<Arc<Policy>> =
            crate::rules::own(cx)?.map(Arc::new).into_iter().collect();
        known.extend(next.iter().map(Arc::clone));
        for path in &self.was {
            known.push(Arc::new(read(path)?));
        }
        let (verdicts, left_out) = registered(&source, &followed, since)?;
        if verdicts.is_empty() {
            return Err(Error::NothingToReplay(since));
        }
        let mut shelf = Shelf { source: &source, kept: BTreeMap::new() };
        let mut policies = Policies { known, read: BTreeMap::new() };
        let mut replayed = Replayed {
            version: "assay/policy-simulation/v1",
            since,
            at,
            policy: next.as_ref().map(|next| next.digest()),
            replayed: 0,
            reproduced: 0,
            unread: left_out.values().sum(),
            left_out,
            flips: Vec::new(),
            not_reproduced: Vec::new(),
        };
        // By what is known today each artifact has one verdict at each stage: the last.
        let mut last = BTreeMap::new();
        for one in &verdicts {
            last.insert((one.artifact, one.stage.clone()), one.index);
        }
        for one in &verdicts {
            replayed.replayed += 1;
            let then = Rewound::new(&followed, one.index);
            let (policy, before) = match policies.then(one, &then) {
                Err(why) => {
                    replayed.not_reproduced.push(Unlike::new(one, None, why));
                    continue;
                }
                Ok(policy) => {
                    let history =
                        then.history(one.artifact, one.time, |wanted| shelf.of(wanted))?;
                    let found = policy.simulate(&one.artifact, &one.stage, &history, one.time);
                    if verdict(&found) != one.verdict {
                        let why = why_unlike(one, &history, &found);
                        replayed.not_reproduced.push(Unlike::new(one, Some(&found), why));
                        continue;
                    }
                    replayed.reproduced += 1;
                    (policy, history)
                }
            };
            let next = next.as_ref().unwrap_or(&policy);
            let changed = next.digest() != policy.digest();
            let found = match at {
                Some(at) if last.get(&(one.artifact, one.stage.clone())) == Some(&one.index) => {
                    let now = Rewound::new(&followed, followed.size);
                    let history = now.history(one.artifact, at, |wanted| shelf.of(wanted))?;
                    next.successor().simulate(&one.artifact, &one.stage, &history, at)
                }
                None if changed => {
                    next.successor().simulate(&one.artifact, &one.stage, &before, one.time)
                }
                _ => continue,
            };
            if verdict(&found) != one.verdict {
                replayed.flips.push(Flip::new(one, &found));
            }
        }
        Ok(replayed)
    }
}

fn verdict(found: &Simulation) -> Verdict {
    if found.would_pass() { Verdict::Allowed } else { Verdict::Denied }
}

/// Why a summary is not replayed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LeftOut {
    /// It is by nobody whom the trust document in force let verify.
    Stranger,
    /// It says no time, stage or policy, or is about more than one artifact.
    Unclear,
}

impl LeftOut {
    const fn words(self) -> &'static str {
        match self {
            Self::Stranger => "by nobody whom the trust document in force let verify",
            Self::Unclear => "without a time, a stage or a policy, or about several artifacts",
        }
    }
}

/// The verdicts of the register by those who may verify, since then, in their order; and how many
/// others there are, with the reasons.
type Verdicts = (Vec<Registered>, BTreeMap<LeftOut, usize>);

fn registered(source: &Source, followed: &Followed, since: Timestamp) -> Result<Verdicts, Error> {
    let folder = match source {
        Source::Folder(folder) => folder,
        Source::Service(_) => return shown(source, followed, since),
    };
    let (mut verdicts, mut left_out, mut start) = (BTreeMap::new(), BTreeMap::new(), 0);
    while verdicts.len() < MAX_VERDICTS {
        let term = Term::Type(VERIFICATION_SUMMARY.into());
        let page = folder.wait(folder.register().bundles_with(term, start));
        let page = page.map_err(|source| Error::judge(source.into()))?;
        for bundle in &page.bundles {
            match parse(bundle, followed) {
                Ok(one) if one.time >= since => drop(verdicts.insert(one.index, one)),
                Ok(_) => {}
                Err(why) => *left_out.entry(why).or_default() += 1,
            }
        }
        match page.next {
            Some(next) => start = next,
            None => break,
        }
    }
    Ok((verdicts.into_values().collect(), left_out))
}

/// The same of a service: each is held against the tree that was followed, and its signature against
/// its key. Which ones there are is what the service says.
fn shown(source: &Source, followed: &Followed, since: Timestamp) -> Result<Verdicts, Error> {
    let (mut verdicts, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    let mut query = Query {
        terms: vec![Term::Type(VERIFICATION_SUMMARY.into())],
        limit: MAX_PAGE,
        ..Query::default()
    };
    while verdicts.len() < MAX_VERDICTS {
        let page = source.find(&Search::from(query.clone()))?;
        for view in page.entries.iter().filter(|view| view.index < followed.size) {
            let Some(bundle) = source.entry(view.index)?.bundle else { continue };
            match parse(&bundle.0, followed) {
                Ok(one) if one.time >= since => {
                    following::require(source, one.index, followed)?;
                    verdicts.insert(one.index, one);
                }
                Ok(_) => {}
                Err(why) => *left_out.entry(why).or_default() += 1,
            }
        }
        // Every page starts after the one before it.
        match page.next.filter(|next| *next < followed.size) {
            Some(next) => query.start = Some(next),
            None => break,
        }
    }
    Ok((verdicts.into_values().collect(), left_out))
}

fn parse(bundle: &Bundle, followed: &Followed) -> Result<Registered, LeftOut> {
    let places = bundle.entries.iter().filter_map(|entry| Some(entry.proof.as_ref()?.index));
    let index = places.min().ok_or(LeftOut::Unclear)?;
    let statement = Statement::parse(&opened(&bundle.envelope).payload);
    let statement = statement.map_err(|_| LeftOut::Unclear)?;
    let Predicate::VerificationSummary(summary) = &statement.predicate else {
        return Err(LeftOut::Unclear);
    };
    // The register admits no entry that its key did not sign; a service is held to that above.
    let then = Rewound::new(followed, index);
    if !then.is_verdict_of(&summary.verifier.id, bundle) {
        return Err(LeftOut::Stranger);
    }
    let said = || {
        let [subject] = statement.subject.as_slice() else { return None };
        let digest = |hex: Option<&String>| format!("sha256:{}", hex?).parse::<Sha256>().ok();
        let inputs = summary.input_attestations.iter();
        Some(Registered {
            index,
            artifact: subject.artifact().ok()?,
            name: subject.name.clone().unwrap_or_default(),
            stage: summary.stage()?,
            policy: digest(summary.policy.digest.get("sha256"))?,
            time: summary.time_verified?,
            verdict: match summary.verification_result {
                VerificationResult::Passed => Verdict::Allowed,
                VerificationResult::Failed => Verdict::Denied,
            },
            inputs: inputs.filter_map(|input| digest(input.digest.get("sha256"))).collect(),
        })
    };
    said().ok_or(LeftOut::Unclear)
}

/// Why a verdict does not come out as it was registered.
fn why_unlike(one: &Registered, history: &::verify::Supposed, found: &Simulation) -> String {
    let there = |body: &&Sha256| history.history().attestation(body).is_none();
    let missing: Vec<&Sha256> = one.inputs.iter().filter(there).collect();
    if let Some(first) = missing.first() {
        return format!(
            "{} of the statements that it rests on do not count in the register as it was, the first \
             {first}: whoever signed is no longer believed, or it was registered later",
            missing.len()
        );
    }
    let first = found.findings().first();
    first.map_or_else(
        || "nothing stands against the artifact in the register as it was".into(),
        |finding| finding.message.clone(),
    )
}

/// Bundles by the artifact that they are about.
struct Shelf<'a> {
    source: &'a Source,
    kept: BTreeMap<ArtifactId, Vec<Bundle>>,
}

impl Shelf<'_> {
    fn of(&mut self, artifact: &ArtifactId) -> Result<Vec<Bundle>, Error> {
        if let Some(kept) = self.kept.get(artifact) {
            return Ok(kept.clone());
        }
        let (bundles, _) = self.source.bundles(artifact, Direction::Up)?;
        if self.kept.len() >= MAX_KEPT {
            self.kept.clear();
        }
        self.kept.insert(*artifact, bundles.clone());
        Ok(bundles)
    }
}

/// The policies by which verdicts were made.
struct Policies {
    /// Those at hand.
    known: Vec<Arc<Policy>>,
    read: BTreeMap<Sha256, Option<Arc<Policy>>>,
}

impl Policies {
    /// The policy that judged; the reason why it cannot judge again.
    fn then(&mut self, one: &Registered, then: &Rewound) -> Result<Arc<Policy>, String> {
        let activations = then.negatives().activations();
        if let Some((active, _)) = activations.active(&one.stage)
            && active.policy != one.policy
        {
            return Err(format!(
                "it names the policy {}, and {} was active for the stage",
                one.policy, active.policy
            ));
        }
        let known = self.known.iter().find(|known| known.digest() == one.policy).map(Arc::clone);
        let read = self.read.entry(one.policy).or_insert_with(|| {
            let text = activations.policy(&one.policy)?;
            known.clone().or_else(|| server::force::read(text).ok().map(Arc::new))
        });
        read.clone().or(known).ok_or_else(|| {
            format!(
                "its policy {} is neither registered nor that of the folder: give its file with `--was`",
                one.policy
            )
        })
    }
}

/// What came of replaying.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replayed {
    version: &'static str,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Sha256>,
    replayed: usize,
    reproduced: usize,
    /// How many were left out.
    unread: usize,
    /// How many for which reason.
    left_out: BTreeMap<LeftOut, usize>,
    flips: Vec<Flip>,
    not_reproduced: Vec<Unlike>,
}

/// A verdict that would be another.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flip {
    index: u64,
    artifact: ArtifactId,
    name: String,
    stage: StageName,
    was: Verdict,
    would_be: Verdict,
    codes: BTreeSet<Code>,
    reasons: Vec<String>,
}

impl Flip {
    fn new(one: &Registered, found: &Simulation) -> Self {
        let reasons = found.findings().iter();
        Self {
            index: one.index,
            artifact: one.artifact,
            name: one.name.clone(),
            stage: one.stage.clone(),
            was: one.verdict,
            would_be: verdict(found),
            codes: found.findings().iter().map(|finding| finding.code).collect(),
            reasons: reasons
                .map(|one| format!("{} by {}: {}", one.code, one.rule, one.message))
                .collect(),
        }
    }
}

/// A verdict that does not come out as it was.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unlike {
    index: u64,
    artifact: ArtifactId,
    stage: StageName,
    was: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    comes_out: Option<Verdict>,
    codes: BTreeSet<Code>,
    why: String,
}

impl Unlike {
    fn new(one: &Registered, found: Option<&Simulation>, why: String) -> Self {
        let findings = found.into_iter().flat_map(Simulation::findings);
        Self {
            index: one.index,
            artifact: one.artifact,
            stage: one.stage.clone(),
            was: one.verdict,
            comes_out: found.map(verdict),
            codes: findings.map(|finding| finding.code).collect(),
            why,
        }
    }
}

impl Answer for Replayed {
    fn exit(&self) -> Exit {
        let same = self.flips.is_empty() && self.not_reproduced.is_empty();
        if same { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        page.text(format_args!("{} verdicts since {since}, ", self.replayed));
        page.line(format_args!("{} come out as they were registered", self.reproduced));
        for one in &self.not_reproduced {
            page.put(Tone::Warn, "  unlike  ").text(format_args!("entry {}  ", one.index));
            page.put(Tone::Strong, &one.stage).put(Tone::Faint, format_args!("  {}", one.artifact));
            page.end().text("          ").line(&one.why);
        }
        for one in &self.flips {
            let tone = if one.would_be == Verdict::Allowed { Tone::Warn } else { Tone::Bad };
            page.text("  ").put(tone, format_args!("{:<8}", one.would_be));
            page.text(format_args!("was {}, entry {}  ", one.was, one.index));
            page.put(Tone::Strong, format_args!("{} at {}", one.name, one.stage));
            page.put(Tone::Faint, format_args!("  {}", one.artifact)).end();
            for reason in &one.reasons {
                page.text("          ").line(reason);
            }
        }
        if self.at.is_some() || self.policy.is_some() {
            let tone = if self.flips.is_empty() { Tone::Good } else { Tone::Bad };
            page.put(tone, format_args!("{} verdicts would be others", self.flips.len())).end();
        }
        for (why, count) in &self.left_out {
            let verdicts = if *count == 1 { "verdict was" } else { "verdicts were" };
            let words = format_args!("{count} {verdicts} left out: {}", why.words());
            page.put(Tone::Faint, words).end();
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
