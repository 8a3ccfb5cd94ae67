//! One template: its tokens, its text, the lines it has. Owns likeness to a line
//! and becoming more general; refuses to know other templates. Called by the
//! tree and the templates.

use serde::{Deserialize, Serialize};

use super::mask::MASK;
use super::token::{Difference, Parts, Token};

/// What every token after the first few costs to compare, so lines have at most
/// as many; what comes later in a line tells no templates apart.
pub(crate) const MOST_TOKENS: usize = 64;

/// Words at the beginning of a line that are what it says and no values.
const LEADING_WORDS: u32 = 2;

/// A shape in tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    tokens: Vec<Token>,
    /// The text, tokens parted by single blanks.
    text: Vec<u8>,
}

/// How alike a template and a line are: equal words against what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Likeness {
    same: u32,
    cost: u32,
}

impl Likeness {
    /// Whether equal words are at least this share, in per cent, of all.
    pub(crate) fn reaches(self, per_cent: u32) -> bool {
        self.cost == 0 || self.same * 10 * 100 >= per_cent * (self.same * 10 + self.cost)
    }

    /// Whether more is alike than in another.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        self.against(other) > other.against(self)
    }

    /// Whether as much is alike as in another.
    pub(crate) fn equals(self, other: Self) -> bool {
        self.against(other) == other.against(self)
    }

    /// One side of the comparison of two quotients, both multiplied out.
    fn against(self, other: Self) -> u64 {
        u64::from(self.same * 10 + 1) * u64::from(other.cost + 1)
    }
}

impl Tokens {
    /// Reads the tokens of a shape; `scratch` is overwritten.
    pub(crate) fn read(&mut self, shape: &[u8], scratch: &mut Vec<u8>) {
        self.tokens.clear();
        self.text.clear();
        for text in shape.split(|byte| *byte == b' ').take(MOST_TOKENS) {
            self.push(text, Token::read(text, scratch));
        }
    }

    fn push(&mut self, text: &[u8], token: Token) {
        if !self.tokens.is_empty() {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(text);
        self.tokens.push(token);
    }

    /// Returns the tokens.
    pub(crate) fn list(&self) -> &[Token] {
        &self.tokens
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Compares a template's tokens with as many of a line; none when they are
    /// two templates whatever else is alike.
    pub(crate) fn likeness(&self, line: &Self) -> Option<Likeness> {
        let mut likeness = Likeness { same: 0, cost: 0 };
        let mut leading = LEADING_WORDS;
        for (mine, theirs) in self.tokens.iter().zip(&line.tokens) {
            match mine.compare(theirs) {
                Difference::Same { words } => likeness.same += words,
                Difference::Other { .. } if leading > 0 && mine.leads_apart(theirs) => return None,
                Difference::Other { cost } => likeness.cost += cost,
                Difference::Apart => return None,
            }
            leading = leading.saturating_sub(u32::from(mine.has_text()));
        }
        Some(likeness)
    }

    /// Becomes a template of the line too; returns whether that changed it.
    pub(crate) fn generalise(&mut self, line: &Self) -> bool {
        let joined = |at: usize| self.tokens[at].join(&line.tokens[at]);
        if (0..self.tokens.len()).all(|at| joined(at).is_none()) {
            return false;
        }
        let old = std::mem::take(self);
        let mut scratch = Vec::new();
        let pairs = old.tokens.iter().zip(&line.tokens);
        for (text, (mine, theirs)) in old.text.split(|byte| *byte == b' ').zip(pairs) {
            match mine.join(theirs) {
                None => self.push(text, *mine),
                Some(joined) if joined.keeps_key => {
                    Parts::of(text).generalise(&mut scratch);
                    self.push(&scratch, joined.token);
                }
                Some(joined) => self.push(MASK, joined.token),
            }
        }
        true
    }

    /// Returns a hash of all tokens in order, which [`Self::hole`] can change.
    pub(crate) fn whole(&self) -> u64 {
        let places = self.tokens.iter().enumerate();
        places.fold(0, |sum, (at, token)| mix(token.hash, at).wrapping_add(sum))
    }

    /// Returns what [`Self::whole`] would be were the value of token `at` masked.
    pub(crate) fn hole(&self, whole: u64, at: usize) -> u64 {
        let token = self.tokens[at];
        whole.wrapping_sub(mix(token.hash, at)).wrapping_add(mix(token.general, at))
    }

    /// Returns the places of words that may prove to vary.
    pub(crate) fn words(&self) -> impl Iterator<Item = usize> {
        self.tokens.iter().enumerate().filter(|(_, token)| token.is_word()).map(|(at, _)| at)
    }

    /// Returns how many tokens other than `at` have words.
    pub(crate) fn context(&self, at: usize) -> usize {
        let others = self.tokens.iter().enumerate().filter(|(place, _)| *place != at);
        others.filter(|(_, token)| token.has_text()).count()
    }

    /// Returns the memory taken beyond the value itself, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.tokens.capacity() * size_of::<Token>() + self.text.capacity()
    }
}

/// Spreads a token's hash by its place (the finaliser of MurmurHash3).
fn mix(hash: u64, at: usize) -> u64 {
    let mut x = hash ^ (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}
