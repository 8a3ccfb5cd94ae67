//! What templates do, line by line, against a naive model, and in a flood.

mod examples;
mod masking;
mod model;

use proptest::prelude::*;
use via_codec::{Kind, decode, encode};

use super::*;

const SOURCE: Source = Source(7);

/// Assigns lines; returns their ids, those of absorbed templates replaced.
pub(super) fn ids(templates: &mut Templates, lines: &[impl AsRef<[u8]>]) -> Vec<TemplateId> {
    let mut ids: Vec<TemplateId> = Vec::new();
    for line in lines {
        let id = templates.assign(SOURCE, line.as_ref()).id;
        let absorbed = templates.absorbed();
        ids.iter_mut().filter(|id| absorbed.contains(*id)).for_each(|old| *old = id);
        ids.push(id);
    }
    ids
}

/// Lines of few words, so that they meet often, with values in them.
pub(super) fn a_line() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "open",
        "close",
        "file",
        "user=bob",
        "user=eve",
        "user=",
        "a.conf",
        "B.conf",
        "12",
        "x7",
        "(none)",
        "by",
        "for",
        "alice",
        "carol",
        "dave",
        "erin",
        "frank",
        "grace",
        "status=ok",
    ]);
    prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_bytes_are_a_line(lines in prop::collection::vec(any::<Vec<u8>>(), 0..50)) {
        let mut templates = Templates::new(TemplateOptions::default());
        ids(&mut templates, &lines);
    }

    #[test]
    fn any_text_is_a_line(lines in prop::collection::vec("\\PC{0,80}", 0..50)) {
        let mut templates = Templates::new(TemplateOptions::default());
        for id in ids(&mut templates, &lines) {
            prop_assert!(templates.template(id).is_some());
        }
    }

    #[test]
    fn every_line_is_counted_once(lines in prop::collection::vec(a_line(), 1..300)) {
        let mut templates = Templates::new(TemplateOptions::default());
        let mut assigned = ids(&mut templates, &lines);
        let known: Vec<TemplateId> = templates.ids().collect();
        prop_assert_eq!(known.len(), templates.len());
        let counts = known.iter().map(|id| templates.template(*id).unwrap().lines);
        prop_assert_eq!(counts.sum::<u64>(), lines.len() as u64);
        assigned.sort();
        for id in known {
            let lines = assigned.iter().filter(|other| **other == id).count();
            prop_assert_eq!(templates.template(id).unwrap().lines, lines as u64);
        }
    }

    #[test]
    fn the_same_lines_give_the_same_templates_also_after_a_rest(
        lines in prop::collection::vec(a_line(), 2..200),
        rest in 0usize..200,
        most in 1usize..40,
    ) {
        let options = TemplateOptions { most_templates: most, ..TemplateOptions::default() };
        let (before, after) = lines.split_at(rest.min(lines.len()));
        let mut awake = Templates::new(options);
        let mut rested = Templates::new(options);
        ids(&mut awake, before);
        ids(&mut rested, before);
        let bytes = encode(Kind::Profile, &rested);
        let mut rested: Templates = decode(Kind::Profile, &bytes).unwrap();
        prop_assert_eq!(ids(&mut awake, after), ids(&mut rested, after));
        prop_assert_eq!(awake, rested);
    }

    #[test]
    fn never_more_than_asked_and_nothing_is_left_behind(
        lines in prop::collection::vec(a_line(), 1..400),
        most in 1usize..30,
    ) {
        let options = TemplateOptions { most_templates: most, ..TemplateOptions::default() };
        let mut templates = Templates::new(options);
        for line in &lines {
            let id = templates.assign(SOURCE, line.as_bytes()).id;
            prop_assert!(templates.template(id).is_some());
            prop_assert!(templates.len() <= most);
            prop_assert!(templates.clusters.len() <= most);
        }
        let all: Vec<u32> = templates.by_id.values().copied().collect();
        all.into_iter().for_each(|slot| drop(templates.forget(slot)));
        prop_assert_eq!(templates.tree, Tree::default());
    }
}

