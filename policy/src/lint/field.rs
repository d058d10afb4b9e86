//! Changes of the fields of statements: left out, or with another value.
//!
//! Statements are changed as JSON and typed again, so that what no tool could write is not tried.
//! A number goes just across each bound that the rule states, a time to just across each limit of
//! age, a text to each word that the rule compares with; then as far as is plausible.

use attest::{Decimal, Predicate, Sha256, Statement, Timestamp};
use serde_json::{Value, json};
use verify::{Attestation, Change};

use super::WhyUntried;
use super::change::name;
use super::number::{FACTOR, Written, is_plausible, is_share_name};
use super::trial::{Part, Reach, Trial, Trials};
use crate::age::MaxAge;
use crate::rules::bound::{Bound, Side};
use crate::rules::rule::Reads;

/// The most leaves of one field that are changed.
pub(super) const MAX_LEAVES: usize = 256;
/// How deep a field may go on below what a rule names.
const MAX_DEPTH: usize = 12;
/// What a text is changed into: something that nobody would write, and words by which tools say no.
const WORDS: [&str; 9] = [
    "lint:other",
    "FAILED",
    "reject",
    "rejected",
    "fail",
    "pickle",
    "critical",
    "GPL-3.0-only",
    "*",
];

/// What the fields of statements are held against.
#[derive(Debug)]
pub(super) struct Against<'r> {
    /// Each with its place among what the rule reads.
    bounds: Vec<(usize, &'r Bound)>,
    words: Vec<&'r str>,
    /// The first moment that is too old, by each limit of age, and the last that is not.
    ends: Vec<(Timestamp, Timestamp)>,
}

/// Another value of a field.
struct Other {
    part: Part,
    reach: Reach,
    across: Option<usize>,
    value: Value,
}

impl<'r> Against<'r> {
    pub(super) fn of(reads: &'r [Reads], now: Timestamp) -> Self {
        let mut against = Self { bounds: Vec::new(), words: Vec::new(), ends: Vec::new() };
        for (place, reads) in reads.iter().enumerate() {
            match reads {
                Reads::Bound(bound) => against.bounds.push((place, bound)),
                Reads::Word(word) => against.words.push(word),
                Reads::Age(limit) => against.ends.extend(ends(limit, now)),
                _ => {}
            }
        }
        against
    }
}

/// The last moment that is as old at `now` as `limit` is long, and the second after it.
fn ends(limit: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let limit: MaxAge = limit.parse().ok()?;
    let length = limit.end(now).as_second().checked_sub(now.as_second())?;
    let old = now.as_second().checked_sub(length)?;
    let moment = |second| Timestamp::from_second(second).ok();
    Some((moment(old)?, moment(old.checked_add(1)?)?))
}

/// With a field left out, or with another value in it.
pub(super) fn fields<'t>(
    read: &[&'t Attestation],
    pointer: &str,
    against: &Against<'_>,
    trials: &mut Trials<'t>,
) {
    for attestation in read {
        let Some(document) = document(attestation.statement()) else { continue };
        let (places, left) = places(&document, pointer);
        trials.leave(WhyUntried::TooManyFields, left);
        for place in places {
            let Some(value) = document.pointer(&place) else {
                // What is not there could be.
                for other in added(against, trials) {
                    let words = format!("with {} as {place}", other.value);
                    trials.offer(put(attestation, &place, Some(other), words));
                }
                continue;
            };
            trials.offer(put(attestation, &place, None, format!("without {place}")));
            for other in others(&document, &place, value, against, trials) {
                let words = format!("with {} instead of {value} as {place}", other.value);
                trials.offer(put(attestation, &place, Some(other), words));
            }
        }
    }
}

/// Puts a value, or leaves the field out.
fn put<'t>(
    attestation: &'t Attestation,
    place: &str,
    other: Option<Other>,
    words: String,
) -> Trial<'t> {
    let place = place.to_owned();
    let (part, reach, across, to) = match other {
        Some(other) => (other.part, other.reach, other.across, Some(other.value)),
        None => (Part::Rest, Reach::Least, None, None),
    };
    let words = format!("{} {words}", name(attestation));
    let make = move || {
        let mut document = document(attestation.statement())?;
        set(&mut document, &place, to.clone())?;
        let statement = Box::new(typed(&attestation.predicate_type, document)?);
        Some(vec![Change::Say { body: attestation.body(), statement }])
    };
    Trial::new(part, words, make).reaching(reach, across)
}

/// A statement as the pointers of rules see it.
pub(super) fn document(statement: &Statement) -> Option<Value> {
    let subject = serde_json::to_value(&statement.subject).ok()?;
    let predicate = statement.predicate.to_value().ok()?;
    Some(json!({ "subject": subject, "predicate": predicate }))
}

