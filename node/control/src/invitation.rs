//! A join token as people carry it: the digest of the cluster's authority, by
//! which a newcomer knows the cluster, and a secret, by which the cluster knows
//! that it was invited. Never logged.

use std::fmt;
use std::str::FromStr;

use via_catalog::Digest;

use crate::Error;

const PREFIX: &str = "via_join_";
const AUTHORITY: usize = 32;
const SECRET: usize = 16;
const CHECK: usize = 4;

/// A join token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// What the authority's certificate hashes to.
    pub(crate) authority: [u8; AUTHORITY],
    pub(crate) secret: [u8; SECRET],
}

impl Invitation {
    /// Makes a new one for the cluster whose authority has that digest.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(crate) fn new(authority: [u8; AUTHORITY]) -> Result<Self, Error> {
        Ok(Self { authority, secret: via_transport::random()? })
    }

    /// Says whether it is of the cluster whose authority has that digest.
    pub fn is_of(&self, authority: [u8; AUTHORITY]) -> bool {
        self.authority == authority
    }

    /// Returns what the catalog knows it by.
    pub(crate) fn digest(secret: &[u8; SECRET]) -> Digest {
        Digest::new(via_transport::digest(secret))
    }

    fn body(&self) -> Vec<u8> {
        [&self.authority[..], &self.secret[..]].concat()
    }

    /// Returns the text that is handed over: a secret.
    pub(crate) fn text(&self) -> String {
        let mut bytes = self.body();
        let check = via_transport::digest(&bytes);
        bytes.extend_from_slice(&check[..CHECK]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{PREFIX}{hex}")
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation")
    }
}

impl FromStr for Invitation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(bytes).ok_or(Error::NoToken)?;
        let (body, check) = bytes.split_at_checked(AUTHORITY + SECRET).ok_or(Error::NoToken)?;
        let (authority, secret) = body.split_at(AUTHORITY);
        if check.len() != CHECK || via_transport::digest(body)[..CHECK] != *check {
            return Err(Error::NoToken);
        }
        let authority = authority.try_into().map_err(|_| Error::NoToken)?;
        let secret = secret.try_into().map_err(|_| Error::NoToken)?;
        Ok(Self { authority, secret })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_refuses_what_was_mistyped() {
        let token = Invitation::new([7; AUTHORITY]).unwrap();
        let text = token.text();
        assert_eq!(text.parse::<Invitation>().unwrap(), token);
        assert_eq!(format!("{token:?}"), "Invitation", "never logged");
        for at in PREFIX.len()..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'0' { b'1' } else { b'0' };
            let typo = String::from_utf8(typo).unwrap();
            assert!(typo.parse::<Invitation>().is_err(), "{at}");
            assert!(text[..at].parse::<Invitation>().is_err(), "cut at {at}");
        }
        assert!("via_join_käse".parse::<Invitation>().is_err());
        assert!(format!("{text}00").parse::<Invitation>().is_err());
    }
}
