//! What judges for a stage: the policy that is active in the register, else the folder's file.
//!
//! A policy that whoever asks brings along is an opinion. Where the register says what judges, an
//! opinion is never signed.

use std::path::PathBuf;
use std::sync::Arc;

use attest::StageName;
use policy::Policy;
use server::force::{Rules, RulesError};
use verify::{Governing, Trust};

use crate::command::policy::read;
use crate::context::Context;
use crate::error::Error;
use crate::governed;
use crate::source::Source;

/// The policy of the folder's file, if it is there.
pub fn own(cx: &Context<'_>) -> Result<Option<Policy>, Error> {
    let Some(home) = cx.found_home()? else { return Ok(None) };
    let path = home.policy();
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}

/// The policy that is known before the register is read: the one that was named, as an opinion, or
/// that of the folder, where nothing that is registered could judge in its stead.
pub fn beforehand(
    named: Option<&PathBuf>,
    trust: &Trust,
    cx: &Context<'_>,
) -> Result<Option<Arc<Policy>>, Error> {
    match named {
        Some(path) => Ok(Some(Arc::new(read(path)?))),
        None if trust.governance().is_some() => Ok(None),
        None => crate::command::check::policy(None, cx).map(|policy| Some(Arc::new(policy))),
    }
}

/// The policy that judges for `stage`: the one that was known beforehand, else the one that is
/// active in the register, else that of the folder.
pub fn for_stage(
    beforehand: Option<Arc<Policy>>,
    stage: &StageName,
    governing: &Governing,
    cx: &Context<'_>,
) -> Result<Arc<Policy>, Error> {
    if let Some(policy) = beforehand {
        return Ok(policy);
    }
    // What the register says needs no file, and a broken file does not stand in its way.
    let registered = Rules::new(None).under(governing.activations());
    if registered.is_registered(stage) {
        return registered.policy(stage).map_err(Error::Rules);
    }
    crate::command::check::policy(None, cx).map(Arc::new)
}

/// Refuses to sign by a policy that was brought along where the register says what judges.
pub fn require_active(
    policy: &Policy,
    stage: &StageName,
    governing: &Governing,
) -> Result<(), Error> {
    match governing.activations().active(stage) {
        Some((active, _)) if active.policy != policy.digest() => Err(Error::NotActive {
            stage: stage.clone(),
            active: active.policy,
            named: policy.digest(),
        }),
        _ => Ok(()),
    }
}

/// The policy of each stage for which something judges.
pub type Judging = Vec<(StageName, Arc<Policy>)>;

/// Whom to believe, and the policy of each stage, as far as is known here: by the register where
/// the document is governed, by the files where it is not.
pub fn known(begun: Trust, cx: &Context<'_>) -> Result<(Arc<Trust>, Judging), Error> {
    let own = own(cx)?;
    let (trust, rules) = if begun.governance().is_some() {
        let source = Source::open(cx)?;
        let governing = governed::in_force(&source, &begun, cx)?;
        (Arc::clone(governing.trust()), Rules::new(own).under(governing.activations()))
    } else {
        (Arc::new(begun), Rules::new(own))
    };
    let mut policies = Vec::new();
    for stage in rules.stages() {
        match rules.policy(&stage) {
            Ok(policy) => policies.push((stage, policy)),
            Err(RulesError::None) => {}
            Err(error) => return Err(Error::Rules(error)),
        }
    }
    Ok((trust, policies))
}
