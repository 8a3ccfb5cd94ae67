//! How the groups of a node behave.

use std::path::PathBuf;
use std::time::Duration;

use via_types::NodeId;

use crate::Error;

/// Settings shared by all groups of a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this node is.
    pub node: NodeId,
    /// How often a leader tells its followers that it lives.
    pub heartbeat: Duration,
    /// How long a follower at least waits for its leader before it stands for
    /// election.
    pub election_min: Duration,
    /// How long it waits at most; leaders also count on it for their lease.
    pub election_max: Duration,
    /// Requests that may wait in one group before submitting blocks.
    pub queue: usize,
    /// How long a linearizable read waits for a majority.
    pub read_deadline: Duration,
    /// Where snapshots from peers are kept until they are whole.
    pub spool: PathBuf,
    /// How many purgeable entries are kept at most for followers that lag;
    /// one that lags more gets a snapshot.
    pub keep_entries: u64,
    /// Bytes of snapshots that are sent in a second, all groups together.
    pub snapshot_bytes_per_second: u64,
}

impl Options {
    /// Returns the settings for `node`: failover in under two seconds, and less
    /// than 5 % of a core for 64 idle groups (ADR 19).
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            heartbeat: Duration::from_millis(130),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(600),
            queue: 1024,
            read_deadline: Duration::from_secs(2),
            spool: std::env::temp_dir(),
            keep_entries: 4096,
            snapshot_bytes_per_second: 64 << 20,
        }
    }

    /// Checks how the settings relate.
    ///
    /// # Errors
    /// Names the relation that does not hold.
    pub fn validate(&self) -> Result<(), Error> {
        let relations = [
            (self.heartbeat >= Duration::from_millis(1), "heartbeat is at least 1 ms"),
            (self.heartbeat * 2 < self.election_min, "heartbeat is below half of election_min"),
            (self.election_min < self.election_max, "election_min is below election_max"),
            (self.queue > 0, "queue is at least 1"),
        ];
        match relations.iter().find(|(holds, _)| !holds) {
            Some((_, relation)) => Err(Error::Options(format!("broken relation: {relation}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_a_slow_heartbeat_is_refused() {
        let mut options = Options::new(NodeId::new(1));
        options.validate().unwrap();
        options.heartbeat = options.election_min;
        assert!(options.validate().is_err());
    }
}
