//! Producers: named sources of numbered requests, for exactly-once (D-2).

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_types::{Epoch, ProducerId};

use crate::gate::Gate;
use crate::http::media::Document;
use crate::problem::{Code, Problem};

/// Asks for a producer's next epoch.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProducer {
    /// The source's own stable name: 1 to 128 characters of `[A-Za-z0-9._-]`.
    name: String,
}

/// A producer's identity for its next incarnation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProducerView {
    /// Send it as `X-Via-Producer`.
    producer: u64,
    /// Send it as `X-Via-Epoch`; older epochs are refused from now on.
    epoch: u32,
}

/// Opens a producer: a new epoch that fences off its earlier incarnations.
#[utoipa::path(post, path = "/api/v1/producers", operation_id = "open_producer", tag = "ingest", request_body = NewProducer,
    responses((status = 200, description = "The producer's next epoch", body = ProducerView)))]
pub(crate) async fn open(gate: Gate, body: Document) -> Result<Json<ProducerView>, Problem> {
    let NewProducer { name } = body.object(Code::BadRequest)?;
    let deed = gate.deed().await?;
    let (id, epoch) = gate.control().open_producer_by(deed, gate.tenant(), &name).await?;
    Ok(opened(id, epoch))
}

/// Answers a producer's incarnation.
pub(crate) fn opened(id: ProducerId, epoch: Epoch) -> Json<ProducerView> {
    Json(ProducerView { producer: id.get(), epoch: epoch.get() })
}
