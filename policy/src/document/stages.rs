//! The stages of a policy: where an artifact may run, and what must have been passed before.

use std::sync::Arc;

use attest::StageName;

use super::field::{Compiled, age, defined, label, word, wrong};
use super::{Document, Problem};
use crate::model::{Mode, Model, OnError, Stage};
use crate::rules::{Fresh, Soak};

pub(super) fn stages(document: &Document) -> Compiled<Vec<Stage>> {
    let entries = &document.stages.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.stages, Problem::Empty("stages")));
    }
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut stages = Vec::with_capacity(entries.len());
    for (name, stage) in entries {
        let mode = word(&stage.mode, "mode", &Mode::ALL, Mode::as_str)?;
        let mut after = Vec::new();
        if let Some(list) = &stage.after {
            if list.value.0.is_empty() {
                return Err(wrong(list, Problem::Empty("after")));
            }
            for earlier in &list.value.0 {
                after.push(defined("stage", earlier, &names)?);
            }
        }
        let on_error = match &stage.on_error {
            // Under enforcement what cannot be decided denies; nobody can have it otherwise.
            None if mode == Mode::Enforce => OnError::Deny,
            None => OnError::Admit,
            Some(text) => match word(text, "behaviour", &OnError::ALL, OnError::as_str)? {
                OnError::Admit if mode == Mode::Enforce => {
                    let problem = "a stage that enforces denies what cannot be decided";
                    return Err(wrong(text, Problem::Contradiction(problem)));
                }
                word => word,
            },
        };
        let rule = format!("stages.{}.after", name.value);
        stages.push(Stage { name: label::<StageName>(name)?, mode, on_error, after, rule });
    }
    for (index, (name, _)) in entries.iter().enumerate() {
        if comes_before_itself(&stages, index) {
            return Err(wrong(name, Problem::Circle(name.value.clone())));
        }
    }
    Ok(stages)
}

/// How long the stages before each stage must have been passed, and may have been at most.
pub(super) fn soaks(document: &Document, model: &mut Model) -> Compiled<()> {
    for (index, (name, stage)) in document.stages.value.0.iter().enumerate() {
        for (field, text) in [("soak", &stage.soak), ("maxAge", &stage.max_age)] {
            let Some(text) = text else { continue };
            if stage.after.is_none() {
                let problem =
                    "`soak` and `maxAge` count from when the stages of `after` were passed";
                return Err(wrong(text, Problem::Contradiction(problem)));
            }
            let rule = format!("stages.{}.{field}", name.value);
            let length = age(text)?;
            model.rules.push(match field {
                "soak" => Arc::new(Soak { rule, stage: index, length }),
                _ => Arc::new(Fresh { rule, stage: index, max_age: length }),
            });
        }
    }
    Ok(())
}

/// Whether `stage` is among those that must come before it, directly or not. Visits each stage
/// once.
fn comes_before_itself(stages: &[Stage], stage: usize) -> bool {
    let mut seen = vec![false; stages.len()];
    let mut open = vec![stage];
    while let Some(next) = open.pop() {
        for earlier in stages.get(next).into_iter().flat_map(|stage| &stage.after) {
            if *earlier == stage {
                return true;
            }
            if let Some(seen) = seen.get_mut(*earlier).filter(|seen| !**seen) {
                *seen = true;
                open.push(*earlier);
            }
        }
    }
    false
}
