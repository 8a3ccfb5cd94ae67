//! The audit log on one node, on the twins in memory: what an outsider gets to
//! check, before and after restarts, and what erasing a person leaves of it.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;

use tokio::sync::oneshot;
use via_audit::{Export, Finding, Head, Record, Seen, is_consistent, is_included, leaf, verify};
use via_catalog::command::{
    CreateUser, Decided, ForgetSubject, Happened, PutAccount, Record as Told,
};
use via_catalog::{Credentials, Idempotency, Outcome, Plan, Quotas, Standing};
use via_consensus::Host;
use via_control::{Author, Deed, Error, Handle, Options, Refusal, Service, TrailId};
use via_storage::{MemoryLog, MemoryStore, Store};
use via_types::clock::ManualClock;
use via_types::{NodeId, Revision, Role, TenantId, Timestamp, UserId};

const TENANT: TenantId = TenantId::new(1);
const AT: Timestamp = Timestamp::from_nanos(5_000);

/// A data directory in memory, which survives the nodes that run on it.
#[derive(Clone)]
struct Disk {
    log: MemoryLog,
    store: Arc<MemoryStore>,
}

struct Node {
    handle: Handle,
    host: Host,
    stop: oneshot::Sender<()>,
    service: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Node {
    async fn start(disk: &Disk) -> Self {
        Self::start_at(disk, Timestamp::from_nanos(1_000)).await
    }

    async fn start_at(disk: &Disk, now: Timestamp) -> Self {
        let options = Options::new(NodeId::new(1), "first");
        let log = Arc::new(disk.log.clone());
        let host = Host::new(via_consensus::Options::new(options.node), log, None).unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let store: Arc<dyn Store> = Arc::clone(&disk.store) as _;
        let (service, handle) = Service::open(options, &host, store, clock).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let service = tokio::spawn(service.run(async { drop(stopped.await) }));
        Self { handle, host, stop, service }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.service.await.unwrap().unwrap();
        self.host.shutdown().await;
    }

    async fn kill(self) {
        self.service.abort();
        assert!(self.service.await.unwrap_err().is_cancelled());
        self.host.shutdown().await;
    }
}

fn disk() -> Disk {
    Disk { log: MemoryLog::new(), store: Arc::default() }
}

fn deed() -> Deed {
    let by = Author::User { user: UserId::new(3), home: None, session: None, grant: None };
    Deed::new(by, AT)
}

fn create(login: &str) -> CreateUser {
    CreateUser {
        tenant: Some(TENANT),
        login: login.to_owned(),
        roles: vec![Role::Admin],
        identities: Vec::new(),
        credentials: Credentials::default(),
    }
}

fn account() -> PutAccount {
    PutAccount {
        tenant: TENANT,
        plan: Plan::PRO,
        quotas: Quotas::default(),
        region: None,
        standing: Standing::Active,
        needs_second_factor: false,
    }
}

fn trail() -> TrailId {
    TrailId::of(Some(TENANT))
}

/// Checks the export as an outsider does, who has nothing but its text and a key.
fn checked(export: &Export, handle: &Handle, seen: &Seen) -> Result<Head, Finding> {
    let key = handle.audit_key().unwrap().to_string().parse().unwrap();
    verify(&Export::read(&export.text()).unwrap(), &key, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_node_is_sound_after_a_restart() {
    let disk = disk();
    let mut node = Node::start(&disk).await;
    let mut seen = Seen::default();
    for round in 0..3_u64 {
        for number in 0..20 {
            let login = format!("user-{round}-{number}");
            node.handle.commit(deed(), create(&login)).await.unwrap();
        }
        let export = node.handle.audit_export(trail(), 0, None).await.unwrap();
        let head = checked(&export, &node.handle, &seen).unwrap();
        // The default tenant was there before; each user is one record.
        assert_eq!(head.size, (round + 1) * 20 + 1, "invariant A-1");
        seen.keep(&export, head);
        if round == 1 {
            node.kill().await;
        } else {
            node.stop().await;
        }
        node = Node::start(&disk).await;
        let again = node.handle.audit_export(trail(), 0, None).await.unwrap();
        assert_eq!(again, export, "signed by the same key too");
    }
    let later = node.handle.audit_export(trail(), 17, Some(40)).await.unwrap();
    assert_eq!(checked(&later, &node.handle, &Seen::default()).unwrap().size, 40);
    assert_eq!(later.lines.len(), 23);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_and_a_past_are_proven_to_anybody_with_the_key() {
    let node = Node::start(&disk()).await;
    let handle = &node.handle;
    let key = handle.audit_key().unwrap();
    for number in 0..9 {
        handle.commit(deed(), create(&format!("user-{number}"))).await.unwrap();
    }
    let before = Head::open(&handle.audit_head(trail()).unwrap(), &key).unwrap();
    handle.commit(deed().based_on(Revision::new(0)), account()).await.unwrap();
    let page = handle.audit_page(trail(), 10, 5).await.unwrap();
    let [(10, Some(text))] = page.as_slice() else { panic!("{page:?}") };
    let record: Record = serde_json::from_str(text).unwrap();
    assert_eq!((record.action.as_str(), record.by.as_str()), ("put_account", "operator u3"));
    let proof = handle.audit_inclusion(trail(), 10).await.unwrap().unwrap();
    let head = Head::open(&proof.head, &key).unwrap();
    assert!(is_included(leaf(text.as_bytes()), 10, head.size, &proof.hashes, head.root));
    let proof = handle.audit_consistency(trail(), before.size).await.unwrap().unwrap();
    let (old, new) = ((before.size, before.root), (head.size, head.root));
    assert!(is_consistent(old, new, &proof.hashes));
    assert_eq!(handle.audit_inclusion(trail(), 11).await.unwrap(), None);
    assert_ne!(
        Head::open(&handle.audit_head(TrailId::PLATFORM).unwrap(), &key).unwrap().origin,
        head.origin
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_person_leaves_every_proof_and_nothing_of_them() {
    let node = Node::start(&disk()).await;
    let handle = &node.handle;
    let personal = handle.seal("ada@example.org", "10.0.0.7 curl/8").await.unwrap();
    let other = handle.seal("eve@example.org", "10.0.0.8").await.unwrap();
    assert_eq!(handle.unseal(&personal).as_deref(), Some("10.0.0.7 curl/8"));
    let happened = Happened {
        tenant: Some(TENANT),
        by: Author::Unknown,
        at: AT,
        action: "log_in".to_owned(),
        object: String::new(),
        decision: Decided::Failed,
        request: String::new(),
        reason: String::new(),
        personal: Some(personal.clone()),
    };
    let told = handle.commit(deed(), Told { happened: vec![happened] }).await.unwrap();
    assert_eq!(told, Outcome::Noted(1));
    let export = handle.audit_export(trail(), 0, None).await.unwrap();
    checked(&export, handle, &Seen::default()).unwrap();
    assert!(!export.text().contains("10.0.0.7"));
    let id = Handle::subject("ada@example.org");
    handle.commit(deed(), ForgetSubject { id }).await.unwrap();
    assert_eq!(handle.unseal(&personal), None, "the key is destroyed");
    assert_eq!(handle.unseal(&other).as_deref(), Some("10.0.0.8"));
    let after = handle.audit_export(trail(), 0, None).await.unwrap();
    assert_eq!(after, export, "the log is as it was");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_alike_after_a_crash() {
    let disk = disk();
    let node = Node::start(&disk).await;
    let digest = |number| via_catalog::Digest::new([number; 32]);
    let asked = |body| Deed {
        idempotency: Some(Idempotency { tenant: Some(TENANT), key: digest(1), body: digest(body) }),
        ..deed()
    };
    let first = node.handle.commit(asked(1), create("ada")).await.unwrap();
    node.kill().await;
    let node = Node::start(&disk).await;
    assert_eq!(node.handle.commit(asked(1), create("ada")).await.unwrap(), first);
    let other = node.handle.commit(asked(2), create("eve")).await;
    assert!(matches!(other, Err(Error::Refused(Refusal::OtherRequest))), "{other:?}");
    assert_eq!(node.handle.view().users_of(Some(TENANT)).count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_go_by_themselves_and_their_proofs_stay() {
    let day = |number: i64| Timestamp::from_nanos(number * 86_400_000_000_000);
    let disk = disk();
    let node = Node::start(&disk).await;
    for number in 0..6 {
        let at = Deed { at: day(40 * (number / 3)), ..deed() };
        node.handle.commit(at, create(&format!("user-{number}"))).await.unwrap();
    }
    let whole = node.handle.audit_export(trail(), 0, None).await.unwrap();
    let mut seen = Seen::default();
    seen.keep(&whole, checked(&whole, &node.handle, &seen).unwrap());
    node.stop().await;
    let node = Node::start_at(&disk, day(40 + 397)).await;
    let mut views = node.handle.watch();
    let pruned = |view: &Arc<via_control::View>| {
        view.trail(trail()).is_some_and(|trail| trail.kept_from > 0)
    };
    let kept_from = views.wait_for(pruned).await.unwrap().trail(trail()).unwrap().kept_from;
    assert_eq!(kept_from, 4, "the first that was made a month later");
    node.stop().await;
    let node = Node::start_at(&disk, day(40 + 397)).await;
    let page = node.handle.audit_page(trail(), 0, 100).await.unwrap();
    let is_there: Vec<bool> = page.iter().map(|(_, text)| text.is_some()).collect();
    assert_eq!(is_there, [false, false, false, false, true, true, true, true]);
    let export = node.handle.audit_export(trail(), 0, None).await.unwrap();
    let head = checked(&export, &node.handle, &seen).unwrap();
    assert_eq!(head.size, 8, "what was let go is recorded itself");
    node.stop().await;
}
