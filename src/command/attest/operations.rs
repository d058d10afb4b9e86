//! What happens to an artifact after it was made: tests, deployments, monitoring.

use std::path::PathBuf;

use ::attest::predicate::{Deployment, Monitoring, TestResult};
use ::attest::{Predicate, ResourceDescriptor, StageName, Statement, json};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::SignArgs;
use super::subject::{SubjectArgs, describe};
use crate::context::Context;
use crate::error::Error;
use crate::home;
use crate::moment::Moment;
use crate::target::Target;

/// A word of a standard, in capitals there and in small letters here.
trait Word: ValueEnum {
    /// The word in capitals.
    fn capitals(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_uppercase()).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    Passed,
    Warned,
    Failed,
}

impl Word for Outcome {}

/// Attest which tests passed
#[derive(Args, Debug)]
pub struct TestResultArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// How the tests ended
    #[arg(long, value_enum)]
    result: Outcome,

    /// What configured the tests: a file, a folder or a digest
    #[arg(long, value_name = "PATH|DIGEST")]
    configuration: Vec<Target>,

    /// A test that passed
    #[arg(long, value_name = "NAME")]
    passed: Vec<String>,

    /// A test that warned
    #[arg(long, value_name = "NAME")]
    warned: Vec<String>,

    /// A test that failed
    #[arg(long, value_name = "NAME")]
    failed: Vec<String>,

    /// Where the results can be seen
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl TestResultArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        self.require_one_result()?;
        let configuration = self
            .configuration
            .iter()
            .map(|target| describe(target, None, cx))
            .collect::<Result<Vec<ResourceDescriptor>, Error>>()?;
        let result = TestResult {
            result: self.result.capitals(),
            configuration,
            passed_tests: self.passed.clone(),
            warned_tests: self.warned.clone(),
            failed_tests: self.failed.clone(),
            more: self.url.iter().map(|url| ("url".into(), url.clone().into())).collect(),
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::TestResult(result) })
    }

    /// Refuses a result at odds with the tests that are named (in-toto test result v0.1: `WARNED`
    /// is for tests that warned and did not fail, `PASSED` for those that did neither).
    fn require_one_result(&self) -> Result<(), Error> {
        let option = match self.result {
            Outcome::Passed | Outcome::Warned if !self.failed.is_empty() => "--failed",
            Outcome::Passed if !self.warned.is_empty() => "--warned",
            Outcome::Passed | Outcome::Warned | Outcome::Failed => return Ok(()),
        };
        Err(Error::Contradicts { result: self.result.capitals(), option })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Event {
    Rollout,
    Traffic,
    Rollback,
    Retirement,
}

/// Attest where an artifact runs from now on
#[derive(Args, Debug)]
pub struct DeploymentArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// What happened
    #[arg(long, value_enum, default_value = "rollout")]
    event: Event,

    /// The stage that it runs at
    #[arg(long)]
    stage: StageName,

    /// Where it runs, as a URI
    #[arg(long, value_name = "URI")]
    target: Option<String>,

    /// Share of the traffic that it gets
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    traffic: Option<u8>,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl DeploymentArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let event = self.event.to_possible_value();
        let mut more = Map::new();
        more.insert("deployedOn".into(), cx.now.to_string().into());
        if let Some(target) = &self.target {
            more.insert("target".into(), serde_json::json!({ "uri": target }));
        }
        if let Some(percent) = self.traffic {
            more.insert("strategy".into(), serde_json::json!({ "trafficPercent": percent }));
        }
        let deployment = Deployment {
            event: event.map(|value| value.get_name().to_owned()).unwrap_or_default(),
            environment: self.stage.to_string(),
            more,
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::Deployment(deployment) })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verdict {
    Ok,
    Drift,
    Degraded,
}

impl Word for Verdict {}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recommendation {
    None,
    Retrain,
    Rollback,
}

impl Word for Recommendation {}

/// Attest how an artifact fares over a window of time
#[derive(Args, Debug)]
pub struct MonitoringArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// What was seen
    #[arg(long, value_enum)]
    verdict: Verdict,

    /// What to do about it
    #[arg(long, value_enum, default_value = "none")]
    recommendation: Recommendation,

    /// Start of the window: `2027-03-01` or `24h` ago
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: Moment,

    /// The numbers: a JSON list of measurements
    #[arg(long, value_name = "FILE")]
    measurements: Option<PathBuf>,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl MonitoringArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let from = self.since.before(cx.now).filter(|from| *from < cx.now);
        let from = from.ok_or(Error::FutureWindow)?;
        let mut more = Map::new();
        more.insert("window".into(), serde_json::json!({ "from": from, "to": cx.now }));
        if let Some(path) = &self.measurements {
            let broken = |source| Error::Document { path: path.clone(), source };
            let found: Vec<Value> = json::parse_as(&home::read(path)?).map_err(broken)?;
            more.insert("measurements".into(), found.into());
        }
        let monitoring = Monitoring {
            verdict: self.verdict.capitals(),
            recommendation: self.recommendation.capitals(),
            more,
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::Monitoring(monitoring) })
    }
}
