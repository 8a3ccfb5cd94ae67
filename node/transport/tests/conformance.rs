//! One suite for every kind of link, then what only one kind can do.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use via_transport::{
    Authority, Duplex, Error, FRAME_BYTES, Fault, Frame, Handler, Identity, Links, MemoryNetwork,
    QuicLinks, QuicOptions, Service,
};
use via_types::{Fate, NodeId};

const N1: NodeId = NodeId::new(1);
const N2: NodeId = NodeId::new(2);
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

/// Answers calls with the caller's name and the request, streams with what
/// they bring.
struct Echo;

impl Handler for Echo {
    fn call(&self, peer: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Error>> {
        Box::pin(async move {
            match &request[..] {
                b"fail" => Err(Error::Refused("not today".to_owned())),
                b"hang" => std::future::pending().await,
                _ => Ok([peer.to_string().as_bytes(), b":", &request[..]].concat().into()),
            }
        })
    }

    fn stream(&self, _: NodeId, mut stream: Duplex) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            while let Some(frame) = stream.receiver.receive().await? {
                if frame == "hang" {
                    std::future::pending::<()>().await;
                }
                stream.sender.send(frame.into()).await?;
            }
            stream.sender.finish()
        })
    }
}

async fn ask(links: &dyn Links, request: &'static str) -> Result<Bytes, Error> {
    links.call(N2, Service::Raft, Bytes::from_static(request.as_bytes()), LONG).await
}

async fn calls_are_answered_and_name_their_caller(links: &dyn Links) {
    assert_eq!(ask(links, "hello").await.unwrap(), "n1:hello");
    assert_eq!(ask(links, "").await.unwrap(), "n1:");
}

async fn failures_carry_words_and_fates(links: &dyn Links) {
    let error = ask(links, "fail").await.unwrap_err();
    assert!(error.to_string().contains("not today"), "{error}");
    assert_eq!(error.fate(), Fate::Unknown);
    let error = links.call(N2, Service::Raft, "hang".into(), SHORT).await.unwrap_err();
    assert!(matches!(error, Error::Deadline(N2)), "{error}");
    let error = links.call(N2, Service::Control, "hello".into(), LONG).await.unwrap_err();
    assert!(matches!(error, Error::NotServed { peer: N2, .. }), "{error}");
    assert!(matches!(error.fate(), Fate::Retry(_)));
}

async fn frames_are_bounded(links: &dyn Links) {
    let long = Bytes::from(vec![0; FRAME_BYTES + 1]);
    let error = links.call(N2, Service::Raft, long.clone(), LONG).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "invariant D-6: {error}");
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    let error = stream.sender.send(long.into()).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "invariant D-6: {error}");
}

async fn streams_keep_order_and_end(links: &dyn Links) {
    let Duplex { mut sender, mut receiver } = links.open(N2, Service::Append, LONG).await.unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..2000_u32 {
            let pieces = vec![number.to_le_bytes().to_vec().into(), Bytes::from(vec![7; 100])];
            sender.send(Frame(pieces)).await.unwrap();
        }
        sender.finish().unwrap();
    });
    for number in 0..2000_u32 {
        let frame = receiver.receive().await.unwrap().unwrap();
        assert_eq!(frame.len(), 104);
        assert_eq!(frame[..4], number.to_le_bytes());
    }
    assert_eq!(receiver.receive().await.unwrap(), None);
    sending.await.unwrap();
}

async fn a_frame_may_be_as_long_as_the_limit(links: &dyn Links) {
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    let long: Bytes = (0..FRAME_BYTES).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    stream.sender.send(long.clone().into()).await.unwrap();
    assert!(stream.receiver.receive().await.unwrap().unwrap() == long);
}

async fn a_sender_waits_for_a_slow_receiver(links: &dyn Links) {
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    stream.sender.send(Bytes::from_static(b"hang").into()).await.unwrap();
    let mut sent = 0;
    let block = Bytes::from(vec![1; 4 << 20]);
    while tokio::time::timeout(SHORT, stream.sender.send(block.clone().into())).await.is_ok() {
        sent += 1;
        assert!(sent < 100, "invariant D-6: what is under way is bounded");
    }
}

