//! What an evaluation is to have measured: a metric, of all the data or of a slice, and how its
//! number compares.
//!
//! The index knows which entries measured a metric. Numbers are not in it: they are compared,
//! exactly, in the statements that it finds. As everywhere here, a number is what the statement
//! says.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use attest::predicate::{Measurement, Slice};
use attest::{Decimal, Predicate, Statement};

use super::facts::Term;

/// A metric that is searched for.
///
/// Text form is `METRIC`, or `METRIC[FEATURE=VALUE]` for a slice, and then, if numbers are to be
/// compared, one of `>=`, `<=`, `>`, `<`, `=` and a decimal: `accuracy>=0.95`. A metric whose name
/// has one of these signs, or a bracket, cannot be searched for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Measured {
    /// The metric.
    pub metric: String,
    /// The slice. Without one, the metric alone finds whatever measured it, and a comparison is
    /// with the number of all the data.
    pub slice: Option<Slice>,
    /// How the number is to compare.
    pub compared: Option<(Comparator, Decimal)>,
}

/// How a number compares with another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparator {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
    /// `=`
    Equal,
}

impl Comparator {
    /// Those of two characters first: `>` is how `>=` begins.
    const ALL: [Self; 5] = [Self::AtLeast, Self::AtMost, Self::Above, Self::Below, Self::Equal];

    const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::Below => "<",
            Self::Equal => "=",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order.is_ge(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::Below => order.is_lt(),
            Self::Equal => order.is_eq(),
        }
    }
}

/// The text says no metric.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not how a metric is written: `accuracy`, `accuracy>=0.95` (or <=, >, <, =) or `accuracy[age=young]>=0.95`"
)]
pub struct MeasuredError(String);

impl FromStr for Measured {
    type Err = MeasuredError;

    fn from_str(text: &str) -> Result<Self, MeasuredError> {
        let wrong = || MeasuredError(text.chars().take(64).collect());
        let is_number = |character: char| matches!(character, '0'..='9' | '.' | '-');
        let head = text.trim_end_matches(is_number);
        let comparator =
            Comparator::ALL.into_iter().find(|comparator| head.ends_with(comparator.as_str()));
        let (name, compared) = match comparator {
            None => (text, None),
            Some(comparator) => {
                let value = text.strip_prefix(head).unwrap_or_default();
                let value = value.parse::<Decimal>().map_err(|_| wrong())?;
                let name = head.strip_suffix(comparator.as_str()).unwrap_or_default();
                (name, Some((comparator, value)))
            }
        };
        let (metric, slice) = match name.strip_suffix(']') {
            None => (name, None),
            Some(rest) => {
                let (metric, slice) = rest.split_once('[').ok_or_else(wrong)?;
                let (feature, value) = slice.split_once('=').ok_or_else(wrong)?;
                (metric, Some(Slice { feature: feature.into(), value: value.into() }))
            }
        };
        // A comparison that was mistyped must not become a name that nothing has.
        if metric.is_empty() || metric.contains(['<', '>', '=', '[', ']']) {
            return Err(wrong());
        }
        Ok(Self { metric: metric.into(), slice, compared })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.metric)?;
        if let Some(Slice { feature, value }) = &self.slice {
            write!(formatter, "[{feature}={value}]")?;
        }
        match &self.compared {
            Some((comparator, value)) => write!(formatter, "{}{value}", comparator.as_str()),
            None => Ok(()),
        }
    }
}

impl Measured {
    /// What the index finds; every statement that [`Self::holds`] of has this term.
    pub fn term(&self) -> Term {
        Term::Metric { name: self.metric.clone(), slice: self.slice.clone() }
    }

    /// Whether the statement is an evaluation that measured this, and its number compares so. Of
    /// several numbers one is enough: a search shows what there is.
    pub fn holds(&self, statement: &Statement) -> bool {
        let Predicate::Evaluation(evaluation) = &statement.predicate else { return false };
        evaluation.measurements.iter().any(|one| self.holds_of(one))
    }

    fn holds_of(&self, one: &Measurement) -> bool {
        if one.metric != self.metric {
            return false;
        }
        match self.compared {
            None => self.slice.is_none() || one.slice == self.slice,
            Some((comparator, value)) => {
                one.slice == self.slice && comparator.holds(one.value.cmp(&value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_so_that_it_is_read_the_same(
            text in "[a-z<>=.0-9\\[\\] -]{0,12}|[a-z]{1,4}(\\[[a-z<]{0,3}=[a-z0-9<>=]{0,3}\\])?(>=|<=|<|>|=)-?[0-9]{1,4}(\\.[0-9]{1,4})?",
        ) {
            if let Ok(read) = text.parse::<Measured>() {
                prop_assert_eq!(read.to_string().parse::<Measured>(), Ok(read));
            }
        }
    }

    #[test]
    fn texts() {
        let good = [
            "accuracy",
            "f1",
            "top-5 accuracy",
            "accuracy>=0.95",
            "accuracy<=0.95",
            "loss<-1.5",
            "loss>2",
            "f1=0",
            "accuracy[age=young]",
            "accuracy[age=<30]>=0.9",
            "accuracy[a=b=c]",
        ];
        for text in good {
            assert_eq!(text.parse::<Measured>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            ">=0.95",
            "accuracy>=",
            "accuracy>=x",
            "accuracy>=1.2.3",
            "accuracy=>1",
            "accuracy[age]>=1",
            "accuracy]",
            "[age=young]",
            "accuracy==1",
            "accuracy[age=30",
        ];
        for text in bad {
            assert!(text.parse::<Measured>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"m","digest":{{"sha256":"{0}"}}}}],"predicateType":"{1}","predicate":{{"evaluator":{{"id":"x"}},"dataset":{{"digest":{{"sha256":"{0}"}}}},"measurements":[{{"metric":"accuracy","value":"0.9500"}},{{"metric":"accuracy","slice":{{"feature":"age","value":"young"}},"value":"0.99"}},{{"metric":"recall","slice":{{"feature":"age","value":"old"}},"value":"1"}}]}}}}"#,
            "a".repeat(64),
            attest::predicate::EVALUATION,
        );
        let statement = Statement::parse(payload.as_bytes()).unwrap();
        let cases = [
            ("accuracy", true),
            ("accurac", false),
            ("accuracy>=0.95", true),
            ("accuracy>=0.9500000000000000000001", false),
            ("accuracy>0.95", false),
            ("accuracy>0.9499999999999999999999", true),
            ("accuracy<=0.95", true),
            ("accuracy<0.95", false),
            ("accuracy=0.95", true),
            ("accuracy=0.9501", false),
            ("accuracy>=0.99", false),
            ("accuracy[age=young]>=0.99", true),
            ("accuracy[age=young]>0.99", false),
            ("accuracy[age=old]", false),
            ("recall", true),
            ("recall>=0", false),
            ("recall[age=old]>=1", true),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Measured>().unwrap().holds(&statement), want, "{text}");
        }
    }
}
