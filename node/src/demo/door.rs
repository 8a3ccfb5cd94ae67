//! The node's HTTP door, used from outside as any client would: requests on
//! one connection, and the live feed. Speaks as much HTTP/1.1 as the gateway
//! answers with; knows nothing of what is sent.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Longest head of an answer, bytes.
const HEAD: u64 = 1 << 16;
/// Longest body of an answer, bytes.
const BODY: u64 = 16 << 20;
/// How often a request that may be repeated is repeated.
const TRIES: u32 = 20;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    length: Option<u64>,
    retry_after: Option<Duration>,
}

/// One connection to the node, opened again when it was closed.
pub(crate) struct Door {
    node: SocketAddr,
    /// Lets it in.
    token: String,
    open: Option<BufReader<TcpStream>>,
}

impl Door {
    /// Opens it with a session's token or an API key.
    pub(crate) fn new(node: SocketAddr, token: &str) -> Self {
        Self { node, token: token.to_owned(), open: None }
    }

    /// Sends a body, again when the node asks for that; the content must be
    /// harmless to repeat.
    ///
    /// # Errors
    /// The node cannot be reached, or answers something that is no answer.
    pub(crate) async fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let node = self.node;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {node}\r\nauthorization: Bearer {}\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n\r\n",
            self.token
        );
        self.insist(&head, body).await
    }

    /// Asks for what is at `path`, again when the node asks for that.
    ///
    /// # Errors
    /// The node cannot be reached, or answers something that is no answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        let (node, token) = (self.node, &self.token);
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: {node}\r\nauthorization: Bearer {token}\r\n\r\n");
        self.insist(&head, b"").await
    }

    async fn insist(&mut self, head: &str, body: &[u8]) -> Result<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(head, body).await;
            let wait = match &answer {
                Ok(answer) if matches!(answer.status, 429 | 503) => {
                    answer.retry_after.unwrap_or(Duration::from_millis(200))
                }
                Err(_) => Duration::from_millis(200),
                Ok(_) => return answer,
            };
            if tries == TRIES {
                return answer;
            }
            tokio::time::sleep(wait.min(Duration::from_secs(2))).await;
        }
    }

    async fn ask(&mut self, head: &str, body: &[u8]) -> Result<Answer> {
        // A connection that failed is not used again.
        let mut connection = match self.open.take() {
            Some(open) => open,
            None => connect(self.node).await?,
        };
        let stream = connection.get_mut();
        stream.write_all(head.as_bytes()).await.context("sending a request")?;
        stream.write_all(body).await.context("sending a request's body")?;
        let mut answer = read_head(&mut connection).await?;
        let length = answer.length.context("the answer does not say how long it is")?;
        ensure!(length <= BODY, "an answer of {length} bytes");
        answer.body.resize(usize::try_from(length)?, 0);
        connection.read_exact(&mut answer.body).await.context("reading an answer")?;
        self.open = Some(connection);
        Ok(answer)
    }
}

/// Opens the feed at `path`: a connection that goes on with its lines. Asked
/// for in HTTP/1.0, it comes without chunks.
///
/// # Errors
/// The node cannot be reached or does not offer the feed.
pub(crate) async fn follow(
    node: SocketAddr,
    token: &str,
    path: &str,
) -> Result<BufReader<TcpStream>> {
    let mut connection = connect(node).await?;
    let head = format!(
        "GET {path} HTTP/1.0\r\nhost: {node}\r\nauthorization: Bearer {token}\r\n\
         accept: text/event-stream\r\n\r\n"
    );
    connection.get_mut().write_all(head.as_bytes()).await.context("asking for the feed")?;
    let answer = read_head(&mut connection).await?;
    if answer.status != 200 {
        bail!("the feed answered {}", answer.status);
    }
    Ok(connection)
}

async fn connect(node: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(node).await.with_context(|| format!("connecting to {node}"))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads status and headers.
async fn read_head(connection: &mut BufReader<TcpStream>) -> Result<Answer> {
    let mut answer = Answer::default();
    let mut head = connection.take(HEAD);
    let mut line = String::new();
    head.read_line(&mut line).await.context("waiting for an answer")?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    answer.status = status.with_context(|| format!("{line:?} is no answer"))?;
    loop {
        line.clear();
        let read = head.read_line(&mut line).await.context("reading an answer's head")?;
        ensure!(read > 0, "the answer ends in its head");
        let Some((name, value)) = line.split_once(':') else {
            return Ok(answer);
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            answer.length = Some(value.parse().context("an odd content-length")?);
        } else if name.eq_ignore_ascii_case("retry-after") {
            answer.retry_after = value.parse().ok().map(Duration::from_secs);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request on one connection with the next text.
    async fn answering(texts: Vec<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            for text in texts {
                let mut line = String::new();
                let mut length = 0;
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap();
                    if let Some(value) = line.strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                stream.get_mut().write_all(text.as_bytes()).await.unwrap();
            }
        });
        node
    }

    #[tokio::test]
    async fn requests_share_a_connection_and_busy_ones_are_repeated() {
        let node = answering(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 202 OK\r\ncontent-length: 1\r\n\r\n!",
            "HTTP/1.1 404 None\r\ncontent-length: 1\r\n\r\n?",
        ])
        .await;
        let mut door = Door::new(node, "t");
        assert_eq!(door.post("/a", "text/plain", b"?").await.unwrap().body, b"hi");
        let answer = door.post("/events", "application/x-ndjson", b"{}\n").await.unwrap();
        assert_eq!((answer.status, answer.body), (202, b"!".to_vec()));
        assert_eq!(door.get("/a").await.unwrap().status, 404);
    }

    #[tokio::test]
    async fn a_feed_is_read_line_by_line() {
        let node = answering(vec!["HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n"]).await;
        let mut feed = follow(node, "t", "/live").await.unwrap();
        let mut line = String::new();
        feed.read_line(&mut line).await.unwrap();
        assert_eq!(line, "data: 1\n");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let node = answering(vec!["nonsense\r\n\r\n"]).await;
        let error = follow(node, "t", "/").await.err().unwrap();
        assert!(format!("{error:#}").contains("no answer"), "{error:#}");
    }
}
