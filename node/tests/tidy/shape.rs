//! How large things are: files, functions, parameter lists and module headers.

use super::function::Function;
use super::source::Source;

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const PARAMETERS: usize = 6;
const HEADER_LINES: usize = 5;

/// Returns files and functions beyond their limits.
pub(crate) fn sizes(source: &Source) -> Vec<String> {
    let mut offences = Vec::new();
    let length = source.code_lines().count();
    if length > FILE_LINES {
        let path = &source.path;
        offences.push(format!(
            "{path}: {length} lines without its tests, of at most {FILE_LINES}: find the missing idea and give it a file"
        ));
    }
    for function in &source.functions {
        if function.length > FUNCTION_LINES {
            offences.push(format!(
                "{}: fn {} has {} lines, of at most {FUNCTION_LINES}: split it by meaning",
                function.place, function.name, function.length
            ));
        }
    }
    offences
}

/// Returns functions with too many parameters, and public ones with a `bool`.
pub(crate) fn parameters(source: &Source) -> Vec<String> {
    let mut offences = Vec::new();
    for Function { place, name, parameters, takes_bool, is_public, .. } in &source.functions {
        if *parameters > PARAMETERS {
            offences.push(format!(
                "{place}: fn {name} takes {parameters} parameters, of at most {PARAMETERS}: group those that belong together"
            ));
        }
        if *takes_bool && *is_public && !source.is_test {
            offences.push(format!(
                "{place}: pub fn {name} takes a bare bool: say what it means with an enum"
            ));
        }
    }
    offences
}

/// Returns an offence when the file does not begin by saying what it owns.
pub(crate) fn header(source: &Source) -> Vec<String> {
    let path = &source.path;
    let is_doc = |line: &&str| line.starts_with("//!");
    let paragraph =
        source.text.lines().take_while(|line| is_doc(line) && line.trim_end() != "//!").count();
    match paragraph {
        0 if source.is_test && !path.contains("/tests/") => Vec::new(),
        0 => vec![format!(
            "{path}:1: begin with a `//!` paragraph: what it owns, what it refuses to know"
        )],
        1..=HEADER_LINES => Vec::new(),
        long => vec![format!(
            "{path}:1: the first paragraph has {long} lines, of at most {HEADER_LINES}: say less, or start a second one"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::sample;
    use super::*;

    fn body(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn refuses_long_functions() {
        assert_eq!(sizes(&sample(&body(70))).len(), 0);
        assert_eq!(sizes(&sample(&body(71))).len(), 1);
        let method = format!("impl A {{\n{}}}", body(71));
        assert_eq!(sizes(&sample(&method)).len(), 1);
    }

    #[test]
    fn refuses_long_files_but_not_for_their_tests() {
        let code = "const A: u8 = 0;\n".repeat(500);
        assert_eq!(sizes(&sample(&code)).len(), 0);
        let with_tests = format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(sizes(&sample(&with_tests)).len(), 0);
        assert_eq!(sizes(&sample(&format!("{code}const B: u8 = 0;\n"))).len(), 1);
    }

    #[test]
    fn refuses_a_seventh_parameter() {
        let six = "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}";
        assert_eq!(parameters(&sample(six)).len(), 0);
        let seven = "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}";
        assert_eq!(parameters(&sample(seven)).len(), 1);
    }

    #[test]
    fn refuses_a_bare_bool_in_what_others_call() {
        assert_eq!(parameters(&sample("fn f(a: bool) {}")).len(), 0);
        assert_eq!(parameters(&sample("pub fn f() -> bool { true }")).len(), 0);
        assert_eq!(parameters(&sample("pub fn f(a: bool) {}")).len(), 1);
        assert_eq!(parameters(&sample("impl A { pub fn f(&self, a: bool) {} }")).len(), 1);
        assert_eq!(parameters(&sample("pub trait A { fn f(&self, a: bool); }")).len(), 1);
        assert_eq!(parameters(&sample("trait A { fn f(&self, a: bool); }")).len(), 0);
    }

    #[test]
    fn refuses_a_missing_or_windy_header() {
        assert_eq!(header(&sample("//! Owns a.\n")).len(), 0);
        assert_eq!(header(&sample("fn a() {}\n")).len(), 1);
        assert_eq!(header(&sample(&"//! Words.\n".repeat(6))).len(), 1);
        let two = format!("//! Owns a.\n//!\n{}", "//! | table |\n".repeat(9));
        assert_eq!(header(&sample(&two)).len(), 0);
    }
}
