//! Who is let in, as the program uses it.

use std::time::Duration;

use crate::raw::AccessSection;

/// Who is let in, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether requests must say who makes them.
    pub required: bool,
    /// Whether a node that asks nobody may listen for other machines.
    pub open_to_network: bool,
    /// How long a session may be unused.
    pub session_idle: Duration,
    /// How long a session lasts, whatever happens.
    pub session_lifetime: Duration,
    /// Passwords checked at the same time.
    pub concurrent_hashes: u32,
}

impl Access {
    /// Converts what was written.
    pub(crate) fn of(raw: &AccessSection) -> Self {
        Self {
            required: raw.required,
            open_to_network: raw.open_to_network,
            session_idle: raw.session_idle.duration(),
            session_lifetime: raw.session_lifetime.duration(),
            concurrent_hashes: raw.concurrent_hashes,
        }
    }
}
