//! The cluster as operators see and change it: nodes, shards, tokens. Whatever
//! node is asked, the leader of the meta group decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use via_catalog::{Node, NodeState, Outcome};
use via_types::{NodeId, ShardId};

use crate::report::{Moved, ShardState};
use crate::wire::{Ask, Overview, Told};
use crate::{Error, Handle};

impl Handle {
    /// Waits until this node shows everything that was answered before, on
    /// whatever node.
    ///
    /// # Errors
    /// [`Error::NoLeader`], [`Error::Elsewhere`], [`Error::Group`].
    pub async fn read_barrier(&self) -> Result<(), Error> {
        self.room().read_barrier().await
    }

    /// Returns which node this is.
    pub fn node(&self) -> NodeId {
        self.room().me()
    }

    /// Returns where this node listens for peers; none on one that is alone.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.room().papers.as_ref()?.address()
    }

    /// Returns the node of that id or name; the name of one that left may be
    /// another's by now.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn node_named(&self, text: &str) -> Result<Arc<Node>, Error> {
        let view = self.view();
        let by_id = text.parse().ok().and_then(|id| view.node(id));
        let named = |node: &&Arc<Node>| node.name == text && node.state != NodeState::Left;
        let found = by_id.or_else(|| view.nodes().find(named));
        found.cloned().ok_or_else(|| Error::UnknownNode(text.chars().take(128).collect()))
    }

    /// Returns what the leader knows of the nodes; this node's view is then at
    /// least as new.
    ///
    /// # Errors
    /// [`Error::Alone`]; those of [`Self::read_barrier`].
    pub async fn overview(&self) -> Result<Overview, Error> {
        let room = self.room();
        if room.links.is_none() {
            return Err(Error::Alone);
        }
        let Told::Overview(overview) = room.lead(Ask::Overview).await? else {
            return Err(Error::Outcome);
        };
        room.read_barrier().await?;
        Ok(overview)
    }

    /// Returns every shard as those nodes know it that have it.
    pub async fn shards(&self) -> Vec<ShardState> {
        self.room().shards().await
    }

    /// Keeps nothing new on the node: what it holds moves away.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] with what stands against it; those of
    /// [`Self::read_barrier`].
    pub async fn drain(&self, node: NodeId) -> Result<Arc<Node>, Error> {
        self.change(Ask::Drain { node, is_undone: false }).await
    }

    /// Lets a draining node hold shards again.
    ///
    /// # Errors
    /// Those of [`Self::drain`].
    pub async fn undrain(&self, node: NodeId) -> Result<Arc<Node>, Error> {
        self.change(Ask::Drain { node, is_undone: true }).await
    }

    /// Lets a drained node go for good.
    ///
    /// # Errors
    /// Those of [`Self::drain`].
    pub async fn remove(&self, node: NodeId) -> Result<Arc<Node>, Error> {
        self.change(Ask::Remove { node, is_forced: false }).await
    }

    /// Gives a node up for good that does not answer any more.
    ///
    /// # Errors
    /// Those of [`Self::drain`].
    pub async fn remove_dead(&self, node: NodeId) -> Result<Arc<Node>, Error> {
        self.change(Ask::Remove { node, is_forced: true }).await
    }

    async fn change(&self, ask: Ask) -> Result<Arc<Node>, Error> {
        let room = self.room();
        if room.links.is_none() {
            return Err(Error::Alone);
        }
        let told = room.lead(ask).await?;
        let Outcome::Registered(node) = room.done(told).await? else { return Err(Error::Outcome) };
        Ok(node)
    }

    /// Makes a token by which one node may join within `life`.
    ///
    /// # Errors
    /// [`Error::Alone`]; those of [`Self::drain`].
    pub async fn issue_token(&self, life: Duration) -> Result<String, Error> {
        let room = self.room();
        if room.links.is_none() {
            return Err(Error::Alone);
        }
        let Told::Token(text) = room.lead(Ask::IssueToken(life)).await? else {
            return Err(Error::Outcome);
        };
        Ok(text)
    }

    /// Lets `to` lead the shard, of which it must have a replica.
    ///
    /// # Errors
    /// [`Error::Unfit`], [`Error::Elsewhere`].
    pub async fn transfer(&self, shard: ShardId, to: NodeId) -> Result<(), Error> {
        self.room().transfer(shard, to).await
    }

    /// Lets every shard be led by the node that should, as far as that has a
    /// replica already; returns what was moved.
    pub async fn rebalance(&self) -> Vec<Moved> {
        self.room().rebalance().await
    }
}
