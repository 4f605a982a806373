//! The E-model of ITU-T G.107, as far as packets can tell.

use crate::model::Quality;

/// Impairment of a codec: by itself, and how well it bears loss (ITU-T G.113 appendix I).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Impairment {
    ie: f64,
    bpl: f64,
}

impl Impairment {
    /// G.711 with concealment; linear PCM is no worse. `None` for what has no figures here.
    pub(crate) fn of(codec: &str) -> Option<Self> {
        ["PCMU", "PCMA", "L16"]
            .iter()
            .any(|c| c.eq_ignore_ascii_case(codec))
            .then_some(Self { ie: 0.0, bpl: 25.1 })
    }
}

/// What packets did in some stretch of a call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Stretch {
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
    /// Share that was not there in time, 0 to 1.
    pub(crate) loss: f64,
    /// See [`burst_ratio`].
    pub(crate) burst_ratio: f64,
    /// Mouth to ear.
    pub(crate) delay_ms: f64,
}

/// The quality of `stretch`.
pub(crate) fn quality(impairment: Impairment, stretch: Stretch) -> Quality {
    let Stretch {
        loss,
        burst_ratio,
        delay_ms,
        ..
    } = stretch;
    let Impairment { ie, bpl } = impairment;
    let percent = loss * 100.0;
    let delayed = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let equipment = ie + (95.0 - ie) * percent / (percent / burst_ratio + bpl);
    let r = 93.2 - delayed - equipment;
    Quality {
        mos: mos(r),
        r,
        loss,
        burst_ratio,
        delay_ms,
        from_s: stretch.from_s,
        until_s: stretch.until_s,
        how: format!(
            "ITU-T G.107: R = 93.2 \u{2212} {delayed:.1} (delay {delay_ms:.0} ms) \u{2212} {equipment:.1} \
             (loss {percent:.1} %, bursts {burst_ratio:.2}, Ie {ie:.0}, Bpl {bpl:.1}) = {r:.1}"
        ),
    }
}

/// ITU-T G.107 annex B.
fn mos(r: f64) -> f64 {
    let r = r.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// How long runs of lost packets are, compared with those of independent losses of the same share; at least 1.
pub(crate) fn burst_ratio(there: impl Iterator<Item = bool>) -> f64 {
    let (mut total, mut lost, mut runs) = (0u64, 0u64, 0u64);
    let mut was_there = true;
    for is_there in there {
        total += 1;
        if !is_there {
            lost += 1;
            runs += u64::from(was_there);
        }
        was_there = is_there;
    }
    if runs == 0 || lost == total {
        return 1.0;
    }
    let mean = lost as f64 / runs as f64;
    let share = lost as f64 / total as f64;
    (mean * (1.0 - share)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(loss: f64, delay_ms: f64) -> f64 {
        let stretch = Stretch {
            from_s: 0.0,
            until_s: 1.0,
            loss,
            burst_ratio: 1.0,
            delay_ms,
        };
        quality(Impairment::of("pcma").unwrap(), stretch).mos
    }

    #[test]
    fn figures_are_those_of_the_model() {
        assert!((of(0.0, 0.0) - 4.41).abs() < 0.005);
        // R = 93.2 - 2.4 - 95 * 5 / 30.1 = 75.02
        assert!(
            (of(0.05, 100.0) - 3.824).abs() < 0.005,
            "{}",
            of(0.05, 100.0)
        );
        assert!(of(0.0, 400.0) < of(0.0, 150.0) - 0.5);
        assert!(of(1.0, 0.0) < 1.5);
        assert!((mos(-20.0), mos(500.0)) == (1.0, 4.5));
        assert!(Impairment::of("G729").is_none());
    }

    #[test]
    fn bursts_are_told_from_single_losses() {
        let single = (0..100).map(|n| n % 10 != 0);
        assert_eq!(burst_ratio(single), 1.0);
        let burst = (0..100).map(|n| n >= 10);
        assert!((burst_ratio(burst) - 9.0).abs() < 1e-9);
        assert_eq!(burst_ratio((0..5).map(|_| false)), 1.0);
        assert_eq!(burst_ratio(std::iter::empty()), 1.0);
    }
}
