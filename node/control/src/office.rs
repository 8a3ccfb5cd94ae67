//! The answering side: what other control rooms ask, and what only the leader
//! of the meta group decides. A peer is known to be a node of this cluster; one
//! that has left is not answered.

use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use via_catalog::command::{IssueToken, SetNodeState};
use via_catalog::{Command, NodeState, Refusal};
use via_transport::{Duplex, Error as Link, Handler};
use via_types::{Fate, GroupId, NodeId};

use crate::Error;
use crate::invitation::Invitation;
use crate::machine;
use crate::room::Room;
use crate::wire::{self, Alive, Ask, Told};

/// How long an answer may take that needs a majority.
const ANSWER: Duration = Duration::from_secs(7);
/// How long a node may take to say that it is there.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// How long a join token may be good.
const TOKEN_LIFE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);

/// Answers peers as long as the room is there.
pub(crate) struct Office(pub(crate) Weak<Room>);

impl Handler for Office {
    fn call(&self, peer: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Link>> {
        let room = self.0.upgrade();
        Box::pin(async move {
            let room = room.ok_or(Link::Closed)?;
            let told = match wire::decode(&request) {
                // With this node's own papers: a command on this machine, for which
                // this node asks whoever leads.
                Ok(ask) if peer == room.me() => {
                    room.lead(ask).await.unwrap_or_else(|error| Told::failed(&error))
                }
                Ok(ask) => room.answer(peer, ask).await,
                Err(error) => Told::failed(&error),
            };
            Ok(wire::encode(&told).into())
        })
    }

    fn stream(&self, peer: NodeId, _: Duplex) -> BoxFuture<'static, Result<(), Link>> {
        let words = format!("{peer} opens a stream where only calls are answered");
        Box::pin(async move { Err(Link::Refused(words)) })
    }
}

impl Room {
    /// Answers what `from` asks; never waits for another leader.
    pub(crate) async fn answer(&self, from: NodeId, ask: Ask) -> Told {
        let left = |node: &std::sync::Arc<via_catalog::Node>| node.state == NodeState::Left;
        if self.state.view().node(from).is_some_and(left) {
            return Told::failed(&Error::Removed(from));
        }
        let answer = Box::pin(self.decide(from, ask));
        match timeout(ANSWER, answer).await {
            Ok(Ok(told)) => told,
            Ok(Err(Error::Group(via_consensus::Error::NotLeader { leader, .. }))) => {
                Told::NotLeader(leader)
            }
            Ok(Err(error)) => Told::failed(&error),
            Err(_) => {
                let words = "no majority decided in time".to_owned();
                Told::Failed { words, fate: Fate::Unknown }
            }
        }
    }

    async fn decide(&self, from: NodeId, ask: Ask) -> Result<Told, Error> {
        match ask {
            Ask::Propose(entry) => {
                // What this node cannot read must not stop every other one.
                let entry = machine::read(&entry).map_err(Error::Garbled)?;
                let (at, outcome) = self.enter_here(&entry).await?;
                Ok(Told::Done { at, outcome })
            }
            Ask::ReadIndex => Ok(Told::Index(self.group.read_barrier().await?)),
            Ask::Ping => Ok(Told::Alive(self.sign_of_life())),
            Ask::Report => Ok(Told::Report(self.report())),
            Ask::Overview => {
                self.group.read_barrier().await?;
                Ok(Told::Overview(self.overview()?))
            }
            Ask::Transfer { shard, to } => self.transfer_here(shard, to).await,
            Ask::Drain { node, is_undone } => self.drain(node, is_undone).await,
            Ask::Remove { node, is_forced } => self.remove(node, is_forced).await,
            Ask::IssueToken(life) => self.issue_token(life).await,
            Ask::Admit(knock) => self.admit(knock).await,
            Ask::Renew(public) => self.certify(from, &public),
            Ask::Entrust(authority) => {
                self.papers.as_ref().ok_or(Error::Alone)?.entrust(&authority)?;
                Ok(Told::Yes)
            }
        }
    }

