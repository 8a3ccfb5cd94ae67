//! The web application, as browsers are told to treat it.

use bytes::Bytes;
use via_gateway::File;

use crate::rig::Rig;

/// An application of a page and one file.
pub(crate) fn site(path: &str, accepted: &str) -> Option<File> {
    let content_type = match path {
        "" => "text/html; charset=utf-8",
        "assets/{name}" | "assets/a-1.js" => "text/javascript; charset=utf-8",
        _ => return None,
    };
    let packed = accepted.contains("br");
    Some(File {
        content_type,
        encoding: packed.then_some("br"),
        is_immutable: !path.is_empty(),
        etag: format!("\"{path}{packed}\""),
        body: Bytes::from_static(if packed { b"packed" } else { b"plain" }),
    })
}

#[tokio::test]
async fn the_page_is_asked_for_again_and_what_is_hashed_is_kept() {
    let rig = Rig::guarded().await;
    let page = rig.get("/").await;
    assert_eq!((page.status, &*page.body), (200, &b"plain"[..]));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(page.header("vary"), Some("Accept-Encoding"));
    let policy = page.header("content-security-policy").expect("set");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let file = rig.get("/assets/a-1.js").await;
    assert!(file.header("cache-control").is_some_and(|it| it.contains("immutable")));
    assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
    rig.get("/assets/b.js").await.problem(404, "not_found");
    rig.get("/assets/a/b.js").await.problem(404, "not_found");
    rig.send("POST", "/", &[], b"").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn it_comes_in_an_encoding_that_is_taken_and_not_again_when_it_is_known() {
    let rig = Rig::guarded().await;
    let packed = rig.send("GET", "/", &[("Accept-Encoding", "gzip, br")], b"").await;
    assert_eq!((packed.header("content-encoding"), &*packed.body), (Some("br"), &b"packed"[..]));
    let tag = packed.header("etag").expect("set").to_owned();
    let known = [("Accept-Encoding", "gzip, br"), ("If-None-Match", &*tag)];
    let again = rig.send("GET", "/", &known, b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(&*tag));
    let plain = rig.send("GET", "/", &[("If-None-Match", &tag)], b"").await;
    assert_eq!(plain.status, 200, "another encoding is another content");
}
