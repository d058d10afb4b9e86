//! in-toto layouts: whether a supply chain was carried out as its owner laid down.
//!
//! Source: in-toto specification v1.0, section 5.2; the Python implementation (3.1.0) where the
//! specification leaves something open. Stricter than it where it would let pass what nobody
//! looked at: a layout without steps, a link of another step's name, one key under two names,
//! links that contradict each other, artifacts that no good digest identifies, inspections that
//! did not run. What is judged is what `verify::layout` found authentic; nothing is read or run
//! here, and time is an argument.

mod budget;
mod decision;
mod judge;
mod parameters;
mod pattern;
mod rules;

pub use budget::MAX_WORK;
pub use decision::{
    InspectionReport, LayoutCode, LayoutDecision, LayoutFinding, LayoutVerdict, LinkReport,
    MAX_NAMED, RulePlace, Severity, StepReport,
};
pub use judge::{Inspected, InspectionRun, LayoutPath, judge};
pub use parameters::{ParameterError, Parameters};
pub use pattern::Pattern;
