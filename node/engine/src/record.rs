//! A profile at rest. Owns the compact form: zero words are left out, so a
//! young profile is small; refuses to know files and checksums, which are the
//! codec's. Called by `lifecycle` and the shard. Exact: what comes back is
//! bit for bit what was put in (invariant E-1).

use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};

use crate::profile::{Cold, Hot, TRANSIENT};

/// The layout written below; another one is not opened (invariant D-7).
const LAYOUT: u32 = 1;

/// One profile at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    layout: u32,
    key: String,
    hot: Words,
}

/// Plain memory as 32-bit words, zeros left out: `present` has one bit per
/// word, `bytes` the words that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Words {
    present: via_types::Column<u8>,
    bytes: via_types::Column<u8>,
}

impl Words {
    fn of(memory: &[u8]) -> Self {
        let mut words = Self::default();
        for (number, word) in memory.chunks_exact(4).enumerate() {
            if number % 8 == 0 {
                words.present.push(0);
            }
            if word != [0; 4] {
                words.present[number / 8] |= 1 << (number % 8);
                words.bytes.extend_from_slice(word);
            }
        }
        words
    }

    fn open(&self, memory: &mut [u8]) -> Option<()> {
        if self.present.len() != memory.len().div_ceil(32) {
            return None;
        }
        let mut rest = &self.bytes[..];
        for (number, word) in memory.chunks_exact_mut(4).enumerate() {
            if self.present[number / 8] >> (number % 8) & 1 == 1 {
                let (head, tail) = rest.split_at_checked(4)?;
                word.copy_from_slice(head);
                rest = tail;
            }
        }
        rest.is_empty().then_some(())
    }
}

impl Record {
    /// Returns the entity's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn of(hot: &Hot, cold: &Cold) -> Self {
        let mut plain = *hot;
        plain.low = 0;
        plain.high = 0;
        plain.stream = 0;
        plain.skip = 0;
        plain.flags &= !TRANSIENT;
        Self {
            layout: LAYOUT,
            key: cold.key.to_string(),
            hot: Words::of(bytemuck::bytes_of(&plain)),
        }
    }

    pub(crate) fn open(self) -> Option<(Hot, Cold)> {
        if self.layout != LAYOUT {
            return None;
        }
        let mut hot = Hot::zeroed();
        self.hot.open(bytemuck::bytes_of_mut(&mut hot))?;
        Some((hot, Cold { key: self.key.into_boxed_str() }))
    }
}
