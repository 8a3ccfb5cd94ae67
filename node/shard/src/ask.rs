//! Questions to a shard's leader, wherever it is: asked here or over one hop,
//! again while leadership moves. What may have been done is not asked twice
//! unless that is harmless (invariant D-5).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use via_types::entry::Command;
use via_types::profile::{ProfileView, SeriesPoint};
use via_types::{DetectionId, EntityHash, Fate, ShardId, StreamId, TenantId};

use crate::Error;
use crate::deed::Deed;
use crate::handle::Handle;
use crate::query::Recorded;
use crate::request::Request;
use crate::route::{self, Place, Search};
use crate::seats::Seat;
use crate::wire::{Answer, Call, Question, Refusal, Told};

/// How long one question to one node may take; then its leader is looked for anew.
const QUESTION: Duration = Duration::from_secs(2);

/// How long a leader that has been succeeded may still answer when the same may
/// not be asked again.
const GRACE: Duration = Duration::from_millis(500);

impl Handle {
    /// Returns what is known of an entity; none when it was never seen.
    ///
    /// # Errors
    /// When nobody that leads its shard answers, or the store fails.
    pub async fn profile(
        &self,
        stream: StreamId,
        entity: &str,
    ) -> Result<Option<ProfileView>, Error> {
        let shard = EntityHash::of(stream, entity).shard(self.shards());
        let question = Question::Profile { stream, entity: entity.to_owned() };
        let told = self.ask(shard, question).await?;
        if let Told::Profile(profile) = told { Ok(profile) } else { Err(unexpected(shard, &told)) }
    }

    /// Returns the entity's recent past in at most `max_points` buckets, oldest
    /// first; none when it was never seen.
    ///
    /// # Errors
    /// As [`Self::profile`].
    pub async fn series(
        &self,
        stream: StreamId,
        entity: &str,
        max_points: usize,
    ) -> Result<Option<Vec<SeriesPoint>>, Error> {
        let shard = EntityHash::of(stream, entity).shard(self.shards());
        let points = u32::try_from(max_points).unwrap_or(u32::MAX);
        let question = Question::Series { stream, entity: entity.to_owned(), points };
        let told = self.ask(shard, question).await?;
        if let Told::Series(series) = told { Ok(series) } else { Err(unexpected(shard, &told)) }
    }

    /// Returns one recorded detection of `tenant`, and what was said of it.
    ///
    /// # Errors
    /// As [`Self::profile`].
    pub async fn detection(
        &self,
        tenant: TenantId,
        id: DetectionId,
    ) -> Result<Option<Recorded>, Error> {
        if id.shard.get() >= self.shards() {
            return Ok(None);
        }
        let told = self.ask(id.shard, Question::Detection { tenant, id }).await?;
        if let Told::Detection(found) = told {
            Ok(*found)
        } else {
            Err(unexpected(id.shard, &told))
        }
    }

    /// Has a shard's leader do something.
    pub(crate) async fn order(&self, shard: ShardId, command: Command) -> Result<Told, Error> {
        self.ask(shard, Question::Deed(command)).await
    }

    /// Asks the shard's leader, looking for it until the time is over.
    pub(crate) async fn ask(&self, shard: ShardId, question: Question) -> Result<Told, Error> {
        let mut search = Search::new(shard, self.inner.options.write_deadline);
        loop {
            match self.find(&search) {
                Place::Here(seat) => match self.answer_here(&seat, question.clone()).await {
                    Err(error) if is_elsewhere(&error) && self.inner.links.is_some() => {}
                    answered => return answered,
                },
                Place::There(node) => {
                    let deed = matches!(question, Question::Deed(_));
                    let patience = if deed { search.left() } else { search.left().min(QUESTION) };
                    let call = Call::<()>::Ask { shard, question: question.clone() };
                    let grace = if question.is_repeatable() { Duration::ZERO } else { GRACE };
                    let asked = async {
                        let request = route::encoded(&call)?;
                        self.call_leader((shard, node), request, patience, grace).await
                    };
                    match asked.await {
                        Ok(Answer::Told(told)) => return Ok(told),
                        Ok(Answer::Refused(Refusal::Elsewhere(hint))) => {
                            self.correct(shard, node, hint);
                        }
                        Ok(Answer::Refused(refusal)) => {
                            return Err(refusal.into_error(shard, node));
                        }
                        Ok(_) => return Err(misunderstood(shard)),
                        Err(error) => {
                            self.inner.hints.forget(shard, node);
                            let is_safe = matches!(error.fate(), Fate::Retry(_));
                            if !is_safe && !question.is_repeatable() {
                                let what = error.to_string();
                                return Err(Error::Unknown { shard, what });
                            }
                        }
                    }
                }
                Place::Nowhere => {}
            }
            search.pause().await?;
        }
    }

