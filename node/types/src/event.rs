//! One observation, as a row. The hot path uses [`crate::Batch`] instead.

use crate::Timestamp;

/// One observation of one entity. `value` is finite (the gateway refuses the
/// rest); `values` are further named values of a multivariate entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who it is about: 1 to [`crate::limit::ENTITY_KEY_BYTES`] bytes of UTF-8.
    pub entity: String,
    /// When it happened.
    pub at: Timestamp,
    /// What was observed.
    pub value: f64,
    /// The client's own id of it; a repeat within the window is a duplicate.
    pub unique_id: Option<String>,
    /// What else is known of it, in the order given.
    pub attributes: Vec<(String, String)>,
    /// Further named values, at most [`crate::limit::LANES`].
    pub values: Vec<(String, f64)>,
}
