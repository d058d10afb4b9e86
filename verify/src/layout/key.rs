//! Signatures by the keys of layouts.

use attest::PublicKey;
use attest::in_toto::{LayoutKey, Material, RsaScheme};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};

/// What checks the signatures of one key.
pub(super) enum Checker<'a> {
    Plain(&'a PublicKey),
    Rsa(Box<ParsedPublicKey>),
}

impl<'a> Checker<'a> {
    /// The checker for a key; the reason when there is none.
    pub(super) fn of(key: &'a LayoutKey) -> Result<Self, String> {
        match key.material() {
            Material::Plain(key) => Ok(Self::Plain(key)),
            Material::Rsa { der, scheme } => {
                let parsed = match scheme {
                    RsaScheme::Pss => ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, der),
                    RsaScheme::Pkcs1 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der),
                };
                parsed.map(|key| Self::Rsa(Box::new(key))).map_err(|why| why.to_string())
            }
            Material::Unusable(why) => Err(why.to_string()),
        }
    }

    /// Whether `signature` is by the key over `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Plain(key) => key.verify(message, signature).is_ok(),
            Self::Rsa(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    #[test]
    fn rsa_signatures_are_of_the_scheme_of_the_key() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        let key = |scheme: RsaScheme| {
            LayoutKey::from_json(&json!({
                "keyid": "ab", "keytype": "rsa", "scheme": scheme.as_str(), "keyval": {"public": pem},
            }))
            .unwrap()
        };
        let sign = |how| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(how, &SystemRandom::new(), b"message", &mut signature).unwrap();
            signature
        };
        let signatures = [
            (sign(&RSA_PSS_SHA256), Some(RsaScheme::Pss)),
            (sign(&RSA_PKCS1_SHA256), Some(RsaScheme::Pkcs1)),
            (sign(&RSA_PSS_SHA384), None),
            (sign(&RSA_PKCS1_SHA512), None),
        ];
        for scheme in [RsaScheme::Pss, RsaScheme::Pkcs1] {
            let key = key(scheme);
            let checker = Checker::of(&key).unwrap();
            for (signature, of) in &signatures {
                assert_eq!(
                    checker.signed(b"message", signature),
                    *of == Some(scheme),
                    "{scheme:?}"
                );
                assert!(!checker.signed(b"massage", signature));
                assert!(!checker.signed(b"message", &signature[1..]));
            }
            assert!(!checker.signed(b"message", &[]));
        }
    }
}
