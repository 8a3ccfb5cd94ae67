//! Every route of the one port, and the document that describes them: both come
//! from the same list, so neither can know a route that the other does not.

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::{RefOr, Response as Described, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use via_proto::v1::ingest_server::IngestServer;
use via_proto::v1::tuning_server::TuningServer;

use crate::access::guard;
use crate::gate::Gate;
use crate::grpc;
use crate::health;
use crate::http::{
    audit, cluster, detections, docs, edge, entities, events, feed, feedback, grants, history,
    keys, overrides, plans, producers, repeat, review, roles, sessions, site, stats, streams,
    suppressions, tenants, usage, users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "VIA",
        description = "Anomaly detection for every entity of a stream of events. Failures are \
            application/problem+json (RFC 9457); /problems describes each code. gRPC \
            (via.v1.Ingest, via.v1.Tuning) is served on the same port.",
    ),
    tags(
        (name = "ingest", description = "Events in"),
        (name = "query", description = "Detections and profiles out"),
        (name = "streams", description = "Streams and their configuration"),
        (name = "cluster", description = "Nodes and shards"),
        (name = "access", description = "Who you are, who else is there, and who did what"),
        (name = "tenants", description = "Who is served, and how much of it"),
        (name = "operate", description = "Health, counts and metrics"),
    ),
    components(schemas(docs::ProblemDocument, usage::Format))
)]
struct Base;

/// Returns the routes whose changes are the catalog's: each says why it is
/// asked for, and may be repeated under a key.
fn repeatable() -> OpenApiRouter<Gate> {
    let mut routes = OpenApiRouter::new()
        .routes(routes!(streams::list, streams::create))
        .routes(routes!(streams::configure))
        .routes(routes!(history::revert))
        .routes(routes!(overrides::show, overrides::put, overrides::delete))
        .routes(routes!(producers::open))
        .routes(routes!(sessions::end))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::show, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(users::reset_password))
        .routes(routes!(roles::list))
        .routes(routes!(roles::put, roles::delete))
        .routes(routes!(suppressions::list, suppressions::create))
        .routes(routes!(suppressions::delete))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show, tenants::change))
        .routes(routes!(grants::list, grants::open))
        .routes(routes!(grants::close))
        .routes(routes!(grants::revoke))
        .routes(routes!(plans::put))
        .layer(from_fn(repeat::listen));
    for item in routes.get_openapi_mut().paths.paths.values_mut() {
        let operations = [&mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let known = operation.parameters.get_or_insert_default();
            known.extend(repeat::parameters().map(RefOr::T));
        }
    }
    routes
}

/// Returns the documented routes; without state, so that it can be inspected.
pub(crate) fn documented() -> OpenApiRouter<Gate> {
    let queries = repeatable()
        .routes(routes!(streams::show))
        .routes(routes!(entities::show, entities::reset))
        .routes(routes!(entities::series))
        .routes(routes!(overrides::list))
        .routes(routes!(history::list))
        .routes(routes!(history::validate))
        .routes(routes!(review::show))
        .routes(routes!(grants::own))
        .routes(routes!(plans::list))
        .routes(routes!(tenants::own))
        .routes(routes!(detections::list))
        .routes(routes!(detections::show))
        .routes(routes!(feedback::say, feedback::take_back))
        .routes(routes!(sessions::begin, sessions::list))
        .routes(routes!(sessions::whoami))
        .routes(routes!(sessions::change_password))
        .routes(routes!(audit::list))
        .routes(routes!(audit::head))
        .routes(routes!(audit::checkpoint))
        .routes(routes!(audit::inclusion))
        .routes(routes!(audit::consistency))
        .routes(routes!(audit::export))
        .routes(routes!(stats::show))
        .routes(routes!(usage::show))
        .routes(routes!(cluster::status))
        .routes(routes!(cluster::nodes))
        .routes(routes!(cluster::shards))
        .routes(routes!(cluster::drain))
        .routes(routes!(cluster::undrain))
        .routes(routes!(cluster::remove))
        .routes(routes!(cluster::transfer))
        .routes(routes!(cluster::rebalance))
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::page))
        .routes(routes!(docs::problems))
        .routes(routes!(docs::problem))
        .routes(routes!(site::page))
        .routes(routes!(site::file))
        .layer(DefaultBodyLimit::max(edge::DOCUMENT_BYTES))
        .layer(from_fn(edge::short))
        .layer(from_fn(edge::deadline));
    let unbounded = OpenApiRouter::new()
        .routes(routes!(events::write))
        .routes(routes!(events::score))
        .routes(routes!(feed::follow))
        // These read their bodies themselves, piece by piece.
        .layer(DefaultBodyLimit::disable());
    let vital = OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics));
    OpenApiRouter::with_openapi(Base::openapi()).merge(queries).merge(unbounded).merge(vital)
}

/// Returns the OpenAPI document: every route, and its failures.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = documented().into_openapi();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let failures = operation.responses.responses.entry("default".to_owned());
            failures.or_insert_with(|| RefOr::T(failure()));
        }
    }
    document
}

fn failure() -> Described {
    let schema = utoipa::openapi::Ref::from_schema_name("ProblemDocument");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description("Failed; the code says why and the fate what to believe")
        .content(crate::problem::MEDIA_TYPE, content)
        .build()
}

/// Returns everything that is served.
pub(crate) fn router(gate: Gate, sessions: TaskTracker) -> Router {
    let bytes = gate.options().message_bytes;
    let ingest = IngestServer::new(grpc::Door::new(gate.clone(), sessions.clone()))
        .max_decoding_message_size(bytes)
        .max_encoding_message_size(bytes);
    let tuning = TuningServer::new(grpc::tuning::Desk::new(gate.clone()))
        .max_decoding_message_size(bytes)
        .max_encoding_message_size(bytes);
    let (http, _) = documented().split_for_parts();
    http.with_state(gate.clone())
        .route_service("/via.v1.Ingest/{method}", ingest)
        .route_service("/via.v1.Tuning/{method}", tuning)
        .fallback(edge::nowhere)
        .layer(Extension(sessions))
        .layer(Extension(gate.clone()))
        .layer(from_fn_with_state(gate.clone(), guard::guard))
        .layer(from_fn(docs::secure))
        .layer(from_fn_with_state(gate, edge::edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_3_1_and_every_operation_names_its_failures() {
        let document = serde_json::to_value(document()).expect("JSON");
        assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() >= 18, "{}", paths.len());
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("operations") {
                let default = &operation["responses"]["default"];
                assert!(
                    default["content"][crate::problem::MEDIA_TYPE].is_object(),
                    "{method} {path}"
                );
                assert!(operation["tags"][0].is_string(), "{method} {path}");
            }
        }
        assert!(document["components"]["schemas"]["ProblemDocument"].is_object());
    }
}
