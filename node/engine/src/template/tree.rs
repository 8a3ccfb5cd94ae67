//! Which templates a line need be compared with: those of its source, its number
//! of tokens and its first token; and which templates differ in one word only.
//! Owns the index; refuses to know texts. Called by the templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::Tokens;
use super::token::Token;

/// A fixed-depth tree (He et al., "Drain", ICWS 2017, section IV: length, then
/// leading tokens), its inner nodes folded into one key a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    leaves: BTreeMap<u64, Vec<u32>>,
    wholes: BTreeMap<u64, u32>,
    holes: BTreeMap<u64, u32>,
}

fn leaf(source: u64, length: usize, first: u64) -> u64 {
    let spread = |x: u64| (x ^ (x >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread(spread(source ^ length as u64) ^ first)
}

fn leaf_of(source: u64, tokens: &Tokens) -> u64 {
    let first = tokens.list().first().map_or(0, |token| token.hash);
    leaf(source, tokens.list().len(), first)
}

impl Tree {
    /// Adds a template.
    pub(crate) fn insert(&mut self, source: u64, tokens: &Tokens, slot: u32) {
        self.leaves.entry(leaf_of(source, tokens)).or_default().push(slot);
        let whole = tokens.whole();
        self.wholes.insert(whole ^ source, slot);
        for at in tokens.words() {
            *self.holes.entry(tokens.hole(whole, at) ^ source).or_default() += 1;
        }
    }

    /// Removes a template.
    pub(crate) fn remove(&mut self, source: u64, tokens: &Tokens, slot: u32) {
        let key = leaf_of(source, tokens);
        if let Some(slots) = self.leaves.get_mut(&key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.leaves.remove(&key);
            }
        }
        let whole = tokens.whole();
        if self.wholes.get(&(whole ^ source)) == Some(&slot) {
            self.wholes.remove(&(whole ^ source));
        }
        for at in tokens.words() {
            let key = tokens.hole(whole, at) ^ source;
            match self.holes.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.holes.remove(&key)),
            }
        }
    }

    /// Returns the templates a line is to be compared with.
    pub(crate) fn near(&self, source: u64, line: &Tokens) -> impl Iterator<Item = u32> {
        let length = line.list().len();
        let first = line.list().first().copied().unwrap_or_else(Token::any);
        let any = Token::any().hash;
        let general = (first.general != first.hash).then_some(first.general);
        let any = (any != first.hash && any != first.general).then_some(any);
        [Some(first.hash), general, any]
            .into_iter()
            .flatten()
            .filter_map(move |first| self.leaves.get(&leaf(source, length, first)))
            .flatten()
            .copied()
    }

    /// Returns the other templates in the leaf of this one.
    pub(crate) fn beside(&self, source: u64, tokens: &Tokens) -> &[u32] {
        self.leaves.get(&leaf_of(source, tokens)).map_or(&[], Vec::as_slice)
    }

    /// Returns the template of exactly these tokens.
    pub(crate) fn same(&self, source: u64, tokens: &Tokens) -> Option<u32> {
        self.wholes.get(&(tokens.whole() ^ source)).copied()
    }

    /// Returns how many templates differ in the word at `at` only.
    pub(crate) fn variants(&self, source: u64, tokens: &Tokens, at: usize) -> usize {
        let hole = tokens.hole(tokens.whole(), at) ^ source;
        self.holes.get(&hole).map_or(0, |count| *count as usize)
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.leaves.values().map(Vec::len).sum::<usize>() + self.wholes.len() + self.holes.len()
    }
}
