//! openraft's network over `transport::Links`: the calling side.

use std::future::Future;
use std::sync::Arc;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use via_transport::Links;
use via_types::{GroupId, NodeId};

use crate::raft::{Types, Vote};
use crate::replica::Image;

/// Makes a group's connections to its peers.
pub(crate) struct Peers {
    group: GroupId,
    links: Option<Arc<dyn Links>>,
}

impl Peers {
    pub(crate) fn new(group: GroupId, links: Option<Arc<dyn Links>>) -> Self {
        Self { group, links }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &openraft::impls::EmptyNode) -> Peer {
        Peer { group: self.group, peer: NodeId::new(target), links: self.links.clone() }
    }
}

/// A group's way to one peer.
pub(crate) struct Peer {
    group: GroupId,
    peer: NodeId,
    links: Option<Arc<dyn Links>>,
}

impl Peer {
    fn unreachable(&self) -> Unreachable<Types> {
        let known = if self.links.is_some() { "" } else { ": this node has no links" };
        Unreachable::from_string(format!("{} of {}{known}", self.peer, self.group))
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: openraft::alias::SnapshotOf<Types, Image>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}
