//! `Subscribe`: the live feed as a gRPC stream. Backed by the same subscription
//! as WebSocket and server-sent events; the transport's flow control is the
//! subscriber's bound.

use futures_util::stream;
use tonic::Status;
use via_proto::v1::subscribe_response::Item as Said;
use via_proto::v1::{Gap, SubscribeRequest, SubscribeResponse};

use super::{Answers, convert};
use crate::gate::Gate;
use crate::http::detections::filter;
use crate::live::{Item, Live};
use crate::problem::{Code, Problem};

enum State {
    /// The first message says where the feed begins: a client that is cut off
    /// before anything happened resumes there.
    Beginning(Box<Live>),
    Following(Box<Live>),
    Ended,
}

/// Opens a subscription for the request of that id.
pub(super) async fn run(
    gate: Gate,
    request: SubscribeRequest,
    id: String,
) -> Result<Answers<SubscribeResponse>, Problem> {
    let severity = Some(request.min_severity.as_str());
    let filter = filter(&gate, Some(&request.stream), None, severity)?;
    let live = Live::open(&gate, filter, Some(&request.cursor)).await?;
    let state = (gate, id, State::Beginning(Box::new(live)));
    Ok(Box::pin(stream::unfold(state, |(gate, id, state)| async move {
        let mut live = match state {
            State::Beginning(live) => {
                let hello = SubscribeResponse { cursor: live.cursor(), item: None };
                return Some((Ok(hello), (gate, id, State::Following(live))));
            }
            State::Following(live) => live,
            State::Ended => return None,
        };
        match live.next().await {
            Ok(Some(item)) => {
                let said = Ok(say(&gate, item));
                Some((said, (gate, id, State::Following(live))))
            }
            Ok(None) => {
                let words = "the node is shutting down; resume from the last cursor";
                let end: Result<_, Status> =
                    Err(Problem::new(Code::ShuttingDown, words).status(&id));
                Some((end, (gate, id, State::Ended)))
            }
            Err(problem) => Some((Err(problem.status(&id)), (gate, id, State::Ended))),
        }
    })))
}

fn say(gate: &Gate, item: Item) -> SubscribeResponse {
    match item {
        Item::Gap { cursor } => gap(cursor),
        Item::Change { change, cursor } => {
            let detection = convert::change(gate, &change);
            SubscribeResponse { cursor, item: Some(Said::Detection(detection)) }
        }
    }
}

/// Says that something is missing. What was trimmed is not there to be counted,
/// and a count over all tenants would tell one of the others.
fn gap(cursor: String) -> SubscribeResponse {
    SubscribeResponse { cursor, item: Some(Said::Gap(Gap { missed: 0 })) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_resumes_behind_itself_and_does_not_pretend_to_a_count() {
        let said = gap("f1.x".to_owned());
        assert_eq!(said.cursor, "f1.x");
        assert_eq!(said.item, Some(Said::Gap(Gap { missed: 0 })));
    }
}
