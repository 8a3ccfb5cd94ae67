//! What can go wrong with the server itself.

use std::io;
use std::net::SocketAddr;

/// The server could not start.
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
    /// The first users could not be made.
    #[error("the first users could not be made: {why}")]
    FirstUsers {
        /// What stands against it.
        why: String,
    },
}
