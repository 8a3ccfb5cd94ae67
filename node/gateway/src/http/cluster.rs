//! The cluster: its nodes and shards, and what operators do with them. Any node
//! is asked; the leader of the meta group decides.

use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_catalog::{Node, NodeState};
use via_control::{Moved, Moves, Overview, ShardState};
use via_types::{NodeId, ShardId};

use crate::gate::Gate;
use crate::http::media::Document;
use crate::problem::{Code, Problem};

/// The cluster.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ClusterView {
    /// Its identity, 32 hexadecimal digits.
    cluster: String,
    /// Into how many shards entities are divided.
    shards: u16,
    /// The node that answers.
    node: String,
    /// The node that leads the meta group.
    leader: String,
    /// In which term.
    term: u64,
    /// Nodes that vote in the meta group.
    voters: Vec<String>,
    /// Nodes that only listen to it.
    learners: Vec<String>,
    /// The catalog's revision on the node that answers.
    revision: u64,
    /// What still has to move until every shard is where it should be.
    moves: MovesView,
}

/// What still has to move, as the nodes know it that answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MovesView {
    /// Replicas that are missing where they should vote.
    replicas_to_add: usize,
    /// Replicas where there should be none.
    replicas_to_remove: usize,
    /// Shards that another node leads than should.
    leaders_to_move: usize,
}

/// A node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NodeView {
    /// Its id.
    node: String,
    /// Its name.
    name: String,
    /// `joining`, `active`, `draining`, `down` or `left`.
    state: &'static str,
    /// Where peers reach it.
    addresses: Vec<String>,
    /// What fails together with it.
    zone: Option<String>,
    /// In the meta group: `leader`, `voter`, `learner` or `none`.
    role: Option<&'static str>,
    /// Whether it answered the leader a moment ago.
    seen: Option<bool>,
    /// How long it has not answered the leader, milliseconds.
    silence_ms: Option<u64>,
    /// Shards of which it should have a replica.
    placed: usize,
    /// Shards of which it has a replica, when that is known.
    holds: Option<u16>,
    /// Which version it runs, when that is known.
    version: Option<String>,
}

/// Every node, by id; those that left are shown while their ids are remembered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NodeList {
    /// The nodes.
    items: Vec<NodeView>,
}

/// A shard.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShardView {
    /// Its id.
    shard: String,
    /// Nodes that should have a replica; the first should lead.
    placed: Vec<String>,
    /// The node that leads it, when one that answers knows.
    leader: Option<String>,
    /// In which term.
    term: Option<u64>,
    /// Nodes that vote; while they change, of before and after.
    voters: Vec<String>,
    /// Nodes that only listen.
    learners: Vec<String>,
    /// The last entry of its log where it is led.
    last: Option<u64>,
    /// The last entry applied there.
    applied: Option<u64>,
}

/// Every shard, by id.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShardList {
    /// The shards.
    items: Vec<ShardView>,
}

/// A leadership that was moved, or not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MovedView {
    /// Which shard.
    shard: String,
    /// Who led.
    from: String,
    /// Who should.
    to: String,
    /// What stood against it; absent when it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was moved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MovedList {
    /// The leaderships.
    items: Vec<MovedView>,
}

/// Asks for something that needs no more words.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Asks for a leadership to move.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heir {
    /// The node that should lead, by id or name.
    to: String,
}

/// How a node is removed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Removal {
    /// Gives up a node that does not answer any more, and what only it has.
    force: bool,
}

fn names<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<String> {
    nodes.into_iter().map(ToString::to_string).collect()
}

fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Joining => "joining",
        NodeState::Active => "active",
        NodeState::Draining => "draining",
        NodeState::Down => "down",
        NodeState::Left => "left",
    }
}

fn role(overview: &Overview, node: NodeId) -> &'static str {
    if overview.leader == node {
        "leader"
    } else if overview.voters.contains(&node) {
        "voter"
    } else if overview.learners.contains(&node) {
        "learner"
    } else {
        "none"
    }
}

