//! What a timestamp says (RFC 3161, section 2.4.2), read without judging it: a `TimeStampResp`, or
//! the `TimeStampToken` in it.
//!
//! The token is a signed message (RFC 5652) around a `TSTInfo`. Only what a person or a search asks
//! for is read here; whether anybody made it is for `verify` to say.

use jiff::Timestamp;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::name::Name;

use crate::digest::to_hex;

/// The largest timestamp that is read, in bytes: it may hold certificates.
pub const MAX_TIMESTAMP_BYTES: usize = 64 << 10;
/// How many certificates of one are read.
const MAX_CERTIFICATES: usize = 16;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
const MOMENT: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Fields that are optional are numbered: `[0]`, and inside a `GeneralName` a directory name `[4]`.
const FIRST: u8 = 0xa0;
const DIRECTORY: u8 = 0xa4;

/// `id-signedData`, RFC 5652, section 5.1.
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
/// `id-ct-TSTInfo`, RFC 3161, section 2.4.2.
const TIMESTAMP_INFO: &str = "1.2.840.113549.1.9.16.1.4";

/// What a timestamp says, every part of it a claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimestampClaims {
    /// The time.
    pub time: Timestamp,
    /// The number that the authority gave it, in lowercase hex.
    pub serial: String,
    /// The policy that it follows, an object identifier in dots.
    pub policy: String,
    /// The hash by which it covers something: a word, or an object identifier in dots.
    pub hash: String,
    /// The digest of what it covers.
    pub digest: Vec<u8>,
    /// What the authority calls itself, as RFC 4514 writes names, if it does.
    pub authority: Option<String>,
    /// Who issued the certificate of whoever signed it, and the number of that certificate in
    /// lowercase hex, if that is how the signer is named.
    pub signer: Option<(String, String)>,
    /// The certificates that came with it, in DER.
    pub certificates: Vec<Vec<u8>>,
}

/// The bytes are no timestamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a timestamp (RFC 3161), or one that was not granted")]
pub struct NoTimestamp;

impl TimestampClaims {
    /// What the timestamp in these bytes of DER says.
    ///
    /// # Errors
    /// [`NoTimestamp`] when it is none, or has more than [`MAX_TIMESTAMP_BYTES`].
    pub fn of(der: &[u8]) -> Result<Self, NoTimestamp> {
        Some(der).filter(|der| der.len() <= MAX_TIMESTAMP_BYTES).and_then(read).ok_or(NoTimestamp)
    }

    /// Whether it says that it covers `message`.
    pub fn covers(&self, message: &[u8]) -> bool {
        use sha2::Digest as _;
        match self.hash.as_str() {
            "SHA-256" => sha2::Sha256::digest(message).as_slice() == self.digest,
            "SHA-384" => sha2::Sha384::digest(message).as_slice() == self.digest,
            "SHA-512" => sha2::Sha512::digest(message).as_slice() == self.digest,
            _ => false,
        }
    }
}

fn read(der: &[u8]) -> Option<TimestampClaims> {
    let mut whole = Values(der);
    let outer = whole.take(SEQUENCE)?;
    if !whole.0.is_empty() {
        return None;
    }
    let mut response = Values(outer);
    // A response begins with its status, a token with what it is.
    let mut token = match response.peek()? {
        SEQUENCE => {
            let status = Values(response.take(SEQUENCE)?).take(INTEGER)?;
            // Granted, with changes or without.
            if !matches!(status, [0 | 1]) {
                return None;
            }
            Values(response.take(SEQUENCE)?)
        }
        _ => response,
    };
    if identifier(token.take(IDENTIFIER)?)? != SIGNED_DATA {
        return None;
    }
    let mut data = Values(Values(token.take(FIRST)?).take(SEQUENCE)?);
    data.take(INTEGER)?;
    data.take(SET)?;
    let mut content = Values(data.take(SEQUENCE)?);
    if identifier(content.take(IDENTIFIER)?)? != TIMESTAMP_INFO {
        return None;
    }
    let info = Values(content.take(FIRST)?).take(OCTETS)?;
    let mut certificates = Vec::new();
    if data.peek() == Some(FIRST) {
        let mut held = Values(data.take(FIRST)?);
        while let Some((SEQUENCE, whole, _)) = held.next() {
            if certificates.len() < MAX_CERTIFICATES {
                certificates.push(whole.to_vec());
            }
        }
    }
    let mut claims = claims(info)?;
    claims.certificates = certificates;
    claims.signer = signer(&mut data);
    Some(claims)
}

/// The `TSTInfo`.
fn claims(info: &[u8]) -> Option<TimestampClaims> {
    let mut info = Values(Values(info).take(SEQUENCE)?);
    info.take(INTEGER)?;
    let policy = identifier(info.take(IDENTIFIER)?)?;
    let mut imprint = Values(info.take(SEQUENCE)?);
    let hash = identifier(Values(imprint.take(SEQUENCE)?).take(IDENTIFIER)?)?;
    let digest = imprint.take(OCTETS)?.to_vec();
    let serial = to_hex(info.take(INTEGER)?);
    let time = moment(info.take(MOMENT)?)?;
    let mut authority = None;
    // Accuracy, order and a number of the asker's may stand between.
    while let Some((tag, _, inside)) = info.next() {
        if tag == FIRST {
            let name = Values(inside).take(DIRECTORY)?;
            authority = Some(Name::from_der(name).ok()?.to_string());
        }
    }
    let hash = match hash.as_str() {
        "2.16.840.1.101.3.4.2.1" => "SHA-256".into(),
        "2.16.840.1.101.3.4.2.2" => "SHA-384".into(),
        "2.16.840.1.101.3.4.2.3" => "SHA-512".into(),
        _ => hash,
    };
    let (signer, certificates) = (None, Vec::new());
    Some(TimestampClaims { time, serial, policy, hash, digest, authority, signer, certificates })
}

