//! Filters: what a run surely does not have is not looked for in it.
//!
//! A Bloom filter in blocks. A fingerprint belongs to the block that its high bits choose, so that
//! fingerprints which come in order fill one block after the other, and asking reads one block.
//! With twelve bits for each fingerprint about one in two hundred of those that are not there
//! seems to be.

/// Length of a block, in bytes.
pub(super) const FILTER_BYTES: usize = 2048;
const BITS: u64 = FILTER_BYTES as u64 * 8;
/// Bits set for each fingerprint.
const PROBES: u64 = 6;
/// Bits of a filter for each fingerprint in it.
const BITS_EACH: u64 = 12;

/// How many blocks a filter for `count` fingerprints has.
pub(super) fn blocks_for(count: u64) -> u32 {
    u32::try_from(count.saturating_mul(BITS_EACH).div_ceil(BITS).max(1)).unwrap_or(u32::MAX)
}

/// The block that a fingerprint belongs to, of a filter with `blocks`.
pub(super) fn block_of(fingerprint: u64, blocks: u32) -> u32 {
    let place = (u128::from(fingerprint) * u128::from(blocks)) >> 64;
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Marks a fingerprint in its block.
pub(super) fn mark(block: &mut [u8; FILTER_BYTES], fingerprint: u64) {
    for (place, bit) in probes(fingerprint) {
        if let Some(byte) = block.get_mut(place) {
            *byte |= bit;
        }
    }
}

/// Whether a fingerprint may have been marked in its block.
pub(super) fn may_have(block: &[u8], fingerprint: u64) -> bool {
    probes(fingerprint).all(|(place, bit)| block.get(place).is_some_and(|byte| byte & bit != 0))
}

fn probes(fingerprint: u64) -> impl Iterator<Item = (usize, u8)> {
    // The high bits chose the block; multiplying spreads what is left over.
    let mixed = fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (start, step) = (mixed & 0xffff_ffff, (mixed >> 32) | 1);
    (0..PROBES).map(move |number| {
        let bit = (start + number * step) % BITS;
        (usize::try_from(bit / 8).unwrap_or(0), 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use attest::Sha256;

    use super::*;

    fn fingerprint(number: u64) -> u64 {
        let digest = Sha256::of(&number.to_be_bytes());
        u64::from_be_bytes(*digest.as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn what_was_marked_is_found_and_little_else() {
        for count in [1, 100, 20_000] {
            let blocks = blocks_for(count);
            let mut filter = vec![[0; FILTER_BYTES]; blocks as usize];
            for number in 0..count {
                let fingerprint = fingerprint(number);
                mark(&mut filter[block_of(fingerprint, blocks) as usize], fingerprint);
            }
            let has = |number| {
                let fingerprint = fingerprint(number);
                may_have(&filter[block_of(fingerprint, blocks) as usize], fingerprint)
            };
            assert!((0..count).all(has), "{count}");
            let wrong = (count..count + 20_000).filter(|number| has(*number)).count();
            assert!(wrong < 400, "{wrong} of 20000 with {count}");
        }
    }

    #[test]
    fn blocks_follow_the_order_of_fingerprints() {
        let blocks = blocks_for(50_000);
        assert!(blocks > 10);
        assert_eq!(block_of(0, blocks), 0);
        assert_eq!(block_of(u64::MAX, blocks), blocks - 1);
        let mut last = 0;
        for step in 0..1000_u64 {
            let block = block_of(step << 54, blocks);
            assert!(block >= last);
            last = block;
        }
    }
}
