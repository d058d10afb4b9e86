//! Submissions that wait to be committed, and whose turn it is to commit them.
//!
//! Whoever comes when nobody commits takes the baton and leads: it commits all that wait, in the
//! order in which they came, and tells each where it stands. Those who come meanwhile wait, and
//! are committed together next. So one write to the disk serves many submitters, and a single one
//! waits for nobody. A leader commits once, its own submission among the others; then the baton
//! goes to the first who still waits.
//!
//! A baton that is dropped passes itself on, and a submission whose leader went away half-way is
//! told so: nothing waits for ever, and whoever is left in doubt submits again, which is harmless
//! because an equal leaf is not added twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use attest::Timestamp;
use tokio::sync::oneshot;

use super::batch::NewEntry;
use super::group::Group;
use super::record::{MAX_BODIES_BYTES, MAX_LEAVES};
use super::submit::{Place, SubmitError};

/// Most entries that wait at one time; whoever comes then is told to come again.
pub const MAX_WAITING_ENTRIES: usize = 16_384;
/// Most bytes that wait at one time, leaves and bodies; a single submission may be larger.
pub const MAX_WAITING_BYTES: usize = 256 << 20;
/// How many entries and bytes are committed together at most, unless one submission has more.
const COMMIT_ENTRIES: usize = 4096;
const COMMIT_BYTES: usize = 16 << 20;

const _: () = assert!(COMMIT_ENTRIES <= MAX_LEAVES && COMMIT_BYTES as u64 <= MAX_BODIES_BYTES);

/// What became of a submission.
pub(super) type Done = Result<Stand, SubmitError>;

/// Where a submission stands.
#[derive(Debug)]
pub(super) struct Stand {
    /// Where each of its entries is.
    pub(super) places: Vec<Place>,
    /// What it was committed with.
    pub(super) group: Arc<Group>,
}

/// What a submitter that waits is told.
#[derive(Debug)]
pub(super) enum Told {
    /// What became of the submission.
    Done(Done),
    /// It is this submitter's turn to commit, and where it is told on. When nobody takes this, the
    /// answer is dropped first: the baton must not come back to who went away.
    Turn(Answer, Baton),
}

/// Where a submitter is told something; closed when nobody knows.
pub(super) type Answer = oneshot::Receiver<Told>;

/// A submission that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its entries.
    pub(super) entries: Arc<[Arc<NewEntry>]>,
    /// When it was submitted, by the submitter's clock.
    pub(super) now: Timestamp,
    answer: oneshot::Sender<Told>,
    bytes: usize,
}

impl Waiting {
    /// Says what became of the submission. Who went away is told nothing.
    pub(super) fn tell(self, done: Done) {
        let _ = self.answer.send(Told::Done(done));
    }
}

/// What a submitter holds while it waits.
pub(super) struct Ticket {
    /// Where it is told.
    pub(super) answer: Answer,
    /// The baton, if it is its turn at once.
    pub(super) baton: Option<Baton>,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    entries: usize,
    bytes: usize,
    /// Whether somebody has the baton.
    led: bool,
}

/// The right to commit what waits; there is one.
#[derive(Debug)]
pub(super) struct Baton(Option<Arc<Queue>>);

impl Queue {
    /// Waits with a submission.
    ///
    /// # Errors
    /// [`SubmitError::Busy`] when too much waits already.
    pub(super) fn join(
        self: &Arc<Self>,
        entries: Arc<[Arc<NewEntry>]>,
        now: Timestamp,
    ) -> Result<Ticket, SubmitError> {
        let bytes = entries.iter().map(|entry| entry.length()).sum();
        let mut state = self.state();
        let fits = state.waiting.is_empty()
            || state.entries.saturating_add(entries.len()) <= MAX_WAITING_ENTRIES
                && state.bytes.saturating_add(bytes) <= MAX_WAITING_BYTES;
        if !fits {
            return Err(SubmitError::Busy { waiting: state.entries });
        }
        let (answer, answered) = oneshot::channel();
        state.entries = state.entries.saturating_add(entries.len());
        state.bytes = state.bytes.saturating_add(bytes);
        state.waiting.push_back(Waiting { entries, now, answer, bytes });
        let led = std::mem::replace(&mut state.led, true);
        let baton = (!led).then(|| Baton(Some(Arc::clone(self))));
        Ok(Ticket { answer: answered, baton })
    }

