//! The web application as it was built into the binary: pages and what they
//! load, compressed ahead of time. Knows no HTTP server and no other room; the
//! node hands it to the door.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What the build script left: files, and their compressed twins beside them.
#[derive(rust_embed::Embed)]
#[folder = "$OUT_DIR/site"]
struct Site;

/// A file as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// How it is compressed; none when it is plain.
    pub encoding: Option<&'static str>,
    /// Whether its name changes with its content, so that it may be kept for ever.
    pub is_immutable: bool,
    /// Names this content in this encoding, quoted.
    pub etag: String,
    /// The bytes.
    pub body: Cow<'static, [u8]>,
}

/// Returns the file at `path` (`index.html` for the empty one), in the best
/// encoding that the value of an `Accept-Encoding` header takes.
pub fn asset(path: &str, accepted: &str) -> Option<Asset> {
    let name = if path.is_empty() { "index.html" } else { path };
    // Compressed twins are answers, not addresses.
    let content_type = content_type(name)?;
    let twin = |(encoding, end): (&'static str, &str)| {
        let taken = takes(accepted, encoding);
        let file = taken.then(|| Site::get(&format!("{name}.{end}"))).flatten()?;
        Some((Some(encoding), file))
    };
    let (encoding, file) = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .find_map(twin)
        .or_else(|| Some((None, Site::get(name)?)))?;
    Some(Asset {
        content_type,
        encoding,
        is_immutable: name.starts_with("assets/"),
        etag: etag(&file.metadata.sha256_hash()),
        body: file.data,
    })
}

fn etag(hash: &[u8; 32]) -> String {
    let mut text = String::from("\"");
    for byte in &hash[..12] {
        let _ = write!(text, "{byte:02x}");
    }
    text + "\""
}

fn content_type(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => return None,
    })
}

/// Says whether an `Accept-Encoding` takes an encoding (RFC 9110, 12.5.3);
/// `*` is not asked, since whoever wants less says it by name.
fn takes(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let is_refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        });
        is_named && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_is_there_and_changes_its_tag_with_its_encoding() {
        let page = asset("", "").expect("there is always a page");
        assert_eq!((page.content_type, page.encoding), ("text/html; charset=utf-8", None));
        assert!(!page.is_immutable, "its name stays when it changes");
        let text = String::from_utf8_lossy(&page.body);
        assert!(text.contains("<title>VIA</title>"));
        for outside in ["http://", "https://", "//cdn"] {
            assert!(!text.contains(outside), "{outside}: it works without the internet");
        }
        if let Some(packed) = asset("index.html", "gzip, br").filter(|it| it.encoding.is_some()) {
            assert_eq!(packed.encoding, Some("br"));
            assert!(packed.etag != page.etag && packed.body.len() < page.body.len());
        }
    }

    #[test]
    fn what_is_hashed_may_be_kept_and_no_page_has_code_in_it() {
        let page = asset("", "").expect("there is always a page");
        let text = String::from_utf8_lossy(&page.body);
        for (_, rest) in text.match_indices("\"/assets/").map(|(at, _)| text.split_at(at + 2)) {
            let name = rest.split('"').next().expect("a quoted name");
            let file = asset(name, "br").expect("the page names what is there");
            assert!(file.is_immutable, "{name}");
        }
        assert!(!text.contains("<style") && !text.contains(" style="));
        assert!(text.matches("<script").all(|_| text.contains("<script type=\"module\"")));
    }

    #[test]
    fn nothing_else_is_there() {
        for odd in ["nonsense", "../Cargo.toml", "index.html.br", "assets/", "assets/../index.html"]
        {
            assert_eq!(asset(odd, "br"), None, "{odd}");
        }
    }

    #[test]
    fn an_encoding_is_taken_when_it_is_named_and_not_refused() {
        for (accepted, br) in [
            ("gzip, deflate, br, zstd", true),
            ("BR;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.0, gzip", false),
            ("brotli", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(takes(accepted, "br"), br, "{accepted}");
        }
    }
}
