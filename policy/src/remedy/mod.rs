//! What makes a finding go away: for every finding the means, and wherever a command or a statement
//! would do it, that command, and that statement as far as the policy and the evidence determine it.
//!
//! A remedy is advice. It is made after the verdict, and nothing reads it back: what is signed by it
//! is judged as everything else is. What only a person can know stands in a statement as a marked
//! placeholder, never as a value that would happen to pass.

mod complete;
mod may;
mod skeleton;
mod statement;
mod step;

use attest::Timestamp;
use attest::predicate::BuildKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::whom::Whom;

pub(crate) use complete::complete;
pub use skeleton::{PLACEHOLDER, Placeholder, Skeleton};
pub(crate) use skeleton::{blank, descriptor, name_of};
pub(crate) use statement::{
    approval, component_bill, data_bill, exchange, monitoring, of_attestation, repeated, scan,
    source_summary,
};
pub(crate) use step::{Made, Measured};

/// What makes a finding go away.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remedy {
    /// By what kind of act.
    pub kind: Means,
    /// The command and its arguments; of a run the first, after which comes what [`Remedy::rest`]
    /// says. Empty where no command does it.
    #[serde(default)]
    pub argv: Vec<String>,
    /// The names in the trust file of whoever may sign; empty for whoever it lets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// How many different owners must sign.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub owners: usize,
    /// From which moment on time alone does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The statement that does it once it is filled in and signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton: Option<Skeleton>,
    /// The command that asks for a waiver, where the policy accepts any and the finding can be
    /// waived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiver: Vec<String>,
    /// The command with which somebody else approves the waiver: without that nothing is excepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approval: Vec<String>,
    /// The names in the trust file of whoever may approve the waiver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

/// By what kind of act a finding goes away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Means {
    /// A step is run and recorded.
    Run,
    /// Somebody who may signs a statement.
    Statement,
    /// A command, as it is.
    Command,
    /// Nothing mends this artifact: it is made anew, from the step in question on.
    Anew,
    /// Time alone.
    Wait,
    /// The policy says otherwise in its next version.
    Policy,
    /// The trust document says otherwise in its next version.
    Trust,
    /// The question is asked otherwise: of a register, for another stage, with another clock.
    Ask,
}

impl Means {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Run,
        Self::Statement,
        Self::Command,
        Self::Anew,
        Self::Wait,
        Self::Policy,
        Self::Trust,
        Self::Ask,
    ];

    /// It in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Run => "run the step, and have it recorded",
            Self::Statement => "have a statement signed and registered",
            Self::Command => "run a command",
            Self::Anew => "make the artifact anew",
            Self::Wait => "wait",
            Self::Policy => "change the policy",
            Self::Trust => "change the trust document",
            Self::Ask => "ask again, otherwise",
        }
    }
}

impl Remedy {
    pub(crate) const fn new(kind: Means) -> Self {
        Self {
            kind,
            argv: Vec::new(),
            signers: Vec::new(),
            owners: 1,
            at: None,
            skeleton: None,
            waiver: Vec::new(),
            approval: Vec::new(),
            approvers: Vec::new(),
        }
    }

    /// What comes after [`argv`](field@Self::argv) of a run, with `…` for what only whoever runs it knows: the
    /// files that go in and come out, and the command of the step. Empty for everything else.
    pub fn rest(&self) -> &'static str {
        let words: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["assay", "run", "--step", _, "--kind", kind, ..] => {
                if *kind == BuildKind::Evaluation.as_str() {
                    // `assay run` asks an evaluation for these, each once.
                    " --metrics … --material model=… --material holdout-dataset=… -- …"
                } else {
                    " --material … --product … -- …"
                }
            }
            _ => "",
        }
    }

    /// A statement that somebody of `whom` signs; `value` may have blanks.
    pub(crate) fn statement(value: Value, whom: &Whom) -> Self {
        Self::new(Means::Statement).with(value).by(whom)
    }

    pub(crate) fn with(mut self, value: Value) -> Self {
        self.skeleton = Some(Skeleton::of(value));
        self
    }

    /// The same with a statement that says all already.
    pub(crate) fn with_whole(mut self, value: Value) -> Self {
        self.skeleton = Some(Skeleton::whole(value));
        self
    }

    pub(crate) fn argv<S: Into<String>>(mut self, argv: impl IntoIterator<Item = S>) -> Self {
        self.argv = argv.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn by(mut self, whom: &Whom) -> Self {
        self.signers = whom.names();
        self
    }

    /// Without those, unless nobody were left.
    pub(crate) fn but_for<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let (last, first): (Vec<String>, Vec<String>) =
            self.signers.into_iter().partition(|name| names.contains(&name.as_str()));
        self.signers = if first.is_empty() { last } else { first };
        self
    }

    pub(crate) const fn owners(mut self, owners: usize) -> Self {
        self.owners = owners;
        self
    }

    pub(crate) const fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }
}

const fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_one(owners: &usize) -> bool {
    *owners == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_reports_name_is_read() {
        let old = r#"{"kind": "run", "argv": ["assay", "run", "--step", "train"]}"#;
        let read: Remedy = serde_json::from_str(old).unwrap();
        assert_eq!(read, Remedy::new(Means::Run).argv(["assay", "run", "--step", "train"]));
        let back = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Remedy>(&back).unwrap(), read);
        assert!(!back.contains("owners") && !back.contains("skeleton"), "{back}");
    }

    #[test]
    fn whoever_cannot_help_is_named_only_where_nobody_else_is_left() {
        let by = |names: &[&str]| {
            let signers = ["ana", "ben"].map(str::to_owned).to_vec();
            let remedy = Remedy { signers, ..Remedy::new(Means::Statement) };
            remedy.but_for(names.iter().copied()).signers
        };
        assert_eq!(by(&[]), ["ana", "ben"]);
        assert_eq!(by(&["ana"]), ["ben"]);
        assert_eq!(by(&["ana", "ben"]), ["ana", "ben"]);
    }
}
