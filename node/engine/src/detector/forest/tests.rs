use proptest::prelude::*;

use super::*;

/// A seeded sequence of roughly normal numbers.
fn normals(seed: u64) -> impl FnMut() -> f32 {
    let mut dice = Dice(seed);
    move || (0..12).map(|_| dice.roll()).sum::<f32>() - 6.0
}

fn shape(dims: usize) -> Shape {
    Shape { trees: 20, leaves: 64, memory: 640.0, ..Shape::of(dims, 7) }
}

/// Teaches a forest `count` points of `dims` normal values.
fn taught(dims: usize, count: usize) -> Forest {
    let mut forest = Forest::new(shape(dims));
    let mut normal = normals(3);
    for _ in 0..count {
        let values: Vec<f32> = (0..dims).map(|_| normal()).collect();
        let point = Point::of(&values);
        let apart = forest.judge(&point);
        forest.learn(&point, &apart, 1.0);
    }
    forest
}

#[test]
fn a_point_apart_scores_high_and_the_value_is_named() {
    let forest = taught(5, 2000);
    let usual = forest.judge(&Point::of(&[0.1, -0.2, 0.3, 0.0, 0.1]));
    let apart = forest.judge(&Point::of(&[0.1, -0.2, 12.0, 0.0, 0.1]));
    assert!(usual.finding.nominal < 1.0, "{usual:?}");
    assert!(apart.finding.nominal > 4.0, "{apart:?}");
    let mut shares = [0.0; 5];
    forest.attribute(&Point::of(&[0.1, -0.2, 12.0, 0.0, 0.1]), &mut shares);
    assert!(shares[2] > 0.7 * shares.iter().sum::<f32>(), "{shares:?}");
}

#[test]
fn a_broken_rhythm_is_seen_where_each_value_is_usual() {
    let mut shingle = Shingle::new(1, 8, 500.0);
    let mut forest = Forest::new(Shape::of(shingle.dims(), 1));
    let mut normal = normals(5);
    let (mut quiet, mut broken) = (0.0f32, 0.0f32);
    for number in 0..3000 {
        let phase = if number >= 2950 { 0 } else { number % 20 };
        let wave = libm::sin(f64::from(phase) * std::f64::consts::TAU / 20.0);
        let row = [50.0 + 10.0 * wave + 0.3 * f64::from(normal())];
        let point = shingle.with(&row);
        let apart = forest.judge(&point);
        match number {
            2000..2950 => quiet = quiet.max(apart.finding.nominal),
            2950..2965 => broken = broken.max(apart.finding.nominal),
            _ => {}
        }
        shingle.learn(&row, &point);
        forest.learn(&point, &apart, 1.0);
    }
    assert!(broken > quiet + 1.5, "{broken} after {quiet}");
}

#[test]
fn equal_points_are_as_usual_as_can_be() {
    let mut forest = Forest::new(shape(3));
    for _ in 0..1000 {
        let point = Point::of(&[1.0, 2.0, 3.0]);
        let apart = forest.judge(&point);
        forest.learn(&point, &apart, 1.0);
    }
    let same = forest.score(&Point::of(&[1.0, 2.0, 3.0]));
    assert!((same - 0.5).abs() < 0.01, "{same}");
    assert!(forest.score(&Point::of(&[1.0, 2.0, 3.1])) > 2.0);
}

#[test]
fn a_forest_that_rested_goes_on_as_if_it_had_not() {
    for count in [0, 1, 5, 40, 3000] {
        let mut forest = taught(5, count);
        let rest = forest.rest();
        let mut woken = rest.wake().expect("it is a forest");
        assert_eq!(woken.rest(), rest);
        let bytes = via_codec::encode(via_codec::Kind::Profile, &rest);
        let back: AtRest = via_codec::decode(via_codec::Kind::Profile, &bytes).unwrap();
        assert_eq!(back, rest);
        let mut normal = normals(77);
        for _ in 0..500 {
            let point = Point::of(&std::array::from_fn::<_, 5, _>(|_| normal()));
            let (one, two) = (forest.judge(&point), woken.judge(&point));
            assert_eq!(one, two);
            forest.learn(&point, &one, 1.0);
            woken.learn(&point, &two, 1.0);
        }
        assert_eq!(woken.rest(), forest.rest());
    }
}

#[test]
fn points_of_another_shape_are_refused() {
    let mut forest = taught(5, 100);
    let before = forest.clone();
    let point = Point::of(&[1.0, 2.0]);
    let apart = forest.judge(&point);
    forest.learn(&point, &apart, 1.0);
    assert_eq!(forest.attribute(&point, &mut [0.0; 5]), 0.0);
    assert!(apart == Apart::default() && forest == before);
}

#[test]
fn what_lasts_becomes_usual() {
    let mut forest = taught(4, 3000);
    let mut normal = normals(9);
    let mut next = || Point::of(&[8.0 + normal(), normal(), normal(), normal()]);
    let first = forest.judge(&next());
    for _ in 0..2000 {
        let point = next();
        let apart = forest.judge(&point);
        forest.learn(&point, &apart, 1.0);
    }
    let last = forest.judge(&next());
    assert!(first.finding.nominal > 4.0 && last.finding.nominal < 2.0, "{first:?} {last:?}");
}

#[test]
fn memory_is_bounded_and_nothing_grows_once_full() {
    let mut forest = taught(8, 1000);
    let full = forest.bytes();
    let mut normal = normals(11);
    for _ in 0..5000 {
        let point = Point::of(&std::array::from_fn::<_, 8, _>(|_| normal()));
        forest.learn(&point, &Apart::default(), 1.0);
    }
    assert_eq!(forest.bytes(), full);
    let per_leaf = 8 * 4 + 2 * 8 * 4 + 16 + 4 + 6;
    assert!(full < 20 * 64 * per_leaf * 21 / 20 + 20 * 256, "{full}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn shares_sum_to_the_score(
        seen in prop::collection::vec(prop::array::uniform5(-3i8..4), 1..200),
        asked in prop::array::uniform5(-9i8..10),
    ) {
        let mut forest = Forest::new(shape(5));
        for values in seen {
            let point = Point::of(&values.map(f32::from));
            let apart = forest.judge(&point);
            forest.learn(&point, &apart, 1.0);
        }
        let point = Point::of(&asked.map(f32::from));
        let mut shares = [0.0; 5];
        let sum = forest.attribute(&point, &mut shares);
        let score = forest.score(&point);
        prop_assert!((sum - score).abs() < 1e-4 * score, "{sum} {score}");
        prop_assert!((shares.iter().sum::<f32>() - score).abs() < 1e-4 * score);
        prop_assert!(shares.iter().all(|share| *share >= 0.0));
    }

    #[test]
    fn judging_changes_nothing_and_the_same_gives_the_same(
        seen in prop::collection::vec(prop::array::uniform3(-1e3f32..1e3), 1..200),
    ) {
        let (mut one, mut two) = (Forest::new(shape(3)), Forest::new(shape(3)));
        for values in seen {
            let point = Point::of(&values);
            let apart = one.judge(&point);
            for other in [[0.0; 3], [1e30; 3], [f32::NAN; 3]] {
                prop_assert!(two.judge(&Point::of(&other)).finding.nominal.is_finite());
            }
            one.learn(&point, &apart, 1.0);
            two.learn(&point, &apart, 1.0);
        }
        prop_assert_eq!(one, two);
    }
}
