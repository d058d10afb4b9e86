//! Freshness: how long ago the stages before may have been passed at most.
//!
//! The last verdict of each counts. Of the time that the verifier claims and the one that a clock
//! proves the older counts.

use verify::{Attestation, Signer};

use super::rule::{Reads, Rule, View, older};
use super::stages::{LastVerdict, Verdict, verdicts};
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::model::Model;
use crate::remedy::{Means, Remedy};

/// How old the verdicts on the stages before a stage may be.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) rule: String,
    pub(crate) stage: usize,
    pub(crate) max_age: MaxAge,
}

impl Rule for Fresh {
    fn place(&self) -> &str {
        &self.rule
    }

    fn asks(&self, model: &Model) -> String {
        let earlier = model.right_before(self.stage);
        format!("{} was passed at most {} ago", earlier, self.max_age)
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        vec![
            Reads::Type(attest::predicate::VERIFICATION_SUMMARY.into()),
            Reads::field("/predicate/timeVerified"),
            Reads::Order,
            Reads::age(self.max_age),
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
            let name = &earlier.name;
            let last = verdicts(view.question, name).pop();
            let Some(Verdict { one, summary, says: LastVerdict::Passed }) = last else {
                draft.follows(&self.rule, format!("`{name}` was not passed"));
                return;
            };
            let message = match older(summary.time_verified, one) {
                None => format!("nobody says when `{name}` was passed"),
                Some(since) => {
                    let end = self.max_age.end(since);
                    if view.question.now < end {
                        draft.until(end);
                        let by = |one: &Attestation, by: &Signer| model.is_verifier(one, by);
                        draft.rests(&self.rule, &[one], by);
                        evidence.push(one.body());
                        continue;
                    }
                    draft.from(end);
                    format!("`{name}` was passed at {since}, too long ago after {}", self.max_age)
                }
            };
            let next = format!("promote the artifact to `{name}` again, by this policy");
            let artifact = view.question.artifact.to_string();
            let argv = ["assay", "promote", &artifact, "--stage", name.as_str()];
            let problem = Problem::fail(Code::AgeExceeded, message, next).shown_by([one]);
            let problem = problem.mended(Remedy::new(Means::Command).argv(argv));
            problems.push(problem.about([view.question.artifact]));
        }
        if problems.is_empty() {
            draft.pass(&self.rule, evidence, None);
        } else {
            draft.fail(&self.rule, problems);
        }
    }
}