    pub(crate) async fn commit(&self, command: &Command) -> Result<Told, Error> {
        let (at, outcome) = self.propose_here(command).await?;
        Ok(Told::Done { at, outcome })
    }

    pub(crate) fn sign_of_life(&self) -> Alive {
        let shards = self.host.groups().into_iter().filter(|group| group.id() != GroupId::META);
        Alive {
            holds: u16::try_from(shards.count()).unwrap_or(u16::MAX),
            is_entrusted: match &self.papers {
                Some(papers) => papers.authority().is_some(),
                None => true,
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    async fn drain(&self, node: NodeId, is_undone: bool) -> Result<Told, Error> {
        self.group.read_barrier().await?;
        let view = self.state.view();
        let there = view.node(node).ok_or(Refusal::NoNode(node))?;
        let state = match (there.state, is_undone) {
            (NodeState::Draining, true) => NodeState::Active,
            (state, true) => {
                return Err(Error::Unfit(format!("{node} is {}, not draining", word(state))));
            }
            (_, false) => NodeState::Draining,
        };
        let takes = |other: &&std::sync::Arc<via_catalog::Node>| {
            other.id != node && other.state == NodeState::Active
        };
        if !is_undone && view.nodes().find(takes).is_none() {
            let words = format!("no other node could take what {node} holds");
            return Err(Error::Unfit(words));
        }
        self.commit(&SetNodeState { id: node, state }.into()).await
    }

    async fn remove(&self, node: NodeId, is_forced: bool) -> Result<Told, Error> {
        self.group.read_barrier().await?;
        let view = self.state.view();
        let there = view.node(node).ok_or(Refusal::NoNode(node))?;
        let unfit = |words: String| Err(Error::Unfit(words));
        let alive = match self.ask_alive(node).await {
            _ if there.state == NodeState::Left || there.state == NodeState::Joining => None,
            alive => alive,
        };
        match (alive, is_forced, there.state) {
            (_, _, NodeState::Left | NodeState::Joining) | (None, true, _) => {}
            (None, false, _) => {
                return unfit(format!(
                    "{node} does not answer: if it is gone for good, remove it with --force"
                ));
            }
            (Some(_), _, NodeState::Active | NodeState::Down) => {
                return unfit(format!("{node} is there: drain it first"));
            }
            (Some(alive), _, NodeState::Draining) if alive.holds > 0 => {
                return unfit(format!("{node} still holds {} shards", alive.holds));
            }
            (Some(_), _, NodeState::Draining) => {
                let voters = self.group.status().voters;
                if voters.iter().any(|set| set.contains(&node)) {
                    return unfit(format!("{node} still votes in the meta group"));
                }
            }
        }
        self.commit(&SetNodeState { id: node, state: NodeState::Left }.into()).await
    }

    /// Asks a node for a sign of life; none when it gives none.
    async fn ask_alive(&self, node: NodeId) -> Option<Alive> {
        if node == self.me() {
            return Some(self.sign_of_life());
        }
        match self.ask(node, &Ask::Ping, SIGN_OF_LIFE).await {
            Ok(Told::Alive(alive)) => Some(alive),
            _ => None,
        }
    }

    async fn issue_token(&self, life: Duration) -> Result<Told, Error> {
        let papers = self.papers.as_ref().ok_or(Error::Alone)?;
        if !TOKEN_LIFE.contains(&life) {
            let words = "a join token is good for one second to seven days".to_owned();
            return Err(Error::Unfit(words));
        }
        let token = Invitation::new(papers.identity().authority_digest()?)?;
        let at = self.clock.now();
        let (digest, expires) = (Invitation::digest(&token.secret), at.saturating_add(life));
        let (_, outcome) = self.propose_here(&IssueToken { digest, expires, at }.into()).await?;
        outcome?;
        Ok(Told::Token(token.text()))
    }
}

/// Returns the word for a node's state.
pub(crate) fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Draining => "draining",
        NodeState::Left => "left",
        NodeState::Joining => "joining",
        NodeState::Down => "down",
    }
}
