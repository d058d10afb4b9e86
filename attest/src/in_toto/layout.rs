//! Layouts: the steps of a supply chain, who may do each, and what must hold of its artifacts.
//!
//! Source: in-toto specification v1.0, section 4.3. Fields that nobody knows are kept under the
//! signature and say nothing. Stricter than the Python implementation where that fills in what is
//! missing: a layout has to say when it expires, and a threshold is at least one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::key::{KeyLabel, LabelError, LayoutKey, LayoutKeyError};
use super::rule::{Rule, RuleError};

/// How many steps, and how many inspections, a layout may have.
pub const MAX_STEPS: usize = 1_000;
/// How many keys a layout may have, and how many key ids a step.
pub const MAX_KEYS: usize = 1_000;
/// How many rules there may be for the materials or products of one step.
pub const MAX_RULES: usize = 1_000;
/// The longest name of a step, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// What must hold of a supply chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// From when on it says nothing any more.
    pub expires: Timestamp,
    /// A description for people.
    pub readme: String,
    /// The keys that steps speak of, each under its label.
    pub keys: BTreeMap<KeyLabel, LayoutKey>,
    /// The steps, in the order in which they are done.
    pub steps: Vec<Step>,
    /// What whoever checks is to run.
    pub inspections: Vec<Inspection>,
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its name, unique in the layout.
    pub name: String,
    /// Who may do it.
    pub pubkeys: Vec<KeyLabel>,
    /// How many of them must have done it, at least one.
    pub threshold: u32,
    /// The command that is expected; another one is worth a note and no more.
    pub expected_command: Vec<String>,
    /// What must hold of what goes in.
    pub expected_materials: Vec<Rule>,
    /// What must hold of what comes out.
    pub expected_products: Vec<Rule>,
}

/// A command for whoever checks, with rules for what it finds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inspection {
    /// Its name, unique in the layout.
    pub name: String,
    /// The command.
    pub run: Vec<String>,
    /// What must hold of what is there before.
    pub expected_materials: Vec<Rule>,
    /// What must hold of what is there after.
    pub expected_products: Vec<Rule>,
}

/// Why a document is not a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Not of this shape.
    #[error("not a layout: {0}")]
    Shape(#[from] serde_json::Error),
    /// Not a time as layouts write it.
    #[error("`expires` is `{0}`; write it as `2027-01-31T12:00:00Z`")]
    Expires(String),
    /// More of something than is read.
    #[error("{found} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A step or inspection without a name that files can have.
    #[error(
        "`{0}` is not the name of a step: one to {MAX_NAME_BYTES} bytes, no `/`, no control characters"
    )]
    Name(String),
    /// Two steps or inspections have one name.
    #[error("two steps or inspections are called `{0}`")]
    NameTwice(String),
    /// A step that nobody has to have done.
    #[error(
        "step `{step}` has the threshold {threshold}; at least one functionary must have done it"
    )]
    Threshold {
        /// The step.
        step: String,
        /// Its threshold.
        threshold: i64,
    },
    /// A key of the layout.
    #[error("key `{label}` of the layout: {source}")]
    Key {
        /// What the layout calls it.
        label: String,
        /// What is wrong with it.
        source: LayoutKeyError,
    },
    /// A key id of a step.
    #[error("step `{step}`: {source}")]
    Label {
        /// The step.
        step: String,
        /// What is wrong with it.
        source: LabelError,
    },
    /// A rule of a step or inspection.
    #[error("rule {place} for the {side} of `{item}`: {source}")]
    Rule {
        /// The step or inspection.
        item: String,
        /// `materials` or `products`.
        side: &'static str,
        /// Which rule, counted from 1.
        place: usize,
        /// What is wrong with it.
        source: RuleError,
    },
}

#[derive(Deserialize)]
struct LayoutJson {
    expires: String,
    #[serde(default)]
    readme: String,
    #[serde(default)]
    keys: BTreeMap<String, Value>,
    steps: Vec<StepJson>,
    inspect: Vec<InspectionJson>,
}

