//! The README begins with a program that is built and run.

#[test]
fn the_readme_begins_with_the_program_that_is_run() {
    let page = include_str!("../README.md");
    let (_, program) = include_str!("../examples/start.rs").split_once("\n\n").unwrap();
    let shown = page.split("```").nth(1).unwrap().strip_prefix("rust\n").unwrap();
    assert_eq!(shown, program);
    assert!(program.lines().count() <= 5);
}
