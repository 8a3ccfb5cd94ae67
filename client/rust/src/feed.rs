//! The live feed: typed messages from a cursor on, across lost connections. Reads
//! server-sent events; knows nothing of what detections mean.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::core::Core;
use crate::error::{Error, Fate};
use crate::types::Message;
use crate::wire::Ask;

/// Messages read ahead of whoever follows.
const AHEAD: usize = 16;
/// The longest line of the feed, bytes: beyond it the connection is given up.
const LINE: usize = 4 << 20;

/// The messages of the live feed; ends when it is dropped or the client is closed.
pub struct Feed {
    messages: mpsc::Receiver<Result<Message, Error>>,
    cursor: Option<String>,
}

impl Feed {
    pub(crate) fn begin(core: &Arc<Core>, from: Option<&str>, query: String) -> Self {
        let (told, messages) = mpsc::channel(AHEAD);
        let cursor = from.map(str::to_owned);
        let follower = Follower {
            core: Arc::clone(core),
            told,
            query,
            cursor: cursor.clone(),
            greeted: false,
        };
        core.begin(follower.follow());
        Self { messages, cursor }
    }

    /// Waits for the next message; none when the feed has ended. An error is
    /// [`Error::Rejected`], a cursor that the node does not take for instance, and
    /// the last.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        let message = self.messages.recv().await;
        self.taken(message)
    }

    /// The same for threads that may block.
    pub(crate) fn next_blocking(&mut self) -> Option<Result<Message, Error>> {
        let message = self.messages.blocking_recv();
        self.taken(message)
    }

    fn taken(&mut self, message: Option<Result<Message, Error>>) -> Option<Result<Message, Error>> {
        if let Some(Ok(message)) = &message {
            self.cursor = Some(message.cursor().to_owned());
        }
        message
    }

    /// Returns where to resume: everything before it was returned.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

struct Follower {
    core: Arc<Core>,
    told: mpsc::Sender<Result<Message, Error>>,
    query: String,
    cursor: Option<String>,
    greeted: bool,
}

/// Why a connection is no longer read.
enum End {
    /// Nobody follows any more.
    Left,
    Failed {
        error: Error,
        has_spoken: bool,
    },
}

impl Follower {
    async fn follow(mut self) {
        let sender = Arc::clone(&self.core.sender);
        let mut patience = sender.patience();
        loop {
            let address = sender.wire.current();
            let told = self.told.clone();
            let end = tokio::select! {
                () = told.closed() => return,
                end = self.once(address) => end,
            };
            let End::Failed { error, has_spoken } = end else { return };
            if error.fate() == Fate::Rejected {
                drop(self.told.send(Err(error)).await);
                return;
            }
            if has_spoken {
                patience = sender.patience();
            }
            tokio::select! {
                () = told.closed() => return,
                _ = sender.pause(&mut patience, address, error, None) => {}
            }
        }
    }

    /// Follows one connection to its end.
    async fn once(&mut self, address: usize) -> End {
        let mut has_spoken = false;
        match self.read(address, &mut has_spoken).await {
            Ok(()) => End::Left,
            Err(error) => End::Failed { error, has_spoken },
        }
    }

    async fn read(&mut self, address: usize, has_spoken: &mut bool) -> Result<(), Error> {
        let wire = &self.core.sender.wire;
        let mut headers = vec![("accept", "text/event-stream".to_owned())];
        headers.extend(self.cursor.clone().map(|cursor| ("last-event-id", cursor)));
        let path = format!("/api/v1/live{}", self.query);
        let ask = Ask { method: Method::GET, path, body: None, headers, within: Duration::ZERO };
        let opened = tokio::time::timeout(wire.timeout, wire.open(address, ask)).await;
        let opened = opened.unwrap_or_else(|_| Err(Error::lost("no answer within the timeout")));
        let (head, mut body) = opened?.into_parts();
        if !head.status.is_success() {
            let said = body.collect().await.map_err(|status| Error::lost(status.to_string()))?;
            return Err(Error::of_answer(head.status, &head.headers, &said.to_bytes()));
        }
        let mut lines = Lines::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|status| Error::lost(status.to_string()))?;
            lines.take(frame.data_ref().map_or(&[][..], |data| data.as_ref()))?;
            while let Some(message) = lines.next()? {
                *has_spoken = true;
                if !self.tell(message).await {
                    return Ok(());
                }
            }
        }
        Err(Error::lost("the feed ended"))
    }

    /// Passes a message on; says no when nobody follows any more.
    async fn tell(&mut self, message: Message) -> bool {
        self.cursor = Some(message.cursor().to_owned());
        if matches!(message, Message::Hello { .. }) && std::mem::replace(&mut self.greeted, true) {
            return true;
        }
        self.told.send(Ok(message)).await.is_ok()
    }
}

/// Server-sent events, cut out of what arrives.
#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    data: String,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() + self.data.len() > LINE {
            return Err(Error::lost("a message of the feed is too long"));
        }
        Ok(())
    }

    /// Returns the next message that is complete.
    fn next(&mut self) -> Result<Option<Message>, Error> {
        while let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.waiting.drain(..=end).collect();
            let unreadable = || Error::lost("a message of the feed cannot be read");
            let line =
                str::from_utf8(&line).map_err(|_| unreadable())?.trim_end_matches(['\r', '\n']);
            if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if line.is_empty() && !self.data.is_empty() {
                let data = std::mem::take(&mut self.data);
                return serde_json::from_str(&data).map(Some).map_err(|_| unreadable());
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAID: &str = ": alive\r\n\r\nid: c0\ndata: {\"type\":\"hello\",\ndata: \"cursor\":\"c0\"}\n\n\
        data:{\"type\":\"detection\",\"cursor\":\"c1\",\"change\":\"opened\",\"detection\":{\"entity\":\"ж\",\"new\":1}}\n\n\
        data: {\"type\":\"gap\",\"cursor\":\"c2\"}\n\ndata: {\"type\":\"gap\"";

    proptest! {
        #[test]
        fn messages_are_whole_wherever_they_were_cut(cuts in prop::collection::vec(1..40_usize, 1..40)) {
            let (mut lines, mut rest, mut cursors) = (Lines::default(), SAID.as_bytes(), Vec::new());
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (piece, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                lines.take(piece).unwrap();
                while let Some(message) = lines.next().unwrap() {
                    if let Message::Detection { detection, .. } = &message {
                        prop_assert_eq!(&detection.entity, "ж");
                    }
                    cursors.push(message.cursor().to_owned());
                }
                rest = later;
            }
            prop_assert_eq!(cursors, ["c0", "c1", "c2"]);
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = Lines::default();
        let result = (0..10).try_for_each(|_| lines.take(&[b'x'; 1 << 20]));
        assert!(result.is_err());
    }
}
