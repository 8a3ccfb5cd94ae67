//! Letting a node in that has a join token.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{NodeId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::name;
use crate::object::{Digest, Node, NodeState, Object, Token};
use crate::refusal::{Refusal, Thing};

/// Gives a new node its id, once per token. The token then belongs to the key
/// that was let in: asked again with the same key, the answer is the same node,
/// so that an answer that was lost on its way can be fetched again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdmitNode {
    /// What the token's secret hashes to.
    pub token: Digest,
    /// What the node's public key hashes to.
    pub key: Digest,
    /// Its name, unique among nodes that have not left; none takes one made of
    /// its id.
    pub name: Option<String>,
    /// Its failure domain, when known.
    pub zone: Option<String>,
    /// When it asked.
    pub at: Timestamp,
}

impl AdmitNode {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        catalog.formed()?;
        let Self { token, key, name, zone, at } = self;
        let token = *catalog.tokens.get(&token).ok_or(Refusal::TokenUnknown)?;
        if let Some((node, owner)) = token.admitted {
            let node = catalog.nodes.get(&node).ok_or(Refusal::NoNode(node))?;
            return match node.state {
                _ if owner != key => Err(Refusal::TokenUsed),
                NodeState::Left => Err(Refusal::NodeLeft(node.id)),
                NodeState::Active | NodeState::Draining | NodeState::Joining | NodeState::Down => {
                    Ok(Outcome::Registered(Arc::clone(node)))
                }
            };
        }
        if token.expires <= at {
            return Err(Refusal::TokenExpired);
        }
        if catalog.nodes.len() >= limit::NODES {
            return Err(Refusal::full("nodes, gone ones included", limit::NODES as u64));
        }
        // Nodes are never forgotten, so no id is given twice.
        let id = catalog.nodes.last_key_value().map_or(1, |(last, _)| last.get() + 1);
        let id = NodeId::new(id);
        let name = name.unwrap_or_else(|| format!("node-{}", id.get()));
        name::check(Thing::Node, &name)?;
        zone.iter().try_for_each(|zone| name::check(Thing::Zone, zone))?;
        if catalog.is_node_name_taken(&name, id) {
            return Err(Refusal::NameTaken { thing: Thing::Node, name });
        }
        let state = NodeState::Joining;
        let node = Arc::new(Node { id, name, addresses: Vec::new(), zone, state });
        catalog.put(Object::Token(Token { admitted: Some((id, key)), ..token }));
        catalog.put(Object::Node(Arc::clone(&node)));
        Ok(Outcome::Registered(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{apply, catalog};
    use crate::command::{Command, IssueToken, RegisterNode};

    const TOKEN: Digest = Digest::new([1; 32]);

    fn admit(key: u8, name: Option<&str>, at: i64) -> Command {
        let (key, name, zone) = (Digest::new([key; 32]), name.map(str::to_owned), None);
        AdmitNode { token: TOKEN, key, name, zone, at: Timestamp::from_nanos(at) }.into()
    }

    fn issued() -> Catalog {
        let mut catalog = catalog();
        let [at, expires] = [0, 100].map(Timestamp::from_nanos);
        apply(&mut catalog, 3, IssueToken { digest: TOKEN, expires, at }.into()).unwrap();
        let (id, name) = (NodeId::new(1), "node-1".to_owned());
        let first = RegisterNode { id, name, addresses: Vec::new(), zone: None };
        apply(&mut catalog, 4, first.into()).unwrap();
        catalog
    }

    #[test]
    fn a_token_lets_one_key_in_however_often_it_asks() {
        let mut catalog = issued();
        let first = apply(&mut catalog, 5, admit(7, None, 50)).unwrap();
        let Outcome::Registered(node) = &first else { panic!("{first:?}") };
        assert_eq!((node.id, node.name.as_str()), (NodeId::new(2), "node-2"));
        assert_eq!(node.state, NodeState::Joining, "it holds nothing before it runs");
        assert_eq!(apply(&mut catalog, 6, admit(7, None, 500)), Ok(first), "even later");
        assert_eq!(apply(&mut catalog, 7, admit(8, None, 51)), Err(Refusal::TokenUsed));
        assert_eq!(catalog.nodes.len(), 2);
    }

    #[test]
    fn an_expired_or_unknown_token_lets_nobody_in() {
        let mut catalog = issued();
        assert_eq!(apply(&mut catalog, 5, admit(7, None, 100)), Err(Refusal::TokenExpired));
        let stranger = AdmitNode {
            token: Digest::new([9; 32]),
            key: Digest::new([7; 32]),
            name: None,
            zone: None,
            at: Timestamp::from_nanos(1),
        };
        assert_eq!(apply(&mut catalog, 6, stranger.into()), Err(Refusal::TokenUnknown));
    }

    #[test]
    fn a_refused_name_leaves_the_token_unused() {
        let mut catalog = issued();
        let taken = apply(&mut catalog, 5, admit(7, Some("node-1"), 50));
        assert!(matches!(taken, Err(Refusal::NameTaken { .. })), "{taken:?}");
        assert!(apply(&mut catalog, 6, admit(8, Some("other"), 51)).is_ok());
    }

    #[test]
    fn who_runs_takes_part() {
        let mut catalog = issued();
        apply(&mut catalog, 5, admit(7, None, 50)).unwrap();
        let id = NodeId::new(2);
        let addresses = vec!["a.example:7400".to_owned()];
        let runs = RegisterNode { id, name: "node-2".to_owned(), addresses, zone: None };
        apply(&mut catalog, 6, runs.into()).unwrap();
        assert_eq!(catalog.nodes[&id].state, NodeState::Active);
    }
}