    /// Answers as the leader of the shard.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] when this node does not lead it.
    pub(crate) async fn answer_here(
        &self,
        seat: &Arc<Seat>,
        question: Question,
    ) -> Result<Told, Error> {
        let replica = &seat.replica;
        match question {
            Question::Profile { stream, entity } => {
                self.fresh(seat).await?;
                let hash = EntityHash::of(stream, &entity);
                let profile =
                    replica.with_profile(stream, hash, |engine| engine.profile(stream, hash))?;
                Ok(Told::Profile(profile))
            }
            Question::Series { stream, entity, points } => {
                self.fresh(seat).await?;
                let hash = EntityHash::of(stream, &entity);
                let points = points as usize;
                let series = replica
                    .with_profile(stream, hash, |engine| engine.series(stream, hash, points))?;
                Ok(Told::Series(series))
            }
            Question::Detection { tenant, id } => {
                let archive = replica.archive.clone();
                let shard = replica.shard;
                let read = via_consensus::aside(move || archive.recorded(tenant, id));
                let stopped = |_| Error::NotReady { shard, what: "a read was stopped".to_owned() };
                Ok(Told::Detection(Box::new(read.await.map_err(stopped)??)))
            }
            Question::Deed(command) => {
                let deed = deed(seat, command).await?;
                Ok(match deed {
                    Deed::Done => Told::Done,
                    Deed::Forgot(something) => Told::Forgot(something),
                    Deed::Taught(taught, at) => Told::Taught(taught, at),
                })
            }
            Question::Members => {
                self.fresh(seat).await?;
                let status = replica.group()?.status();
                if !status.settled {
                    let what = "its replicas are being changed".to_owned();
                    return Err(Error::NotReady { shard: replica.shard, what });
                }
                let voters = status.voters.into_iter().flatten();
                Ok(Told::Members(voters.chain(status.learners).collect()))
            }
        }
    }

    /// Waits for a linearizable barrier: everything acknowledged before is
    /// visible then.
    async fn fresh(&self, seat: &Arc<Seat>) -> Result<(), Error> {
        let shard = seat.replica.shard;
        let barrier = seat.replica.group()?.read_barrier().await;
        // A read changes nothing: whatever the reason, it may be tried again.
        barrier.map(drop).map_err(|error| {
            if let via_consensus::Error::NotLeader { leader, .. } = error {
                return Error::Elsewhere { shard, term: via_types::Term::default(), leader };
            }
            Error::NotReady { shard, what: error.to_string() }
        })
    }
}

fn is_elsewhere(error: &Error) -> bool {
    matches!(Refusal::of(error), Refusal::Elsewhere(_))
}

async fn deed(seat: &Arc<Seat>, command: Command) -> Result<Deed, Error> {
    let shard = seat.replica.shard;
    let (reply, answered) = oneshot::channel();
    let closed = || Error::NotReady { shard, what: "the node is shutting down".to_owned() };
    seat.door.send(Request::Deed { command, reply }).await.map_err(|_| closed())?;
    let lost = || Error::Unknown { shard, what: "the node is shutting down".to_owned() };
    answered.await.map_err(|_| lost())?
}

fn misunderstood(shard: ShardId) -> Error {
    Error::Unknown { shard, what: "it was answered like another question".to_owned() }
}

pub(crate) fn unexpected(shard: ShardId, told: &Told) -> Error {
    tracing::error!(%shard, ?told, "an answer does not fit its question");
    misunderstood(shard)
}