#[derive(Deserialize)]
struct StepJson {
    name: String,
    #[serde(default)]
    pubkeys: Vec<String>,
    #[serde(default = "one")]
    threshold: i64,
    #[serde(default)]
    expected_command: Vec<String>,
    #[serde(default)]
    expected_materials: Vec<Vec<String>>,
    #[serde(default)]
    expected_products: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct InspectionJson {
    name: String,
    #[serde(default)]
    run: Vec<String>,
    #[serde(default)]
    expected_materials: Vec<Vec<String>>,
    #[serde(default)]
    expected_products: Vec<Vec<String>>,
}

const fn one() -> i64 {
    1
}

impl Layout {
    pub(super) fn from_value(value: Value) -> Result<Self, LayoutError> {
        let found = LayoutJson::deserialize(value)?;
        within("keys", found.keys.len(), MAX_KEYS)?;
        within("steps", found.steps.len(), MAX_STEPS)?;
        within("inspections", found.inspect.len(), MAX_STEPS)?;
        let keys = found
            .keys
            .into_iter()
            .map(|(label, key)| {
                let key = LayoutKey::from_entry(&label, &key)
                    .map_err(|source| LayoutError::Key { label, source })?;
                Ok((key.label().clone(), key))
            })
            .collect::<Result<_, LayoutError>>()?;
        let steps = found.steps.into_iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let inspections: Vec<_> =
            found.inspect.into_iter().map(inspection).collect::<Result<_, _>>()?;
        let mut names = BTreeSet::new();
        let step_names = steps.iter().map(|step| &step.name);
        for name in step_names.chain(inspections.iter().map(|inspection| &inspection.name)) {
            if !names.insert(name) {
                return Err(LayoutError::NameTwice(name.clone()));
            }
        }
        Ok(Self { expires: time(&found.expires)?, readme: found.readme, keys, steps, inspections })
    }
}

fn step(found: StepJson) -> Result<Step, LayoutError> {
    check_name(&found.name)?;
    within("key ids of a step", found.pubkeys.len(), MAX_KEYS)?;
    let name = found.name;
    let threshold = match u32::try_from(found.threshold) {
        Ok(threshold) if threshold > 0 => threshold,
        _ => return Err(LayoutError::Threshold { step: name, threshold: found.threshold }),
    };
    let pubkeys = found
        .pubkeys
        .iter()
        .map(|label| {
            label.parse().map_err(|source| LayoutError::Label { step: name.clone(), source })
        })
        .collect::<Result<_, _>>()?;
    Ok(Step {
        pubkeys,
        threshold,
        expected_command: found.expected_command,
        expected_materials: rules(&name, "materials", &found.expected_materials)?,
        expected_products: rules(&name, "products", &found.expected_products)?,
        name,
    })
}

fn inspection(found: InspectionJson) -> Result<Inspection, LayoutError> {
    check_name(&found.name)?;
    Ok(Inspection {
        run: found.run,
        expected_materials: rules(&found.name, "materials", &found.expected_materials)?,
        expected_products: rules(&found.name, "products", &found.expected_products)?,
        name: found.name,
    })
}

fn rules(item: &str, side: &'static str, rules: &[Vec<String>]) -> Result<Vec<Rule>, LayoutError> {
    within("rules", rules.len(), MAX_RULES)?;
    rules
        .iter()
        .zip(1..)
        .map(|(words, place)| {
            Rule::parse(words).map_err(|source| LayoutError::Rule {
                item: item.into(),
                side,
                place,
                source,
            })
        })
        .collect()
}

/// Names stand in file names.
pub(super) fn check_name(name: &str) -> Result<(), LayoutError> {
    let good = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.chars().any(|letter| letter == '/' || letter.is_control());
    if good { Ok(()) } else { Err(LayoutError::Name(name.chars().take(MAX_NAME_BYTES).collect())) }
}

const fn within(what: &'static str, found: usize, limit: usize) -> Result<(), LayoutError> {
    if found > limit { Err(LayoutError::TooMany { what, found, limit }) } else { Ok(()) }
}

/// One spelling of a time, as the specification has it; a second 60 is none.
fn time(text: &str) -> Result<Timestamp, LayoutError> {
    text.parse::<Timestamp>()
        .ok()
        .filter(|time| time.to_string() == text)
        .ok_or_else(|| LayoutError::Expires(text.chars().take(40).collect()))
}
