//! Is an entry in a trusted log? Checked from a proof alone, without the log.
//!
//! Source: C2SP tlog-proof, "Verifying a tlog proof". What the entry says is not looked at here.

use attest::{Checkpoint, LogProof};

use crate::bundle::open;
use crate::error::VerifyError;
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::trust::Trust;

/// Checks that the log whose checkpoint is in `proof` is one that `trust` names, that it signed
/// the checkpoint, and that `entry` is in its tree at the position that the proof names. Returns
/// the checkpoint.
///
/// # Errors
/// [`VerifyError`] for the first check that fails.
pub fn verify_log_proof(
    proof: &LogProof,
    entry: &[u8],
    trust: &Trust,
) -> Result<Checkpoint, VerifyError> {
    let LogProof { index, hashes, checkpoint: note, .. } = proof;
    let claimed = Checkpoint::claimed_origin(note).unwrap_or_default();
    let checkpoint = open(trust, claimed, note)?;
    verify_inclusion(*index, checkpoint.size, &leaf_hash(entry), hashes, &checkpoint.root)
        .map_err(|source| {
            let origin = checkpoint.origin.clone();
            VerifyError::NotIncluded { origin, index: *index, source }
        })?;
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use attest::{NoteSigner, SigningKey};

    use super::*;
    use crate::merkle::{Tree, inclusion_proof};

    const SIZE: u64 = 7;

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn log(origin: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(origin, SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()).unwrap()
    }

    fn trust(logs: &[&NoteSigner]) -> Trust {
        let logs: Vec<String> = logs
            .iter()
            .map(|log| {
                let key = log.verifier();
                format!(r#"{{"origin":"{}","key":"{key}"}}"#, key.name())
            })
            .collect();
        let text = format!(
            r#"{{"apiVersion":"assay/v1","kind":"Trust","keys":[],"verifiers":[],"logs":[{}]}}"#,
            logs.join(",")
        );
        Trust::parse(&text).unwrap()
    }

    fn proof(index: u64, log: &NoteSigner) -> LogProof {
        let tree: Tree = (0..SIZE).map(|index| leaf_hash(&entry(index))).collect();
        let origin = log.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size: SIZE, root: tree.root() };
        LogProof {
            extra: None,
            index,
            hashes: inclusion_proof(&tree, index, SIZE).unwrap(),
            checkpoint: log.sign(&checkpoint.to_string()).unwrap().to_string(),
        }
    }

    #[test]
    fn an_entry_is_where_its_proof_says() {
        let ours = log("log.example/a", 1);
        for index in 0..SIZE {
            let proof = proof(index, &ours);
            let checkpoint = verify_log_proof(&proof, &entry(index), &trust(&[&ours])).unwrap();
            assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("log.example/a", SIZE));
            let other = verify_log_proof(&proof, &entry(index + 1), &trust(&[&ours]));
            assert!(matches!(other, Err(VerifyError::NotIncluded { .. })), "{other:?}");
        }
    }

    #[test]
    fn each_part_of_a_proof_counts() {
        let ours = log("log.example/a", 1);
        let good = proof(3, &ours);
        let forged = proof(3, &log("log.example/a", 2));
        let foreign = proof(3, &log("log.example/b", 1));
        let size = good.checkpoint.replacen("\n7\n", "\n8\n", 1);
        let mut short = good.clone();
        short.hashes.pop();
        let mut turned = good.clone();
        turned.hashes.reverse();
        let cases = [
            ("as made", good.clone(), true),
            ("with extra data", LogProof { extra: Some(b"x".to_vec()), ..good.clone() }, true),
            ("another position", LogProof { index: 4, ..good.clone() }, false),
            ("a position beyond the tree", LogProof { index: 3 + 8, ..good.clone() }, false),
            ("a hash less", short, false),
            ("hashes in another order", turned, false),
            ("another size", LogProof { checkpoint: size, ..good.clone() }, false),
            ("signed by another key", forged, false),
            ("of a log that is not trusted", foreign, false),
            ("no note", LogProof { checkpoint: String::new(), ..good }, false),
        ];
        for (name, proof, want) in cases {
            let found = verify_log_proof(&proof, &entry(3), &trust(&[&ours]));
            assert_eq!(found.is_ok(), want, "{name}: {found:?}");
        }
    }
}
