//! Signed notes: a text with signatures, as logs publish their checkpoints.
//!
//! Source: C2SP signed-note. Signatures are Ed25519 (type 0x01). A signature by an unknown key
//! is ignored; a signature that names a known key and does not hold rejects the whole note.
//! Cosignatures of witnesses (type 0x04) are unknown here; [`crate::cosignature`] reads them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{Sha256, to_hex};
use crate::key::{Algorithm, KeyError, PublicKey, SigningKey};

/// The largest note that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// How many signature lines a note may carry.
pub const MAX_SIGNATURES: usize = 100;

const ED25519: u8 = 0x01;

/// The key that checks a note: a name and an Ed25519 key.
///
/// Text form is `<name>+<key hash in hex>+<base64 of type and key>`.
#[derive(Clone, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    key: PublicKey,
}

/// Signs notes under a name.
#[derive(Debug)]
pub struct NoteSigner {
    key: SigningKey,
    verifier: VerifierKey,
}

/// A text and the signatures under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The signed text, ending in a line feed.
    pub text: String,
    /// The signatures, in the order of their lines.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line of a note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteSignature {
    /// Whom the line names.
    pub name: String,
    /// The key hash in the line.
    pub hash: [u8; 4],
    /// The signature.
    pub signature: Vec<u8>,
}

/// Why a note or its key is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("not a signed note (C2SP signed-note): {0}")]
    Malformed(&'static str),
    /// The text is not a verifier key.
    #[error("`{0}` is not a verifier key of the form `name+hash+base64`")]
    VerifierKey(String),
    /// A name that a note cannot carry.
    #[error("`{0}` cannot name a log: a name is not empty and has no white space and no `+`")]
    Name(String),
    /// The key is not a usable Ed25519 key.
    #[error("the key of the note: {0}")]
    Key(#[from] KeyError),
    /// No signature names the key.
    #[error("no signature by `{0}`")]
    Unsigned(String),
    /// A signature names the key and does not hold.
    #[error("the signature by `{0}` does not hold")]
    Broken(String),
}

impl VerifierKey {
    /// The key `key` under `name`.
    ///
    /// # Errors
    /// [`NoteError::Name`] for a name with white space or `+`; [`NoteError::Key`] unless the key
    /// is Ed25519.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        let hash = key_hash(name, ED25519, &key)?;
        Ok(Self { name: name.into(), hash, key })
    }

    /// The name: for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes of the digest of name and key, by which signature lines name it.
    pub const fn hash(&self) -> [u8; 4] {
        self.hash
    }

    /// The digest that [`VerifierKey::hash`] is the start of, by which bundles and trusted roots of
    /// Sigstore name a log (Rekor v2, `logId`).
    pub fn id(&self) -> Sha256 {
        id(&self.name, &self.key)
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// C2SP signed-note, "Signatures": name, line feed, type and key.
fn id(name: &str, key: &PublicKey) -> Sha256 {
    Sha256::of_parts([name.as_bytes(), b"\n", &[ED25519], key.raw()])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(formatter, &self.name, self.hash, ED25519, &self.key)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, hash, key) = parse_key(text, ED25519)?;
        Ok(Self { name, hash, key })
    }
}

/// The first bytes of SHA-256 over name, line feed, type and key (C2SP signed-note, "Signatures").
///
/// # Errors
/// As [`VerifierKey::new`].
pub(crate) fn key_hash(name: &str, kind: u8, key: &PublicKey) -> Result<[u8; 4], NoteError> {
    if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '+') {
        return Err(NoteError::Name(name.into()));
    }
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(KeyError::Algorithm(key.algorithm().as_str().into()).into());
    }
    let digest = Sha256::of_parts([name.as_bytes(), b"\n", &[kind], key.raw()]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    Ok([a, b, c, d])
}

/// Writes a verifier key of type `kind` (C2SP signed-note, "Verifier keys").
pub(crate) fn write_key(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    hash: [u8; 4],
    kind: u8,
    key: &PublicKey,
) -> fmt::Result {
    let encoded = STANDARD.encode([&[kind], key.raw()].concat());
    write!(formatter, "{name}+{}+{encoded}", to_hex(&hash))
}

/// Reads a verifier key of type `kind`: its name, its hash, which is right, and the key.
pub(crate) fn parse_key(text: &str, kind: u8) -> Result<(String, [u8; 4], PublicKey), NoteError> {
    let wrong = || NoteError::VerifierKey(text.chars().take(200).collect());
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| wrong())?;
    let Some((found, raw)) = bytes.split_first() else { return Err(wrong()) };
    if *found != kind {
        return Err(wrong());
    }
    let key = PublicKey::from_ed25519(raw.try_into().map_err(|_| wrong())?)?;
    let right = key_hash(name, kind, &key)?;
    if to_hex(&right) != hash {
        return Err(wrong());
    }
    Ok((name.into(), right, key))
}

