//! The web application at `/`: files from whoever the node was given, with what
//! browsers may do with them. Knows no page.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::gate::Gate;
use crate::options::File;
use crate::problem::{Code, Problem};

/// Code and styles come in files of this node, never within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Shows the web application.
#[utoipa::path(get, path = "/", operation_id = "get_site", tag = "operate",
    responses((status = 200, description = "A page", content_type = "text/html", body = str)))]
pub(crate) async fn page(gate: Gate, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&gate, "", &headers)
}

/// Answers with a file of the web application.
#[utoipa::path(get, path = "/assets/{name}", operation_id = "get_site_file", tag = "operate",
    params(("name" = String, Path, description = "A file that the page names")),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = [u8])))]
pub(crate) async fn file(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&gate, &format!("assets/{name}"), &headers)
}

fn answer(gate: &Gate, path: &str, asked: &HeaderMap) -> Result<Response, Problem> {
    let text = |name: header::HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let accepted = text(header::ACCEPT_ENCODING).unwrap_or("");
    let found = gate.options().site.and_then(|site| site(path, accepted));
    let file = found.ok_or_else(|| Problem::new(Code::NotFound, "there is no such file"))?;
    let known = text(header::IF_NONE_MATCH).unwrap_or("");
    let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.body.clone()).into_response(),
    };
    describe(&file, response.headers_mut());
    Ok(response)
}

fn describe(file: &File, headers: &mut HeaderMap) {
    let keep = match file.is_immutable {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut set = |name, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, file.content_type);
    set(header::CACHE_CONTROL, keep);
    set(header::VARY, "Accept-Encoding");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if let Some(encoding) = file.encoding {
        set(header::CONTENT_ENCODING, encoding);
    }
    if let Ok(tag) = HeaderValue::from_str(&file.etag) {
        headers.insert(header::ETAG, tag);
    }
}
