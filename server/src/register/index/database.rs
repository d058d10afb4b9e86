//! Opening sled where the index lives.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use super::IndexError;

/// How often opening is tried while the last user of the index is still closing it.
const OPEN_ATTEMPTS: u32 = 1000;
const OPEN_INTERVAL: Duration = Duration::from_millis(2);

/// Opens the database in `folder`, which keeps up to `cache_bytes` bytes of itself in memory.
///
/// A thread of the one who had it open last may still be closing it, and is waited for.
///
/// # Errors
///
/// [`IndexError::Busy`] when someone else keeps it open, [`IndexError::Panicked`] when sled
/// could not recover it, and whatever sled says.
pub(in crate::register) fn open(folder: &Path, cache_bytes: u64) -> Result<sled::Db, IndexError> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        // No thread of its own: what is not written when the process ends is caught up.
        .flush_every_ms(None);
    for _ in 0..OPEN_ATTEMPTS {
        // sled 0.34 panics while it recovers from some torn files. Nothing of ours is shared
        // with the closure but the configuration, and what it leaves is thrown away with the
        // folder.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(database)) => return Ok(database),
            // A thread of the one who had it open last is still closing the file.
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("acquire lock") => {
                std::thread::sleep(OPEN_INTERVAL);
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(IndexError::Panicked),
        }
    }
    Err(IndexError::Busy)
}
