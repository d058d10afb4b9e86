//! A bound that a rule holds numbers against, in a form in which a tool can step across it.

use attest::Decimal;
use serde::Serialize;

/// A bound, and which numbers of the fields that the rule reads are held against it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Bound {
    /// On which side of the limit a number has to be.
    pub side: Side,
    /// The limit, which a number may just reach.
    pub limit: Decimal,
    /// The last part of the pointer to the number; absent for every number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What stands as `metric` beside the number; absent for whatever does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Whether a `slice` stands beside the number; absent for either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliced: Option<bool>,
}

/// On which side of a limit a number has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Side {
    /// On it, or above.
    AtLeast,
    /// On it, or below.
    AtMost,
    /// No farther than it from any other of the numbers.
    Apart,
    /// The rule compares something with it, and does not say what.
    About,
}

impl Bound {
    pub(crate) const fn new(side: Side, limit: Decimal) -> Self {
        Self { side, limit, field: None, metric: None, sliced: None }
    }

    /// Both ends, as far as there are any.
    pub(crate) fn within(at_least: Option<Decimal>, at_most: Option<Decimal>) -> Vec<Self> {
        let least = at_least.map(|limit| Self::new(Side::AtLeast, limit));
        let most = at_most.map(|limit| Self::new(Side::AtMost, limit));
        least.into_iter().chain(most).collect()
    }

    pub(crate) fn in_field(self, field: &str) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub(crate) fn of_metric(self, metric: &str) -> Self {
        Self { metric: Some(metric.into()), ..self }
    }

    pub(crate) fn on_parts(self, sliced: bool) -> Self {
        Self { sliced: Some(sliced), ..self }
    }
}
