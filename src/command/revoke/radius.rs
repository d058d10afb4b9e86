//! What falls with a revocation: what descends from it, and which promotions would no longer pass.
//!
//! Every promoted artifact is judged twice, as it is and as it would be. The entries of the register are
//! read to the end first, also those of a service, up to a limit; what a larger one leaves out nobody
//! here knows, and the answer says so.

use std::collections::{BTreeMap, BTreeSet};

use ::attest::carried::opened;
use ::attest::hash::Progress as _;
use ::attest::predicate::{PROVENANCE, PROVENANCE_V0_2, VERIFICATION_SUMMARY};
use ::attest::predicate::{Revocation, RevocationKind};
use ::attest::{ArtifactId, KeyId, Predicate, Sha256, StageName, Statement};
use ::policy::{Outcome, Policy};
use ::verify::{Direction, Lineage, Negatives, Supposed, Trust, Unheard};
use serde::{Serialize, Serializer};
use server::register::{MAX_PAGE, Query, Search, Term};
use server::wire::EntryView;

use super::RevokeArgs;
use super::unjudged::{self, Judges, Unjudged};
use crate::context::Context;
use crate::error::Error;
use crate::following;
use crate::gather;
use crate::governed;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// How many entries of one kind are looked at.
const MAX_ENTRIES: usize = 100_000;
/// How many artifacts are followed downwards.
const MAX_ROOTS: usize = 256;

/// What would fall.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Radius {
    version: &'static str,
    /// What is revoked.
    kind: RevocationKind,
    subjects: Vec<Named>,
    descendants: bool,
    /// Why nobody would believe it, signed with the key that is to sign. What would fall then falls once
    /// somebody has signed it who may.
    #[serde(serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    unheard: Option<Unheard>,
    /// Whether the register has an entry of what is revoked: of a key, a builder or an attestation one
    /// that it made, of an artifact one that speaks of it.
    known: bool,
    /// Whether every entry of the register was read.
    followed: bool,
    /// The entries that would be void.
    void: Vec<u64>,
    /// The artifacts that the revocation would reach, beside the subjects.
    reached: Vec<Named>,
    /// The artifacts that have passed somewhere and were looked at.
    promoted: usize,
    /// The promotions that would no longer pass, or that would again.
    flips: Vec<Flip>,
    /// The promotions of which nobody here can say how they would be decided.
    unjudged: Vec<Unjudged>,
    /// What was revoked of the same before, and whether it was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<Before>,
    /// Whether there is more than was looked at.
    cut: bool,
}

/// An earlier revocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    index: u64,
    reason: String,
    by: String,
    /// The entry with which the owners of the trust document took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<u64>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Named {
    pub(super) artifact: ArtifactId,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
}

/// A decision that would be another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Flip {
    #[serde(flatten)]
    what: Named,
    stage: StageName,
    policy: Sha256,
    passes: bool,
    would_pass: bool,
    /// The codes of what would be found.
    codes: BTreeSet<String>,
}

/// What the revocation would change.
struct Fallen {
    reached: BTreeSet<ArtifactId>,
    flips: Vec<Flip>,
    unjudged: Vec<Unjudged>,
}

/// What would be void, and from where the revocation would spread.
struct Void {
    entries: Vec<u64>,
    roots: BTreeSet<ArtifactId>,
    /// Whether there is any entry of what is revoked, void or not.
    known: bool,
}

/// What is looked at to find out.
struct Looking<'a> {
    source: &'a Source,
    trust: &'a Trust,
    real: &'a Negatives,
    supposed: &'a Negatives,
    cx: &'a Context<'a>,
    names: BTreeMap<ArtifactId, String>,
    cut: bool,
}

