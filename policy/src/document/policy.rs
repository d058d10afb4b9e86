//! When, and for what, anything may be decided by the policy.

use serde_saphyr::Spanned;
use verify::Pattern;

use super::Problem;
use super::field::{Compiled, moment, names, value, word, wrong};
use super::shape::{Match, Validity};
use crate::model::OnNoMatch;
use crate::rules;

pub(super) fn validity(fields: &Spanned<Validity>) -> Compiled<rules::Validity> {
    let not_before = fields.value.not_before.as_ref().map(moment).transpose()?;
    let expires = fields.value.expires.as_ref().map(moment).transpose()?;
    match (not_before, expires) {
        (None, None) => Err(wrong(fields, Problem::Empty("validity"))),
        (Some(from), Some(until)) if from >= until => {
            let problem = "the policy would expire before it is in force";
            Err(wrong(fields, Problem::Contradiction(problem)))
        }
        _ => Ok(rules::Validity { not_before, expires }),
    }
}

pub(super) fn matching(fields: &Spanned<Match>) -> Compiled<rules::Match> {
    let list = &fields.value.names;
    names(list, "names")?;
    let pattern = |text: &super::Text| {
        let pattern = Pattern::glob(&text.value).map_err(|error| wrong(text, value(error)))?;
        Ok((text.value.clone(), pattern))
    };
    Ok(rules::Match {
        names: list.value.0.iter().map(pattern).collect::<Compiled<_>>()?,
        on_no_match: match &fields.value.on_no_match {
            None => OnNoMatch::Deny,
            Some(text) => word(text, "behaviour", &OnNoMatch::ALL, OnNoMatch::as_str)?,
        },
    })
}
