//! A UDP proxy for one directed pair of nodes: what the dialling one sends
//! arrives at the other, and the answers come back, each as that direction's
//! weather has it. Knows datagrams only, not what is in them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::link::{Link, Weather};

/// Largest datagram.
const BYTES: usize = 65_536;
/// Most datagrams under way in one direction; more are dropped.
const UNDER_WAY: usize = 8_192;
/// Most sockets that dial through one proxy; more are not served.
const DIALLERS: usize = 64;

/// The weather of every direction; a cheap clone for every proxy.
#[derive(Clone, Debug, Default)]
pub struct Climate {
    table: Arc<Mutex<BTreeMap<(usize, usize), Weather>>>,
}

impl Climate {
    /// Sets the weather from one node to another.
    pub fn set(&self, from: usize, to: usize, weather: Weather) {
        self.lock().insert((from, to), weather);
    }

    /// Returns the weather from one node to another.
    pub fn of(&self, from: usize, to: usize) -> Weather {
        self.lock().get(&(from, to)).cloned().unwrap_or_default()
    }

    /// Makes all weather fair.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(usize, usize), Weather>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Whose datagrams a proxy carries, and where they belong.
#[derive(Clone, Debug)]
pub struct Route {
    /// The node that dials.
    pub from: usize,
    /// The node that is dialled.
    pub to: usize,
    /// Where that one listens.
    pub target: SocketAddr,
    /// The weather on both ways.
    pub climate: Climate,
    /// Where its chances come from.
    pub seed: u64,
}

impl Proxy {
    /// Starts a proxy at an address of its own on `host`.
    ///
    /// # Errors
    /// No socket can be bound.
    pub async fn start(host: Ipv4Addr, route: Route) -> anyhow::Result<Self> {
        let front = UdpSocket::bind((host, 0)).await.context("bind a proxy")?;
        let address = front.local_addr()?;
        let task = tokio::spawn(serve(Arc::new(front), host, route));
        Ok(Self { address, task })
    }

    /// Returns where the dialling node's datagrams must go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(front: Arc<UdpSocket>, host: Ipv4Addr, route: Route) {
    let mut dialled: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut answering = JoinSet::new();
    let mut way = Way::new(route.seed);
    let mut bytes = vec![0; BYTES];
    loop {
        // An error is what a port unreachable came back as: nothing was received.
        let Ok((length, source)) = front.recv_from(&mut bytes).await else { continue };
        let back = match dialled.get(&source) {
            Some(back) => Arc::clone(back),
            None if dialled.len() >= DIALLERS => continue,
            None => {
                let Ok(back) = UdpSocket::bind((host, 0)).await else { continue };
                let back = Arc::new(back);
                dialled.insert(source, Arc::clone(&back));
                let seed = route.seed ^ (dialled.len() as u64) << 32;
                let route = Route { seed, ..route.clone() };
                answering.spawn(answer(Arc::clone(&back), Arc::clone(&front), source, route));
                back
            }
        };
        let weather = route.climate.of(route.from, route.to);
        way.carry(&weather, &bytes[..length], back, route.target).await;
    }
}

async fn answer(back: Arc<UdpSocket>, front: Arc<UdpSocket>, dialler: SocketAddr, route: Route) {
    let mut way = Way::new(route.seed);
    let mut bytes = vec![0; BYTES];
    loop {
        let Ok((length, source)) = back.recv_from(&mut bytes).await else { continue };
        if source == route.target {
            let weather = route.climate.of(route.to, route.from);
            way.carry(&weather, &bytes[..length], Arc::clone(&front), dialler).await;
        }
    }
}

/// One direction.
struct Way {
    link: Link,
    rng: ChaCha8Rng,
    began: Instant,
    room: Arc<Semaphore>,
}

impl Way {
    fn new(seed: u64) -> Self {
        Self {
            link: Link::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            began: Instant::now(),
            room: Arc::new(Semaphore::new(UNDER_WAY)),
        }
    }

    async fn carry(&mut self, weather: &Weather, bytes: &[u8], by: Arc<UdpSocket>, to: SocketAddr) {
        let now = self.began.elapsed();
        for after in self.link.carry(weather, (now, bytes.len()), &mut self.rng) {
            if after == Duration::ZERO {
                // What cannot be sent is lost, as on any network.
                let _ = by.send_to(bytes, to).await;
                continue;
            }
            let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { continue };
            let (by, bytes) = (Arc::clone(&by), bytes.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let _ = by.send_to(&bytes, to).await;
                drop(place);
            });
        }
    }
}
