//! Who gets in: newcomers with the right cluster in mind, nodes whose
//! certificate is good now, nobody who has left; and a new certificate without
//! an interruption.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use via_transport::{
    Authority, Duplex, Error, Handler, Identity, Links, NEWCOMER_BYTES, NodeKey, QuicLinks,
    QuicOptions, Safe, Service, Validity, Welcome, knock,
};
use via_types::clock::SystemClock;
use via_types::{Clock, NodeId};

const N1: NodeId = NodeId::new(1);
const N2: NodeId = NodeId::new(2);
const LONG: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3_600);

struct Echo;

impl Handler for Echo {
    fn call(&self, _: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Error>> {
        Box::pin(async move { Ok(request) })
    }

    fn stream(&self, _: NodeId, mut stream: Duplex) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            while let Some(frame) = stream.receiver.receive().await? {
                stream.sender.send(frame.into()).await?;
            }
            stream.sender.finish()
        })
    }
}

struct Doorman;

impl Welcome for Doorman {
    fn answer(&self, _: SocketAddr, request: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(async move { [b"hello, ", &request[..]].concat().into() })
    }
}

fn open(identity: Identity) -> QuicLinks {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let links = QuicLinks::open(QuicOptions::new(loopback, identity, BTreeMap::new())).unwrap();
    links.serve(Service::Raft, Arc::new(Echo));
    links.serve(Service::Append, Arc::new(Echo));
    links
}

fn know(links: &QuicLinks, peer: &QuicLinks) {
    links.set_peers(BTreeMap::from([(peer.node(), peer.local_address().unwrap())]));
}

async fn ask(links: &QuicLinks) -> Result<Bytes, Error> {
    links.call(N2, Service::Raft, Bytes::from_static(b"hello"), LONG).await
}

/// A validity of an hour that began `ago`.
fn good_since(ago: Duration) -> Validity {
    let from = SystemClock.now().saturating_sub(ago);
    Validity { from, until: from.saturating_add(HOUR) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_enters_the_cluster_it_means_and_no_other() {
    let ours = Authority::generate("c-1").unwrap();
    let theirs = Authority::generate("c-1").unwrap();
    let node = open(ours.issue(N1).unwrap());
    let address = node.local_address().unwrap();
    let knock = |authority: &Authority, request: Bytes| {
        let digest = authority.digest().unwrap();
        async move { knock(address, digest, request).await }
    };
    let early = knock(&ours, "you".into()).await.unwrap_err();
    assert!(early.to_string().contains("nobody is let in"), "{early}");
    node.welcome(Arc::new(Doorman));
    assert_eq!(knock(&ours, "you".into()).await.unwrap(), "hello, you");
    let other = knock(&theirs, "you".into()).await.unwrap_err();
    assert!(other.to_string().contains("another cluster"), "{other}");
    let long = knock(&ours, vec![0; NEWCOMER_BYTES + 1].into()).await.unwrap_err();
    assert!(long.to_string().contains("over the limit"), "invariant D-6: {long}");
    assert_eq!(ours.issue(N2).unwrap().authority_digest().unwrap(), ours.digest().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_good_now_is_refused_on_both_sides() {
    let authority = Authority::generate("c-1").unwrap();
    let good = |node| authority.identify(node, good_since(Duration::ZERO)).unwrap();
    let expired = |node| authority.identify(node, good_since(2 * HOUR)).unwrap();
    for (asker, answerer) in [(good(N1), expired(N2)), (expired(N1), good(N2))] {
        let (links, peer) = (open(asker), open(answerer));
        know(&links, &peer);
        let error = ask(&links).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.to_string().to_lowercase().contains("expired"), "{error}");
    }
    let (links, peer) = (open(good(N1)), open(good(N2)));
    know(&links, &peer);
    ask(&links).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_serves_without_interruption() {
    let authority = Authority::generate("c-1").unwrap();
    let key = NodeKey::generate().unwrap();
    let (links, peer) = (open(authority.issue(N1).unwrap()), open(authority.issue(N2).unwrap()));
    know(&links, &peer);
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();

    // Issued for the node's own new key, as when it asks for one.
    let validity = good_since(Duration::ZERO);
    let certificate = authority.certify(N2, &key.public(), validity).unwrap();
    let old = authority.issue(N2).unwrap();
    let renewed = Identity { certificate, key: key.pem(), expires: validity.until, ..old };
    peer.renew(&renewed).unwrap();
    links.renew(&authority.identify(N1, validity).unwrap()).unwrap();
    assert!(links.renew(&renewed).is_err(), "another node's certificate");

    stream.sender.send(Bytes::from_static(b"1").into()).await.unwrap();
    assert_eq!(stream.receiver.receive().await.unwrap().unwrap(), "1", "the old stream goes on");
    let later = open(authority.issue(NodeId::new(3)).unwrap());
    know(&later, &peer);
    ask(&later).await.unwrap();
    // To have shown an expired one instead would have been noticed.
    peer.renew(&authority.identify(N2, good_since(2 * HOUR)).unwrap()).unwrap();
    let late = open(authority.issue(NodeId::new(4)).unwrap());
    know(&late, &peer);
    assert!(ask(&late).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_left_is_turned_away_at_once_and_later() {
    let authority = Authority::generate("c-1").unwrap();
    let (links, peer) = (open(authority.issue(N1).unwrap()), open(authority.issue(N2).unwrap()));
    know(&links, &peer);
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    stream.sender.send(Bytes::from_static(b"1").into()).await.unwrap();
    stream.receiver.receive().await.unwrap().unwrap();
    peer.set_gone(BTreeSet::from([N1]));
    let ended = tokio::time::timeout(LONG, stream.receiver.receive()).await.unwrap();
    assert!(ended.is_err(), "its connection ends");
    let error = ask(&links).await.unwrap_err();
    assert!(error.to_string().contains("has left"), "{error}");
}

#[test]
fn the_safe_keeps_papers_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let safe = Safe::of(folder.path());
    assert_eq!((safe.identity().unwrap(), safe.is_started()), (None, false));
    let joining = safe.joining_key().unwrap();
    assert_eq!(safe.joining_key().unwrap().public(), joining.public(), "the same until it is used");
    let authority = Authority::generate("c-1").unwrap();
    let identity = authority.issue(N1).unwrap();
    safe.put_authority(&authority).unwrap();
    safe.put_identity(&identity).unwrap();
    safe.mark_started().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 7400));
    safe.put_address(address).unwrap();
    assert_eq!(safe.address().unwrap(), Some(address));
    let peers = BTreeMap::from([(N2, "b.example:7400".to_owned())]);
    safe.put_peers(&peers).unwrap();

    let again = Safe::of(folder.path());
    assert_eq!(again.identity().unwrap(), Some(identity));
    assert_eq!(again.peers().unwrap(), peers);
    assert!(again.is_started());
    let kept = again.authority().unwrap().expect("it was kept");
    assert_eq!(kept.digest().unwrap(), authority.digest().unwrap());
    assert_eq!(Authority::import(&kept.export()).unwrap().key_pem(), authority.key_pem());
    assert_ne!(safe.joining_key().unwrap().public(), joining.public(), "the old one is used up");
    for file in std::fs::read_dir(safe.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads it");
    }
    again.forget_authority().unwrap();
    assert!(again.authority().unwrap().is_none());
    std::fs::write(safe.path().join("identity.json"), b"{}").unwrap();
    assert!(again.identity().is_err(), "invariant D-7: never guessed");
}
