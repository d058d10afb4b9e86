//! Soak: how long ago the stages before must have been passed, without a failure since.
//!
//! The time runs from the first of the verdicts PASSED after which no FAILED stands in the
//! register: a failure between starts it anew, a second promotion does not. Of the time that the
//! verifier claims and the one that a clock proves the newer counts.

use super::rule::{Reads, Rule, View, newer};
use super::stages::{LastVerdict, Verdict, verdicts};
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::model::Model;
use crate::remedy::{Means, Remedy};

/// How long the stages before a stage must have been passed.
#[derive(Clone, Debug)]
pub(crate) struct Soak {
    pub(crate) rule: String,
    pub(crate) stage: usize,
    pub(crate) length: MaxAge,
}

impl Rule for Soak {
    fn place(&self) -> &str {
        &self.rule
    }

    fn asks(&self, model: &Model) -> String {
        let earlier = model.right_before(self.stage);
        format!("{} was passed {} ago, without a failure since", earlier, self.length)
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        vec![
            Reads::Type(attest::predicate::VERIFICATION_SUMMARY.into()),
            Reads::field("/predicate/verificationResult"),
            Reads::field("/predicate/timeVerified"),
            Reads::Order,
            Reads::age(self.length),
        ]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let model = view.question.model;
        let Some(stage) = model.stages.get(self.stage) else { return };
        if view.stage.is_none_or(|asked| asked.name != stage.name) {
            return;
        }
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for earlier in stage.after.iter().filter_map(|index| model.stages.get(*index)) {
            let verdicts = verdicts(view.question, &earlier.name);
            let run =
                verdicts.iter().rev().take_while(|verdict| verdict.says == LastVerdict::Passed);
            let Some(Verdict { one, summary, .. }) = run.last() else {
                let detail = format!("`{}` was not passed", earlier.name);
                draft.follows(&self.rule, detail);
                return;
            };
            let next = format!("ask again {} after `{}` was passed", self.length, earlier.name);
            let Some(since) = newer(summary.time_verified, one) else {
                let message = format!("nobody says when `{}` was passed", earlier.name);
                let artifact = view.question.artifact.to_string();
                let argv = ["assay", "promote", &artifact, "--stage", earlier.name.as_str()];
                let problem = Problem::fail(Code::StageSoak, message, next).shown_by([*one]);
                problems.push(problem.mended(Remedy::new(Means::Command).argv(argv)));
                continue;
            };
            let end = self.length.end(since);
            if view.question.now >= end {
                draft.from(end);
                draft.rests(&self.rule, &[*one], |one, by| model.is_verifier(one, by));
                evidence.push(one.body());
                continue;
            }
            draft.until(end);
            let message = format!(
                "`{}` was passed at {since}, and must have been for {}, which is at {end}",
                earlier.name, self.length
            );
            let problem = Problem::fail(Code::StageSoak, message, next).shown_by([*one]);
            let problem = problem.mended(Remedy::new(Means::Wait).at(end));
            problems.push(problem.about([view.question.artifact]));
        }
        if problems.is_empty() {
            draft.pass(&self.rule, evidence, None);
        } else {
            draft.fail(&self.rule, problems);
        }
    }
}
