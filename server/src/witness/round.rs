//! One round: every witness is asked for its cosignature of the register's newest checkpoint.
//!
//! The register holds itself against what its witnesses saw (THREATS 27): one that has seen more
//! than there is here, or another tree, means that this register is not the one that it was.

use std::collections::HashMap;
use std::thread;

use attest::{Checkpoint, CosignerKey, Note, NoteSignature};
use ureq::Agent;

use super::client::{self, Reply};
use super::fork::Fork;
use super::list::{Asked, WitnessList};
use super::request::AddCheckpoint;
use crate::register::{ReadError, Register, Storage};

/// How often one witness is asked in a round: where it is, the growth from there, and once more
/// when it has moved on meanwhile.
const MAX_TURNS: usize = 3;

/// What came of asking one witness.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It cosigned.
    Cosigned {
        /// When, in seconds since 1970.
        time: u64,
    },
    /// It did not, or could not be reached.
    Absent(
        /// Why.
        String,
    ),
    /// It has seen what the register does not have.
    Fork(Box<Fork>),
}

/// What came of a round.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Round {
    /// What was to be cosigned.
    pub checkpoint: Checkpoint,
    /// Each witness's name with what came of asking it.
    pub outcomes: Vec<(String, Outcome)>,
    /// How many must cosign.
    pub quorum: usize,
    /// The cosignatures, one of each witness that cosigned.
    pub lines: Vec<NoteSignature>,
}

impl Round {
    /// Whether enough witnesses cosigned for the cosignatures to be shown.
    pub const fn is_met(&self) -> bool {
        self.lines.len() >= self.quorum
    }

    /// The forks that were found.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Fork(fork) => Some(fork.as_ref()),
            Outcome::Cosigned { .. } | Outcome::Absent(_) => None,
        })
    }
}

/// Asks every witness of `list`. `sizes` remembers what each cosigned last, so that most need one
/// question. It blocks while the witnesses are asked, all at once.
///
/// # Errors
/// When the register cannot be read.
pub(super) async fn round<S: Storage>(
    register: &Register<S>,
    list: &WitnessList,
    agent: &Agent,
    sizes: &mut HashMap<String, u64>,
) -> Result<Round, ReadError> {
    let signed = register.signed().await?;
    let checkpoint = signed.checkpoint.clone();
    let note = own_note(&signed.note, register);
    let mut round =
        Round { checkpoint, outcomes: Vec::new(), quorum: list.quorum(), lines: Vec::new() };
    let size = round.checkpoint.size;
    let old = |asked: &Asked| sizes.get(&asked.key.to_string()).copied().filter(|old| *old <= size);
    let mut pending: Vec<(&Asked, u64)> =
        list.witnesses().iter().map(|asked| (asked, old(asked).unwrap_or(0))).collect();
    for turn in 1..=MAX_TURNS {
        let mut requests = Vec::with_capacity(pending.len());
        for (asked, old) in pending.drain(..) {
            let proof = match old {
                0 => Vec::new(),
                old => register.consistency(old, size).await?.hashes,
            };
            let body = AddCheckpoint { old, proof, note: note.clone() }.to_string();
            requests.push((asked, old, body));
        }
        let replies: Vec<Reply> = thread::scope(|scope| {
            let ask = |(asked, _, body): &(&Asked, u64, String)| {
                let (url, body) = (asked.url.clone(), body.clone());
                scope.spawn(move || client::ask(agent, &url, &body))
            };
            let asked: Vec<_> = requests.iter().map(ask).collect();
            let gone = |_| Reply::Nothing("asking it failed".into());
            asked.into_iter().map(|one| one.join().unwrap_or_else(gone)).collect()
        });
        for ((asked, old, _), reply) in requests.into_iter().zip(replies) {
            let outcome = match reply {
                Reply::Lines(lines) => match own_line(&note, lines, &asked.key) {
                    Some((line, time)) => {
                        sizes.insert(asked.key.to_string(), size);
                        round.lines.push(line);
                        Outcome::Cosigned { time }
                    }
                    None => Outcome::Absent("its answer is not its cosignature".into()),
                },
                // It is elsewhere than was thought: the growth from there is to be shown.
                Reply::Conflict(found) if found <= size && found != old && turn < MAX_TURNS => {
                    pending.push((asked, found));
                    continue;
                }
                Reply::Conflict(found) if found > size => fork(
                    asked,
                    agent,
                    &note,
                    register,
                    &format!("it has cosigned {found} entries, but there are {size}"),
                ),
                Reply::Conflict(found) if found == old => fork(
                    asked,
                    agent,
                    &note,
                    register,
                    &format!("the tree of {found} entries that it cosigned is another"),
                ),
                Reply::Conflict(_) => {
                    Outcome::Absent("it is asked by others at the same time".into())
                }
                Reply::Inconsistent if old == size => fork(
                    asked,
                    agent,
                    &note,
                    register,
                    &format!("the tree of {size} entries that it cosigned is another"),
                ),
                Reply::Inconsistent => fork(
                    asked,
                    agent,
                    &note,
                    register,
                    &format!(
                        "the tree of {size} entries does not extend the {old} that it cosigned"
                    ),
                ),
                Reply::Nothing(why) => Outcome::Absent(why),
            };
            round.outcomes.push((asked.key.name().to_owned(), outcome));
        }
    }
    Ok(round)
}

/// The evidence that a witness has seen another history: the note that it cosigned, if it shows
/// it, belongs to it.
fn fork<S: Storage>(
    asked: &Asked,
    agent: &Agent,
    ours: &str,
    register: &Register<S>,
    says: &str,
) -> Outcome {
    let theirs = client::newest(agent, &asked.url, register.origin());
    let keys: Vec<_> = [register.verifier()].into_iter().chain(register.next_verifier()).collect();
    let name = asked.key.name();
    Outcome::Fork(Box::new(Fork::new(name, says.into(), ours, theirs, &keys)))
}

/// The note with the register's own signatures alone: two while its key is being rotated, as some
/// witnesses know the one key and some the other.
fn own_note<S: Storage>(note: &str, register: &Register<S>) -> String {
    let Ok(mut note) = note.parse::<Note>() else { return note.into() };
    note.signatures.retain(|line| register.is_named_by(line));
    note.to_string()
}

/// The newest of the lines that the witness with `key` made over the text of `note`. Lines of
/// others are ignored; one that names it and does not hold makes the answer worthless.
fn own_line(
    note: &str,
    lines: Vec<NoteSignature>,
    key: &CosignerKey,
) -> Option<(NoteSignature, u64)> {
    let text = note.parse::<Note>().ok()?.text;
    let named = lines.into_iter().filter(|line| key.is_named_by(line));
    let dated = named.map(|line| key.verify(&text, &line).map(|time| (line, time)));
    let dated: Vec<_> = dated.collect::<Result<_, _>>().ok()?;
    dated.into_iter().max_by_key(|(_, time)| *time)
}
