//! What became of a request that failed (invariant D-5).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a client may believe after an error, and what it should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Surely not applied; sending it again cannot help.
    Rejected,
    /// Surely not applied; try again after this long.
    Retry(Duration),
    /// May have been applied; try again with the same sequence.
    Unknown,
}
