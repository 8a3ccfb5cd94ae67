//! The audit log of where the caller belongs: read page by page, its signed
//! head, proofs, and exports that anybody checks without this node. Reading
//! opens what is sealed of persons; proofs and exports keep it sealed.

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use via_catalog::command::{Decided, Happened, Record};
use via_catalog::{Digest, Personal, TrailId};

use crate::gate::Gate;
use crate::problem::{Code, Problem};

/// Most records on one page.
const PAGE: u64 = 1_000;

/// Which records are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The index of the first; the oldest is 0.
    from: u64,
    /// At most so many, 1 to 1,000; default 100.
    limit: u64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { from: 0, limit: 100 }
    }
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordView {
    /// Its place in the log.
    index: u64,
    /// Who did what, when, in which request, what was before and after; absent
    /// when it is so old that only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    record: Option<Value>,
    /// What concerns a person, such as the address it came from; absent when
    /// nothing does, or the person's key is destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<String>,
}

/// A page of records, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordList {
    /// The records.
    items: Vec<RecordView>,
    /// Send it as `from` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// What a log is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeadView {
    /// Its size and root, as a signed note (C2SP).
    head: String,
    /// The key that checks it.
    key: String,
}

/// What is to be exported.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Exported {
    /// The index of the first record; default 0.
    from: u64,
    /// The size of the log that the export leads to; when left out, its size now.
    /// At most 4,096 records are exported at once.
    size: Option<u64>,
}

/// Which record is to be proved.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Proved {
    /// Its index.
    index: u64,
}

/// From where on it is to be proved that the log only grew.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Grown {
    /// The size of the log in an earlier head, at least 1.
    from: u64,
}

/// That the log has a record (RFC 6962, section 2.1.1).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InclusionView {
    /// The record's place in the log.
    index: u64,
    /// The record, of whose bytes the leaf is the hash; absent when it is so old
    /// that only the leaf is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The hashes that lead from its leaf to the root, in base64.
    hashes: Vec<String>,
    /// The log's signed head, which has the size and the root.
    head: String,
    /// The key that checks the head.
    key: String,
}

/// That the log continues what it was (RFC 6962, section 2.1.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsistencyView {
    /// The size that it had.
    from: u64,
    /// The hashes that lead from the root then to the root now, in base64.
    hashes: Vec<String>,
    /// The log's signed head, which has the size and the root now.
    head: String,
    /// The key that checks the head.
    key: String,
}

fn trail(gate: &Gate) -> TrailId {
    TrailId::of(gate.caller().home())
}

/// Shows a record, and what of it concerns a person.
fn shown(gate: &Gate, index: u64, text: Option<&str>) -> RecordView {
    let record: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let bytes = |name: &str| unhex(record.as_ref()?[name].as_str()?);
    let subject = bytes("subject").and_then(|bytes| bytes.try_into().ok()).map(Digest::new);
    let sealed = bytes("personal").filter(|sealed| !sealed.is_empty());
    let personal = subject.zip(sealed).map(|(subject, sealed)| Personal { subject, sealed });
    let personal = personal.and_then(|personal| gate.control().unseal(&personal));
    RecordView { index, record, personal }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let digits = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect()
}

/// Lists records of the tenant's log; for an operator, of the platform's.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "list_audit", tag = "access", params(Wanted),
    responses((status = 200, description = "A page of records", body = RecordList)))]
pub(crate) async fn list(
    gate: Gate,
    Query(Wanted { from, limit }): Query<Wanted>,
) -> Result<Json<RecordList>, Problem> {
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::new(Code::BadParameter, "limit: it must be from 1 to 1,000"));
    }
    gate.control().read_barrier().await?;
    // One more tells whether there is more.
    let mut page = gate.control().audit_page(trail(&gate), from, limit + 1).await?;
    let next = page.get(limit as usize).map(|(index, _)| *index);
    page.truncate(limit as usize);
    let items = page.iter().map(|(index, text)| shown(&gate, *index, text.as_deref()));
    Ok(Json(RecordList { items: items.collect(), next }))
}

