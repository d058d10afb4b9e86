//! What signers without a key say against artifacts, keys and attestations: whoever an authority or
//! a Sigstore instance vouches for.
//!
//! Their bundles stand in the log whole ([`attest::carried`]), under leaves that everybody can tell
//! from others. So the body of every such leaf must be there, whoever signed inside; and who did is
//! known here from the bundle alone, at the times that its own evidence proves. No `now` is needed:
//! a statement whose proven time is still to come is heeded here, where that can only deny.
//!
//! A certificate that only `now` judges, or the witnesses of a log, has no proven time here. What
//! it signed must be supplied as long as the certificate holds; it revokes nothing, because nobody
//! could tell later whether it held.

use std::sync::Arc;

use attest::carried::carried;
use attest::envelope::IN_TOTO;
use attest::predicate::REVOCATION;
use attest::{Bundle, Envelope, Leaf, Sha256, Statement};

use super::{Follower, NEGATIVE_TYPES, Voice, may_be};
use crate::bundle::signed_without_key;
use crate::trust::{CertifiedSigner, Grant, Trust, TrustedSigner};
use crate::verified::Signer;

impl Follower {
    /// Reads a leaf that carries a bundle.
    pub(super) fn read_carried(&mut self, index: u64, leaf: &Leaf, body: Option<&[u8]>) {
        let revoking = self.revoking(index);
        let speaks = |trust: &Trust| NEGATIVE_TYPES.iter().any(|one| lets_say(trust, one));
        if !speaks(&self.trust) && !revoking.iter().any(|trust| lets_say(trust, REVOCATION)) {
            return;
        }
        let Some(pae) = body.filter(|body| leaf.covers(body)) else {
            return self.await_tombstone(index, leaf);
        };
        // The bytes are there and carry no bundle: whatever they say, it is no statement.
        let Ok(envelope) = Envelope::from_pae(pae) else { return };
        let Ok(Some(bundle)) = carried(&envelope) else { return };
        let said = &bundle.envelope;
        if said.payload_type != IN_TOTO || !may_be(&NEGATIVE_TYPES, &said.payload) {
            return;
        }
        match Statement::parse(&said.payload) {
            Ok(statement) => {
                let kind = statement.predicate_type();
                let Some(signer) = self.heard(&bundle, kind, &revoking) else { return };
                let certified = signer.certified.as_ref();
                let timed = certified.is_none_or(|certified| certified.window.is_none());
                let voice = Voice { signer, revokes: timed, buries: false, speaks: true };
                self.note(index, Sha256::of(&said.pae()), &voice, &statement);
            }
            // Signed by somebody who may revoke, and nobody can tell what it revokes.
            Err(_) if may_be(&[REVOCATION], &said.payload) => {
                if self.heard(&bundle, REVOCATION, &revoking).is_some() {
                    self.miss(index);
                }
            }
            Err(_) => {}
        }
    }

    /// Whoever signed, if they may say such a thing and were not revoked before.
    fn heard(&self, bundle: &Bundle, kind: &str, revoking: &[Arc<Trust>]) -> Option<Signer> {
        let earlier = revoking.iter().filter(|_| kind == REVOCATION);
        let mut documents = std::iter::once(&self.trust).chain(earlier);
        let may = |grant: &Grant| grant.may().predicates.has(kind);
        let signer = documents.find_map(|trust| signed_without_key(bundle, trust, may))?;
        let own = signer.certified.as_ref().map(|certified| certified.key);
        let mut keys = [Some(signer.key), own].into_iter().flatten();
        let void = keys.any(|key| self.negatives.of_key(&key).is_some());
        (!void).then_some(signer)
    }

    /// The earlier documents that were in force at this place: what was revoked validly by them
    /// stays so.
    fn revoking(&self, index: u64) -> Vec<Arc<Trust>> {
        let here = self.periods.iter().filter(|(_, within)| within.contains(&index));
        here.map(|(trust, _)| Arc::clone(trust)).collect()
    }
}

/// Whether the document lets anybody without a key say this.
fn lets_say(trust: &Trust, predicate: &str) -> bool {
    let keyless = trust.signers().iter().map(TrustedSigner::grant);
    let mut grants = keyless.chain(trust.certified_signers().iter().map(CertifiedSigner::grant));
    grants.any(|grant| grant.may().predicates.has(predicate))
}
