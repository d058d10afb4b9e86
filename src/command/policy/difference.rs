//! `assay policy diff`: what one policy asks otherwise than another, and whether that is more or
//! less.

use std::path::PathBuf;

use ::policy::{Change, ChangeKind, Difference, Effect};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::read;
use crate::error::Error;
use crate::exit::Exit;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// The longest value that is shown on a line, in characters.
const MAX_SHOWN: usize = 60;

/// Say what one policy asks otherwise than another
///
/// Tighter is what can only deny more, looser what can only allow more. Ends with 0 if both ask
/// the same, 1 if they do not, and 2 if one cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy diff policy.yaml next.yaml
  assay policy diff policy.yaml next.yaml --json")]
pub(super) struct DiffArgs {
    /// The policy as it was
    older: PathBuf,

    /// The policy as it would be
    newer: PathBuf,
}

impl DiffArgs {
    pub(super) fn run(&self) -> Result<Differs, Error> {
        let difference = read(&self.older)?.difference(&read(&self.newer)?);
        Ok(Differs { version: "assay/policy-difference/v1", difference })
    }
}

#[derive(Serialize)]
pub(super) struct Differs {
    version: &'static str,
    #[serde(flatten)]
    difference: Difference,
}

impl Answer for Differs {
    fn exit(&self) -> Exit {
        if self.difference.same { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let Difference { same, effect, changes, .. } = &self.difference;
        match (same, effect) {
            (true, _) => page.put(Tone::Good, "same").line("  both policies ask the same"),
            (false, Effect::Changed) => {
                page.put(Tone::Warn, "changed").line("  more may be denied, and more allowed")
            }
            (false, Effect::Looser) => {
                page.put(Tone::Bad, "looser").line("  more may be allowed, and nothing more denied")
            }
            (false, _) => page
                .put(Tone::Good, "tighter")
                .line("  more may be denied, and nothing more allowed"),
        };
        for change in changes {
            draw(change, page);
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

fn draw(change: &Change, page: &mut Page) {
    let tone = match change.effect {
        Effect::Looser => Tone::Bad,
        Effect::Tighter => Tone::Good,
        Effect::Changed => Tone::Warn,
        Effect::Nothing => Tone::Faint,
    };
    let word = match change.effect {
        Effect::Nothing => "same",
        effect => effect.as_str(),
    };
    page.text("  ").put(tone, format_args!("{word:<8}"));
    page.text(format_args!("{:<8}", change.kind.as_str())).put(Tone::Strong, &change.at);
    match (change.kind, &change.from, &change.to) {
        (ChangeKind::Changed, Some(from), Some(to)) => {
            page.text(format_args!(": {}, was {}", shown(to), shown(from)));
        }
        (ChangeKind::Added, _, Some(Value::Object(_)))
        | (ChangeKind::Removed, Some(Value::Object(_)), _) => {}
        (ChangeKind::Added, _, Some(to)) => {
            page.text(format_args!(": {}", shown(to)));
        }
        (_, from, _) => {
            page.text(format_args!(": was {}", from.as_ref().map_or_else(String::new, shown)));
        }
    }
    page.end();
    let words: Vec<String> = match (&change.asked, &change.asks) {
        (Some(before), Some(now)) if before == now => vec![format!("in: {now}")],
        (before, now) => {
            let before = before.iter().map(|before| format!("asked: {before}"));
            before.chain(now.iter().map(|now| format!("asks: {now}"))).collect()
        }
    };
    for words in words {
        page.put(Tone::Faint, "                  ").put(Tone::Faint, words).end();
    }
}

/// A value on a line.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(MAX_SHOWN).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
