//! Asking for the time (RFC 3161, section 2.4).
//!
//! What is looked at here is whether the answer is to this question: granted, over this digest and
//! with this number, so that it cannot be an old one. Whose signature it is, and whether it is good,
//! is for those who verify the bundle.

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

use crate::digest::Sha256;
use crate::key::KeyError;

/// The largest answer, in bytes.
pub const MAX_TIMESTAMP_BYTES: usize = 64 << 10;
/// How many fields of one structure are read.
const MAX_FIELDS: usize = 16;

/// What stands before the digest in a query: version 1, and SHA-256 as the algorithm.
const BEFORE_DIGEST: &[u8] = b"\x30\x43\x02\x01\x01\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
/// What stands between the digest and the eight bytes of the number.
const BEFORE_NUMBER: &[u8] = b"\x02\x08";
/// What stands at the end: the authority's certificate is wanted.
const AFTER_NUMBER: &[u8] = b"\x01\x01\xff";

/// RFC 5652, section 5.1.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// RFC 3161, section 2.4.2.
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A question for the time at which a signature was there.
#[derive(Clone, Debug)]
pub struct TimestampQuery {
    digest: Sha256,
    number: [u8; 8],
}

/// Why an answer is not one to the question.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampAnswerError {
    /// Not a `TimeStampResp` with a token.
    #[error("it is not what a timestamp authority answers (RFC 3161, section 2.4.2)")]
    Malformed,
    /// The authority does not want to.
    #[error("the authority refuses (status {0}; RFC 3161, section 2.4.2)")]
    Refused(
        /// `PKIStatus`.
        u8,
    ),
    /// About something else.
    #[error("the timestamp is over another digest")]
    OtherDigest,
    /// To another question.
    #[error(
        "the timestamp answers another question: its number is not the one that was asked with"
    )]
    OtherNumber,
}

impl TimestampQuery {
    /// The question about `signature`.
    ///
    /// # Errors
    /// [`KeyError::Library`] when the system gives no random numbers.
    pub fn new(signature: &[u8]) -> Result<Self, KeyError> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|_| KeyError::Library)?;
        // Positive, and as short as DER wants it.
        number[0] = number[0] & 0x3f | 0x40;
        Ok(Self { digest: Sha256::of(signature), number })
    }

    /// The `TimeStampReq` in DER.
    pub fn der(&self) -> Vec<u8> {
        [BEFORE_DIGEST, self.digest.as_bytes(), BEFORE_NUMBER, &self.number, AFTER_NUMBER].concat()
    }

    /// Whether a `TimeStampResp` in DER is an answer to this question.
    ///
    /// # Errors
    /// [`TimestampAnswerError`].
    pub fn require_answer(&self, answer: &[u8]) -> Result<(), TimestampAnswerError> {
        let [digest, number] = answered(answer)?;
        if digest != self.digest.as_bytes() {
            return Err(TimestampAnswerError::OtherDigest);
        }
        if number != self.number {
            return Err(TimestampAnswerError::OtherNumber);
        }
        Ok(())
    }
}

/// The digest and the number in an answer; an empty one where there is none.
fn answered(answer: &[u8]) -> Result<[&[u8]; 2], TimestampAnswerError> {
    let malformed = TimestampAnswerError::Malformed;
    if answer.len() > MAX_TIMESTAMP_BYTES {
        return Err(malformed);
    }
    let response = within(answer, Tag::Sequence).ok_or(malformed.clone())?;
    let response = fields(response).ok_or(malformed.clone())?;
    let status = response.first().filter(|field| field.tag() == Tag::Sequence);
    let status = status.and_then(|status| fields(status.value())).ok_or(malformed.clone())?;
    match status.first().map(|field| (field.tag(), field.value())) {
        // Granted, with or without changes.
        Some((Tag::Integer, [0 | 1])) => {}
        Some((Tag::Integer, [status])) => return Err(TimestampAnswerError::Refused(*status)),
        _ => return Err(malformed),
    }
    let told = response.get(1).and_then(told).ok_or(malformed.clone())?;
    let told = fields(told).ok_or(malformed.clone())?;
    let imprint = told.get(2).and_then(|imprint| fields(imprint.value()));
    let imprint = imprint.ok_or(malformed.clone())?;
    let digest = imprint.get(1).filter(|field| field.tag() == Tag::OctetString);
    let digest = digest.ok_or(malformed)?.value();
    // After the time, no other number stands on its own.
    let after = told.iter().skip_while(|field| field.tag() != Tag::GeneralizedTime);
    let number = after.into_iter().find(|field| field.tag() == Tag::Integer);
    Ok([digest, number.map_or(&[][..], |number| number.value())])
}

