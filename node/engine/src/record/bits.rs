//! Single bits, written and read by the same words: whoever describes a code
//! describes it once, for both ways. Owns the stream of bits; refuses to know
//! what they mean. Bits that are missing read as zeros and are noticed at the
//! end (invariant D-7).

/// Ones in a row that a count in unary has at most.
const UNARY: u32 = 15;

/// A stream of bits. A writer is given what it returns; a reader returns what
/// was written, whatever it is given.
pub(super) trait Bits {
    /// Passes the lowest `count` bits of `value`, at most 32; the others are 0.
    fn bits(&mut self, value: u32, count: u32) -> u32;

    /// Passes a number up to `most`, at most [`UNARY`], as so many ones.
    fn unary(&mut self, value: u32, most: u32) -> u32;

    /// Says whether it is written rather than read.
    fn is_written(&self) -> bool;

    /// Passes a yes or no.
    fn flag(&mut self, yes: impl Into<u32>) -> bool {
        self.bits(yes.into(), 1) == 1
    }

    /// Passes any number, the small ones in fewer bits.
    fn number(&mut self, value: u32) -> u32 {
        let length = self.bits(32 - value.leading_zeros(), 6).min(32);
        self.bits(value, length)
    }

    /// Passes a number that is not 0.
    fn count(&mut self, value: u32) -> u32 {
        let length = self.bits(31 - (value | 1).leading_zeros(), 5);
        1 << length | self.bits(value & !(1 << length), length)
    }

    /// Passes 64 bits.
    fn long(&mut self, value: u64) -> u64 {
        let low = self.bits(value as u32, 32);
        u64::from(self.bits((value >> 32) as u32, 32)) << 32 | u64::from(low)
    }

    /// Passes a signed number, those near 0 in fewer bits.
    fn signed(&mut self, value: i64) -> i64 {
        let folded = (value << 1 ^ value >> 63) as u64;
        let length = self.bits(64 - folded.leading_zeros(), 7).min(64);
        let low = self.bits(folded as u32, length.min(32));
        let high = self.bits((folded >> 32) as u32, length.saturating_sub(32));
        let folded = u64::from(high) << 32 | u64::from(low);
        (folded >> 1) as i64 ^ -((folded & 1) as i64)
    }

    /// Passes a number of about 2^`k`, at most 2^31 (Rice, Plaunt, IEEE Trans. Comm.
    /// 19, 1971).
    fn rice(&mut self, value: u32, k: u32) -> u32;

    /// Passes a number that is as large as `usual` ones were.
    #[inline(always)]
    fn like(&mut self, value: u32, usual: &mut Usual) -> u32 {
        let value = self.rice(value, usual.k());
        usual.learn(value);
        value
    }

    /// Likewise one that is signed.
    #[inline(always)]
    fn near(&mut self, value: i32, usual: &mut Usual) -> i32 {
        let folded = self.like((value << 1 ^ value >> 31) as u32, usual);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    }
}

/// How large numbers of one kind usually are: the length of their codes follows
/// their mean (Weinberger, Seroussi, Sapiro, IEEE Trans. Image Proc. 9, 2000).
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    /// Sixteen times the mean.
    mean: u32,
}

impl Usual {
    pub(super) const fn about(mean: u32) -> Self {
        Self { mean: mean * 16 }
    }

    pub(super) fn k(self) -> u32 {
        // The logarithm of what half of them exceed.
        32 - ((self.mean * 11) >> 8).leading_zeros()
    }

    pub(super) fn learn(&mut self, value: u32) {
        self.mean = self.mean - (self.mean >> 3) + (value.min(1 << 20) << 1);
    }
}

/// Returns the lowest `count` bits.
fn lowest(value: u32, count: u32) -> u32 {
    (u64::from(value) & ((1u64 << count) - 1)) as u32
}

/// Writes. Whole bytes are stored as soon as they are known, always eight at a
/// time: whether a number completes one nobody can guess.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Bytes that are written.
    at: usize,
    held: u64,
    /// Bits held, fewer than 8.
    count: u32,
}

impl Writer {
    pub(super) fn with_room_for(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], ..Self::default() }
    }

    /// Returns how many bits were written.
    #[cfg(test)]
    pub(super) fn written(&self) -> usize {
        self.at * 8 + self.count as usize
    }

    /// Returns what was written, the last byte filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.put(0, 0);
        self.bytes.truncate(self.at + usize::from(self.count > 0));
        self.bytes
    }

    /// Writes `count` bits, at most 48; the others are 0.
    #[inline(always)]
    fn put(&mut self, value: u64, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        if self.at + 8 > self.bytes.len() {
            self.grow();
        }
        if let Some(eight) = self.bytes.get_mut(self.at..self.at + 8) {
            eight.copy_from_slice(&self.held.to_le_bytes());
        }
        self.at += (self.count / 8) as usize;
        self.held >>= self.count & !7;
        self.count &= 7;
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes.resize(self.bytes.len() * 2 + 64, 0);
    }
}

impl Bits for Writer {
    #[inline(always)]
    fn bits(&mut self, value: u32, count: u32) -> u32 {
        let value = lowest(value, count);
        self.put(u64::from(value), count);
        value
    }