    /// How many entries wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().entries
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the baton to the first who waits.
    fn pass_on(self: &Arc<Self>) {
        let mut state = self.state();
        while let Some(first) = state.waiting.pop_front() {
            let Waiting { entries, now, answer, bytes } = first;
            let (next, answered) = oneshot::channel();
            match answer.send(Told::Turn(answered, Baton(Some(Arc::clone(self))))) {
                Ok(()) => {
                    // It waits on; whether it is its turn it has just learnt.
                    state.waiting.push_front(Waiting { entries, now, answer: next, bytes });
                    return;
                }
                // It has gone, and what it wanted goes with it.
                Err(mut back) => {
                    if let Told::Turn(_, baton) = &mut back {
                        baton.0 = None;
                    }
                    state.entries = state.entries.saturating_sub(entries.len());
                    state.bytes = state.bytes.saturating_sub(bytes);
                }
            }
        }
        state.led = false;
    }
}

impl Baton {
    /// Takes the submissions off the queue that are committed together next.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let Some(queue) = &self.0 else { return Vec::new() };
        let mut state = queue.state();
        let (mut group, mut entries, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        while let Some(next) = state.waiting.front() {
            entries = entries.saturating_add(next.entries.len());
            bytes = bytes.saturating_add(next.bytes);
            if !group.is_empty() && (entries > COMMIT_ENTRIES || bytes > COMMIT_BYTES) {
                break;
            }
            let Some(next) = state.waiting.pop_front() else { break };
            state.entries = state.entries.saturating_sub(next.entries.len());
            state.bytes = state.bytes.saturating_sub(next.bytes);
            group.push(next);
        }
        group
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Covered;
    use super::*;

    fn entries(count: usize, length: usize) -> Arc<[Arc<NewEntry>]> {
        let entry = Arc::new(NewEntry::new(vec![7; length], Covered::Unknown));
        vec![entry; count].into()
    }

    fn join(queue: &Arc<Queue>, count: usize) -> Ticket {
        queue.join(entries(count, 10), Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn the_first_leads_and_then_who_waits_longest() {
        let queue = Arc::new(Queue::default());
        let mut first = join(&queue, 1);
        let mut second = join(&queue, 2);
        let mut third = join(&queue, 3);
        let baton = first.baton.take().unwrap();
        assert!(second.baton.is_none() && third.baton.is_none());
        assert_eq!(baton.take().len(), 3);
        let mut fourth = join(&queue, 4);
        assert!(baton.take().iter().all(|one| one.entries.len() == 4));
        let mut fifth = join(&queue, 5);
        let sixth = join(&queue, 6);
        drop(baton);
        // Nobody who was taken gets it, and whoever comes does not get a second one.
        for ticket in [&mut second, &mut third, &mut fourth] {
            assert!(ticket.answer.try_recv().is_err());
        }
        assert!(join(&queue, 7).baton.is_none());
        drop(sixth);
        let Told::Turn(mut answer, baton) = fifth.answer.try_recv().unwrap() else { panic!() };
        let taken = baton.take();
        assert_eq!(taken.iter().map(|one| one.entries.len()).sum::<usize>(), 18);
        assert!(answer.try_recv().is_err());
        taken.into_iter().for_each(|one| one.tell(Err(SubmitError::Nothing)));
        // Who leads is told like everybody else.
        assert!(matches!(answer.try_recv(), Ok(Told::Done(Err(SubmitError::Nothing)))));
        drop(baton);
        assert_eq!(queue.waiting(), 0);
        assert!(join(&queue, 8).baton.is_some());
    }

    #[test]
    fn a_baton_that_was_given_to_somebody_who_went_away_goes_on() {
        let queue = Arc::new(Queue::default());
        let baton = join(&queue, 1).baton.take().unwrap();
        drop(baton.take());
        let (gone, going) = (join(&queue, 1), join(&queue, 1));
        let mut waits = join(&queue, 1);
        drop(gone);
        drop(baton);
        // It was given to `going`, which never looked.
        drop(going);
        assert!(matches!(waits.answer.try_recv(), Ok(Told::Turn(..))));
    }

    #[test]
    fn too_much_is_refused_until_there_is_room() {
        let queue = Arc::new(Queue::default());
        let mut first = join(&queue, MAX_WAITING_ENTRIES);
        let more = queue.join(entries(1, 1), Timestamp::UNIX_EPOCH);
        assert!(matches!(more, Err(SubmitError::Busy { waiting: MAX_WAITING_ENTRIES })));
        let baton = first.baton.take().unwrap();
        assert_eq!(baton.take().len(), 1);
        assert!(queue.join(entries(1, 1), Timestamp::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn groups_are_bounded_and_a_large_submission_goes_alone() {
        let queue = Arc::new(Queue::default());
        let mut first = join(&queue, COMMIT_ENTRIES + 1);
        let _second = join(&queue, 1);
        let large = queue.join(entries(2, COMMIT_BYTES), Timestamp::UNIX_EPOCH).unwrap();
        let baton = first.baton.take().unwrap();
        let sizes: Vec<usize> = (0..3).map(|_| baton.take().len()).collect();
        assert_eq!(sizes, [1, 1, 1]);
        assert!(baton.take().is_empty());
        drop(large);
    }
}
