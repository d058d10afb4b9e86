//! The only printer: answers go to standard output, everything else to standard error.
//!
//! It decides nothing. Colour is used on a terminal, unless `NO_COLOR` or `--color` says
//! otherwise. A reader that closes the pipe has read enough, and that is no error.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use clap::error::ErrorKind;
use serde::Serialize;

use crate::error::Error;
use crate::exit::Exit;
use crate::page::{Glyphs, Page, Tone, plain};

/// When to colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Where an answer belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error: standard output belongs to the command that was run.
    Error,
}

/// What a command hands back: data that can be drawn for a person and written for a program.
pub trait Answer {
    /// The exit status that it stands for.
    fn exit(&self) -> Exit {
        Exit::Success
    }

    /// Where it is printed.
    fn stream(&self) -> Stream {
        Stream::Output
    }

    /// Draws it for a person. An empty page prints nothing.
    fn draw(&self, page: &mut Page);

    /// Writes it for a program: one object with a `version`.
    fn json(&self) -> serde_json::Result<String>;
}

/// Any data, as indented JSON. What [`Answer::json`] is made of.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value)
}

/// Prints, as the user asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    color: Color,
    json: bool,
    quiet: bool,
}

/// An error, as `--json` writes it.
#[derive(Serialize)]
struct ErrorJson<'a> {
    version: &'static str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Printer {
    /// A printer.
    pub const fn new(color: Color, json: bool, quiet: bool) -> Self {
        Self { color, json, quiet }
    }

    /// Prints an answer and says how to end.
    pub fn answer(self, answer: &dyn Answer) -> Exit {
        let stream = answer.stream();
        let text = if self.json {
            match answer.json() {
                Ok(text) => text + "\n",
                Err(error) => return self.error(&Error::Json(error)),
            }
        } else {
            let mut page = Page::new(glyphs(stream));
            answer.draw(&mut page);
            page.into_text()
        };
        if stream == Stream::Error && self.quiet {
            return answer.exit();
        }
        match (self.print(stream, &text), stream) {
            // What is said beside a step does not change how the step ended.
            (Ok(()), _) | (Err(_), Stream::Error) => answer.exit(),
            (Err(error), Stream::Output) => self.error(&Error::Output(error)),
        }
    }

    /// Prints an error with its advice, and says how to end.
    pub fn error(self, error: &Error) -> Exit {
        let message = error.message();
        let hint = error.hint();
        self.problem(&message, hint.as_deref());
        if self.json {
            let json =
                ErrorJson { version: "assay/error/v1", error: &message, hint: hint.as_deref() };
            if let Ok(text) = to_json(&json) {
                let _ = self.print(Stream::Output, &(text + "\n"));
            }
        }
        Exit::Undecided
    }

    /// Says on standard error what failed of several things; the answer has it, too.
    pub fn problem(self, message: &str, hint: Option<&str>) {
        let mut page = Page::new(glyphs(Stream::Error));
        page.put(Tone::Bad, "error:").text(" ").line(message);
        if let Some(hint) = hint {
            page.put(Tone::Strong, "hint:").text(" ").line(hint);
        }
        // There is nowhere left to say that standard error is closed.
        let _ = self.print(Stream::Error, &page.into_text());
    }

    /// Whether what is done beside the question is said.
    pub const fn notes(self) -> bool {
        !self.quiet
    }

    /// Says on standard error what was done beside the question, unless asked to be quiet.
    pub fn note(self, text: &str) {
        if !self.quiet {
            let _ = self.print(Stream::Error, &format!("assay: {}\n", plain(text)));
        }
    }

    /// Says on standard error what the user has to know, quiet or not.
    pub fn warn(self, text: &str) {
        let mut page = Page::new(glyphs(Stream::Error));
        page.put(Tone::Warn, "warning:").text(" ").line(text);
        let _ = self.print(Stream::Error, &page.into_text());
    }

    /// Prints what the argument parser has to say: help, version, or a usage error. Whoever reads
    /// JSON gets the error in JSON as well, as any other.
    pub fn usage(error: &clap::Error, json: bool) -> Exit {
        // A closed pipe is no error here either.
        let _ = error.print();
        if !error.use_stderr() {
            return Exit::Success;
        }
        if json {
            let said = error.render().to_string();
            let (what, hint) = match error.kind() {
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    ("a command is missing", "`--help` lists what there is")
                }
                _ => said.split_once("\n\n").unwrap_or((&said, "")),
            };
            let what = what.strip_prefix("error: ").unwrap_or(what);
            let hint = Some(hint.trim()).filter(|hint| !hint.is_empty());
            let json = ErrorJson { version: "assay/error/v1", error: what.trim(), hint };
            if let Ok(text) = to_json(&json) {
                let _ = writeln!(io::stdout(), "{text}");
            }
        }
        Exit::Undecided
    }

    fn print(self, stream: Stream, text: &str) -> io::Result<()> {
        let result = match stream {
            Stream::Output => write(AutoStream::new(io::stdout(), self.choice(stream)), text),
            Stream::Error => write(AutoStream::new(io::stderr(), self.choice(stream)), text),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn choice(self, stream: Stream) -> ColorChoice {
        match (self.color, stream) {
            (Color::Auto, Stream::Output) => AutoStream::choice(&io::stdout()),
            (Color::Auto, Stream::Error) => AutoStream::choice(&io::stderr()),
            (color, _) => color.into(),
        }
    }
}

fn write(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn glyphs(stream: Stream) -> Glyphs {
    let terminal = match stream {
        Stream::Output => io::stdout().is_terminal(),
        Stream::Error => io::stderr().is_terminal(),
    };
    if terminal { Glyphs::Unicode } else { Glyphs::Ascii }
}
