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
/// reset instead of the reason. Four times the largest JSON body by default: who
/// is refused for its length is over that.
pub const LINGER_BYTES: usize = 128 << 20;
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
/// Most users of one tenant, and most platform operators: more come from an
/// identity provider, and are still one row each.
pub const USERS_PER_TENANT: usize = 1_024;
/// Most users of one cluster: each is a row in every node's memory.
pub const USERS: usize = 65_536;
/// Longest name by which somebody logs in, bytes: an e-mail address.
pub const LOGIN_BYTES: usize = 254;
/// Longest text of a hashed password, bytes: argon2id's with long salts.
pub const PASSWORD_HASH_BYTES: usize = 256;
/// Longest sealed secret of a second factor, bytes.
pub const SEALED_SECRET_BYTES: usize = 256;
/// Most recovery codes of one user.
pub const RECOVERY_CODES: usize = 16;
/// Most identities at other issuers of one user.
pub const IDENTITIES: usize = 8;
/// Longest issuer or subject of an identity, bytes: URLs.
pub const IDENTITY_BYTES: usize = 512;
/// Most roles of one user: more would be a role of their own.
pub const ROLES_PER_USER: usize = 16;
/// Most roles that one tenant makes: a bitset each.
pub const ROLES_PER_TENANT: usize = 128;
/// Most API keys of one tenant that are live.
pub const API_KEYS_PER_TENANT: usize = 1_024;
/// Most API keys of one cluster: each is a row in every node's memory.
pub const API_KEYS: usize = 65_536;
/// Most streams that one API key names: one for more is a key for all.
pub const STREAMS_PER_KEY: usize = 64;
/// Most networks that one API key may be used from.
pub const NETWORKS_PER_KEY: usize = 32;
/// Most sessions of one user: the one unused for longest ends when another begins.
pub const SESSIONS_PER_USER: usize = 16;
/// Most sessions of one cluster: each is a row in every node's memory.
pub const SESSIONS: usize = 65_536;
/// Longest life of a session, seconds: whoever stays logs in again each month.
pub const SESSION_SECS: u64 = 30 * 86_400;
/// Most ways of operators into tenants that are open at a time.
pub const GRANTS: usize = 256;
/// Longest time that an operator's way into a tenant is open, seconds: a shift.
pub const GRANT_SECS: u64 = 8 * 3_600;
/// Most versions of one stream's configuration that are kept, the newest.
pub const STREAM_HISTORY: usize = 100;
/// Most bytes of one stream's earlier configurations together: every node keeps
/// them in memory. The newest stays whatever its size.
pub const STREAM_HISTORY_BYTES: usize = 131_072;
/// Most entries of one tenant's suppression list.
pub const SUPPRESSIONS_PER_TENANT: usize = 4_096;
/// Most entries of all suppression lists.
pub const SUPPRESSIONS: usize = 65_536;
/// Most plans: a row each.
pub const PLANS: usize = 64;
/// Most answers that are remembered for repeated requests, of all tenants.
pub const ANSWERS: usize = 16_384;
/// Most of them of one tenant, so that one alone does not use them up.
pub const ANSWERS_PER_TENANT: usize = 2_048;
/// Most bytes that remembered answers may have together: every node keeps them.
pub const ANSWERS_BYTES: usize = 32 << 20;
/// How long an answer is remembered, seconds: a day, so that a retry after a
/// night's outage is still recognised.
pub const ANSWER_SECS: u64 = 86_400;
/// Longest idempotency key, bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Longest id of a request, bytes.
pub const REQUEST_ID_BYTES: usize = 64;
/// Longest reason for a change, bytes: a sentence or two.
pub const REASON_BYTES: usize = 512;
/// Longest sealed personal part of an audit record, bytes: an address and what
/// the browser says of itself.
pub const PERSONAL_BYTES: usize = 1_024;
/// Longest audit record, bytes: what was before and after is cut to fit.
pub const RECORD_BYTES: usize = 16_384;
/// Most records that are written with one entry.
pub const RECORDS_PER_ENTRY: usize = 256;
/// Pages of 32 days each for which a stream's usage is kept: as long as audit
/// records are, so that a bill can be checked against them.
pub const USAGE_PAGES: usize = 13;
/// Least time that audit records are kept, seconds: a year and a month.
pub const RECORD_SECS: u64 = 396 * 86_400;
/// Most people whose personal data is sealed with a key of their own.
pub const SUBJECTS: usize = 262_144;
