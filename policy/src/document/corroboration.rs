//! The section of corroboration: for which steps somebody else must have come to the same.

use std::sync::Arc;

use serde_saphyr::Spanned;

use super::dependencies::threshold;
use super::describe::{count, fields, some};
use super::field::{Compiled, defined, wrong};
use super::trust::whom;
use super::{Document, Items, Problem, Text};
use crate::model::Model;
use crate::rules;

fields! {
    Corroboration {
        /// Who must have come to the same, by names in the trust file.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// How many distinct owners, beside those of the statement itself; 1 unless said.
        threshold: Option<Spanned<u64>> = count(),
    }
}

/// Makes a rule for each step.
pub(super) fn corroboration(
    document: &Document,
    model: &mut Model,
    names: &[&str],
) -> Compiled<()> {
    for (step, fields) in &document.corroboration.0 {
        let index = defined("step", step, names)?;
        let Corroboration { signers, threshold: wanted } = &fields.value;
        let whom = whom(signers, model.narrowed.as_ref())?;
        let threshold = threshold(&whom, wanted.as_ref())?;
        let place = rules::corroboration::place(&step.value);
        let by = model.steps.get(index).and_then(|step| step.signers.whom.any_of.as_ref());
        // One name is one owner, and whoever has signed the step does not count.
        if let (Some([only]), Some(names)) = (by.map(Vec::as_slice), &whom.any_of)
            && names.iter().filter(|name| *name != only).count() < threshold
        {
            let problem = "only the signer of the step could corroborate it, and does not count";
            return Err(wrong(signers, Problem::Contradiction(problem)));
        }
        let rule = rules::Corroboration { place, step: index, whom, threshold };
        model.rules.push(Arc::new(rule));
    }
    Ok(())
}
