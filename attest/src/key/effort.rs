//! What opening an encrypted key may cost: its file says how much, and anybody can write a file.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;

/// The most rounds of PBKDF2 (RFC 8018, section 5.2) that are computed.
pub const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// The most that scrypt's parameters N, r and p (RFC 7914, section 2) may come to when they are
/// multiplied: 128 bytes of memory for each, so 1 GiB.
pub const MAX_SCRYPT_EFFORT: u64 = 1 << 23;

/// Whether deriving the key that opens this one stays within bounds.
pub(super) fn is_bounded(key: &EncryptedPrivateKeyInfoRef<'_>) -> bool {
    let EncryptionScheme::Pbes2(parameters) = &key.encryption_algorithm else { return false };
    match &parameters.kdf {
        Kdf::Pbkdf2(found) => found.iteration_count <= MAX_PBKDF2_ROUNDS,
        Kdf::Scrypt(found) => found
            .cost_parameter
            .checked_mul(found.block_size.into())
            .and_then(|effort| effort.checked_mul(found.parallelization.into()))
            .is_some_and(|effort| effort <= MAX_SCRYPT_EFFORT),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use pkcs8::SecretDocument;
    use pkcs8::der::pem::LineEnding;
    use pkcs8::pkcs5::pbes2::{Pbkdf2Params, Salt, ScryptParams};

    use super::*;
    use crate::key::{Algorithm, ENCRYPTED_LABEL, KeyError, SigningKey};

    /// The same encrypted key, with another way of deriving what opens it.
    fn with(pem: &str, kdf: Kdf) -> String {
        let (_, document) = SecretDocument::from_pem(pem).unwrap();
        let mut info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).unwrap();
        let EncryptionScheme::Pbes2(parameters) = &mut info.encryption_algorithm else { panic!() };
        parameters.kdf = kdf;
        let changed = SecretDocument::encode_msg(&info).unwrap();
        changed.to_pem(ENCRYPTED_LABEL, LineEnding::LF).unwrap().to_string()
    }

    #[test]
    fn a_key_that_is_dear_to_open_is_refused_before_it_is_tried() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let pem = key.to_pem(Some("words")).unwrap();
        let scrypt = |cost_parameter, block_size, parallelization| {
            let salt = Salt::new([7; 16]).unwrap();
            let key_length = None;
            let all =
                ScryptParams { salt, cost_parameter, block_size, parallelization, key_length };
            Kdf::Scrypt(all)
        };
        let pbkdf2 = |rounds| Kdf::Pbkdf2(Pbkdf2Params::hmac_sha256(rounds, &[7; 16]).unwrap());
        let rows = [
            // Within bounds, and another key: nobody encrypted with it.
            (scrypt(1 << 4, 8, 1), KeyError::PassphraseWrong),
            (scrypt((1 << 4) + 1, 8, 1), KeyError::PassphraseWrong),
            (scrypt(1 << 4, 0, 0), KeyError::PassphraseWrong),
            (pbkdf2(1000), KeyError::PassphraseWrong),
            (scrypt(1 << 24, 1, 1), KeyError::Dear),
            (scrypt(1 << 20, 8, 2), KeyError::Dear),
            (scrypt(1 << 14, 8, u16::MAX), KeyError::Dear),
            (scrypt(1 << 62, 8, 1), KeyError::Dear),
            (pbkdf2(MAX_PBKDF2_ROUNDS + 1), KeyError::Dear),
        ];
        for (kdf, want) in rows {
            let found = SigningKey::from_pem(&with(&pem, kdf.clone()), Some("words"));
            assert_eq!(found.err(), Some(want), "{kdf:?}");
        }
        assert!(SigningKey::from_pem(&pem, Some("words")).is_ok());
    }

    #[test]
    fn the_bounds_themselves_are_within() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let pem = key.to_pem(Some("words")).unwrap();
        let (_, document) = SecretDocument::from_pem(&pem).unwrap();
        let mut info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).unwrap();
        let EncryptionScheme::Pbes2(parameters) = &mut info.encryption_algorithm else { panic!() };
        parameters.kdf = Kdf::Pbkdf2(Pbkdf2Params::hmac_sha256(MAX_PBKDF2_ROUNDS, &[]).unwrap());
        assert!(is_bounded(&info));
    }
}
