//! The rules, each in a file of one idea.
//!
//! A rule reads believed attestations and the values in them, never what a predicate says about
//! its own author, its own time or its own success: identity is the verified signer, order is the
//! position in the register, and a number is held against the policy's threshold. Dates are read
//! for ages alone, and only to a statement's disadvantage.

pub(crate) mod ages;
pub(crate) mod chain;
pub(crate) mod flow;
pub(crate) mod forbidden;
pub(crate) mod history;
pub(crate) mod joint;
pub(crate) mod metrics;
pub(crate) mod past;
pub(crate) mod required;
pub(crate) mod revoked;
pub(crate) mod stages;
pub(crate) mod steps;
pub(crate) mod together;
pub(crate) mod trust;

pub(crate) use flow::Flow;
pub(crate) use forbidden::{Forbidden, Holdout};
pub(crate) use metrics::{Metric, Slices};

use attest::{ArtifactId, Timestamp};
use verify::Lineage;

use crate::model::Model;

/// What is judged, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) model: &'a Model,
    pub(crate) artifact: ArtifactId,
    pub(crate) lineage: &'a Lineage,
    pub(crate) now: Timestamp,
}
