//! The proxy, with real datagrams on the loopback.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use via_jepsen::net::link::Weather;
use via_jepsen::net::proxy::{Climate, Proxy, Route};

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

struct Rig {
    climate: Climate,
    dialler: UdpSocket,
    dialled: UdpSocket,
    proxy: Proxy,
}

async fn rig() -> Rig {
    let dialled = UdpSocket::bind((HOST, 0)).await.unwrap();
    let climate = Climate::default();
    let target = dialled.local_addr().unwrap();
    let route = Route { from: 0, to: 1, target, climate: climate.clone(), seed: 1 };
    let proxy = Proxy::start(HOST, route).await.unwrap();
    let dialler = UdpSocket::bind((HOST, 0)).await.unwrap();
    Rig { climate, dialler, dialled, proxy }
}

async fn hear(socket: &UdpSocket, within: Duration) -> Option<Vec<u8>> {
    let mut bytes = [0; 100];
    let (length, _) = timeout(within, socket.recv_from(&mut bytes)).await.ok()?.unwrap();
    Some(bytes[..length].to_vec())
}

#[tokio::test]
async fn carries_questions_and_their_answers() {
    let Rig { dialler, dialled, proxy, .. } = rig().await;
    dialler.send_to(b"question", proxy.address()).await.unwrap();
    let mut bytes = [0; 100];
    let (length, from) = timeout(LONG, dialled.recv_from(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes[..length], b"question");
    assert_ne!(from, dialler.local_addr().unwrap(), "it comes by way of the proxy");
    dialled.send_to(b"answer", from).await.unwrap();
    assert_eq!(hear(&dialler, LONG).await.unwrap(), b"answer");
}

#[tokio::test]
async fn each_direction_has_a_weather_of_its_own() {
    let Rig { climate, dialler, dialled, proxy } = rig().await;
    let cut = Weather { is_cut: true, ..Weather::default() };
    climate.set(1, 0, cut.clone());
    dialler.send_to(b"question", proxy.address()).await.unwrap();
    let mut bytes = [0; 100];
    let (_, from) = timeout(LONG, dialled.recv_from(&mut bytes)).await.unwrap().unwrap();
    dialled.send_to(b"lost", from).await.unwrap();
    assert_eq!(hear(&dialler, SHORT).await, None);
    climate.clear();
    dialled.send_to(b"heard", from).await.unwrap();
    assert_eq!(hear(&dialler, LONG).await.unwrap(), b"heard");
    climate.set(0, 1, cut);
    dialler.send_to(b"lost", proxy.address()).await.unwrap();
    assert_eq!(hear(&dialled, SHORT).await, None);
}

#[tokio::test]
async fn duplicates_when_it_is_told_to() {
    let Rig { climate, dialler, dialled, proxy } = rig().await;
    let delay = Duration::from_millis(20);
    climate.set(0, 1, Weather { duplication: 1.0, delay, ..Weather::default() });
    let began = std::time::Instant::now();
    dialler.send_to(b"once", proxy.address()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(hear(&dialled, LONG).await.unwrap(), b"once");
    }
    assert!(began.elapsed() >= delay);
}
