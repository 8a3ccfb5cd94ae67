//! A stand-in for a node that answers as it is told, against the real client.

use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::{Response, Status, Streaming};
use via_proto::v1::ingest_server::{Ingest, IngestServer};
use via_proto::v1::{
    Failure, OpenProducerResponse, ScoreResponse, SubscribeRequest, SubscribeResponse, WriteRequest,
};

use super::*;
use crate::tally::Window;
use crate::workload::{Skew, Workload};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the stand-in does with the request that has this tag.
#[derive(Clone, Copy)]
enum Node {
    Faithful,
    Forgets(u64),
    TurnsAway(u64),
    Rejects(u64),
    EndsBefore(u64),
}

#[tonic::async_trait]
impl Ingest for Node {
    type WriteStreamStream = Answers<WriteStreamResponse>;
    type SubscribeStream = Answers<SubscribeResponse>;

    async fn write_stream(
        &self,
        requests: tonic::Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStreamStream>, Status> {
        let node = *self;
        let answers = requests.into_inner().map_while(move |request| {
            let request = request.ok()?;
            node.answer(&request).map(Ok)
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn open_producer(
        &self,
        _: tonic::Request<OpenProducerRequest>,
    ) -> Result<Response<OpenProducerResponse>, Status> {
        Ok(Response::new(OpenProducerResponse { producer: 8, epoch: 3 }))
    }

    async fn write(
        &self,
        _: tonic::Request<WriteRequest>,
    ) -> Result<Response<WriteResponse>, Status> {
        Err(Status::unavailable("not asked for"))
    }

    async fn score(
        &self,
        _: tonic::Request<WriteRequest>,
    ) -> Result<Response<ScoreResponse>, Status> {
        Err(Status::unavailable("not asked for"))
    }

    async fn subscribe(
        &self,
        _: tonic::Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unavailable("not asked for"))
    }
}

impl Node {
    fn answer(self, request: &WriteRequest) -> Option<WriteStreamResponse> {
        let tag = request.tag;
        let events = request.value.len() as u32 / 8;
        let failure = |fate: Fate| {
            Outcome::Failure(Failure {
                code: "no".to_owned(),
                fate: fate.into(),
                ..Failure::default()
            })
        };
        let written = |accepted| {
            Outcome::Written(WriteResponse { accepted, tag, ..WriteResponse::default() })
        };
        let outcome = match self {
            Self::EndsBefore(last) if tag == last => return None,
            Self::Forgets(which) if tag == which => written(events - 1),
            Self::TurnsAway(which) if tag == which => failure(Fate::Retry),
            Self::Rejects(which) if tag == which => failure(Fate::Rejected),
            Self::EndsBefore(_)
            | Self::Forgets(_)
            | Self::TurnsAway(_)
            | Self::Rejects(_)
            | Self::Faithful => written(events),
        };
        Some(WriteStreamResponse { tag, outcome: Some(outcome) })
    }

    async fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        let server = Server::builder().add_service(IngestServer::new(self));
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }
}

/// Sends twenty requests of ten events.
async fn twenty(node: Node) -> Result<Tally> {
    let mut workload = Workload::new(50, Skew::Uniform, 1).unwrap();
    let frames = (0..3).map(|_| Frame::new("bench", &workload.draw(10))).collect();
    let sender = Sender { frames, in_flight: 4, times: Some(Rate::Max), origin: None };
    let from = Instant::now();
    let window = Window { from, until: from + Duration::from_secs(600) };
    let schedule = Schedule::Closed { until: window.until, left: 20 };
    run(node.serve().await, sender, schedule, Tally::new(window)).await
}

#[tokio::test]
async fn every_request_is_answered_and_timed() {
    let tally = twenty(Node::Faithful).await.unwrap();
    assert_eq!((tally.accepted, tally.latency.len()), (200, 20));
}

#[tokio::test]
async fn what_is_to_come_later_is_not_counted() {
    let tally = twenty(Node::TurnsAway(7)).await.unwrap();
    assert_eq!((tally.accepted, tally.turned_away), (190, 1));
}

#[tokio::test]
async fn a_forgotten_event_a_rejection_and_an_early_end_are_errors() {
    for (node, word) in
        [(Node::Forgets(5), "D-5"), (Node::Rejects(5), "no"), (Node::EndsBefore(5), "unanswered")]
    {
        let error = twenty(node).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_producer_is_opened_by_name() {
    let origin = open_producer(Node::Faithful.serve().await, "bench-0").await.unwrap();
    assert_eq!(origin, Origin { producer: 8, epoch: 3, sequence: 0 });
}
