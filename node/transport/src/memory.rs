//! Links in memory, for tests: the same face, and switches for what networks
//! do. Time is logical: a delayed message waits for steps that a test takes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use via_types::NodeId;

use crate::links::{check_length, in_time};
use crate::{Duplex, Error, Frame, FrameReceiver, FrameSender, Handler, Links, Service};

/// Frames under way in one direction of a stream.
const WINDOW: usize = 16;

/// What happens to messages from one node to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They arrive.
    #[default]
    None,
    /// They vanish: calls wait for their deadline, streams break.
    Drop,
    /// The network says at once that there is no way.
    Refuse,
    /// They arrive this many steps later.
    Delay(u64),
}

#[derive(Default)]
struct Node {
    handlers: HashMap<Service, Arc<dyn Handler>>,
    open: bool,
}

#[derive(Default)]
struct State {
    nodes: HashMap<NodeId, Node>,
    faults: HashMap<(NodeId, NodeId), Fault>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts steps and every change of faults or nodes.
    changes: watch::Sender<(u64, u64)>,
}

/// A network of nodes in one process; clones are the same network.
#[derive(Clone)]
pub struct MemoryNetwork(Arc<Shared>);

impl Default for MemoryNetwork {
    fn default() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), changes: watch::Sender::new((0, 0)) }))
    }
}

impl MemoryNetwork {
    /// Makes a network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the links of `node`; asking again, after a close, reopens them.
    pub fn links(&self, node: NodeId) -> Arc<MemoryLinks> {
        self.0.state.lock().nodes.insert(node, Node { open: true, ..Node::default() });
        self.changed();
        Arc::new(MemoryLinks { network: self.clone(), node })
    }

    /// Sets what happens to messages from `from` to `to`.
    pub fn set_fault(&self, from: NodeId, to: NodeId, fault: Fault) {
        self.0.state.lock().faults.insert((from, to), fault);
        self.changed();
    }

    /// Cuts `node` off from every other, both ways.
    pub fn isolate(&self, node: NodeId) {
        {
            let mut state = self.0.state.lock();
            let others: Vec<_> =
                state.nodes.keys().copied().filter(|other| *other != node).collect();
            for other in others {
                state.faults.insert((node, other), Fault::Drop);
                state.faults.insert((other, node), Fault::Drop);
            }
        }
        self.changed();
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.0.state.lock().faults.clear();
        self.changed();
    }

    /// Lets one step of logical time pass.
    pub fn step(&self) {
        self.0.changes.send_modify(|(steps, changes)| {
            *steps += 1;
            *changes += 1;
        });
    }

    fn changed(&self) {
        self.0.changes.send_modify(|(_, changes)| *changes += 1);
    }

    fn fault(&self, from: NodeId, to: NodeId) -> Fault {
        let state = self.0.state.lock();
        let open = |node| state.nodes.get(node).is_some_and(|node| node.open);
        if !open(&from) || !open(&to) {
            return Fault::Refuse;
        }
        state.faults.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Waits until a message sent now arrives.
    async fn pass(&self, from: NodeId, to: NodeId) -> Result<(), Error> {
        let mut changes = self.0.changes.subscribe();
        let sent = changes.borrow_and_update().0;
        loop {
            match self.fault(from, to) {
                Fault::None => return Ok(()),
                Fault::Refuse => {
                    let reason = "no way".to_owned();
                    return Err(Error::Unreachable { peer: to, reason });
                }
                Fault::Drop => return Err(Error::Deadline(to)),
                Fault::Delay(steps) if changes.borrow().0 >= sent + steps => return Ok(()),
                Fault::Delay(_) => {}
            }
            changes.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// Resolves when a stream between the two cannot go on.
    async fn severed(&self, from: NodeId, to: NodeId) -> Error {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let broken = |fault| matches!(fault, Fault::Drop | Fault::Refuse);
            if broken(self.fault(from, to)) || broken(self.fault(to, from)) {
                return Error::Broken { peer: to, reason: "the network was cut".to_owned() };
            }
            if changes.changed().await.is_err() {
                return Error::Closed;
            }
        }
    }

    fn handler(&self, node: NodeId, service: Service) -> Result<Arc<dyn Handler>, Error> {
        let state = self.0.state.lock();
        let handler = state.nodes.get(&node).and_then(|node| node.handlers.get(&service));
        handler.cloned().ok_or(Error::NotServed { peer: node, service })
    }

    fn halves(&self, from: NodeId, to: NodeId) -> (MemorySender, MemoryReceiver) {
        let (tx, rx) = mpsc::channel(WINDOW);
        let sender = MemorySender { network: self.clone(), from, to, tx: Some(tx) };
        (sender, MemoryReceiver { network: self.clone(), from, to, rx })
    }
}

/// The links of one node of a [`MemoryNetwork`].
pub struct MemoryLinks {
    network: MemoryNetwork,
    node: NodeId,
}

impl std::fmt::Debug for MemoryLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryLinks({})", self.node)
    }
}

