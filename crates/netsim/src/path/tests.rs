use proptest::prelude::*;

use super::*;
use crate::Ratio;

const PACKETS: usize = 200_000;

/// Sends a packet of 172 bytes each 20 ms; the fates in order.
fn run(text: &str, seed: u64, packets: usize) -> Vec<(Instant, Fate)> {
    let mut path = Path::new(text.parse().unwrap(), seed);
    (0..packets as u64)
        .map(|n| {
            let now = Instant::from_millis(20 * n);
            (now, path.send(now, 172))
        })
        .collect()
}

fn lost(fates: &[(Instant, Fate)]) -> Vec<bool> {
    fates
        .iter()
        .map(|(_, fate)| matches!(fate, Fate::Lost(_)))
        .collect()
}

fn delays_ms(fates: &[(Instant, Fate)]) -> Vec<f64> {
    fates
        .iter()
        .filter_map(|(sent, fate)| match fate {
            Fate::Arrives { at, .. } => Some(at.saturating_since(*sent).as_secs_f64() * 1e3),
            Fate::Lost(_) => None,
        })
        .collect()
}

fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|f| **f).count() as f64 / flags.len() as f64
}

fn mean_run(flags: &[bool]) -> f64 {
    let runs = flags.chunk_by(|a, b| a == b).filter(|run| run[0]);
    let (count, total) = runs.fold((0, 0), |(count, total), run| (count + 1, total + run.len()));
    total as f64 / f64::from(count)
}

#[test]
fn random_loss_has_its_share_and_no_memory() {
    for (text, ratio) in [("loss=1%", 0.01), ("loss=5%", 0.05), ("loss=20%", 0.2)] {
        let lost = lost(&run(text, 1, PACKETS));
        // Four deviations of a binomial count.
        let bound = 4.0 * (ratio * (1.0 - ratio) / PACKETS as f64).sqrt();
        assert!(
            (share(&lost) - ratio).abs() < bound,
            "{text}: {}",
            share(&lost)
        );
        let expected = 1.0 / (1.0 - ratio);
        assert!(
            (mean_run(&lost) / expected - 1.0).abs() < 0.05,
            "{text}: {}",
            mean_run(&lost)
        );
    }
}

#[test]
fn bursts_have_their_length_and_leave_the_share() {
    for (text, ratio, burst) in [
        ("loss=5%,burst=4", 0.05, 4.0),
        ("loss=3%,burst=10", 0.03, 10.0),
        ("loss=20%,burst=2", 0.2, 2.0),
    ] {
        let lost = lost(&run(text, 2, PACKETS));
        assert!(
            (share(&lost) / ratio - 1.0).abs() < 0.15,
            "{text}: {}",
            share(&lost)
        );
        assert!(
            (mean_run(&lost) / burst - 1.0).abs() < 0.1,
            "{text}: {}",
            mean_run(&lost)
        );
    }
}

#[test]
fn bursts_too_short_for_the_loss_get_longer() {
    let lost = lost(&run("loss=90%,burst=2", 3, PACKETS));
    assert!((share(&lost) - 0.9).abs() < 0.01, "{}", share(&lost));
    assert!(
        (mean_run(&lost) / 9.0 - 1.0).abs() < 0.05,
        "{}",
        mean_run(&lost)
    );
}

#[test]
fn nothing_and_everything_are_exact() {
    for seed in 0..20 {
        assert_eq!(share(&lost(&run("loss=0%", seed, 1000))), 0.0);
        assert_eq!(share(&lost(&run("loss=0%,burst=5", seed, 1000))), 0.0);
        assert_eq!(share(&lost(&run("loss=100%", seed, 1000))), 1.0);
        assert_eq!(share(&lost(&run("loss=100%,burst=5", seed, 1000))), 1.0);
    }
}

#[test]
fn uniform_jitter_is_flat_between_its_ends() {
    let delays = delays_ms(&run("delay=30ms,jitter=40ms,overtake", 4, PACKETS));
    for bin in 0..8 {
        let low = 30.0 + 5.0 * f64::from(bin);
        let flags: Vec<bool> = delays
            .iter()
            .map(|d| (low..low + 5.0).contains(d))
            .collect();
        assert!(
            (share(&flags) - 0.125).abs() < 0.003,
            "from {low} ms: {}",
            share(&flags)
        );
    }
}

