//! What stands in for the engine where there is none: nothing that could be run.

use std::convert::Infallible;

use attest::Timestamp;

use super::{Answer, ModuleError, RegoRule};
use crate::rules::Question;
use crate::rules::chain::Chain;
use crate::rules::rule::Reads;

/// No rule: without the engine none is made.
#[derive(Clone, Debug)]
pub(crate) struct Module(Infallible);

impl Module {
    pub(crate) fn compile(_: &str, _: &str, _: &[&str]) -> Result<Self, ModuleError> {
        Err(ModuleError::NoEngine)
    }

    pub(crate) const fn compared(&self) -> &[Reads] {
        match self.0 {}
    }

    pub(crate) const fn reads_time(&self) -> bool {
        match self.0 {}
    }
}

pub(crate) fn run(
    _: Question<'_>,
    _: &str,
    _: &Chain<'_>,
    rules: &[&RegoRule],
    _: Timestamp,
) -> Vec<Answer> {
    rules.iter().map(|rule| match rule.module.0 {}).collect()
}
