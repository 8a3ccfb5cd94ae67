//! A small catalog, and short ways to ask things of it, for the commands' tests.

use via_types::access::{Action, Resource};
use via_types::{Permissions, Revision, Role, SessionId, TenantId, Timestamp, UserId};

use super::{BeginSession, Command, CreateApiKey, CreateTenant, CreateUser, FormCluster, Outcome};
use crate::catalog::Catalog;
use crate::entry::{Author, Deed, Entry};
use crate::object::{ClusterId, Credentials, Digest};
use crate::refusal::Refusal;

/// The tenant of [`catalog`].
pub(crate) const TENANT: TenantId = TenantId::new(1);

/// A formed cluster with one tenant, at revision 2.
pub(crate) fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let formed = Timestamp::from_nanos(1);
    let form = FormCluster { id: ClusterId::new(7), shards: 64, at: formed };
    apply(&mut catalog, 1, Command::FormCluster(form)).unwrap();
    let tenant = CreateTenant { name: "default".to_owned(), at: formed };
    apply(&mut catalog, 2, Command::CreateTenant(tenant)).unwrap();
    catalog
}

/// Applies without a deed and forgets which objects changed.
pub(crate) fn apply(catalog: &mut Catalog, at: u64, command: Command) -> Result<Outcome, Refusal> {
    catalog.apply(Revision::new(at), command).outcome
}

/// A deed of a node.
pub(crate) fn deed(nanos: i64) -> Deed {
    Deed::new(Author::Node(via_types::NodeId::new(1)), Timestamp::from_nanos(nanos))
}

fn entered(
    catalog: &mut Catalog,
    at: u64,
    deed: Deed,
    command: impl Into<Command>,
) -> Result<Outcome, Refusal> {
    let entry = Entry { deed: Some(deed), command: command.into() };
    catalog.apply(Revision::new(at), entry).outcome
}

/// Applies with a deed that is based on a revision.
pub(crate) fn ask(
    catalog: &mut Catalog,
    at: u64,
    based_on: Option<u64>,
    command: impl Into<Command>,
) -> Result<Outcome, Refusal> {
    let deed = Deed { based_on: based_on.map(Revision::new), ..deed(9) };
    entered(catalog, at, deed, command)
}

/// Applies with a deed at a time.
pub(crate) fn ask_at(
    catalog: &mut Catalog,
    at: u64,
    time: Timestamp,
    command: impl Into<Command>,
) -> Result<Outcome, Refusal> {
    entered(catalog, at, deed(time.as_nanos()), command)
}

/// Applies with a deed that has a reason.
pub(crate) fn ask_for(
    catalog: &mut Catalog,
    at: u64,
    reason: &str,
    command: impl Into<Command>,
) -> Result<Outcome, Refusal> {
    entered(catalog, at, Deed { reason: reason.to_owned(), ..deed(0) }, command)
}

/// Creates a user of [`TENANT`].
pub(crate) fn user(catalog: &mut Catalog, at: u64, login: &str, role: Role) -> UserId {
    let create = CreateUser {
        tenant: Some(TENANT),
        login: login.to_owned(),
        roles: vec![role],
        identities: Vec::new(),
        credentials: Credentials::default(),
    };
    ask(catalog, at, None, create).unwrap();
    UserId::new(at)
}

/// Begins a session, used as late as its revision is high.
pub(crate) fn begun(catalog: &mut Catalog, at: u64, user: UserId, token: u8) -> SessionId {
    let begin = BeginSession {
        tenant: Some(TENANT),
        user,
        token: Digest::new([token; 32]),
        idle_seconds: 3_600,
        expires: Timestamp::from_nanos(86_400_000_000_000),
        has_second_factor: false,
    };
    ask_at(catalog, at, Timestamp::from_nanos(at as i64), begin).unwrap();
    SessionId::new(at)
}

/// A key of [`TENANT`] that hashes to that number.
pub(crate) fn key(number: u8) -> CreateApiKey {
    CreateApiKey {
        tenant: Some(TENANT),
        name: format!("key-{number}"),
        kind: "ingest".to_owned(),
        env: "test".to_owned(),
        digest: Digest::new([number; 32]),
        permissions: Permissions::NONE.and(&[Resource::Events], &[Action::Write]),
        streams: None,
        networks: Vec::new(),
        expires: None,
    }
}
