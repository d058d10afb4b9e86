//! Artifact rules, as words: what a step may take in and put out.
//!
//! Source: in-toto specification v1.0, section 4.3.3; keywords in either case, as the Python
//! implementation reads them. What a rule does to artifacts is policy's to say.

use std::fmt;

/// The longest word of a rule, in bytes.
pub const MAX_WORD_BYTES: usize = 1024;

/// One rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// `MATCH`.
    Match(Match),
    /// Any other.
    Plain {
        /// Which.
        kind: RuleKind,
        /// What it is about: a pattern, and for `REQUIRE` a path.
        pattern: String,
    },
}

/// The rules that have one pattern.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RuleKind {
    /// May be a product and no material.
    Create,
    /// May be a material and no product.
    Delete,
    /// May be both, with different digests.
    Modify,
    /// May be there.
    Allow,
    /// Must not be left over.
    Disallow,
    /// Must be there, and not be consumed by an earlier rule.
    Require,
}

/// `MATCH pattern [IN prefix] WITH (MATERIALS|PRODUCTS) [IN prefix] FROM step`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Match {
    /// Which artifacts, below the prefix.
    pub pattern: String,
    /// Where they are here; empty for everywhere.
    pub source_prefix: String,
    /// Which artifacts of the other step.
    pub side: Side,
    /// Where they are there; empty for everywhere.
    pub destination_prefix: String,
    /// The other step.
    pub step: String,
}

/// What went into a step, or what came out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What went in.
    Materials,
    /// What came out.
    Products,
}

/// Why words are not a rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// No rule begins like this.
    #[error("`{0}` is no artifact rule")]
    Unknown(String),
    /// A rule that has one pattern has more, or none.
    #[error("`{0}`: a rule of this kind is two words, its name and a pattern")]
    Words(String),
    /// Not a `MATCH` rule.
    #[error(
        "`{0}`: write `MATCH pattern [IN prefix] WITH (MATERIALS|PRODUCTS) [IN prefix] FROM step`"
    )]
    Match(String),
    /// A word is longer than [`MAX_WORD_BYTES`].
    #[error("a word of a rule has {0} bytes, more than the limit of {MAX_WORD_BYTES}")]
    TooLong(usize),
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Delete, Self::Modify, Self::Allow, Self::Disallow, Self::Require];

    /// Its keyword.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Modify => "MODIFY",
            Self::Allow => "ALLOW",
            Self::Disallow => "DISALLOW",
            Self::Require => "REQUIRE",
        }
    }
}

impl Side {
    /// Its keyword.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Materials => "MATERIALS",
            Self::Products => "PRODUCTS",
        }
    }
}

impl Rule {
    /// Reads the words of a rule.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn parse(words: &[String]) -> Result<Self, RuleError> {
        if let Some(long) = words.iter().find(|word| word.len() > MAX_WORD_BYTES) {
            return Err(RuleError::TooLong(long.len()));
        }
        let [first, rest @ ..] = words else { return Err(RuleError::Unknown(String::new())) };
        let shown = || words.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(" ");
        let is = |word: &String, keyword: &str| word.to_lowercase() == keyword;
        if let Some(kind) = RuleKind::ALL
            .into_iter()
            .find(|kind| first.to_lowercase() == kind.as_str().to_lowercase())
        {
            let [pattern] = rest else { return Err(RuleError::Words(shown())) };
            return Ok(Self::Plain { kind, pattern: pattern.clone() });
        }
        if !is(first, "match") {
            return Err(RuleError::Unknown(shown()));
        }
        let nothing = String::new();
        let (pattern, source_prefix, side, destination_prefix, step) = match rest {
            [pattern, with, side, from, step] if is(with, "with") && is(from, "from") => {
                (pattern, &nothing, side, &nothing, step)
            }
            [pattern, within, source, with, side, from, step]
                if is(within, "in") && is(with, "with") && is(from, "from") =>
            {
                (pattern, source, side, &nothing, step)
            }
            [pattern, with, side, within, destination, from, step]
                if is(with, "with") && is(within, "in") && is(from, "from") =>
            {
                (pattern, &nothing, side, destination, step)
            }
            [pattern, here, source, with, side, there, destination, from, step]
                if is(here, "in") && is(with, "with") && is(there, "in") && is(from, "from") =>
            {
                (pattern, source, side, destination, step)
            }
            _ => return Err(RuleError::Match(shown())),
        };
        let side = match side.to_lowercase().as_str() {
            "materials" => Side::Materials,
            "products" => Side::Products,
            _ => return Err(RuleError::Match(shown())),
        };
        Ok(Self::Match(Match {
            pattern: pattern.clone(),
            source_prefix: source_prefix.clone(),
            side,
            destination_prefix: destination_prefix.clone(),
            step: step.clone(),
        }))
    }

    /// The rule with each word that its author chose changed by `change`.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map<E>(&self, change: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Plain { kind, pattern } => Self::Plain { kind: *kind, pattern: change(pattern)? },
            Self::Match(rule) => Self::Match(Match {
                pattern: change(&rule.pattern)?,
                source_prefix: change(&rule.source_prefix)?,
                side: rule.side,
                destination_prefix: change(&rule.destination_prefix)?,
                step: change(&rule.step)?,
            }),
        })
    }

    /// The words.
    pub fn words(&self) -> Vec<&str> {
        match self {
            Self::Plain { kind, pattern } => vec![kind.as_str(), pattern],
            Self::Match(rule) => {
                let mut words = vec!["MATCH", rule.pattern.as_str()];
                if !rule.source_prefix.is_empty() {
                    words.extend(["IN", &rule.source_prefix]);
                }
                words.extend(["WITH", rule.side.as_str()]);
                if !rule.destination_prefix.is_empty() {
                    words.extend(["IN", &rule.destination_prefix]);
                }
                words.extend(["FROM", &rule.step]);
                words
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_rules() {
        let cases = [
            ("CREATE a", true),
            ("create a", true),
            ("Disallow *", true),
            ("CREATE", false),
            ("CREATE a b", false),
            ("PERMIT a", false),
            ("", false),
            ("MATCH a WITH PRODUCTS FROM s", true),
            ("match a with products from s", true),
            ("MATCH a IN x WITH MATERIALS FROM s", true),
            ("MATCH a WITH MATERIALS IN y FROM s", true),
            ("MATCH a IN x WITH MATERIALS IN y FROM s", true),
            ("MATCH a WITH BYPRODUCTS FROM s", false),
            ("MATCH a WITH PRODUCTS", false),
            ("MATCH a IN WITH PRODUCTS FROM s", false),
            ("MATCH a FROM s WITH PRODUCTS", false),
            ("MATCH a", false),
        ];
        for (text, want) in cases {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let rule = Rule::parse(&words);
            assert_eq!(rule.is_ok(), want, "{text}");
            if let Ok(rule) = rule {
                assert_eq!(rule.to_string().to_lowercase(), text.to_lowercase());
            }
        }
        assert!(Rule::parse(&[]).is_err());
        let long = |length| Rule::parse(&["ALLOW".into(), "a".repeat(length)]).is_ok();
        assert!(long(MAX_WORD_BYTES) && !long(MAX_WORD_BYTES + 1));
    }
}