impl NoteSigner {
    /// Signs as `name` with `key`.
    ///
    /// # Errors
    /// As [`VerifierKey::new`].
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let verifier = VerifierKey::new(name, key.public().clone())?;
        Ok(Self { key, verifier })
    }

    /// What checks the notes that this signs.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs `text`, which must end in a line feed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a text that a note cannot hold.
    pub fn sign(&self, text: &str) -> Result<Note, NoteError> {
        check_text(text)?;
        let signature = self.key.sign(text.as_bytes())?;
        let VerifierKey { name, hash, .. } = &self.verifier;
        let line = NoteSignature { name: name.clone(), hash: *hash, signature };
        Ok(Note { text: text.into(), signatures: vec![line] })
    }
}

impl Note {
    /// The text, if `verifier` signed it.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] when no line names the key, [`NoteError::Broken`] when one does
    /// and does not hold.
    pub fn open(&self, verifier: &VerifierKey) -> Result<&str, NoteError> {
        let mut signed = false;
        for line in &self.signatures {
            if line.name == verifier.name && line.hash == verifier.hash {
                verifier
                    .key
                    .verify(self.text.as_bytes(), &line.signature)
                    .map_err(|_| NoteError::Broken(verifier.name.clone()))?;
                signed = true;
            }
        }
        if signed { Ok(&self.text) } else { Err(NoteError::Unsigned(verifier.name.clone())) }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a line feed"));
    }
    if text.contains(|letter: char| letter != '\n' && letter.is_ascii_control()) {
        return Err(NoteError::Malformed("the text has control characters"));
    }
    Ok(())
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_BYTES {
            return Err(NoteError::Malformed("it is too large"));
        }
        // The last empty line separates the text from the signatures.
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line"))?;
        let (text, lines) = note.split_at(split + 1);
        check_text(text)?;
        let lines = lines.strip_prefix('\n').unwrap_or_default();
        let Some(lines) = lines.strip_suffix('\n') else {
            return Err(NoteError::Malformed("the last line has no end"));
        };
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::Malformed("too many signatures"));
            }
            signatures.push(line.parse()?);
        }
        Ok(Self { text: text.into(), signatures })
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads one line, without its line feed.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        parse_line(line).ok_or(NoteError::Malformed("a signature line"))
    }
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (hash, signature) = bytes.split_first_chunk::<4>()?;
    if name.is_empty() || name.contains('+') || signature.is_empty() {
        return None;
    }
    Some(NoteSignature { name: name.into(), hash: *hash, signature: signature.to_vec() })
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&self.hash[..], &self.signature].concat());
        write!(formatter, "— {} {encoded}", self.name)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        for line in &self.signatures {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_note_opens_with_its_key_alone() {
        let (log, other) = (signer("log.example/a", 1), signer("log.example/a", 2));
        let text = log.sign("origin\n1\nroot\n").unwrap().to_string();
        let note: Note = text.parse().unwrap();
        assert_eq!(note.to_string(), text);
        assert_eq!(note.open(log.verifier()), Ok("origin\n1\nroot\n"));
        assert!(matches!(note.open(other.verifier()), Err(NoteError::Unsigned(_))));
        let changed: Note = text.replacen("\n1\n", "\n2\n", 1).parse().unwrap();
        assert!(matches!(changed.open(log.verifier()), Err(NoteError::Broken(_))));
    }

    #[test]
    fn unknown_signatures_are_ignored_and_broken_ones_are_not() {
        let (log, other) = (signer("log", 1), signer("witness", 2));
        let mut note = log.sign("text\n").unwrap();
        note.signatures.push(other.sign("text\n").unwrap().signatures.remove(0));
        assert!(note.open(log.verifier()).is_ok());
        let mut twice = log.sign("other text\n").unwrap().signatures;
        note.signatures.append(&mut twice);
        assert!(matches!(note.open(log.verifier()), Err(NoteError::Broken(_))));
    }

    #[test]
    fn verifier_key_text() {
        let key = signer("log.example/a", 1).verifier().clone();
        assert_eq!(key.to_string().parse::<VerifierKey>().unwrap(), key);
        // The key of a published test log (transparency-dev/tessera test data).
        let published =
            "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
        assert_eq!(published.parse::<VerifierKey>().unwrap().to_string(), published);
        for wrong in [
            "",
            "a",
            "a+b",
            "a+00000000+AeHT",
            "log.example/a+00000000+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx",
        ] {
            assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
        }
        assert!(VerifierKey::new("has space", key.key().clone()).is_err());
    }

    #[test]
    fn what_is_no_note() {
        let good = signer("log", 1).sign("text\n").unwrap().to_string();
        let cases = [
            (good.clone(), true),
            (good.trim_end().to_owned(), false),
            (good.replace("\n\n", "\n"), false),
            (good.replace("— ", "- "), false),
            (good.replace("text", "te\txt"), false),
            (String::new(), false),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Note>().is_ok(), want, "{text:?}");
        }
    }
}
