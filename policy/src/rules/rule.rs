//! A rule by itself: what it asks, what it reads, and how it judges.
//!
//! A policy is a list of these beside its steps and flows. What a rule reads is said in a form that
//! a tool can change: whoever wants to know whether a rule can fail takes evidence that passes and
//! changes what the rule says that it reads.

use std::fmt;

use attest::{ArtifactId, StepName, Timestamp};
use serde::Serialize;
use verify::Attestation;

use super::Question;
use super::bound::Bound;
use super::chain::Chain;
use super::past::Past;
use crate::age::MaxAge;
use crate::draft::Draft;
use crate::model::{Model, Stage};
use crate::remedy::Made;
use crate::whom::Whom;

/// One rule.
pub(crate) trait Rule: fmt::Debug + Send + Sync {
    /// Its place in the document.
    fn place(&self) -> &str;

    /// What it asks, in words.
    fn asks(&self, model: &Model) -> String;

    /// What it reads.
    fn reads(&self, model: &Model) -> Vec<Reads>;

    /// Says what came of it.
    fn judge(&self, view: View<'_, '_>, draft: &mut Draft);

    /// Whose signatures must not be those of a step.
    fn apart(&self) -> Option<Apart<'_>> {
        None
    }

    /// Whose statements it asks for, beside those of steps.
    fn asked(&self, _model: &Model) -> Vec<Asked<'_>> {
        Vec::new()
    }

    /// Why no evidence could make it fail, where its own words show that.
    fn idle(&self) -> Option<&'static str> {
        None
    }

    /// Puts what it wants in a new statement of the step at `step` among the rest of it.
    fn wants(&self, _model: &Model, _step: usize, _made: &mut Made) {}

    /// Whether it is about the policy itself, and so to be judged of whatever is asked.
    fn is_of_the_policy(&self) -> bool {
        false
    }
}

/// Owners of whom a rule asks for statements.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'r> {
    /// Of these; `None` for verifiers.
    pub(crate) whom: Option<&'r Whom>,
    /// The types of which one will do; of a step, those that count for it.
    pub(crate) types: Vec<&'r str>,
    /// The step that the statements are of.
    pub(crate) step: Option<usize>,
    /// How many of them.
    pub(crate) owners: usize,
    /// What they are to do, in words.
    pub(crate) to: &'static str,
    /// What comes of it where there are fewer.
    pub(crate) without: Without,
    /// Whether one owner is enough, whoever signed the rest.
    pub(crate) alone: bool,
    /// Whether the rule cannot pass without them.
    pub(crate) needed: bool,
}

/// What comes of a rule for which nobody can sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Without {
    /// It cannot hold.
    CannotHold,
    /// It asks nothing.
    AsksNothing,
}

impl<'r> Asked<'r> {
    /// One owner, to do this by a statement of one of these types.
    pub(crate) fn one(to: &'static str, whom: &'r Whom, types: &[&'r str]) -> Self {
        Self::by(to, Some(whom), types.to_vec())
    }

    /// The same of any verifier where nobody is named.
    pub(crate) const fn by(to: &'static str, whom: Option<&'r Whom>, types: Vec<&'r str>) -> Self {
        let without = Without::CannotHold;
        Self { whom, types, step: None, owners: 1, to, without, alone: true, needed: true }
    }

    /// The type of what they sign; `None` where it may be of several.
    pub(crate) fn predicate(&self) -> Option<&'r str> {
        match self.types[..] {
            [predicate] => Some(predicate),
            _ => None,
        }
    }
}

/// That signers of a rule's own must be others than those of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apart<'r> {
    /// Of these.
    pub(crate) whom: &'r Whom,
    /// The type of what they sign.
    pub(crate) predicate: &'static str,
    pub(crate) step: usize,
}

/// One thing by which a rule decides.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reads {
    /// The statements of this step that belong to the chain.
    Step(StepName),
    /// Statements of this type about what the rule is about.
    Type(String),
    /// A field of these statements, by JSON pointer; `*` stands for each item of a list or map.
    Field(String),
    /// Numbers among the fields are held against this bound.
    Bound(Bound),
    /// A text among the fields is compared with this word, which decides against the artifact.
    Word(String),
    /// Who signed, by names in the trust file; empty for whoever may.
    Signers(Vec<String>),
    /// Which artifacts the statements name, by digest.
    Digests,
    /// What the statements call artifacts.
    Names,
    /// The order of entries in the register.
    Order,
    /// Times that statements claim or clocks prove, against this limit.
    Age(String),
    /// The time of the question, against this moment.
    Moment(Timestamp),
}

/// A rule of a policy as tools see it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    /// Its place in the document.
    pub rule: String,
    /// What it asks, in words.
    pub asks: String,
    /// What it reads.
    pub reads: Vec<Reads>,
}

impl Reads {
    pub(crate) fn age(limit: MaxAge) -> Self {
        Self::Age(limit.to_string())
    }

    pub(crate) fn signers(whom: &Whom) -> Self {
        Self::Signers(whom.names())
    }

    pub(crate) fn field(pointer: &str) -> Self {
        Self::Field(pointer.into())
    }

    /// The step at this place.
    pub(crate) fn step(model: &Model, step: usize) -> Option<Self> {
        model.steps.get(step).map(|step| Self::Step(step.name.clone()))
    }
}

/// Everything that a rule may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'v, 'a> {
    pub(crate) question: Question<'a>,
    pub(crate) stage: Option<&'a Stage>,
    pub(crate) chain: &'v Chain<'a>,
    pub(crate) past: &'v Past<'a>,
}

impl<'a> View<'_, 'a> {
    /// The name of a step.
    pub(crate) fn step_name(&self, step: usize) -> &'a str {
        self.question.model.steps.get(step).map_or("", |step| step.name.as_str())
    }

    /// The believed statements about `artifact` that `read` reads, in the order of the register.
    pub(crate) fn about<T: 'a>(
        &self,
        artifact: &ArtifactId,
        read: impl Fn(&'a Attestation) -> Option<T>,
    ) -> Vec<(&'a Attestation, T)> {
        let about = self.question.lineage.about(artifact);
        about.filter_map(|one| read(one).map(|read| (one, read))).collect()
    }

    /// The same, of signers whose time has run out since: what they said counts only against the
    /// artifact.
    pub(crate) fn lapsed<T: 'a>(
        &self,
        artifact: &ArtifactId,
        read: impl Fn(&'a Attestation) -> Option<T>,
    ) -> Vec<(&'a Attestation, T)> {
        let about = self.question.lineage.lapsed_about(artifact);
        about.filter_map(|one| read(one).map(|read| (one, read))).collect()
    }
}

/// The older of what a statement claims and what clocks prove: what counts for its age.
pub(crate) fn older(claim: Option<Timestamp>, attestation: &Attestation) -> Option<Timestamp> {
    let proven = attestation.verified.times().iter().map(|proven| proven.time).min();
    claim.into_iter().chain(proven).min()
}

/// The newer of both: what counts for how long something has been so.
pub(crate) fn newer(claim: Option<Timestamp>, attestation: &Attestation) -> Option<Timestamp> {
    let proven = attestation.verified.times().iter().map(|proven| proven.time).min();
    claim.into_iter().chain(proven).max()
}
