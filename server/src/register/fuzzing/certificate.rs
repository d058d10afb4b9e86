//! A certificate that nobody issued and a timestamp that nobody signed, to read claims from.

use attest::PublicKey;
use attest::timestamp::TimestampClaims;

/// What a timestamp claims.
pub(super) fn timestamp(bytes: &[u8]) -> bool {
    let Ok(claims) = TimestampClaims::of(bytes) else { return false };
    let _ = claims.covers(bytes);
    true
}

/// A token (RFC 3161, section 2.4.2) without a signature.
pub(super) fn timestamps() -> Vec<Vec<u8>> {
    let hash = tlv(0x30, &[&tlv(6, &[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]])]);
    let imprint = tlv(0x30, &[&hash, &tlv(4, &[&[7; 32]])]);
    let (one, policy) = (tlv(2, &[&[1]]), tlv(6, &[&[0x2a, 3, 4]]));
    let time = tlv(0x18, &[b"20261120120000Z"]);
    let info = tlv(0x30, &[&one, &policy, &imprint, &one, &time]);
    let kind = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4]]);
    let content = tlv(0x30, &[&kind, &tlv(0xa0, &[&tlv(4, &[&info])])]);
    let data = tlv(0x30, &[&one, &tlv(0x31, &[]), &content, &tlv(0x31, &[])]);
    let kind = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]]);
    let token = tlv(0x30, &[&kind, &tlv(0xa0, &[&data])]);
    let granted = tlv(0x30, &[&tlv(2, &[&[0]])]);
    vec![tlv(0x30, &[&granted, &token]), token]
}

/// A value of DER with its tag and length.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let low = |length: usize| u8::try_from(length & 0xff).unwrap_or(u8::MAX);
    let head = match length {
        0..128 => vec![tag, low(length)],
        128..256 => vec![tag, 0x81, low(length)],
        _ => vec![tag, 0x82, low(length >> 8), low(length)],
    };
    [head, content].concat()
}

/// A certificate of `key`, which nobody signed, that names `name` and its `issuer`.
pub(in super::super) fn certificate(name: &str, issuer: &str, key: &PublicKey) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&tlv(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let version = tlv(0xa0, &[&tlv(2, &[&[2]])]);
    let time = tlv(0x17, &[b"260101000000Z"]);
    let validity = tlv(0x30, &[&time, &time]);
    let (nobody, serial) = (tlv(0x30, &[]), tlv(2, &[&[1]]));
    let extension = |id: &[u8], value: &[u8]| tlv(0x30, &[&tlv(6, &[id]), &tlv(4, &[value])]);
    let names = tlv(0x30, &[&tlv(0x81, &[name.as_bytes()])]);
    let names = extension(&[0x55, 0x1d, 0x11], &names);
    let issuer = tlv(0x0c, &[issuer.as_bytes()]);
    let issuer = extension(&[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 8], &issuer);
    let extensions = tlv(0xa3, &[&tlv(0x30, &[&names, &issuer])]);
    let parts: [&[u8]; 8] =
        [&version, &serial, &algorithm, &nobody, &validity, &nobody, key.der(), &extensions];
    tlv(0x30, &[&tlv(0x30, &parts), &algorithm, &tlv(3, &[&[0, 0]])])
}
