//! The bytes of the catalog at rest, as every version has written them.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use via_audit::{Frontier, leaf};
use via_catalog::command::{
    AdmitNode, BeginSession, CloseGrant, CreateApiKey, CreateStream, CreateTenant, CreateUser,
    CredentialChange, Decided, DeleteRole, DeleteSuppression, DeleteUser, EndSessions,
    ForgetSubject, FormCluster, Happened, IssueToken, NoteAttempt, NoteUse, ObserveNode, OpenGrant,
    OpenProducer, PruneTrail, PutAccount, PutDefaults, PutPlan, PutRole, PutStreamConfig,
    PutSubject, PutSuppression, PutUser, Record, RegisterNode, RevertStreamConfig, RevokeApiKey,
    RotateApiKey, RotateSession, SetCredentials, SetNodeState, Tried, Which,
};
use via_catalog::{
    Account, Answer, ApiKey, Attempts, Author, Command, Counters, Credentials, CustomRole, Deed,
    Defaults, Digest, Edition, Entry, Grant, Hushed, Idempotency, Identity, Network, Node,
    NodeState, Personal, Plan, Producer, Quotas, SecondFactor, Session, Standing, Stream, Subject,
    Suppression, Tenant, Token, Trail, TrailId, User, Verdict,
};
use via_types::access::{Action, Resource};
use via_types::{
    ApiKeyId, Epoch, GrantId, Permissions, ProducerId, Role, RoleId, SessionId, StreamConfig,
    StreamId, SuppressionId, TenantId, Timestamp, UserId,
};

use super::*;

mod usage;

const AT: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);
const TENANT: TenantId = TenantId::new(1);

fn commands() -> Vec<Command> {
    let (id, name, stream) = (NodeId::new(3), "logins".to_owned(), StreamId::new(2));
    let config = r#"{"explain":"basic"}"#.to_owned();
    let addresses = vec!["a.example:7400".to_owned()];
    let zone = Some("eu-1".to_owned());
    let based_on = Revision::new(9);
    vec![
        FormCluster { id: ClusterId::new(7), shards: 64, at: AT }.into(),
        RegisterNode { id, name: "third".to_owned(), addresses, zone }.into(),
        CreateTenant { name: "default".to_owned(), at: AT }.into(),
        CreateStream { tenant: TENANT, name: name.clone(), config: config.clone(), at: AT }.into(),
        PutStreamConfig { tenant: TENANT, stream, based_on, config }.into(),
        OpenProducer { tenant: TENANT, name }.into(),
        SetNodeState { id, state: NodeState::Draining }.into(),
    ]
}

fn objects() -> Vec<Object> {
    let node = Node {
        id: NodeId::new(3),
        name: "third".to_owned(),
        addresses: vec!["a.example:7400".to_owned()],
        zone: None,
        state: NodeState::Left,
    };
    let stream = Stream {
        id: StreamId::new(2),
        tenant: TENANT,
        name: "logins".to_owned(),
        own: "{}".to_owned(),
        config: StreamConfig::default(),
        json: "{}".to_owned(),
        revision: Revision::new(9),
        created: AT,
    };
    let producer = Producer {
        id: ProducerId::new(5),
        tenant: TENANT,
        name: "agent-1".to_owned(),
        epoch: Epoch::new(4),
    };
    let tenant = Tenant { id: TENANT, name: "default".to_owned(), created: AT };
    let cluster = via_catalog::Cluster { id: ClusterId::new(7), shards: 64, formed: AT };
    vec![
        Object::Cluster(cluster),
        Object::Counters(Counters { tenant: 1, stream: 2, producer: 5 }),
        Object::Node(Arc::new(node)),
        Object::Tenant(Arc::new(tenant)),
        Object::Stream(Arc::new(stream)),
        Object::Producer(producer),
    ]
}

fn as_of() -> AsOf {
    AsOf {
        term: Term::new(2),
        leader: NodeId::new(3),
        index: LogIndex::new(77),
        revision: Revision::new(70),
        objects: 6,
    }
}

