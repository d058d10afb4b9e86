//! What a step is to have measured: a metric, of all the data or of a slice, and how its number
//! compares.
//!
//! An evaluation says its numbers itself; any other step carries the file that its command left,
//! as a byproduct with the role `metrics`. The index knows which entries measured a metric. Numbers
//! are not in it: they are compared, exactly, in the statements that it finds. As everywhere here,
//! a number is what the statement says.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use attest::predicate::{Measurement, Slice};
use attest::record::metrics;
use attest::{Decimal, Predicate, ResourceDescriptor, Statement};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::facts::Term;

/// The role of a byproduct that is a file of numbers.
const METRICS: &str = "metrics";
/// How many such files of one statement are looked into: a step that is recorded has one.
const MAX_FILES: usize = 2;
/// The longest that is read of one, in characters of base64: what [`metrics::MAX_BYTES`] come to.
const MAX_CONTENT: usize = metrics::MAX_BYTES.div_ceil(3) * 4;

/// What a statement says was measured: by an evaluation, or in the files of numbers that a step
/// carries. A file that is none of [`attest::record::metrics`] says nothing here.
pub(super) fn measurements(statement: &Statement) -> Cow<'_, [Measurement]> {
    match &statement.predicate {
        Predicate::Evaluation(evaluation) => Cow::Borrowed(&evaluation.measurements),
        Predicate::Provenance(provenance) => {
            let byproducts = &provenance.run_details.byproducts;
            let files = byproducts.iter().filter(|one| one.role() == Some(METRICS));
            Cow::Owned(files.take(MAX_FILES).filter_map(numbers_of).flatten().collect())
        }
        _ => Cow::Borrowed(&[]),
    }
}

fn numbers_of(file: &ResourceDescriptor) -> Option<Vec<Measurement>> {
    let content = file.content.as_ref().filter(|text| text.len() <= MAX_CONTENT)?;
    metrics::parse(&STANDARD.decode(content).ok()?).ok()
}

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

    /// Whether the statement is of a step that measured this, and its number compares so. Of several
    /// numbers one is enough: a search shows what there is.
    pub fn holds(&self, statement: &Statement) -> bool {
        measurements(statement).iter().any(|one| self.holds_of(one))
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
    use serde_json::json;

    use super::super::facts::of_statement;
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

    /// A training run with byproducts, each with its role and its bytes.
    fn training(byproducts: &[(&str, &str)]) -> Statement {
        let byproducts: Vec<_> = byproducts
            .iter()
            .map(|(role, bytes)| {
                let (content, annotations) = (STANDARD.encode(bytes), json!({"role": role}));
                json!({"name": "m.json", "content": content, "annotations": annotations})
            })
            .collect();
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "m", "digest": {"sha256": "a".repeat(64)}}],
            "predicateType": attest::predicate::PROVENANCE,
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://assay.example/steps/training/v1",
                    "externalParameters": {"step": "train"},
                    "resolvedDependencies": [],
                },
                "runDetails": {"builder": {"id": "https://b.example"}, "byproducts": byproducts},
            },
        });
        Statement::parse(statement.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_numbers_that_a_step_carries_are_found_and_compared() {
        let numbers = r#"{"metrics":{"loss":0.50},"slices":[{"feature":"age","value":"young","metrics":{"loss":"0.7"}}]}"#;
        let more = r#"{"metrics":{"recall":1}}"#;
        let most = r#"{"metrics":{"accuracy":1}}"#;
        let statement = training(&[
            ("log", r#"{"metrics":{"time":3}}"#),
            (METRICS, numbers),
            (METRICS, more),
            (METRICS, most),
        ]);
        let mut terms = Vec::new();
        of_statement(&statement, &mut |term| terms.push(term.into_owned()));
        let cases = [
            ("loss", true),
            ("loss=0.5", true),
            ("loss<0.5", false),
            ("loss[age=young]>=0.7", true),
            ("loss[age=young]>0.7", false),
            ("loss[age=old]", false),
            ("recall>=1", true),
            ("time", false),
            // Only so many files are looked into.
            ("accuracy", false),
        ];
        for (text, want) in cases {
            let measured: Measured = text.parse().unwrap();
            assert_eq!(measured.holds(&statement), want, "{text}");
            // What holds is found by its term.
            assert!(!want || terms.contains(&measured.term()), "{text}");
        }
        let holds =
            |statement: &Statement| "loss=0.5".parse::<Measured>().unwrap().holds(statement);
        assert!(holds(&training(&[(METRICS, numbers)])));
        for (name, changed) in [
            ("another role", training(&[("Metrics", numbers)])),
            ("no JSON", training(&[(METRICS, &numbers.replace("}}]}", "}}]"))])),
            ("another shape", training(&[(METRICS, &numbers.replace("metrics", "numbers"))])),
            ("not finite", training(&[(METRICS, &numbers.replace("0.50", "NaN"))])),
            ("too long", training(&[(METRICS, &format!("{numbers}{}", " ".repeat(1 << 20)))])),
        ] {
            assert!(!holds(&changed), "{name}");
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