impl Radius {
    /// What would fall with the revocation that `statement` is and `signer` is to sign.
    pub(super) fn of(
        statement: &Statement,
        args: &RevokeArgs,
        signer: Option<&KeyId>,
        cx: &Context<'_>,
    ) -> Result<Self, Error> {
        let Predicate::Revocation(said) = &statement.predicate else {
            return Err(Error::NothingToAttest);
        };
        let source = Source::open(cx)?;
        source.accept(cx)?;
        let begun = cx.trust(None)?;
        let followed = match &source {
            Source::Folder(_) => source.follow(&begun, cx)?,
            // What is more than is read over a network stays what the service shows.
            Source::Service(_) => match following::follow(&source, &begun, cx) {
                Ok(followed) => Some(followed),
                Err(Error::TooLargeToFollow { .. } | Error::UnnamedRegister(_)) => None,
                Err(error) => return Err(error),
            },
        };
        let governing = match &followed {
            Some(followed) => followed.governing.clone(),
            None => governed::shown(&source, &begun, cx)?,
        };
        let none = Negatives::none();
        let real = followed.as_ref().map_or(&none, |followed| &followed.negatives);
        let body = Sha256::of(&statement.to_json()?);
        let subjects: Vec<Named> = statement
            .subjects()
            .map_err(|_| Error::NothingToAttest)?
            .into_iter()
            .zip(&statement.subject)
            .map(|((artifact, name), subject)| {
                let name = subject.uri.as_deref().unwrap_or(name).to_owned();
                Named { artifact, name }
            })
            .collect();
        let ids: Vec<ArtifactId> = subjects.iter().map(|one| one.artifact).collect();
        let trust = governing.trust();
        let supposed = real.supposing(trust, body, said, &ids).ok_or(Error::NobodyRevokes)?;
        let unheard = signer.and_then(|key| real.hears(trust, key).err());
        let names = BTreeMap::new();
        let mut search =
            Looking { source: &source, trust, real, supposed: &supposed, cx, names, cut: false };
        let Void { entries: void, roots, known } = search.void(said, &subjects)?;
        let promoted = search.promoted()?;
        let judges = Judges::of(args, &begun, &governing, cx)?;
        let bar = Bar::of(Work::Judging, cx.printer);
        bar.start((roots.len().min(MAX_ROOTS) + promoted.len()) as u64);
        let fallen = search.fallen(&roots, &promoted, &bar, &judges);
        bar.finish();
        let Fallen { mut reached, flips, unjudged } = fallen?;
        for one in &subjects {
            reached.remove(&one.artifact);
        }
        Ok(Self {
            version: "assay/radius/v1",
            kind: said.kind.clone(),
            descendants: supposed.revocations().last().is_some_and(|last| last.descendants),
            unheard,
            known,
            followed: followed.is_some(),
            void,
            reached: reached.into_iter().map(|one| search.named(one)).collect(),
            promoted: promoted.len(),
            flips,
            unjudged,
            before: before(real, &subjects),
            cut: search.cut,
            subjects,
        })
    }

    /// Why nobody would believe it.
    pub(super) const fn unheard(&self) -> Option<&Unheard> {
        self.unheard.as_ref()
    }

    /// What speaks against registering it, in words.
    pub(super) fn doubts(&self) -> Vec<String> {
        let unheard = self.unheard.as_ref().map(|why| format!("nobody would believe it: {why}"));
        let unknown = || {
            let of = String::from(self.kind.clone());
            if self.followed {
                format!("no entry of the register is of this {of}")
            } else {
                format!("no entry that the service shows is of this {of}")
            }
        };
        unheard.into_iter().chain((!self.known).then(unknown)).collect()
    }
}

#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn in_words<S: Serializer>(why: &Option<Unheard>, serializer: S) -> Result<S::Ok, S::Error> {
    why.as_ref().map(ToString::to_string).serialize(serializer)
}

/// What was revoked before of the same subjects, in the order of the register.
fn before(real: &Negatives, subjects: &[Named]) -> Vec<Before> {
    let digests: BTreeSet<Sha256> =
        subjects.iter().filter_map(|one| one.artifact.digest()).collect();
    let found = digests.iter().flat_map(|digest| real.history(digest));
    let found: BTreeMap<u64, &::verify::Revocation> = found.map(|one| (one.index, one)).collect();
    let before = found.into_values().map(|one| Before {
        index: one.index,
        reason: one.reason.clone(),
        by: one.by.name.clone(),
        taken_back: one.reinstated.map(|how| how.index),
    });
    before.collect()
}

