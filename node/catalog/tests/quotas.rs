//! Quotas of things hold in the entry that would make one more: whoever is told
//! that it is made, and in whatever order entries come.

use via_catalog::command::{
    CreateApiKey, CreateStream, CreateTenant, CreateUser, FormCluster, PutAccount,
};
use via_catalog::{
    Author, Catalog, ClusterId, Command, Credentials, Deed, Digest, Entry, Plan, Quotas, Refusal,
    Standing,
};
use via_types::access::{Action, Resource};
use via_types::{NodeId, Permissions, Revision, Role, TenantId, Timestamp};

const TENANT: TenantId = TenantId::new(1);
const AT: Timestamp = Timestamp::from_nanos(1);

/// A catalog to which things are said one after the other.
struct Said(Catalog, u64);

impl Said {
    fn say(&mut self, command: impl Into<Command>) -> Result<(), Refusal> {
        self.1 += 1;
        let deed = Deed::new(Author::Node(NodeId::new(1)), AT).based_on(Revision::new(0));
        let entry = Entry { deed: Some(deed), command: command.into() };
        self.0.apply(Revision::new(self.1), entry).outcome.map(|_| ())
    }
}

fn with_quotas(quotas: Quotas) -> Said {
    let mut said = Said(Catalog::default(), 0);
    said.say(FormCluster { id: ClusterId::new(7), shards: 4, at: AT }).expect("accepted");
    said.say(CreateTenant { name: "default".to_owned(), at: AT }).expect("accepted");
    let (tenant, plan, region, standing) = (TENANT, Plan::ENTERPRISE, None, Standing::Active);
    let needs_second_factor = false;
    said.say(PutAccount { tenant, plan, quotas, region, standing, needs_second_factor })
        .expect("accepted");
    said
}

fn stream(name: &str) -> CreateStream {
    let (name, config) = (name.to_owned(), "{}".to_owned());
    CreateStream { tenant: TENANT, name, config, at: AT }
}

fn user(login: &str) -> CreateUser {
    CreateUser {
        tenant: Some(TENANT),
        login: login.to_owned(),
        roles: vec![Role::Viewer],
        identities: Vec::new(),
        credentials: Credentials::default(),
    }
}

fn key(number: u8) -> CreateApiKey {
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

fn used_up(quota: &'static str, limit: u64) -> Result<(), Refusal> {
    Err(Refusal::Quota { quota: quota.into(), limit })
}

#[test]
fn one_more_than_the_quota_is_refused_and_changes_nothing() {
    let quotas =
        Quotas { streams: Some(2), users: Some(1), api_keys: Some(1), ..Quotas::default() };
    let mut said = with_quotas(quotas);
    said.say(stream("a")).unwrap();
    said.say(stream("b")).unwrap();
    said.say(user("ada")).unwrap();
    said.say(key(1)).unwrap();
    let before = said.0.revision();
    assert_eq!(said.say(stream("c")), used_up("streams", 2));
    assert_eq!(said.say(user("bob")), used_up("users", 1));
    assert_eq!(said.say(key(2)), used_up("api_keys", 1));
    assert_eq!(said.0.revision(), before, "nothing changed");
    assert!(said.say(stream("a")).is_ok(), "what is there is there");
}
