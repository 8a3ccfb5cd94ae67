//! Whether a request with a cookie was made by a page of this node: a browser
//! adds cookies to what any page sends (cross-site request forgery). Knows
//! headers only.

use http::{HeaderMap, Method, header};

/// Says whether a request with a cookie is to be believed: one that only looks
/// is; one that changes something, or opens a WebSocket, must come from a page
/// of this node, as the browser tells.
pub(crate) fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    let is_look = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_look && !headers.contains_key(header::UPGRADE) {
        return true;
    }
    is_of_own_page(headers)
}

/// Says whether the browser tells that a page of this node made the request.
pub(crate) fn is_of_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text("origin"), text("host")) else { return false };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_changes_something_must_come_from_a_page_of_this_node() {
        for (headers, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://via"), ("host", "via")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://via:8080"), ("host", "VIA:8080")], true),
            (&[("origin", "https://via.evil"), ("host", "via")], false),
            (&[("origin", "null"), ("host", "via")], false),
            (&[("host", "via")], false),
        ] {
            assert_eq!(is_own(&Method::POST, &said(headers)), own, "{headers:?}");
            assert!(is_own(&Method::GET, &said(headers)), "a look changes nothing");
        }
        let socket = said(&[("upgrade", "websocket"), ("origin", "http://evil"), ("host", "via")]);
        assert!(!is_own(&Method::GET, &socket), "a feed for another page");
    }
}
