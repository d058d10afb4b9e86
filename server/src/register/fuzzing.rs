//! The parsers of what the register reads from disk, from submitters, from witnesses and from
//! other logs, each as one function that a fuzzer can call.
//!
//! They are private parts of the register, and stay so: this module is there in tests and with the
//! feature `fuzzing`, which only the crate in `fuzz/` turns on. Each target panics when a parser
//! does, and when what was read cannot be written so that it is read the same again. Bytes under a
//! checksum are tried as they are and with the checksum put right, so that changes get past it.

mod authority;
mod certificate;
mod documents;
mod found;
mod journal;
mod kept;
mod keyless;
mod keys;
mod log;
mod models;
mod sent;
mod sigstore;

use std::str::FromStr;

use attest::{Sha256, SigningKey};

#[cfg(test)]
pub(super) use self::certificate::certificate;
use super::index;
use super::record::JournalId;

const JOURNAL: JournalId = JournalId([9; 16]);

/// A parser to try.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of the fuzz target.
    pub name: &'static str,
    /// Gives it bytes; whether they were read. Panics when it is wrong.
    pub read: fn(&[u8]) -> bool,
    /// Whole encodings to start from, each of which is read.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const fn target(
    name: &'static str,
    read: fn(&[u8]) -> bool,
    seeds: fn() -> Vec<Vec<u8>>,
) -> Target {
    Target { name, read, seeds }
}

/// Every parser.
pub const TARGETS: [Target; 63] = [
    // The register's own folder.
    target("record", journal::record, journal::records),
    target("segment", journal::header, journal::headers),
    target("published", journal::slot, journal::slots),
    target("stored", journal::stored, journal::stored_entries),
    target("erasing", journal::erasing, journal::erasings),
    target("holder", journal::holder, journal::holders),
    // Its index.
    target("index-state", index::fuzzing::state, index::fuzzing::states),
    target("index-block", index::fuzzing::block, index::fuzzing::blocks),
    target("index-fences", index::fuzzing::fences, index::fuzzing::fence_rows),
    target("index-places", index::fuzzing::places, index::fuzzing::place_rows),
    // What stands beside it, and copies.
    target("export-line", kept::line, kept::lines),
    target("export-entries", kept::entries, kept::entry_bundles),
    target("archive", kept::archive, kept::archives),
    target("witnesses", kept::witnesses, kept::witness_lists),
    target("seen", kept::seen, kept::seen_files),
    target("trust", kept::trust, kept::trust_files),
    target("trust-version", kept::trust_version, kept::trust_versions),
    // What a log shows.
    target("leaf", log::leaf, log::leaves),
    target("certificate", log::certificate_claims, log::certificates),
    target("timestamp", certificate::timestamp, certificate::timestamps),
    target("note", log::note, log::notes),
    target("checkpoint", log::checkpoint, log::checkpoints),
    target("tile-path", log::tile_path, log::tile_paths),
    target("proof", log::proof, log::proofs),
    target("verifier-key", log::verifier_key, log::verifier_keys),
    target("cosigner-key", log::cosigner_key, log::cosigner_keys),
    target("cosigned", log::cosigned, log::cosigned_notes),
    target("bundle", log::bundle, log::bundles),
    target("statement", log::statement, log::statements),
    target("envelope", documents::envelope, documents::envelopes),
    // What holds others, what a step writes, and by what is judged.
    target("tree", documents::tree, documents::trees),
    target("image", documents::image, documents::images),
    target("metrics", documents::metrics, documents::metrics_files),
    target("parameters", documents::parameters, documents::parameter_files),
    target("policy", documents::policy, documents::policies),
    target("case", documents::case, documents::cases),
    // Keys, and authorities of time.
    target("public-key", keys::public, keys::publics),
    target("signing-key", keys::signing, keys::signings),
    target("layout-key", keys::layout, keys::layouts),
    target("clock", keys::clock, keys::clocks),
    target("certified-key", authority::certified_key, authority::certified_keys),
    target("revocation-list", authority::revocation_list, authority::revocation_lists),
    // Signed models.
    target("model", models::model, models::statements),
    target("signature", models::signature, models::signatures),
    target("certificate-text", models::certificates, models::certificate_texts),
    target("digests", models::digests, models::digest_caches),
    // What others sign.
    target("sigstore-bundle", sigstore::bundle, sigstore::bundles),
    target("sigstore-root", sigstore::root, sigstore::roots),
    target("carried-bundle", sigstore::carried_bundle, sigstore::carried_bundles),
    // What signing without a key reads.
    target("signing-config", keyless::config, keyless::configs),
    target("identity-token", keyless::token, keyless::tokens),
    target("timestamp-answer", keyless::timestamp, keyless::timestamps),
    target("certificate-answer", keyless::answer, keyless::answers),
    // What others find, and say of it.
    target("scan", found::scan, found::scans),
    target("vex", found::vex, found::vexes),
    target("bill", found::bill, found::bills),
    target("licence", found::licence, found::licences),
    target("first-bytes", found::first_bytes, found::heads),
    // What is sent.
    target("submission", sent::submission, sent::submissions),
    target("entry-request", sent::entry_request, sent::entry_requests),
    target("search", sent::search, sent::searches),
    target("add-checkpoint", sent::add_checkpoint, sent::add_checkpoints),
    target("witness-answer", sent::witness_answer, sent::witness_answers),
];