#[test]
fn bell_jitter_has_its_middle_and_deviation() {
    let delays = delays_ms(&run(
        "delay=30ms,jitter=40ms,shape=bell,overtake",
        5,
        PACKETS,
    ));
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let deviation =
        (delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / delays.len() as f64).sqrt();
    assert!((mean - 50.0).abs() < 0.1, "{mean}");
    assert!((deviation - 40.0 / 48f64.sqrt()).abs() < 0.1, "{deviation}");
    assert!(delays.iter().all(|d| (30.0..=70.0).contains(d)));
}

#[test]
fn a_queue_keeps_order_and_bounds_and_overtaking_does_not() {
    let arrivals = |text: &str| -> Vec<Instant> {
        run(text, 6, 10_000)
            .into_iter()
            .filter_map(|(_, fate)| {
                if let Fate::Arrives { at, .. } = fate {
                    Some(at)
                } else {
                    None
                }
            })
            .collect()
    };
    let queued = "delay=10ms,jitter=60ms";
    assert!(arrivals(queued).is_sorted());
    assert!(
        delays_ms(&run(queued, 6, 10_000))
            .iter()
            .all(|d| (10.0..=70.0).contains(d))
    );
    assert!(!arrivals("delay=10ms,jitter=60ms,overtake").is_sorted());
}

#[test]
fn what_is_held_back_is_overtaken_and_the_rest_keeps_order() {
    let fates = run("reorder=10%,hold=50ms", 7, PACKETS);
    let delays = delays_ms(&fates);
    let held: Vec<bool> = delays.iter().map(|d| *d == 50.0).collect();
    assert!((share(&held) - 0.1).abs() < 0.004, "{}", share(&held));
    assert!(delays.iter().all(|d| *d == 0.0 || *d == 50.0));
}

#[test]
fn copies_have_their_share() {
    let fates = run("duplicate=3%", 8, PACKETS);
    let copied: Vec<bool> = fates
        .iter()
        .map(|(_, f)| {
            matches!(
                f,
                Fate::Arrives {
                    copy_at: Some(_),
                    ..
                }
            )
        })
        .collect();
    assert!((share(&copied) - 0.03).abs() < 0.002, "{}", share(&copied));
}

#[test]
fn a_narrow_link_delays_and_then_drops() {
    // 172 bytes each 20 ms are 68,800 bit/s; the link takes half of it, and 1,720 bytes wait.
    let fates = run("rate=34400,queue=1720", 9, 5000);
    let delays = delays_ms(&fates);
    assert_eq!(delays[0], 40.0);
    assert_eq!(delays[1], 60.0, "it waits for the first");
    assert!(delays.iter().all(|d| *d <= 400.0 + 1e-6));
    let overflowed: Vec<bool> = fates
        .iter()
        .map(|(_, f)| *f == Fate::Lost(LossReason::Overflow))
        .collect();
    assert!(
        (share(&overflowed) - 0.5).abs() < 0.01,
        "{}",
        share(&overflowed)
    );
}

#[test]
fn other_settings_leave_the_luck_of_loss_alone() {
    let plain = lost(&run("loss=5%", 10, 10_000));
    assert_eq!(
        lost(&run(
            "loss=5%,jitter=40ms,duplicate=5%,reorder=5%,delay=1s",
            10,
            10_000
        )),
        plain
    );
    assert_ne!(lost(&run("loss=5%", 11, 10_000)), plain);
}

#[test]
fn an_impairment_can_change_while_it_runs() {
    let mut path = Path::new(Impairment::PERFECT, 1);
    let at = Instant::from_millis(5);
    assert_eq!(path.send(at, 1), Fate::Arrives { at, copy_at: None });
    path.set_impairment(Impairment::default().with_loss(Ratio::ONE));
    assert_eq!(path.send(at, 1), Fate::Lost(LossReason::Chance));
    path.set_impairment(Impairment::default().with_duplicate(Ratio::ONE));
    assert_eq!(
        path.send(at, 1),
        Fate::Arrives {
            at,
            copy_at: Some(at)
        }
    );
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_fates(seed: u64) {
        let text = "loss=10%,burst=3,jitter=40ms,shape=bell,duplicate=10%,reorder=10%,rate=64k";
        prop_assert_eq!(run(text, seed, 200), run(text, seed, 200));
    }
}
