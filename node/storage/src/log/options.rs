//! How a log is laid out and bounded.

use std::path::PathBuf;

/// Segments are made in whole pages.
pub(crate) const PAGE: u32 = 4 << 10;

/// Options of [`super::open`]; the defaults run out of the box.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its files are; made if missing, used by one process at a time.
    pub directory: PathBuf,
    /// Size of the very first segment: small, so that a first start is quick.
    /// Sizes of segments are whole pages from 4 KiB to 1 GiB; others are moved
    /// there.
    pub first_segment_bytes: u32,
    /// Size of the others: prepared in the background, so that a sync writes
    /// data only. An append that fits none gets a larger one of its own.
    pub segment_bytes: u32,
    /// Most bytes waiting to be written; beyond it appends are refused.
    pub queue_bytes: u64,
    /// Newest entries kept in memory for those who read what they just wrote.
    pub recent_bytes: u64,
    /// Most live entries: each costs 12 bytes of memory.
    pub entries: u64,
    /// How many segments there may be before the few live records of the
    /// oldest are copied forward to free it.
    pub segments: usize,
}

impl Options {
    /// Returns the default options for a log in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            first_segment_bytes: 4 << 20,
            segment_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            recent_bytes: 16 << 20,
            entries: 16 << 20,
            segments: 4,
        }
    }

    /// Moves the sizes of segments to what the format can hold.
    pub(crate) fn bounded(mut self) -> Self {
        for bytes in [&mut self.first_segment_bytes, &mut self.segment_bytes] {
            *bytes = (*bytes).clamp(PAGE, 1 << 30) / PAGE * PAGE;
        }
        self
    }
}