/// A stream of numbers that look random (Marsaglia's xorshift).
fn noise(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn a_flood_of_strange_lines_is_held_in_bounded_memory() {
    let mut templates = Templates::new(TemplateOptions::default());
    let mut next = noise(1);
    let mut line = String::new();
    let mut peak = 0;
    for _ in 0..20_000 {
        line.clear();
        for _ in 0..next() % 100 {
            let letters = (0..next() % 9 + 1).map(|_| (b'a' + (next() % 26) as u8) as char);
            line.extend(letters);
            line.push(' ');
        }
        templates.assign(SOURCE, line.as_bytes());
        peak = peak.max(templates.len());
    }
    assert!(peak <= 4096);
    assert!(templates.bytes() < 64 << 20, "{} bytes", templates.bytes());
}

#[test]
fn what_was_longest_unseen_is_forgotten_first() {
    let options = TemplateOptions { most_templates: 3, ..TemplateOptions::default() };
    let mut templates = Templates::new(options);
    let first = ids(&mut templates, &["alpha begins", "beta ends now", "gamma", "alpha begins"]);
    ids(&mut templates, &["delta is quite another line"]);
    assert!(templates.template(first[0]).is_some());
    assert!(templates.template(first[1]).is_none());
    assert!(templates.template(first[2]).is_some());
    let again = templates.assign(SOURCE, b"beta ends now");
    assert_eq!(again, Assigned { id: first[1], news: News::Novel });
}

#[test]
fn a_known_shape_takes_no_memory() {
    let mut templates = Templates::new(TemplateOptions::default());
    let lines = ["user alice logged in from 10.0.0.1 port 7", "x", "disk sda at 5 %"];
    ids(&mut templates, &lines);
    let room = |templates: &Templates| {
        let Scratch { shape, text, tokens } = &templates.scratch;
        (templates.bytes(), shape.capacity(), text.capacity(), tokens.bytes())
    };
    let before = room(&templates);
    for _ in 0..1000 {
        ids(&mut templates, &lines);
    }
    assert_eq!(room(&templates), before);
}

#[test]
fn sources_share_no_template() {
    let mut templates = Templates::new(TemplateOptions::default());
    let sources = [("web", "info"), ("web", "error"), ("db", "info"), ("we", "binfo")];
    let mut seen: Vec<TemplateId> = sources
        .iter()
        .map(|(service, severity)| {
            let source = Source::new(service, severity);
            templates.assign(source, b"connection 5 lost");
            templates.assign(source, b"connection 6 lost").id
        })
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn the_id_is_the_rhythm_hash_of_the_first_shape_and_stays() {
    let mut templates = Templates::new(TemplateOptions::default());
    let source = Source::new("sshd", "info");
    let first = templates.assign(source, b"session opened for user alice by (uid=0)");
    assert_eq!(first.news, News::Novel);
    let shape = b"session opened for user alice by (uid=<*>)";
    let seed = xxh3_64_with_seed(b"info", xxh3_64(b"sshd"));
    assert_eq!(first.id.get(), xxh3_64_with_seed(shape, seed));
    let second = templates.assign(source, b"session opened for user bob by (uid=0)");
    assert_eq!(second, Assigned { id: first.id, news: News::General });
    let third = templates.assign(source, b"session opened for user bob by (uid=1000)");
    assert_eq!(third, Assigned { id: first.id, news: News::Known });
    let template = templates.template(first.id).unwrap();
    assert_eq!(template.text, "session opened for user <*> by (uid=<*>)");
    assert_eq!(template.lines, 3);
}

#[test]
fn a_line_is_read_up_to_its_limit_and_no_character_is_halved() {
    assert_eq!(cut("abcäz".as_bytes(), 4), b"abc");
    assert_eq!(cut("abcäz".as_bytes(), 5), "abcä".as_bytes());
    assert_eq!(cut(&[0x80; 9], 4), &[0x80; 4]);
    assert_eq!(cut(b"abc", 0), b"");
    let mut templates = Templates::new(TemplateOptions::default());
    let long = "word ".repeat(100_000);
    let id = templates.assign(SOURCE, long.as_bytes()).id;
    assert!(templates.template(id).unwrap().text.len() < 2048);
}
