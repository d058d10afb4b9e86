//! Whom the policy believes: signers by their names in the trust file, and what it asks of them
//! besides.
//!
//! Trust says who exists and at most what they may do. A policy can only narrow that: a name that
//! it does not list is nobody, and a signer of whom something else is true is not the one that it
//! means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attest::KeyId;
use verify::{Attestation, Pattern, Signer};

/// Why a statement does not count whose signers a rule does not name.
pub(crate) const NOBODY: &str = "by nobody whom the policy names, or in no log";

/// Signers that a rule wants.
#[derive(Clone, Debug)]
pub(crate) struct Whom {
    /// Names in the trust file; `None` for whoever it lets sign.
    pub(crate) any_of: Option<Vec<String>>,
    /// What the policy asks of each; `None` where it takes them as the trust file has them.
    pub(crate) narrowed: Option<Arc<Narrowed>>,
}

/// All signers that a policy believes.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    pub(crate) signers: BTreeMap<String, Narrowing>,
    /// Whose summaries count; `None` for every verifier of the trust file.
    pub(crate) verifiers: Option<Vec<VerifierPair>>,
}

/// What must be true of a signer of some name.
#[derive(Clone, Debug)]
pub(crate) struct Narrowing {
    pub(crate) key: Option<KeyId>,
    pub(crate) issuer: Option<String>,
    /// The name of the authority in the trust file.
    pub(crate) authority: Option<String>,
    pub(crate) identity: Option<Pattern>,
}

/// A verifier is a signer together with an id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct VerifierPair {
    pub(crate) signer: String,
    pub(crate) id: String,
}

impl Whom {
    /// Whether `signer` is one of them.
    pub(crate) fn admits(&self, signer: &Signer) -> bool {
        self.any_of.as_ref().is_none_or(|names| names.contains(&signer.name))
            && self.narrowed.as_ref().is_none_or(|narrowed| narrowed.admits(signer))
    }

    /// Whether somebody of this name may be one of them, whose certificate nobody has seen.
    pub(crate) fn may_admit(&self, name: &str) -> bool {
        let narrowing = |narrowed: &Arc<Narrowed>| {
            narrowed.signers.get(name).is_some_and(|narrowing| narrowing.key.is_none())
        };
        self.any_of.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
            && self.narrowed.as_ref().is_none_or(narrowing)
    }

    /// Whether `signer` is one of them, with a signature of `attestation` that a trusted log holds.
    pub(crate) fn counts(&self, attestation: &Attestation, signer: &Signer) -> bool {
        self.admits(signer) && is_logged(attestation, signer)
    }

    /// Whether one of them signed `attestation`, under a signature that a trusted log holds.
    pub(crate) fn stand_behind(&self, attestation: &Attestation) -> bool {
        attestation.signers.iter().any(|one| self.counts(attestation, one))
    }

    /// The owners of those of them who signed `attestation` in a trusted log.
    pub(crate) fn owners<'a>(&self, attestation: &'a Attestation) -> BTreeSet<&'a str> {
        let count = |one: &&Signer| self.counts(attestation, one);
        attestation.signers.iter().filter(count).map(|one| one.owner.as_str()).collect()
    }

    /// Them, in words.
    pub(crate) fn words(&self) -> String {
        match &self.any_of {
            Some(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(" or ")
            }
            None => "whoever may".into(),
        }
    }

    /// Their names; empty for whoever may.
    pub(crate) fn names(&self) -> Vec<String> {
        self.any_of.clone().unwrap_or_default()
    }
}

impl Narrowed {
    pub(crate) fn admits(&self, signer: &Signer) -> bool {
        self.signers.get(&signer.name).is_some_and(|narrowing| narrowing.admits(signer))
    }

    /// Whether the summary `attestation` is by a verifier whom the policy believes. That the
    /// trust file has the pair, `verify` has seen to.
    pub(crate) fn admits_verifier(&self, attestation: &Attestation) -> bool {
        let Some(id) = &attestation.verifier else { return false };
        let admitted = |signer: &Signer| {
            let named = |pair: &VerifierPair| pair.signer == signer.name && pair.id == *id;
            self.admits(signer)
                && self.verifiers.as_ref().is_none_or(|pairs| pairs.iter().any(named))
        };
        attestation.signers.iter().any(admitted)
    }
}

impl Narrowing {
    fn admits(&self, signer: &Signer) -> bool {
        let keyless = signer.keyless.as_ref();
        let issuer = |wanted: &String| keyless.is_some_and(|found| found.issuer == *wanted);
        let certified = signer.certified.as_ref();
        let authority = |wanted: &String| certified.is_some_and(|one| one.authority == *wanted);
        let subject = |wanted: &Pattern| {
            keyless.is_some_and(|one| wanted.matches(&one.subject))
                || certified.is_some_and(|one| wanted.matches(&one.name))
        };
        // Whoever has a certificate for each signature has no key that stays.
        let key =
            |wanted: &KeyId| keyless.is_none() && certified.is_none() && signer.key == *wanted;
        self.key.as_ref().is_none_or(key)
            && self.issuer.as_ref().is_none_or(issuer)
            && self.authority.as_ref().is_none_or(authority)
            && self.identity.as_ref().is_none_or(subject)
    }
}

/// A signer in words: its name in the trust file, and the name that its certificate has, by whom.
pub(crate) fn shown(signer: &Signer) -> String {
    let Signer { name, keyless, certified, .. } = signer;
    match (keyless, certified) {
        (Some(one), _) => format!("`{name}` ({} by {})", one.subject, one.issuer),
        (None, Some(one)) => format!("`{name}` ({} by {})", one.name, one.authority),
        (None, None) => format!("`{name}`"),
    }
}

/// Whether a trusted log holds the signature of `signer`.
pub(crate) fn is_logged(attestation: &Attestation, signer: &Signer) -> bool {
    attestation.index.is_some()
        && attestation.verified.logged().iter().any(|entry| entry.key == signer.key)
}
