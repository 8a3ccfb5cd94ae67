//! Links in memory, for tests: the same face, and switches for what networks
//! do. Time is logical: a delayed message waits for steps that a test takes, or
//! for what a [`Weather`] says of it.

mod weather;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use via_types::NodeId;

pub use self::weather::{Leg, Message, Passage, Weather};

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
    /// Counts how often its links were opened: what an earlier life still sends
    /// or waits for does not pass.
    life: u64,
}

/// A node in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    node: NodeId,
    life: u64,
}

#[derive(Default)]
struct State {
    nodes: HashMap<NodeId, Node>,
    faults: HashMap<(NodeId, NodeId), Fault>,
    weather: Option<Arc<dyn Weather>>,
}

impl State {
    fn is_open(&self, end: End) -> bool {
        self.nodes.get(&end.node).is_some_and(|node| node.open && node.life == end.life)
    }
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
        let life = {
            let mut state = self.0.state.lock();
            let entry = state.nodes.entry(node).or_default();
            *entry = Node { open: true, life: entry.life + 1, ..Node::default() };
            entry.life
        };
        self.changed();
        Arc::new(MemoryLinks { network: self.clone(), me: End { node, life } })
    }

    /// Lets `weather` decide what becomes of each message that no fault keeps.
    pub fn set_weather(&self, weather: Arc<dyn Weather>) {
        self.0.state.lock().weather = Some(weather);
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

    /// Returns a node in the life that it has now.
    fn end(&self, node: NodeId) -> End {
        let life = self.0.state.lock().nodes.get(&node).map_or(0, |node| node.life);
        End { node, life }
    }

    fn fault(&self, from: End, to: End) -> Fault {
        let state = self.0.state.lock();
        if !state.is_open(from) || !state.is_open(to) {
            return Fault::Refuse;
        }
        state.faults.get(&(from.node, to.node)).copied().unwrap_or_default()
    }

    fn passage(&self, message: &Message<'_>) -> Passage {
        let weather = self.0.state.lock().weather.clone();
        weather.map_or(Passage::AT_ONCE, |weather| weather.passage(message))
    }

    /// Waits until a message sent now arrives.
    async fn pass(&self, from: End, to: End, passage: Passage) -> Result<(), Error> {
        let mut changes = self.0.changes.subscribe();
        let sent = changes.borrow_and_update().0;
        match passage {
            Passage::After(time) | Passage::Twice(time, _) if !time.is_zero() => {
                tokio::time::sleep(time).await;
            }
            Passage::After(_) | Passage::Twice(..) => {}
            Passage::Lost => return Err(Error::Deadline(to.node)),
        }
        loop {
            changes.mark_unchanged();
            match self.fault(from, to) {
                Fault::None => return Ok(()),
                Fault::Refuse => {
                    let reason = "no way".to_owned();
                    return Err(Error::Unreachable { peer: to.node, reason });
                }
                Fault::Drop => return Err(Error::Deadline(to.node)),
                Fault::Delay(steps) if changes.borrow().0 >= sent + steps => return Ok(()),
                Fault::Delay(_) => {}
            }
            changes.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// Resolves when a stream between the two cannot go on.
    async fn severed(&self, from: End, to: End) -> Error {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let broken = |fault| matches!(fault, Fault::Drop | Fault::Refuse);
            if broken(self.fault(from, to)) || broken(self.fault(to, from)) {
                return Error::Broken { peer: to.node, reason: "the network was cut".to_owned() };
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

    fn halves(&self, way: Way) -> (MemorySender, MemoryReceiver) {
        let (tx, rx) = mpsc::channel(WINDOW);
        let torn = Arc::new(AtomicBool::new(false));
        let sender =
            MemorySender { network: self.clone(), way, tx: Some(tx), torn: Arc::clone(&torn) };
        (sender, MemoryReceiver { network: self.clone(), way, rx, torn })
    }
}

/// One direction of a stream.
#[derive(Clone, Copy)]
struct Way {
    from: End,
    to: End,
    service: Service,
}

/// The links of one node of a [`MemoryNetwork`].
pub struct MemoryLinks {
    network: MemoryNetwork,
    me: End,
}

impl std::fmt::Debug for MemoryLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryLinks({})", self.me.node)
    }
}

impl MemoryLinks {
    async fn ask(&self, peer: NodeId, service: Service, request: Bytes) -> Result<Bytes, Error> {
        check_length(request.len())?;
        let (me, network) = (self.me, &self.network);
        let to = network.end(peer);
        let message = |from: End, to: End, leg, bytes: &[u8]| {
            network.passage(&Message { from: from.node, to: to.node, service, leg, bytes })
        };
        let passage = message(me, to, Leg::Request, &request);
        if let Passage::Twice(_, again) = passage {
            let (network, request) = (network.clone(), request.clone());
            tokio::spawn(async move {
                network.pass(me, to, Passage::After(again)).await?;
                // Nobody waits for what is answered the second time.
                network.handler(peer, service)?.call(me.node, request).await.map(drop)
            });
        }
        network.pass(me, to, passage).await?;
        let handler = network.handler(peer, service)?;
        let answer = tokio::spawn(handler.call(me.node, request)).await;
        let reason = |reason: String| Error::Remote { peer, reason };
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| reason(error.to_string()))?,
            Err(panicked) => return Err(reason(panicked.to_string())),
        };
        let passage = message(to, me, Leg::Answer, &answer);
        match network.pass(to, me, passage).await {
            Ok(()) => Ok(answer),
            Err(Error::Unreachable { reason, .. }) => Err(Error::Broken { peer, reason }),
            Err(error) => Err(error),
        }
    }
}

