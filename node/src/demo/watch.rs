//! The node's live feed, read as a browser would: server-sent events become
//! sightings. Knows the feed's form, not what is done with a sighting.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::io::AsyncBufReadExt as _;
use tokio::sync::mpsc;
use via_types::Severity;

use super::door;

/// Longest line of the feed, bytes.
const LINE: usize = 1 << 20;

/// One detection as it was told just now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Sighting {
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) entity: String,
    #[serde(deserialize_with = "instant")]
    pub(crate) started: jiff::Timestamp,
    #[serde(deserialize_with = "instant")]
    pub(crate) peaked: jiff::Timestamp,
    pub(crate) score: f64,
    pub(crate) severity: Severity,
    pub(crate) reason: String,
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<jiff::Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// What the feed tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// A detection opened, grew or ended.
    Seen(Box<Sighting>),
    /// So many were not told here.
    Missed(u64),
}

/// Follows the feed of all streams until it ends or nobody listens.
///
/// # Errors
/// The feed cannot be opened, or says what cannot be understood.
pub(crate) async fn follow(node: SocketAddr, key: String, told: mpsc::Sender<Told>) -> Result<()> {
    let mut feed = door::follow(node, &key, "/api/v1/live").await?;
    let mut line = String::new();
    let mut data = String::new();
    loop {
        line.clear();
        if feed.read_line(&mut line).await.context("reading the live feed")? == 0 {
            return Ok(());
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if let Some(more) = text.strip_prefix("data:") {
            data.push_str(more.trim_start());
            data.push('\n');
            if data.len() > LINE {
                bail!("the live feed sent more than {LINE} bytes at once");
            }
        } else if text.is_empty() && !data.is_empty() {
            let item = read(data.trim_end())?;
            data.clear();
            if let Some(item) = item
                && told.send(item).await.is_err()
            {
                return Ok(());
            }
        }
    }
}

/// Reads one item of the feed; none when it is of no interest here.
fn read(data: &str) -> Result<Option<Told>> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Item {
        Detection {
            detection: Box<Sighting>,
        },
        Gap {
            missed: u64,
        },
        #[serde(other)]
        Other,
    }
    let item = serde_json::from_str(data).with_context(|| format!("the feed said {data}"))?;
    Ok(match item {
        Item::Detection { detection } => Some(Told::Seen(detection)),
        Item::Gap { missed } => Some(Told::Missed(missed)),
        Item::Other => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detection_is_read_and_what_is_unknown_is_passed_over() {
        let detection = r#"{"type":"detection","cursor":"c","detection":{"id":"d1-2-3",
            "stream":"net-flows","entity":"web-3","started":"2026-01-02T03:04:05Z",
            "peaked":"2026-01-02T03:04:06.5Z","score":0.9,"severity":"high",
            "reason":"many ports","state":"open"}}"#;
        let Some(Told::Seen(sighting)) = read(detection).unwrap() else { panic!("no sighting") };
        assert_eq!((sighting.id.as_str(), sighting.severity), ("d1-2-3", Severity::High));
        assert_eq!(sighting.peaked.as_millisecond() - sighting.started.as_millisecond(), 1_500);
        assert_eq!(read(r#"{"type":"gap","missed":3}"#).unwrap(), Some(Told::Missed(3)));
        assert_eq!(read(r#"{"type":"ping"}"#).unwrap(), None);
        assert!(read("nonsense").is_err());
    }
}
