//! What a client may be told, with the contract's defaults. Reads the two variables
//! of the environment that name a node and a key, and nothing else of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::types::Refusal;

/// The client's version, as nodes are told.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Most events of a batch, however it came to grow.
pub(crate) const LARGEST: usize = 16_384;
/// Most bytes that a batch may be told to have: a message has at most 4 MiB.
const BATCH_BYTES: usize = 3 << 20;
const NODE: &str = "http://127.0.0.1:8080";

/// What happens to an event that is captured when the queue is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overflow {
    /// The oldest event that is not in flight is dropped for it.
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// Its capture waits for room, blocking its thread, and drops it after this time.
    Block(Duration),
}

/// Is told of each event that the node refused, with its text.
pub type OnRefused = Arc<dyn Fn(&Refusal, &str) + Send + Sync>;
/// Is told of each attempt that failed and each batch that was given up.
pub type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// Every setting; [`Settings::default`] takes nodes and key from the environment.
#[derive(Clone)]
pub struct Settings {
    /// Nodes, tried in order. By default `VIA_URL`, separated by commas, else
    /// `http://127.0.0.1:8080`.
    pub urls: Vec<String>,
    /// Sent as a bearer; never logged. By default `VIA_API_KEY`.
    pub key: Option<String>,
    /// Whom to trust over TLS, a file of PEM; otherwise the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// The name under which batches are numbered, at most 100 characters of
    /// `[A-Za-z0-9._-]`. By default `rust-HOST`; `None`: unnumbered.
    pub producer: Option<String>,
    /// A batch is sealed at so many events, 1 to 16,384: 500. While the queue is at
    /// least half full, batches grow beyond it.
    pub batch_events: usize,
    /// A batch is sealed at so many bytes, up to 3 MiB: 1 MiB. A longer event is invalid.
    pub batch_bytes: usize,
    /// A batch is sealed at that age: 1 s.
    pub linger: Duration,
    /// Most events captured and not settled: 10,000.
    pub queue_events: usize,
    /// Most bytes of them, as lines of NDJSON: 64 MiB.
    pub queue_bytes: usize,
    /// What happens beyond: [`Overflow::DropOldest`].
    pub overflow: Overflow,
    /// Batches under way at a time: 1, which keeps the order of capture.
    pub in_flight: usize,
    /// The first wait is drawn from zero to this: 0.1 s.
    pub backoff_min: Duration,
    /// The bound doubles up to this: 30 s.
    pub backoff_max: Duration,
    /// For one attempt, and for a call with its repeats: 10 s.
    pub timeout: Duration,
    /// For the flush when the last handle is dropped: 2 s.
    pub exit_timeout: Duration,
    /// Where sealed batches are files until they are settled; none by default.
    pub spool_dir: Option<PathBuf>,
    /// Most bytes of them: 256 MiB.
    pub spool_bytes: u64,
    /// Runs on the client's thread; must not block.
    pub on_refused: Option<OnRefused>,
    /// Runs on the client's thread; must not block.
    pub on_error: Option<OnError>,
}

impl Default for Settings {
    fn default() -> Self {
        let named = environment("VIA_URL").unwrap_or_default();
        let urls = named.split(',').map(str::trim).filter(|url| !url.is_empty());
        let urls: Vec<String> = urls.map(str::to_owned).collect();
        Self {
            urls: if urls.is_empty() { vec![NODE.to_owned()] } else { urls },
            key: environment("VIA_API_KEY"),
            ca_file: None,
            producer: Some(default_name()),
            batch_events: 500,
            batch_bytes: 1 << 20,
            linger: Duration::from_secs(1),
            queue_events: 10_000,
            queue_bytes: 64 << 20,
            overflow: Overflow::DropOldest,
            in_flight: 1,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            exit_timeout: Duration::from_secs(2),
            spool_dir: None,
            spool_bytes: 256 << 20,
            on_refused: None,
            on_error: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("urls", &self.urls)
            .field("producer", &self.producer)
            .field("spool_dir", &self.spool_dir)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Returns the defaults for one node.
    pub fn for_node(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        let counts = [self.queue_events, self.queue_bytes, self.in_flight];
        let fault = if self.urls.is_empty() {
            "urls: at least one is needed"
        } else if !self.urls.iter().all(is_url) {
            "urls: each begins with http:// or https://"
        } else if !self.producer.as_deref().is_none_or(is_name) {
            "producer: 1 to 100 characters of [A-Za-z0-9._-], not beginning with a dot"
        } else if !(1..=LARGEST).contains(&self.batch_events) {
            "batch_events: 1 to 16,384"
        } else if !(1..=BATCH_BYTES).contains(&self.batch_bytes) {
            "batch_bytes: 1 to 3 MiB"
        } else if counts.contains(&0) {
            "queue_events, queue_bytes, in_flight: at least 1"
        } else if self.spool_dir.is_some() && self.producer.is_none() {
            "spool_dir: what is kept needs numbers, so a producer"
        } else {
            return Ok(());
        };
        Err(Error::local(fault))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=100).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
}

#[expect(clippy::disallowed_methods, reason = "the contract names what a client reads of it")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn default_name() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = environment("COMPUTERNAME").unwrap_or_else(|| "host".to_owned());
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let host: String = host.chars().map(plain).take(80).collect();
    format!("rust-{}", if host.is_empty() { "host" } else { &host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_at_once() {
        let bad: [fn(&mut Settings); 8] = [
            |it| it.urls.clear(),
            |it| it.urls = vec!["127.0.0.1:8080".to_owned()],
            |it| it.producer = Some("a/b".to_owned()),
            |it| it.producer = Some(".hidden".to_owned()),
            |it| it.batch_events = 0,
            |it| it.batch_bytes = 4 << 20,
            |it| it.in_flight = 0,
            |it| (it.spool_dir, it.producer) = (Some("/tmp".into()), None),
        ];
        assert!(Settings::default().check().is_ok());
        for spoil in bad {
            let mut settings = Settings::default();
            spoil(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        let settings = Settings { key: Some("via_key_live_x".to_owned()), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("via_key"));
    }
}
