//! What certificates of authorities lead to: keys that stand in certificates alone, and revocation
//! lists, which nobody signed.

use attest::certificate::{CertifiedKey, lists_from_pem, lists_to_pem};
use verify::{RevocationList, RevocationListError};

use super::certificate::tlv;
use super::key;

/// The key of a certificate, RSA among them: one key has one encoding.
pub(super) fn certified_key(bytes: &[u8]) -> bool {
    let Ok(key) = CertifiedKey::from_der(bytes) else { return false };
    assert!(key.verify(b"message", bytes).is_err());
    if let CertifiedKey::Rsa(key) = &key {
        assert_eq!(key.der(), bytes);
    }
    true
}

pub(super) fn certified_keys() -> Vec<Vec<u8>> {
    let id = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]);
    let (modulus, exponent) = (tlv(2, &[&[0], &[0xc3; 256]]), tlv(2, &[&[1, 0, 1]]));
    let numbers = tlv(0x30, &[&modulus, &exponent]);
    let rsa = tlv(0x30, &[&tlv(0x30, &[&id, &tlv(5, &[])]), &tlv(3, &[&[0], &numbers])]);
    key().map(|key| key.public().der().to_vec()).into_iter().chain([rsa]).collect()
}

/// Revocation lists in either form. Nobody is named who could have signed one.
pub(super) fn revocation_list(bytes: &[u8]) -> bool {
    let Ok(lists) = lists_to_pem(bytes).and_then(|pem| lists_from_pem(&pem)) else { return false };
    let read = |der: &Vec<u8>| {
        let found = RevocationList::of(der, 1, &[]);
        matches!(found, Err(RevocationListError::Stranger { .. }))
    };
    lists.iter().all(read)
}

pub(super) fn revocation_lists() -> Vec<Vec<u8>> {
    let algorithm = tlv(0x30, &[&tlv(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let common = tlv(0x30, &[&tlv(6, &[&[0x55, 4, 3]]), &tlv(0x0c, &[b"some issuer"])]);
    let issuer = tlv(0x30, &[&tlv(0x31, &[&common])]);
    let extension =
        |last: u8, value: &[u8]| tlv(0x30, &[&tlv(6, &[&[0x55, 0x1d, last]]), &tlv(4, &[value])]);
    let time = |text: &[u8]| tlv(0x17, &[text]);
    let why = tlv(0x30, &[&extension(0x15, &tlv(0x0a, &[&[4]]))]);
    let bare = tlv(0x30, &[&tlv(2, &[&[7]]), &time(b"260101000000Z")]);
    let said = tlv(0x30, &[&tlv(2, &[&[8]]), &time(b"260101000000Z"), &why]);
    let kept = extension(0x3c, &tlv(0x18, &[b"20260101000000Z"]));
    let extensions = tlv(0x30, &[&extension(0x14, &tlv(2, &[&[1]])), &kept]);
    let parts: [&[u8]; 7] = [
        &tlv(2, &[&[1]]),
        &algorithm,
        &issuer,
        &time(b"260101000000Z"),
        &time(b"270101000000Z"),
        &tlv(0x30, &[&bare, &said]),
        &tlv(0xa0, &[&extensions]),
    ];
    let list = tlv(0x30, &[&tlv(0x30, &parts), &algorithm, &tlv(3, &[&[0, 0]])]);
    lists_to_pem(&list).map(String::into_bytes).into_iter().chain([list]).collect()
}
