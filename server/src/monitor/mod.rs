//! Following any log of the C2SP tlog-tiles kind from outside: proves that it only grows.
//!
//! `tiles` reads the tree and believes no tile that does not lead to the signed root; `look` holds
//! what a log shows now against what it showed before. Who fetches is handed in: nothing here
//! opens a socket, and nothing reads a clock.

mod look;
mod tiles;

pub use look::{Believed, Look, MonitorError, Split, look};
pub use tiles::{
    Fetch, FetchError, MAX_ENTRIES_BYTES, TILE_BYTES, TileError, Tiles, entries_path, tile_path,
};
