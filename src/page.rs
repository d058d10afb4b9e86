//! A page of text for a person, before it is printed.
//!
//! Every text that is put on a page is outside text until shown otherwise: control characters
//! and those that turn the reading direction are written as escapes, so that no name in a
//! statement can draw over the verdict beside it. Colour is added here and nowhere else.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// Running text.
    Plain,
    /// A heading, a name that matters.
    Strong,
    /// Something to look up, not to read.
    Faint,
    /// An answer of yes.
    Good,
    /// An answer of no.
    Bad,
    /// Something to look at.
    Warn,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
        }
    }
}

/// Whether lines may be drawn with other characters than ASCII.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Glyphs {
    /// Box-drawing characters: a terminal shows them.
    Unicode,
    /// ASCII only: files, pipes and old terminals.
    Ascii,
}

/// Text for a person, built line by line.
#[derive(Debug)]
pub struct Page {
    text: String,
    glyphs: Glyphs,
}

impl Page {
    /// An empty page.
    pub const fn new(glyphs: Glyphs) -> Self {
        Self { text: String::new(), glyphs }
    }

    /// What lines may be drawn with.
    pub const fn glyphs(&self) -> Glyphs {
        self.glyphs
    }

    /// Adds text to the line.
    pub fn put(&mut self, tone: Tone, text: impl fmt::Display) -> &mut Self {
        let style = tone.style();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{style}{}{style:#}", plain(&text.to_string()));
        self
    }

    /// Adds plain text to the line.
    pub fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        self.put(Tone::Plain, text)
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
        self
    }

    /// Adds a whole line of plain text.
    pub fn line(&mut self, text: impl fmt::Display) -> &mut Self {
        self.text(text).end()
    }

    /// Adds lines of our own making as they are: a key, a script, a checkpoint.
    pub fn verbatim(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a table: columns as wide as their widest cell, the last one free.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) -> &mut Self {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
        let widths: Vec<usize> = heads
            .iter()
            .enumerate()
            .map(|(column, head)| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).chain([head.len()]).max().unwrap_or(0)
            })
            .collect();
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        self.row(Tone::Faint, &heads, &widths);
        for row in &rows {
            self.row(Tone::Plain, row, &widths);
        }
        self
    }

    fn row(&mut self, tone: Tone, cells: &[String], widths: &[usize]) {
        let last = cells.len().saturating_sub(1);
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if column == last {
                self.put(tone, cell);
            } else {
                self.put(tone, format_args!("{cell:width$}")).text("  ");
            }
        }
        self.end();
    }

    /// The text, with its colours as ANSI escapes.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// The text with every character escaped that could move the cursor or turn the line.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if moves(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Control characters, line and paragraph separators, and the bidirectional controls of UAX #9.
pub fn moves(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_cannot_draw() {
        let cases = [
            ("plain names stay", "data/train.csv", "data/train.csv"),
            ("letters of all scripts stay", "modèle-模型", "modèle-模型"),
            ("an escape", "\u{1b}[2Kallowed", "\\u{1b}[2Kallowed"),
            ("a carriage return", "denied\rallowed", "denied\\u{d}allowed"),
            ("a line break", "a\nb", "a\\u{a}b"),
            ("an override", "a\u{202e}b", "a\\u{202e}b"),
            ("an isolate", "a\u{2066}b", "a\\u{2066}b"),
            ("the C1 control sequence introducer", "a\u{9b}2K", "a\\u{9b}2K"),
        ];
        for (name, text, want) in cases {
            assert_eq!(plain(text), want, "{name}");
        }
    }

    #[test]
    fn tables_align_and_end_without_blanks() {
        let mut page = Page::new(Glyphs::Ascii);
        let rows = [vec!["12".into(), "train".into()], vec!["3".into(), "x".into()]];
        page.table(&["ENTRY", "STEP"], &rows);
        let text = anstream::adapter::strip_str(&page.into_text()).to_string();
        assert_eq!(text, "ENTRY  STEP\n12     train\n3      x\n");
    }
}
