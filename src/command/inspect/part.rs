//! What is said of a file or of a part of it: facts, claims, and the parts in it.

use std::fmt::Display;

use serde::Serialize;

use crate::page::{Page, Tone};

/// How many items of one list are shown; how many more there are is said.
const MAX_SHOWN: usize = 20;
/// How many characters of one text are shown.
const MAX_CHARACTERS: usize = 400;

/// A file or a part of it, explained.
#[derive(Serialize)]
pub(super) struct Part {
    kind: String,
    /// What is computed here.
    facts: Vec<Said>,
    /// What the file says.
    claims: Vec<Said>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Self>,
    /// What checks it, where that is something else than for others of its kind.
    #[serde(skip)]
    check: Option<&'static str>,
}

/// A name and a value.
#[derive(Serialize)]
struct Said {
    name: String,
    /// `None`: it is there and cannot be read.
    value: Option<String>,
}

impl Said {
    fn new(name: impl Display, value: Option<String>) -> Self {
        let value = value.map(|value| shortened(&value));
        Self { name: shortened(&name.to_string()), value }
    }
}

/// The text, cut after [`MAX_CHARACTERS`].
pub(super) fn shortened(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(MAX_CHARACTERS) else { return text.to_owned() };
    let more = text.get(end..).unwrap_or_default().len();
    format!("{}… (and {more} bytes)", text.get(..end).unwrap_or_default())
}

impl Part {
    pub(super) fn new(kind: impl Display) -> Self {
        let kind = shortened(&kind.to_string());
        Self { kind, facts: Vec::new(), claims: Vec::new(), parts: Vec::new(), check: None }
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// What checks it, if that is something else than for others of its kind.
    pub(super) const fn check(&self) -> Option<&'static str> {
        self.check
    }

    /// Says what checks it, instead of what checks others of its kind.
    pub(super) const fn checked_by(&mut self, check: &'static str) {
        self.check = Some(check);
    }

    /// Adds what was computed.
    pub(super) fn fact(&mut self, name: impl Display, value: impl Display) {
        self.facts.push(Said::new(name, Some(value.to_string())));
    }

    /// Adds what the file says.
    pub(super) fn claim(&mut self, name: impl Display, value: impl Display) {
        self.claims.push(Said::new(name, Some(value.to_string())));
    }

    /// Adds what the file says, or that it cannot be read.
    pub(super) fn claim_or_unreadable(&mut self, name: impl Display, value: Option<String>) {
        self.claims.push(Said::new(name, value));
    }

    /// Adds what the file says, if it does.
    pub(super) fn claim_if_any<T: Display>(&mut self, name: impl Display, value: Option<T>) {
        if let Some(value) = value {
            self.claim(name, value);
        }
    }

    /// Adds the first of a list of claims, and how many there are more.
    pub(super) fn claim_each<T: Display>(
        &mut self,
        name: &str,
        values: impl ExactSizeIterator<Item = T>,
    ) {
        let more = values.len().saturating_sub(MAX_SHOWN);
        for value in values.take(MAX_SHOWN) {
            self.claim(name, value);
        }
        self.left_out(name, more);
    }

    /// Adds a part.
    pub(super) fn hold(&mut self, part: Self) {
        self.parts.push(part);
    }

    /// Adds the first of a list of parts, and how many there are more.
    pub(super) fn hold_each(&mut self, name: &str, parts: impl ExactSizeIterator<Item = Self>) {
        let more = parts.len().saturating_sub(MAX_SHOWN);
        self.parts.extend(parts.take(MAX_SHOWN));
        self.left_out(name, more);
    }

    fn left_out(&mut self, name: &str, more: usize) {
        if more > 0 {
            self.fact("not shown", format_args!("{more} more of {name}"));
        }
    }

    /// Draws what is said, and the parts below it.
    pub(super) fn draw_inside(&self, page: &mut Page, depth: usize) {
        let indent = "  ".repeat(depth);
        let all = self.facts.iter().chain(&self.claims);
        let width = all.map(|said| said.name.chars().count()).max().unwrap_or(0);
        let lists = [("      ", &self.facts), ("claims", &self.claims)];
        for (word, list) in lists {
            for said in list {
                page.text(&indent).put(Tone::Faint, word).text(" ");
                page.put(Tone::Faint, format_args!("{:width$}", said.name)).text("  ");
                match &said.value {
                    Some(value) => page.text(value),
                    None => page.put(Tone::Warn, "unreadable"),
                };
                page.end();
            }
        }
        for part in &self.parts {
            page.text(&indent).text("- ").put(Tone::Strong, &part.kind).end();
            part.draw_inside(page, depth + 1);
        }
    }
}
