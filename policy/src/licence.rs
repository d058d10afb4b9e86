//! SPDX licence expressions: whether a choice of licences suits a list.
//!
//! Source: SPDX specification v3.0, annex "SPDX license expressions". `AND` binds more than `OR`,
//! `WITH` more than both; names are compared without regard to case. Of what is joined by `OR` one
//! that suits is enough; of what is joined by `AND` all must.

/// The longest expression, in bytes.
const MAX_BYTES: usize = 4096;
/// How deep parentheses may stand inside each other.
const MAX_DEPTH: usize = 32;

/// Licences that suit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Licences {
    /// These and no other.
    Allow(Vec<String>),
    /// Any but these.
    Deny(Vec<String>),
}

impl Licences {
    /// Whether `expression` can be had under licences that suit; `None` for what is no expression,
    /// or is longer or deeper than is read.
    pub fn suit(&self, expression: &str) -> Option<bool> {
        if expression.len() > MAX_BYTES {
            return None;
        }
        let spaced = expression.replace('(', " ( ").replace(')', " ) ");
        let mut reader = Reader { words: spaced.split_ascii_whitespace().peekable(), list: self };
        let suits = reader.any(0)?;
        reader.words.next().is_none().then_some(suits)
    }

    /// Whether a single licence, with an exception or without, suits.
    fn has(&self, licence: &str, exception: Option<&str>) -> bool {
        let whole =
            exception.map_or_else(|| licence.to_owned(), |with| format!("{licence} WITH {with}"));
        let listed =
            |list: &[String], name: &str| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        match self {
            Self::Allow(list) => listed(list, &whole),
            // An exception takes nothing away from what the licence asks by itself, and a later
            // version of a licence is one that this version can be had under.
            Self::Deny(list) => {
                let plain = licence.strip_suffix('+').unwrap_or(licence);
                !listed(list, &whole) && !listed(list, licence) && !listed(list, plain)
            }
        }
    }

    /// What is named as unsuited; empty where only what suits is named.
    pub(crate) fn denied(&self) -> &[String] {
        match self {
            Self::Allow(_) => &[],
            Self::Deny(list) => list,
        }
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Allow(list) => list.join(" or "),
            Self::Deny(list) => format!("none of {}", list.join(", ")),
        }
    }
}

struct Reader<'l, 't, I: Iterator<Item = &'t str>> {
    words: std::iter::Peekable<I>,
    list: &'l Licences,
}

impl<'t, I: Iterator<Item = &'t str>> Reader<'_, 't, I> {
    fn any(&mut self, depth: usize) -> Option<bool> {
        let mut suits = self.all(depth)?;
        while self.words.next_if(|word| word.eq_ignore_ascii_case("OR")).is_some() {
            suits |= self.all(depth)?;
        }
        Some(suits)
    }

    fn all(&mut self, depth: usize) -> Option<bool> {
        let mut suits = self.one(depth)?;
        while self.words.next_if(|word| word.eq_ignore_ascii_case("AND")).is_some() {
            suits &= self.one(depth)?;
        }
        Some(suits)
    }

    fn one(&mut self, depth: usize) -> Option<bool> {
        if self.words.next_if_eq(&"(").is_some() {
            if depth == MAX_DEPTH {
                return None;
            }
            let suits = self.any(depth + 1)?;
            self.words.next_if_eq(&")")?;
            return Some(suits);
        }
        let licence = self.words.next().filter(|word| is_name(word))?;
        let with = self.words.next_if(|word| word.eq_ignore_ascii_case("WITH"));
        let exception = match with {
            Some(_) => Some(self.words.next().filter(|word| is_name(word))?),
            None => None,
        };
        Some(self.list.has(licence, exception))
    }
}

fn is_name(word: &str) -> bool {
    let operator = ["AND", "OR", "WITH"].iter().any(|one| word.eq_ignore_ascii_case(one));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.+:".contains(&byte);
    !operator && word.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allow =
            Licences::Allow(vec!["MIT".into(), "Apache-2.0".into(), "GPL-2.0-only WITH X".into()]);
        let deny = Licences::Deny(vec!["AGPL-3.0-only".into(), "GPL-2.0".into()]);
        let cases = [
            ("MIT", Some(true), Some(true)),
            ("mit", Some(true), Some(true)),
            ("AGPL-3.0-only", Some(false), Some(false)),
            ("agpl-3.0-ONLY OR MIT", Some(true), Some(true)),
            ("AGPL-3.0-only AND MIT", Some(false), Some(false)),
            ("MIT OR AGPL-3.0-only AND BSD-3-Clause", Some(true), Some(true)),
            ("(MIT OR AGPL-3.0-only) AND BSD-3-Clause", Some(false), Some(true)),
            ("GPL-2.0-only WITH X", Some(true), Some(true)),
            ("GPL-2.0-only", Some(false), Some(true)),
            ("GPL-2.0+", Some(false), Some(false)),
            ("AGPL-3.0-only WITH X", Some(false), Some(false)),
            ("", None, None),
            ("MIT OR", None, None),
            ("OR MIT", None, None),
            ("(MIT", None, None),
            ("MIT)", None, None),
            ("MIT Apache-2.0", None, None),
            ("Own licence", None, None),
        ];
        for (text, allowed, denied) in cases {
            assert_eq!((allow.suit(text), deny.suit(text)), (allowed, denied), "{text}");
        }
        assert_eq!(allow.suit(&format!("{}MIT{}", "(".repeat(40), ")".repeat(40))), None);
    }
}
