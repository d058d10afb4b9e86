//! The public half of a key in a token: its public key object, or else its certificate.

use attest::{Algorithm, PublicKey, certificate};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};

use super::{Opened, TokenError, TokenKey};

/// What CKA_EC_PARAMS is for each kind of key: an object identifier in DER (RFC 5480, section
/// 2.1.1; RFC 8410, section 3), or the curve's name as earlier tokens write it (PKCS#11 v3.0,
/// section 2.3.10).
const CURVES: [(&[u8], Algorithm); 5] = [
    (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", Algorithm::P256),
    (b"\x06\x05\x2b\x81\x04\x00\x22", Algorithm::P384),
    (b"\x06\x05\x2b\x81\x04\x00\x23", Algorithm::P521),
    (b"\x06\x03\x2b\x65\x70", Algorithm::Ed25519),
    (b"\x13\x0cedwards25519", Algorithm::Ed25519),
];

impl Opened {
    /// The public half of the key that is meant, as far as it is seen without a PIN.
    pub(super) fn public_by_name(&self, key: &TokenKey) -> Result<Option<PublicKey>, TokenError> {
        for class in [ObjectClass::PUBLIC_KEY, ObjectClass::CERTIFICATE] {
            match self.find(key.attributes(class))?.as_slice() {
                [] => {}
                [one] => return self.read(*one, class).map(Some),
                several => {
                    let count = several.len();
                    return Err(TokenError::SeveralKeys { token: self.label(), count });
                }
            }
        }
        Ok(None)
    }

    /// The public half of a private key, which has the same identifier (PKCS#11, CKA_ID).
    pub(super) fn public(&self, private: ObjectHandle) -> Result<PublicKey, TokenError> {
        let missing = || TokenError::NoPublic(self.label());
        let found = self.session.get_attributes(private, &[AttributeType::Id])?;
        let id = found.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(id) if !id.is_empty() => Some(id),
            _ => None,
        });
        let id = id.ok_or_else(missing)?;
        for class in [ObjectClass::PUBLIC_KEY, ObjectClass::CERTIFICATE] {
            let found = self.find(vec![Attribute::Class(class), Attribute::Id(id.clone())])?;
            if let Some(first) = found.first() {
                return self.read(*first, class);
            }
        }
        Err(missing())
    }

    fn read(&self, object: ObjectHandle, class: ObjectClass) -> Result<PublicKey, TokenError> {
        if class == ObjectClass::CERTIFICATE {
            let found = self.session.get_attributes(object, &[AttributeType::Value])?;
            let der = found.into_iter().find_map(|attribute| match attribute {
                Attribute::Value(der) => Some(der),
                _ => None,
            });
            let der = der.ok_or_else(|| TokenError::NoPublic(self.label()))?;
            return Ok(certificate::public_key(&der)?);
        }
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        let (mut curve, mut point) = (Vec::new(), Vec::new());
        for attribute in self.session.get_attributes(object, &wanted)? {
            match attribute {
                Attribute::EcParams(bytes) => curve = bytes,
                Attribute::EcPoint(bytes) => point = bytes,
                _ => {}
            }
        }
        let known = CURVES.iter().find(|(params, _)| *params == curve);
        let (_, algorithm) = known.ok_or_else(|| TokenError::Kind(self.label()))?;
        // A bare point is told by its length, which a wrapped one has not.
        PublicKey::from_raw(*algorithm, &point)
            .or_else(|_| PublicKey::from_raw(*algorithm, unwrapped(&point)))
            .map_err(TokenError::Public)
    }
}

/// The point in an OCTET STRING in DER, as PKCS#11 asks for. Some tokens leave the wrapping out.
fn unwrapped(point: &[u8]) -> &[u8] {
    let length = |rest: &[u8]| u8::try_from(rest.len()).ok();
    match point {
        [4, 0x81, size, rest @ ..] if *size >= 0x80 && length(rest) == Some(*size) => rest,
        [4, size, rest @ ..] if *size < 0x80 && length(rest) == Some(*size) => rest,
        bare => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_with_and_without_their_wrapping() {
        let point = |length: usize| [&[4][..], &vec![7; length - 1]].concat();
        let wrapped = |head: &[u8], length| [head, &point(length)].concat();
        let cases = [
            ("P-256", wrapped(&[4, 65], 65), point(65)),
            ("P-384", wrapped(&[4, 97], 97), point(97)),
            ("P-521", wrapped(&[4, 0x81, 133], 133), point(133)),
            ("bare", point(65), point(65)),
            ("a wrong length", wrapped(&[4, 64], 65), wrapped(&[4, 64], 65)),
        ];
        for (name, bytes, want) in cases {
            assert_eq!(unwrapped(&bytes), want, "{name}");
        }
    }
}
