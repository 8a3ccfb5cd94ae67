//! A connection that cannot be held for nothing: its first bytes must come in
//! time, before it is even known which protocol it speaks, and what is written
//! to it must be read. One that ends is closed only when the client has ended
//! it too, within bounds (D-6), so that no answer is lost. Knows bytes only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use via_types::limit;

/// What an HTTP/2 connection with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client that neither sends nor closes is waited for at the end.
const QUIET: Duration = Duration::from_secs(1);
/// How long a client may go on sending after the end: [`limit::LINGER_BYTES`] at
/// 36 Mbit/s.
const LINGER: Duration = Duration::from_secs(30);
/// Bytes dropped at a time.
const DROPPED_BYTES: usize = 8 << 10;

/// The end of a connection: nothing more is written, what still comes is dropped.
struct Farewell {
    timer: Pin<Box<Sleep>>,
    until: Instant,
    left: usize,
}

impl Farewell {
    fn new() -> Self {
        let now = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(now + QUIET));
        Self { timer, until: now + LINGER, left: limit::LINGER_BYTES }
    }

    /// Waits until the client has closed, or a bound is reached. Closing with
    /// bytes unread would reset the connection, and with it the answer.
    fn poll(
        &mut self,
        inner: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [0; DROPPED_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *inner).poll_read(context, &mut buffer) {
                Poll::Pending => return self.timer.as_mut().poll(context),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let dropped = buffer.filled().len();
                    if dropped == 0 || dropped >= self.left {
                        return Poll::Ready(());
                    }
                    self.left -= dropped;
                    let due = (Instant::now() + QUIET).min(self.until);
                    self.timer.as_mut().reset(due);
                }
            }
            if Instant::now() >= self.until {
                return Poll::Ready(());
            }
        }
    }
}

/// An inner connection with its guards.
pub(crate) struct Guarded<T> {
    inner: T,
    /// Runs while the bytes so far may still become [`PREFACE`].
    opening: Option<Pin<Box<Sleep>>>,
    matched: usize,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    stall: Duration,
    farewell: Option<Farewell>,
}

impl<T> Guarded<T> {
    /// Guards `inner`: its protocol must show within `opening`, and no write
    /// may wait longer than `stall`.
    pub(crate) fn new(inner: T, opening: Duration, stall: Duration) -> Self {
        let opening = Some(Box::pin(tokio::time::sleep(opening)));
        Self { inner, opening, matched: 0, stalled: None, stall, farewell: None }
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

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
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
        let Self { inner, farewell, .. } = &mut *self;
        if let Some(farewell) = farewell {
            return farewell.poll(inner, context).map(Ok);
        }
        let shut = Pin::new(inner).poll_shutdown(context);
        ready!(self.wrote(context, shut))?;
        self.farewell = Some(Farewell::new());
        self.poll_shutdown(context)
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

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_end_is_dropped_until_the_client_closes() {
        let (mut client, server) = duplex(64);
        let mut guarded = Guarded::new(server, SECOND, SECOND);
        let (end, sent) = tokio::join!(guarded.shutdown(), async move {
            client.write_all(&[0; 100_000]).await.expect("it is read");
            tokio::time::advance(QUIET / 2).await;
            client.read_to_end(&mut Vec::new()).await.expect("the end is seen at once")
        });
        end.expect("closed");
        assert_eq!(sent, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_closes_is_waited_for_within_bounds() {
        let begun = Instant::now();
        let (silent, server) = duplex(64);
        Guarded::new(server, SECOND, SECOND).shutdown().await.expect("closed");
        assert_eq!(begun.elapsed().as_millis(), QUIET.as_millis());
        drop(silent);

        let (mut trickling, server) = duplex(64);
        let trickle = tokio::spawn(async move {
            let mut beat = tokio::time::interval(QUIET / 2);
            while trickling.write_u8(0).await.is_ok() {
                beat.tick().await;
            }
        });
        let begun = Instant::now();
        Guarded::new(server, SECOND, SECOND).shutdown().await.expect("closed");
        assert!(begun.elapsed() <= LINGER + QUIET, "{:?}", begun.elapsed());
        trickle.await.expect("its write fails once the connection is gone");

        let (mut flooding, server) = duplex(1 << 20);
        let flood = tokio::spawn(async move {
            let mut sent = 0;
            while let Ok(more) = flooding.write(&[0; 1 << 16]).await {
                sent += more;
            }
            sent
        });
        let begun = Instant::now();
        Guarded::new(server, SECOND, SECOND).shutdown().await.expect("closed");
        assert!(begun.elapsed() < LINGER, "the bytes ran out, not the time");
        assert!(flood.await.expect("ends") <= limit::LINGER_BYTES + (2 << 20));
    }
}
