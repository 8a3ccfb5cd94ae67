//! Clients that mean harm or do not know better. The node answers precisely or
//! waits boundedly, keeps its memory, and others are served meanwhile.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::verify;
use crate::Arena;
use crate::door::Door;
use crate::load::{Load, Shape, count};
use crate::node::{Node, Start};

/// Resident memory no attack may drive a node beyond, apart from what the
/// entities it creates are worth.
const MEMORY: u64 = 300 << 20;
/// The same for a million entities in one request: what a node reckons that a
/// newcomer takes, each, and twice what it may hold of the request, which is in
/// memory as it came and as it goes into the log.
const MEMORY_MILLION: u64 = 1_200 * 1_000_000 + MEMORY + 2 * (64 << 20);
/// Longest time others wait while an attack goes on.
const OTHERS: Duration = Duration::from_secs(5);

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const EVENTS: &str = "/api/v1/streams/hostile/events";

/// One request with a million entities.
///
/// # Errors
/// Not all are accepted, others are hurt, or memory is not bounded.
pub async fn a_million_entities(arena: &Arena) -> anyhow::Result<String> {
    const ENTITIES: usize = 1_000_000;
    let site = arena.site("million")?;
    let node = start(arena, &site).ready().await?;
    let mut body = String::with_capacity(ENTITIES * 32);
    for number in 0..ENTITIES {
        body.push_str(&format!("{{\"entity\":\"m{number}\",\"value\":1}}\n"));
    }
    let address = node.address();
    let begun = Instant::now();
    let attack = tokio::spawn(async move {
        // In pieces: one request, several times the answer's deadline allowed.
        raw(address, EVENTS, &["content-type: application/x-ndjson"], body.as_bytes()).await
    });
    others_are_served(&node, "meanwhile").await?;
    let answer = attack.await??;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "refused: {answer:.300}");
    anyhow::ensure!(answer.contains("\"accepted\":1000000"), "not all accepted: {answer:.300}");
    let peak = bounded(&node, MEMORY_MILLION)?;
    let counted =
        count(node.address(), "hostile", &["m0".to_owned(), "m999999".to_owned()]).await?;
    anyhow::ensure!(counted.values().all(|events| *events == 1), "not counted once: {counted:?}");
    Ok(format!("a million entities accepted in {:.1?}, peak {} MiB", begun.elapsed(), peak >> 20))
}

/// Clients that never finish their head, and clients that stall in the body.
///
/// # Errors
/// They are kept for ever, or others are hurt.
pub async fn slow_loris(arena: &Arena) -> anyhow::Result<String> {
    const CLIENTS: usize = 300;
    let site = arena.site("loris")?;
    let node = start(arena, &site).ready().await?;
    let mut held = Vec::new();
    for number in 0..CLIENTS {
        let mut stream = TcpStream::connect(node.address()).await?;
        let start = if number % 2 == 0 {
            format!("POST {EVENTS} HTTP/1.1\r\nhost: v")
        } else {
            format!(
                "POST {EVENTS} HTTP/1.1\r\nhost: via\r\n{}: {}\r\ncontent-length: 100000\r\n\r\n{{\"ent",
                NDJSON.0, NDJSON.1
            )
        };
        stream.write_all(start.as_bytes()).await?;
        held.push(stream);
    }
    others_are_served(&node, "meanwhile").await?;
    let begun = Instant::now();
    for mut stream in held {
        let mut rest = Vec::new();
        // Configured: two seconds for a head, two for a pause in a body.
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        anyhow::ensure!(ended.is_ok(), "a client that says nothing is kept for ever");
    }
    let waited = begun.elapsed();
    others_are_served(&node, "after").await?;
    let peak = bounded(&node, MEMORY)?;
    Ok(format!("{CLIENTS} slow clients dropped within {waited:.1?}, peak {} MiB", peak >> 20))
}

