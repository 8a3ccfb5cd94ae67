//! A cluster as it forms, grows, loses and replaces nodes: several nodes in one
//! process, over real links with real certificates.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod formation {
    pub(crate) mod joining;
    pub(crate) mod leaving;
    pub(crate) mod papers;
    pub(crate) mod site;
}
