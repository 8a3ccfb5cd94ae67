//! What a driver looks at before a batch may go into the log: whether its
//! producer was opened, and whether the log has its stream's configuration
//! (invariants C-1, D-2). Whether there is room is looked at in `relief`.

use std::sync::Arc;

use via_types::entry::{ShardEntry, StreamConfigured};
use via_types::{Batch, Revision, StreamId};

use crate::Error;
use crate::driver::{Done, Driver};

impl Driver {
    /// Refuses a batch whose producer's incarnation the catalog never opened: it
    /// would fence off, or pass for, one that will be; and one of an incarnation
    /// before the last opened, from the moment that is known (invariant D-2).
    pub(crate) fn opened(&self, batch: &Batch) -> Result<(), Error> {
        let Some(origin) = batch.origin else {
            return Ok(());
        };
        let view = self.view.borrow();
        let tenant = view.stream_by_id(batch.stream).map(|stream| stream.tenant);
        let known = view.producer(origin.producer).filter(|known| Some(known.tenant) == tenant);
        let given = origin.epoch;
        match known {
            Some(known) if given == known.epoch => Ok(()),
            Some(known) if given < known.epoch && given.get() > 0 => {
                Err(Error::Fenced { given, current: known.epoch })
            }
            Some(_) | None => Err(Error::NeverOpened { producer: origin.producer, given }),
        }
    }

    /// Returns the entry that gives the log the catalog's configuration of a
    /// stream; none when the log has it (C-1).
    fn outdated(&self, stream: StreamId) -> Result<Option<(Revision, ShardEntry)>, Error> {
        let view = Arc::clone(&self.view.borrow());
        let known = view.stream_by_id(stream).ok_or(Error::UnknownStream(stream))?;
        if self.configured.get(&stream).is_some_and(|revision| *revision >= known.revision) {
            return Ok(None);
        }
        let entry = ShardEntry::StreamConfig(StreamConfigured {
            stream,
            tenant: known.tenant,
            revision: known.revision,
            config: known.json.clone(),
        });
        Ok(Some((known.revision, entry)))
    }

    /// Makes sure that the log has the stream's configuration: events must not go
    /// before it, and it may be refused, so it is waited for.
    pub(crate) async fn configure(&mut self, stream: StreamId) -> Result<(), Error> {
        let Some((revision, entry)) = self.outdated(stream)? else { return Ok(()) };
        let shard = self.replica.shard;
        let failed = |source| Error::Consensus { shard, source };
        let pending = self.submit(&entry, "stream_config").await.map_err(failed)?;
        let committed = tokio::time::timeout(self.replica.options.write_deadline, pending).await;
        let late = |_elapsed| {
            let what = "its configuration was not committed in time".to_owned();
            Error::NotReady { shard, what }
        };
        committed.map_err(late)?.map_err(failed)?;
        self.configured.insert(stream, revision);
        Ok(())
    }

    /// Proposes changed configurations of streams that nobody writes to now.
    pub(crate) async fn configure_all(&mut self) {
        self.configured = self.replica.with(|state| {
            state.streams.values().map(|known| (known.stream, known.revision)).collect()
        });
        let streams: Vec<StreamId> = self.configured.keys().copied().collect();
        for stream in streams {
            // A stream that has left the catalog keeps its last configuration.
            let Ok(Some((_, entry))) = self.outdated(stream) else { continue };
            if let Ok(pending) = self.submit(&entry, "stream_config").await {
                self.tasks.push(Box::pin(async move { Done::Minor(pending.await) }));
            }
        }
    }
}
