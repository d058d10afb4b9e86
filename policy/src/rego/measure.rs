//! How much a call can make, look through and keep at most, in bytes, by its arguments.

use regorus::Value;

use super::meter::{MAX_MADE, is_short_number};

/// What a call costs by itself.
const CALL: u64 = 64;
/// What a value costs in a collection.
const ITEM: u64 = 48;
/// What compiling a pattern costs.
const PATTERN: u64 = 8 << 10;
/// More than any budget.
const TOO_MUCH: u64 = MAX_MADE + 1;

/// A call that looks at its arguments and makes at most as much again.
pub(super) fn shallow(arguments: &[Value]) -> u64 {
    arguments.iter().map(width).fold(CALL, u64::saturating_add)
}

/// A call that looks at everything within its arguments.
pub(super) fn deep(arguments: &[Value]) -> u64 {
    let mut all = CALL;
    let mut open: Vec<&Value> = arguments.iter().collect();
    while let Some(value) = open.pop() {
        all = all.saturating_add(width(value));
        if all > MAX_MADE {
            return TOO_MUCH;
        }
        match value {
            Value::Array(items) => open.extend(items.iter()),
            Value::Set(items) => open.extend(items.iter()),
            Value::Object(entries) => {
                open.extend(entries.iter().flat_map(|(key, value)| [key, value]));
            }
            _ => {}
        }
    }
    all
}

/// A call that writes everything out, where one byte can become six.
pub(super) fn written(arguments: &[Value]) -> u64 {
    deep(arguments).saturating_mul(6)
}

/// `concat(delimiter, collection)`.
pub(super) fn concat(arguments: &[Value]) -> u64 {
    let [delimiter, collection] = arguments else { return TOO_MUCH };
    let delimiters = width(delimiter).saturating_mul(items(collection));
    deep(arguments).saturating_add(delimiters)
}

/// `replace(text, old, new)`: an empty `old` is found before every letter.
pub(super) fn replace(arguments: &[Value]) -> u64 {
    let [text, old, new] = arguments else { return TOO_MUCH };
    let found = width(text).checked_div(width(old)).unwrap_or(0).max(1);
    let found = if width(old) == 0 { width(text).saturating_add(1) } else { found };
    shallow(arguments).saturating_add(found.saturating_mul(width(new)))
}

/// `strings.replace_n(patterns, text)`: each pattern works on what the one before made.
pub(super) fn replace_n(arguments: &[Value]) -> u64 {
    let [Value::Object(patterns), text] = arguments else { return TOO_MUCH };
    let (mut length, mut all) = (width(text), CALL);
    for (old, new) in patterns.iter() {
        let found = length.checked_div(width(old)).unwrap_or_else(|| length.saturating_add(1));
        length = length.saturating_add(found.saturating_mul(width(new)));
        all = all.saturating_add(length);
        if all > MAX_MADE {
            return TOO_MUCH;
        }
    }
    all
}

/// `numbers.range(from, to)` and `numbers.range_step(from, to, step)`.
pub(super) fn range(arguments: &[Value]) -> u64 {
    let (Some(Ok(from)), Some(Ok(to))) =
        (arguments.first().map(Value::as_i64), arguments.get(1).map(Value::as_i64))
    else {
        return TOO_MUCH;
    };
    // A step of zero would never arrive.
    if let Some(step) = arguments.get(2)
        && !step.as_i64().is_ok_and(|step| step > 0)
    {
        return TOO_MUCH;
    }
    to.abs_diff(from).saturating_add(1).saturating_mul(ITEM).saturating_add(CALL)
}

/// `sprintf(format, values)`: a width of more than four digits pads endlessly.
pub(super) fn sprintf(arguments: &[Value]) -> u64 {
    let [Value::String(format), Value::Array(_)] = arguments else { return shallow(arguments) };
    let mut paddings: u64 = 0;
    for verb in format.split('%').skip(1) {
        let digits: String = verb
            .chars()
            .skip_while(|letter| *letter == '.')
            .take_while(|letter| letter.is_numeric())
            .collect();
        if !digits.is_empty() {
            match digits.parse::<u64>() {
                Ok(width) if width <= 1000 => paddings = paddings.saturating_add(width),
                _ => return TOO_MUCH,
            }
        }
    }
    written(arguments).saturating_add(paddings)
}

/// A shift to the left by as many bits.
pub(super) fn shift(arguments: &[Value]) -> u64 {
    match arguments.get(1).map(Value::as_u64) {
        Some(Ok(bits)) if bits <= 1024 => CALL,
        _ => TOO_MUCH,
    }
}

/// `product`: what it comes to is checked when it is known, and can have no more digits than all
/// its factors together.
pub(super) fn product(arguments: &[Value]) -> u64 {
    match arguments.first().map(items) {
        Some(factors) if factors <= 1000 => CALL.saturating_add(factors.saturating_mul(ITEM)),
        _ => TOO_MUCH,
    }
}

/// A text that is read as a number.
pub(super) fn number(arguments: &[Value]) -> u64 {
    match arguments.first() {
        Some(Value::String(text)) if !is_short_number(text) => TOO_MUCH,
        _ => shallow(arguments),
    }
}

/// A pattern that is compiled, and a text that is searched: the engine's patterns need time that
/// is linear in both, and no more.
pub(super) fn pattern(arguments: &[Value]) -> u64 {
    let mut lengths = arguments.iter().map(width);
    let (first, second) = (lengths.next().unwrap_or(0), lengths.next().unwrap_or(0));
    let searched = first.saturating_mul(second).checked_div(8).unwrap_or(0);
    // A replacement can stand wherever the pattern matched nothing.
    let third = lengths.next().unwrap_or(0).saturating_mul(first.max(second).saturating_add(1));
    PATTERN.saturating_add(shallow(arguments)).saturating_add(searched).saturating_add(third)
}

/// Whether a time in the machine's own zone is asked for, which is another one elsewhere.
pub(super) fn is_local(arguments: &[Value]) -> bool {
    let local = |value: &Value| matches!(value, Value::String(text) if text.as_ref() == "Local");
    arguments.iter().any(|value| match value {
        Value::Array(parts) => parts.iter().any(local),
        other => local(other),
    })
}

/// The width of one value: a text's length, a collection's number of values.
fn width(value: &Value) -> u64 {
    match value {
        Value::String(text) => length(text.len()),
        Value::Array(_) | Value::Set(_) => items(value).saturating_mul(ITEM),
        Value::Object(_) => items(value).saturating_mul(2 * ITEM),
        _ => ITEM,
    }
}

fn items(value: &Value) -> u64 {
    match value {
        Value::Array(items) => length(items.len()),
        Value::Set(items) => length(items.len()),
        Value::Object(entries) => length(entries.len()),
        _ => 1,
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
