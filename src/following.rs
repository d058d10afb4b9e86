//! Reading the register of a service to its end: every leaf from 0 to the checkpoint that it shows,
//! held against the root that is signed there. So nothing negative is left out, whatever searches
//! of the service leave out.

use attest::hash::Progress as _;
use attest::{Checkpoint, Leaf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verify::merkle::{leaf_hash, verify_inclusion};
use verify::{FollowError, Followed, Follower, Trust};

use crate::context::Context;
use crate::error::Error;
use crate::progress::{Bar, Work};
use crate::source::Source;

/// The most entries that are read over a network. Whoever needs more copies the register.
const MAX_ENTRIES: u64 = 100_000;
/// How often all are read again because another trust document is in force than they were read by.
const MAX_AGAIN: usize = 8;

/// Reads every entry that a service has, from the document `begun` on.
pub fn follow(source: &Source, begun: &Trust, cx: &Context<'_>) -> Result<Followed, Error> {
    let note = source.checkpoint()?;
    let origin = Checkpoint::claimed_origin(&note).unwrap_or_default().to_owned();
    if begun.log(&origin).is_none() {
        return Err(Error::UnnamedRegister(origin));
    }
    // A claim, until the root is held against the signed one at the end.
    let size: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or_default();
    if size > MAX_ENTRIES {
        return Err(Error::TooLargeToFollow { size, limit: MAX_ENTRIES });
    }
    let failed = |source: FollowError| Error::Follow(Box::new(source.into()));
    let mut follower = Follower::new(&origin, begun).map_err(failed)?;
    for _ in 0..MAX_AGAIN {
        let bar = Bar::of(Work::Following, cx.printer);
        bar.start(size);
        for index in 0..size {
            let (leaf, pae) = entry(source, &origin, index)?;
            follower.leaf(index, &leaf, pae.as_deref()).map_err(failed)?;
            bar.advance(1);
        }
        bar.finish();
        match follower.finish(&note, begun) {
            Err(FollowError::Superseded { .. }) => follower = follower.again().map_err(failed)?,
            ended => {
                let followed = ended.map_err(failed)?;
                source.accept_shown_by(note, followed.governing.trust(), cx)?;
                return Ok(followed);
            }
        }
    }
    let newest = follower.governing().versions().last();
    let version = newest.map_or(0, |version| version.version);
    Err(failed(FollowError::Superseded { version }))
}

/// The bytes of a leaf, and the encoding that it covers, if its statement is there.
fn entry(source: &Source, origin: &str, index: u64) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let found = source.entry(index)?;
    let leaf = STANDARD.decode(&found.leaf);
    let leaf = leaf.map_err(|_| Error::NotShown { origin: origin.into(), index })?;
    Ok((leaf, found.bundle.map(|bundle| bundle.0.envelope.pae())))
}

/// Holds an entry that a service shows against the tree that was followed, and its signature against
/// the key in its leaf: a statement that is not what the register has is an error.
pub fn require(source: &Source, index: u64, followed: &Followed) -> Result<(), Error> {
    let (size, root) = (followed.size, &followed.root);
    let not_shown = || Error::NotShown { origin: followed.origin.clone(), index };
    let (bytes, pae) = entry(source, &followed.origin, index)?;
    let proof = source.inclusion(index, size)?;
    verify_inclusion(index, size, &leaf_hash(&bytes), &proof.hashes, root)
        .map_err(|_| not_shown())?;
    let leaf = Leaf::parse(&bytes).map_err(|_| not_shown())?;
    let attest::Verifier::Key(key) = leaf.verifier() else { return Err(not_shown()) };
    let pae = pae.ok_or_else(not_shown)?;
    let signed = leaf.covers(&pae) && key.verify(&pae, leaf.signature()).is_ok();
    if signed { Ok(()) } else { Err(not_shown()) }
}