impl MemoryLinks {
    async fn ask(&self, peer: NodeId, service: Service, request: Bytes) -> Result<Bytes, Error> {
        check_length(request.len())?;
        self.network.pass(self.node, peer).await?;
        let handler = self.network.handler(peer, service)?;
        let answer = tokio::spawn(handler.call(self.node, request)).await;
        let reason = |reason: String| Error::Remote { peer, reason };
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| reason(error.to_string()))?,
            Err(panicked) => return Err(reason(panicked.to_string())),
        };
        match self.network.pass(peer, self.node).await {
            Ok(()) => Ok(answer),
            Err(Error::Unreachable { reason, .. }) => Err(Error::Broken { peer, reason }),
            Err(error) => Err(error),
        }
    }
}

impl Links for MemoryLinks {
    fn node(&self) -> NodeId {
        self.node
    }

    fn call(
        &self,
        peer: NodeId,
        service: Service,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            let asked = async {
                match self.ask(peer, service, request).await {
                    // What vanished is noticed by nobody but the clock.
                    Err(Error::Deadline(_)) => std::future::pending().await,
                    answered => answered,
                }
            };
            in_time(peer, deadline, asked).await
        })
    }

    fn open(
        &self,
        peer: NodeId,
        service: Service,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Duplex, Error>> {
        Box::pin(async move {
            in_time(peer, deadline, self.network.pass(self.node, peer)).await?;
            let handler = self.network.handler(peer, service)?;
            let (sender, far_receiver) = self.network.halves(self.node, peer);
            let (far_sender, receiver) = self.network.halves(peer, self.node);
            let far = Duplex::of(far_sender, far_receiver);
            let (network, me) = (self.network.clone(), self.node);
            tokio::spawn(async move {
                tokio::select! {
                    served = handler.stream(me, far) => if let Err(error) = served {
                        tracing::debug!(%me, %peer, %error, "a stream ended");
                    },
                    _ = network.severed(peer, me) => {}
                }
            });
            Ok(Duplex::of(sender, receiver))
        })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        let mut state = self.network.0.state.lock();
        if let Some(node) = state.nodes.get_mut(&self.node) {
            node.handlers.insert(service, handler);
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let closed = self.network.0.state.lock().nodes.insert(self.node, Node::default());
            drop(closed);
            self.network.changed();
        })
    }
}

struct MemorySender {
    network: MemoryNetwork,
    from: NodeId,
    to: NodeId,
    tx: Option<mpsc::Sender<Bytes>>,
}

impl FrameSender for MemorySender {
    fn send(&mut self, frame: Frame) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            check_length(frame.len())?;
            let broken = |reason: &str| Error::Broken { peer: self.to, reason: reason.to_owned() };
            let Some(tx) = &self.tx else { return Err(broken("already finished")) };
            self.network.pass(self.from, self.to).await.map_err(|e| broken(&e.to_string()))?;
            tokio::select! {
                sent = tx.send(frame.into_bytes()) => sent.map_err(|_| broken("nobody listens")),
                error = self.network.severed(self.from, self.to) => Err(error),
            }
        })
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.tx = None;
        Ok(())
    }
}

struct MemoryReceiver {
    network: MemoryNetwork,
    from: NodeId,
    to: NodeId,
    rx: mpsc::Receiver<Bytes>,
}

impl FrameReceiver for MemoryReceiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                error = self.network.severed(self.to, self.from) => Err(error),
                frame = self.rx.recv() => Ok(frame),
            }
        })
    }
}
