//! The cut follows the budget and what was held back.

use super::*;

fn service(n: usize) -> Arc<str> {
    format!("service-{n}").into()
}

/// A class that was held back for so many days, with these ratios in as many services, a day each.
fn held(days: i64, ratios: &[f64], budget: f64) -> Calibration {
    let mut calibration = Calibration::new(Budget::per_day(budget).unwrap());
    let times = (0..days).cycle().map(|day| DAY_SECS * day);
    let services = (0..).map(service);
    let past = times.zip(services).zip(ratios).map(|((time, name), &ratio)| (time, name, ratio));
    calibration.know(Class::Novelty, 0, past.collect());
    calibration
}

fn cut(calibration: &mut Calibration, start: i64) -> f64 {
    let share = Class::Novelty.share() * calibration.budget.of_a_day();
    let ratios = (0..200).map(|n| RATIO_MAX * 0.9_f64.powi(n));
    ratios
        .into_iter()
        .find(|&ratio| calibration.rate_per_day(start, Class::Novelty, ratio) <= share)
        .unwrap_or(0.0)
}

#[test]
fn without_held_back_time_the_prior_cut_goes_with_the_budget() {
    for budget in [0.1, 1.0, 10.0] {
        let scale = cut_scale(Budget::per_day(budget).unwrap());
        let cut = cut(&mut held(1, &[], budget), 0);
        assert!((0.9 * scale..=scale).contains(&cut), "{budget}: {cut}");
    }
}

#[test]
fn the_cut_is_where_telling_ends() {
    let now = 20 * DAY_SECS;
    for (budget, ratios) in [(0.1, &[][..]), (1.0, &[0.5; 100]), (1.0, &[]), (10.0, &[2.0; 300])] {
        let mut calibration = held(20, ratios, budget);
        let cut = calibration.cut(now, Class::Novelty);
        let share = Class::Novelty.share() * budget;
        let mut is_told =
            |ratio: f64| calibration.rate_per_day(now, Class::Novelty, ratio) <= share;
        let is_last = cut > 0.999 * ratio_max(Budget::per_day(budget).unwrap());
        assert!(is_told(cut / 1.001) && (is_last || !is_told(cut * 1.001)), "{budget}: {cut}");
    }
}

#[test]
fn a_quiet_estate_is_heard_sooner_and_a_noisy_one_later() {
    let now = 20 * DAY_SECS;
    let quiet = cut(&mut held(20, &[], 1.0), now);
    let noisy = cut(&mut held(20, &[0.5; 100], 1.0), now);
    assert!(quiet > 3.0, "{quiet}");
    assert!(noisy < 0.5, "{noisy}");
}

/// What budgets are for: of things that come once a day in each of ten services, with ratios that are as
/// likely to be small as p-values are, a budget lets so many through and not many fewer.
#[test]
fn what_is_told_is_near_the_share_of_the_budget() {
    let ratios: Vec<f64> = (0..280).map(|n| 300.0 * f64::from(n * 89 % 280 + 1) / 280.0).collect();
    for budget in [0.5, 1.0, 5.0] {
        let mut calibration = held(28, &ratios, budget);
        let cut = cut(&mut calibration, 28 * DAY_SECS);
        let told = ratios.iter().filter(|&&ratio| ratio <= cut).count() as f64 / 28.0;
        let share = Class::Novelty.share() * budget;
        assert!(told <= 1.2 * share && told >= share / 3.0, "{budget}: {told} of {share}");
    }
}

#[test]
fn what_is_of_this_block_or_later_has_no_say() {
    let mut calibration = held(20, &[1e-6; 100], 1.0);
    let before = cut(&mut calibration.clone(), 10 * DAY_SECS);
    for n in 0..100 {
        calibration.add((10 * DAY_SECS / BLOCK_SECS, Class::Novelty, service(1000 + n), 1e-9));
    }
    assert!((cut(&mut calibration, 10 * DAY_SECS) - before).abs() < 1e-12);
}

#[test]
fn the_tail_falls_off_beyond_what_was_seen() {
    let scores: Vec<f64> = (0..20).rev().map(|n| f64::from(n) / 10.0).collect();
    assert!((exceeding(&scores, 1.0) - 10.0).abs() < 1e-12 || exceeding(&scores, 1.0) < 20.0);
    let (near, far) = (exceeding(&scores, 2.0), exceeding(&scores, 6.0));
    assert!(near < 20.0 && far < near / 10.0, "{near} {far}");
    assert!((exceeding(&scores[..4], 1.65) - 3.0).abs() < 1e-12, "few are only counted");
}

#[test]
fn it_is_restored_as_it_was() {
    let calibration = held(20, &[0.5, 0.1, 3.0], 1.0);
    let (since, rows) = calibration.rows();
    let restored = Calibration::restore(since.clone(), rows.clone());
    assert_eq!(restored.rows(), (since, rows));
}

/// Everything is new in an estate's first days, and a judge that is there from the beginning sees it.
#[test]
fn an_estates_first_days_say_nothing_of_how_surprising_later_ones_are() {
    let workload = crate::episode::tests::replica("web", 1);
    let told = crate::episode::tests::deviation(&workload, Kind::NewPeer, "svc:db", 1);
    let surprise = Deviation { cut_ratio: 1e-9, ..told };
    let cut_after = |hours: &[i64]| {
        let mut calibration = Calibration::new(Budget::per_day(1.0).unwrap());
        calibration.begin(0, 0);
        for hour in hours {
            calibration.note(hour * 3600, &surprise);
        }
        cut(&mut calibration, 10 * DAY_SECS)
    };
    let early = cut_after(&[1, 7, 13, 19, 25, 31, 37, 43]);
    assert!((early - cut_after(&[])).abs() < 1e-12, "{early}");
    assert!(cut_after(&[73, 79, 85, 91, 97, 103, 109, 115]) < 0.1 * early);
}
