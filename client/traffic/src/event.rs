//! One labelled event.

use crate::{Attack, Stream};

/// One observation and its ground truth.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficEvent {
    /// The stream it belongs to.
    pub stream: Stream,
    /// Who it is about.
    pub entity: &'static str,
    /// When it happened, nanoseconds since the epoch.
    pub at_nanos: i64,
    /// What was observed, in [`Stream::unit`].
    pub value: f64,
    /// What else is known of it, under OpenTelemetry's names.
    pub attributes: Vec<(&'static str, String)>,
    /// The attack without which it would not exist or would have another
    /// value; none for the ordinary.
    pub truth: Option<Attack>,
    /// Different for every event of one [`crate::Traffic`], and the same
    /// whenever the same event is made again.
    pub unique_id: String,
}