/// Checks that bytes written by an earlier version still mean the same and
/// would be written the same today.
fn golden<T>(kind: Kind, golden: &[u8], values: &[T])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut rest = golden;
    for value in values {
        let bytes = via_codec::encode(kind, value);
        let (old, after) = rest.split_at_checked(bytes.len()).expect("the file is shorter");
        assert_eq!(via_codec::decode::<T>(kind, old).as_ref(), Ok(value), "invariant D-7");
        assert_eq!(old, bytes, "{value:?}");
        rest = after;
    }
    assert!(rest.is_empty(), "the file has more than is checked");
}

/// Checks that entries from before there was an audit log mean what they meant:
/// a command that nobody asked for by name.
fn entries_of_version_1(golden: &[u8], commands: &[Command]) {
    let mut rest = golden;
    for command in commands {
        let payload = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let (old, after) = rest.split_at(via_codec::OVERHEAD + payload);
        let entry = crate::machine::read(old).unwrap();
        assert_eq!(entry, Entry::from(command.clone()), "invariant D-7");
        rest = after;
    }
    assert!(rest.is_empty(), "the file has more than is checked");
}

/// Checks values against a file; one that is missing is written, and the test
/// fails once, so that adding it is a decision.
fn golden_file<T>(name: &str, kind: Kind, values: &[T])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let today: Vec<u8> = values.iter().flat_map(|value| via_codec::encode(kind, value)).collect();
    let bytes = std::fs::read(&path).unwrap_or_else(|_| {
        std::fs::write(&path, &today).unwrap();
        panic!("{name} did not exist; it does now: look at it and add it");
    });
    golden(kind, &bytes, values);
}

fn digest(number: u8) -> Digest {
    Digest::new([number; 32])
}

fn deed() -> Deed {
    let by = Author::User {
        user: UserId::new(17),
        home: Some(TENANT),
        session: Some(SessionId::new(18)),
        grant: None,
    };
    Deed {
        request: "req-1".to_owned(),
        reason: "on call".to_owned(),
        personal: Some(Personal { subject: digest(1), sealed: vec![2; 40] }),
        based_on: Some(Revision::new(9)),
        idempotency: Some(Idempotency { tenant: Some(TENANT), key: digest(3), body: digest(4) }),
        ..Deed::new(by, AT)
    }
}

fn allowed() -> Permissions {
    Permissions::NONE.and(&[Resource::Events, Resource::Keys], &[Action::Read, Action::Write])
}

fn quotas() -> Quotas {
    Quotas { events_per_second: Some(1_000), users: Some(3), ..Quotas::default() }
}

fn credentials() -> Credentials {
    Credentials {
        password: Some("$argon2id$v=19$x".to_owned()),
        second: Some(SecondFactor { sealed: vec![5; 8], step: 70 }),
        recovery: vec![digest(6)],
    }
}

fn identity() -> Identity {
    Identity { issuer: "https://id.example".to_owned(), subject: "7".to_owned() }
}

fn network() -> Network {
    Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }
}

/// One of each command that came with tenants, users and the audit log.
fn tenancy_commands() -> Vec<Command> {
    let keys = key_commands().into_iter().chain(other_tenancy_commands());
    user_commands().into_iter().chain(keys).collect()
}