async fn conforms(links: &dyn Links, peer: &dyn Links) {
    peer.serve(Service::Raft, Arc::new(Echo));
    peer.serve(Service::Append, Arc::new(Echo));
    assert_eq!((links.node(), peer.node()), (N1, N2));
    calls_are_answered_and_name_their_caller(links).await;
    failures_carry_words_and_fates(links).await;
    frames_are_bounded(links).await;
    streams_keep_order_and_end(links).await;
    a_frame_may_be_as_long_as_the_limit(links).await;
    a_sender_waits_for_a_slow_receiver(links).await;
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    peer.close().await;
    let received = tokio::time::timeout(LONG, stream.receiver.receive()).await.unwrap();
    assert!(received.is_err(), "a stream to a closed peer breaks");
    let error = links.call(N2, Service::Raft, "hello".into(), LONG).await.unwrap_err();
    assert!(!matches!(error.fate(), Fate::Rejected), "{error}");
    links.close().await;
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn quic(identity: Identity) -> QuicLinks {
    QuicLinks::open(QuicOptions::new(loopback(), identity, BTreeMap::new())).unwrap()
}

fn know(links: &QuicLinks, peer: NodeId, address: SocketAddr) {
    links.set_peers(BTreeMap::from([(peer, address)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_memory_conform() {
    let network = MemoryNetwork::new();
    let (links, peer) = (network.links(N1), network.links(N2));
    conforms(&*links, &*peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_over_quic_conform() {
    let authority = Authority::generate("c-1").unwrap();
    let links = quic(authority.issue(N1).unwrap());
    let peer = quic(authority.issue(N2).unwrap());
    assert!(matches!(ask(&links, "hello").await, Err(Error::UnknownPeer(N2))));
    know(&links, N2, peer.local_address().unwrap());
    conforms(&links, &peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_is_reached_again() {
    let authority = Authority::generate("c-1").unwrap();
    let links = quic(authority.issue(N1).unwrap());
    let peer = quic(authority.issue(N2).unwrap());
    peer.serve(Service::Raft, Arc::new(Echo));
    let address = peer.local_address().unwrap();
    know(&links, N2, address);
    ask(&links, "hello").await.unwrap();
    peer.close().await;
    drop(peer);
    assert!(ask(&links, "hello").await.is_err());

    let options = QuicOptions::new(address, authority.issue(N2).unwrap(), BTreeMap::new());
    let peer = loop {
        match QuicLinks::open(options.clone()) {
            Ok(peer) => break peer,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    peer.serve(Service::Raft, Arc::new(Echo));
    let again = async {
        while ask(&links, "hello").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
}

async fn refused(asker: Identity, answerer: Identity) -> String {
    let links = quic(asker);
    let peer = quic(answerer);
    peer.serve(Service::Raft, Arc::new(Echo));
    know(&links, N2, peer.local_address().unwrap());
    let error = ask(&links, "hello").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_refused_on_both_sides() {
    let ours = Authority::generate("c-1").unwrap();
    let theirs = Authority::generate("c-1").unwrap();
    refused(ours.issue(N1).unwrap(), theirs.issue(N2).unwrap()).await;
    // This asker trusts the answerer, but is not trusted by it.
    let stranger =
        Identity { authority: ours.certificate_pem().to_owned(), ..theirs.issue(N1).unwrap() };
    refused(stranger, ours.issue(N2).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_another_node_is_refused_on_both_sides() {
    let authority = Authority::generate("c-1").unwrap();
    let n3 = authority.issue(NodeId::new(3)).unwrap();
    refused(authority.issue(N1).unwrap(), n3.clone()).await;
    let liar = Identity { node: N1, ..n3 };
    let words = refused(liar, authority.issue(N2).unwrap()).await;
    assert!(words.contains("not for n1.c-1"), "{words}");
}

#[test]
fn an_authority_reads_back_and_issues_as_before() {
    let authority = Authority::generate("c-1").unwrap();
    let (certificate, key) = (authority.certificate_pem().to_owned(), authority.key_pem());
    let again = Authority::from_pem("c-1", &certificate, &key).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let links = quic(authority.issue(N1).unwrap());
        let peer = quic(again.issue(N2).unwrap());
        peer.serve(Service::Raft, Arc::new(Echo));
        know(&links, N2, peer.local_address().unwrap());
        assert_eq!(ask(&links, "hello").await.unwrap(), "n1:hello");
    });
    assert!(Authority::generate("Not A Label").is_err());
    assert!(Authority::from_pem("c-1", &certificate, "no key").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_links_drop_refuse_and_delay_as_told() {
    let network = MemoryNetwork::new();
    let (links, peer) = (network.links(N1), network.links(N2));
    peer.serve(Service::Raft, Arc::new(Echo));
    peer.serve(Service::Append, Arc::new(Echo));
    network.set_fault(N1, N2, Fault::Refuse);
    let error = ask(&*links, "hello").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    network.set_fault(N1, N2, Fault::Delay(2));
    let mut call = links.call(N2, Service::Raft, "hello".into(), LONG);
    for _ in 0..2 {
        let early = tokio::time::timeout(Duration::from_millis(20), &mut call).await;
        assert!(early.is_err(), "not before its steps have passed");
        network.step();
    }
    assert_eq!(call.await.unwrap(), "n1:hello");
    network.heal();
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    stream.sender.send(Bytes::from_static(b"1").into()).await.unwrap();
    assert_eq!(stream.receiver.receive().await.unwrap().unwrap(), "1");
    network.isolate(N2);
    assert!(stream.receiver.receive().await.is_err());
    let error = links.call(N2, Service::Raft, "hello".into(), SHORT).await.unwrap_err();
    assert!(matches!(error, Error::Deadline(N2)), "{error}");
    network.heal();
    assert_eq!(ask(&*links, "hello").await.unwrap(), "n1:hello");
}
