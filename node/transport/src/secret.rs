//! What secrets are made of: random bytes and digests, by the one provider of
//! cryptography that the links use as well.

use rustls::crypto::ring::{cipher_suite, default_provider};

use crate::Error;

/// Returns the SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let suite = suite.expect("it is a suite of TLS 1.3");
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().try_into().expect("the suite's hash is SHA-256")
}

/// Returns bytes that nobody can guess.
///
/// # Errors
/// [`Error::Identity`] when the system gives none.
pub fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Error::Identity("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_as_the_standard_says() {
        let hex: String = digest(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
    }
}
