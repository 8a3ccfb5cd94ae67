//! The little HTTP that commands speak with a running node, on a connection of
//! their own that ends with the answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long the node may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest answer read, bytes.
const ANSWER_BYTES: u64 = 16 << 20;

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Finds the node that `target` means: `host:port`, with or without `http://`.
///
/// # Errors
/// It means none.
pub(crate) fn find(target: &str) -> Result<SocketAddr> {
    let plain = target.strip_prefix("http://").unwrap_or(target).trim_end_matches('/');
    let found = plain.to_socket_addrs().with_context(|| format!("looking up {plain:?}"))?;
    found.into_iter().next().with_context(|| format!("{plain:?} has no address"))
}

/// Asks with GET, or with POST when there is a body, which is JSON; `key` says
/// who asks.
///
/// # Errors
/// The node does not answer, or does not speak HTTP.
pub(crate) fn ask(
    address: SocketAddr,
    path: &str,
    (key, body): (Option<&str>, Option<&str>),
) -> Result<Answer> {
    let told = exchange(address, path, (key, body))
        .with_context(|| format!("asking http://{address}{path}"))?;
    let parts = told.split_once("\r\n\r\n");
    let status = |head: &str| head.split_whitespace().nth(1)?.parse().ok();
    match parts.and_then(|(head, body)| Some((status(head)?, body))) {
        Some((status, body)) => Ok(Answer { status, body: body.to_owned() }),
        None => bail!("http://{address}{path} does not speak HTTP"),
    }
}

fn exchange(
    address: SocketAddr,
    path: &str,
    (key, body): (Option<&str>, Option<&str>),
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    let head = |method: &str| format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{key}");
    let request = match body {
        None => format!("{}\r\n", head("GET")),
        Some(body) => {
            let kind = "Content-Type: application/json\r\n";
            format!("{}{kind}Content-Length: {}\r\n\r\n{body}", head("POST"), body.len())
        }
    };
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