fn user_commands() -> Vec<Command> {
    let (tenant, user, token) = (Some(TENANT), UserId::new(17), digest(7));
    let (roles, region) = (vec![Role::Admin, Role::Custom(RoleId::new(21))], Some("eu".to_owned()));
    vec![
        PutAccount {
            tenant: TENANT,
            plan: Plan::PRO,
            quotas: quotas(),
            region,
            standing: Standing::Suspended,
            needs_second_factor: true,
        }
        .into(),
        PutPlan { id: Plan::FREE, name: "free".to_owned(), quotas: quotas() }.into(),
        CreateUser {
            tenant,
            login: "ada@example.org".to_owned(),
            roles: roles.clone(),
            identities: vec![identity()],
            credentials: credentials(),
        }
        .into(),
        PutUser { tenant, user, roles, identities: Vec::new(), is_active: true }.into(),
        DeleteUser { tenant, user }.into(),
        SetCredentials { tenant, user, change: CredentialChange::Recovery(vec![token]) }.into(),
        NoteAttempt {
            tenant,
            user,
            device: Some(token),
            result: Tried::PassedWithCode { step: 71 },
        }
        .into(),
    ]
}

fn key_commands() -> Vec<Command> {
    let (tenant, user, stream) = (Some(TENANT), UserId::new(17), StreamId::new(2));
    let (session, token) = (SessionId::new(18), digest(7));
    let (key, name) = (ApiKeyId::new(19), "agents".to_owned());
    vec![
        PutRole { tenant: TENANT, role: None, name: name.clone(), permissions: allowed() }.into(),
        DeleteRole { tenant: TENANT, role: RoleId::new(21) }.into(),
        CreateApiKey {
            tenant,
            name,
            kind: "ingest".to_owned(),
            env: "live".to_owned(),
            digest: token,
            permissions: allowed(),
            streams: Some([stream].into()),
            networks: vec![network()],
            expires: Some(AT),
        }
        .into(),
        RotateApiKey { tenant, key, digest: token, earlier_until: AT }.into(),
        RevokeApiKey { tenant, key }.into(),
        BeginSession {
            tenant,
            user,
            token,
            idle_seconds: 3_600,
            expires: AT,
            has_second_factor: true,
        }
        .into(),
        RotateSession { tenant, session, shown: token, next: digest(8) }.into(),
        EndSessions { tenant, user, which: Which::AllBut(session) }.into(),
        NoteUse { tenant, keys: vec![(key, 20_000)], sessions: vec![(session, AT)] }.into(),
    ]
}

fn other_tenancy_commands() -> Vec<Command> {
    let (tenant, user, stream) = (Some(TENANT), UserId::new(17), StreamId::new(2));
    let happened = Happened {
        tenant,
        by: Author::ApiKey { key: ApiKeyId::new(19), home: tenant },
        at: AT,
        action: "read_events".to_owned(),
        object: "stream f2".to_owned(),
        decision: Decided::Denied,
        request: "req-2".to_owned(),
        reason: "no such scope".to_owned(),
        personal: None,
    };
    vec![
        OpenGrant { tenant: TENANT, operator: user, expires: AT }.into(),
        CloseGrant { tenant: TENANT, grant: GrantId::new(22) }.into(),
        RevertStreamConfig { tenant: TENANT, stream, to: Revision::new(9) }.into(),
        PutSuppression {
            tenant: TENANT,
            stream: Some(stream),
            about: Hushed::Entity("host-1".to_owned()),
            verdict: Verdict::Block,
            expires: None,
        }
        .into(),
        DeleteSuppression { tenant: TENANT, entry: SuppressionId::new(23) }.into(),
        Record { happened: vec![happened] }.into(),
        PruneTrail { trail: TrailId::PLATFORM }.into(),
        PutSubject { id: digest(1), key: [9; 32] }.into(),
        ForgetSubject { id: digest(1) }.into(),
    ]
}

fn somebody(id: UserId) -> User {
    let attempts = Attempts { failed: 2, last: AT };
    User {
        id,
        tenant: Some(TENANT),
        login: "ada@example.org".to_owned(),
        roles: vec![Role::Sre],
        identities: vec![identity()],
        is_active: true,
        credentials: credentials(),
        strange: attempts,
        devices: vec![(digest(2), attempts)],
        seen: Some(AT),
        revision: Revision::new(9),
        created: AT,
    }
}

