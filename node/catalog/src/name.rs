//! Which names are allowed. One rule for streams, tenants, nodes and
//! producers, so that every name fits into a URL, a label and a file name.

use via_types::limit;

use crate::refusal::{Refusal, Thing};

/// Checks that `name` is 1 to the limit of `[A-Za-z0-9._-]`, not starting with
/// a dot.
///
/// # Errors
/// [`Refusal::Name`], which says what is wrong with it.
pub fn check(thing: Thing, name: &str) -> Result<(), Refusal> {
    let longest = match thing {
        Thing::Stream => limit::STREAM_NAME_BYTES,
        Thing::Node | Thing::Tenant | Thing::Producer | Thing::Zone => limit::NAME_BYTES,
        Thing::Role | Thing::ApiKey | Thing::Plan | Thing::Region => limit::NAME_BYTES,
        Thing::User => limit::LOGIN_BYTES,
        Thing::Address => limit::NODE_ADDRESS_BYTES,
    };
    // A user's is an e-mail address, mostly.
    let is_user = thing == Thing::User;
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-')
            || (is_user && matches!(byte, b'@' | b'+'))
    };
    let wrong = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > longest {
        format!("is longer than {longest} bytes")
    } else if name.starts_with('.') {
        "starts with a dot".to_owned()
    } else if let Some(stranger) = name.chars().find(|c| !c.is_ascii() || !allowed(*c as u8)) {
        format!("contains {stranger:?}; letters, digits, '.', '_' and '-' are allowed")
    } else {
        return Ok(());
    };
    let shown = name.chars().take(longest).collect();
    Err(Refusal::Name { thing, name: shown, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_fits_into_a_url() {
        for name in ["a", "web-logs", "A.b_c-9", "-x", &"z".repeat(128)] {
            assert_eq!(check(Thing::Stream, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_everything_else_with_the_reason() {
        let long = "z".repeat(129);
        for name in ["", ".hidden", "a b", "a/b", "käse", "a\0", &long] {
            let refusal = check(Thing::Producer, name).unwrap_err();
            assert!(matches!(refusal, Refusal::Name { .. }), "{name:?}: {refusal}");
        }
    }
}
