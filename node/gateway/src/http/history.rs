//! What a stream said of its configuration, and when: who set it, why, what was
//! different; taken back, or tried without changing anything. A revert is a
//! change like any other, from the revision that was read (invariant C-1).

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use via_catalog::command::RevertStreamConfig;
use via_catalog::{Author, Edition, Outcome, View};
use via_types::Revision;

use crate::gate::Gate;
use crate::http::config_schema::ConfigDocument;
use crate::http::media::Document;
use crate::http::streams::{based_on, check, said, tagged, unchanged_since};
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// One difference between two configurations.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ChangeView {
    /// Where: a JSON pointer (RFC 6901).
    path: String,
    /// What was said there before; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What is said there now; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// What a stream said at one revision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EditionView {
    /// The revision that set it.
    revision: u64,
    /// Whether it is what the stream says now.
    is_current: bool,
    /// Who set it, as records name them.
    by: String,
    /// By what that user logs in, or what that key is called; absent for others,
    /// and for who is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When, RFC 3339.
    at: String,
    /// Why, in their words; may be empty.
    reason: String,
    /// What it said.
    #[schema(value_type = ConfigDocument)]
    own: Value,
    /// What was different before; absent when the one before is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<ChangeView>>,
}

/// The history of a stream's configuration, the newest first. The newest
/// hundred are kept, within 128 KiB.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EditionList {
    /// What it said.
    items: Vec<EditionView>,
}

/// To where a configuration is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revert {
    /// A revision of the history.
    to: u64,
}

/// What would follow from a configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialView {
    /// How events would be judged.
    #[schema(value_type = ConfigDocument)]
    config: Value,
    /// What would be different from what the stream says now.
    changes: Vec<ChangeView>,
}

fn read(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
    })
}

/// Tells what is different, by place.
fn differences(before: &Value, after: &Value) -> Vec<ChangeView> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), "", &mut found);
    found
}

fn compare(before: Option<&Value>, after: Option<&Value>, path: &str, found: &mut Vec<ChangeView>) {
    if before == after {
        return;
    }
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
        let (before, after) = (before.cloned(), after.cloned());
        found.push(ChangeView { path: path.to_owned(), before, after });
        return;
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let step = key.replace('~', "~0").replace('/', "~1");
        compare(old.get(key), new.get(key), &format!("{path}/{step}"), found);
    }
}

/// Returns what an author of the tenant is called.
pub(crate) fn name(gate: &Gate, view: &View, author: Author) -> Option<String> {
    let home = Some(gate.tenant());
    match author {
        Author::User { user, .. } => {
            let user = view.user(user).filter(|user| user.tenant == home);
            user.map(|user| user.login.clone())
        }
        Author::ApiKey { key, .. } => {
            let key = view.api_key(key).filter(|key| key.tenant == home);
            key.map(|key| key.name.clone())
        }
        Author::Node(_) | Author::Unknown | Author::Console(_) => None,
    }
}

/// Lists what a stream said of its configuration.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/config/history", operation_id = "list_stream_config_history", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name")),
    responses((status = 200, description = "Its history", body = EditionList)))]
pub(crate) async fn list(
    gate: Gate,
    Path(stream): Path<String>,
) -> Result<Json<EditionList>, Problem> {
    let stream = gate.newest_stream(&stream).await?;
    let view = gate.view();
    let mut items = Vec::new();
    let mut before: Option<Value> = None;
    for edition in view.history(stream.id) {
        let own = read(&edition.own)?;
        // What made the stream changed nothing.
        let nothing = || (edition.at == stream.created).then(Vec::new);
        let changes =
            before.as_ref().map_or_else(nothing, |before| Some(differences(before, &own)));
        before = Some(own.clone());
        items.push(EditionView {
            revision: edition.revision.get(),
            is_current: false,
            by: edition.author.to_string(),
            name: name(&gate, &view, edition.author),
            at: rfc3339(edition.at),
            reason: edition.reason.clone(),
            own,
            changes,
        });
    }
    items.reverse();
    // The defaults may have given the stream another revision since.
    items.iter_mut().take(1).for_each(|item| item.is_current = true);
    Ok(Json(EditionList { items }))
}

/// Makes a stream say again what it said at an earlier revision.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/config/revert", operation_id = "revert_stream_config", tag = "streams", request_body = Revert,
    params(("stream" = String, Path, description = "The stream's name"),
        ("If-Match" = String, Header, description = "The ETag of the configuration that was read")),
    responses((status = 200, description = "The stream as it is now", body = crate::http::streams::StreamView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn revert(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let Revert { to } = body.object(Code::BadRequest)?;
    let (stream, based_on) = unchanged_since(&gate, &name, Some(based_on(&headers)?)).await?;
    let view = gate.view();
    let edition: &Arc<Edition> = view.edition(stream.id, Revision::new(to)).ok_or_else(|| {
        let words = format!("revision {to} of stream {name:?} is not kept");
        Problem::new(Code::UnknownRevision, words)
    })?;
    // What was allowed then may not be now.
    check(&gate, &read(&edition.own)?)?;
    let revert =
        RevertStreamConfig { tenant: gate.tenant(), stream: stream.id, to: edition.revision };
    let deed = gate.deed().await?.based_on(based_on);
    let Outcome::Configured(stream) = gate.control().commit(deed, revert).await? else {
        return Err(Problem::new(Code::Internal, "the stream was not configured"));
    };
    tagged(StatusCode::OK, &stream)
}

/// Tells what would follow from a configuration, and changes nothing.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/config/validate", operation_id = "validate_stream_config", tag = "streams",
    params(("stream" = String, Path, description = "The stream's name")),
    request_body(content = ConfigDocument, description = "All that the stream would say itself"),
    responses((status = 200, description = "It is valid, and this would follow", body = TrialView)))]
pub(crate) async fn validate(
    gate: Gate,
    Path(name): Path<String>,
    body: Document,
) -> Result<Json<TrialView>, Problem> {
    let stream = gate.newest_stream(&name).await?;
    let own = said(body.bytes())?;
    let config = serde_json::to_value(check(&gate, &own)?).map_err(|error| {
        Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
    })?;
    Ok(Json(TrialView { config, changes: differences(&read(&stream.own)?, &own) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_by_place() {
        let before = json!({"explain": "full", "timing": {"lateness_secs": 5, "warmup_events": 9}});
        let after = json!({"timing": {"lateness_secs": 6, "warmup_events": 9}, "a/b": {"~": 1}});
        let told: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|it| (it.path, it.before, it.after))
            .collect();
        let expected = [
            ("/explain", Some(json!("full")), None),
            ("/timing/lateness_secs", Some(json!(5)), Some(json!(6))),
            ("/a~1b", None, Some(json!({"~": 1}))),
        ];
        assert_eq!(told, expected.map(|(path, old, new)| (path.to_owned(), old, new)));
        assert_eq!(differences(&after, &after), []);
    }
}