/// One of each object that came with them.
fn tenancy_objects() -> Vec<Object> {
    let (tenant, revision, user) = (Some(TENANT), Revision::new(9), UserId::new(17));
    let account = Account {
        tenant: TENANT,
        plan: Plan::PRO,
        quotas: quotas(),
        region: None,
        standing: Standing::Closing,
        needs_second_factor: false,
        revision,
        changed: AT,
    };
    let key = ApiKey {
        id: ApiKeyId::new(19),
        tenant,
        name: "agents".to_owned(),
        kind: "ingest".to_owned(),
        env: "live".to_owned(),
        digest: digest(3),
        earlier: Some((digest(4), AT)),
        permissions: allowed(),
        streams: Some([StreamId::new(2)].into()),
        networks: vec![network()],
        expires: None,
        used: Some(20_000),
        revision,
        created: AT,
        author: Some(user),
    };
    let session = Session {
        id: SessionId::new(18),
        user,
        tenant,
        token: digest(5),
        earlier: Some((digest(6), AT)),
        begun: AT,
        used: AT,
        idle_seconds: 3_600,
        expires: AT,
        has_second_factor: true,
    };
    let mut tree = Frontier::default();
    (0..5_u8).for_each(|number| tree.append(leaf(&[number]), |_, _| {}));
    let trail = Trail { id: TrailId::of(tenant), tree, kept_from: 2, marks: vec![(3, AT)] };
    let mut objects = vec![
        Object::Account(Arc::new(account)),
        Object::Plan(Arc::new(Plan {
            id: Plan::FREE,
            name: "free".to_owned(),
            quotas: quotas(),
            revision,
        })),
        Object::User(Arc::new(somebody(user))),
        Object::ApiKey(Arc::new(key)),
        Object::Session(Arc::new(session)),
        Object::Trail(Arc::new(trail)),
        Object::Subject(Arc::new(Subject { id: digest(1), key: [9; 32] })),
    ];
    objects.extend(more_tenancy_objects(revision, user));
    objects
}

fn more_tenancy_objects(revision: Revision, operator: UserId) -> Vec<Object> {
    let (stream, author) = (StreamId::new(2), Author::Node(NodeId::new(3)));
    let (name, reason) = ("on-call".to_owned(), "ticket 7".to_owned());
    let role =
        CustomRole { id: RoleId::new(21), tenant: TENANT, name, permissions: allowed(), revision };
    let grant = Grant {
        id: GrantId::new(22),
        tenant: TENANT,
        operator,
        reason: reason.clone(),
        opened: AT,
        expires: AT,
    };
    let own = "{}".to_owned();
    let edition = Edition { stream, revision, own, author, at: AT, reason: reason.clone() };
    let hushed = Suppression {
        id: SuppressionId::new(23),
        tenant: TENANT,
        stream: None,
        about: Hushed::Rhythm(7),
        verdict: Verdict::Allow,
        reason,
        author,
        at: AT,
        expires: Some(AT),
    };
    let answer = Answer {
        whose: TrailId::of(Some(TENANT)),
        key: digest(3),
        body: digest(4),
        outcome: "\"Gone\"".to_owned(),
        revision,
        expires: AT,
    };
    vec![
        Object::Role(Arc::new(role)),
        Object::Grant(Arc::new(grant)),
        Object::Edition(Arc::new(edition)),
        Object::Suppression(Arc::new(hushed)),
        Object::Answer(Arc::new(answer)),
    ]
}

#[test]
fn entries_say_who_asked_and_read_as_they_were_written() {
    let entry = |command| Entry { deed: Some(deed()), command };
    let mut entries: Vec<Entry> =
        commands().into_iter().chain(tenancy_commands()).map(entry).collect();
    entries.push(Entry { deed: None, command: ForgetSubject { id: digest(1) }.into() });
    golden_file("catalog-entry-v2.bin", Kind::CatalogEntry, &entries);
}