/// The `TSTInfo` in a `ContentInfo`.
fn told<'a>(token: &AnyRef<'a>) -> Option<&'a [u8]> {
    let content = fields(token.value())?;
    let [kind, content] = content.as_slice() else { return None };
    let data = kind.decode_as::<ObjectIdentifier>().ok() == Some(SIGNED_DATA);
    let data = data.then(|| within(explicit(content)?, Tag::Sequence))??;
    let data = fields(data)?;
    let encapsulated = fields(data.get(2)?.value())?;
    let [kind, content] = encapsulated.as_slice() else { return None };
    let is_told = kind.decode_as::<ObjectIdentifier>().ok() == Some(TST_INFO);
    let octets = is_told.then(|| within(explicit(content)?, Tag::OctetString))??;
    within(octets, Tag::Sequence)
}

/// What is in an explicit `[0]`.
fn explicit<'a>(field: &AnyRef<'a>) -> Option<&'a [u8]> {
    let tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    (field.tag() == tag).then(|| field.value())
}

/// What is in the one value of this tag that the bytes are.
fn within(bytes: &[u8], tag: Tag) -> Option<&[u8]> {
    let found = AnyRef::from_der(bytes).ok()?;
    (found.tag() == tag).then(|| found.value())
}

/// The values in a structure, at most [`MAX_FIELDS`].
fn fields(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        if found.len() == MAX_FIELDS {
            return None;
        }
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proposal::tests::tlv;

    /// An answer in which nothing is signed.
    pub(in crate::keyless) fn answer(status: u8, digest: &[u8], number: &[u8]) -> Vec<u8> {
        let oid = |oid: ObjectIdentifier| tlv(6, &[oid.as_bytes()]);
        let imprint = tlv(0x30, &[&tlv(0x30, &[&oid(SIGNED_DATA)]), &tlv(4, &[digest])]);
        let time = tlv(0x18, &[b"20260101000000Z"]);
        let (version, policy) = (tlv(2, &[&[1]]), oid(SIGNED_DATA));
        let told =
            tlv(0x30, &[&version, &policy, &imprint, &tlv(2, &[&[7]]), &time, &tlv(2, &[number])]);
        let encapsulated = tlv(0x30, &[&oid(TST_INFO), &tlv(0xa0, &[&tlv(4, &[&told])])]);
        let data = tlv(0x30, &[&tlv(2, &[&[3]]), &tlv(0x31, &[]), &encapsulated, &tlv(0x31, &[])]);
        let token = tlv(0x30, &[&oid(SIGNED_DATA), &tlv(0xa0, &[&data])]);
        tlv(0x30, &[&tlv(0x30, &[&tlv(2, &[&[status]])]), &token])
    }

    #[test]
    fn only_the_answer_to_this_question_is_taken() {
        let query = TimestampQuery::new(b"signature").unwrap();
        let der = query.der();
        assert_eq!(der.len(), usize::from(der[1]) + 2);
        let (digest, number) = (query.digest.as_bytes().to_vec(), query.number);
        let mut other = digest.clone();
        other[31] ^= 1;
        let good = answer(0, &digest, &number);
        let cases = [
            ("granted", good.clone(), Ok(())),
            ("granted with changes", answer(1, &digest, &number), Ok(())),
            ("refused", answer(2, &digest, &number), Err(TimestampAnswerError::Refused(2))),
            ("another digest", answer(0, &other, &number), Err(TimestampAnswerError::OtherDigest)),
            (
                "another number",
                answer(0, &digest, &number[1..]),
                Err(TimestampAnswerError::OtherNumber),
            ),
            (
                "no token",
                tlv(0x30, &[&tlv(0x30, &[&tlv(2, &[&[0]])])]),
                Err(TimestampAnswerError::Malformed),
            ),
            ("nothing", Vec::new(), Err(TimestampAnswerError::Malformed)),
            ("cut short", good[..good.len() - 1].to_vec(), Err(TimestampAnswerError::Malformed)),
            ("one byte more", [&good[..], &[0]].concat(), Err(TimestampAnswerError::Malformed)),
        ];
        for (name, answer, want) in cases {
            assert_eq!(query.require_answer(&answer), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(at in 0..150_usize, byte in any::<u8>(), any in prop::collection::vec(any::<u8>(), 0..200)) {
            let query = TimestampQuery::new(b"signature").unwrap();
            let _ = query.require_answer(&any);
            let mut changed = answer(0, query.digest.as_bytes(), &query.number);
            let place = at % changed.len();
            changed[place] = byte;
            let _ = query.require_answer(&changed);
        }
    }
}
