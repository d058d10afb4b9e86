//! The stages of a policy: where an artifact may run, and what must have been passed before.

use attest::StageName;

use super::field::{Compiled, defined, label, word, wrong};
use super::{Document, Problem};
use crate::model::{Mode, Stage};

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
        let rule = format!("stages.{}.after", name.value);
        stages.push(Stage { name: label::<StageName>(name)?, mode, after, rule });
    }
    for (index, (name, _)) in entries.iter().enumerate() {
        if comes_before_itself(&stages, index) {
            return Err(wrong(name, Problem::Circle(name.value.clone())));
        }
    }
    Ok(stages)
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