    #[inline(always)]
    fn unary(&mut self, value: u32, most: u32) -> u32 {
        self.bits((1 << value) - 1, most.min(value + 1));
        value
    }

    #[inline(always)]
    fn rice(&mut self, value: u32, k: u32) -> u32 {
        let many = value >> k;
        if many < UNARY && k < 32 {
            let ones = (1u64 << many) - 1;
            self.put(ones | u64::from(lowest(value, k)) << (many + 1), many + 1 + k);
        } else {
            self.unary(UNARY, UNARY);
            self.number(value);
        }
        value
    }

    fn is_written(&self) -> bool {
        true
    }
}

/// Reads.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// Bytes of which all bits are held or read.
    at: usize,
    /// The next bits; those beyond `count` are read again.
    held: u64,
    count: u32,
    /// Bits read that there were not.
    missing: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0, missing: 0 }
    }

    /// Makes sure that 56 bits are held, where there are so many.
    #[inline(always)]
    fn fill(&mut self) {
        let Some(eight) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) else {
            return self.fill_last();
        };
        self.held |= u64::from_le_bytes(*eight) << self.count;
        self.at += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    #[cold]
    fn fill_last(&mut self) {
        while self.count < 56
            && let Some(byte) = self.bytes.get(self.at)
        {
            self.held |= u64::from(*byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    #[inline(always)]
    fn pass(&mut self, count: u32) {
        if count > self.count {
            self.miss(count);
        }
        self.held >>= count;
        self.count -= count;
    }

    #[cold]
    fn miss(&mut self, count: u32) {
        self.missing = self.missing.saturating_add(count - self.count);
        self.count = count;
    }

    /// Says whether exactly what was written was read.
    pub(super) fn is_whole(&self) -> bool {
        let left = (self.bytes.len() - self.at) * 8 + self.count as usize;
        let rest = self.bytes.get(self.at).copied().unwrap_or(0);
        self.missing == 0 && left < 8 && self.held == 0 && rest == 0
    }
}

impl Bits for Reader<'_> {
    #[inline(always)]
    fn bits(&mut self, _: u32, count: u32) -> u32 {
        self.fill();
        let value = lowest(self.held as u32, count);
        self.pass(count);
        value
    }

    #[inline(always)]
    fn unary(&mut self, _: u32, most: u32) -> u32 {
        self.fill();
        let value = self.held.trailing_ones().min(most);
        self.pass(most.min(value + 1));
        value
    }

    #[inline(always)]
    fn rice(&mut self, _: u32, k: u32) -> u32 {
        self.fill();
        let many = self.held.trailing_ones().min(UNARY);
        if many == UNARY {
            self.pass(UNARY);
            return self.number(0);
        }
        let low = lowest((self.held >> (many + 1)) as u32, k);
        self.pass(many + 1 + k);
        many << k | low
    }

    fn is_written(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass(bits: &mut impl Bits, numbers: &[(u32, u32)]) -> Vec<u64> {
        let mut usual = Usual::about(3);
        let mut passed = Vec::new();
        for (value, small) in numbers {
            passed.push(u64::from(bits.bits(*value, small % 33)));
            passed.push(u64::from(bits.unary(small % 16, UNARY)));
            passed.push(u64::from(bits.number(*value)));
            passed.push(u64::from(bits.count(value | 1)));
            passed.push(bits.long(u64::from(*value) << 17));
            passed.push(bits.signed(i64::from(*value as i32) << (small % 32)) as u64);
            passed.push(u64::from(bits.rice(*value, small % 32)));
            passed.push(u64::from(bits.like(small % 100, &mut usual)));
            passed.push(bits.near(*value as i32, &mut usual) as u64);
            passed.push(u64::from(bits.flag(small % 2)));
        }
        passed
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(numbers in prop::collection::vec(any::<(u32, u32)>(), 0..40)) {
            let mut writer = Writer::default();
            let written = pass(&mut writer, &numbers);
            let bytes = writer.finish();
            let mut reader = Reader::of(&bytes);
            let nothing: Vec<(u32, u32)> =
                numbers.iter().map(|(_, small)| (0, *small)).collect();
            // What decides the codes' lengths is told, what they hold is not.
            prop_assert_eq!(pass(&mut reader, &nothing), written);
            prop_assert!(reader.is_whole());
        }

        #[test]
        fn anything_reads_as_something(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader::of(&bytes);
            pass(&mut reader, &[(0, 5); 40]);
            prop_assert!(!reader.is_whole(), "it has fewer bits than were asked for");
        }
    }

    #[test]
    fn bits_left_over_or_missing_are_noticed() {
        let mut writer = Writer::default();
        pass(&mut writer, &[(77, 3), (12, 9)]);
        let bytes = writer.finish();
        let whole = |bytes: &[u8]| {
            let mut reader = Reader::of(bytes);
            pass(&mut reader, &[(0, 3), (0, 9)]);
            reader.is_whole()
        };
        assert!(whole(&bytes));
        assert!(!whole(&bytes[..bytes.len() - 1]));
        assert!(!whole(&[&bytes[..], &[0]].concat()));
    }
}
