//! Numbers that were measured without `assay run`: elsewhere, or before.

use std::path::PathBuf;

use ::attest::predicate::{Evaluation, Evaluator};
use ::attest::record::metrics;
use ::attest::{NAMESPACE, Predicate, Statement, StepName};
use clap::Args;

use super::SignArgs;
use super::subject::{SubjectArgs, describe};
use crate::context::Context;
use crate::error::Error;
use crate::home;
use crate::target::Target;

/// Who measured: whoever signs, by hand. A claim that decides nothing; the key does.
const EVALUATOR: &str = "evaluator/manual/v1";

/// Attest numbers that were measured on a data set
///
/// `assay run --kind evaluation` attests a run as well, with all that went in.
#[derive(Args, Debug)]
pub struct EvaluationArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// The data that was measured on
    #[arg(long, value_name = "PATH|DIGEST")]
    dataset: Target,

    /// The data's name in the statement; otherwise the path or digest as given
    #[arg(long, value_name = "NAME")]
    dataset_name: Option<String>,

    /// The numbers: `{"sampleSize": 50, "metrics": {"accuracy": 0.97}, "slices": […]}`
    #[arg(long, value_name = "FILE")]
    metrics: PathBuf,

    /// What the policy calls the step
    #[arg(long, value_name = "NAME", default_value = "evaluate")]
    step: StepName,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl EvaluationArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let measurements = metrics::parse(&home::read(&self.metrics)?).map_err(|source| {
            Error::Metrics { path: self.metrics.clone(), source: Box::new(source) }
        })?;
        let evaluation = Evaluation {
            step: Some(self.step.clone()),
            evaluator: Evaluator { id: format!("{NAMESPACE}{EVALUATOR}") },
            evaluated_on: Some(cx.now),
            harness: None,
            dataset: describe(&self.dataset, self.dataset_name.as_deref(), cx)?,
            criteria: None,
            measurements,
            run: None,
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::Evaluation(Box::new(evaluation)) })
    }
}
