//! Reading and writing the fixed-width fields of the register's own binary formats.
//!
//! Integers are big-endian. Reading never goes past the end and never allocates by a length that
//! the bytes claim; the formats built on this state their own bounds.

use attest::Sha256;

/// The bytes end before the field does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Short;

/// Takes fields off the front of a byte slice.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been taken yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Short> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn digest(&mut self) -> Result<Sha256, Short> {
        self.array().map(Sha256::from_bytes)
    }
}

/// The smallest multiple of `unit` that is not below `length`; saturates.
pub(super) const fn round_up(length: u64, unit: u64) -> u64 {
    length.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_where_the_bytes_end() {
        let bytes = [0, 1, 2, 3, 4, 5, 6];
        let mut fields = Fields::new(&bytes);
        assert_eq!(fields.u16(), Ok(1));
        assert_eq!(fields.u32(), Ok(0x0203_0405));
        assert_eq!(fields.u16(), Err(Short));
        assert_eq!(fields.u8(), Ok(6));
        assert_eq!(fields.u8(), Err(Short));
        assert_eq!(fields.take(1), Err(Short));
        assert_eq!(fields.rest(), b"");
    }

    #[test]
    fn rounding() {
        for (length, want) in [(0, 0), (1, 512), (512, 512), (513, 1024)] {
            assert_eq!(round_up(length, 512), want);
        }
    }
}
