//! Plans, made and changed by operators, and quotas as documents show them.
//! Refuses to know who is on a plan.

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::PutPlan;
use via_catalog::{Outcome, Plan, PlanId, Quotas};
use via_types::Revision;

use crate::gate::Gate;
use crate::http::media::{self, Document};
use crate::http::streams::based_on;
use crate::problem::{Code, Problem};

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

impl From<Plan> for PlanView {
    fn from(Plan { name, quotas, revision, .. }: Plan) -> Self {
        Self { name, quotas: quotas.into(), revision: revision.get() }
    }
}

/// What a plan is to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanChange {
    /// What it gives; what is left out has no bound.
    quotas: QuotasDocument,
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
    let items = gate.view().plans().into_iter().map(PlanView::from);
    Ok(Json(PlanList { items: items.collect() }))
}

/// Makes a plan, or changes what one gives; at once, for every tenant on it.
#[utoipa::path(put, path = "/api/v1/plans/{plan}", operation_id = "put_plan", tag = "tenants", request_body = PlanChange,
    params(("plan" = String, Path, description = "The plan's name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the plan, its revision in quotes; left out to make one")),
    responses((status = 200, description = "The plan as it is now", body = PlanView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn put(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let PlanChange { quotas } = body.object(Code::BadRequest)?;
    gate.control().read_barrier().await?;
    let plans = gate.view().plans();
    let (id, revision) = match plans.iter().find(|plan| plan.name == name) {
        Some(there) => (there.id, based_on(&headers)?),
        None if headers.contains_key(header::IF_MATCH) => {
            let shown: String = name.chars().take(128).collect();
            let words = format!("there is no plan {shown:?}");
            return Err(Problem::new(Code::UnknownPlan, words));
        }
        // Of two that are made at once with one number, the second is stale.
        None => {
            let last = plans.iter().map(|plan| plan.id.get()).max().unwrap_or_default();
            (PlanId::new(last.saturating_add(1)), Revision::default())
        }
    };
    let deed = gate.deed().await?.based_on(revision);
    let put = PutPlan { id, name, quotas: quotas.into() };
    let Outcome::Plan(plan) = gate.control().commit(deed, put).await? else {
        return Err(Problem::new(Code::Internal, "the plan was not set"));
    };
    Ok(tagged(&plan))
}

/// Answers a plan with its revision.
pub(crate) fn tagged(plan: &Plan) -> Response {
    let revision = plan.revision.get();
    media::tagged(StatusCode::OK, revision, PlanView::from(plan.clone()))
}
