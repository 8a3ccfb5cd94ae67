//! How much of bodies and batches is held in memory at a time, all requests
//! together (invariant D-6). A request waits its turn, but not for ever: a few
//! greedy clients then fail instead of stopping everybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

/// Bytes per permit: semaphores count in u32.
const UNIT: usize = 1_024;
/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(5);

/// The budget.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    room: Arc<Semaphore>,
    most: usize,
}

/// Room held by one request or batch until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Makes a budget of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(most)), most }
    }

    /// Makes `grant` cover at least `bytes`, waiting for others to finish.
    pub(crate) async fn cover(&self, grant: &mut Grant, bytes: usize) -> Result<(), Problem> {
        let wanted = bytes.div_ceil(UNIT).min(self.most);
        let missing = wanted.saturating_sub(grant.units());
        if missing == 0 {
            return Ok(());
        }
        let permits = u32::try_from(missing).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        let permit = match tokio::time::timeout(PATIENCE, room).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(Problem::new(Code::ShuttingDown, "no more is taken in")),
            Err(_) => {
                let words = "the memory for requests in flight is used up by others";
                return Err(Problem::new(Code::Overloaded, words));
            }
        };
        match &mut grant.permit {
            Some(held) => held.merge(permit),
            None => grant.permit = Some(permit),
        }
        Ok(())
    }
}

impl Grant {
    fn units(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_room_and_gives_up_in_time() {
        let admission = Admission::new(10 * UNIT);
        let mut first = Grant::default();
        admission.cover(&mut first, 4 * UNIT).await.expect("room");
        admission.cover(&mut first, 8 * UNIT).await.expect("grows");
        let mut second = Grant::default();
        let problem = admission.cover(&mut second, 3 * UNIT).await.expect_err("no room");
        assert_eq!(problem.code, Code::Overloaded);
        drop(first);
        admission.cover(&mut second, 3 * UNIT).await.expect("room again");
    }

    #[tokio::test]
    async fn a_request_larger_than_the_budget_takes_all_of_it() {
        let admission = Admission::new(2 * UNIT);
        let mut grant = Grant::default();
        admission.cover(&mut grant, 100 * UNIT).await.expect("clamped");
        assert_eq!(grant.units(), 2);
    }
}