impl Looking<'_> {
    /// The entries that would be void, and the artifacts from which a revocation would spread.
    fn void(&mut self, said: &Revocation, subjects: &[Named]) -> Result<Void, Error> {
        let mut roots: BTreeSet<ArtifactId> = BTreeSet::new();
        let mut known = false;
        if matches!(said.kind, RevocationKind::Artifact | RevocationKind::Unknown) {
            roots.extend(subjects.iter().map(|one| one.artifact));
            let ids: Vec<ArtifactId> = roots.iter().copied().collect();
            known = !self.source.known(&ids)?.is_empty();
        }
        let from = self.supposed.revocations().last().map_or(0, |last| last.from);
        let digests: Vec<Sha256> =
            subjects.iter().filter_map(|one| one.artifact.digest()).collect();
        let mut entries: Vec<EntryView> = Vec::new();
        if said.kind == RevocationKind::Key {
            for digest in &digests {
                let Ok(key) = digest.to_string().parse::<KeyId>() else { continue };
                entries.extend(self.all(vec![Term::Signer(key)])?);
            }
        }
        if said.kind == RevocationKind::Builder {
            for of in [PROVENANCE, PROVENANCE_V0_2] {
                for entry in self.all(vec![Term::Type(of.into())])? {
                    let bundle = self.source.entry(entry.index)?.bundle;
                    let Some(bundle) = bundle else { continue };
                    let envelope = opened(&bundle.0.envelope);
                    let Ok(statement) = Statement::read(&envelope.payload) else { continue };
                    let builder = statement.predicate.builder().unwrap_or_default();
                    if digests.contains(&Sha256::of(builder.as_bytes())) {
                        entries.push(entry);
                    }
                }
            }
        }
        let mut void: Vec<u64> = Vec::new();
        // A statement that is revoked is void wherever it stands.
        let is_of_one = said.kind == RevocationKind::Attestation;
        if is_of_one {
            let is_it = |entry: &EntryView| entry.body.is_some_and(|body| digests.contains(&body));
            entries.extend(self.all(Vec::new())?.into_iter().filter(is_it));
        }
        for entry in entries.iter().filter(|entry| is_of_one || entry.index >= from) {
            void.push(entry.index);
            roots.extend(entry.subjects.iter().map(|one| one.artifact));
        }
        void.sort_unstable();
        // Where more is there than was looked at, nobody knows.
        known |= !entries.is_empty() || self.cut;
        Ok(Void { entries: void, roots, known })
    }

    /// What the revocation would reach, and the promotions that would be decided otherwise.
    fn fallen(
        &mut self,
        roots: &BTreeSet<ArtifactId>,
        promoted: &BTreeSet<(ArtifactId, StageName)>,
        bar: &Bar,
        judges: &Judges<'_>,
    ) -> Result<Fallen, Error> {
        let mut reached = self.reached(roots, bar)?;
        let (mut flips, mut unjudged) = (Vec::new(), Vec::new());
        for (artifact, stage) in promoted {
            bar.advance(1);
            match judges.policy(stage) {
                Ok(policy) => flips.extend(self.flip(*artifact, stage, &policy, &mut reached)?),
                Err(why) => {
                    let what = self.named(*artifact);
                    unjudged.push(Unjudged { what, stage: stage.clone(), why });
                }
            }
        }
        Ok(Fallen { reached, flips, unjudged })
    }

    fn named(&self, artifact: ArtifactId) -> Named {
        let name = self.names.get(&artifact).cloned().unwrap_or_default();
        Named { artifact, name }
    }

    /// What the revocation would reach, downwards from `roots`.
    fn reached(
        &mut self,
        roots: &BTreeSet<ArtifactId>,
        bar: &Bar,
    ) -> Result<BTreeSet<ArtifactId>, Error> {
        self.cut |= roots.len() > MAX_ROOTS;
        let mut reached = BTreeSet::new();
        for root in roots.iter().take(MAX_ROOTS) {
            bar.advance(1);
            if reached.contains(root) {
                continue;
            }
            let lineage = self.trace(*root, Direction::Down, self.supposed)?;
            self.cut |= !lineage.unexplored().is_empty();
            self.note(&lineage, &mut reached);
        }
        Ok(reached)
    }

    /// Every artifact that passed for a stage, as the register's verifiers say.
    fn promoted(&mut self) -> Result<BTreeSet<(ArtifactId, StageName)>, Error> {
        let entries = self.all(vec![Term::Type(VERIFICATION_SUMMARY.into())])?;
        let verifiers = self.trust.verifiers();
        // A verifier without a key has none here and there; whether its verdict counts is judged then.
        let known = |entry: &&EntryView| verifiers.iter().any(|one| one.key() == entry.signer);
        for subject in entries.iter().filter_map(|entry| entry.subjects.first()) {
            self.names.entry(subject.artifact).or_insert_with(|| subject.name.clone());
        }
        let promoted = entries
            .iter()
            .filter(known)
            .filter_map(|entry| Some((entry.subjects.first()?.artifact, entry.stage.clone()?)));
        Ok(promoted.collect())
    }

    /// How the decision for a promoted artifact would change, if it would.
    fn flip(
        &mut self,
        artifact: ArtifactId,
        stage: &StageName,
        policy: &Policy,
        reached: &mut BTreeSet<ArtifactId>,
    ) -> Result<Option<Flip>, Error> {
        let (up, now) = (Direction::Up, self.cx.now);
        let passes = {
            let lineage = self.trace(artifact, up, self.real)?;
            policy.evaluate(&artifact, stage, &lineage, now).passed()
        };
        let lineage = self.trace(artifact, up, self.supposed)?;
        self.note(&lineage, reached);
        let would = policy.simulate(&artifact, stage, &Supposed::of(&lineage), now);
        if would.would_pass() == passes {
            return Ok(None);
        }
        Ok(Some(Flip {
            what: self.named(artifact),
            stage: stage.clone(),
            policy: policy.digest(),
            passes,
            would_pass: would.would_pass(),
            codes: would
                .findings()
                .iter()
                .filter(|finding| finding.outcome != Outcome::Waived)
                .map(|finding| finding.code.to_string())
                .collect(),
        }))
    }

    fn trace(
        &self,
        artifact: ArtifactId,
        direction: Direction,
        negatives: &Negatives,
    ) -> Result<Lineage, Error> {
        gather::traced(artifact, direction, self.source, self.trust, negatives, self.cx.now)
    }

    /// Remembers what only the supposed revocation reaches, and what it is called.
    fn note(&mut self, lineage: &Lineage, reached: &mut BTreeSet<ArtifactId>) {
        let last = self.supposed.revocations().last().map(|last| last.body);
        let by = |body: Sha256| Some(body) == last;
        let found = lineage.all_revoked().iter().filter(|(_, revoked)| by(revoked.by.body));
        reached.extend(found.map(|(artifact, _)| *artifact));
        let named = lineage.attestations().iter();
        for named in named.flat_map(|one| one.subjects.iter().chain(&one.materials)) {
            self.names.entry(named.artifact).or_insert_with(|| named.name.clone());
        }
    }

    /// Every entry that the terms find together; without any, every entry.
    fn all(&mut self, terms: Vec<Term>) -> Result<Vec<EntryView>, Error> {
        let mut query = Query { terms, limit: MAX_PAGE, ..Query::default() };
        let mut all = Vec::new();
        loop {
            let page = self.source.find(&Search::from(query.clone()))?;
            all.extend(page.entries);
            match page.next {
                None => return Ok(all),
                Some(_) if all.len() >= MAX_ENTRIES => {
                    self.cut = true;
                    return Ok(all);
                }
                // Every page starts after the one before it.
                Some(next) => query.start = Some(next),
            }
        }
    }
}

