//! What can go wrong with the server itself.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The server could not start or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {listen}; set another [listen] address or stop what uses it")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Requests did not finish in time and were cut off.
    #[error("{connections} connections were still busy after {} s and were cut off", grace.as_secs())]
    CutOff {
        /// How long was waited.
        grace: Duration,
        /// How many.
        connections: usize,
    },
}
