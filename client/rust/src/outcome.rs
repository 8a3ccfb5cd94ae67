//! What a batch is when it is sent, and what became of it, whichever way it went.

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use via_proto::v1::{Origin, WriteRequest, WriteResponse};

use crate::columns;
use crate::error::Error;
use crate::numbering::Number;
use crate::types::{Refusal, Written};
use crate::wire::{Ask, part};

/// A batch that is ready to be sent.
pub(crate) enum Load {
    /// Over a stream of writes.
    Columns(Box<WriteRequest>),
    /// As lines of NDJSON, over HTTP: what the spool keeps is sent as it is kept.
    Lines { stream: String, body: Bytes },
}

impl Load {
    /// Returns an event's text, by its line from 1.
    pub(crate) fn text(&self, line: u64) -> String {
        let row = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        match self {
            Self::Columns(request) => columns::line(request, row),
            Self::Lines { body, .. } => {
                let text = body.split(|byte| *byte == b'\n').nth(row).unwrap_or_default();
                String::from_utf8_lossy(text).into_owned()
            }
        }
    }
}

/// Makes the request for lines of a stream under a number.
pub(crate) fn ask_for_lines(stream: &str, body: Bytes, number: Option<Number>) -> Ask {
    let mut headers = Vec::new();
    if let Some(Number { producer, epoch, sequence }) = number {
        headers.push(("x-via-producer", producer.to_string()));
        headers.push(("x-via-epoch", epoch.to_string()));
        headers.push(("x-via-sequence", sequence.to_string()));
    }
    Ask {
        method: Method::POST,
        path: format!("/api/v1/streams/{}/events", part(stream)),
        body: Some(("application/x-ndjson", body)),
        headers,
        within: std::time::Duration::ZERO,
    }
}

/// Reads the counts of an answer over HTTP.
pub(crate) fn written(answer: &[u8]) -> Result<Written, Error> {
    serde_json::from_slice(answer).map_err(|_| Error::lost("the answer cannot be read"))
}

/// Reads the counts of an answer on a stream of writes.
pub(crate) fn of_response(response: WriteResponse) -> Written {
    let refusals = response.refusals.into_iter().map(|refusal| Refusal {
        line: u64::from(refusal.row) + 1,
        code: refusal.code,
        reason: refusal.reason,
    });
    Written {
        accepted: response.accepted.into(),
        duplicates: response.duplicates.into(),
        refused: response.refused.into(),
        refusals: refusals.collect(),
    }
}

pub(crate) fn origin(number: Number) -> Origin {
    let Number { producer, epoch, sequence } = number;
    Origin { producer, epoch, sequence }
}

/// Reads the identity with which a name was opened.
pub(crate) fn identity(answer: &[u8]) -> Option<(u64, u32)> {
    let json: Value = serde_json::from_slice(answer).ok()?;
    Some((json["producer"].as_u64()?, u32::try_from(json["epoch"].as_u64()?).ok()?))
}