/// The statement that such a document is.
pub(super) fn typed(predicate_type: &str, mut document: Value) -> Option<Statement> {
    let subject = serde_json::from_value(document.get_mut("subject")?.take()).ok()?;
    let predicate = document.get_mut("predicate")?.take();
    let predicate = Predicate::from_value(predicate_type, predicate).ok()?;
    Some(Statement { subject, predicate })
}

/// Puts a value, where there is a place for it, or leaves the field out.
pub(super) fn set(document: &mut Value, place: &str, to: Option<Value>) -> Option<()> {
    let (whole, key) = place.rsplit_once('/')?;
    let plain = key.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(whole)?, to) {
        (Value::Object(fields), Some(to)) => {
            fields.insert(plain, to);
            Some(())
        }
        (Value::Object(fields), None) => fields.remove(&plain).map(drop),
        (Value::Array(items), to) => {
            let at = key.parse::<usize>().ok().filter(|at| *at < items.len())?;
            match to {
                Some(to) => *items.get_mut(at)? = to,
                None => drop(items.remove(at)),
            }
            Some(())
        }
        _ => None,
    }
}

/// The places that a pointer with `*` stands for, and every place below them; and how many more
/// there are than are looked at.
fn places(document: &Value, pointer: &str) -> (Vec<String>, usize) {
    let (mut found, mut left) = (vec![String::new()], 0);
    for token in pointer.split('/').skip(1) {
        let mut next = Vec::new();
        for place in &found {
            let Some(value) = document.pointer(place) else { continue };
            match token {
                "*" => next.extend(below(value).into_iter().map(|key| format!("{place}/{key}"))),
                _ => next.push(format!("{place}/{token}")),
            }
        }
        left += next.len().saturating_sub(MAX_LEAVES);
        next.truncate(MAX_LEAVES);
        found = next;
    }
    let parent =
        |place: &str| place.rsplit_once('/').and_then(|(whole, _)| document.pointer(whole));
    found.retain(|place| parent(place).is_some());
    let mut at = 0;
    while let Some(place) = found.get(at).cloned().filter(|_| found.len() < MAX_LEAVES) {
        at += 1;
        let inside = document.pointer(&place).map(below).unwrap_or_default();
        if place.split('/').count() > MAX_DEPTH {
            left += inside.len();
            continue;
        }
        found.extend(inside.into_iter().map(|key| format!("{place}/{key}")));
    }
    // What was not gone into has something inside as well.
    let whole = found.get(at..).unwrap_or_default().iter();
    left += whole
        .filter_map(|place| document.pointer(place))
        .map(|one| below(one).len())
        .sum::<usize>();
    left += found.len().saturating_sub(MAX_LEAVES);
    found.truncate(MAX_LEAVES);
    (found, left)
}

fn below(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => (0..items.len()).map(|at| at.to_string()).collect(),
        Value::Object(fields) => {
            fields.keys().map(|key| key.replace('~', "~0").replace('/', "~1")).collect()
        }
        _ => Vec::new(),
    }
}

/// What a field that is not there could hold.
fn added(against: &Against<'_>, trials: &mut Trials<'_>) -> Vec<Other> {
    let text = Written::Text(0.0);
    let mut values: Vec<Other> = Vec::new();
    for (place, bound) in &against.bounds {
        let found = across(text, *place, bound, &[], false);
        trials.meets(*place, !found.is_empty());
        values.extend(found);
    }
    let numbers = [FACTOR, -FACTOR].into_iter().filter_map(|value| text.like(value));
    values.extend(numbers.map(|value| Other::new(Part::Number, Reach::Far, value)));
    let words = against.words.iter().map(|word| Value::from(*word));
    let words = words.chain([Value::String(WORDS.concat())]);
    values.extend(words.map(|value| Other::new(Part::Rest, Reach::Least, value)));
    values
}

/// Other values of the same type.
fn others(
    document: &Value,
    place: &str,
    value: &Value,
    against: &Against<'_>,
    trials: &mut Trials<'_>,
) -> Vec<Other> {
    let mut others = Vec::new();
    if let Some(written) = Written::of(value) {
        others.extend(numbers(document, place, written, against, trials));
    }
    match value {
        Value::Bool(value) => {
            others.push(Other::new(Part::Rest, Reach::Least, Value::Bool(!value)));
        }
        Value::String(text) => {
            let words = against.words.iter().filter(|word| **word != text);
            let words = words.map(|word| Other::new(Part::Rest, Reach::Least, (*word).into()));
            others.extend(words);
            others.extend(texts(text, against));
        }
        Value::Array(items) if !items.is_empty() => {
            others.push(Other::new(Part::Rest, Reach::Least, Value::Array(Vec::new())));
        }
        _ => {}
    }
    others
}

