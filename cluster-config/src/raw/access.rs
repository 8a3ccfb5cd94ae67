//! The section about who is let in: `[access]`. Relations with where the node
//! listens are in `relation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// Who is let in, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessSection {
    /// Requests must say who makes them, by an API key or a session. When
    /// false, every request acts as an administrator of the default tenant and
    /// an operator of the platform: for a machine of one's own, and for tests.
    pub(crate) required: bool,
    /// Lets a node that asks nobody who they are (`required = false`) listen
    /// on an address that other machines reach.
    pub(crate) open_to_network: bool,
    /// How long a session may be unused.
    #[schemars(extend("x-minimum" = "5m", "x-maximum" = "1d"))]
    pub(crate) session_idle: Span,
    /// How long a session lasts, whatever happens.
    #[schemars(extend("x-minimum" = "5m", "x-maximum" = "30d"))]
    pub(crate) session_lifetime: Span,
    /// Passwords checked at the same time, 19 MiB each; further ones are told to
    /// retry.
    #[schemars(range(min = 1, max = 64), extend("x-unit" = "passwords"))]
    pub(crate) concurrent_hashes: u32,
}

impl Default for AccessSection {
    fn default() -> Self {
        Self {
            required: true,
            open_to_network: false,
            session_idle: Span::from_secs(1_800),
            session_lifetime: Span::from_secs(43_200),
            concurrent_hashes: 2,
        }
    }
}
