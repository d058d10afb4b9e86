//! `assay verify --proof`: whether a trusted log holds a leaf, without asking the log.

use std::path::Path;

use ::attest::{LogProof, Sha256};
use ::verify::{Trust, verify_log_proof};
use serde::Serialize;

use crate::error::Error;
use crate::exit::Exit;
use crate::home;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::target::Target;

/// Checks the proof in a file for the leaf in another one.
pub fn verify(leaf: &Target, proof: &Path, trust: &Trust) -> Result<Box<dyn Answer>, Error> {
    let Target::Path(leaf) = leaf else { return Err(Error::LeafIsNoFile) };
    let text = home::read_text(proof)?;
    let parsed = text.parse::<LogProof>();
    let parsed = parsed.map_err(|source| Error::LogProof { path: proof.into(), source })?;
    let bytes = home::read(leaf)?;
    let name = leaf.display().to_string();
    Ok(Box::new(Proven::of(name, &bytes, &parsed, trust)))
}

/// What came of a proof.
#[derive(Serialize)]
struct Proven {
    version: &'static str,
    leaf: String,
    index: u64,
    proven: bool,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    /// The tree that the log signed.
    Tree { origin: String, size: u64, root: Sha256 },
    /// Why the proof proves nothing.
    Nothing { why: String },
}

impl Proven {
    fn of(leaf: String, bytes: &[u8], proof: &LogProof, trust: &Trust) -> Self {
        let (proven, found) = match verify_log_proof(proof, bytes, trust) {
            Ok(tree) => {
                (true, Found::Tree { origin: tree.origin, size: tree.size, root: tree.root })
            }
            Err(error) => (false, Found::Nothing { why: error.to_string() }),
        };
        Self { version: "assay/proof/v1", leaf, index: proof.index, proven, found }
    }
}

impl Answer for Proven {
    fn exit(&self) -> Exit {
        if self.proven { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let Self { leaf, index, .. } = self;
        match &self.found {
            Found::Tree { origin, size, root } => {
                page.put(Tone::Good, "proven");
                page.line(format_args!(": {leaf} is entry {index} of {origin}"));
                page.put(Tone::Faint, "  among ").line(format_args!("the first {size}"));
                page.put(Tone::Faint, "  root  ").line(root);
            }
            Found::Nothing { why } => {
                page.put(Tone::Bad, "not proven").line(format_args!(": {leaf}"));
                page.put(Tone::Faint, "  why   ").line(why);
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