/// Gives `bytes` to the target called `name`; for fuzz targets, which know it.
pub fn try_one(name: &str, bytes: &[u8]) {
    for target in TARGETS.iter().filter(|target| target.name == name) {
        let _ = (target.read)(bytes);
    }
}

/// What was read, written, is read the same and written the same.
fn again<T: FromStr + ToString>(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<T>().ok();
    let Some(value) = read(bytes) else { return false };
    let written = value.to_string();
    assert_eq!(read(written.as_bytes()).map(|value| value.to_string()), Some(written));
    true
}

/// Puts the checksum of the first `checked` bytes after them.
fn seal(bytes: &mut [u8], checked: usize) {
    let checksum = Sha256::of(bytes.get(..checked).unwrap_or_default());
    put(bytes, checked, checksum.as_bytes());
}

/// Overwrites what there is from `start` on.
fn put(bytes: &mut [u8], start: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(start).zip(value) {
        *byte = *value;
    }
}

fn key() -> Option<SigningKey> {
    SigningKey::from_ed25519_seed(&[7; 32]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::simulated::Dice;

    /// How often each parser is tried, with a few changes each time.
    const ROUNDS: usize = 6000;
    /// Numbers at which lengths and counts go wrong.
    const NUMBERS: [u64; 8] =
        [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff];

    /// A change as damage and forgery make them: bits flipped, numbers put in, parts cut out, put
    /// in, repeated, or taken from another document.
    fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
        let place = dice.below(bytes.len());
        let end = (place + 1 + dice.below(40)).min(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            2 => {
                let number = NUMBERS[dice.below(NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4, 8][dice.below(4)];
                put(bytes, place, &number[8 - width..]);
            }
            3 => drop(bytes.drain(place..end)),
            4 => bytes.truncate(place),
            5 => {
                let part = bytes[place..end].repeat(1 + dice.below(20));
                bytes.splice(place..place, part);
            }
            6 => {
                let start = dice.below(other.len());
                let part = other[start..other.len().min(start + 1 + dice.below(60))].to_vec();
                bytes.splice(place..end, part);
            }
            _ => {
                let count = dice.below(12);
                let part: Vec<u8> = (0..count).map(|_| dice.roll() as u8).collect();
                bytes.splice(place..place, part);
            }
        }
    }

    /// Not a test of its own: `make fuzz` has it write what the fuzzers start from, into the folder
    /// `ASSAY_CORPUS`.
    #[test]
    #[ignore = "started by `make fuzz`"]
    fn write_seeds() {
        let corpus = std::path::PathBuf::from(std::env::var_os("ASSAY_CORPUS").unwrap());
        for target in &TARGETS {
            let folder = corpus.join(target.name);
            std::fs::create_dir_all(&folder).unwrap();
            for (number, seed) in (target.seeds)().iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
            }
        }
    }

    /// `make fuzz` runs what is in `fuzz/`, and nothing else.
    #[test]
    fn every_parser_is_a_fuzz_target() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        // Layouts and rules in Rego are tried where they are judged: in `policy`.
        let elsewhere = ["layout", "rego"];
        for name in elsewhere {
            assert!(manifest.contains(&format!("name = \"{name}\"")));
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len() + elsewhere.len());
        for Target { name, .. } in &TARGETS {
            let lines = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n");
            assert!(manifest.contains(&lines), "{name}");
            let code = std::fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
            assert!(code.contains(&format!("try_one(\"{name}\", bytes)")), "{name}");
        }
    }

    #[test]
    fn every_parser_reads_its_seeds_and_survives_their_changes() {
        for target in &TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            for seed in &seeds {
                assert!((target.read)(seed), "{}", target.name);
            }
            let (mut dice, mut read) = (Dice(11), 0);
            for round in 0..ROUNDS {
                let mut bytes = seeds[dice.below(seeds.len())].clone();
                let other = &seeds[dice.below(seeds.len())];
                for _ in 0..=dice.below(3) {
                    change(&mut bytes, other, &mut dice);
                }
                let result = std::panic::catch_unwind(|| (target.read)(&bytes));
                match result {
                    Ok(is_read) => read += usize::from(is_read),
                    Err(_) => panic!("{} in round {round}: {bytes:02x?}", target.name),
                }
            }
            println!("{}: {read} of {ROUNDS} changed documents were read", target.name);
        }
    }
}