fn numbers(
    document: &Value,
    place: &str,
    written: Written,
    against: &Against<'_>,
    trials: &mut Trials<'_>,
) -> Vec<Other> {
    let before = written.value();
    let share = is_share(document, place);
    let mut others = Vec::new();
    for (at, bound) in against.bounds.iter().filter(|(_, bound)| is_of(document, place, bound)) {
        let beside = beside(document, place, bound);
        let found = across(written, *at, bound, &beside, share);
        // Nothing is apart from itself.
        if bound.side != Side::Apart || !beside.is_empty() {
            trials.meets(*at, !found.is_empty());
        }
        others.extend(found);
    }
    let far = match share {
        true => vec![0.0, 1.0],
        false => vec![0.0, before * FACTOR, -before.abs() * FACTOR, FACTOR, -FACTOR],
    };
    let far = far.into_iter().filter(|other| *other != before);
    let far = far.filter_map(|other| written.like(other));
    others.extend(far.map(|value| Other::new(Part::Number, Reach::Far, value)));
    others
}

/// Just across a bound, where somebody could have come to that.
fn across(
    written: Written,
    place: usize,
    bound: &Bound,
    beside: &[Decimal],
    share: bool,
) -> Vec<Other> {
    let found = written.across(bound, beside).into_iter();
    let plausible = |value: &Value| {
        let value = Written::of(value).map(Written::value);
        value.is_some_and(|value| is_plausible(value, written.value(), share))
    };
    let other =
        |value| Other { across: Some(place), ..Other::new(Part::Number, Reach::Least, value) };
    found.filter(plausible).map(other).collect()
}

/// Whether the bound is about the number at `place`.
fn is_of(document: &Value, place: &str, bound: &Bound) -> bool {
    let Some((whole, key)) = place.rsplit_once('/') else { return false };
    let beside = document.pointer(whole);
    let metric = || beside.and_then(|beside| beside.get("metric")).and_then(Value::as_str);
    let sliced = || beside.is_some_and(|beside| beside.get("slice").is_some());
    bound.field.as_ref().is_none_or(|field| field == key)
        && bound.metric.as_ref().is_none_or(|wanted| metric() == Some(wanted))
        && bound.sliced.is_none_or(|wanted| sliced() == wanted)
}

/// The other numbers of the same list that the bound is about.
fn beside(document: &Value, place: &str, bound: &Bound) -> Vec<Decimal> {
    let Some((item, key)) = place.rsplit_once('/') else { return Vec::new() };
    let Some((list, own)) = item.rsplit_once('/') else { return Vec::new() };
    let Some(Value::Array(items)) = document.pointer(list) else { return Vec::new() };
    let others = (0..items.len()).filter(|at| at.to_string() != own);
    let others = others.map(|at| format!("{list}/{at}/{key}"));
    let others = others.filter(|place| is_of(document, place, bound));
    let number = |place: String| document.pointer(&place)?.as_str()?.parse().ok();
    others.filter_map(number).take(MAX_LEAVES).collect()
}

fn texts(text: &str, against: &Against<'_>) -> Vec<Other> {
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Vec::new();
    }
    let rest = |value: String| Other::new(Part::Rest, Reach::Least, Value::String(value));
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return vec![rest(Sha256::of(text.as_bytes()).hex())];
    }
    let mut others = Vec::new();
    if let Ok(time) = text.parse::<Timestamp>() {
        let second = std::time::Duration::from_secs(1);
        let moved = [time.checked_sub(second), time.checked_add(second)];
        let ends = against.ends.iter().flat_map(|(old, young)| [*old, *young]);
        let moments = ends.chain(moved.into_iter().flatten()).filter(|moment| *moment != time);
        let moments = moments.map(|moment| Value::String(moment.to_string()));
        others.extend(moments.map(|value| Other::new(Part::Time, Reach::Least, value)));
    }
    others.extend(WORDS.iter().filter(|word| **word != text).map(|word| rest((*word).into())));
    others
}

impl Other {
    const fn new(part: Part, reach: Reach, value: Value) -> Self {
        Self { part, reach, across: None, value }
    }
}

/// Whether the number at `place` is one that is never outside of 0 to 1, by the name beside it.
fn is_share(document: &Value, place: &str) -> bool {
    let beside = place.rsplit_once('/').and_then(|(whole, _)| document.pointer(whole));
    let name = beside.and_then(|beside| beside.get("metric")).and_then(Value::as_str);
    place.ends_with("/value") && name.is_some_and(is_share_name)
}
