//! What all groups of a node share of the ways to other nodes: heartbeats of
//! many groups travel in one call, and snapshots keep to one pace. Called by the
//! network; refuses to know what a heartbeat says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use via_transport::{Error as Link, Links, Service};
use via_types::{GroupId, NodeId};

use crate::wire::{self, Answer, AppendHead, Appended, Call, Request};

/// Heartbeats of one peer that may wait to be sent.
const WAITING: usize = 4_096;
/// Most heartbeats of one call: a frame far below its limit.
const TOGETHER: usize = 1_024;

/// What became of a heartbeat.
type Beaten = Result<Appended, Link>;

/// One group's heartbeat to one peer.
struct Beat {
    group: GroupId,
    head: AppendHead,
    deadline: Duration,
    /// Somebody waits for the answer.
    is_urgent: bool,
    answer: oneshot::Sender<Beaten>,
}

/// The ways of a node.
pub(crate) struct Ways {
    pub(crate) links: Arc<dyn Links>,
    /// How long a heartbeat waits for those of other groups.
    patience: Duration,
    peers: Mutex<HashMap<NodeId, mpsc::Sender<Beat>>>,
    /// Counts reads: what is held back for company goes when one begins.
    hurry: watch::Sender<u64>,
    /// When the next piece of a snapshot may go.
    next: Mutex<Instant>,
    bytes_per_second: u64,
}

impl Ways {
    pub(crate) fn new(links: Arc<dyn Links>, options: &crate::Options) -> Self {
        Self {
            links,
            patience: options.heartbeat / 4,
            peers: Mutex::default(),
            hurry: watch::Sender::new(0),
            next: Mutex::new(Instant::now()),
            bytes_per_second: options.snapshot_bytes_per_second.max(1),
        }
    }

    /// Waits until so many bytes of a snapshot may go: all snapshots of the node
    /// together keep to the bound, so that moving replicas leaves room for events.
    pub(crate) async fn pace(&self, bytes: usize) {
        let span = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let turn = {
            let mut next = self.next.lock();
            let turn = (*next).max(Instant::now());
            *next = turn + span;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }

    /// Sends a group's heartbeat to `peer` together with those of other groups.
    ///
    /// # Errors
    /// The link's.
    pub(crate) async fn beat(
        self: &Arc<Self>,
        peer: NodeId,
        (group, head): (GroupId, AppendHead),
        deadline: Duration,
        is_urgent: bool,
    ) -> Beaten {
        let (answer, answered) = oneshot::channel();
        let beat = Beat { group, head, deadline, is_urgent, answer };
        let way = self.way(peer);
        way.send(beat).await.map_err(|_| Link::Closed)?;
        drop(way);
        answered.await.map_err(|_| Link::Closed)?
    }

    /// Lets heartbeats that are held back go.
    pub(crate) fn hurry(&self) {
        self.hurry.send_modify(|reads| *reads += 1);
    }

    fn way(self: &Arc<Self>, peer: NodeId) -> mpsc::Sender<Beat> {
        let mut peers = self.peers.lock();
        let open = peers.entry(peer).or_insert_with(|| {
            let (sender, beats) = mpsc::channel(WAITING);
            let wait = (self.patience, self.hurry.subscribe());
            tokio::spawn(collect(Arc::clone(&self.links), peer, wait, beats));
            sender
        });
        open.clone()
    }
}

/// Sends what came together, again and again, until nobody can send any more.
async fn collect(
    links: Arc<dyn Links>,
    peer: NodeId,
    (patience, mut hurry): (Duration, watch::Receiver<u64>),
    mut beats: mpsc::Receiver<Beat>,
) {
    while let Some(first) = beats.recv().await {
        let until = Instant::now() + patience;
        hurry.mark_unchanged();
        let mut together = vec![first];
        while together.len() < TOGETHER && !together.iter().any(|beat| beat.is_urgent) {
            tokio::select! {
                beat = beats.recv() => match beat {
                    Some(beat) => together.push(beat),
                    None => break,
                },
                () = tokio::time::sleep_until(until) => break,
                _ = hurry.changed() => break,
            }
        }
        // Bounded: a group sends its next heartbeat when this one is answered.
        tokio::spawn(send(Arc::clone(&links), peer, together));
    }
}

async fn send(links: Arc<dyn Links>, peer: NodeId, together: Vec<Beat>) {
    let deadline = together.iter().map(|beat| beat.deadline).max().unwrap_or_default();
    let mut answers = Vec::with_capacity(together.len());
    let mut heads = Vec::with_capacity(together.len());
    for Beat { group, head, answer, .. } in together {
        heads.push((group, head));
        answers.push(answer);
    }
    let request = wire::encode(&Request { group: GroupId::META, call: Call::Beats(heads) });
    let told = links.call(peer, Service::Raft, request, deadline).await;
    let told = told.and_then(|bytes| match wire::decode(&bytes) {
        Ok(Answer::Beaten(told)) if told.len() == answers.len() => Ok(told),
        Ok(_) => Err(broken(peer, "it answered something else".to_owned())),
        Err(error) => Err(broken(peer, error.to_string())),
    });
    match told {
        Ok(told) => {
            for (answer, told) in answers.into_iter().zip(told) {
                let _gone = answer.send(told.map_err(Link::Refused));
            }
        }
        Err(error) => {
            let words = error.to_string();
            let is_away = matches!(error, Link::Unreachable { .. } | Link::UnknownPeer(_));
            for answer in answers {
                let _gone = answer.send(Err(if is_away {
                    Link::Unreachable { peer, reason: words.clone() }
                } else {
                    broken(peer, words.clone())
                }));
            }
        }
    }
}

fn broken(peer: NodeId, reason: String) -> Link {
    Link::Broken { peer, reason }
}
