//! Connections to the nodes: one request over HTTP/2, one answer or one typed error.
//! Knows addresses, TLS and the key; decides nothing about repeats.

use std::fs;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::error::Error;
use crate::settings::{Settings, VERSION};

/// How often a node that is waited for is asked for a sign of life.
const ALIVE: Duration = Duration::from_secs(20);

struct Target {
    endpoint: Endpoint,
    /// What comes before every path.
    prefix: String,
    channel: Mutex<Option<Channel>>,
}

/// A request that is to be made.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) within: Duration,
}

/// The addresses, and the one that is used now.
pub(crate) struct Wire {
    targets: Vec<Target>,
    current: AtomicUsize,
    key: Option<HeaderValue>,
    pub(crate) timeout: Duration,
}

impl Wire {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let targets = settings.urls.iter().map(|url| Target::new(url, settings));
        let key = settings.key.as_ref().map(|key| {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut bearer =
                bearer.map_err(|_| Error::local("key: it has other than plain characters"))?;
            bearer.set_sensitive(true);
            Ok(bearer)
        });
        Ok(Self {
            targets: targets.collect::<Result<_, Error>>()?,
            current: AtomicUsize::new(0),
            key: key.transpose()?,
            timeout: settings.timeout,
        })
    }

    pub(crate) fn addresses(&self) -> usize {
        self.targets.len()
    }

    /// Says which address is used now.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Goes on to the next address, unless somebody has already.
    pub(crate) fn leave(&self, address: usize) {
        let next = (address + 1) % self.targets.len();
        let _ = self.current.compare_exchange(address, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Connects anew at the next request: nothing was heard on the connection.
    pub(crate) fn forget(&self, address: usize) {
        *self.targets[address].channel.lock() = None;
    }

    /// Returns the way to an address; it connects when it is used.
    pub(crate) fn channel(&self, address: usize) -> Channel {
        let target = &self.targets[address];
        target.channel.lock().get_or_insert_with(|| target.endpoint.connect_lazy()).clone()
    }

    /// Returns what every request says.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            headers.insert(http::header::AUTHORIZATION, key.clone());
        }
        headers
    }

    /// Makes one attempt and returns the body of an answer that is 2xx.
    pub(crate) async fn call(&self, address: usize, ask: Ask) -> Result<Bytes, Error> {
        let within = ask.within;
        let attempt = async {
            let (head, body) = self.open(address, ask).await?.into_parts();
            let body = body.collect().await.map_err(|status| Error::lost(status.to_string()))?;
            let body = body.to_bytes();
            if head.status.is_success() {
                return Ok(body);
            }
            Err(Error::of_answer(head.status, &head.headers, &body))
        };
        let answer = tokio::time::timeout(within, attempt).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::lost("no answer within the timeout")));
        answer.inspect_err(|error| {
            if error.is_no_answer() {
                self.forget(address);
            }
        })
    }

    /// Sends a request and returns its answer with a body that is still to come.
    pub(crate) async fn open(&self, address: usize, ask: Ask) -> Result<Response<Body>, Error> {
        let target = &self.targets[address];
        let path: PathAndQuery = format!("{}{}", target.prefix, ask.path)
            .parse()
            .map_err(|error| Error::local(format!("{}: {error}", ask.path)))?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = ask.method;
        *request.uri_mut() = path.into();
        *request.headers_mut() = self.headers();
        if let Some((kind, body)) = ask.body {
            let kind = HeaderValue::from_static(kind);
            request.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            *request.body_mut() = Body::new(Full::new(body));
        }
        for (name, value) in ask.headers {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| Error::local(format!("{name}: it has other than plain characters")))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let mut channel = self.channel(address);
        poll_fn(|cx| GrpcService::<Body>::poll_ready(&mut channel, cx))
            .await
            .map_err(|error| Error::of_transport(&error))?;
        let answer = GrpcService::<Body>::call(&mut channel, request).await;
        answer.map_err(|error| Error::of_transport(&error))
    }
}

impl Target {
    fn new(url: &str, settings: &Settings) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let fault = |error: &dyn std::fmt::Display| Error::local(format!("{url}: {error}"));
        let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| fault(&error))?;
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let mut endpoint = Endpoint::from(uri)
            .user_agent(format!("via-rust/{VERSION}"))
            .map_err(|error| fault(&error))?
            .connect_timeout(settings.timeout)
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(settings.timeout);
        if url.starts_with("https:") {
            let mut tls = ClientTlsConfig::new();
            tls = match &settings.ca_file {
                None => tls.with_native_roots(),
                Some(path) => {
                    let pem = fs::read(path);
                    let pem =
                        pem.map_err(|error| fault(&format!("{}: {error}", path.display())))?;
                    tls.ca_certificate(Certificate::from_pem(pem))
                }
            };
            endpoint = endpoint.tls_config(tls).map_err(|error| fault(&error))?;
        }
        Ok(Self { endpoint, prefix, channel: Mutex::new(None) })
    }
}

/// Writes a part of a path or of a query, percent-encoded.
pub(crate) fn part(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            _ => write!(out, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    out
}

/// Writes a query of the words that are given, with its question mark.
pub(crate) fn query(words: &[(&str, Option<String>)]) -> String {
    let given = words.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<String> = given.map(|(name, value)| format!("{name}={}", part(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_an_address_is_encoded() {
        assert_eq!(part("a/ж?%"), "a%2F%D0%B6%3F%25");
        let words =
            [("stream", Some("a b".to_owned())), ("state", None), ("limit", Some("3".to_owned()))];
        assert_eq!(query(&words), "?stream=a%20b&limit=3");
        assert_eq!(query(&words[1..2]), "");
    }

    #[test]
    fn only_the_one_who_is_there_leaves_an_address() {
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(str::to_owned).to_vec();
        let wire = Wire::new(&Settings { urls, ..Settings::default() }).unwrap();
        wire.leave(0);
        wire.leave(0);
        assert_eq!(wire.current(), 1);
        wire.leave(1);
        assert_eq!(wire.current(), 0);
    }
}
