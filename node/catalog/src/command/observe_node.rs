//! What the leader sees of a node: gone for long, or back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::NodeId;

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Node, NodeState, Object};
use crate::refusal::Refusal;

/// Says that a node has not been seen for so long that others take its shards,
/// or that it is back. Touches nothing that an operator has decided meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObserveNode {
    /// The node.
    pub id: NodeId,
    /// Whether it is there.
    pub is_up: bool,
}

impl ObserveNode {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { id, is_up } = self;
        let there = catalog.nodes.get(&id).ok_or(Refusal::NoNode(id))?;
        let state = match (there.state, is_up) {
            (NodeState::Active, false) => NodeState::Down,
            (NodeState::Down, true) => NodeState::Active,
            (state, _) => state,
        };
        let node = Arc::new(Node { state, ..Node::clone(there) });
        if *there != node {
            catalog.put(Object::Node(Arc::clone(&node)));
        }
        Ok(Outcome::Registered(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{apply, catalog};
    use crate::command::{Command, RegisterNode, SetNodeState};

    const ID: NodeId = NodeId::new(1);

    fn seen(is_up: bool) -> Command {
        ObserveNode { id: ID, is_up }.into()
    }

    #[test]
    fn goes_down_and_up_but_not_against_an_operator() {
        let mut catalog = catalog();
        assert_eq!(apply(&mut catalog, 3, seen(false)), Err(Refusal::NoNode(ID)));
        let name = "a".to_owned();
        let node = RegisterNode { id: ID, name, addresses: Vec::new(), zone: None };
        apply(&mut catalog, 4, node.into()).unwrap();
        for (at, is_up, state) in [(5, false, NodeState::Down), (6, true, NodeState::Active)] {
            apply(&mut catalog, at, seen(is_up)).unwrap();
            assert_eq!(catalog.nodes[&ID].state, state);
        }
        let drain = SetNodeState { id: ID, state: NodeState::Draining };
        apply(&mut catalog, 7, drain.into()).unwrap();
        for (at, is_up) in [(8, false), (9, true)] {
            apply(&mut catalog, at, seen(is_up)).unwrap();
            assert_eq!(catalog.nodes[&ID].state, NodeState::Draining);
        }
        assert_eq!(catalog.revision().get(), 7, "what changes nothing is no change");
    }
}
