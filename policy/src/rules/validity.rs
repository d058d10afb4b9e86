//! The time in which anything may be decided by the policy.
//!
//! A policy that has run out, or is not yet in force, decides nothing: that is an error and no
//! failure of the artifact, and denies all the same.

use attest::Timestamp;

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::model::Model;
use crate::remedy::{Means, Remedy};

/// From when until when the policy is in force.
#[derive(Clone, Debug)]
pub(crate) struct Validity {
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
}

impl Rule for Validity {
    fn place(&self) -> &str {
        "validity"
    }

    fn asks(&self, _: &Model) -> String {
        match (self.not_before, self.expires) {
            (Some(from), Some(until)) => format!("it is {from} or later, and before {until}"),
            (Some(from), None) => format!("it is {from} or later"),
            (None, Some(until)) => format!("it is before {until}"),
            (None, None) => "it is any time".into(),
        }
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        self.not_before.into_iter().chain(self.expires).map(Reads::Moment).collect()
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let now = view.question.now;
        let mut problems = Vec::new();
        if let Some(from) = self.not_before {
            if now < from {
                draft.until(from);
                let message = format!("the policy is in force from {from} on");
                let next = "ask by the policy that is in force now";
                let remedy = Remedy::new(Means::Wait).at(from);
                problems.push(Problem::error(Code::PolicyNotYet, message, next).mended(remedy));
            } else {
                draft.from(from);
            }
        }
        if let Some(until) = self.expires {
            if now < until {
                draft.until(until);
            } else {
                draft.from(until);
                let message = format!("the policy has not been in force since {until}");
                let next = "write a new version of the policy with a later `expires`, and have it \
                            put into force";
                problems.push(Problem::error(Code::PolicyExpired, message, next));
            }
        }
        if problems.is_empty() {
            draft.pass(self.place(), Vec::new(), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }

    fn is_of_the_policy(&self) -> bool {
        true
    }
}
