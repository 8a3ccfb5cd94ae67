//! Authenticated links between the nodes of one cluster: calls and ordered
//! streams of frames, each for one service. Refuses to know what the frames
//! mean. Also owns who a node is: its key, its certificate and the cluster's own
//! authority, on disk and on the wire. Called by `consensus` and `control`.
//! Every frame, queue and wait has a bound (invariant D-6).

mod error;
mod identity;
mod links;
mod memory;
pub mod metrics;
mod quic;
mod safe;
mod secret;

pub use error::Error;
pub use identity::{Authority, Identity, NodeKey, Validity};
pub use links::{Duplex, FRAME_BYTES, Frame, FrameReceiver, FrameSender, Handler, Links, Service};
pub use memory::{Fault, Leg, MemoryLinks, MemoryNetwork, Message, Passage, Weather};
pub use quic::{NEWCOMER_BYTES, QuicLinks, QuicOptions, Welcome, knock};
pub use safe::Safe;
pub use secret::{digest, random};
