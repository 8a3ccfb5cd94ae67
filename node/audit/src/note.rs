//! Signed heads: what a log says of itself, as text that anybody can keep and
//! check. The forms are those of C2SP: `tlog-checkpoint` for the text,
//! `signed-note` with Ed25519 for keys and signatures.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::Hash;

/// Says of a key or a signature that it is Ed25519.
const ED25519_KIND: u8 = 1;
/// Signatures of one note that are looked at.
const SIGNATURES: usize = 16;
/// Longest note that is read, bytes.
const NOTE_BYTES: usize = 4_096;

/// The size and root of a log at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which log, in all the world.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// The text is not a signed head, or not one signed with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// It has not the form.
    #[error("it is not a signed head")]
    Form,
    /// The key has not signed it: another one may have.
    #[error("it is not signed with the key that is trusted")]
    Unsigned,
    /// It names the key, but the signature is not that of the key.
    #[error("its signature is forged")]
    Forged,
}

/// The text or bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a key: a name, '+', eight hexadecimal digits, '+', base64")]
pub struct BadKey;

/// A key that checks signatures, with the name of whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: [u8; 4],
    bytes: [u8; 32],
}

/// A key that signs.
pub struct SecretKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public).finish()
    }
}

impl PublicKey {
    fn new(name: &str, bytes: [u8; 32]) -> Result<Self, BadKey> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(BadKey);
        }
        let hash = Hash::of_parts(&[name.as_bytes(), b"\n", &[ED25519_KIND], &bytes]);
        let [a, b, c, d, ..] = *hash.bytes();
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], bytes })
    }

    /// Returns the name of whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let key = STANDARD.encode([[ED25519_KIND].as_slice(), &self.bytes].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.trim_end().splitn(3, '+');
        let mut next = || parts.next().ok_or(BadKey);
        let (name, id, key) = (next()?, next()?, next()?);
        let key = STANDARD.decode(key).map_err(|_| BadKey)?;
        let Some((&ED25519_KIND, bytes)) = key.split_first() else { return Err(BadKey) };
        let key = Self::new(name, bytes.try_into().map_err(|_| BadKey)?)?;
        let fits = id.len() == 8 && u32::from_str_radix(id, 16) == Ok(u32::from_be_bytes(key.id));
        if fits { Ok(key) } else { Err(BadKey) }
    }
}

impl SecretKey {
    /// Makes the key that belongs to a seed, which must be random and is the
    /// secret.
    ///
    /// # Errors
    /// [`BadKey`] when the name is empty or has a space or a plus in it.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| BadKey)?;
        Ok(Self { pair, public: PublicKey::new(name, bytes)? })
    }

    /// Returns the key that checks what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the head as a signed note.
    pub fn sign(&self, head: &Head) -> String {
        self.sign_text(&head.text())
    }

    fn sign_text(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let signature = STANDARD.encode([&self.public.id, signature.as_ref()].concat());
        format!("{text}\n\u{2014} {} {signature}\n", self.public.name)
    }
}

impl Head {
    /// Returns the text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a signed head and checks its signature.
    ///
    /// # Errors
    /// [`BadNote`].
    pub fn open(note: &str, key: &PublicKey) -> Result<Self, BadNote> {
        Self::read(open_text(note, key)?).ok_or(BadNote::Form)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        // One form for one number: no sign, no leading zero.
        let fits = !origin.is_empty() && number.to_string() == size && lines.next().is_some();
        let root = root.parse().ok()?;
        fits.then(|| Self { origin: origin.to_owned(), size: number, root })
    }
}

/// Returns the text of a note that `key` has signed.
fn open_text<'a>(note: &'a str, key: &PublicKey) -> Result<&'a str, BadNote> {
    let end = note.rfind("\n\n").filter(|_| note.len() <= NOTE_BYTES).ok_or(BadNote::Form)?;
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    let signatures = signatures.strip_suffix('\n').ok_or(BadNote::Form)?;
    let mut found = Err(BadNote::Unsigned);
    for line in signatures.split('\n').take(SIGNATURES) {
        let line = line.strip_prefix("\u{2014} ").ok_or(BadNote::Form)?;
        let (name, signature) = line.split_once(' ').ok_or(BadNote::Form)?;
        let signature = STANDARD.decode(signature).map_err(|_| BadNote::Form)?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or(BadNote::Form)?;
        if name != key.name || *id != key.id {
            continue;
        }
        let public = UnparsedPublicKey::new(&ED25519, &key.bytes);
        public.verify(text.as_bytes(), signature).map_err(|_| BadNote::Forged)?;
        found = Ok(text);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed("via.example/audit", &[seed; 32]).unwrap()
    }

    fn head() -> Head {
        Head { origin: "via.example/c1/t7".to_owned(), size: 300, root: Hash::of(b"root") }
    }

    #[test]
    fn a_note_of_another_implementation_is_read() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: PublicKey = key.parse().unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(open_text(&note, &key), Ok(text));
        assert_eq!(open_text(&note.replace("answer", "Answer"), &key), Err(BadNote::Forged));
    }

    #[test]
    fn a_signed_head_reads_back_with_its_key_alone() {
        let note = key(1).sign(&head());
        assert!(note.starts_with("via.example/c1/t7\n300\n"), "{note}");
        assert_eq!(Head::open(&note, key(1).public()), Ok(head()));
        assert_eq!(Head::open(&note, key(2).public()), Err(BadNote::Unsigned));
        let text: String = key(1).public().to_string();
        assert_eq!(text.parse().as_ref(), Ok(key(1).public()));
    }

    #[test]
    fn another_key_under_the_same_name_does_not_pass() {
        // The name and id of the first on a signature of the second.
        let mut forger = key(2);
        forger.public = key(1).public().clone();
        let note = forger.sign(&head());
        assert_eq!(Head::open(&note, key(1).public()), Err(BadNote::Forged));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_refused() {
        let note = key(1).sign(&head());
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Head::open(&changed, key(1).public()).is_err(), "byte {at}: {changed}");
        }
        assert_eq!(Head::open("", key(1).public()), Err(BadNote::Form));
    }

    #[test]
    fn a_key_s_text_must_fit_its_id() {
        let text = key(1).public().to_string();
        let at = text.find('+').unwrap() + 1;
        let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
        let mut wrong = text;
        wrong.replace_range(at..=at, other);
        assert_eq!(wrong.parse::<PublicKey>(), Err(BadKey));
        assert_eq!("a+b".parse::<PublicKey>(), Err(BadKey));
        assert_eq!(SecretKey::from_seed("a b", &[0; 32]).err(), Some(BadKey));
    }
}
