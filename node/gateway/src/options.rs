//! How the door is set: where it listens, what it lets in, how long it waits.
//! Plain data; `cluster-config` validates what operators write.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use via_types::{StreamConfig, TenantId, limit};

/// Judges a configuration: the words say which key is wrong and what is allowed.
pub type CheckConfig = Arc<dyn Fn(&StreamConfig) -> Result<(), String> + Send + Sync>;

/// A file of the web application, as it is sent.
#[derive(Clone, Debug)]
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    /// How it is compressed; none when it is plain.
    pub encoding: Option<&'static str>,
    /// Whether its name changes with its content, so that it may be kept for ever.
    pub is_immutable: bool,
    /// Names this content in this encoding, quoted.
    pub etag: String,
    /// The bytes.
    pub body: bytes::Bytes,
}

/// The web application: the file at a path, where the empty one is its page, in
/// an encoding that the value of `Accept-Encoding` takes.
pub type Site = fn(path: &str, accepted: &str) -> Option<File>;

/// Who is let in, and for how long.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether requests must say who makes them. When not, every one acts as an
    /// administrator of the tenant of [`Options`], and as an operator.
    pub required: bool,
    /// How long a session may be unused.
    pub session_idle: Duration,
    /// How long a session lasts, whatever happens.
    pub session_lifetime: Duration,
    /// Passwords hashed at a time; more are refused as overloaded.
    pub hashes: usize,
    /// How often refusals and uses are recorded.
    pub record_every: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            required: true,
            session_idle: Duration::from_secs(1_800),
            session_lifetime: Duration::from_secs(43_200),
            hashes: 2,
            record_every: Duration::from_secs(5),
        }
    }
}

/// Plain settings of the gateway.
#[derive(Clone)]
pub struct Options {
    /// Where HTTP and gRPC are served; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whose data requests are about where nobody is asked who they are.
    pub tenant: TenantId,
    /// Who is let in.
    pub access: Access,
    /// Whether an event for an unknown stream creates it.
    pub create_streams: bool,
    /// Judges configurations that clients send.
    pub check_config: CheckConfig,
    /// The web application; none where there is none.
    pub site: Option<Site>,
    /// Most connections at a time; more wait in the system's queue.
    pub connections: usize,
    /// Most requests handled at a time; more are refused as overloaded.
    pub requests: usize,
    /// Bytes of bodies and batches held at a time, all requests together.
    pub memory_bytes: usize,
    /// Largest JSON body, before and after decompression, bytes. NDJSON has no such limit.
    pub json_bytes: usize,
    /// Longest line of an NDJSON body, bytes; longer ones are skipped and refused.
    pub line_bytes: usize,
    /// Most bytes that may come out of each compressed byte of a body.
    pub expansion: u64,
    /// Most events in one columnar batch.
    pub batch_events: usize,
    /// Largest gRPC message, bytes.
    pub message_bytes: usize,
    /// How long a connection may take to send a request's head.
    pub header_timeout: Duration,
    /// Longest pause within a body.
    pub body_idle: Duration,
    /// Longest a query may take.
    pub query_timeout: Duration,
    /// How long requests in flight may finish after shutdown begins.
    pub grace: Duration,
    /// Most live subscribers at a time.
    pub subscribers: usize,
    /// Time between signs of life on a quiet live feed.
    pub ping: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tenant: TenantId::new(1),
            access: Access::default(),
            create_streams: true,
            check_config: Arc::new(|_| Ok(())),
            site: None,
            connections: 4_096,
            requests: 1_024,
            memory_bytes: 256 << 20,
            json_bytes: 32 << 20,
            line_bytes: 1 << 20,
            expansion: 100,
            batch_events: limit::BATCH_EVENTS,
            message_bytes: 4 << 20,
            header_timeout: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            query_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            subscribers: 1_024,
            ping: Duration::from_secs(15),
        }
    }
}
