//! The same templates, told the slow way: every line is compared with every
//! template, and every template with every other.

use proptest::prelude::*;

use super::super::mask::mask;
use super::super::token::Token;
use super::super::*;
use super::{a_line, ids};

struct Known {
    birth: usize,
    tokens: Tokens,
    shapes: Vec<Vec<u8>>,
}

/// Templates without tree, cache, hashes of holes or limits.
#[derive(Default)]
struct Model {
    known: Vec<Known>,
    births: usize,
}

fn parts(tokens: &Tokens) -> Vec<&[u8]> {
    tokens.text().split(|byte| *byte == b' ').collect()
}

/// Returns the only place where two templates differ, if what stands there is
/// of one kind and a word in both.
fn only_difference(one: &Tokens, other: &Tokens) -> Option<usize> {
    let (mine, theirs) = (parts(one), parts(other));
    let differ: Vec<usize> = (0..mine.len()).filter(|at| mine[*at] != theirs[*at]).collect();
    let &[at] = differ.as_slice() else { return None };
    (one.list()[at].general == other.list()[at].general).then_some(at)
}

impl Model {
    /// Assigns a line; returns the birth of its template, and of those absorbed.
    fn assign(&mut self, line: &str, options: &TemplateOptions) -> (usize, Vec<usize>) {
        let (mut shape, mut scratch, mut tokens) = (Vec::new(), Vec::new(), Tokens::default());
        mask(line.as_bytes(), &mut shape);
        if let Some(known) = self.known.iter().find(|known| known.shapes.contains(&shape)) {
            return (known.birth, Vec::new());
        }
        tokens.read(&shape, &mut scratch);
        let mut at = self.find(&tokens, options);
        match at {
            Some(at) => {
                self.known[at].tokens.generalise(&tokens);
                self.known[at].shapes.push(shape);
            }
            None => {
                self.births += 1;
                at = Some(self.known.len());
                self.known.push(Known { birth: self.births, tokens, shapes: vec![shape.clone()] });
            }
        }
        let mut absorbed = Vec::new();
        let mut birth = self.known[at.unwrap()].birth;
        while let Some(group) = self.one_template(birth, options) {
            birth = self.join(&group, &mut absorbed);
        }
        (birth, absorbed)
    }

    fn find(&self, line: &Tokens, options: &TemplateOptions) -> Option<usize> {
        let mut best: Option<(usize, Likeness)> = None;
        for (at, known) in self.known.iter().enumerate() {
            let (first, theirs) = (known.tokens.list()[0], line.list()[0]);
            let may = [theirs.hash, theirs.general, Token::any().hash].contains(&first.hash);
            if !may || known.tokens.list().len() != line.list().len() {
                continue;
            }
            if let Some(likeness) = known.tokens.likeness(line)
                && likeness.reaches(options.similarity_per_cent)
                && best.is_none_or(|(_, other)| likeness.exceeds(other))
            {
                best = Some((at, likeness));
            }
        }
        best.map(|(at, _)| at)
    }

    /// Returns the templates, that of `birth` among them, that are to be one.
    fn one_template(&self, birth: usize, options: &TemplateOptions) -> Option<Vec<usize>> {
        let mine = self.known.iter().position(|known| known.birth == birth)?;
        let tokens = &self.known[mine].tokens;
        let alike = |other: &Known| other.tokens.list().len() == tokens.list().len();
        let twin = self.known.iter().position(|other| {
            other.birth != birth && alike(other) && other.tokens.text() == tokens.text()
        });
        if let Some(twin) = twin {
            return Some(vec![mine, twin]);
        }
        tokens.words().find_map(|place| {
            let mut group = vec![mine];
            group.extend((0..self.known.len()).filter(|at| {
                let other = &self.known[*at];
                alike(other) && only_difference(tokens, &other.tokens) == Some(place)
            }));
            let words =
                group.iter().filter(|at| self.known[**at].tokens.list()[place].is_word()).count();
            let proof = PROOF / tokens.context(place).max(1);
            (words >= proof.max(options.variants)).then_some(group)
        })
    }

    fn join(&mut self, group: &[usize], absorbed: &mut Vec<usize>) -> usize {
        let eldest = *group.iter().min_by_key(|at| self.known[**at].birth).unwrap();
        let birth = self.known[eldest].birth;
        for at in group.iter().filter(|at| **at != eldest) {
            let tokens = self.known[*at].tokens.clone();
            self.known[eldest].tokens.generalise(&tokens);
            absorbed.push(self.known[*at].birth);
        }
        self.known.retain(|known| known.birth == birth || !absorbed.contains(&known.birth));
        birth
    }
}

proptest! {
    #[test]
    fn the_tree_finds_what_comparing_with_all_finds(
        lines in prop::collection::vec(a_line(), 1..400),
    ) {
        let options = TemplateOptions::default();
        let mut templates = Templates::new(options);
        templates.shapes = Shapes::with_sets(1 << 14, 1 << 14);
        let mut model = Model::default();
        let mut expected: Vec<usize> = Vec::new();
        for line in &lines {
            let (birth, absorbed) = model.assign(line, &options);
            expected.iter_mut().filter(|old| absorbed.contains(old)).for_each(|old| *old = birth);
            expected.push(birth);
        }
        let found = ids(&mut templates, &lines);
        for one in 0..lines.len() {
            for other in 0..one {
                prop_assert_eq!(
                    found[one] == found[other],
                    expected[one] == expected[other],
                    "{:?} and {:?}", lines[one], lines[other]
                );
            }
        }
    }
}
