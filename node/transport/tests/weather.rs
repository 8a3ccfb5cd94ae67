//! What a weather does to messages in memory, and that an earlier life of a node
//! says and hears nothing more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use via_transport::{
    Duplex, Error, Handler, Leg, Links, MemoryNetwork, Message, Passage, Service, Weather,
};
use via_types::NodeId;

const N1: NodeId = NodeId::new(1);
const N2: NodeId = NodeId::new(2);
const LONG: Duration = Duration::from_secs(10);

/// Gives each leg what is planned for it, in turn; then everything arrives.
#[derive(Default)]
struct Planned(Mutex<VecDeque<(Leg, Passage)>>);

impl Weather for Planned {
    fn passage(&self, message: &Message<'_>) -> Passage {
        let mut planned = self.0.lock();
        match planned.front() {
            Some((leg, passage)) if *leg == message.leg => {
                let passage = *passage;
                planned.pop_front();
                passage
            }
            _ => Passage::AT_ONCE,
        }
    }
}

/// Counts what it is asked, and sends back what streams bring.
#[derive(Default)]
struct Counter {
    asked: AtomicU64,
    again: Notify,
}

impl Handler for Counter {
    fn call(&self, _: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Error>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.again.notify_one();
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

fn network(planned: &[(Leg, Passage)]) -> (MemoryNetwork, Arc<dyn Links>, Arc<Counter>) {
    let network = MemoryNetwork::new();
    let (links, peer) = (network.links(N1), network.links(N2));
    let counter = Arc::new(Counter::default());
    for service in [Service::Raft, Service::Append] {
        peer.serve(service, Arc::clone(&counter) as Arc<dyn Handler>);
    }
    network.set_weather(Arc::new(Planned(Mutex::new(planned.iter().copied().collect()))));
    (network, links, counter)
}

async fn ask(links: &dyn Links, deadline: Duration) -> Result<Bytes, Error> {
    links.call(N2, Service::Raft, Bytes::from_static(b"hello"), deadline).await
}

#[tokio::test]
async fn a_lost_request_is_never_asked_and_a_lost_answer_was() {
    let lost = [(Leg::Request, Passage::Lost), (Leg::Answer, Passage::Lost)];
    let (_network, links, counter) = network(&lost);
    let soon = Duration::from_millis(20);
    assert!(matches!(ask(&*links, soon).await, Err(Error::Deadline(N2))));
    assert_eq!(counter.asked.load(Ordering::SeqCst), 0);
    assert!(matches!(ask(&*links, soon).await, Err(Error::Deadline(N2))));
    assert_eq!(counter.asked.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&*links, LONG).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_request_that_comes_twice_is_asked_twice_and_answered_once() {
    let twice = Passage::Twice(Duration::ZERO, Duration::from_millis(5));
    let (_network, links, counter) = network(&[(Leg::Request, twice)]);
    assert_eq!(ask(&*links, LONG).await.unwrap(), "hello");
    let both = async {
        while counter.asked.load(Ordering::SeqCst) < 2 {
            counter.again.notified().await;
        }
    };
    tokio::time::timeout(LONG, both).await.unwrap();
}

#[tokio::test]
async fn a_late_message_is_overtaken_by_the_next() {
    let late = [(Leg::Request, Passage::After(Duration::from_millis(50)))];
    let (_network, links, _) = network(&late);
    let (one, other) = (ask(&*links, LONG), ask(&*links, LONG));
    let mut one = std::pin::pin!(one);
    tokio::select! {
        biased;
        answered = &mut one => panic!("the first is late: {answered:?}"),
        answered = other => assert_eq!(answered.unwrap(), "hello"),
    }
    assert_eq!(one.await.unwrap(), "hello");
}

#[tokio::test]
async fn a_stream_that_loses_a_frame_breaks() {
    let lost = [(Leg::Frame, Passage::AT_ONCE), (Leg::Frame, Passage::AT_ONCE)];
    let (_network, links, _) = network(&[&lost[..], &[(Leg::Frame, Passage::Lost)]].concat());
    let Duplex { mut sender, mut receiver } = links.open(N2, Service::Append, LONG).await.unwrap();
    sender.send(Bytes::from_static(b"1").into()).await.unwrap();
    assert_eq!(receiver.receive().await.unwrap().unwrap(), "1");
    assert!(sender.send(Bytes::from_static(b"2").into()).await.is_err());
    assert!(sender.send(Bytes::from_static(b"3").into()).await.is_err(), "it stays broken");
}

#[tokio::test]
async fn an_earlier_life_of_a_node_says_and_hears_nothing() {
    let (network, links, counter) = network(&[]);
    let mut stream = links.open(N2, Service::Append, LONG).await.unwrap();
    let next = network.links(N1);
    assert!(matches!(ask(&*links, LONG).await, Err(Error::Unreachable { .. })));
    assert!(stream.sender.send(Bytes::from_static(b"1").into()).await.is_err());
    assert!(stream.receiver.receive().await.is_err());
    assert_eq!(counter.asked.load(Ordering::SeqCst), 0);
    links.serve(Service::Raft, Arc::new(Counter::default()));
    links.close().await;
    assert_eq!(ask(&*next, LONG).await.unwrap(), "hello", "the next life is not closed with it");
}
