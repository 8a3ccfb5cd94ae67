//! Making a node known to the cluster.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{NodeId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::name;
use crate::object::{Node, NodeState, Object};
use crate::refusal::{Refusal, Thing};

/// Makes a node known, or updates its name, addresses and zone. Its state
/// stays, but that one that was let in takes part once it can be reached; a
/// node that has left does not come back under the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterNode {
    /// The node.
    pub id: NodeId,
    /// Its name, unique among nodes that have not left; empty keeps the one that
    /// it has, and then also the zone when none is given.
    pub name: String,
    /// Where peers reach it.
    pub addresses: Vec<String>,
    /// Its failure domain, when known.
    pub zone: Option<String>,
}

impl RegisterNode {
    /// Takes from what is known of the node what is to be kept of it: whoever
    /// sends the command may not know the newest.
    fn kept(self, catalog: &Catalog) -> Self {
        if !self.name.is_empty() {
            return self;
        }
        let there = catalog.nodes.get(&self.id);
        let name = there.map(|node| node.name.clone());
        let name = name.unwrap_or_else(|| format!("node-{}", self.id.get()));
        let zone = self.zone.or_else(|| there.and_then(|node| node.zone.clone()));
        Self { name, zone, ..self }
    }

    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        catalog.formed()?;
        let Self { id, name, addresses, zone } = self.kept(catalog);
        name::check(Thing::Node, &name)?;
        if addresses.len() > limit::NODE_ADDRESSES {
            return Err(Refusal::full("addresses of one node", limit::NODE_ADDRESSES as u64));
        }
        addresses.iter().try_for_each(|address| check(address))?;
        zone.iter().try_for_each(|zone| name::check(Thing::Zone, zone))?;
        let there = catalog.nodes.get(&id);
        if there.is_some_and(|node| node.state == NodeState::Left) {
            return Err(Refusal::NodeLeft(id));
        }
        if there.is_none() && catalog.nodes.len() >= limit::NODES {
            return Err(Refusal::full("nodes, gone ones included", limit::NODES as u64));
        }
        if catalog.is_node_name_taken(&name, id) {
            return Err(Refusal::NameTaken { thing: Thing::Node, name });
        }
        let state = match there.map(|node| node.state) {
            // Who says where it is reached runs, and may hold shards.
            Some(NodeState::Joining) if addresses.is_empty() => NodeState::Joining,
            Some(NodeState::Joining) | None => NodeState::Active,
            Some(state) => state,
        };
        let node = Arc::new(Node { id, name, addresses, zone, state });
        if there != Some(&node) {
            catalog.put(Object::Node(Arc::clone(&node)));
        }
        Ok(Outcome::Registered(node))
    }
}

fn check(address: &str) -> Result<(), Refusal> {
    let parts = address.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if fits && address.len() <= limit::NODE_ADDRESS_BYTES {
        return Ok(());
    }
    let wrong = "is not a host and a port, like node-1.example:7400".to_owned();
    let name = address.chars().take(limit::NODE_ADDRESS_BYTES).collect();
    Err(Refusal::Name { thing: Thing::Address, name, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{apply, catalog};
    use crate::command::{Command, SetNodeState};

    fn register(id: u64, name: &str, zone: Option<&str>) -> Command {
        Command::RegisterNode(RegisterNode {
            id: NodeId::new(id),
            name: name.to_owned(),
            addresses: vec!["127.0.0.1:7400".to_owned()],
            zone: zone.map(str::to_owned),
        })
    }

    #[test]
    fn registers_and_updates() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, register(1, "a", None)).unwrap();
        apply(&mut catalog, 4, register(1, "a", None)).unwrap();
        assert_eq!(catalog.revision().get(), 3, "the repetition is no change");
        apply(&mut catalog, 5, register(1, "a", Some("eu-1"))).unwrap();
        assert_eq!(catalog.nodes[&NodeId::new(1)].zone.as_deref(), Some("eu-1"));
        assert_eq!(catalog.revision().get(), 5);
    }

    #[test]
    fn an_empty_name_keeps_what_is_known() {
        let mut catalog = catalog();
        let registered = |catalog: &mut Catalog, at, name: &str, zone: Option<&str>| {
            apply(catalog, at, register(1, name, zone)).unwrap();
            let node = &catalog.nodes[&NodeId::new(1)];
            (node.name.clone(), node.zone.clone())
        };
        let zone = |zone: &str| Some(zone.to_owned());
        assert_eq!(registered(&mut catalog, 3, "", None), ("node-1".to_owned(), None));
        let named = registered(&mut catalog, 4, "a", Some("eu-1"));
        assert_eq!(registered(&mut catalog, 5, "", None), named);
        assert_eq!(registered(&mut catalog, 6, "", Some("eu-2")), ("a".to_owned(), zone("eu-2")));
        assert_eq!(registered(&mut catalog, 7, "b", None), ("b".to_owned(), None));
    }

    #[test]
    fn refuses_addresses_and_zones_that_cannot_be() {
        let mut catalog = catalog();
        let long = format!("{}:1", "h".repeat(limit::NODE_ADDRESS_BYTES));
        for (at, address) in [(3, "nowhere"), (4, ":7400"), (5, "a:b"), (6, &long)] {
            let node = RegisterNode {
                id: NodeId::new(1),
                name: "a".to_owned(),
                addresses: vec![address.to_owned()],
                zone: None,
            };
            let refused = apply(&mut catalog, at, Command::RegisterNode(node));
            assert!(matches!(refused, Err(Refusal::Name { .. })), "{address}: {refused:?}");
        }
        let refused = apply(&mut catalog, 7, register(1, "a", Some("eu west")));
        assert!(matches!(refused, Err(Refusal::Name { thing: Thing::Zone, .. })));
    }

    #[test]
    fn a_name_belongs_to_one_node() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, register(1, "a", None)).unwrap();
        let taken = apply(&mut catalog, 4, register(2, "a", None));
        assert_eq!(taken, Err(Refusal::NameTaken { thing: Thing::Node, name: "a".to_owned() }));
    }

    #[test]
    fn a_node_that_left_does_not_come_back_but_its_name_may() {
        let mut catalog = catalog();
        let one = NodeId::new(1);
        apply(&mut catalog, 3, register(1, "a", None)).unwrap();
        let left = Command::SetNodeState(SetNodeState { id: one, state: NodeState::Left });
        apply(&mut catalog, 4, left).unwrap();
        assert_eq!(apply(&mut catalog, 5, register(1, "a", None)), Err(Refusal::NodeLeft(one)));
        assert!(apply(&mut catalog, 6, register(2, "a", None)).is_ok());
    }

    #[test]
    fn refuses_more_nodes_than_the_limit() {
        let node = |id| Node {
            id: NodeId::new(id),
            name: format!("n{id}"),
            addresses: Vec::new(),
            zone: None,
            state: NodeState::Active,
        };
        let nodes = (1..=limit::NODES as u64).map(|id| Object::Node(Arc::new(node(id))));
        let objects = catalog().objects().chain(nodes).collect::<Vec<_>>();
        let mut catalog = Catalog::restore(catalog().revision(), objects).unwrap();
        let one_more = limit::NODES as u64 + 1;
        let refused = apply(&mut catalog, 2 + one_more, register(one_more, "late", None));
        assert!(matches!(refused, Err(Refusal::Full { .. })), "invariant D-6: {refused:?}");
    }
}
