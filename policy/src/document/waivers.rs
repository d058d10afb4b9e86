//! Whose waivers a policy accepts, and for how long.

use serde_saphyr::Spanned;

use super::describe::{self, fields, some};
use super::field::{Compiled, age, wrong};
use super::trust::whom;
use super::{Items, Problem, Text};
use crate::model::Model;
use crate::rules;
use crate::whom::Whom;

fields! {
    Waivers {
        /// How long a waiver may live, from when it was asked for.
        max_life: Text = describe::age(),
        /// Who may approve one that somebody else asks for, by names in the trust file.
        approvers: Spanned<Items<Text>> = some::<Text>(),
    }
}

pub(super) fn waivers(fields: &Spanned<Waivers>, model: &Model) -> Compiled<rules::Waivers> {
    let Waivers { max_life, approvers: list } = &fields.value;
    let approvers = whom(list, model.narrowed.as_ref())?;
    if approvers.any_of.is_none() {
        let problem = "whoever may sign waivers could approve them; name those who approve";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    let requesters = Whom { any_of: None, narrowed: model.narrowed.clone() };
    Ok(rules::Waivers { max_life: age(max_life)?, approvers, requesters })
}
