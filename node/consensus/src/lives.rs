//! The lives of a group on this node. A replica that has left and comes back
//! begins with an empty log, under another number in the node's log, and keeps
//! the vote of the life before: what it once promised still holds. Called by the
//! host.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use via_codec::Kind;
use via_storage::{Log, Slot};
use via_types::GroupId;

use crate::Error;

/// Numbers of groups are below it; each life adds it once.
const LIFE: u32 = 1 << 20;

/// A group's newest life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// Under which number the node's log keeps it.
    pub(crate) number: GroupId,
    /// The replica has left; what is kept of it may go.
    pub(crate) has_ended: bool,
}

/// Returns the newest life of `group`; none when it was never here.
///
/// # Errors
/// [`Error::Unreadable`]: whether it has left cannot be told (invariant D-7).
pub(crate) fn newest(log: &dyn Log, group: GroupId) -> Result<Option<Life>, Error> {
    let of_group = |number: &GroupId| number.get() % LIFE == group.get();
    let Some(number) = log.groups().into_iter().filter(of_group).max() else {
        return Ok(None);
    };
    let has_ended = match log.get(number, Slot::Identity) {
        None => false,
        Some(bytes) => via_codec::decode(Kind::HardState, &bytes).map_err(|error| {
            Error::Unreadable { what: "end of a replica", source: error.into() }
        })?,
    };
    Ok(Some(Life { number, has_ended }))
}

/// Returns the number of the life that goes on, or begins.
///
/// # Errors
/// The log failed or cannot be read.
pub(crate) async fn begin(log: &Arc<dyn Log>, group: GroupId) -> Result<GroupId, Error> {
    let before = match newest(&**log, group)? {
        None => return Ok(group),
        Some(Life { number, has_ended: false }) => return Ok(number),
        Some(Life { number, has_ended: true }) => number,
    };
    let number = GroupId::new(before.get() + LIFE);
    if let Some(vote) = log.get(before, Slot::Vote) {
        put(log, number, Slot::Vote, vote).await?;
    }
    Ok(number)
}

/// Ends the life that goes on, durably; says whether there was one.
///
/// # Errors
/// The log failed or cannot be read.
pub(crate) async fn end(log: &Arc<dyn Log>, group: GroupId) -> Result<bool, Error> {
    let Some(Life { number, has_ended: false }) = newest(&**log, group)? else {
        return Ok(false);
    };
    put(log, number, Slot::Identity, via_codec::encode(Kind::HardState, &true).into()).await?;
    Ok(true)
}

/// Deletes the entries of the life that has ended, if it has.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn discard(log: &dyn Log, group: GroupId) -> Result<(), Error> {
    if let Some(Life { number, has_ended: true }) = newest(log, group)?
        && let Some((_, last)) = log.bounds(number)
    {
        log.purge(number, last);
    }
    Ok(())
}

async fn put(log: &Arc<dyn Log>, number: GroupId, slot: Slot, value: Bytes) -> Result<(), Error> {
    let (told, done) = oneshot::channel();
    log.put(number, slot, value, Box::new(move |result| drop(told.send(result))));
    let closed = |_| Error::Log("the log was closed".into());
    done.await.map_err(closed)?.map_err(|error| Error::Log(error.into()))
}

#[cfg(test)]
mod tests {
    use via_storage::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn a_replica_that_comes_back_has_an_empty_log_and_keeps_its_vote() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let group = GroupId::new(7);
        assert_eq!(begin(&log, group).await.unwrap(), group);
        assert!(!end(&log, group).await.unwrap(), "it was never here");
        put(&log, group, Slot::Vote, Bytes::from_static(b"vote")).await.unwrap();
        log.append(group, vec![(1, Bytes::from_static(b"entry"))], Box::new(|_| ()));
        assert_eq!(begin(&log, group).await.unwrap(), group, "a restart goes on");
        assert!(end(&log, group).await.unwrap());
        assert!(newest(&*log, group).unwrap().unwrap().has_ended);
        discard(&*log, group).unwrap();
        assert_eq!(log.bounds(group), None);

        let again = begin(&log, group).await.unwrap();
        assert_ne!(again, group);
        assert_eq!(log.get(again, Slot::Vote).unwrap(), "vote");
        assert_eq!(log.bounds(again), None);
        assert!(!newest(&*log, group).unwrap().unwrap().has_ended);
        assert_eq!(newest(&*log, GroupId::new(8)).unwrap(), None, "another group's");
    }
}
