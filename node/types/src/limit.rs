//! Every fixed bound, in one place, with its reason (invariant D-6). Bounds
//! that operators may set live in `cluster-config` and default to these.

/// Longest entity key, bytes: longer ones are documents, not names.
pub const ENTITY_KEY_BYTES: usize = 256;
/// Longest stream name, bytes: it appears in URLs and labels.
pub const STREAM_NAME_BYTES: usize = 128;
/// Longest unique id, bytes: a UUID with room to spare.
pub const UNIQUE_ID_BYTES: usize = 128;
/// Most attributes of one event.
pub const ATTRIBUTES: usize = 64;
/// Longest attributes of one event together, bytes: they are kept in the log.
pub const ATTRIBUTE_BYTES: usize = 4096;
/// Most named values of one event.
pub const LANES: usize = 64;
/// Most events in one batch: bounds one `Events` entry's execution to about 10 ms.
pub const BATCH_EVENTS: usize = 65_536;
/// Most bytes read and dropped behind an answer that came before its request
/// had ended: a client that sends all before it reads would otherwise find a
/// reset instead of the reason. As much as the largest JSON body by default.
pub const LINGER_BYTES: usize = 32 << 20;
/// Free bytes of the data directory's disk at and below which nothing new is
/// taken: what was taken still needs room to be saved.
pub const DISK_RESERVE: u64 = 32 << 20;
/// Most bytes in one log entry: bounds a peer's allocation per frame.
pub const ENTRY_BYTES: usize = 8 << 20;
/// How many sequences behind the newest a producer may repeat and be recognised.
pub const SEQUENCE_WINDOW: u64 = 1_024;
/// Unique ids remembered per shard, in two generations of half as many.
pub const UNIQUE_IDS: usize = 16_384;
/// Most streams on one node: each costs a configuration in every shard.
pub const STREAMS: usize = 4_096;
/// Largest value in the state store, bytes: larger ones leak disk in sled.
pub const STORE_VALUE_BYTES: usize = 4_096;
/// How far in the future an event's time may lie, seconds: clocks drift, but
/// one event from next year must not close a year of buckets.
pub const FUTURE_SECS: u64 = 300;
/// Oldest event time accepted, seconds since 1970: 1970 itself is usually a
/// missing timestamp, but replays of old data are legitimate.
pub const EARLIEST_SECS: i64 = 0;
/// Shards of the default pool: even over sixteen nodes, cheap on one (ADR 0011).
pub const SHARDS: u16 = 32;
/// Longest name of a node, a tenant or a producer, bytes: they appear in labels.
pub const NAME_BYTES: usize = 128;
/// Most nodes of one cluster: every peer keeps a link to every other.
pub const NODES: usize = 256;
/// Most join tokens that are remembered at a time: used ones stay until they
/// expire, so that a lost answer can be fetched again.
pub const JOIN_TOKENS: usize = 64;
/// Most tenants of one cluster: each is a row in every node's memory.
pub const TENANTS: usize = 4_096;
/// Most named producers of one cluster: forgetting one would unfence its past,
/// so the next one is refused instead.
pub const PRODUCER_NAMES: usize = 65_536;
/// Longest configuration of one stream as JSON, bytes: every shard keeps a copy.
pub const CONFIG_BYTES: usize = 65_536;
/// Most entities of one stream with a configuration of their own: each is a plan
/// in every shard; those that differ by kind belong into streams of their own.
pub const ENTITY_CONFIGS: usize = 256;
/// Most addresses of one node: a few networks, each in two families.
pub const NODE_ADDRESSES: usize = 8;
/// Longest address of a node, bytes: a host name of 253 and a port.
pub const NODE_ADDRESS_BYTES: usize = 260;
/// Labels of a stream that are learned from, the newest: so that what was said
/// long ago of another system does not count for ever.
pub const LABELS: usize = 64;
/// Longest note of a label, bytes: a paragraph.
pub const NOTE_BYTES: usize = 2_048;
/// How long deviations like one that was expected are expected of its entity,
/// seconds of event time after it: a week, so that a weekly one is met.
pub const EXPECTED_SECS: u64 = 7 * 86_400 + 3_600;
