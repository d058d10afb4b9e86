//! Numbers just across a bound: the nearest that can be written as the number at hand is.

use attest::Decimal;
use serde_json::{Number, Value};

use crate::rules::bound::{Bound, Side};

/// By how much a number is made greater and smaller at most: what holds beyond holds always.
pub(super) const FACTOR: f64 = 1e6;
/// The most digits after the point that a decimal has.
const MAX_SCALE: usize = 28;
/// How many doubles are looked at for the first one across: one that is nearest to a decimal is
/// at most one step on its wrong side.
const MAX_STEPS: usize = 4;
/// Numbers that are parts of one: nothing outside of that is plausible.
const SHARES: [&str; 10] =
    ["accuracy", "precision", "recall", "f1", "auc", "auroc", "specificity", "top1", "top5", "iou"];

/// Whether a metric of this name is a part of one.
pub(super) fn is_share_name(name: &str) -> bool {
    SHARES.iter().any(|share| name.eq_ignore_ascii_case(share))
}

/// A number in a statement, as it is written there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    /// A JSON number without a point.
    Whole(f64),
    /// Any other JSON number: a double.
    Double(f64),
    /// A text with a decimal in it.
    Text(f64),
}

impl Written {
    /// What is written in `value`, if it is a number.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                number.as_f64().map(Self::Whole)
            }
            Value::Number(number) => number.as_f64().map(Self::Double),
            Value::String(text) => {
                text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Self::Text)
            }
            _ => None,
        }
    }

    pub(super) const fn value(self) -> f64 {
        match self {
            Self::Whole(value) | Self::Double(value) | Self::Text(value) => value,
        }
    }

    /// The number in the same way of writing, if it has one.
    pub(super) fn like(self, value: f64) -> Option<Value> {
        match self {
            Self::Whole(_) => whole(value),
            Self::Double(_) => Number::from_f64(value).map(Value::Number),
            Self::Text(_) => Some(Value::String(decimal(value))),
        }
    }

    /// The numbers across `bound` that are nearest to it, where `others` are the numbers beside
    /// this one that the bound is about as well.
    pub(super) fn across(self, bound: &Bound, others: &[Decimal]) -> Vec<Value> {
        let limit = bound.limit;
        let both = |limit| [self.next(limit, false), self.next(limit, true)];
        match bound.side {
            Side::AtLeast => self.next(limit, false).into_iter().collect(),
            Side::AtMost => self.next(limit, true).into_iter().collect(),
            Side::About => {
                let [below, above] = both(limit);
                let equal = self.like(double(limit));
                [below, equal, above].into_iter().flatten().collect()
            }
            Side::Apart => {
                let least = others.iter().min().and_then(|one| add(*one, limit));
                let most = others.iter().max().and_then(|one| one.checked_sub(limit));
                let above = least.and_then(|end| self.next(end, true));
                let below = most.and_then(|end| self.next(end, false));
                above.into_iter().chain(below).collect()
            }
        }
    }

    /// The number next to `limit` that is greater, or smaller.
    fn next(self, limit: Decimal, greater: bool) -> Option<Value> {
        let is_across = |one: Decimal| if greater { one > limit } else { one < limit };
        match self {
            Self::Text(_) => step(limit, greater).map(|one| Value::String(one.to_string())),
            Self::Whole(_) => {
                let near = double(limit);
                whole(if greater { near.floor() + 1.0 } else { near.ceil() - 1.0 })
            }
            Self::Double(_) => {
                let mut near = double(limit);
                for _ in 0..MAX_STEPS {
                    if Decimal::from_f64(near).is_some_and(is_across) {
                        return Number::from_f64(near).map(Value::Number);
                    }
                    near = if greater { near.next_up() } else { near.next_down() };
                }
                None
            }
        }
    }
}

/// Whether somebody could have measured or chosen `value` where another found `before`.
pub(super) fn is_plausible(value: f64, before: f64, share: bool) -> bool {
    match share {
        true => (0.0..=1.0).contains(&value),
        false => value.abs() <= FACTOR * before.abs().max(1.0),
    }
}