/// Whom the first signature names, by issuer and number.
fn signer(data: &mut Values<'_>) -> Option<(String, String)> {
    let mut last = None;
    while let Some((tag, _, inside)) = data.next() {
        last = Some(inside).filter(|_| tag == SET);
    }
    let mut signer = Values(Values(last?).take(SEQUENCE)?);
    signer.take(INTEGER)?;
    let mut named = Values(signer.take(SEQUENCE)?);
    let (tag, issuer, _) = named.next()?;
    let issuer = Name::from_der(issuer).ok().filter(|_| tag == SEQUENCE)?;
    Some((issuer.to_string(), to_hex(named.take(INTEGER)?)))
}

fn identifier(bytes: &[u8]) -> Option<String> {
    ObjectIdentifier::from_bytes(bytes).ok().map(|id| id.to_string())
}

/// `20261120120000Z`, with a fraction or without (RFC 3161, section 2.4.2).
fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
    if whole.len() != 14 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (date, time) = whole.split_at(8);
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let date = [part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?].join("-");
    let time = [part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?].join(":");
    let fraction = fraction.map(|digits| format!(".{digits}")).unwrap_or_default();
    format!("{date}T{time}{fraction}Z").parse().ok()
}

/// Values of DER, one after the other.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value's tag, all of it and what is inside. Long tags do not occur here.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // A timestamp is never so large that its length has more than three bytes.
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (inside, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - after.len())?;
        self.0 = after;
        Some((*tag, whole, inside))
    }

    /// What is inside the next value, which must have this tag.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, _, inside) = self.next()?;
        (tag == wanted).then_some(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proposal::tests::tlv;

    fn token(time: &[u8], digest: &[u8]) -> Vec<u8> {
        let hash = tlv(0x30, &[&tlv(6, &[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]])]);
        let imprint = tlv(0x30, &[&hash, &tlv(4, &[digest])]);
        let (one, policy) = (tlv(2, &[&[1]]), tlv(6, &[&[0x2a, 3, 4]]));
        let part = tlv(0x30, &[&tlv(6, &[&[0x55, 4, 3]]), &tlv(0x0c, &[b"clock"])]);
        let name = tlv(0x30, &[&tlv(0x31, &[&part])]);
        let tsa = tlv(0xa0, &[&tlv(0xa4, &[&name])]);
        let info =
            tlv(0x30, &[&one, &policy, &imprint, &tlv(2, &[&[9]]), &tlv(0x18, &[time]), &tsa]);
        let kind = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4]]);
        let content = tlv(0x30, &[&kind, &tlv(0xa0, &[&tlv(4, &[&info])])]);
        let signer = tlv(0x30, &[&one, &tlv(0x30, &[&name, &tlv(2, &[&[0x0a]])])]);
        let certificates = tlv(0xa0, &[&tlv(0x30, &[b"any"])]);
        let parts: [&[u8]; 5] =
            [&one, &tlv(0x31, &[]), &content, &certificates, &tlv(0x31, &[&signer])];
        let data = tlv(0xa0, &[&tlv(0x30, &parts)]);
        let kind = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]]);
        tlv(0x30, &[&kind, &data])
    }

    #[test]
    fn a_timestamp_is_read_and_what_is_none_is_not() {
        let digest = crate::Sha256::of(b"signature");
        let good = token(b"20261120120000.25Z", digest.as_bytes());
        let claims = TimestampClaims::of(&good).unwrap();
        assert_eq!(claims.time.to_string(), "2026-11-20T12:00:00.25Z");
        assert_eq!((claims.serial.as_str(), claims.policy.as_str()), ("09", "1.2.3.4"));
        assert_eq!(claims.authority.as_deref(), Some("CN=clock"));
        assert_eq!(claims.signer, Some(("CN=clock".into(), "0a".into())));
        assert_eq!(claims.certificates, [tlv(0x30, &[b"any"])]);
        assert!(claims.covers(b"signature") && !claims.covers(b"signaturf"));
        let granted = tlv(0x30, &[&tlv(2, &[&[0]])]);
        let refused = tlv(0x30, &[&tlv(2, &[&[2]])]);
        let response = |status: &[u8]| tlv(0x30, &[status, &good]);
        let cases = [
            ("a response", response(&granted), true),
            ("a response that was refused", response(&refused), false),
            ("a byte more", [&good[..], &[0]].concat(), false),
            ("a byte less", good[..good.len() - 1].to_vec(), false),
            ("a month too many", token(b"20261320120000Z", digest.as_bytes()), false),
            ("no zone", token(b"20261120120000", digest.as_bytes()), false),
            ("nothing", Vec::new(), false),
        ];
        for (name, bytes, want) in cases {
            assert_eq!(TimestampClaims::of(&bytes).is_ok(), want, "{name}");
        }
    }
}
