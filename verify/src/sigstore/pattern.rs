//! Patterns of what a certificate says: exact values, what is under a place, globs and regular
//! expressions.
//!
//! A pattern always has to match the whole of a value, and matches byte by byte: no case is
//! folded, nothing is normalised. What is absent matches nothing.

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 512;
/// How large a compiled regular expression may become, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// What a text must be.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatternKind {
    /// As the value itself.
    Exact,
    /// As a glob.
    Glob,
    /// As a regular expression.
    Regex,
    /// As what stands before a `/` and more.
    Under,
}

#[derive(Clone, Debug)]
enum Matcher {
    Exact,
    Under,
    Glob(GlobMatcher),
    Regex(Regex),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Empty, too long, or with control characters.
    #[error("a pattern must have 1 to {MAX_PATTERN_BYTES} bytes, none of them control characters")]
    Text,
    /// It does not parse.
    #[error("{0}")]
    Syntax(
        /// What is wrong.
        String,
    ),
}

impl Pattern {
    /// Matches this value and no other.
    ///
    /// # Errors
    /// [`PatternError::Text`].
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        Self::of(text, Matcher::Exact)
    }

    /// Matches what begins with this, then has a `/`, and then something more: whole parts, never a
    /// part of one. The text itself does not match.
    ///
    /// # Errors
    /// [`PatternError::Text`]; also for a text that ends in `/`.
    pub fn under(text: &str) -> Result<Self, PatternError> {
        if text.ends_with('/') {
            return Err(PatternError::Syntax("`under` names a place without the last `/`".into()));
        }
        Self::of(text, Matcher::Under)
    }

    /// Matches by glob: `*` and `?` stop at `/`, `**` does not, a backslash is a backslash.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn glob(text: &str) -> Result<Self, PatternError> {
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
        let glob = glob.map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
        Self::of(text, Matcher::Glob(glob.compile_matcher()))
    }

    /// Matches by regular expression, in the syntax of the crate `regex`, without look-around and
    /// back references. It is anchored at both ends, `.` matches no line feed and classes are
    /// those of ASCII.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        // By itself first, so that `a)|(b` does not close the group that anchors it.
        compile(text)?;
        let whole = compile(&format!(r"\A(?:{text})\z"))?;
        Self::of(text, Matcher::Regex(whole))
    }

    fn of(text: &str, matcher: Matcher) -> Result<Self, PatternError> {
        let good =
            (1..=MAX_PATTERN_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if good { Ok(Self { text: text.into(), matcher }) } else { Err(PatternError::Text) }
    }

    /// Whether the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.text == value,
            Matcher::Under => {
                let rest = value.strip_prefix(&self.text).and_then(|rest| rest.strip_prefix('/'));
                rest.is_some_and(|rest| !rest.is_empty() && !rest.chars().any(char::is_control))
            }
            // A glob speaks of one line: `*` would match a line feed.
            Matcher::Glob(glob) => !value.chars().any(char::is_control) && glob.is_match(value),
            Matcher::Regex(regex) => regex.is_match(value.as_bytes()),
        }
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it is read.
    pub const fn kind(&self) -> PatternKind {
        match self.matcher {
            Matcher::Exact => PatternKind::Exact,
            Matcher::Under => PatternKind::Under,
            Matcher::Glob(_) => PatternKind::Glob,
            Matcher::Regex(_) => PatternKind::Regex,
        }
    }
}

impl PatternKind {
    /// The word in the trust file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Under => "under",
            Self::Glob => "glob",
            Self::Regex => "regex",
        }
    }
}

// What is compiled is a function of the kind and the text.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.kind(), &self.text) == (other.kind(), &other.text)
    }
}

impl Eq for Pattern {}

fn compile(text: &str) -> Result<Regex, PatternError> {
    if text.len() > MAX_PATTERN_BYTES + 16 {
        return Err(PatternError::Text);
    }
    let built = RegexBuilder::new(text).unicode(false).size_limit(MAX_COMPILED_BYTES).build();
    built.map_err(|error| PatternError::Syntax(last_line(&error.to_string())))
}

/// The parser draws the place over several lines; what is wrong stands in the last.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_and_what_just_does_not() {
        let workflow = "https://git.example/acme/app/.github/workflows/release.yml@refs/tags/v1";
        type Make = fn(&str) -> Result<Pattern, PatternError>;
        let cases: [(&str, Make, &str, &str, bool); 20] = [
            ("the value", Pattern::exact, workflow, workflow, true),
            ("one letter more", Pattern::exact, &workflow[..workflow.len() - 1], workflow, false),
            ("another case", Pattern::exact, "A@b.example", "a@b.example", false),
            ("no glob", Pattern::exact, "a*", "ab", false),
            (
                "within a part",
                Pattern::glob,
                "https://git.example/acme/*",
                "https://git.example/acme/app",
                true,
            ),
            (
                "across parts",
                Pattern::glob,
                "https://git.example/*",
                "https://git.example/acme/app",
                false,
            ),
            ("across parts, as asked", Pattern::glob, "https://git.example/**", workflow, true),
            ("not from the start", Pattern::glob, "*@b.example", "x/a@b.example", false),
            ("not to the end", Pattern::glob, "a@*.example", "a@b.example.evil", false),
            ("over a line feed", Pattern::glob, "a*", "a\nb", false),
            (
                "a regular expression",
                Pattern::regex,
                r"https://git\.example/acme/.+",
                workflow,
                true,
            ),
            ("a dot that is one", Pattern::regex, r"a@b\.example", "a@bxexample", false),
            ("not from the start", Pattern::regex, r"b\.example", "a@b.example", false),
            ("not to the end", Pattern::regex, r"a@b\.example", "a@b.example.evil", false),
            ("one of two, whole", Pattern::regex, "a|b", "b", true),
            ("one of two, not whole", Pattern::regex, "a|b", "bc", false),
            ("a line of several", Pattern::regex, "(?m)a$", "a\nb", false),
            ("before a line feed", Pattern::regex, "a$", "a\n", false),
            ("over a line feed", Pattern::regex, "a.b", "a\nb", false),
            ("a digit of another script", Pattern::regex, r"\d", "٣", false),
        ];
        for (name, make, pattern, value, want) in cases {
            assert_eq!(make(pattern).unwrap().matches(value), want, "{name}: {pattern} {value}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let long = "a".repeat(MAX_PATTERN_BYTES + 1);
        type Make = fn(&str) -> Result<Pattern, PatternError>;
        let cases: [(&str, Make, &str, bool); 9] = [
            ("an empty value", Pattern::exact, "", false),
            ("the longest value", Pattern::exact, &long[1..], true),
            ("a longer value", Pattern::exact, &long, false),
            ("two lines", Pattern::exact, "a\nb", false),
            ("an open class", Pattern::glob, "[a", false),
            ("an open group", Pattern::regex, "(a", false),
            ("a group that is not its own", Pattern::regex, "a)|(?:b", false),
            ("a comment that hides the end", Pattern::regex, "(?x)a#", false),
            ("one that grows", Pattern::regex, "((a{100}){100}){100}", false),
        ];
        for (name, make, pattern, want) in cases {
            assert_eq!(make(pattern).is_ok(), want, "{name}");
        }
    }
}
