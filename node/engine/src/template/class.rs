//! What each byte can be part of, looked up at once. Owns the table; knows one
//! byte at a time. Called by the mask's scan.

/// A letter of ASCII, a digit, `_`. Other letters are text by themselves: many
/// scripts part no words, and a number among them is a value.
pub(crate) const WORD: u8 = 1;
/// A decimal digit.
pub(crate) const DIGIT: u8 = 2;
/// A hexadecimal digit.
pub(crate) const HEX: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let it = byte as u8;
        if it.is_ascii_alphanumeric() || it == b'_' {
            classes[byte] |= WORD;
        }
        if it.is_ascii_digit() {
            classes[byte] |= DIGIT;
        }
        if it.is_ascii_hexdigit() {
            classes[byte] |= HEX;
        }
        byte += 1;
    }
    classes
};

/// Returns the classes of a byte, one bit each.
#[inline(always)]
pub(crate) fn of(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// Whether the byte can be part of a word.
#[inline(always)]
pub(crate) fn is_word(byte: u8) -> bool {
    of(byte) & WORD != 0
}
