//! Finds the statements that a lineage asks for: in files, in the folder's register, over HTTP.
//!
//! Unless it was followed leaf by leaf before, what a service or a set of files leaves out, nobody
//! here can know, and the lineage says so.

use std::path::PathBuf;

use attest::carried::opened;
use attest::{ArtifactId, Bundle, Statement, Timestamp};
use verify::{Direction, Lineage, Negatives, Trace, Trust};

use crate::error::Error;
use crate::home;

/// How many artifacts are asked for; the trace has a limit of its own below this one.
const MAX_ASKED: usize = 1 << 16;
/// How many bundles are taken from files.
const MAX_FILES: usize = 10_000;

/// Reads bundles from files: each holds one, or one a line.
pub fn read_bundles(paths: &[PathBuf]) -> Result<Vec<Bundle>, Error> {
    let mut bundles = Vec::new();
    for path in paths.iter().take(MAX_FILES) {
        let bytes = home::read(path)?;
        let broken = |source| Error::Bundle { path: path.clone(), source };
        match Bundle::parse(&bytes) {
            Ok(bundle) => bundles.push(bundle),
            Err(error) => {
                let lines: Vec<&[u8]> = bytes
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .take(MAX_FILES)
                    .collect();
                if lines.len() < 2 {
                    return Err(broken(error));
                }
                for line in lines {
                    bundles.push(Bundle::parse(line).map_err(broken)?);
                }
            }
        }
    }
    Ok(bundles)
}

/// The lineage that a set of bundles shows. Nothing says that the set is complete.
pub fn from_bundles(
    root: ArtifactId,
    direction: Direction,
    bundles: &[Bundle],
    trust: &Trust,
    now: Timestamp,
) -> Lineage {
    let negatives = Negatives::none();
    let mut trace = Trace::new(root, direction, trust, &negatives, now);
    // Only what a bundle claims: it decides where it is looked at, and nothing else.
    let spoken: Vec<Vec<ArtifactId>> =
        bundles.iter().map(|bundle| speaks_of(bundle, direction)).collect();
    let mut used = vec![false; bundles.len()];
    for _ in 0..MAX_ASKED {
        let Some(artifact) = trace.wanted().first().copied() else { break };
        let mut found = Vec::new();
        for ((bundle, spoken), used) in bundles.iter().zip(&spoken).zip(&mut used) {
            if spoken.contains(&artifact) {
                *used = true;
                found.push(bundle.clone());
            }
        }
        trace.supply(artifact, found, None);
    }
    // What was given and leads nowhere is shown with the reason.
    let rest = bundles.iter().zip(&used).filter(|(_, used)| !**used);
    trace.supply(root, rest.map(|(bundle, _)| bundle.clone()).collect(), None);
    trace.finish()
}

fn speaks_of(bundle: &Bundle, direction: Direction) -> Vec<ArtifactId> {
    let envelope = opened(&bundle.envelope);
    let Ok(statement) = Statement::parse(&envelope.payload) else { return Vec::new() };
    let mut artifacts: Vec<ArtifactId> =
        statement.subject.iter().filter_map(|subject| subject.artifact().ok()).collect();
    if direction == Direction::Down {
        let materials = statement.materials();
        artifacts.extend(materials.into_iter().filter_map(|material| material.artifact().ok()));
    }
    artifacts
}

/// The lineage that a register shows.
#[cfg(feature = "server")]
pub fn from_source(
    root: ArtifactId,
    direction: Direction,
    source: &crate::source::Source,
    trust: &Trust,
    cx: &crate::context::Context<'_>,
) -> Result<Lineage, Error> {
    source.accept(cx)?;
    let followed = source.follow(trust, cx)?;
    // By the document in force, where the register was read or has shown it.
    let shown = match (&followed, source.url(), trust.governance()) {
        (None, Some(_), Some(_)) => Some(crate::governed::shown(source, trust, cx)?),
        _ => None,
    };
    let governing = followed.as_ref().map(|followed| &followed.governing).or(shown.as_ref());
    let trust = governing.map_or(trust, |governing| governing.trust());
    let none = Negatives::none();
    let negatives = followed.as_ref().map_or(&none, |followed| &followed.negatives);
    traced(root, direction, source, trust, negatives, cx.now)
}

/// The lineage that a register shows, by what is known to be negative, as it is believed at `now`.
#[cfg(feature = "server")]
pub fn traced(
    root: ArtifactId,
    direction: Direction,
    source: &crate::source::Source,
    trust: &Trust,
    negatives: &Negatives,
    now: Timestamp,
) -> Result<Lineage, Error> {
    let mut trace = Trace::new(root, direction, trust, negatives, now);
    for _ in 0..MAX_ASKED {
        let Some(artifact) = trace.wanted().first().copied() else { break };
        let (bundles, complete_to) = source.bundles(&artifact, direction)?;
        trace.supply(artifact, bundles, complete_to.as_ref());
    }
    Ok(trace.finish())
}
