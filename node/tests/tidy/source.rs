//! One Rust file, parsed: its text, its tokens, and which lines are tests.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;

use super::function::{Function, functions};

/// A Rust file of the workspace.
pub(crate) struct Source {
    /// Its path from the top of the repository.
    pub(crate) path: String,
    /// The package it belongs to.
    pub(crate) package: String,
    /// Its whole text.
    pub(crate) text: String,
    /// Every token, also those inside macro calls.
    pub(crate) words: Vec<Word>,
    /// Its functions.
    pub(crate) functions: Vec<Function>,
    /// Modules in other files that exist in tests only.
    pub(crate) test_modules: Vec<String>,
    /// First and last line of each item that exists in tests only.
    tests: Vec<(usize, usize)>,
    /// All of it exists in tests only.
    pub(crate) is_test: bool,
}

/// One token and the line it stands on.
pub(crate) struct Word {
    /// The token's text.
    pub(crate) text: String,
    /// Its line, from 1.
    pub(crate) line: usize,
}

impl Source {
    /// Parses a file; panics on text that is not Rust, naming the file.
    pub(crate) fn parse(path: &str, package: &str, text: &str) -> Self {
        let file = match syn::parse_file(text) {
            Ok(file) => file,
            Err(error) => panic!("{path}:{}: {error}", error.span().start().line),
        };
        let tests = file.items.iter().filter(|item| is_for_tests(item)).map(lines).collect();
        let is_test = path.contains("/tests/") || path.contains("/benches/");
        Self {
            path: path.into(),
            package: package.into(),
            text: text.into(),
            words: words(text),
            functions: functions(path, &file),
            test_modules: file.items.iter().filter_map(test_module).collect(),
            tests,
            is_test,
        }
    }

    /// Says whether `line` is compiled in tests only.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Returns the numbered lines that are not tests.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        numbered.filter(|(number, _)| !self.is_test_line(*number))
    }
}

fn words(text: &str) -> Vec<Word> {
    let tokens = text.parse().expect("a parsed file is made of tokens");
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    words
}

fn test_module(item: &syn::Item) -> Option<String> {
    let syn::Item::Mod(module) = item else { return None };
    (module.content.is_none() && is_for_tests(item)).then(|| module.ident.to_string())
}

fn flatten(tokens: TokenStream, words: &mut Vec<Word>) {
    for token in tokens {
        let line = token.span().start().line;
        let text = match token {
            TokenTree::Group(group) => {
                words.push(Word { text: opening(group.delimiter()).into(), line });
                flatten(group.stream(), words);
                continue;
            }
            TokenTree::Ident(ident) => ident.to_string(),
            TokenTree::Punct(punct) => punct.to_string(),
            TokenTree::Literal(literal) => literal.to_string(),
        };
        words.push(Word { text, line });
    }
}

fn opening(delimiter: proc_macro2::Delimiter) -> &'static str {
    match delimiter {
        proc_macro2::Delimiter::Parenthesis => "(",
        proc_macro2::Delimiter::Brace => "{",
        proc_macro2::Delimiter::Bracket => "[",
        proc_macro2::Delimiter::None => "",
    }
}

/// Returns the first and last line of a piece of syntax, attributes included.
pub(crate) fn lines(item: &impl Spanned) -> (usize, usize) {
    let span = item.span();
    (span.start().line, span.end().line)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list of Rust's items is not ours")]
fn is_for_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        let words = |list: &syn::MetaList| list.tokens.to_string();
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.meta.require_list().map(words).is_ok_and(|cfg| cfg == "test"))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample(text: &str) -> Source {
        Source::parse("node/sample/src/lib.rs", "via-sample", text)
    }

    #[test]
    fn knows_tests_from_code() {
        let source = sample("fn a() {}\n#[cfg(test)]\nmod tests {\nfn b() {}\n}\nfn c() {}\n");
        let code: Vec<usize> = source.code_lines().map(|(line, _)| line).collect();
        assert_eq!(code, [1, 6]);
        assert!(Source::parse("node/tests/x.rs", "via-node", "fn a() {}").is_test_line(1));
        assert!(!sample("#[cfg(not(test))]\nfn a() {}").is_test_line(2));
    }

    #[test]
    fn finds_tokens_inside_macro_calls() {
        let source = sample("fn a() {\n  assert!(b::c());\n}\n");
        assert!(source.words.iter().any(|word| word.text == "c" && word.line == 2));
    }
}
