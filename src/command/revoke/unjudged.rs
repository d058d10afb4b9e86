//! The promotions of which nobody here can say how they would be decided, and why: that nothing was
//! found to flip is no answer about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::attest::StageName;
use ::policy::Policy;
use ::verify::{Governing, Trust};
use serde::Serialize;

use super::RevokeArgs;
use super::radius::{Named, count};
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::rules;

/// A promotion that was not judged.
#[derive(Debug, Serialize)]
pub(super) struct Unjudged {
    #[serde(flatten)]
    pub(super) what: Named,
    pub(super) stage: StageName,
    /// Why not, and what to do about it.
    pub(super) why: String,
}

/// What judges, as far as is known: the policy that was named, else the active one of each stage, else
/// that of the folder. Only a file that was named must be good: a revocation does not wait until the
/// policy of the folder can be read again.
pub(super) struct Judges<'a> {
    own: Result<Option<Arc<Policy>>, String>,
    governing: &'a Governing,
    cx: &'a Context<'a>,
}

impl<'a> Judges<'a> {
    pub(super) fn of(
        args: &RevokeArgs,
        begun: &Trust,
        governing: &'a Governing,
        cx: &'a Context<'a>,
    ) -> Result<Self, Error> {
        let own = match rules::beforehand(args.policy.as_ref(), begun, cx) {
            Err(error) if args.policy.is_some() => return Err(error),
            own => own.map_err(|error| why(&error)),
        };
        Ok(Self { own, governing, cx })
    }

    /// The policy that judges for `stage`, or why none does.
    pub(super) fn policy(&self, stage: &StageName) -> Result<Arc<Policy>, String> {
        let own = self.own.clone()?;
        let found = rules::for_stage(own, stage, self.governing, self.cx);
        let policy = found.map_err(|error| why(&error))?;
        if policy.mode(stage).is_none() {
            return Err(format!("policy `{}` has no such stage{ANOTHER}", policy.name()));
        }
        Ok(policy)
    }
}

/// What helps where nothing judges.
const ANOTHER: &str = "; give `--policy FILE`";

fn why(error: &Error) -> String {
    match error {
        Error::NoPolicy(_) | Error::NoFolder | Error::NoFolderAt(_) => {
            format!("no policy{ANOTHER}")
        }
        error => format!("{}{ANOTHER}", error.message()),
    }
}

/// Draws them, those first that are for the same reason.
pub(super) fn draw(unjudged: &[Unjudged], page: &mut Page) {
    let mut reasons: BTreeMap<&str, Vec<&Unjudged>> = BTreeMap::new();
    for one in unjudged {
        reasons.entry(&one.why).or_default().push(one);
    }
    for (why, promotions) in reasons {
        let what = count(promotions.len(), "promotion", "promotions");
        page.put(Tone::Warn, format_args!("  {what} could not be judged: ")).line(why);
        for one in promotions {
            page.text(format_args!("    at {}: ", one.stage)).put(Tone::Strong, &one.what.name);
            page.text(" ").put(Tone::Faint, one.what.artifact).end();
        }
    }
}
