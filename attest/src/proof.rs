//! Proofs in a file: that an entry is in a log, to be checked without the log.
//!
//! Source: C2SP tlog-proof. A text of the entry's position, the audit path and the signed
//! checkpoint. The entry itself is not in it: whoever checks the proof has it. Nothing here says
//! whether the proof holds.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundle::MAX_PROOF;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::digest::Sha256;
use crate::note::{self, Note};

/// The largest proof that is read, in bytes: a note, and as much besides.
pub const MAX_BYTES: usize = 2 * note::MAX_BYTES;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in a log.
///
/// Text form is that of files that end in `.tlog-proof`; no other spelling parses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogProof {
    /// What the writer adds; signed by nobody.
    pub extra: Option<Vec<u8>>,
    /// The position of the entry.
    pub index: u64,
    /// The audit path, from the leaf up (RFC 6962, section 2.1.1).
    pub hashes: Vec<Sha256>,
    /// The signed checkpoint, as the log gave it.
    pub checkpoint: String,
}

/// Why a text is not a proof.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// The text has not this form.
    #[error("not a proof (C2SP tlog-proof): {0}")]
    Malformed(&'static str),
    /// The checkpoint in it is not one.
    #[error("the checkpoint in the proof: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl FromStr for LogProof {
    type Err = LogProofError;

    fn from_str(text: &str) -> Result<Self, LogProofError> {
        if text.len() > MAX_BYTES {
            return Err(LogProofError::Malformed("it is too large"));
        }
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(LogProofError::Malformed("its first line is another"))?;
        let empty = LogProofError::Malformed("no empty line before the checkpoint");
        let (lines, checkpoint) = rest.split_once("\n\n").ok_or(empty)?;
        let mut lines = lines.split('\n').peekable();
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(|line| {
            let text = line.strip_prefix("extra ").unwrap_or_default();
            STANDARD.decode(text).map_err(|_| LogProofError::Malformed("the extra data"))
        });
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or(LogProofError::Malformed("the position"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_PROOF {
                return Err(LogProofError::Malformed("too many hashes"));
            }
            hashes.push(hash(line).ok_or(LogProofError::Malformed("a hash"))?);
        }
        let note = checkpoint.parse::<Note>().map_err(CheckpointError::from)?;
        note.text.parse::<Checkpoint>()?;
        Ok(Self { extra: extra.transpose()?, index, hashes, checkpoint: checkpoint.into() })
    }
}

/// `+7` and `007` are numbers but are not how a position is written.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

fn hash(line: &str) -> Option<Sha256> {
    STANDARD.decode(line).ok()?.try_into().ok().map(Sha256::from_bytes)
}

impl fmt::Display for LogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;
    use crate::note::NoteSigner;

    fn proof(extra: Option<Vec<u8>>, hashes: usize) -> LogProof {
        let key = SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
        let signer = NoteSigner::new("log.example/a", key).unwrap();
        let origin = "log.example/a".to_owned();
        let checkpoint = Checkpoint { origin, size: 9, root: Sha256::of(b"root") };
        let checkpoint = signer.sign(&checkpoint.to_string()).unwrap().to_string();
        let hashes = (0..hashes).map(|number| Sha256::of(&number.to_be_bytes())).collect();
        LogProof { extra, index: 7, hashes, checkpoint }
    }

    #[test]
    fn proofs_read_back() {
        let all = [
            proof(None, 0),
            proof(None, 3),
            proof(Some(b"more".to_vec()), MAX_PROOF),
            proof(Some(Vec::new()), 1),
        ];
        for proof in all {
            assert_eq!(proof.to_string().parse(), Ok(proof));
        }
    }

    /// The lines of the example in the specification, which leaves parts of signatures out.
    #[test]
    fn the_form_is_that_of_the_specification() {
        let text = proof(Some(b"age".to_vec()), 2).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["c2sp.org/tlog-proof@v1", "extra YWdl", "index 7"]);
        assert_eq!(lines[3].len(), 44);
        assert_eq!(lines[5..8], ["", "log.example/a", "9"]);
        assert!(lines[10].starts_with("— log.example/a "));
    }

    #[test]
    fn what_is_no_proof() {
        let good = proof(Some(b"more".to_vec()), 2).to_string();
        let hash = STANDARD.encode(Sha256::of(&0_usize.to_be_bytes()).as_bytes());
        let cases = [
            ("as written", good.clone(), true),
            ("another version", good.replace("@v1", "@v2"), false),
            ("carriage returns", good.replace('\n', "\r\n"), false),
            ("no extra data", good.replace("extra bW9yZQ==\n", ""), true),
            ("extra data twice", good.replace("index", "extra bW9yZQ==\nindex"), false),
            ("extra data that is not base64", good.replace("bW9yZQ==", "bW9yZQ"), false),
            ("no position", good.replace("index 7\n", ""), false),
            ("a zero before", good.replace("index 7", "index 07"), false),
            ("a sign", good.replace("index 7", "index +7"), false),
            ("beyond 64 bits", good.replace("index 7", "index 18446744073709551616"), false),
            ("another word", good.replace("index 7", "position 7"), false),
            ("a short hash", good.replace(&hash, "AAAA"), false),
            ("a hash less", good.replace(&format!("{hash}\n"), ""), true),
            ("an empty line before", good.replace("index 7\n", "index 7\n\n"), false),
            ("no checkpoint", good.split("\n\n").next().unwrap().to_owned(), false),
            ("no signature", good.replace("— ", "- "), false),
            ("cut short", good.trim_end().to_owned(), false),
            ("more behind", format!("{good}more"), false),
            ("too large", format!("{good}{}", " ".repeat(MAX_BYTES)), false),
            ("nothing", String::new(), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<LogProof>().is_ok(), want, "{name}");
        }
        assert!(proof(None, MAX_PROOF + 1).to_string().parse::<LogProof>().is_err());
    }
}
