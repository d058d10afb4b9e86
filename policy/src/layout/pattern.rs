//! Patterns of paths, with the meaning of Python's `fnmatch` (case counts, `*` crosses `/`).
//!
//! Source: Python 3.11, `Lib/fnmatch.py`. A pattern becomes a row of tokens that each take one
//! character, and stars between them, so that matching goes back no further than to the last
//! star: the time is bounded by the product of both lengths, whatever the pattern.

use super::budget::{Budget, Exhausted};

/// A pattern of paths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    /// Any number of characters.
    Star,
    /// One character.
    Any,
    /// This one.
    Exactly(char),
    /// One of these ranges, ends included; or one of none of them.
    Set { ranges: Vec<(char, char)>, negated: bool },
}

impl Token {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Exactly(only) => *only == letter,
            Self::Set { ranges, negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }

    const fn cost(&self) -> usize {
        match self {
            Self::Set { ranges, .. } => 1 + ranges.len(),
            _ => 1,
        }
    }
}

impl Pattern {
    /// Reads a pattern. Every text is one: what is no set is taken literally.
    pub fn new(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let mut tokens = Vec::new();
        let mut rest = letters.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            match first {
                '*' if tokens.last() == Some(&Token::Star) => {}
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::Any),
                '[' => match closing(after) {
                    Some(end) => {
                        let (inside, outside) = after.split_at(end);
                        tokens.push(set(inside));
                        rest = outside.get(1..).unwrap_or_default();
                    }
                    None => tokens.push(Token::Exactly('[')),
                },
                other => tokens.push(Token::Exactly(*other)),
            }
        }
        Self { tokens }
    }

    /// Whether the whole of `name` is of the pattern. Takes at most as many steps as the product
    /// of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_within(name, &mut Budget::new(u64::MAX)).unwrap_or(false)
    }

    pub(super) fn matches_within(
        &self,
        name: &str,
        budget: &mut Budget,
    ) -> Result<bool, Exhausted> {
        let (mut place, mut rest) = (0, name.chars());
        let mut star: Option<(usize, std::str::Chars<'_>)> = None;
        // Ends: each turn goes on in the pattern or the name, or begins one character later after
        // the last star.
        loop {
            let token = self.tokens.get(place);
            budget.spend(token.map_or(1, Token::cost))?;
            match token {
                Some(Token::Star) => {
                    place += 1;
                    if place == self.tokens.len() {
                        return Ok(true);
                    }
                    star = Some((place, rest.clone()));
                    continue;
                }
                Some(token) => {
                    let mut after = rest.clone();
                    if after.next().is_some_and(|letter| token.takes(letter)) {
                        (place, rest) = (place + 1, after);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return Ok(true),
                None => {}
            }
            let Some((after_star, from)) = &mut star else { return Ok(false) };
            if from.next().is_none() {
                return Ok(false);
            }
            (place, rest) = (*after_star, from.clone());
        }
    }
}

/// Where the `]` is that ends a set; one directly at its start stands for itself.
fn closing(after: &[char]) -> Option<usize> {
    let mut start = usize::from(after.first() == Some(&'!'));
    if after.get(start) == Some(&']') {
        start += 1;
    }
    Some(start + after.get(start..)?.iter().position(|letter| *letter == ']')?)
}

/// What stands between `[` and `]`.
fn set(inside: &[char]) -> Token {
    // Each part ends and begins with an end of a range, apart from the first and last.
    let mut parts: Vec<Vec<char>> = Vec::new();
    let mut start = 0;
    let mut from = if inside.first() == Some(&'!') { 2 } else { 1 };
    while let Some(hyphen) = find_hyphen(inside, from) {
        parts.push(inside.get(start..hyphen).unwrap_or_default().to_vec());
        start = hyphen + 1;
        from = hyphen + 3;
    }
    match (inside.get(start..).unwrap_or_default(), parts.last_mut()) {
        ([], Some(last)) => last.push('-'),
        (rest, _) => parts.push(rest.to_vec()),
    }
    // A range that is empty takes nothing: its ends go.
    for place in (1..parts.len()).rev() {
        let (low, high) = (parts.get(place - 1), parts.get(place));
        let ends = low.and_then(|part| part.last()).zip(high.and_then(|part| part.first()));
        if ends.is_some_and(|(low, high)| low > high) {
            let removed = parts.remove(place);
            if let Some(before) = parts.get_mut(place - 1) {
                before.pop();
                before.extend(removed.into_iter().skip(1));
            }
        }
    }
    let negated = parts.first().and_then(|part| part.first()) == Some(&'!');
    if let Some(first) = parts.first_mut()
        && negated
    {
        first.remove(0);
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    // Whether the last character already is the end of a range: then a hyphen is itself.
    let mut ended = true;
    for (number, part) in parts.iter().enumerate() {
        let mut letters = part.iter().copied();
        if number > 0 {
            match (ended, letters.next()) {
                (false, Some(high)) => {
                    if let Some(last) = ranges.last_mut() {
                        last.1 = high;
                    }
                    ended = true;
                }
                (true, Some(letter)) => {
                    ranges.extend([('-', '-'), (letter, letter)]);
                    ended = false;
                }
                (_, None) => ranges.push(('-', '-')),
            }
        }
        for letter in letters {
            ranges.push((letter, letter));
            ended = false;
        }
    }
    Token::Set { ranges, negated }
}

fn find_hyphen(inside: &[char], from: usize) -> Option<usize> {
    Some(from + inside.get(from..)?.iter().position(|letter| *letter == '-')?)
}
