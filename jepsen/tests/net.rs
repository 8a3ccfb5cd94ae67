//! The network of namespaces, with real datagrams between them: cuts in one
//! direction, healing, and detours through proxies. Where namespaces cannot be
//! made, it says so and proves nothing.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use via_jepsen::net::link::Weather;
use via_jepsen::net::proxy::{Climate, Proxy, Route};
use via_jepsen::net::{End, Net};

const PORT: u16 = 7400;

fn echo() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_via-jepsen"))
}

struct Server(Child);

impl Server {
    fn start(net: &Net, node: usize) -> Self {
        let mut command = net.command(node, echo(), []);
        command.args(["echo", "serve", &peer(net, node).to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "serving");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peer(net: &Net, node: usize) -> SocketAddr {
    SocketAddr::from((net.address(End::Node(node)), PORT))
}

/// Asks from one node's namespace; must not block the proxies' runtime.
async fn answered(net: &Net, from: usize, to: usize) -> bool {
    let mut command = net.command(from, echo(), []);
    command.args(["echo", "ask", &peer(net, to).to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    match String::from_utf8(output.stdout).unwrap().trim() {
        "answered" => true,
        "silence" => false,
        odd => panic!("{odd:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn spaces() -> String {
    let listed = Command::new("ip").args(["netns", "list"]).output().unwrap();
    String::from_utf8(listed.stdout).unwrap()
}

async fn cuts_are_directed_and_heal(net: &mut Net) {
    assert!(answered(net, 0, 1).await && answered(net, 1, 2).await);
    // Neither a question nor an answer may be lost for a round trip.
    for (from, to) in [(0, 1), (1, 0)] {
        net.cut(End::Node(from), End::Node(to)).unwrap();
        assert!(!answered(net, 0, 1).await, "{from} to {to} is cut");
        assert!(answered(net, 0, 2).await, "others are not");
        net.heal().unwrap();
        assert!(answered(net, 0, 1).await, "healed");
    }
    net.cut(End::Node(1), End::Clients).unwrap();
    assert!(answered(net, 0, 1).await, "peers are no clients");
    net.heal().unwrap();
}

async fn detours_lead_through_the_weather(net: &mut Net) {
    let climate = Climate::default();
    let route = Route { from: 0, to: 1, target: peer(net, 1), climate: climate.clone(), seed: 1 };
    let proxy = Proxy::start(net.address(End::Clients), route).await.unwrap();
    net.detour(0, (1, PORT), proxy.address()).unwrap();
    assert!(answered(net, 0, 1).await, "fair weather");
    climate.set(1, 0, Weather { loss: 1.0, ..Weather::default() });
    assert!(!answered(net, 0, 1).await, "the answers are lost");
    assert!(answered(net, 1, 0).await, "another pair, another way");
    climate.clear();
    assert!(answered(net, 0, 1).await, "fair again");
    // Healing cuts leaves the detour.
    net.heal().unwrap();
    climate.set(0, 1, Weather { is_cut: true, ..Weather::default() });
    assert!(!answered(net, 0, 1).await);
}

#[tokio::test]
async fn nodes_in_namespaces_can_be_parted_and_led_through_proxies() {
    if let Err(impossible) = Net::possible() {
        let words = format!("SKIPPED nodes_in_namespaces_can_be_parted: {impossible}\n");
        std::io::stderr().write_all(words.as_bytes()).unwrap();
        return;
    }
    let mut net = Net::new(3).unwrap();
    let servers: Vec<Server> = (0..3).map(|node| Server::start(&net, node)).collect();
    cuts_are_directed_and_heal(&mut net).await;
    detours_lead_through_the_weather(&mut net).await;
    drop(servers);
    let own = format!("via-jepsen-{}-", std::process::id());
    assert!(spaces().contains(&own));
    drop(net);
    assert!(!spaces().contains(&own), "nothing is left");
    for _ in 0..5 {
        // Each takes the names of the one before.
        drop(Net::new(2).unwrap());
    }
}
