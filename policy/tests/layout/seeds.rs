//! What the fuzzer of layouts and links starts from.

use std::path::PathBuf;

use attest::in_toto::{Form, Metadata};

use crate::support::Chain;

/// Whole layouts and links, in both forms.
fn seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for form in [Form::Metablock, Form::Envelope] {
        let mut chain = Chain::good();
        chain.form = form;
        all.push(chain.sign(&chain.layout, &chain.signers));
        all.extend(chain.files.iter().map(|file| chain.sign(&file.document, &file.signers)));
    }
    all
}

#[test]
fn every_seed_is_read() {
    for seed in seeds() {
        assert!(Metadata::parse(&seed).is_ok());
    }
}

/// Not a test of its own: `make fuzz` has it write the seeds, into the folder `ASSAY_CORPUS`.
#[test]
#[ignore = "started by `make fuzz`"]
fn write_seeds() {
    let corpus = PathBuf::from(std::env::var_os("ASSAY_CORPUS").unwrap()).join("layout");
    std::fs::create_dir_all(&corpus).unwrap();
    for (number, seed) in seeds().iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed).unwrap();
    }
}
