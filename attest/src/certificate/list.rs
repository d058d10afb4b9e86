//! Revocation lists (RFC 5280, section 5) as files: PEM, or DER as most authorities publish them.

use pkcs8::der::Document;
use pkcs8::der::pem::LineEnding;

use super::{CertificateError, blocks};

const LABEL: &str = "X509 CRL";
const BEGIN: &str = "-----BEGIN X509 CRL-----";
const END: &str = "-----END X509 CRL-----";

/// How many revocation lists one text may hold.
pub const MAX_LISTS: usize = 64;

/// The revocation lists in a PEM text, in DER and in their order. Text between them is passed over;
/// what they say is not judged.
///
/// # Errors
/// [`CertificateError::NoList`] when there is none, [`CertificateError::List`] when one is no PEM,
/// [`CertificateError::TooMany`] above [`MAX_LISTS`].
pub fn lists_from_pem(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let found = blocks(pem, [BEGIN, END], MAX_LISTS, |number, der| {
        der.map(drop).ok_or(CertificateError::List(number))
    })?;
    if found.is_empty() { Err(CertificateError::NoList) } else { Ok(found) }
}

/// A file of revocation lists as PEM text: as it is, or the one list in DER that it is.
///
/// # Errors
/// [`CertificateError::NoList`] when it is neither.
pub fn lists_to_pem(bytes: &[u8]) -> Result<String, CertificateError> {
    let is_pem = bytes.windows(BEGIN.len()).any(|part| part == BEGIN.as_bytes());
    if is_pem {
        return String::from_utf8(bytes.to_vec()).map_err(|_| CertificateError::NoList);
    }
    Document::try_from(bytes)
        .and_then(|document| document.to_pem(LABEL, LineEnding::LF))
        .map_err(|_| CertificateError::NoList)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_both_forms() {
        // What is a sequence in DER is not looked into here.
        let der: &[u8] = &[0x30, 3, 2, 1, 7];
        let pem = lists_to_pem(der).unwrap();
        assert_eq!(lists_from_pem(&pem), Ok(vec![der.to_vec()]));
        assert_eq!(lists_to_pem(pem.as_bytes()), Ok(pem.clone()));
        let two = format!("of the root\n{pem}of the other\n{pem}");
        assert_eq!(lists_from_pem(&two).map(|lists| lists.len()), Ok(2));
        let cases = [
            ("nothing", String::new(), CertificateError::NoList),
            ("a certificate", pem.replace("X509 CRL", "CERTIFICATE"), CertificateError::NoList),
            ("no end", pem.replace("-----END", "END"), CertificateError::List(1)),
            ("a second one that is none", format!("{pem}{}", pem.replace("MAM", "M*M")), {
                CertificateError::List(2)
            }),
            ("too many", pem.repeat(MAX_LISTS + 1), CertificateError::TooMany),
        ];
        for (name, text, want) in cases {
            assert_eq!(lists_from_pem(&text), Err(want), "{name}");
        }
        assert_eq!(lists_to_pem(&der[..4]), Err(CertificateError::NoList));
    }
}
