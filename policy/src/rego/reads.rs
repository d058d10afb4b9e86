//! Whether the text of a rule reads the time, so that its answer cannot hold for long, and what it
//! compares with.
//!
//! The input can only be reached by its name, so the words of the text show every way to it.

use regorus::unstable::{Lexer, TokenKind};
use regorus::{Source, Value};

use super::ModuleError;
use super::meter::{is_short_number, is_small};
use super::module::of_engine;
use crate::number::exact;
use crate::rules::bound::{Bound, Side};
use crate::rules::rule::Reads;

/// The name of the input document.
const INPUT: &str = "input";
/// The field that holds the time.
const NOW: &str = "now";
/// How many of its numbers and words a rule says that it compares with, at most.
const MAX_COMPARED: usize = 32;
/// The most words of a text.
const MAX_WORDS: usize = 32 << 10;
/// How often the engine's parser may come by the words of a text, at most: at each bracket it
/// tries several things in turn, so that each level of brackets multiplies what is within.
const MAX_WORK: u64 = 1_000_000;
/// How many things it tries at most.
const TRIES: u64 = 3;

/// A word of the text.
struct Word {
    kind: TokenKind,
    text: String,
}

/// Whether the text reads the time from the input, or may; and what it may compare with, the first
/// [`MAX_COMPARED`] numbers and words of it.
///
/// # Errors
/// [`ModuleError::Number`] before anything makes the number; [`ModuleError::TooLong`].
pub(super) fn check(id: &str, text: &str) -> Result<(bool, Vec<Reads>), ModuleError> {
    let words = words(id, text)?;
    let (mut reads_time, mut compared) = (false, Vec::new());
    for (at, word) in words.iter().enumerate() {
        let new = literal(word).filter(|one| !compared.contains(one));
        compared.extend(new.filter(|_| compared.len() < MAX_COMPARED));
        match word.kind {
            TokenKind::Number => number(&word.text)?,
            TokenKind::Ident if word.text == INPUT => {
                let before = at.checked_sub(1).and_then(|before| words.get(before));
                // The last part of some other path.
                if before.is_some_and(|before| before.text == ".") {
                    continue;
                }
                reads_time |= leads_to_time(words.get(at + 1..).unwrap_or(&[]));
            }
            _ => {}
        }
    }
    Ok((reads_time, compared))
}

/// A number or a text that stands in the rule.
fn literal(word: &Word) -> Option<Reads> {
    match word.kind {
        TokenKind::Number => {
            let limit = exact(&word.text)?;
            Some(Reads::Bound(Bound::new(Side::About, limit)))
        }
        TokenKind::String => {
            let text = word.text.trim_matches('"');
            (!text.is_empty()).then(|| Reads::Word(text.into()))
        }
        _ => None,
    }
}

fn words(id: &str, text: &str) -> Result<Vec<Word>, ModuleError> {
    let source = Source::from_contents(id.into(), text.into());
    let source = source.map_err(|error| of_engine(&error))?;
    let mut lexer = Lexer::new(&source);
    let mut words = Vec::new();
    let (mut weight, mut work) = (1_u64, 0_u64);
    loop {
        let token = lexer.next_token().map_err(|error| of_engine(&error))?;
        if token.0 == TokenKind::Eof {
            return Ok(words);
        }
        if words.len() == MAX_WORDS {
            return Err(ModuleError::TooLong(format!("more than {MAX_WORDS} words")));
        }
        if matches!(token.0, TokenKind::Symbol) {
            match token.1.text() {
                "[" | "{" | "(" => weight = weight.saturating_mul(TRIES),
                "]" | "}" | ")" => weight = weight.div_ceil(TRIES),
                _ => {}
            }
        }
        work = work.saturating_add(weight);
        if work > MAX_WORK {
            return Err(ModuleError::TooLong("brackets in brackets, too deep to be read".into()));
        }
        words.push(Word { kind: token.0, text: token.1.text().to_owned() });
    }
}

/// Whether the path after the name of the input leads to the time; what cannot be seen may.
fn leads_to_time(words: &[Word]) -> bool {
    part(words).is_none_or(|name| name == NOW)
}

/// The next part of a path: `.name` or `["name"]`.
fn part(words: &[Word]) -> Option<&str> {
    match words {
        [dot, name, ..] if dot.text == "." && matches!(name.kind, TokenKind::Ident) => {
            Some(name.text.as_str())
        }
        [open, name, close, ..]
            if open.text == "[" && close.text == "]" && matches!(name.kind, TokenKind::String) =>
        {
            Some(name.text.trim_matches('"'))
        }
        _ => None,
    }
}

fn number(text: &str) -> Result<(), ModuleError> {
    let small = || Value::from_numeric_string(text).is_ok_and(|value| is_small(&value));
    if is_short_number(text) && small() {
        return Ok(());
    }
    Err(ModuleError::Number(text.chars().take(40).collect()))
}
