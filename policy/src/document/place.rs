//! A place in the text of a document.

use std::fmt;

use serde_saphyr::Location;

/// A line and a column, both counted from one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl Place {
    /// The place that the parser names; `None` where it knows none.
    pub(crate) fn of(location: Location) -> Option<Self> {
        let place = Self { line: location.line(), column: location.column() };
        (place.line > 0).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}
