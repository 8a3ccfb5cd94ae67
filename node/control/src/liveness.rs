//! When each node was last seen, and what follows: pure. A node is given up
//! only after it was gone for long while this node led; whoever begins to lead
//! begins to count anew.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use via_catalog::{Node, NodeState};
use via_types::NodeId;

/// How long ago the last answer may be of a node that counts as there.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// Who was seen when, since this node leads.
#[derive(Debug)]
pub(crate) struct Sightings {
    since: Instant,
    seen: HashMap<NodeId, Instant>,
}

impl Sightings {
    pub(crate) fn begin(now: Instant) -> Self {
        Self { since: now, seen: HashMap::new() }
    }

    pub(crate) fn saw(&mut self, node: NodeId, now: Instant) {
        self.seen.insert(node, now);
    }

    /// Says whether the node answered a moment ago.
    pub(crate) fn is_seen(&self, node: NodeId, now: Instant) -> bool {
        self.seen.get(&node).is_some_and(|seen| now.duration_since(*seen) < FRESH)
    }

    /// Returns how long the node has not answered.
    pub(crate) fn silence(&self, node: NodeId, now: Instant) -> Duration {
        now.duration_since(self.seen.get(&node).copied().unwrap_or(self.since))
    }

    /// Returns which nodes are gone for good or back, by what the catalog says
    /// of them.
    pub(crate) fn observe<'a>(
        &self,
        nodes: impl Iterator<Item = &'a Node>,
        now: Instant,
        replace_after: Duration,
    ) -> Vec<(NodeId, bool)> {
        let observed = |node: &Node| match node.state {
            NodeState::Active if self.silence(node.id, now) >= replace_after.max(FRESH) => {
                Some((node.id, false))
            }
            NodeState::Down if self.is_seen(node.id, now) => Some((node.id, true)),
            NodeState::Active
            | NodeState::Down
            | NodeState::Draining
            | NodeState::Left
            | NodeState::Joining => None,
        };
        nodes.filter_map(observed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);
    const N2: NodeId = NodeId::new(2);

    fn node(state: NodeState) -> Node {
        Node { id: N2, name: "b".to_owned(), addresses: Vec::new(), zone: None, state }
    }

    #[test]
    fn a_node_is_given_up_late_and_welcomed_back_at_once() {
        let start = Instant::now();
        let mut sightings = Sightings::begin(start);
        let observe = |sightings: &Sightings, state, secs| {
            let now = start + Duration::from_secs(secs);
            sightings.observe([node(state)].iter(), now, AFTER)
        };
        assert_eq!(observe(&sightings, NodeState::Active, 59), []);
        assert_eq!(observe(&sightings, NodeState::Active, 60), [(N2, false)]);
        assert_eq!(observe(&sightings, NodeState::Down, 60), []);
        sightings.saw(N2, start + Duration::from_secs(61));
        assert_eq!(observe(&sightings, NodeState::Down, 61), [(N2, true)]);
        assert_eq!(observe(&sightings, NodeState::Active, 100), [], "counted from the last answer");
        assert_eq!(observe(&sightings, NodeState::Active, 121), [(N2, false)]);
        for state in [NodeState::Draining, NodeState::Left, NodeState::Joining] {
            assert_eq!(observe(&sightings, state, 500), [], "{state:?}");
        }
        let anew = Sightings::begin(start + Duration::from_secs(500));
        assert_eq!(observe(&anew, NodeState::Active, 501), [], "a new leader begins anew");
    }
}
