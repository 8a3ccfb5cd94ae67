//! Deeds on a shard's state that somebody asked for: forgetting an entity,
//! learning from a label. Owns how they are asked and answered; what they do is
//! the machine's. Called by the handle and the driver.

use tokio::sync::oneshot;
use via_types::entry::{Command, ShardEntry};
use via_types::feedback::{Label, Lesson, Taught};
use via_types::{DetectionId, EntityHash, LogIndex, ShardId, StreamId, TenantId, Timestamp};

use crate::Error;
use crate::driver::{Done, Driver};
use crate::handle::Handle;
use crate::query::Recorded;
use crate::request::Fate;
use crate::wire::Told;

/// What a deed came to.
#[derive(Debug)]
pub(crate) enum Deed {
    /// It was done; there is nothing to say.
    Done,
    /// Whether there was something to forget.
    Forgot(bool),
    /// What a label changed, and the index of its entry.
    Taught(Box<Taught>, LogIndex),
}

/// Who waits for a deed.
pub(crate) type Reply = oneshot::Sender<Result<Deed, Error>>;

/// A deed under way.
pub(crate) struct Asked {
    /// Profiles must not be saved before it is done.
    is_reset: bool,
    /// A profile that was about to be saved was left out for it.
    left_out: bool,
    reply: Reply,
}

/// What somebody says of a detection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The label; none takes back what was said before.
    pub label: Option<Label>,
    /// In the author's words.
    pub note: String,
    /// Who says it.
    pub author: String,
}

/// A detection that was labelled, and what that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The detection, with what is said of it now.
    pub recorded: Recorded,
    /// What the label changed for entities of the same shard as its own.
    pub taught: Taught,
}

impl Driver {
    /// Proposes what somebody asked for.
    pub(crate) async fn deed(&mut self, mut command: Command, reply: Reply) {
        if let Command::Label { stamp, .. } = &mut command {
            *stamp = self.now();
        }
        let (mut is_reset, mut left_out) = (false, false);
        if let Command::Reset { stream, entity } = &command {
            is_reset = true;
            let hash = EntityHash::of(*stream, entity);
            left_out = self.checkpoints.leave_out(*stream, hash);
        }
        match self.submit(&ShardEntry::Command(command), "deed").await {
            Ok(pending) => {
                self.resets += usize::from(is_reset);
                let asked = Asked { is_reset, left_out, reply };
                self.tasks.push(Box::pin(async move { Done::Deed(asked, pending.await) }));
            }
            Err(source) => {
                if left_out {
                    self.checkpoints.is_missing_one();
                }
                let _gone = reply.send(Err(Error::Consensus { shard: self.replica.shard, source }));
            }
        }
    }

    /// Answers whoever waits for a deed.
    pub(crate) fn done(&mut self, asked: Asked, fate: Fate) {
        self.resets -= usize::from(asked.is_reset);
        if asked.left_out && fate.is_err() {
            self.checkpoints.is_missing_one();
        }
        let shard = self.replica.shard;
        let lost = || {
            let what = "it was committed, but this node no longer executes the shard".to_owned();
            Error::Unknown { shard, what }
        };
        let result = fate
            .map_err(|source| Error::Consensus { shard, source })
            .and_then(|done| done.outcome.take::<Deed>().ok_or_else(lost));
        let _gone = asked.reply.send(result);
    }
}

impl Handle {
    /// Forgets what was learned of an entity; says whether there was something.
    ///
    /// # Errors
    /// See [`Error::fate`].
    pub async fn reset(&self, stream: StreamId, entity: &str) -> Result<bool, Error> {
        let shard = EntityHash::of(stream, entity).shard(self.shards());
        let told = self.order(shard, Command::Reset { stream, entity: entity.to_owned() }).await?;
        Ok(matches!(told, Told::Forgot(true)))
    }

    /// Keeps what somebody says of a detection of `tenant`, and lets its stream
    /// learn from it in every shard. Said again it changes nothing, so after an
    /// error it may be said again whatever became of it. None when there is no
    /// such detection.
    ///
    /// # Errors
    /// See [`Error::fate`].
    pub async fn label(
        &self,
        tenant: TenantId,
        id: DetectionId,
        said: Said,
    ) -> Result<Option<Labelled>, Error> {
        let Some(Recorded { detection, .. }) = self.detection(tenant, id).await? else {
            return Ok(None);
        };
        let lesson = via_engine::lesson(&detection, said.label, LogIndex::default());
        let stamp = Timestamp::MIN;
        let Said { label: _, note, author } = said;
        let command = Command::Label { lesson: Box::new(lesson.clone()), note, author, stamp };
        let lost = |what: &str| Error::Unknown { shard: id.shard, what: what.to_owned() };
        let Told::Taught(taught, version) = self.order(id.shard, command).await? else {
            return Err(lost("it was answered like another deed"));
        };
        let Some(recorded) = self.detection(tenant, id).await? else {
            return Ok(None);
        };
        self.teach_others(id.shard, Lesson { version, ..lesson }).await?;
        Ok(Some(Labelled { recorded, taught: *taught }))
    }

    /// Lets the other shards learn what was said in one: they hold entities of
    /// the same stream.
    async fn teach_others(&self, shard: ShardId, lesson: Lesson) -> Result<(), Error> {
        let others = (0..self.shards()).map(ShardId::new).filter(|other| *other != shard);
        let teach = |other| self.order(other, Command::Learn { lesson: Box::new(lesson.clone()) });
        futures_util::future::try_join_all(others.map(teach)).await.map(drop)
    }
}
