//! Signed notes, of which checkpoints are the ones that are met most.

use attest::digest::{Sha256, to_hex};
use attest::{Checkpoint, Note, NoteError};

use super::part::Part;

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let note = parse(bytes)?;
    let mut part = Part::new("signed note");
    part.fact("signed text", Sha256::of(note.text.as_bytes()));
    part.claim_each("text", note.text.lines().collect::<Vec<_>>().into_iter());
    signatures(&mut part, &note);
    Ok(part)
}

pub(super) fn read_checkpoint(bytes: &[u8]) -> Result<Part, String> {
    let note = parse(bytes)?;
    let checkpoint: Checkpoint = note.text.parse().map_err(|_| "not a checkpoint's text")?;
    Ok(described(&note, &checkpoint))
}

/// The checkpoint in something else.
pub(super) fn or_unreadable(text: &str) -> Part {
    read_checkpoint(text.as_bytes()).unwrap_or_else(|why| {
        let mut part = Part::new("checkpoint");
        part.fact("unreadable", why);
        part
    })
}

fn parse(bytes: &[u8]) -> Result<Note, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: NoteError| error.to_string())
}

fn described(note: &Note, checkpoint: &Checkpoint) -> Part {
    let mut part = Part::new("checkpoint");
    part.fact("signed text", Sha256::of(note.text.as_bytes()));
    part.claim("log", &checkpoint.origin);
    part.claim("size", format_args!("{} entries", checkpoint.size));
    part.claim("root", checkpoint.root);
    let extensions: Vec<&str> = note.text.lines().skip(3).collect();
    part.claim_each("extension", extensions.into_iter());
    signatures(&mut part, note);
    part
}

/// Whom the lines name. The key hash is a hint at which key of that name.
fn signatures(part: &mut Part, note: &Note) {
    part.fact("signatures", note.signatures.len());
    let lines = note.signatures.iter();
    part.claim_each(
        "signed by",
        lines.map(|line| format!("{} (key hash {})", line.name, to_hex(&line.hash))),
    );
}