fn node_view(gate: &Gate, node: &Node, overview: Option<&Overview>) -> NodeView {
    let sighting = overview.and_then(|overview| overview.nodes.get(&node.id));
    let view = gate.view();
    let placed = view.placement().shards.iter().filter(|nodes| nodes.contains(&node.id));
    NodeView {
        node: node.id.to_string(),
        name: node.name.clone(),
        state: word(node.state),
        addresses: node.addresses.clone(),
        zone: node.zone.clone(),
        role: overview.map(|overview| role(overview, node.id)),
        seen: sighting.map(|sighting| sighting.is_seen),
        silence_ms: sighting.map(|sighting| sighting.silence.as_millis() as u64),
        placed: placed.count(),
        holds: sighting.and_then(|sighting| sighting.holds),
        version: sighting.and_then(|sighting| sighting.version.clone()),
    }
}

fn shard_view(state: ShardState) -> ShardView {
    let ShardState { shard, placed, found } = state;
    let mut voters: Vec<&NodeId> = found.iter().flat_map(|found| &found.voters).flatten().collect();
    voters.sort();
    voters.dedup();
    ShardView {
        shard: shard.to_string(),
        placed: names(&placed),
        leader: found.as_ref().and_then(|found| found.leader).map(|leader| leader.to_string()),
        term: found.as_ref().map(|found| found.term.get()),
        voters: names(voters),
        learners: names(found.iter().flat_map(|found| &found.learners)),
        last: found.as_ref().and_then(|found| found.last).map(|last| last.get()),
        applied: found.as_ref().and_then(|found| found.applied).map(|applied| applied.get()),
    }
}

/// Shows the cluster.
#[utoipa::path(get, path = "/api/v1/cluster", operation_id = "get_cluster", tag = "cluster",
    responses((status = 200, description = "The cluster", body = ClusterView)))]
pub(crate) async fn status(gate: Gate) -> Result<Json<ClusterView>, Problem> {
    let overview = gate.control().overview().await?;
    let Moves { add, remove, lead } = Moves::of(&gate.control().shards().await);
    let moves =
        MovesView { replicas_to_add: add, replicas_to_remove: remove, leaders_to_move: lead };
    let view = gate.view();
    let cluster = view.cluster().map(|cluster| cluster.id.to_string());
    Ok(Json(ClusterView {
        cluster: cluster.unwrap_or_default(),
        shards: view.shards(),
        node: gate.control().node().to_string(),
        leader: overview.leader.to_string(),
        term: overview.term.get(),
        voters: names(&overview.voters),
        learners: names(&overview.learners),
        revision: view.revision().get(),
        moves,
    }))
}

/// Lists the nodes.
#[utoipa::path(get, path = "/api/v1/cluster/nodes", operation_id = "list_nodes", tag = "cluster",
    responses((status = 200, description = "Every node", body = NodeList)))]
pub(crate) async fn nodes(gate: Gate) -> Result<Json<NodeList>, Problem> {
    let overview = gate.control().overview().await?;
    let view = gate.view();
    let items = view.nodes().map(|node| node_view(&gate, node, Some(&overview))).collect();
    Ok(Json(NodeList { items }))
}

/// Lists the shards, as the nodes know them that answer.
#[utoipa::path(get, path = "/api/v1/cluster/shards", operation_id = "list_shards", tag = "cluster",
    responses((status = 200, description = "Every shard", body = ShardList)))]
pub(crate) async fn shards(gate: Gate) -> Json<ShardList> {
    let items = gate.control().shards().await.into_iter().map(shard_view).collect();
    Json(ShardList { items })
}

/// Keeps nothing new on a node: its shards move away, then it may be removed.
#[utoipa::path(post, path = "/api/v1/cluster/nodes/{node}/drain", operation_id = "drain_node", tag = "cluster",
    params(("node" = String, Path, description = "The node's id or name")), request_body = Nothing,
    responses((status = 200, description = "The node as it is now", body = NodeView)))]
