//! Checking Ed25519 signatures, faster for a key that signs again and again.
//!
//! A signature `(R, s)` over `M` by `A` holds when `[s]B - [SHA-512(R, A, M)]A` encodes to `R`
//! (RFC 8032, section 5.1.7, without the cofactor). For a key that has checked many signatures,
//! multiples of `-A` are computed once, as libraries do for `B`. What is accepted is the same, to
//! the bit, as what `VerifyingKey::verify_strict` accepts, which checks the first ones.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::EdwardsBasepointTable;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::SignatureError;

/// After how many signatures the multiples of a key are computed: that takes as long as two dozen
/// checks, of which each is a sixth shorter from then on. They take 30 KiB.
const USES_BEFORE_TABLE: u32 = 128;

/// A key of which it was checked that it is sound: encoded canonically, and not of small order.
pub(super) struct Checker {
    key: VerifyingKey,
    uses: AtomicU32,
    /// Multiples of the negated key.
    multiples: OnceLock<Box<EdwardsBasepointTable>>,
}

impl Checker {
    pub(super) const fn new(key: VerifyingKey) -> Self {
        Self { key, uses: AtomicU32::new(0), multiples: OnceLock::new() }
    }

    pub(super) const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks a signature strictly.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError)?;
        match self.multiples.get() {
            Some(multiples) => self.verify_with(multiples, message, &signature),
            None => {
                // Counting wrong costs nothing but time.
                if self.uses.fetch_add(1, Ordering::Relaxed) == USES_BEFORE_TABLE {
                    self.multiples();
                }
                self.key.verify_strict(message, &signature).map_err(|_| SignatureError)
            }
        }
    }

    fn multiples(&self) -> &EdwardsBasepointTable {
        let make = || Box::new(EdwardsBasepointTable::create(&-self.key.to_edwards()));
        self.multiples.get_or_init(make)
    }

    fn verify_with(
        &self,
        multiples: &EdwardsBasepointTable,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        // A second spelling of `s` would be a second signature.
        let s: Option<Scalar> = Scalar::from_canonical_bytes(*signature.s_bytes()).into();
        let s = s.ok_or(SignatureError)?;
        let mut hash = Sha512::new();
        hash.update(signature.r_bytes());
        hash.update(self.key.as_bytes());
        hash.update(message);
        let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let computed = ED25519_BASEPOINT_TABLE * &s + multiples * &challenge;
        // Encodings that are computed are canonical, so that `R` is when it equals one; it is then
        // this very point, of which strictness asks that it is not of small order.
        let holds = computed.compress().as_bytes() == signature.r_bytes();
        if holds && !computed.is_small_order() { Ok(()) } else { Err(SignatureError) }
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::EdwardsPoint;
    use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
    use proptest::prelude::*;

    use super::*;

    /// Whether both ways of checking accept it; they agree.
    fn accepted(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
        let checker = Checker::new(*key);
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        let strict = key.verify_strict(message, &signature).is_ok();
        let quick = checker.verify_with(checker.multiples(), message, &signature).is_ok();
        assert_eq!(quick, strict, "{signature:?}");
        strict
    }

    fn challenge(r: &EdwardsPoint, key: &EdwardsPoint, message: &[u8]) -> Scalar {
        let parts = [r.compress().as_bytes(), key.compress().as_bytes(), message].concat();
        Scalar::from_bytes_mod_order_wide(&Sha512::digest(parts).into())
    }

    proptest! {
        #[test]
        fn a_signature_holds_for_its_key_and_message_alone(
            seed: [u8; 32], message: Vec<u8>, at in 0..64_usize, flip in 1..=255_u8,
        ) {
            let key = SigningKey::from_bytes(&seed);
            let mut signature = key.sign(&message).to_bytes();
            prop_assert!(accepted(&key.verifying_key(), &message, &signature));
            let other = [&message[..], b"."].concat();
            prop_assert!(!accepted(&key.verifying_key(), &other, &signature));
            signature[at] ^= flip;
            prop_assert!(!accepted(&key.verifying_key(), &message, &signature));
        }
    }

    #[test]
    fn a_second_spelling_of_the_scalar_is_refused() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mut signature = key.sign(b"message").to_bytes();
        assert!(accepted(&key.verifying_key(), b"message", &signature));
        // The order of the group, 2^252 + 27742317777372353535851937790883648493, added to `s`.
        let order: [u8; 32] = (Scalar::ZERO - Scalar::ONE).to_bytes();
        let mut carry = 1_u16;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert!(!accepted(&key.verifying_key(), b"message", &signature));
    }

    #[test]
    fn small_and_mixed_orders_are_judged_as_strictly() {
        let secret = Scalar::from_bytes_mod_order([5; 32]);
        let (mut lax, mut held) = (0, 0);
        for torsion in EIGHT_TORSION {
            // Of mixed order when it is not the first: sound enough to be a key.
            let point = EdwardsPoint::mul_base(&secret) + torsion;
            let key = VerifyingKey::from_bytes(point.compress().as_bytes()).unwrap();
            for (number, small) in (0_u8..32).flat_map(|n| EIGHT_TORSION.map(|small| (n, small))) {
                // Zero at first, so that small orders are among them.
                let known = Scalar::from(number / 2 * 7);
                let r = EdwardsPoint::mul_base(&known) + small;
                let message = [number];
                let s = known + challenge(&r, &point, &message) * secret;
                let signature = [*r.compress().as_bytes(), s.to_bytes()].concat();
                let strict = accepted(&key, &message, &signature);
                let found = Signature::from_slice(&signature).unwrap();
                lax += u32::from(key.verify(&message, &found).is_ok());
                held += u32::from(strict);
                assert!(!(strict && r.is_small_order()));
            }
        }
        // Both kinds were among them.
        assert!(held > 0 && lax > held, "{lax} {held}");
    }

    #[test]
    fn both_ways_are_taken_and_agree() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let checker = Checker::new(key.verifying_key());
        let good = key.sign(b"message").to_bytes();
        for _ in 0..=USES_BEFORE_TABLE {
            assert!(checker.multiples.get().is_none());
            assert_eq!(checker.verify(b"message", &good), Ok(()));
        }
        assert!(checker.multiples.get().is_some());
        assert_eq!(checker.verify(b"message", &good), Ok(()));
        assert_eq!(checker.verify(b"massage", &good), Err(SignatureError));
        assert_eq!(checker.verify(b"message", &good[1..]), Err(SignatureError));
    }
}
