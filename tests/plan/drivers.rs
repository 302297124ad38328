//! How much of a spread a quantity explains.

use flyball::plan::drivers::{Measure, goes_with, share_of_variance};
use flyball::seed::Seed;

const COUNT: usize = 400;

fn uniform(key: u64) -> Vec<f64> {
    let mut stream = Seed::new(11).stream(key);
    (0..COUNT).map(|_| stream.uniform()).collect()
}

fn share(values: &[f64], outcomes: &[f64]) -> f64 {
    let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    share_of_variance(&values, outcomes)
}

#[test]
fn a_function_of_the_value_is_explained_whatever_its_shape() {
    let x = uniform(1);
    let shapes: [fn(f64) -> f64; 3] =
        [|x| 3.0 * x + 1.0, |x| (x - 0.5).powi(2), |x| f64::from(u8::from(x > 0.5))];
    for (position, shape) in shapes.into_iter().enumerate() {
        let y: Vec<f64> = x.iter().map(|x| shape(*x)).collect();
        let share = share(&x, &y);
        assert!((0.9..=1.0).contains(&share), "shape {position}: {share}");
    }
}

#[test]
fn half_of_a_sum_of_two_is_half() {
    let (x, noise) = (uniform(1), uniform(2));
    let y: Vec<f64> = x.iter().zip(&noise).map(|(x, noise)| x + noise).collect();
    let share = share(&x, &y);
    assert!((0.40..=0.60).contains(&share), "{share}");
}

#[test]
fn noise_explains_next_to_nothing() {
    for key in 10..30 {
        let share = share(&uniform(key), &uniform(key + 100));
        assert!(share < 0.08, "{share}");
    }
}

#[test]
fn constants_and_tiny_samples_explain_nothing() {
    let x = uniform(1);
    assert!(share(&vec![4.0; COUNT], &x).abs() < f64::EPSILON);
    assert!(share(&x, &vec![4.0; COUNT]).abs() < f64::EPSILON);
    assert!(share(&x[..7], &x[..7]).abs() < f64::EPSILON);
}

#[test]
fn whether_a_stage_ran_is_no_credit_to_how_it_ran() {
    let x = uniform(1);
    let runs = |n: usize| n.is_multiple_of(3);
    let ran: Vec<Option<f64>> = (0..COUNT).map(|n| runs(n).then_some(x[n])).collect();
    // The run costs four more with the stage, whatever the stage's own value.
    let jump: Vec<f64> = (0..COUNT).map(|n| if runs(n) { 5.0 } else { 1.0 }).collect();
    assert!(share_of_variance(&ran, &jump) < 0.01);
    let presence: Vec<f64> = (0..COUNT).map(|n| f64::from(u8::from(runs(n)))).collect();
    assert!(share(&presence, &jump) > 0.99);
    // What the value adds counts as a part of the whole spread.
    let both: Vec<f64> = jump.iter().zip(&ran).map(|(y, ran)| y + ran.unwrap_or(0.0)).collect();
    let part = share_of_variance(&ran, &both);
    assert!(part > 0.002 && part + share(&presence, &both) < 1.01, "{part}");
}

#[test]
fn values_are_written_at_the_grain_that_people_type() {
    for (measure, value, written) in [
        (Measure::Requests, 7.6, "8"),
        (Measure::Requests, 0.2, "1"),
        (Measure::OutputPerRequest, 1_234.0, "1230"),
        (Measure::FirstContext, 34_567.0, "34600"),
        (Measure::Growth, 12.0, "100"),
        (Measure::Length, 3.4, "3"),
        (Measure::Length, 0.2, "0"),
        (Measure::Lines, 3.4, "3"),
        (Measure::Share, 0.333, "0.33"),
        (Measure::Number, 60.0, "60"),
        (Measure::Number, 0.7049, "0.7"),
        (Measure::Number, 3.456, "3.46"),
        (Measure::Number, 326.36, "326"),
    ] {
        assert_eq!(measure.write(value), written, "{measure:?} {value}");
    }
}

#[test]
fn what_rises_or_falls_goes_with_it_and_what_only_scatters_does_not() {
    let (x, noise) = (uniform(1), uniform(2));
    let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    let shapes: [fn(f64) -> f64; 3] = [|x| x, |x| -x, |x| if x > 0.8 { 300.0 } else { 3.0 }];
    for shape in shapes {
        let y: Vec<f64> = x.iter().zip(&noise).map(|(x, noise)| shape(*x) + noise / 2.0).collect();
        assert!(goes_with(&some(&x), &y));
    }
    let counts: Vec<f64> = x.iter().map(|x| 1.0 + (x * 8.0).floor()).collect();
    for key in 10..30 {
        assert!(!goes_with(&some(&uniform(key)), &uniform(key + 100)), "{key}");
        // The mean of few lies further out: it explains their number, and decides nothing.
        let own = uniform(key);
        let means: Vec<f64> = own.iter().zip(&counts).map(|(own, n)| (own - 0.5) / n).collect();
        assert!(share(&means, &counts) > 0.1 && !goes_with(&some(&means), &counts), "{key}");
    }
    assert!(!goes_with(&some(&x[..7]), &x[..7]));
    assert!(!goes_with(&some(&[4.0; COUNT]), &x));
}
