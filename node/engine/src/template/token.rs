//! The tokens of a shape and how much two of them differ. Owns what is a word,
//! a name, a keyed value, and what each token becomes when it is found to vary;
//! refuses to know whole lines. Called by the clusters.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::class::is_word;
use super::mask::MASK;
use super::words::{is_constant, is_outcome};

/// The token has letters outside of its masks.
const TEXT: u8 = 1;
/// It has a mask.
const MASKED: u8 = 2;
/// It looks like a value: the name of one thing (`a.b`, `a_b`, `aB`), `true`.
const NAME: u8 = 4;
/// It is `key=word` or `key:word`.
const KEYED: u8 = 8;
/// Its word says how something ended.
const OUTCOME: u8 = 16;
/// Its mask stands for words that were seen to vary.
const LOOSE: u8 = 32;
/// It is a label, `name:`, or a call, `name()`.
const LABEL: u8 = 64;
/// It has a key and `=`.
const ASSIGNED: u8 = 128;

/// What a difference costs, in tenths of an equal word.
const COST_OF_WORD: u32 = 10;
const COST_OF_NAME: u32 = 4;
const COST_OF_LOOSE: u32 = 2;

/// One token of a shape or a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Of its text.
    pub(crate) hash: u64,
    /// Of the text it has when its value varies.
    pub(crate) general: u64,
    looks: u8,
}

/// How a token of a line compares with one of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The same text; worth a word when there are words in it.
    Same {
        /// 1 for a token with words, 0 for others.
        words: u32,
    },
    /// Another text at this cost, tenths of a word.
    Other {
        /// The cost.
        cost: u32,
    },
    /// Another text that says these are two templates.
    Apart,
}

impl Token {
    /// Reads a token; `scratch` is overwritten.
    pub(crate) fn read(text: &[u8], scratch: &mut Vec<u8>) -> Self {
        let parts = Parts::of(text);
        parts.generalise(scratch);
        let word = parts.value;
        let mut looks = 0;
        if text.windows(MASK.len()).any(|part| part == MASK) {
            looks |= MASKED;
        }
        if text.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80) {
            looks |= TEXT;
        }
        if is_name(word) || is_constant(word) {
            looks |= NAME;
        }
        if !parts.key.is_empty() && !word.is_empty() {
            looks |= KEYED;
        }
        if is_outcome(word) {
            looks |= OUTCOME;
        }
        if parts.suffix.ends_with(b":") || text.windows(2).any(|pair| pair == b"()") {
            looks |= LABEL;
        }
        if parts.key.contains(&b'=') {
            looks |= ASSIGNED;
        }
        Self { hash: xxh3_64(text), general: xxh3_64(scratch), looks }
    }

    /// The mask that stands for any token.
    pub(crate) fn any() -> Self {
        let hash = xxh3_64(MASK);
        Self { hash, general: hash, looks: MASKED | LOOSE }
    }

    /// Whether it is a word that may prove to vary.
    pub(crate) fn is_word(&self) -> bool {
        self.looks & TEXT != 0 && self.hash != self.general
    }

    /// Whether it has letters outside of its masks.
    pub(crate) fn has_text(&self) -> bool {
        self.looks & TEXT != 0
    }

    /// Whether a mask in it stands for words that were seen to vary.
    fn is_loose(&self) -> bool {
        self.looks & LOOSE != 0
    }

    fn has(&self, looks: u8) -> bool {
        self.looks & looks != 0
    }

    /// Whether every token that varies like `other` is one of these.
    fn covers(&self, other: &Self) -> bool {
        self.hash == other.general || (self.is_loose() && self.hash == Self::any().hash)
    }

    /// Whether two texts at the beginning of a line make two templates: there
    /// stand verbs, subjects and labels, and values only if they look like it.
    pub(crate) fn leads_apart(&self, line: &Self) -> bool {
        let either = self.looks | line.looks;
        let both = self.looks & line.looks;
        either & MASKED == 0 && both & TEXT != 0 && (either & NAME == 0 || either & LABEL != 0)
    }

    /// Compares a template's token with a line's.
    pub(crate) fn compare(&self, line: &Self) -> Difference {
        let other = |cost| Difference::Other { cost };
        if self.hash == line.hash {
            return Difference::Same { words: u32::from(self.has_text()) };
        }
        if self.has(MASKED) && self.covers(line) {
            return match (line.has(MASKED), self.is_loose()) {
                (true, _) => other(0),
                (false, true) => other(COST_OF_LOOSE),
                (false, false) => other(COST_OF_NAME),
            };
        }
        let either = self.looks | line.looks;
        let both = self.looks & line.looks;
        if both & ASSIGNED != 0 && self.general != line.general {
            Difference::Apart
        } else if either & MASKED != 0 || both & TEXT == 0 {
            other(COST_OF_NAME)
        } else if both & OUTCOME != 0 {
            Difference::Apart
        } else if either & NAME != 0 {
            other(COST_OF_NAME)
        } else if self.general == line.general && both & KEYED != 0 {
            Difference::Apart
        } else if self.general == line.general && either & KEYED != 0 {
            other(COST_OF_NAME)
        } else {
            other(COST_OF_WORD)
        }
    }

    /// Returns what stands for both; none when this one already does.
    pub(crate) fn join(&self, line: &Self) -> Option<Joined> {
        if self.hash == line.hash || (self.covers(line) && (self.is_loose() || line.has(MASKED))) {
            return None;
        }
        let is_same = self.general == line.general;
        let looks = MASKED | LOOSE | if is_same { self.looks & TEXT } else { 0 };
        let token = if is_same {
            Self { hash: self.general, general: self.general, looks }
        } else {
            Self::any()
        };
        Some(Joined { token, keeps_key: is_same })
    }
}

