//! Tiles: the pieces in which a log is served, and the paths that name them.
//!
//! Source: C2SP tlog-tiles. A tile holds up to 256 hashes of one level of the tree, or as many
//! entries. The path says all there is to say about it, and one tile has one path only, so that
//! caches and mirrors keep it once.

use std::fmt;
use std::str::FromStr;

/// How many hashes or entries a full tile holds.
pub const FULL_WIDTH: u16 = 256;
/// The highest level.
pub const MAX_LEVEL: u8 = 63;
/// The last position of a tile: that of the last one of a tree of 2^64 entries.
pub const MAX_INDEX: u64 = u64::MAX >> 8;

/// No path is longer, in bytes: six groups of digits, and a width.
const MAX_LENGTH: usize = 64;

/// What a tile holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Held {
    /// Hashes of complete subtrees of `256^level` leaves each.
    Hashes {
        /// The level: 0 for leaf hashes.
        level: u8,
    },
    /// The entries themselves, each after its length in two bytes.
    Entries,
}

/// The name of a tile: what it holds, its position, and how much of it is meant.
///
/// Text form is `tile/<level>/<position>` or `tile/entries/<position>`, with `.p/<width>` after it
/// unless the tile is full. The position is written in groups of three digits, like
/// `x001/x234/067`. No other spelling parses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TilePath {
    held: Held,
    index: u64,
    width: u16,
}

/// Why there is no such tile, in any log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TilePathError {
    /// Another form, or another spelling of this one.
    #[error("not the path of a tile, like `tile/0/x001/067` or `tile/entries/000.p/7`")]
    Malformed,
    /// A level above [`MAX_LEVEL`].
    #[error("the levels of tiles end at {MAX_LEVEL}")]
    Level,
    /// A position above [`MAX_INDEX`].
    #[error("the positions of tiles end at {MAX_INDEX}")]
    Index,
    /// A width of 0, or above [`FULL_WIDTH`]. A full tile has no width in its path.
    #[error("the width of a partial tile is 1 to 255")]
    Width,
}

impl TilePath {
    /// The first `width` hashes or entries of the tile at `index`; [`FULL_WIDTH`] for all of it.
    ///
    /// # Errors
    /// [`TilePathError`] for what no log has.
    pub const fn new(held: Held, index: u64, width: u16) -> Result<Self, TilePathError> {
        if let Held::Hashes { level } = held
            && level > MAX_LEVEL
        {
            return Err(TilePathError::Level);
        }
        if index > MAX_INDEX {
            return Err(TilePathError::Index);
        }
        if width == 0 || width > FULL_WIDTH {
            return Err(TilePathError::Width);
        }
        Ok(Self { held, index, width })
    }

    /// What it holds.
    pub const fn held(&self) -> Held {
        self.held
    }

    /// The level of the hashes, and of the entries: those of level 0.
    pub const fn level(&self) -> u8 {
        match self.held {
            Held::Hashes { level } => level,
            Held::Entries => 0,
        }
    }

    /// The position of the first hash or entry among those of its level.
    pub const fn start(&self) -> u64 {
        self.index << 8
    }