#[test]
fn tenants_users_and_audit_logs_read_as_they_were_written() {
    golden_file("catalog-state-tenancy-v1.bin", Kind::CatalogState, &tenancy_objects());
    let keys: Vec<(u8, usize)> = tenancy_objects()
        .iter()
        .map(|object| key(object.key()))
        .map(|key| (key[0], key.len()))
        .collect();
    let expected = [
        (9, 5),
        (10, 3),
        (11, 9),
        (13, 9),
        (14, 9),
        (19, 5),
        (20, 33),
        (12, 9),
        (15, 9),
        (16, 13),
        (17, 9),
        (18, 37),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn commands_read_as_they_were_written() {
    let bytes = include_bytes!("../../tests/golden/catalog-entry-v1.bin");
    entries_of_version_1(bytes, &commands());
}

#[test]
fn objects_read_as_they_were_written() {
    let bytes = include_bytes!("../../tests/golden/catalog-state-v1.bin");
    golden(Kind::CatalogState, bytes, &objects());
}

#[test]
fn the_defaults_of_streams_read_as_they_were_written() {
    let config = r#"{"explain":"basic"}"#.to_owned();
    let bytes = include_bytes!("../../tests/golden/catalog-entry-defaults-v1.bin");
    entries_of_version_1(bytes, &[Command::from(PutDefaults { config: config.clone() })]);
    let defaults = Defaults { json: config, revision: Revision::new(9) };
    let bytes = include_bytes!("../../tests/golden/catalog-state-defaults-v1.bin");
    golden(Kind::CatalogState, bytes, &[Object::Defaults(Arc::new(defaults))]);
    assert_eq!(&*key(Key::Defaults), &[7]);
}

#[test]
fn nodes_that_come_and_go_read_as_they_were_written() {
    let (digest, key) = (Digest::new([3; 32]), Digest::new([4; 32]));
    let (id, zone) = (NodeId::new(4), Some("eu-1".to_owned()));
    let name = Some("fourth".to_owned());
    let commands: Vec<Command> = vec![
        IssueToken { digest, expires: AT, at: AT }.into(),
        AdmitNode { token: digest, key, name, zone: zone.clone(), at: AT }.into(),
        ObserveNode { id, is_up: false }.into(),
    ];
    let bytes = include_bytes!("../../tests/golden/catalog-entry-nodes-v1.bin");
    entries_of_version_1(bytes, &commands);
    let node = |state| {
        let (name, addresses) = ("fourth".to_owned(), Vec::new());
        Object::Node(Arc::new(Node { id, name, addresses, zone: zone.clone(), state }))
    };
    let token = Token { digest, expires: AT, admitted: Some((id, key)) };
    let objects = vec![node(NodeState::Joining), node(NodeState::Down), Object::Token(token)];
    let bytes = include_bytes!("../../tests/golden/catalog-state-nodes-v1.bin");
    golden(Kind::CatalogState, bytes, &objects);
    assert_eq!(super::key(Key::Token(digest))[..2], [8, 3]);
}

#[test]
fn positions_and_identities_read_as_they_were_written() {
    let bytes = include_bytes!("../../tests/golden/machine-state-v1.bin");
    golden(Kind::MachineState, bytes, &[as_of()]);
    let identity = super::Identity { node: NodeId::new(3), cluster: ClusterId::new(7) };
    let bytes = include_bytes!("../../tests/golden/store-meta-v1.bin");
    golden(Kind::StoreMeta, bytes, &[identity]);
}

#[test]
fn row_keys_never_change() {
    let keys: Vec<_> = objects().iter().map(|object| key(object.key())).collect();
    let expected: [&[u8]; 6] = [
        &[1],
        &[2],
        &[3, 0, 0, 0, 0, 0, 0, 0, 3],
        &[4, 0, 0, 0, 1],
        &[5, 0, 0, 0, 2],
        &[6, 0, 0, 0, 0, 0, 0, 0, 5],
    ];
    assert_eq!(keys, expected);
    assert_eq!(as_of_key(), GroupId::META.get().to_be_bytes().as_slice());
}
