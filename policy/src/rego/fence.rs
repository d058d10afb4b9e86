//! Running the engine where it can do no harm: on a thread with a stack as deep as the deepest
//! value and the longest chain of calls that the limits allow, and whose panic is an error.

use std::thread;

/// The stack, in bytes of address space; only what is used of it takes memory. A level of a value
/// costs at least an instruction, and the engine compares and frees values level by level.
const STACK: usize = 512 << 20;

/// The engine did not come back with an answer, or could not be started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken;

/// Runs `work` behind the fence, and waits for it.
pub(super) fn behind<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Broken> {
    thread::scope(|scope| {
        let named = thread::Builder::new().name("rego".into()).stack_size(STACK);
        let running = named.spawn_scoped(scope, work).map_err(|_| Broken)?;
        running.join().map_err(|_| Broken)
    })
}