/// What two tokens become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    /// The token.
    pub(crate) token: Token,
    /// Its text is that of [`Parts::generalise`], not a bare mask.
    pub(crate) keeps_key: bool,
}

/// A token in pieces: `(user=root),` is `(`, `user=`, `root`, `),`.
pub(crate) struct Parts<'a> {
    prefix: &'a [u8],
    key: &'a [u8],
    value: &'a [u8],
    suffix: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a token to pieces.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        let mut from = 0;
        while from < text.len() && opens(text[from]) && !text[from..].starts_with(MASK) {
            from += 1;
        }
        let mut to = text.len();
        while to > from && closes(text[to - 1]) && !text[from..to].ends_with(MASK) {
            to -= 1;
        }
        let core = &text[from..to];
        let key = &core[..key_length(core)];
        let value = &core[key.len()..];
        Self { prefix: &text[..from], key, value, suffix: &text[to..] }
    }

    /// Writes the token with a mask for its value.
    pub(crate) fn generalise(&self, out: &mut Vec<u8>) {
        out.clear();
        for part in [self.prefix, self.key, MASK, self.suffix] {
            out.extend_from_slice(part);
        }
    }
}

fn opens(byte: u8) -> bool {
    matches!(byte, b'(' | b'[' | b'{' | b'<' | b'"' | b'\'' | b'`' | b'*' | b'#')
}

fn closes(byte: u8) -> bool {
    matches!(
        byte,
        b')' | b']'
            | b'}'
            | b'>'
            | b','
            | b';'
            | b':'
            | b'.'
            | b'!'
            | b'?'
            | b'"'
            | b'\''
            | b'`'
            | b'|'
    )
}

/// Returns the length of `key=`, `key:` or `"key":"` at the start; 0 without.
fn key_length(core: &[u8]) -> usize {
    let Some(at) = core.iter().position(|byte| matches!(byte, b'=' | b':')) else { return 0 };
    let (name, after) = (&core[..at], &core[at + 1..]);
    let may = |byte: &u8| is_word(*byte) || matches!(byte, b'.' | b'-' | b'"' | b'\'');
    let is_key = match core[at] {
        b'=' => after.first() != Some(&b'=') && !name.contains(&b'>'),
        _ => !after.is_empty() && after[0] != b':' && name.iter().all(may),
    };
    if !is_key || !name.iter().any(u8::is_ascii_alphabetic) {
        return 0;
    }
    at + 1 + usize::from(matches!(after.first(), Some(b'"' | b'\'')))
}

/// Whether a word looks like the name of one thing: two parts joined by
/// anything but a dash, or `camelCase`. Names in capitals are choices.
fn is_name(word: &[u8]) -> bool {
    if !word.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    word.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        || word.iter().enumerate().any(|(at, byte)| {
            at > 0
                && at + 1 < word.len()
                && matches!(
                    byte,
                    b'.' | b'_' | b'/' | b'\\' | b'@' | b'$' | b':' | b'#' | b'+' | b'='
                )
        })
}
