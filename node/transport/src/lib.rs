//! Authenticated links between the nodes of one cluster: calls and ordered
//! streams of frames, each for one service. Refuses to know what the frames
//! mean. Called by `consensus` today and by whatever must reach a peer later.
//! Every frame, queue and wait has a bound (invariant D-6).

mod error;
mod identity;
mod links;
mod memory;
pub mod metrics;
mod quic;

pub use error::Error;
pub use identity::{Authority, Identity};
pub use links::{Duplex, FRAME_BYTES, Frame, FrameReceiver, FrameSender, Handler, Links, Service};
pub use memory::{Fault, MemoryLinks, MemoryNetwork};
pub use quic::{QuicLinks, QuicOptions};
