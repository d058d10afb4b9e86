//! The row that says what an index is complete to, and which runs it has.

use std::sync::Arc;

use super::super::fields::{Fields, Short};
use super::super::published::Tip;
use super::super::record::JournalId;
use super::VERSION;
use super::block::{put_number, take_number};
use super::run::Run;

/// The state row.
pub(super) fn list(journal: JournalId, tip: &Tip, next_id: u64, runs: &[Arc<Run>]) -> Vec<u8> {
    let mut state = Vec::with_capacity(1024);
    state.extend_from_slice(&VERSION.to_be_bytes());
    state.extend_from_slice(&journal.0);
    tip.encode(&mut state);
    put_number(&mut state, next_id);
    for run in runs {
        run.encode(&mut state);
    }
    state
}

/// What the state row says.
pub(super) struct Listed {
    pub(super) journal: JournalId,
    pub(super) tip: Tip,
    pub(super) next_id: u64,
    pub(super) runs: Vec<Arc<Run>>,
}

impl Listed {
    pub(super) fn decode(row: &[u8]) -> Result<Self, Short> {
        let mut fields = Fields::new(row);
        if fields.u16()? != VERSION {
            return Err(Short);
        }
        let journal = JournalId(fields.array()?);
        let tip = Tip::decode(&mut fields)?;
        let mut rest = fields.rest();
        let next_id = take_number(&mut rest)?;
        let (mut runs, mut end) = (Vec::new(), 0);
        while !rest.is_empty() {
            let run = Run::decode(&mut rest, end)?;
            end = run.end();
            runs.push(Arc::new(run));
        }
        let fits = end == tip.tree.size && runs.iter().all(|run| run.id < next_id);
        if fits { Ok(Self { journal, tip, next_id, runs }) } else { Err(Short) }
    }
}
