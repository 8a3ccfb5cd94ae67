//! Secrets that are shown once: `via_<kind>_<env>_<30 digits>_<checksum>`, in
//! base 62. The words tell people and scanners what was found, the checksum
//! tells a mistyped secret from a wrong one. Kept is only what they hash to.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use via_catalog::Digest;

use crate::problem::{Code, Problem};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of what cannot be guessed: 178 bits.
const DRAWN: usize = 30;
/// Digits of the checksum.
const CHECK: usize = 6;
/// Longest text that is looked at, bytes.
const LONGEST: usize = 512;

/// A secret that was just drawn. Has no `Debug`: it must not get into a log.
pub(crate) struct Secret(String);

impl Secret {
    /// Draws one.
    ///
    /// # Errors
    /// [`Code::Internal`] when the machine gives no randomness.
    pub(crate) fn draw(kind: &str, env: &str) -> Result<Self, Problem> {
        let head = format!("via_{kind}_{env}_{}", drawn::<DRAWN>()?);
        let check = checksum(&head);
        Ok(Self(format!("{head}_{check}")))
    }

    /// Returns it, to be shown once.
    pub(crate) fn show(&self) -> &str {
        &self.0
    }

    /// Returns what it hashes to.
    pub(crate) fn digest(&self) -> Digest {
        hashed(self.0.as_bytes())
    }
}

/// Returns what a text hashes to that may be a secret; none for one that
/// cannot be.
pub(crate) fn read(text: &str) -> Option<Digest> {
    is_secret(text).then(|| hashed(text.as_bytes()))
}

/// Says whether the text has the form of a secret, checksum included.
pub(crate) fn is_secret(text: &str) -> bool {
    if text.len() > LONGEST || !text.starts_with("via_") {
        return false;
    }
    let Some((head, check)) = text.rsplit_once('_') else { return false };
    let digits = head.rsplit_once('_').map_or("", |(_, digits)| digits);
    digits.len() == DRAWN && checksum(head) == check
}

/// Returns what bytes hash to (SHA-256).
pub(crate) fn hashed(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest::new(out)
}

/// Draws `N` digits in base 62, each equally likely.
///
/// # Errors
/// [`Code::Internal`] when the machine gives no randomness.
pub(crate) fn drawn<const N: usize>() -> Result<String, Problem> {
    let random = SystemRandom::new();
    let mut text = String::with_capacity(N);
    let mut bytes = [0; 64];
    while text.len() < N {
        let filled = random.fill(&mut bytes);
        filled.map_err(|_| Problem::new(Code::Internal, "the machine gives no randomness"))?;
        // Beyond the largest multiple of 62 the first digits would be likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.map(|byte| DIGITS[usize::from(*byte) % 62] as char).take(N - text.len()));
    }
    Ok(text)
}

fn checksum(head: &str) -> String {
    let mut rest = crc32fast::hash(head.as_bytes());
    let mut digits = [b'0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_as_what_is_kept_of_it_and_a_mistyped_one_as_nothing() {
        let secret = Secret::draw("key", "live").unwrap();
        assert!(secret.show().starts_with("via_key_live_"), "{}", secret.show());
        assert_eq!(read(secret.show()), Some(secret.digest()));
        for at in 0..secret.show().len() {
            let mut bytes = secret.show().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(read(&text), None, "{at}");
        }
        for odd in ["", "via_", "via_key_live_short_000000", &"via_".repeat(200)] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn no_digit_is_likelier_than_another() {
        let mut counts = [0_u32; 62];
        for _ in 0..1_000 {
            for byte in drawn::<62>().unwrap().bytes() {
                counts[DIGITS.iter().position(|digit| *digit == byte).unwrap()] += 1;
            }
        }
        // 1,000 expected of each; 8 standard deviations.
        assert!(counts.iter().all(|count| (750..1_250).contains(count)), "{counts:?}");
    }
}