/// Shows what the log is now, signed: whoever keeps it will see whether the log
/// was changed or cut off since.
#[utoipa::path(get, path = "/api/v1/audit/head", operation_id = "get_audit_head", tag = "access",
    responses((status = 200, description = "The signed head", body = HeadView)))]
pub(crate) async fn head(gate: Gate) -> Result<Json<HeadView>, Problem> {
    gate.control().read_barrier().await?;
    let head = gate.control().audit_head(trail(&gate))?;
    let key = gate.control().audit_key()?.to_string();
    Ok(Json(HeadView { head, key }))
}

/// Shows what the log is now as the signed note alone (C2SP tlog-checkpoint), for
/// programs that watch logs.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", operation_id = "get_audit_checkpoint", tag = "access",
    responses((status = 200, description = "The signed note", body = str, content_type = "text/plain; charset=utf-8")))]
pub(crate) async fn checkpoint(gate: Gate) -> Result<Response, Problem> {
    gate.control().read_barrier().await?;
    Ok(gate.control().audit_head(trail(&gate))?.into_response())
}

/// Proves that the log has a record.
#[utoipa::path(get, path = "/api/v1/audit/proofs/inclusion", operation_id = "prove_audit_inclusion", tag = "access", params(Proved),
    responses((status = 200, description = "The proof", body = InclusionView)))]
pub(crate) async fn inclusion(
    gate: Gate,
    Query(Proved { index }): Query<Proved>,
) -> Result<Json<InclusionView>, Problem> {
    let control = gate.control();
    control.read_barrier().await?;
    let proof = control.audit_inclusion(trail(&gate), index).await?;
    let proof = proof.ok_or_else(|| {
        Problem::new(Code::BadParameter, format!("index: the log has no record {index} yet"))
    })?;
    let text = control.audit_page(trail(&gate), index, 1).await?.pop();
    Ok(Json(InclusionView {
        index,
        text: text.and_then(|(_, text)| text),
        hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        head: proof.head,
        key: control.audit_key()?.to_string(),
    }))
}

/// Proves that the log has only grown since it had an earlier size: whoever kept
/// the head of then checks that nothing was changed.
#[utoipa::path(get, path = "/api/v1/audit/proofs/consistency", operation_id = "prove_audit_consistency", tag = "access", params(Grown),
    responses((status = 200, description = "The proof", body = ConsistencyView)))]
pub(crate) async fn consistency(
    gate: Gate,
    Query(Grown { from }): Query<Grown>,
) -> Result<Json<ConsistencyView>, Problem> {
    let control = gate.control();
    control.read_barrier().await?;
    let proof = control.audit_consistency(trail(&gate), from).await?;
    let proof = proof.filter(|_| from > 0).ok_or_else(|| {
        Problem::new(Code::BadParameter, format!("from: the log never had {from} records"))
    })?;
    Ok(Json(ConsistencyView {
        from,
        hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        head: proof.head,
        key: control.audit_key()?.to_string(),
    }))
}

/// Exports records with everything that is needed to check them elsewhere: lines
/// of JSON, of which the last is the signed head. That it was exported is
/// recorded first.
#[utoipa::path(get, path = "/api/v1/audit/export", operation_id = "export_audit", tag = "access", params(Exported),
    responses((status = 200, description = "The export", body = str, content_type = "application/x-ndjson")))]
pub(crate) async fn export(
    gate: Gate,
    Query(Exported { from, size }): Query<Exported>,
) -> Result<Response, Problem> {
    let deed = gate.deed().await?;
    let happened = Happened {
        tenant: gate.caller().home(),
        by: deed.by,
        at: deed.at,
        action: "export_audit".to_owned(),
        object: String::new(),
        decision: Decided::Done,
        request: deed.request.clone(),
        reason: String::new(),
        personal: deed.personal.clone(),
    };
    gate.control().commit(deed, Record { happened: vec![happened] }).await?;
    let export = gate.control().audit_export(trail(&gate), from, size).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.ndjson\""),
    ];
    Ok((headers, export.text()).into_response())
}
