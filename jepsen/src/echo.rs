//! Two ends of a link, for tests of the network: one that answers datagrams, and
//! one that asks and says whether it was answered. Run inside namespaces.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often it is asked: a first datagram may be lost to address resolution.
const TRIES: u32 = 3;

/// Which end.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Role {
    /// Answers until it is killed.
    Serve,
    /// Asks, and says `answered` or `silence`.
    Ask,
}

/// Plays one end of a link.
pub(crate) fn play(role: Role, address: SocketAddr) -> anyhow::Result<()> {
    match role {
        Role::Serve => serve(address),
        Role::Ask => ask(address),
    }
}

fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(address)?;
    say("serving")?;
    let mut bytes = [0; 64];
    loop {
        let (length, from) = socket.recv_from(&mut bytes)?;
        // Whoever asked may be gone.
        let _ = socket.send_to(&bytes[..length], from);
    }
}

fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    for _ in 0..TRIES {
        socket.send(b"question")?;
        let mut bytes = [0; 64];
        if socket.recv(&mut bytes).is_ok() {
            return say("answered");
        }
    }
    say("silence")
}

fn say(word: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{word}")?;
    Ok(out.flush()?)
}
