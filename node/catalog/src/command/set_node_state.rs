//! Whether a node takes part.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::NodeId;

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Node, NodeState, Object};
use crate::refusal::Refusal;

/// Says whether a node takes part. Leaving is final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetNodeState {
    /// The node.
    pub id: NodeId,
    /// What it is to be.
    pub state: NodeState,
}

impl SetNodeState {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { id, state } = self;
        let there = catalog.nodes.get(&id).ok_or(Refusal::NoNode(id))?;
        if there.state == state {
            return Ok(Outcome::Registered(Arc::clone(there)));
        }
        if there.state == NodeState::Left {
            return Err(Refusal::NodeLeft(id));
        }
        let node = Arc::new(Node { state, ..Node::clone(there) });
        catalog.put(Object::Node(Arc::clone(&node)));
        Ok(Outcome::Registered(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{apply, catalog};
    use crate::command::{Command, RegisterNode};

    fn set(state: NodeState) -> Command {
        Command::SetNodeState(SetNodeState { id: NodeId::new(1), state })
    }

    #[test]
    fn drains_returns_and_leaves_for_good() {
        let mut catalog = catalog();
        assert_eq!(
            apply(&mut catalog, 3, set(NodeState::Draining)),
            Err(Refusal::NoNode(NodeId::new(1)))
        );
        let node = RegisterNode {
            id: NodeId::new(1),
            name: "a".to_owned(),
            addresses: Vec::new(),
            zone: None,
        };
        apply(&mut catalog, 4, Command::RegisterNode(node)).unwrap();
        for (at, state) in [(5, NodeState::Draining), (6, NodeState::Active), (7, NodeState::Left)]
        {
            apply(&mut catalog, at, set(state)).unwrap();
            assert_eq!(catalog.nodes[&NodeId::new(1)].state, state);
        }
        assert!(apply(&mut catalog, 8, set(NodeState::Left)).is_ok(), "leaving twice is harmless");
        assert_eq!(
            apply(&mut catalog, 9, set(NodeState::Active)),
            Err(Refusal::NodeLeft(NodeId::new(1)))
        );
    }
}