/// Without exponent, which the numbers of evaluations do not have.
pub(super) fn decimal(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn whole(value: f64) -> Option<Value> {
    format!("{value:.0}").parse::<i64>().ok().map(Value::from)
}

/// The nearest double.
fn double(value: Decimal) -> f64 {
    // A decimal is always a text that is a number.
    value.to_string().parse().unwrap_or(0.0)
}

fn add(one: Decimal, other: Decimal) -> Option<Decimal> {
    one.checked_sub(Decimal::ZERO.checked_sub(other)?)
}

/// The decimal next to `limit`: as many digits away as still fit beside its own.
fn step(limit: Decimal, greater: bool) -> Option<Decimal> {
    let sign = if greater { "-" } else { "" };
    let least = |scale: usize| format!("{sign}0.{:0>scale$}", 1).parse::<Decimal>().ok();
    (1..=MAX_SCALE).rev().filter_map(least).find_map(|least| {
        let next = limit.checked_sub(least)?;
        let exact = limit.checked_sub(next) == Some(least) && next.to_string().parse() == Ok(next);
        exact.then_some(next)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bound(side: Side, limit: &str) -> Bound {
        Bound::new(side, limit.parse().unwrap())
    }

    #[test]
    fn the_nearest_number_across_a_bound_is_written_as_the_number_at_hand() {
        let cases = [
            (json!("0.97"), Side::AtLeast, "0.95", vec![json!("0.9499999999999999999999999999")]),
            (json!("0.97"), Side::AtMost, "0.95", vec![json!("0.9500000000000000000000000001")]),
            (json!("3"), Side::AtLeast, "0", vec![json!("-0.0000000000000000000000000001")]),
            (json!(12), Side::AtMost, "50", vec![json!(51)]),
            (json!(12), Side::AtLeast, "10", vec![json!(9)]),
            (json!(0), Side::AtMost, "0.001", vec![json!(1)]),
            (json!(0.5), Side::AtMost, "1", vec![json!(1.0_f64.next_up())]),
            (json!(0.5), Side::AtLeast, "0.1", vec![json!(0.1_f64.next_down())]),
            (json!(7), Side::About, "3", vec![json!(2), json!(3), json!(4)]),
            (json!("word"), Side::AtMost, "1", vec![]),
            (json!(true), Side::AtMost, "1", vec![]),
        ];
        for (like, side, limit, want) in cases {
            let written = Written::of(&like);
            let found = written.map(|one| one.across(&bound(side, limit), &[]));
            assert_eq!(found.unwrap_or_default(), want, "{like} {side:?} {limit}");
        }
    }

    #[test]
    fn numbers_that_may_not_be_far_apart_are_moved_just_too_far_from_the_others() {
        let others = ["0.9", "0.93"].map(|one| one.parse().unwrap());
        let found = Written::Text(0.92).across(&bound(Side::Apart, "0.05"), &others);
        let want = ["0.9500000000000000000000000001", "0.8799999999999999999999999999"];
        assert_eq!(found, want.map(|one| json!(one)));
        assert!(Written::Text(0.92).across(&bound(Side::Apart, "0.05"), &[]).is_empty());
    }

    #[test]
    fn a_share_is_between_nothing_and_all_and_any_other_number_not_a_million_times_as_large() {
        let cases = [
            (1.0, 0.9, true, true),
            (1.0_f64.next_up(), 0.9, true, false),
            (-0.1, 0.9, true, false),
            (-0.1, 0.9, false, true),
            (5e7, 50.0, false, true),
            (6e7, 50.0, false, false),
        ];
        for (value, before, share, want) in cases {
            assert_eq!(is_plausible(value, before, share), want, "{value} {before} {share}");
        }
        assert_eq!(
            ["0.0", "1000000.0", "-0.5"].map(|one| decimal(one.parse().unwrap())),
            ["0", "1000000", "-0.5"]
        );
    }
}