impl Links for MemoryLinks {
    fn node(&self) -> NodeId {
        self.me.node
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
            let (me, to) = (self.me, self.network.end(peer));
            let opening =
                Message { from: me.node, to: peer, service, leg: Leg::Opening, bytes: &[] };
            let passage = self.network.passage(&opening);
            in_time(peer, deadline, self.network.pass(me, to, passage)).await?;
            let handler = self.network.handler(peer, service)?;
            let (sender, far_receiver) = self.network.halves(Way { from: me, to, service });
            let (far_sender, receiver) = self.network.halves(Way { from: to, to: me, service });
            let far = Duplex::of(far_sender, far_receiver);
            let network = self.network.clone();
            tokio::spawn(async move {
                tokio::select! {
                    served = handler.stream(me.node, far) => if let Err(error) = served {
                        tracing::debug!(me = %me.node, %peer, %error, "a stream ended");
                    },
                    _ = network.severed(to, me) => {}
                }
            });
            Ok(Duplex::of(sender, receiver))
        })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        let mut state = self.network.0.state.lock();
        if state.is_open(self.me)
            && let Some(node) = state.nodes.get_mut(&self.me.node)
        {
            node.handlers.insert(service, handler);
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            {
                let mut state = self.network.0.state.lock();
                if !state.is_open(self.me) {
                    return;
                }
                let closed = Node { life: self.me.life, ..Node::default() };
                state.nodes.insert(self.me.node, closed);
            }
            self.network.changed();
        })
    }
}

struct MemorySender {
    network: MemoryNetwork,
    way: Way,
    tx: Option<mpsc::Sender<Bytes>>,
    /// A frame was lost: nothing that follows may be taken for the next.
    torn: Arc<AtomicBool>,
}

impl FrameSender for MemorySender {
    fn send(&mut self, frame: Frame) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            check_length(frame.len())?;
            let Way { from, to, service } = self.way;
            let broken = |reason: &str| Error::Broken { peer: to.node, reason: reason.to_owned() };
            let Some(tx) = self.tx.clone() else { return Err(broken("already finished")) };
            let bytes = frame.into_bytes();
            let message =
                Message { from: from.node, to: to.node, service, leg: Leg::Frame, bytes: &bytes };
            let passage = self.network.passage(&message);
            if let Err(error) = self.network.pass(from, to, passage).await {
                self.torn.store(true, Ordering::Release);
                self.tx = None;
                return Err(broken(&error.to_string()));
            }
            tokio::select! {
                sent = tx.send(bytes) => sent.map_err(|_| broken("nobody listens")),
                error = self.network.severed(from, to) => Err(error),
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
    way: Way,
    rx: mpsc::Receiver<Bytes>,
    torn: Arc<AtomicBool>,
}

impl FrameReceiver for MemoryReceiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            let Way { from, to, .. } = self.way;
            tokio::select! {
                biased;
                error = self.network.severed(to, from) => Err(error),
                frame = self.rx.recv() => match frame {
                    None if self.torn.load(Ordering::Acquire) => {
                        let reason = "a frame was lost".to_owned();
                        Err(Error::Broken { peer: from.node, reason })
                    }
                    frame => Ok(frame),
                },
            }
        })
    }
}