/// A numbered request breaks off in the middle, then is sent again whole.
///
/// # Errors
/// An event is lost or counted twice, or others are hurt.
pub async fn vanishing_client(arena: &Arena) -> anyhow::Result<String> {
    const EVENTS_EACH: usize = 40_000;
    let site = arena.site("vanish")?;
    let node = start(arena, &site).ready().await?;
    let mut door = Door::new(node.address());
    let json = [("content-type", "application/json")];
    let named = door.post("/api/v1/producers", &json, "{\"name\":\"vanisher\"}").await?.json();
    let text =
        |field: &str| named[field].as_str().map_or_else(|| named[field].to_string(), str::to_owned);
    let (producer, epoch) = (text("producer"), text("epoch"));
    let mut body = String::new();
    for number in 0..EVENTS_EACH {
        body.push_str(&format!("{{\"entity\":\"v{}\",\"value\":1}}\n", number % 10));
    }
    for (sequence, share) in [(1_u32, 0.2), (2, 0.5), (3, 0.9)] {
        let mut stream = TcpStream::connect(node.address()).await?;
        let head = format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: via\r\n{}: {}\r\nx-via-producer: {producer}\r\nx-via-epoch: {epoch}\r\nx-via-sequence: {sequence}\r\ncontent-length: {}\r\n\r\n",
            NDJSON.0,
            NDJSON.1,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let cut = (body.len() as f64 * share) as usize;
        stream.write_all(&body.as_bytes()[..cut]).await?;
        drop(stream);
        let sequence = sequence.to_string();
        let headers = [
            NDJSON,
            ("x-via-producer", &*producer),
            ("x-via-epoch", &*epoch),
            ("x-via-sequence", &*sequence),
        ];
        let answer = door.post(EVENTS, &headers, body.clone()).await?;
        anyhow::ensure!(
            answer.status.is_success(),
            "the whole request is refused: {}",
            answer.text()
        );
    }
    let entities: Vec<String> = (0..10).map(|number| format!("v{number}")).collect();
    let counted = count(node.address(), "hostile", &entities).await?;
    let each = 3 * EVENTS_EACH as u64 / 10;
    anyhow::ensure!(counted.values().all(|events| *events == each), "not {each} each: {counted:?}");
    others_are_served(&node, "after").await?;
    Ok("a client vanished 3 times inside a numbered request: each event counted once".to_owned())
}

/// A small body that becomes gigabytes.
///
/// # Errors
/// Memory is not bounded, the answer is no problem document, or others are hurt.
pub async fn decompression_bomb(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("bomb")?;
    let node = start(arena, &site).ready().await?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 64 << 20])?;
    // Members of one stream: together 2 GiB.
    let bomb = encoder.finish()?.repeat(32);
    for kind in ["application/json", "application/x-ndjson"] {
        let headers = [&*format!("content-type: {kind}"), "content-encoding: gzip"];
        let answer = raw(node.address(), EVENTS, &headers, &bomb).await?;
        anyhow::ensure!(is_refusal(&answer), "{kind}: {answer:.300}");
        let half = raw(node.address(), EVENTS, &headers, &bomb[..1_000]).await?;
        anyhow::ensure!(is_refusal(&half), "truncated {kind}: {half:.300}");
    }
    others_are_served(&node, "after").await?;
    let peak = bounded(&node, MEMORY)?;
    Ok(format!(
        "bombs of {} KiB that become 2 GiB refused, peak {} MiB",
        bomb.len() >> 10,
        peak >> 20
    ))
}

