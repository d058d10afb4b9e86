//! What a log asks a witness: the body of `add-checkpoint`.
//!
//! Source: C2SP tlog-witness, "add-checkpoint": a line `old SIZE`, a consistency proof of one
//! base64 hash a line, an empty line, and the checkpoint as the log signed it. Reading is strict;
//! what is read is written back as the same bytes.

use std::fmt;
use std::str::FromStr;

use attest::Sha256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The largest request that is read, in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;
/// How many hashes a proof may have (C2SP tlog-witness).
pub const MAX_PROOF_LINES: usize = 63;

/// Asks for a cosignature of a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last; 0 when it never did, or nobody knows.
    pub old: u64,
    /// The proof that the checkpoint extends the tree of that size (RFC 6962, section 2.1.2).
    pub proof: Vec<Sha256>,
    /// The checkpoint, as a signed note.
    pub note: String,
}

/// The body is not a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a request (C2SP tlog-witness): {0}")]
pub struct RequestError(
    /// What is wrong.
    &'static str,
);

impl FromStr for AddCheckpoint {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        if text.len() > MAX_REQUEST_BYTES {
            return Err(RequestError("it is too large"));
        }
        // No line above it is empty, so that the first empty line ends the head.
        let (head, note) = text.split_once("\n\n").ok_or(RequestError("no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old =
            old.and_then(parse_size).ok_or(RequestError("the first line is not `old SIZE`"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF_LINES {
                return Err(RequestError("the proof has too many lines"));
            }
            let bytes = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            let hash = bytes.ok_or(RequestError("a line of the proof is not a hash in base64"))?;
            proof.push(Sha256::from_bytes(hash));
        }
        if !note.ends_with('\n') {
            return Err(RequestError("the checkpoint does not end in a line feed"));
        }
        Ok(Self { old, proof, note: note.into() })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(formatter, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(formatter, "\n{}", self.note)
    }
}

/// A size as logs and witnesses write it: decimal, without sign and leading zeros.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_strictly_and_written_back() {
        let hash = STANDARD.encode([7; 32]);
        let note = "log\n7\nroot\n\n— log AAAA\n";
        let lines = |count: usize| format!("{hash}\n").repeat(count);
        let cases = [
            ("without a proof", format!("old 0\n\n{note}"), true),
            ("with a proof", format!("old 5\n{}\n{note}", lines(2)), true),
            ("the longest proof", format!("old 5\n{}\n{note}", lines(63)), true),
            ("one line more", format!("old 5\n{}\n{note}", lines(64)), false),
            ("leading zero", format!("old 05\n\n{note}"), false),
            ("a sign", format!("old +5\n\n{note}"), false),
            ("negative", format!("old -5\n\n{note}"), false),
            ("another word", format!("new 5\n\n{note}"), false),
            ("two spaces", format!("old  5\n\n{note}"), false),
            ("a short hash", format!("old 5\nAAAA\n\n{note}"), false),
            ("a hash that is not base64", format!("old 5\n{}\n\n{note}", "*".repeat(44)), false),
            ("carriage returns", format!("old 5\r\n\r\n{note}"), false),
            ("no checkpoint", "old 5\n\n".into(), false),
            ("no empty line", format!("old 5\n{hash}\n"), false),
            ("no end of the last line", format!("old 0\n\n{}", note.trim_end()), false),
            ("empty", String::new(), false),
            ("too large", format!("old 0\n\n{}\n", "x".repeat(MAX_REQUEST_BYTES)), false),
        ];
        for (name, text, want) in cases {
            let parsed = text.parse::<AddCheckpoint>();
            assert_eq!(parsed.is_ok(), want, "{name}: {parsed:?}");
            if let Ok(parsed) = parsed {
                assert_eq!(parsed.to_string(), text, "{name}");
            }
        }
    }
}