/// So many of something, in words.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

impl Answer for Radius {
    fn draw(&self, page: &mut Page) {
        page.text("revoking ");
        for one in &self.subjects {
            page.put(Tone::Strong, &one.name).text(" ").put(Tone::Faint, one.artifact).text(" ");
        }
        page.line(if self.descendants { "and what was made from it" } else { "alone" });
        for one in &self.before {
            let Before { index, reason, by, taken_back } = one;
            page.text(format_args!("  revoked before, by entry {index} of {by}: {reason}"));
            match taken_back {
                Some(entry) => page.line(format_args!("; taken back by entry {entry}")),
                None => page.end(),
            };
        }
        for doubt in self.doubts() {
            page.put(Tone::Warn, format_args!("  {doubt}")).end();
        }
        if self.unheard.is_some() {
            page.line("  what follows holds once somebody has signed it who may");
        }
        if !self.void.is_empty() {
            let entries: Vec<String> = self.void.iter().take(32).map(u64::to_string).collect();
            let more = if self.void.len() > 32 { ", and more" } else { "" };
            let what = count(self.void.len(), "entry would be void", "entries would be void");
            page.line(format_args!("  {what}: {}{more}", entries.join(", ")));
        }
        let what = count(self.reached.len(), "artifact falls", "artifacts fall");
        page.line(format_args!("  {what} with it"));
        for one in &self.reached {
            page.text("    ").put(Tone::Strong, &one.name).text(" ");
            page.put(Tone::Faint, one.artifact).end();
        }
        let judged = self.promoted.saturating_sub(self.unjudged.len());
        if judged > 0 || self.unjudged.is_empty() {
            let of = count(judged, "promotion", "promotions");
            page.line(format_args!("  {} of {of} would be decided otherwise", self.flips.len()));
        }
        for flip in &self.flips {
            let tone = if flip.would_pass { Tone::Good } else { Tone::Bad };
            let word = if flip.would_pass { "allowed" } else { "denied" };
            page.text("    ").put(tone, word).text(format_args!(" at {}: ", flip.stage));
            page.put(Tone::Strong, &flip.what.name).text(" ").put(Tone::Faint, flip.what.artifact);
            let codes: Vec<&str> = flip.codes.iter().map(String::as_str).collect();
            page.text("  ").line(codes.join(", "));
        }
        unjudged::draw(&self.unjudged, page);
        if !self.followed {
            page.put(Tone::Warn, "  as far as the service shows: its entries were not all read")
                .end();
        }
        if self.cut {
            page.put(Tone::Warn, "  there is more than was looked at").end();
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
