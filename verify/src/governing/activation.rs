//! Which policy judges for a stage, and which did before.

use std::collections::BTreeMap;
use std::sync::Arc;

use attest::predicate::{MAX_POLICY_FILES, MAX_STAGES, PolicyActivation, PolicyVersion};
use attest::{Predicate, Sha256, StageName, Statement};

use super::require_subject;

/// How many policies are kept. Only policy owners can add to them.
const MAX_POLICIES: usize = 1024;
/// How many bytes all of them together may have, with their files.
const MAX_POLICY_BYTES: usize = 64 << 20;
/// How many activations are kept for all stages. What is beyond does not count.
const MAX_ACTIVATIONS: usize = 1 << 16;

/// The policies that owners have registered, and which of them are active.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Activations {
    policies: BTreeMap<Sha256, Arc<PolicyText>>,
    bytes: usize,
    stages: BTreeMap<StageName, Vec<Activation>>,
    count: usize,
}

/// A registered policy, whose text nobody here can read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PolicyText {
    /// The digest of the text.
    pub digest: Sha256,
    /// Its name, as its owners say; whoever reads the text holds it to that.
    pub name: String,
    /// Its version, as its owners say.
    pub version: u64,
    /// The text.
    pub text: String,
    /// The files that its owners registered with it, by their digests.
    pub files: BTreeMap<Sha256, String>,
}

impl PolicyText {
    /// The text of the file with this digest, if it was registered with the policy.
    pub fn file(&self, digest: &Sha256) -> Option<&str> {
        self.files.get(digest).map(String::as_str)
    }
}

/// That a policy judges for a stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Activation {
    /// The digest of the policy.
    pub policy: Sha256,
    /// Its number among the activations for the stage: they rise.
    pub sequence: u64,
    /// How many activations before it still count.
    pub accept_previous: u64,
    /// The position of the leaf with which it had enough signatures: it counts from the next on.
    pub index: u64,
    /// The body of its statement.
    pub body: Sha256,
}

/// An activation that waits for signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Proposed {
    said: PolicyActivation,
    pub(super) name: String,
    pub(super) stages: Vec<StageName>,
}

impl Activations {
    /// The policy that judges for `stage`; none where no activation was registered for it.
    pub fn active(&self, stage: &StageName) -> Option<(&Activation, &Arc<PolicyText>)> {
        let active = self.stages.get(stage)?.last()?;
        Some((active, self.policies.get(&active.policy)?))
    }

    /// Whether a policy judges for any stage.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The stages for which policies judge, with every activation, in order.
    pub fn stages(&self) -> impl Iterator<Item = (&StageName, &[Activation])> {
        self.stages.iter().map(|(stage, all)| (stage, all.as_slice()))
    }

    /// The policy with this digest.
    pub fn policy(&self, digest: &Sha256) -> Option<&Arc<PolicyText>> {
        self.policies.get(digest)
    }

    /// Every policy that was registered.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<PolicyText>> {
        self.policies.values()
    }

    /// The lowest number that the next activation for these stages may have.
    pub fn next_sequence<'s>(&self, stages: impl IntoIterator<Item = &'s StageName>) -> u64 {
        let last = stages.into_iter().filter_map(|stage| self.stages.get(stage)?.last());
        last.map(|active| active.sequence).max().unwrap_or(0).saturating_add(1)
    }

    /// Whether a verdict for `stage` by the policy with this digest counts that was registered at
    /// `index`: the policy was active there, and is, or is one of those before it that the active
    /// one still accepts. `None` where no activation was registered for the stage.
    pub fn counts(&self, stage: &StageName, policy: &Sha256, index: u64) -> Option<bool> {
        let all = self.stages.get(stage)?;
        let active = all.last()?;
        let place = all.partition_point(|one| one.index < index);
        let Some(then) = place.checked_sub(1).and_then(|place| all.get(place)) else {
            return Some(false);
        };
        let since = (all.len() - place) as u64;
        Some(then.policy == *policy && since <= active.accept_previous)
    }

    /// The same without the activations of the entry `before` and those after it. What was
    /// registered as a policy since is kept: nothing is judged by it.
    pub(crate) fn before(&self, before: u64) -> Self {
        let mut then = self.clone();
        for all in then.stages.values_mut() {
            all.retain(|activation| activation.index < before);
        }
        then.stages.retain(|_, all| !all.is_empty());
        then
    }

    /// Keeps a policy; of one that is known, the files that came with it now. Both are known by
    /// their digests, so that whoever says more changes nothing that was said.
    pub(super) fn keep(&mut self, said: &PolicyVersion) {
        let (digest, Some(text)) = (said.document.claimed(), said.document.text()) else { return };
        let room = |bytes: usize, more: &str| bytes.saturating_add(more.len()) <= MAX_POLICY_BYTES;
        if !self.policies.contains_key(&digest) {
            if self.policies.len() >= MAX_POLICIES || !room(self.bytes, text) {
                return;
            }
            self.bytes += text.len();
            let (name, version, text) = (said.name.clone(), said.version, text.to_owned());
            let policy = PolicyText { digest, name, version, text, files: BTreeMap::new() };
            self.policies.insert(digest, Arc::new(policy));
        }
        let Some(policy) = self.policies.get_mut(&digest) else { return };
        for file in said.files.iter().take(MAX_POLICY_FILES) {
            let (of, Some(text)) = (file.claimed(), file.text()) else { continue };
            let more = policy.files.len() < MAX_POLICY_FILES && room(self.bytes, text);
            if more && !policy.files.contains_key(&of) {
                self.bytes += text.len();
                Arc::make_mut(policy).files.insert(of, text.to_owned());
            }
        }
    }

    /// Reads an activation of a policy that is known.
    pub(super) fn read(&self, statement: &Statement) -> Option<Proposed> {
        let Predicate::PolicyActivation(said) = &statement.predicate else { return None };
        require_subject(statement, said.policy)?;
        if said.stages.is_empty() || said.stages.len() > MAX_STAGES {
            return None;
        }
        let stages = said.stages.iter().map(|stage| stage.parse().ok());
        let stages: Vec<StageName> = stages.collect::<Option<_>>()?;
        let name = self.policies.get(&said.policy)?.name.clone();
        Some(Proposed { said: said.clone(), name, stages })
    }

    /// Activates, unless a later activation was registered for one of the stages.
    pub(super) fn activate(&mut self, proposed: &Proposed, index: u64, body: Sha256) {
        let Proposed { said, stages, .. } = proposed;
        if said.sequence < self.next_sequence(stages)
            || self.count.saturating_add(stages.len()) > MAX_ACTIVATIONS
        {
            return;
        }
        for stage in stages {
            let activation = Activation {
                policy: said.policy,
                sequence: said.sequence,
                accept_previous: said.accept_previous,
                index,
                body,
            };
            let all = self.stages.entry(stage.clone()).or_default();
            // A stage that is named twice is activated once.
            if all.last().is_none_or(|last| last.body != body) {
                all.push(activation);
                self.count += 1;
            }
        }
    }
}
