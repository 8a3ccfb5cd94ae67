//! The interface described for people: the OpenAPI document, a page that shows
//! it without the internet, and what each problem means. Nothing here is data
//! of a tenant.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::{Path, Request};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use utoipa::ToSchema;

use crate::ingest::refusal::RowCode;
use crate::problem::{Code, Problem, fate_word};
use crate::routes;

const PAGE: &str = include_str!("docs.html");

/// A failure, as in RFC 9457.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema only: Problem writes the document")]
pub(crate) struct ProblemDocument {
    /// Where this kind is described: `/problems/{code}`.
    r#type: String,
    /// What kind it is, in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// The stable code.
    code: String,
    /// `rejected`: surely not applied, do not repeat. `retry`: surely not
    /// applied, repeat after `retry_after_ms`. `unknown`: may have been applied,
    /// repeat with the same sequence.
    fate: String,
    /// How long to wait before repeating; with `retry`.
    retry_after_ms: Option<u64>,
    /// The configuration's revision now; with `stale_revision`.
    current_revision: Option<u64>,
    /// Events that were applied before the failure; with `unknown`.
    accepted_before_failure: Option<u64>,
    /// Names the request in the node's log.
    request_id: String,
}

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| routes::document().to_json().expect("the document is plain data"));

/// Answers with the OpenAPI 3.1 document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "get_openapi", tag = "operate",
    responses((status = 200, description = "This document", content_type = "application/json", body = Object)))]
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// Shows the interface in a browser.
#[utoipa::path(get, path = "/api/v1/docs", operation_id = "get_docs", tag = "operate",
    responses((status = 200, description = "A page", content_type = "text/html", body = str)))]
pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// Lists every problem and every reason for refusing an event.
#[utoipa::path(get, path = "/problems", operation_id = "list_problems", tag = "operate",
    responses((status = 200, description = "A page", content_type = "text/html", body = str)))]
pub(crate) async fn problems() -> Html<String> {
    let mut body = String::from("<h1>Problems</h1><p>Requests that fail as a whole.</p><dl>");
    for code in Code::ALL {
        describe(*code, &mut body);
    }
    body.push_str(
        "</dl><h1>Refused events</h1><p>Reasons given per event, beside a success.</p><dl>",
    );
    for code in RowCode::ALL {
        let _ = write!(body, "<dt><code>{}</code></dt><dd>{}</dd>", code.name(), code.help());
    }
    body.push_str("</dl>");
    Html(wrap("VIA: problems", &body))
}

/// Describes one problem.
#[utoipa::path(get, path = "/problems/{code}", operation_id = "get_problem", tag = "operate",
    params(("code" = String, Path, description = "A problem's code")),
    responses((status = 200, description = "A page", content_type = "text/html", body = str)))]
pub(crate) async fn problem(Path(name): Path<String>) -> Result<Html<String>, Problem> {
    let known = Code::ALL.iter().find(|code| code.name() == name);
    let code = known.ok_or_else(|| Problem::new(Code::NotFound, "there is no such problem"))?;
    let mut body = String::from("<dl>");
    describe(*code, &mut body);
    body.push_str("</dl><p><a href=\"/problems\">All problems</a></p>");
    Ok(Html(wrap(code.title(), &body)))
}

fn describe(code: Code, out: &mut String) {
    let (name, status, grpc) = (code.name(), code.status().as_u16(), code.grpc());
    let (title, help, fate) = (code.title(), code.help(), fate_word(code.fate()));
    let _ = write!(
        out,
        "<dt id=\"{name}\"><code>{name}</code> — {title}</dt>\
         <dd>{help}<br><small>HTTP {status} · gRPC {grpc:?} · usually {fate}</small></dd>"
    );
}

fn wrap(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>\
         :root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:46rem;margin:2rem auto;padding:0 1rem}}dt{{margin-top:1rem;font-weight:600}}\
         dd{{margin:0}}</style>{body}</html>"
    )
}

/// Pages may load nothing from elsewhere and may not be framed; no answer is
/// taken for another type than it says. A page that says itself what it may
/// load has its word.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        assert!(PAGE.len() < 100_000);
        for outside in ["http://", "https://", "src=\"", "@import", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }

    #[tokio::test]
    async fn every_problem_has_its_page() {
        for code in Code::ALL {
            let page = problem(Path(code.name().to_owned())).await.expect("known");
            assert!(page.0.contains(code.title()));
        }
        assert!(problem(Path("nonsense".to_owned())).await.is_err());
        let Html(all) = problems().await;
        assert!(RowCode::ALL.iter().all(|code| all.contains(code.name())));
    }
}
