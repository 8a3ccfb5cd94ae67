//! Plans, and quotas as documents show them. Refuses to know who is on a plan.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::Quotas;

use crate::gate::Gate;
use crate::problem::Problem;

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How much of each thing; what is left out has no bound of its own.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct QuotasDocument {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                $name: Option<u64>,
            )*
        }

        impl From<Quotas> for QuotasDocument {
            fn from(Quotas { $($name,)* }: Quotas) -> Self {
                Self { $($name,)* }
            }
        }

        impl From<QuotasDocument> for Quotas {
            fn from(QuotasDocument { $($name,)* }: QuotasDocument) -> Self {
                Self { $($name,)* }
            }
        }
    };
}

quotas! {
    /// Events in a second, sustained.
    events_per_second,
    /// Events at once, above what is sustained.
    events_burst,
    /// Entities with a profile.
    entities,
    /// Streams.
    streams,
    /// Users.
    users,
    /// Live API keys.
    api_keys,
    /// Requests to the API in a second.
    requests_per_second,
    /// Detections that are stored.
    detections,
    /// How long detections are stored, seconds.
    retention_seconds,
    /// Live feeds at a time.
    subscribers,
    /// Bytes of one request.
    request_bytes,
}

/// A plan that tenants may be on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanView {
    /// Its name.
    name: String,
    /// What it gives.
    quotas: QuotasDocument,
    /// The revision that set it; 0 for one as it is built in.
    revision: u64,
}

/// Every plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanList {
    /// The plans.
    items: Vec<PlanView>,
}

/// Lists the plans that tenants may be on.
#[utoipa::path(get, path = "/api/v1/plans", operation_id = "list_plans", tag = "tenants",
    responses((status = 200, description = "Every plan", body = PlanList)))]
pub(crate) async fn list(gate: Gate) -> Result<Json<PlanList>, Problem> {
    gate.control().read_barrier().await?;
    let plans = gate.view().plans().into_iter();
    let items = plans.map(|plan| PlanView {
        name: plan.name,
        quotas: plan.quotas.into(),
        revision: plan.revision.get(),
    });
    Ok(Json(PlanList { items: items.collect() }))
}
