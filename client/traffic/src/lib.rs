//! Labelled telemetry as a small web shop would send it, and the scorer that
//! judges a detector by it. Seeded and free of clocks and I/O: the caller says
//! until when it wants events. Knows nothing of nodes, streams' settings or
//! transports; the demo, the load generator and the tests call it.

mod attack;
mod event;
mod rhythm;
mod score;
mod shape;
mod source;
mod stream;
mod traffic;
mod world;

pub use attack::{Attack, Strike, StrikeError, UnknownAttack};
pub use event::TrafficEvent;
pub use rhythm::rhythm;
pub use score::{AttackVerdict, Finding, Scorer, Verdict};
pub use stream::Stream;
pub use traffic::{Options, Traffic};
