//! Cosignatures: what a witness says about a checkpoint, and when it said it.
//!
//! Source: C2SP tlog-cosignature, the Ed25519 kind (`cosignature/v1`, key type 0x04). The signed
//! message is a header line, a time line and the whole text of the checkpoint's note; the
//! signature is the time (eight bytes, big-endian) and the 64 bytes of Ed25519. It says that at
//! that time this was the largest consistent tree of the log that the witness had seen. The name
//! of the witness is not part of the message, so that one key must not have two names.
//!
//! A line by an unknown key is ignored; a line that names a known key and does not hold rejects
//! the whole note, as with signatures by the log. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use crate::key::{PublicKey, SigningKey};
use crate::note::{Note, NoteError, NoteSignature, key_hash, parse_key, write_key};

/// The type of the key (C2SP tlog-cosignature, "Format").
const KIND: u8 = 0x04;
/// The latest time that a cosignature can have, in seconds since 1970.
pub const MAX_TIME: u64 = i64::MAX as u64;

/// The key that checks a witness's cosignatures: a name and an Ed25519 key.
///
/// Text form is that of a verifier key, `<name>+<key hash in hex>+<base64 of type and key>`, with
/// type 0x04.
#[derive(Clone, Eq, PartialEq)]
pub struct CosignerKey {
    name: String,
    hash: [u8; 4],
    key: PublicKey,
}

/// Cosigns checkpoints under a name.
#[derive(Debug)]
pub struct Cosigner {
    key: SigningKey,
    verifier: CosignerKey,
}

impl CosignerKey {
    /// The key `key` under `name`.
    ///
    /// # Errors
    /// [`NoteError::Name`] for a name that a note cannot carry, [`NoteError::Key`] unless the key
    /// is Ed25519.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        let hash = key_hash(name, KIND, &key)?;
        Ok(Self { name: name.into(), hash, key })
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether a signature line says that it is by this key.
    pub fn is_named_by(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.hash == self.hash
    }

    /// When this witness cosigned the text of `note`, in seconds since 1970: the newest time if
    /// there are several lines, `None` if there is none.
    ///
    /// # Errors
    /// [`NoteError::Broken`] when a line names the key and does not hold.
    pub fn cosigned(&self, note: &Note) -> Result<Option<u64>, NoteError> {
        let lines = note.signatures.iter().filter(|line| self.is_named_by(line));
        let times = lines.map(|line| self.verify(&note.text, line));
        times.collect::<Result<Vec<u64>, _>>().map(|times| times.into_iter().max())
    }

    /// Checks one line over the text of a note, and says when it was made, in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::Broken`] when the line is not by this key over this text, or its time is
    /// beyond [`MAX_TIME`].
    pub fn verify(&self, text: &str, line: &NoteSignature) -> Result<u64, NoteError> {
        let broken = || NoteError::Broken(self.name.clone());
        if !self.is_named_by(line) {
            return Err(broken());
        }
        let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(broken)?;
        let time = u64::from_be_bytes(*time);
        if time > MAX_TIME {
            return Err(broken());
        }
        self.key.verify(message(text, time).as_bytes(), signature).map_err(|_| broken())?;
        Ok(time)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(formatter, &self.name, self.hash, KIND, &self.key)
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for CosignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, hash, key) = parse_key(text, KIND)?;
        Ok(Self { name, hash, key })
    }
}

impl Cosigner {
    /// Cosigns as `name` with `key`.
    ///
    /// # Errors
    /// As [`CosignerKey::new`].
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let verifier = CosignerKey::new(name, key.public().clone())?;
        Ok(Self { key, verifier })
    }

    /// What checks the cosignatures that this makes.
    pub const fn verifier(&self) -> &CosignerKey {
        &self.verifier
    }

    /// Cosigns the text of a checkpoint's note at `time`, in seconds since 1970. Whether the
    /// checkpoint is consistent with every one before it is for the caller to know.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a time beyond [`MAX_TIME`]; [`NoteError::Key`] when signing
    /// fails.
    pub fn cosign(&self, text: &str, time: u64) -> Result<NoteSignature, NoteError> {
        if time > MAX_TIME {
            return Err(NoteError::Malformed("the time of the cosignature is too late"));
        }
        let signature = self.key.sign(message(text, time).as_bytes())?;
        let CosignerKey { name, hash, .. } = &self.verifier;
        let signature = [&time.to_be_bytes()[..], &signature].concat();
        Ok(NoteSignature { name: name.clone(), hash: *hash, signature })
    }
}

