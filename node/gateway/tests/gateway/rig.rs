//! A node without disk or peers behind the gateway, and a client that can also
//! misbehave.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use via_control::DEFAULT_TENANT;
use via_gateway::{Access, Drained, Options, Rooms};
use via_storage::{Log, MemoryLog, MemoryStore, Store};
use via_types::clock::ManualClock;
use via_types::{Clock, NodeId, Timestamp};

/// The time on every node's clock.
pub(crate) const NOW: i64 = 1_700_000_000_000_000_000;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running node.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    /// What every request shows that shows nothing of its own.
    pub(crate) token: Option<String>,
    /// The catalog behind the door.
    pub(crate) control: via_control::Handle,
    /// The time on the node's clock.
    pub(crate) clock: Arc<ManualClock>,
    stop: watch::Sender<bool>,
    /// The rooms behind the door run until the rig is dropped.
    _rooms: watch::Sender<bool>,
    gateway: JoinHandle<Drained>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Checks that it is a problem document with this code; returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let document = self.json();
        assert_eq!((self.status, document["code"].as_str()), (status, Some(code)), "{document}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(document["type"], format!("/problems/{code}"));
        assert_eq!(document["status"], status);
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"));
        assert!(matches!(document["fate"].as_str(), Some("rejected" | "retry" | "unknown")));
        document
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        Self::start_on(options, via_shard::Options::default()).await
    }

    /// Starts one with settings of the shards, too; it asks nobody who they are.
    pub(crate) async fn start_on(options: Options, shard: via_shard::Options) -> Self {
        let access = Access { required: false, ..options.access };
        Self::launch(Options { access, ..options }, shard).await
    }

    /// Starts one that asks everybody.
    pub(crate) async fn guarded() -> Self {
        let record_every = Duration::from_millis(20);
        let access = Access { record_every, hashes: 8, ..Access::default() };
        let options = Options { access, ..Options::default() };
        Self::launch(options, via_shard::Options::default()).await
    }

    async fn launch(options: Options, shard: via_shard::Options) -> Self {
        let node = NodeId::new(1);
        let shards = 4;
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let hands = Arc::new(ManualClock::new(Timestamp::from_nanos(NOW)));
        let clock: Arc<dyn Clock> = Arc::clone(&hands) as Arc<dyn Clock>;
        let consensus =
            via_consensus::Host::new(via_consensus::Options::new(node), Arc::clone(&log), None)
                .expect("options");
        let (stop, stopped) = watch::channel(false);
        let (rooms_stop, rooms_stopped) = watch::channel(false);
        let control = via_control::Options { shards, ..via_control::Options::new(node, "n1") };
        let opened =
            via_control::Service::open(control, &consensus, Arc::clone(&store), Arc::clone(&clock));
        let (service, control) = opened.await.expect("control opens");
        tokio::spawn(service.run(until(rooms_stopped.clone())));
        let ground = via_shard::Ground {
            consensus,
            log,
            store,
            view: control.watch(),
            clock: Arc::clone(&clock),
        };
        let shard = via_shard::Options { node, shards, ..shard };
        let (host, shard) = via_shard::Host::open(shard, ground).await.expect("shards open");
        tokio::spawn(host.run(rooms_stopped));
        let tenant = control.view().tenant_named(DEFAULT_TENANT).expect("it is there").id;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = Options { listen, tenant, site: Some(crate::site::site), ..options };
        let catalog = control.clone();
        let rooms = Rooms { shard, control, clock, readiness: Arc::new(()), metrics: None };
        let (service, handle) = via_gateway::Service::bind(options, rooms).await.expect("binds");
        let gateway = tokio::spawn(service.run(until(stopped)));
        let address = handle.address();
        let (control, clock) = (catalog, hands);
        let rig = Self { address, token: None, control, clock, stop, _rooms: rooms_stop, gateway };
        rig.until_ready().await;
        rig
    }

    async fn until_ready(&self) {
        let ready = async { while self.get("/readyz").await.status != 200 {} };
        tokio::time::timeout(PATIENCE, ready).await.expect("the node becomes ready");
    }

    /// Begins shutdown and returns how the gateway ended.
    pub(crate) async fn stop(self) -> Drained {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.gateway).await.expect("ends").expect("no panic")
    }

    /// Begins shutdown without waiting.
    pub(crate) fn drain(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listens")
    }

    /// Sends raw bytes and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The server may answer and close before all is sent.
        let _ = stream.write_all(bytes).await;
        read(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: via\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let own = headers.iter().any(|(name, _)| *name == "Authorization");
        if let Some(token) = self.token.as_ref().filter(|_| !own) {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !body.is_empty() || method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/json")], body.as_bytes()).await
    }

    pub(crate) async fn post_lines(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/x-ndjson")], body).await
    }

    /// Returns how many events of an entity were applied.
    pub(crate) async fn events(&self, stream: &str, entity: &str) -> u64 {
        let answer = self.get(&format!("/api/v1/streams/{stream}/entities/{entity}")).await;
        if answer.status == 404 { 0 } else { answer.json()["events"].as_u64().expect("a count") }
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// Reads one answer up to the end of the connection.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    // A reset after the answer is fine: the server did not read a refused body.
    let _ = reading.await.expect("the server answers and closes");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut body = bytes.split_off(end + 4);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    Answer { status, head, body }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = str::from_utf8(&rest[..end]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).unwrap_or(0);
        if size == 0 || rest.len() < end + 2 + size {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or(&[]);
    }
    body
}
