//! A history as it would be, had somebody said something else.
//!
//! Tools ask what a policy would say of evidence that nobody signed: whether a rule can fail at
//! all, what a statement that is missing would change. They take a believed history and change it.
//! What comes of it is another type than the lineage that it was made from: there is no way back,
//! and `policy` answers it with a simulation and not with a decision (THREATS, rule 24). A changed
//! statement keeps the name of its body, so that whatever refers to it still does.

use attest::{Sha256, Statement};

use crate::lineage::{Attestation, History, Lineage};
use crate::trust::{Trust, Window};
use crate::verified::Signer;

/// A history that is only supposed. It can be read and simulated, and decides nothing.
///
/// What is believed can be supposed, and not the other way round:
///
/// ```
/// # use verify::{Lineage, Supposed};
/// fn suppose(lineage: &Lineage) -> Supposed {
///     Supposed::of(lineage)
/// }
/// ```
/// ```compile_fail,E0423
/// # use verify::{Lineage, Supposed};
/// fn believe(supposed: &Supposed) -> Lineage {
///     Lineage(supposed.history().clone())
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Supposed {
    history: History,
}

/// One thing to suppose of a history.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// There is no statement with this body.
    Remove {
        /// The body.
        body: Sha256,
    },
    /// The statement with this body says something else.
    Say {
        /// The body.
        body: Sha256,
        /// What it says.
        statement: Box<Statement>,
    },
    /// Others signed the statement with this body, in the same places of the same logs. What they
    /// may sign is not asked: that is for the trust file to say, and another question.
    Sign {
        /// The body.
        body: Sha256,
        /// Whoever signed it.
        signers: Vec<Signer>,
    },
    /// Everybody's validity goes on for ever, so that what time alone does to the rules is seen.
    Lasting,
    /// Two statements stand in each other's places in the log that orders.
    Swap {
        /// The body of one.
        one: Sha256,
        /// The body of the other.
        other: Sha256,
    },
}

/// Why something cannot be supposed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No such statement is believed.
    #[error("no statement with the body {0} counts in this history")]
    NoSuchBody(
        /// The body.
        Sha256,
    ),
    /// A statement that nobody signed is none.
    #[error("a statement without a signer counts for nothing; remove it instead")]
    NoSigner,
}

impl Supposed {
    /// The history as it is believed, for whoever asks about another time or another policy.
    pub fn of(lineage: &Lineage) -> Self {
        Self { history: (**lineage).clone() }
    }

    /// What is supposed. Values in it look like what they were made from, and are believed by
    /// nobody.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The same with one thing changed. `trust` says who is whose verifier.
    ///
    /// Only what counts can be changed. Everything that the history itself came from stays as it
    /// is: what is revoked, what is inside what, how complete it is.
    ///
    /// # Errors
    /// [`ChangeError`], with nothing changed.
    pub fn with(&self, change: &Change, trust: &Trust) -> Result<Self, ChangeError> {
        let mut history = self.history.clone();
        match change {
            Change::Lasting => history.holds = Window::default(),
            Change::Remove { body } => {
                let place = place(&history, body)?;
                history.attestations.remove(place);
            }
            Change::Say { body, statement } => {
                revise(&mut history, body, trust, |one| {
                    one.verified.suppose((**statement).clone());
                })?;
            }
            Change::Sign { signers, .. } if signers.is_empty() => {
                return Err(ChangeError::NoSigner);
            }
            Change::Sign { body, signers } => {
                let mut signers = signers.clone();
                signers.sort();
                signers.dedup();
                revise(&mut history, body, trust, |one| {
                    one.verified.suppose_signers(&signers);
                    one.signers.clone_from(&signers);
                })?;
            }
            Change::Swap { one, other } => {
                let (first, second) = (place(&history, one)?, place(&history, other)?);
                let index = |at: usize| history.attestations.get(at).and_then(|one| one.index);
                let places = [(first, index(second)), (second, index(first))];
                for (at, index) in places {
                    if let Some(found) = history.attestations.get_mut(at) {
                        found.index = index;
                    }
                }
            }
        }
        history.attestations.sort_by_key(|one| (one.index.unwrap_or(u64::MAX), one.body()));
        Ok(Self { history: history.index() })
    }
}

fn place(history: &History, body: &Sha256) -> Result<usize, ChangeError> {
    let found = history.attestations.iter().position(|one| one.body() == *body);
    found.ok_or(ChangeError::NoSuchBody(*body))
}

/// Changes the attestation with this body, and all that is read out of its statement with it.
fn revise(
    history: &mut History,
    body: &Sha256,
    trust: &Trust,
    change: impl FnOnce(&mut Attestation),
) -> Result<(), ChangeError> {
    let place = place(history, body)?;
    let Some(found) = history.attestations.get_mut(place) else {
        return Err(ChangeError::NoSuchBody(*body));
    };
    change(found);
    let verifier = match &found.statement().predicate {
        attest::Predicate::VerificationSummary(summary) => {
            let id = &summary.verifier.id;
            let named = found.signers.iter().any(|signer| trust.is_by_verifier(id, signer));
            named.then(|| id.clone())
        }
        _ => None,
    };
    let (signers, voided) = (found.signers.clone(), found.voided.clone());
    *found = Attestation::of(found.verified.clone(), signers, found.index, verifier, voided);
    Ok(())
}
