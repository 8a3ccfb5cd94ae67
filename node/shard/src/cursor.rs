//! Opaque positions handed to clients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_types::ShardId;

use crate::Error;

/// A position that only this crate reads: of a listing or of the live feed. As
/// text it is URL-safe base64 of a checked envelope (invariant D-7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub(crate) Position);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// A listing by time: the last index key shown.
    Time { key: Vec<u8> },
    /// A listing by score: the last score's bits and key shown.
    Score { bits: u64, key: Vec<u8> },
    /// The feed: per shard, the last entry and change seen.
    Feed { seen: BTreeMap<ShardId, (u64, u32)> },
}

impl Cursor {
    /// Returns it as URL-safe text of at most a few hundred characters.
    pub fn to_text(&self) -> String {
        use base64::Engine as _;
        let bytes = via_codec::encode(Kind::Cursor, &self.0);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`Error::BadCursor`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Error::BadCursor("it is not base64".into()))?;
        via_codec::decode(Kind::Cursor, &bytes)
            .map(Self)
            .map_err(|_| Error::BadCursor("it was damaged or made by another version".into()))
    }
}
