//! The rules, each in a file of one idea.
//!
//! A rule reads believed attestations and the values in them, never what a predicate says about
//! its own author, its own time or its own success: identity is the verified signer, order is the
//! position in the register, and a number is held against the policy's threshold. Dates are read
//! for ages alone, and only to a statement's disadvantage.

pub(crate) mod ages;
pub(crate) mod approval;
pub(crate) mod base_models;
pub(crate) mod bound;
pub(crate) mod build_level;
pub(crate) mod chain;
pub(crate) mod corroboration;
pub(crate) mod criteria;
pub(crate) mod datasets;
pub(crate) mod flow;
pub(crate) mod forbidden;
pub(crate) mod fresh;
pub(crate) mod history;
pub(crate) mod hyperparameters;
pub(crate) mod joint;
pub(crate) mod layouts;
pub(crate) mod licences;
pub(crate) mod matching;
pub(crate) mod metrics;
pub(crate) mod monitoring;
pub(crate) mod past;
pub(crate) mod pinned;
pub(crate) mod rego;
pub(crate) mod required;
pub(crate) mod revoked;
pub(crate) mod rule;
pub(crate) mod soak;
pub(crate) mod source_level;
pub(crate) mod stages;
pub(crate) mod steps;
pub(crate) mod together;
pub(crate) mod trust;
pub(crate) mod two_persons;
pub(crate) mod unseen;
pub(crate) mod validity;
pub(crate) mod vulnerabilities;
pub(crate) mod waivers;
pub(crate) mod weights;

pub(crate) use approval::Approvals;
pub(crate) use base_models::BaseModels;
pub(crate) use build_level::BuildLevel;
pub(crate) use corroboration::Corroboration;
pub(crate) use criteria::Criteria;
pub(crate) use datasets::{DataApproval, DataLicences, DataOf};
pub(crate) use flow::Flow;
pub(crate) use forbidden::{Forbidden, Holdout};
pub(crate) use fresh::Fresh;
pub(crate) use hyperparameters::Hyperparameter;
pub(crate) use layouts::LayoutMet;
pub(crate) use licences::ComponentLicences;
pub(crate) use matching::Match;
pub(crate) use metrics::{Metric, Slices};
pub(crate) use monitoring::{Drift, Monitoring};
pub(crate) use pinned::Pinned;
pub(crate) use rule::Rule;
pub(crate) use soak::Soak;
pub(crate) use source_level::SourceLevel;
pub(crate) use two_persons::TwoPersons;
pub(crate) use validity::Validity;
pub(crate) use vulnerabilities::Vulnerabilities;
pub(crate) use waivers::Waivers;
pub(crate) use weights::Weights;

use attest::{ArtifactId, Timestamp};
use verify::History;

use crate::model::Model;

/// What is judged, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) model: &'a Model,
    pub(crate) artifact: ArtifactId,
    pub(crate) lineage: &'a History,
    pub(crate) now: Timestamp,
}
