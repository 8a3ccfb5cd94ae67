//! Clients that hold on to things, and a node that goes down.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use via_gateway::Options;

use crate::rig::{Rig, read};

const SOON: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn hasty() -> Options {
    Options { header_timeout: SOON, body_idle: SOON, grace: SOON, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_given_up_while_others_are_served() {
    let rig = Rig::start_with(hasty()).await;
    let mut held = Vec::new();
    for opening in ["", "GET", "PRI * HTTP/2", "GET / HTTP/1.1\r\nHost: via\r\nX-A: "] {
        let mut slow = rig.connect().await;
        slow.write_all(opening.as_bytes()).await.unwrap();
        held.push((opening, slow));
    }
    assert_eq!(rig.get("/livez").await.status, 200);
    for (opening, mut slow) in held {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, slow.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{opening:?} is still held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_is_given_up_with_a_problem() {
    let rig = Rig::start_with(hasty()).await;
    let mut slow = rig.connect().await;
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/x-ndjson\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(b"{\"entity\":\"a\"}\n").await.unwrap();
    assert_eq!(read(&mut slow).await.problem(408, "body_timeout")["fate"], "retry");
    assert_eq!(rig.events("s", "a").await, 0, "the part was not complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_finishes_what_is_in_flight_and_takes_nothing_new() {
    let rig = Rig::start().await;
    let mut busy = rig.connect().await;
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/json\r\nContent-Length: 14\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    // Once another request was served, the first has been taken as well.
    assert_eq!(rig.get("/livez").await.status, 200);
    busy.write_all(b"{\"entity\"").await.unwrap();
    let address = rig.address;
    rig.drain();
    let refused = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("no new connections");
    busy.write_all(b":\"a\"}").await.unwrap();
    let answer = read(&mut busy).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (200, &1.into()));
    assert_eq!(rig.stop().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_off_after_the_grace() {
    let options = Options { body_idle: PATIENCE, ..hasty() };
    let rig = Rig::start_with(options).await;
    let mut busy = rig.connect().await;
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/json\r\nContent-Length: 15\r\n\r\n{";
    busy.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(rig.get("/livez").await.status, 200);
    assert_eq!(rig.stop().await.cut_off, 1);
    let mut rest = Vec::new();
    // A reset or an end: either way it is over.
    let over = tokio::time::timeout(PATIENCE, busy.read_to_end(&mut rest)).await;
    assert!(over.is_ok(), "the connection is still held");
}
