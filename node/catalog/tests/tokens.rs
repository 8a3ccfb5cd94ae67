//! Join tokens against a naive model: whatever is asked in whatever order, a
//! token lets one key in, only while it is good, and an id is given once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use via_catalog::command::{AdmitNode, FormCluster, IssueToken, RegisterNode, SetNodeState};
use via_catalog::{Catalog, ClusterId, Command, Digest, NodeState, Outcome, Refusal};
use via_types::{NodeId, Revision, Timestamp};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Issue { token: u8, good_for: i64 },
    Admit { token: u8, key: u8 },
    Leave { node: u64 },
    Run { node: u64 },
    Wait { nanos: i64 },
    Restart,
}

fn digest(number: u8) -> Digest {
    Digest::new([number; 32])
}

fn deed() -> impl Strategy<Value = Deed> {
    let (token, key, node) = (0_u8..4, 0_u8..4, 1_u64..8);
    prop_oneof![
        3 => (token.clone(), 1_i64..60).prop_map(|(token, good_for)| Deed::Issue { token, good_for }),
        6 => (token, key).prop_map(|(token, key)| Deed::Admit { token, key }),
        1 => node.clone().prop_map(|node| Deed::Leave { node }),
        1 => node.prop_map(|node| Deed::Run { node }),
        2 => (1_i64..40).prop_map(|nanos| Deed::Wait { nanos }),
        1 => Just(Deed::Restart),
    ]
}

/// A token as the model knows it: until when, and whom it let in.
type Token = (i64, Option<(u64, u8)>);

#[derive(Default)]
struct Model {
    tokens: BTreeMap<u8, Token>,
    /// By id less one: whether it has left.
    nodes: Vec<bool>,
}

impl Model {
    /// Returns the node let in, or the refusal.
    fn admit(&mut self, now: i64, token: u8, key: u8) -> Result<u64, Refusal> {
        let (expires, admitted) =
            self.tokens.get_mut(&token).map(|(e, a)| (*e, a)).ok_or(Refusal::TokenUnknown)?;
        match *admitted {
            Some((_, owner)) if owner != key => Err(Refusal::TokenUsed),
            Some((node, _)) if self.nodes[node as usize - 1] => {
                Err(Refusal::NodeLeft(NodeId::new(node)))
            }
            Some((node, _)) => Ok(node),
            None if now >= expires => Err(Refusal::TokenExpired),
            None => {
                self.nodes.push(false);
                let node = self.nodes.len() as u64;
                *admitted = Some((node, key));
                Ok(node)
            }
        }
    }

    fn issue(&mut self, now: i64, token: u8, expires: i64) {
        if !self.tokens.contains_key(&token) {
            self.tokens.retain(|_, (expires, _)| *expires > now);
            self.tokens.insert(token, (expires, None));
        }
    }
}

fn formed() -> Catalog {
    let mut catalog = Catalog::default();
    let at = Timestamp::from_nanos(0);
    let form = FormCluster { id: ClusterId::new(7), shards: 16, at };
    catalog.apply(Revision::new(1), form).outcome.expect("it is the first");
    catalog
}

proptest! {
    #[test]
    fn a_token_lets_one_key_in_and_no_other(deeds in prop::collection::vec(deed(), 0..60)) {
        let (mut catalog, mut model, mut now) = (formed(), Model::default(), 0);
        let mut keys: BTreeMap<u64, u8> = BTreeMap::new();
        for (at, deed) in (2..).zip(deeds) {
            let mut apply = |command: Command| catalog.apply(Revision::new(at), command).outcome;
            let time = Timestamp::from_nanos;
            match deed {
                Deed::Wait { nanos } => now += nanos,
                Deed::Issue { token, good_for } => {
                    let (digest, expires) = (digest(token), time(now + good_for));
                    let issued = apply(IssueToken { digest, expires, at: time(now) }.into());
                    prop_assert_eq!(issued, Ok(Outcome::Issued));
                    model.issue(now, token, now + good_for);
                }
                Deed::Admit { token, key } => {
                    let (digest, owner) = (digest(token), digest(key));
                    let admit =
                        AdmitNode { token: digest, key: owner, name: None, zone: None, at: time(now) };
                    let heard = match apply(admit.into()) {
                        Ok(Outcome::Registered(node)) => Ok(node.id.get()),
                        Ok(other) => panic!("{other:?}"),
                        Err(refusal) => Err(refusal),
                    };
                    prop_assert_eq!(&heard, &model.admit(now, token, key));
                    if let Ok(node) = heard {
                        let owner = *keys.entry(node).or_insert(key);
                        prop_assert_eq!(owner, key, "two keys are the same node");
                    }
                }
                Deed::Leave { node } => {
                    let id = NodeId::new(node);
                    let left = apply(SetNodeState { id, state: NodeState::Left }.into());
                    let known = model.nodes.get_mut(node as usize - 1);
                    prop_assert_eq!(left.is_ok(), known.is_some());
                    known.into_iter().for_each(|left| *left = true);
                }
                Deed::Run { node } => {
                    let (id, name) = (NodeId::new(node), format!("node-{node}"));
                    let addresses = vec!["a.example:1".to_owned()];
                    let left = model.nodes.get(node as usize - 1);
                    if left.is_some() {
                        let runs = apply(RegisterNode { id, name, addresses, zone: None }.into());
                        prop_assert_eq!(runs.is_ok(), left == Some(&false));
                    }
                }
                Deed::Restart => {
                    let back = Catalog::restore(catalog.revision(), catalog.objects());
                    prop_assert_eq!(back.as_ref(), Ok(&catalog), "what is kept is what there is");
                    catalog = back.expect("just seen");
                }
            }
            let view = catalog.view();
            prop_assert_eq!(view.nodes().count(), model.nodes.len(), "an id is given once");
        }
    }
}