/// A body beyond the limit, a line beyond the limit, a claim beyond reason.
///
/// # Errors
/// Memory is not bounded, good lines are lost, or others are hurt.
pub async fn oversized(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("oversized")?;
    let node = start(arena, &site).ready().await?;
    let mut door = Door::new(node.address());
    let long = "x".repeat(8 << 20);
    let lines = format!(
        "{{\"entity\":\"a\",\"value\":1}}\n{{\"entity\":\"{long}\",\"value\":1}}\n{{\"entity\":\"b\",\"value\":1}}\n"
    );
    let answer = door.post(EVENTS, &[NDJSON], lines).await?;
    anyhow::ensure!(answer.status.is_success(), "good lines are refused: {}", answer.text());
    anyhow::ensure!(answer.json()["accepted"].as_u64() == Some(2), "not two: {}", answer.text());
    let huge =
        raw(node.address(), EVENTS, &["content-type: application/json"], &vec![b' '; 200 << 20])
            .await?;
    anyhow::ensure!(huge.starts_with("HTTP/1.1 413"), "a body of 200 MiB: {huge:.200}");
    let claim = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: via\r\ncontent-type: application/json\r\ncontent-length: 99999999999999\r\n\r\n"
    );
    let claimed = exchange(node.address(), claim.as_bytes()).await?;
    anyhow::ensure!(claimed.starts_with("HTTP/1.1 413"), "a claim of 100 TB: {claimed:.200}");
    let deep = format!(
        "{{\"entity\":\"d\",\"attributes\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let answer = door.post(EVENTS, &[("content-type", "application/json")], deep).await?;
    anyhow::ensure!(
        answer.status.is_client_error() || answer.json()["accepted"].as_u64() == Some(0),
        "deep: {}",
        answer.text()
    );
    others_are_served(&node, "after").await?;
    let peak = bounded(&node, MEMORY)?;
    Ok(format!("oversized line, body, claim and nesting refused, peak {} MiB", peak >> 20))
}

/// Memory for a million profiles; little for everything else.
const SETTINGS: &[(&str, &str)] = &[("memory_limit", "\"2GiB\"")];

fn start<'a>(arena: &'a Arena, site: &'a crate::node::Site) -> Start<'a> {
    Start { binary: arena.binary(), site, disk: None, settings: SETTINGS }
}

/// An honest client is served exactly, and promptly. `when` keeps the streams
/// of several askings apart.
async fn others_are_served(node: &Node, when: &str) -> anyhow::Result<()> {
    let mut door = Door::new(node.address());
    let answer = timeout(OTHERS, door.get("/livez")).await;
    anyhow::ensure!(matches!(answer, Ok(Ok(_))), "others wait longer than {OTHERS:?} {when}");
    let begun = Instant::now();
    let shape = Shape { stream: format!("honest-{when}"), writers: 1, ..Shape::default() };
    let mut load = Load::start(shape.clone(), 1);
    load.node_is_at(Some(node.address()));
    load.progress(3).await?;
    let acknowledged = load.finish().await?;
    let waited = begun.elapsed();
    anyhow::ensure!(waited < OTHERS, "others were served only after {waited:?} {when}");
    verify(node, &shape, &acknowledged).await
}

/// The client is told, in the promised form, that it is at fault.
fn is_refusal(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 4") && answer.contains("application/problem+json")
}

fn bounded(node: &Node, limit: u64) -> anyhow::Result<u64> {
    let peak = node.peak_memory()?;
    anyhow::ensure!(peak <= limit, "peak of {} MiB, of at most {} MiB", peak >> 20, limit >> 20);
    Ok(peak)
}

/// Sends a request byte by byte as given; returns the answer, also one that
/// comes before the body was read.
async fn raw(
    address: SocketAddr,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> anyhow::Result<String> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: via\r\nconnection: close\r\n{}\r\ncontent-length: {}\r\n\r\n",
        headers.join("\r\n"),
        body.len()
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    exchange(address, &bytes).await
}

async fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut from, mut to) = stream.into_split();
    let request = request.to_vec();
    // The node may answer and close before it has read everything.
    let sending = tokio::spawn(async move {
        let _ = to.write_all(&request).await;
        to
    });
    let mut answer = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let read = timeout(Duration::from_secs(120), from.read(&mut chunk)).await?;
        match read {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
        }
        if is_whole(&answer) {
            break;
        }
    }
    sending.abort();
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.starts_with("HTTP/1.1 1") {
        return false;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
