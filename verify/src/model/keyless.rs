//! Models signed without a key: method `sigstore` of OpenSSF Model Signing v1.0, section 4.1.
//!
//! All of the bundle is checked as any keyless bundle is, under the roots of the trust file. What
//! was signed is read only then, and then it is seen whether the signer may say it.

use attest::envelope::{IN_TOTO, pae};
use attest::oms::Model;
use attest::{Sha256, Statement, Timestamp};

use super::ModelRejection;
use crate::error::VerifyError;
use crate::sigstore::{self, SigstoreArtifact, SigstoreBundle};
use crate::trust::Trust;
use crate::verified::{Signer, Verified};

/// How far the signers of a trust file are believed about models.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeylessScope {
    /// As far as it says that they may sign.
    AsGranted,
    /// Whatever they sign: who signed is the whole question.
    Whatever,
}

/// Checks that a model's manifest is authentic: signed by a keyless signer of `trust` that is valid at
/// `now`, with all the evidence right under one of its roots.
///
/// Whether the model is there as it was signed, [`compare`](super::compare) says.
///
/// # Errors
/// [`ModelRejection`] for the first check that fails.
pub fn verify_keyless_model(
    bundle: &SigstoreBundle,
    trust: &Trust,
    scope: KeylessScope,
    now: Timestamp,
) -> Result<Verified<Model>, ModelRejection> {
    let rejected = |reason: String| ModelRejection::Model { reason };
    if !bundle.is_keyless() {
        return Err(ModelRejection::NotKeyless);
    }
    let nothing = || rejected("it is about nothing with a SHA-256 digest".into());
    let (kind, payload) = bundle.statement().ok_or_else(nothing)?;
    if kind != IN_TOTO {
        return Err(rejected(format!("its payload is not `{IN_TOTO}`")));
    }
    // Where to look, and nothing else: a model has one subject, which is held against its files.
    let about = SigstoreArtifact::Digest(bundle.first_subject().ok_or_else(nothing)?);
    let valid = |grant: &crate::trust::Grant| grant.is_valid(now);
    let (signer, proven) = sigstore::keyless(bundle, about, trust, now, valid)?;
    let model = Model::parse(payload).map_err(|error| rejected(error.to_string()))?;
    let signer = match scope {
        KeylessScope::Whatever => signer,
        KeylessScope::AsGranted => {
            let statement =
                Statement::parse(payload).map_err(|error| rejected(error.to_string()))?;
            granted(signer, trust, &statement, now)?
        }
    };
    let body = Sha256::of(&pae(kind, payload));
    let verified = Verified::new(model, body, vec![signer], Vec::new(), Vec::new());
    Ok(verified.with_evidence(proven.entries, proven.times))
}

/// The signer, under the first entry of the trust file that lets it say this.
fn granted(
    signer: Signer,
    trust: &Trust,
    statement: &Statement,
    now: Timestamp,
) -> Result<Signer, ModelRejection> {
    let Some(keyless) = &signer.keyless else {
        return Err(VerifyError::NoTrustedSignature.into());
    };
    let mut why = None;
    for known in trust.matching(keyless).filter(|known| known.is_valid(now)) {
        match known.grant().may().covers(statement) {
            Ok(()) => return Ok(Signer::keyless(known, keyless.clone())),
            Err(what) => why = Some((known.grant().name().to_owned(), what)),
        }
    }
    Err(match why {
        Some((name, what)) => ModelRejection::OutOfScope { name, what },
        None => VerifyError::NoTrustedSignature.into(),
    })
}
