//! What concerns a person, sealed with a key of their own (ChaCha20-Poly1305).
//! The keys are in the catalog, the sealed bytes in audit records: whoever
//! destroys the key erases the person from every record and every export, and
//! no proof is lost. Owns the form of the bytes: a nonce, then what is sealed.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use via_audit::Hash;
use via_catalog::command::PutSubject;
use via_catalog::{Digest, Outcome, Personal};
use via_types::limit;

use crate::Error;
use crate::handle::Handle;
use crate::room::Room;

/// Fills bytes from the machine's generator.
pub(crate) fn system_random(bytes: &mut [u8]) -> bool {
    SystemRandom::new().fill(bytes).is_ok()
}

impl Room {
    /// Returns bytes that nobody can guess.
    pub(crate) fn drawn<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        let is_filled = (self.options.random)(&mut bytes);
        let failed = || Error::Unfit("the machine gives no randomness".to_owned());
        is_filled.then_some(bytes).ok_or_else(failed)
    }
}

impl Handle {
    /// Names the person whose key seals what concerns them: an address, a login.
    pub fn subject(person: &str) -> Digest {
        Digest::new(*Hash::of(format!("via subject\n{person}").as_bytes()).bytes())
    }

    /// Seals what concerns a person; the first time, their key is made.
    ///
    /// # Errors
    /// [`Error::Unfit`] when the text is too long; [`Error::Refused`] when there
    /// are too many people; [`Error::Group`].
    pub async fn seal(&self, person: &str, text: &str) -> Result<Personal, Error> {
        let subject = Self::subject(person);
        let there = self.view().subject(subject).map(|subject| subject.key);
        let key = if let Some(key) = there {
            key
        } else {
            let put = PutSubject { id: subject, key: self.room().drawn()? };
            let Outcome::Subject(there) = self.room().propose(&put.into()).await? else {
                return Err(Error::Outcome);
            };
            there.key
        };
        let sealed = sealed(&key, &subject, text, self.room().drawn()?)?;
        Ok(Personal { subject, sealed })
    }

    /// Returns what was sealed; none when the person's key is destroyed, or the
    /// bytes are not what was sealed with it.
    pub fn unseal(&self, personal: &Personal) -> Option<String> {
        let view = self.view();
        opened(&view.subject(personal.subject)?.key, &personal.subject, &personal.sealed)
    }
}

fn sealed(
    key: &[u8; 32],
    subject: &Digest,
    text: &str,
    nonce: [u8; NONCE_LEN],
) -> Result<Vec<u8>, Error> {
    if NONCE_LEN + text.len() + CHACHA20_POLY1305.tag_len() > limit::PERSONAL_BYTES {
        return Err(Error::Unfit("what concerns a person is too long to be kept".to_owned()));
    }
    let mut bytes = text.as_bytes().to_vec();
    let unfit = |_| Error::Unfit("the key of a person does not seal".to_owned());
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(unfit)?);
    let bound = Aad::from(subject.bytes());
    let unique = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(unique, bound, &mut bytes).map_err(unfit)?;
    Ok([nonce.as_slice(), &bytes].concat())
}

fn opened(key: &[u8; 32], subject: &Digest, sealed: &[u8]) -> Option<String> {
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let mut bytes = bytes.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = key.open_in_place(nonce, Aad::from(subject.bytes()), &mut bytes).ok()?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_for_its_person_and_unchanged_only() {
        let (ada, eve) = (Handle::subject("ada"), Handle::subject("eve"));
        let text = "10.0.0.7 curl/8";
        let bytes = sealed(&[1; 32], &ada, text, [3; NONCE_LEN]).unwrap();
        assert_eq!(opened(&[1; 32], &ada, &bytes).as_deref(), Some(text));
        assert_eq!(opened(&[2; 32], &ada, &bytes), None, "another key");
        assert_eq!(opened(&[1; 32], &eve, &bytes), None, "another person");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&[1; 32], &ada, &changed), None, "byte {at}");
        }
        assert!(!bytes.windows(4).any(|window| window == b"curl"));
        let long = "x".repeat(limit::PERSONAL_BYTES);
        assert!(sealed(&[1; 32], &ada, &long, [3; NONCE_LEN]).is_err(), "D-6");
    }
}
