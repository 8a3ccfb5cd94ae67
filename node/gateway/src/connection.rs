//! A connection that cannot be held for nothing: its first bytes must come in
//! time, before it is even known which protocol it speaks, and what is written
//! to it must be read. Knows bytes only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What an HTTP/2 connection with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An inner connection with both guards.
pub(crate) struct Guarded<T> {
    inner: T,
    /// Runs while the bytes so far may still become [`PREFACE`].
    opening: Option<Pin<Box<Sleep>>>,
    matched: usize,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    stall: Duration,
}

impl<T> Guarded<T> {
    /// Guards `inner`: its protocol must show within `opening`, and no write
    /// may wait longer than `stall`.
    pub(crate) fn new(inner: T, opening: Duration, stall: Duration) -> Self {
        let opening = Some(Box::pin(tokio::time::sleep(opening)));
        Self { inner, opening, matched: 0, stalled: None, stall }
    }

    fn look(&mut self, bytes: &[u8]) {
        let expected = &PREFACE[self.matched..];
        let common = bytes.iter().zip(expected).take_while(|(a, b)| a == b).count();
        self.matched += common;
        if common < bytes.len() || self.matched == PREFACE.len() {
            // Another protocol, or HTTP/2: both have time limits of their own.
            self.opening = None;
        }
    }

    fn wrote<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + stall)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let Some(opening) = &mut self.opening else { return read };
        if read.is_pending() {
            ready!(opening.as_mut().poll(context));
            let late = io::Error::new(io::ErrorKind::TimedOut, "the client says nothing");
            return Poll::Ready(Err(late));
        }
        self.look(&buffer.filled()[before..]);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.wrote(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.wrote(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn first_read(sent: &[u8]) -> (Guarded<tokio::io::DuplexStream>, impl Sized) {
        let (mut client, server) = duplex(64);
        let mut guarded = Guarded::new(server, SECOND, SECOND);
        client.write_all(sent).await.expect("room");
        let mut buffer = vec![0; sent.len()];
        guarded.read_exact(&mut buffer).await.expect("sent");
        (guarded, client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_or_half_spoken_opening_is_given_up() {
        let (_client, server) = duplex(64);
        let mut silent = Guarded::new(server, SECOND, SECOND);
        let error = silent.read_u8().await.expect_err("silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (mut half, _client) = first_read(b"PRI * H").await;
        assert_eq!(half.read_u8().await.expect_err("half").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_protocol_shows_is_left_alone() {
        for opening in [b"GET / HTTP/1.1\r\n".as_slice(), PREFACE] {
            let (mut guarded, _client) = first_read(opening).await;
            let read = tokio::time::timeout(SECOND * 100, guarded.read_u8()).await;
            assert!(read.is_err(), "still waiting");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (_client, server) = duplex(4);
        let mut guarded = Guarded::new(server, SECOND, SECOND);
        let error = guarded.write_all(b"more than fits").await.expect_err("stalled");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