/// What is signed (C2SP tlog-cosignature, "Ed25519 signed message").
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "log\n7\nroot\n";

    fn cosigner(name: &str, seed: u8) -> Cosigner {
        Cosigner::new(name, SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()).unwrap()
    }

    fn note(text: &str, lines: &[NoteSignature]) -> Note {
        Note { text: text.into(), signatures: lines.to_vec() }
    }

    #[test]
    fn a_cosignature_holds_for_its_text_its_time_and_its_key_alone() {
        let witness = cosigner("witness", 1);
        let line = witness.cosign(TEXT, 1_679_315_147).unwrap();
        assert_eq!(witness.verifier().verify(TEXT, &line), Ok(1_679_315_147));
        assert!(witness.verifier().verify("log\n8\nroot\n", &line).is_err());
        assert!(cosigner("witness", 2).verifier().verify(TEXT, &line).is_err());
        // Every byte of time and signature matters.
        for at in 0..line.signature.len() {
            let mut broken = line.clone();
            broken.signature[at] ^= 1;
            assert!(witness.verifier().verify(TEXT, &broken).is_err(), "{at}");
        }
        let mut short = line;
        short.signature.truncate(7);
        assert!(witness.verifier().verify(TEXT, &short).is_err());
    }

    #[test]
    fn a_log_signature_is_no_cosignature() {
        // The same key and the same text, without header and time.
        let key = || SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
        let (log, witness) = (key(), cosigner("log", 1));
        let mut line = witness.cosign(TEXT, 5).unwrap();
        line.signature = [&5_u64.to_be_bytes()[..], &log.sign(TEXT.as_bytes()).unwrap()].concat();
        assert!(witness.verifier().verify(TEXT, &line).is_err());
    }

    #[test]
    fn unknown_lines_are_ignored_and_broken_ones_are_not() {
        let (one, two) = (cosigner("one", 1), cosigner("two", 2));
        let lines = [one.cosign(TEXT, 5).unwrap(), two.cosign(TEXT, 6).unwrap()];
        assert_eq!(one.verifier().cosigned(&note(TEXT, &lines)), Ok(Some(5)));
        assert_eq!(cosigner("one", 3).verifier().cosigned(&note(TEXT, &lines)), Ok(None));
        let again = [lines[0].clone(), one.cosign(TEXT, 9).unwrap()];
        assert_eq!(one.verifier().cosigned(&note(TEXT, &again)), Ok(Some(9)));
        let mixed = [lines[0].clone(), one.cosign("log\n8\nroot\n", 9).unwrap()];
        let broken = one.verifier().cosigned(&note(TEXT, &mixed));
        assert_eq!(broken, Err(NoteError::Broken("one".into())));
    }

    #[test]
    fn times_have_an_end() {
        let witness = cosigner("witness", 1);
        assert!(witness.cosign(TEXT, MAX_TIME).is_ok());
        assert!(witness.cosign(TEXT, MAX_TIME + 1).is_err());
        // Made by somebody who does not care for the limit.
        let late = MAX_TIME + 1;
        let signature = witness.key.sign(message(TEXT, late).as_bytes()).unwrap();
        let mut line = witness.cosign(TEXT, 1).unwrap();
        line.signature = [&late.to_be_bytes()[..], &signature].concat();
        assert!(witness.verifier().verify(TEXT, &line).is_err());
    }

    #[test]
    fn cosigner_key_text() {
        let key = cosigner("witness.example/w1", 1).verifier().clone();
        assert_eq!(key.to_string().parse::<CosignerKey>().unwrap(), key);
        // The key of a log is of another type, and its hash another.
        let log = crate::VerifierKey::new("witness.example/w1", key.key().clone()).unwrap();
        assert!(log.to_string().parse::<CosignerKey>().is_err());
        assert!(key.to_string().parse::<crate::VerifierKey>().is_err());
        assert_ne!(log.hash(), key.hash);
        assert!(CosignerKey::new("two words", key.key().clone()).is_err());
    }

    /// The example of C2SP tlog-cosignature, whose key is not published: its shape and its time.
    #[test]
    fn the_published_example_is_read() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
        let parsed: NoteSignature = line.parse().unwrap();
        assert_eq!(parsed.to_string(), line);
        assert_eq!(parsed.hash, [0x8d, 0x66, 0xcf, 0x3f]);
        assert_eq!(parsed.signature.len(), 8 + 64);
        let time = u64::from_be_bytes(parsed.signature[..8].try_into().unwrap());
        assert_eq!(time, 1_679_315_147);
        let message = message(text, time);
        assert!(
            message.starts_with("cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n")
        );
    }
}