    /// How many hashes or entries it holds: 1 to [`FULL_WIDTH`].
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tree of `size` entries has all that this tile holds, so that this tree or an
    /// earlier one has the tile.
    pub fn is_within(&self, size: u64) -> bool {
        let complete = size.checked_shr(8 * u32::from(self.level())).unwrap_or(0);
        complete.saturating_sub(self.start()) >= u64::from(self.width)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.held {
            Held::Hashes { level } => write!(formatter, "tile/{level}/")?,
            Held::Entries => formatter.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        // Each round takes three digits: at most six.
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        let (last, others) = groups.split_first().unwrap_or((&0, &[]));
        for group in others.iter().rev() {
            write!(formatter, "x{group:03}/")?;
        }
        write!(formatter, "{last:03}")?;
        if self.width < FULL_WIDTH { write!(formatter, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let path = read(text)?;
        // `+7`, `007` or groups of zeros read as numbers but are not how a path is written.
        if path.to_string() == text { Ok(path) } else { Err(TilePathError::Malformed) }
    }
}

/// Reads a path, and other spellings of it.
fn read(text: &str) -> Result<TilePath, TilePathError> {
    let malformed = TilePathError::Malformed;
    if text.len() > MAX_LENGTH {
        return Err(malformed);
    }
    let path = text.strip_prefix("tile/").ok_or(malformed)?;
    let (held, position) = path.split_once('/').ok_or(malformed)?;
    let held = match held {
        "entries" => Held::Entries,
        level => {
            let level: u64 = level.parse().map_err(|_| malformed)?;
            Held::Hashes { level: u8::try_from(level).map_err(|_| TilePathError::Level)? }
        }
    };
    let (index, width) = match position.split_once(".p/") {
        None => (position, FULL_WIDTH),
        Some((index, width)) => match width.parse::<u64>().map_err(|_| malformed)? {
            width if width >= u64::from(FULL_WIDTH) => return Err(TilePathError::Width),
            width => (index, u16::try_from(width).map_err(|_| TilePathError::Width)?),
        },
    };
    let digits: String = index.split('/').map(|group| group.trim_start_matches('x')).collect();
    // 64 bytes of digits are more than 128 bits.
    let index: u128 = digits.parse().map_err(|_| malformed)?;
    TilePath::new(held, u64::try_from(index).map_err(|_| TilePathError::Index)?, width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> TilePath {
        TilePath::new(Held::Hashes { level }, index, width).unwrap()
    }

    fn entries(index: u64, width: u16) -> TilePath {
        TilePath::new(Held::Entries, index, width).unwrap()
    }

    #[test]
    fn one_tile_has_one_path() {
        let cases = [
            ("tile/0/000", Ok(hashes(0, 0, 256))),
            ("tile/0/x001/x234/067", Ok(hashes(0, 1_234_067, 256))),
            ("tile/0/x001/000", Ok(hashes(0, 1000, 256))),
            ("tile/63/999.p/255", Ok(hashes(63, 999, 255))),
            ("tile/entries/000.p/1", Ok(entries(0, 1))),
            ("tile/entries/x072/x057/x594/x037/x927/935", Ok(entries(MAX_INDEX, 256))),
            ("tile/entries/x072/x057/x594/x037/x927/936", Err(TilePathError::Index)),
            ("tile/64/000", Err(TilePathError::Level)),
            ("tile/256/000", Err(TilePathError::Level)),
            ("tile/0/000.p/0", Err(TilePathError::Width)),
            ("tile/0/000.p/256", Err(TilePathError::Width)),
            ("tile/0/000.p/65537", Err(TilePathError::Width)),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<TilePath>(), want, "{text}");
            if let Ok(path) = want {
                assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn other_spellings_are_no_paths() {
        let cases = [
            ("no prefix", "0/000"),
            ("a slash before", "/tile/0/000"),
            ("a slash after", "tile/0/000/"),
            ("two slashes", "tile/0//000"),
            ("nothing after the level", "tile/0"),
            ("no position", "tile/0/"),
            ("a level with a zero before", "tile/00/000"),
            ("a level with a sign", "tile/+1/000"),
            ("a level below zero", "tile/-1/000"),
            ("no level", "tile//000"),
            ("another word", "tile/data/000"),
            ("one digit", "tile/0/0"),
            ("four digits", "tile/0/0000"),
            ("four digits in one group", "tile/0/1000"),
            ("a group of zeros before", "tile/0/x000/001"),
            ("no mark on the first group", "tile/0/001/067"),
            ("a mark on the last group", "tile/0/x067"),
            ("two marks", "tile/0/xx001/067"),
            ("a short group", "tile/0/x1/067"),
            ("a position with a sign", "tile/0/+01"),
            ("other digits", "tile/0/٠٠٠"),
            ("a width with a zero before", "tile/0/000.p/07"),
            ("a width with a sign", "tile/0/000.p/+7"),
            ("no width", "tile/0/000.p/"),
            ("no width and no slash", "tile/0/000.p"),
            ("two widths", "tile/0/000.p/7.p/7"),
            ("a group behind the width", "tile/0/000.p/7/000"),
            ("a query", "tile/0/000?"),
            ("an escape", "tile/0/%30%30%30"),
            ("nothing", ""),
        ];
        for (name, text) in cases {
            assert!(text.parse::<TilePath>().is_err(), "{name}");
        }
        let long = format!("tile/0/{}000", "x000/".repeat(1000));
        assert_eq!(long.parse::<TilePath>(), Err(TilePathError::Malformed));
    }

    /// The example of the specification: a tree of 70,000 entries.
    #[test]
    fn a_tree_has_the_tiles_that_it_has_all_of() {
        let cases = [
            (hashes(0, 272, 256), 70_000, true),
            (hashes(0, 273, 112), 70_000, true),
            (hashes(0, 273, 111), 70_000, true),
            (hashes(0, 273, 113), 70_000, false),
            (hashes(0, 273, 256), 70_000, false),
            (hashes(0, 274, 1), 70_000, false),
            (hashes(1, 0, 256), 70_000, true),
            (hashes(1, 1, 17), 70_000, true),
            (hashes(1, 1, 18), 70_000, false),
            (hashes(2, 0, 1), 70_000, true),
            (hashes(2, 0, 2), 70_000, false),
            (hashes(3, 0, 1), 70_000, false),
            (entries(273, 112), 70_000, true),
            (entries(273, 113), 70_000, false),
            (hashes(1, 0, 1), 256, true),
            (hashes(1, 0, 1), 255, false),
            (hashes(0, 0, 1), 1, true),
            (hashes(0, 0, 1), 0, false),
            (hashes(7, 0, 255), u64::MAX, true),
            (hashes(8, 0, 1), u64::MAX, false),
            (hashes(63, 0, 1), u64::MAX, false),
            (hashes(0, MAX_INDEX, 255), u64::MAX, true),
            (hashes(0, MAX_INDEX, 256), u64::MAX, false),
        ];
        for (path, size, want) in cases {
            assert_eq!(path.is_within(size), want, "{path} of {size}");
        }
    }

    proptest! {
        #[test]
        fn paths_read_back(level in 0..=MAX_LEVEL, bits in 0_u32..56, noise: u64, width in 1..=FULL_WIDTH) {
            // Positions of every magnitude.
            let index = noise >> (63 - bits);
            prop_assume!(index <= MAX_INDEX);
            for held in [Held::Hashes { level }, Held::Entries] {
                let path = TilePath::new(held, index, width).unwrap();
                prop_assert_eq!(path.to_string().parse(), Ok(path));
                prop_assert!(path.to_string().len() <= MAX_LENGTH);
            }
        }

        #[test]
        fn whatever_parses_is_written_as_it_was(text in "tile/[0-9e]{1,3}/(x?[0-9]{1,4}/){0,3}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        #[test]
        fn a_growing_tree_keeps_its_tiles(level in 0_u8..4, index in 0_u64..600, width in 1..=FULL_WIDTH, size: u32, more: u32) {
            let path = hashes(level, index, width);
            let size = u64::from(size);
            prop_assert!(!path.is_within(size) || path.is_within(size + u64::from(more)));
        }
    }
}
