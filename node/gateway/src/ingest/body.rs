//! A request's body as plain bytes: decompressed, and bounded in time, rate and
//! expansion before anything is allocated for it (invariant D-6). Knows nothing
//! of what the bytes mean.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, header};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;
use tokio_util::io::StreamReader;

use crate::problem::{Code, Problem};
use crate::quota::allowance::Allowance;

/// Output up to which expansion is not looked at: small bodies compress freely.
const FREE_BYTES: u64 = 1 << 20;
/// Window a zstd body may ask for, as a power of two: 8 MiB of memory.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes decompressed at a time.
const STEP_BYTES: usize = 64 << 10;
/// Least average rate of a body, bytes per second, beyond the idle allowance.
const LEAST_RATE: u64 = 1_024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Reads the Content-Encoding header.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else {
            return Ok(Self::Identity);
        };
        match value.to_str().unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            other => Err(Problem::new(
                Code::UnsupportedEncoding,
                format!("Content-Encoding {other:?} is not supported; send gzip, zstd or none"),
            )),
        }
    }
}

enum Inner {
    Plain(BodyDataStream),
    Packed(Pin<Box<dyn AsyncRead + Send>>, BytesMut),
}

/// A body being read.
pub(crate) struct Source {
    inner: Inner,
    /// What its length was said to be at least, before decompression.
    announced: u64,
    received: Arc<AtomicU64>,
    given: u64,
    patience: Patience,
    /// Whose bytes they are; none while nobody counts.
    allowance: Option<Arc<Allowance>>,
    started: Instant,
}

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Longest wait for each piece.
    pub(crate) idle: Duration,
    /// Most bytes out of each compressed byte, once past [`FREE_BYTES`].
    pub(crate) expansion: u64,
}

impl Source {
    /// Makes a source of a body.
    pub(crate) fn new(body: Body, encoding: Encoding, patience: Patience) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let announced = body.size_hint().lower();
        let frames = body.into_data_stream();
        let inner = if encoding == Encoding::Identity {
            Inner::Plain(frames)
        } else {
            let counter = Arc::clone(&received);
            let counted = frames.map_err(io::Error::other).inspect_ok(move |frame| {
                counter.fetch_add(frame.len() as u64, Ordering::Relaxed);
            });
            let reader = StreamReader::new(counted);
            let decoder: Pin<Box<dyn AsyncRead + Send>> = if encoding == Encoding::Gzip {
                let mut decoder = GzipDecoder::new(reader);
                decoder.multiple_members(true);
                Box::pin(decoder)
            } else {
                let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
                let mut decoder = ZstdDecoder::with_params(reader, &window);
                decoder.multiple_members(true);
                Box::pin(decoder)
            };
            Inner::Packed(decoder, BytesMut::new())
        };
        Self {
            inner,
            announced,
            received,
            given: 0,
            patience,
            allowance: None,
            started: Instant::now(),
        }
    }

    /// Counts its bytes, before and after decompression, against what a tenant
    /// may send in one request.
    pub(crate) fn of(self, allowance: Arc<Allowance>) -> Self {
        Self { allowance: Some(allowance), ..self }
    }

    /// Refuses a body that announces more than `most` bytes before any of it is
    /// read (invariant D-6). A compressed one is held to the same length.
    pub(crate) fn expect_at_most(&self, most: usize) -> Result<(), Problem> {
        if self.announced > most as u64 {
            let announced = self.announced;
            let words = format!("the body announces {announced} bytes; at most {most} are taken");
            return Err(Problem::new(Code::TooLarge, words));
        }
        Ok(())
    }

    /// Returns the next bytes; none at the end. May be dropped while waiting
    /// and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let idle = self.patience.idle;
        let slowest = idle + Duration::from_secs(self.progress() / LEAST_RATE);
        let due = (Instant::now() + idle).min(self.started + slowest);
        let next = tokio::time::timeout_at(due, self.inner.next());
        let bytes = next.await.map_err(|_| {
            let words = format!("no more came within {} s, or too little", idle.as_secs());
            Problem::new(Code::BodyTimeout, words)
        })??;
        self.given += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.check_expansion()?;
        self.allowance.as_ref().map_or(Ok(()), |of| of.bytes(self.progress()))?;
        Ok(bytes)
    }

    fn progress(&self) -> u64 {
        self.given.max(self.received.load(Ordering::Relaxed))
    }

    fn check_expansion(&self) -> Result<(), Problem> {
        let received = self.received.load(Ordering::Relaxed);
        let packed = matches!(self.inner, Inner::Packed(..));
        if packed && self.given > FREE_BYTES && self.given / self.patience.expansion > received {
            let words = format!("{received} bytes expanded to more than {} bytes", self.given);
            return Err(Problem::new(Code::DecompressionBomb, words));
        }
        Ok(())
    }
}

