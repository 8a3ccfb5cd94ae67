//! A stand-in for a node that answers with given words, against the real client.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::lines::Form;
use crate::tally::Window;
use crate::workload::{Skew, Workload};

/// Answers every request with the next answer; returns where, and what it read.
async fn serve(answers: Vec<(u16, String)>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut requests = Vec::new();
        for (status, body) in answers {
            requests.push(request(&mut stream).await);
            let head = format!("HTTP/1.1 {status} .\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.get_mut().write_all((head + &body).as_bytes()).await.unwrap();
        }
        requests
    });
    (address, served)
}

async fn request(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "the request ends in its head");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    head + str::from_utf8(&body).unwrap()
}

fn counts(accepted: u64) -> (u16, String) {
    (200, format!("{{\"accepted\":{accepted},\"duplicates\":0,\"refused\":0,\"refusals\":[]}}"))
}

async fn write(answers: Vec<(u16, String)>) -> (Result<Tally>, Vec<String>) {
    let requests = answers.len() as u64;
    let (node, served) = serve(answers).await;
    let draw = Workload::new(50, Skew::Uniform, 1).unwrap().draw(10);
    let times = Times::until_now(10, Rate::Max);
    let sender = Sender {
        path: "/api/v1/streams/bench/events".to_owned(),
        media_type: "application/x-ndjson",
        bodies: vec![Body::new(Form::Lines, &draw, times)],
        times: Some(Rate::Max),
        origin: Some(Origin { producer: 8, epoch: 3, sequence: 0 }),
    };
    let from = Instant::now();
    let window = Window { from, until: from + Duration::from_secs(600) };
    let schedule = Schedule::Closed { until: window.until, left: requests };
    let tally = run(node, sender, schedule, Tally::new(window)).await;
    (tally, served.await.unwrap())
}

#[tokio::test]
async fn bodies_are_sent_again_under_new_names() {
    let (tally, requests) = write(vec![counts(10), counts(10), (503, "{}".to_owned())]).await;
    let tally = tally.unwrap();
    assert_eq!((tally.accepted, tally.turned_away, tally.latency.len()), (20, 1, 2));
    for (number, request) in requests.iter().enumerate() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /api/v1/streams/bench/events HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("x-via-sequence: {}", number + 1)), "{head}");
        assert_eq!(body.lines().count(), 10);
    }
}

#[tokio::test]
async fn a_forgotten_event_and_a_refusal_are_errors() {
    for (answer, word) in [(counts(9), "D-5"), ((400, "bad_json".to_owned()), "bad_json")] {
        let (tally, _) = write(vec![answer]).await;
        let error = tally.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn counts_are_read_from_the_node() {
    let body = r#"{"streams":1,"events":5,"profiles":3,"profiles_dirty":2,"detections":1}"#;
    let (node, _served) = serve(vec![(200, body.to_owned())]).await;
    let stats = stats(node).await.unwrap();
    assert_eq!((stats.events, stats.profiles), (5, 3));
    let (node, _served) = serve(vec![(503, "busy".to_owned())]).await;
    assert!(super::stats(node).await.unwrap_err().to_string().contains("busy"));
}