pub(crate) async fn drain(
    gate: Gate,
    Path(node): Path<String>,
    body: Document,
) -> Result<Json<NodeView>, Problem> {
    let Nothing {} = body.object(Code::BadRequest)?;
    let id = find(&gate, &node).await?;
    let node = gate.control().drain(id).await?;
    Ok(Json(node_view(&gate, &node, None)))
}

/// Lets a draining node hold shards again.
#[utoipa::path(post, path = "/api/v1/cluster/nodes/{node}/undrain", operation_id = "undrain_node", tag = "cluster",
    params(("node" = String, Path, description = "The node's id or name")), request_body = Nothing,
    responses((status = 200, description = "The node as it is now", body = NodeView)))]
pub(crate) async fn undrain(
    gate: Gate,
    Path(node): Path<String>,
    body: Document,
) -> Result<Json<NodeView>, Problem> {
    let Nothing {} = body.object(Code::BadRequest)?;
    let id = find(&gate, &node).await?;
    let node = gate.control().undrain(id).await?;
    Ok(Json(node_view(&gate, &node, None)))
}

/// Lets a node go for good: one that was drained, or by force one that is dead.
#[utoipa::path(post, path = "/api/v1/cluster/nodes/{node}/remove", operation_id = "remove_node", tag = "cluster",
    params(("node" = String, Path, description = "The node's id or name"), Removal), request_body = Nothing,
    responses((status = 200, description = "The node as it is now", body = NodeView)))]
pub(crate) async fn remove(
    gate: Gate,
    Path(node): Path<String>,
    Query(Removal { force }): Query<Removal>,
    body: Document,
) -> Result<Json<NodeView>, Problem> {
    let Nothing {} = body.object(Code::BadRequest)?;
    let id = find(&gate, &node).await?;
    let node = match force {
        true => gate.control().remove_dead(id).await?,
        false => gate.control().remove(id).await?,
    };
    Ok(Json(node_view(&gate, &node, None)))
}

/// Lets another replica lead a shard.
#[utoipa::path(post, path = "/api/v1/cluster/shards/{shard}/transfer", operation_id = "transfer_shard", tag = "cluster",
    params(("shard" = String, Path, description = "The shard's id, like s7")), request_body = Heir,
    responses((status = 200, description = "The leadership moved", body = MovedList)))]
pub(crate) async fn transfer(
    gate: Gate,
    Path(shard): Path<String>,
    body: Document,
) -> Result<Json<MovedList>, Problem> {
    let Heir { to } = body.object(Code::BadRequest)?;
    let bad = |_| Problem::new(Code::BadParameter, format!("{shard:?} is not a shard like s7"));
    let shard: ShardId = shard.parse().map_err(bad)?;
    let to = find(&gate, &to).await?;
    gate.control().transfer(shard, to).await?;
    Ok(Json(MovedList { items: Vec::new() }))
}

/// Lets every shard be led by the node that should, as far as it has a replica.
#[utoipa::path(post, path = "/api/v1/cluster/rebalance", operation_id = "rebalance", tag = "cluster",
    request_body = Nothing,
    responses((status = 200, description = "What was moved", body = MovedList)))]
pub(crate) async fn rebalance(gate: Gate, body: Document) -> Result<Json<MovedList>, Problem> {
    let Nothing {} = body.object(Code::BadRequest)?;
    let moved = gate.control().rebalance().await;
    let view = |Moved { shard, from, to, error }: Moved| MovedView {
        shard: shard.to_string(),
        from: from.to_string(),
        to: to.to_string(),
        error,
    };
    Ok(Json(MovedList { items: moved.into_iter().map(view).collect() }))
}

/// Finds a node by id or name; one that was just let in elsewhere as well.
async fn find(gate: &Gate, text: &str) -> Result<NodeId, Problem> {
    if let Ok(node) = gate.control().node_named(text) {
        return Ok(node.id);
    }
    gate.control().read_barrier().await?;
    Ok(gate.control().node_named(text)?.id)
}