impl Inner {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self {
            Self::Plain(frames) => frames.next().await.transpose().map_err(|_| incomplete()),
            Self::Packed(decoder, buffer) => {
                buffer.reserve(STEP_BYTES);
                match decoder.read_buf(buffer).await {
                    Ok(0) => Ok(None),
                    Ok(_) => Ok(Some(buffer.split().freeze())),
                    Err(error)
                        if error.get_ref().is_some_and(|inner| inner.is::<axum::Error>()) =>
                    {
                        Err(incomplete())
                    }
                    Err(error) => Err(Problem::new(Code::BadEncoding, error.to_string())),
                }
            }
        }
    }
}

fn incomplete() -> Problem {
    Problem::new(Code::BodyIncomplete, "the connection ended before the body did")
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
    use tokio::io::AsyncWriteExt;

    use super::*;

    const PATIENCE: Patience = Patience { idle: Duration::from_secs(30), expansion: 100 };

    async fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(text).await.expect("memory");
        encoder.shutdown().await.expect("memory");
        encoder.into_inner()
    }

    async fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZstdEncoder::new(Vec::new());
        encoder.write_all(text).await.expect("memory");
        encoder.shutdown().await.expect("memory");
        encoder.into_inner()
    }

    async fn read(bytes: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>, Problem> {
        let mut source = Source::new(Body::from(bytes), encoding, PATIENCE);
        let mut all = Vec::new();
        while let Some(bytes) = source.next().await? {
            assert!(encoding == Encoding::Identity || bytes.len() <= 2 * STEP_BYTES);
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    fn varied() -> Vec<u8> {
        (0..200_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    #[tokio::test]
    async fn reads_every_encoding_and_joined_members() {
        let text = varied();
        assert_eq!(read(text.clone(), Encoding::Identity).await.expect("plain"), text);
        assert_eq!(read(gzip(&text).await, Encoding::Gzip).await.expect("gzip"), text);
        assert_eq!(read(zstd(&text).await, Encoding::Zstd).await.expect("zstd"), text);
        let two = [gzip(b"one ").await, gzip(b"two").await].concat();
        assert_eq!(read(two, Encoding::Gzip).await.expect("members"), b"one two");
    }

    #[tokio::test]
    async fn a_truncated_body_is_named_as_such() {
        for (packed, encoding) in
            [(gzip(&varied()).await, Encoding::Gzip), (zstd(&varied()).await, Encoding::Zstd)]
        {
            let cut = packed[..packed.len() / 2].to_vec();
            let problem = read(cut, encoding).await.expect_err("truncated");
            assert_eq!(problem.code, Code::BadEncoding);
        }
        let problem = read(b"not gzip at all".to_vec(), Encoding::Gzip).await.expect_err("junk");
        assert_eq!(problem.code, Code::BadEncoding);
    }

    #[tokio::test]
    async fn a_bomb_is_stopped_long_before_its_end() {
        let zeros = vec![0; 64 << 20];
        for (packed, encoding) in
            [(gzip(&zeros).await, Encoding::Gzip), (zstd(&zeros).await, Encoding::Zstd)]
        {
            let problem = read(packed, encoding).await.expect_err("a bomb");
            assert_eq!(problem.code, Code::DecompressionBomb);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_trickles_is_given_up() {
        let stalled = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        let mut source = Source::new(Body::from_stream(stalled), Encoding::Identity, PATIENCE);
        let problem = source.next().await.expect_err("stalled");
        assert_eq!(problem.code, Code::BodyTimeout);

        let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(
            Duration::from_secs(10),
        ));
        let trickle = ticks.map(|_| Ok::<_, io::Error>(Bytes::from_static(b"x")));
        let mut source = Source::new(Body::from_stream(trickle), Encoding::Identity, PATIENCE);
        let begun = Instant::now();
        let problem = loop {
            if let Err(problem) = source.next().await {
                break problem;
            }
        };
        assert_eq!(problem.code, Code::BodyTimeout);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "br".parse().expect("header"));
        let problem = Encoding::of(&headers).expect_err("brotli");
        assert_eq!(problem.code, Code::UnsupportedEncoding);
    }
}
