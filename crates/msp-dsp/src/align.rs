//! Finding a sent sound again in what was received.
//!
//! Works on whole recordings, offline, so it may allocate. The delay is looked for in three steps, each over the best
//! places of the one before: by the loudness of 5 ms pieces over all delays, then at about 8 kHz, then to the sample.

use msp_core::time::ClockRate;

use crate::{dot, ratio_to_db};

/// Where and how well a sent sound was found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Alignment {
    /// Samples by which the received sound lags: `received[n + delay]` is `sent[n]`. Negative if it leads.
    pub delay: i64,
    /// How alike the two are over all that they share at this delay; see [`similarity`].
    pub similarity: f32,
    /// How much louder the received sound is over all that they share, in dB. Of a likeness near zero it says nothing.
    pub gain_db: f32,
}

/// Finds `sent` in `received`, both at `rate`, whatever the delay between them; `None` if one of them is silent, or if
/// they are shorter than 50 ms.
///
/// One of them may be a piece of the other. Always look at the similarity: of two strange sounds, the best of bad delays is
/// found. Of a sound that repeats itself, the delay at which most of it fits is found.
pub fn find(sent: &[i16], received: &[i16], rate: ClockRate) -> Option<Alignment> {
    let hop = (rate.hz() / 200).max(1) as usize;
    let factor = (rate.hz() / 8000).max(1) as usize;
    if sent.len().min(received.len()) < 10 * hop {
        return None;
    }
    let (loud_sent, loud_received) = (envelope(sent, hop), envelope(received, hop));
    let candidates = coarse(&loud_sent, &loud_received)?;

    let (low_sent, low_received) = (decimate(sent, factor), decimate(received, factor));
    let (full_sent, full_received) = (decimate(sent, 1), decimate(received, 1));
    let low_hop = (hop / factor) as i64;
    let mut best: Option<(i64, f32)> = None;
    for lag in candidates {
        let middle = lag * hop as i64 / factor as i64;
        let places = probes(&loud_sent, hop, factor, middle, low_received.len());
        let lags = middle - 2 * low_hop..=middle + 2 * low_hop;
        let Some(lag) = finest(&low_sent, &low_received, &places, lags) else {
            continue;
        };

        let middle = lag * factor as i64;
        let places = probes(&loud_sent, hop, 1, middle, received.len());
        let reach = factor as i64 - 1;
        let lags = middle - reach..=middle + reach;
        let Some(lag) = finest(&full_sent, &full_received, &places, lags) else {
            continue;
        };

        // Of a sound that repeats itself several delays fit as well; this is largest where most of it fits.
        let (a, b) = overlap(&full_sent, &full_received, lag);
        let common = dot(a, b);
        if best.is_none_or(|(_, most)| common > most) {
            best = Some((lag, common));
        }
    }
    let (delay, _) = best?;
    let (a, b) = overlap(sent, received, delay);
    Some(Alignment {
        delay,
        similarity: similarity(a, b),
        gain_db: gain_db(a, b),
    })
}

/// The parts of the two that lie over each other if `received` lags by `delay` samples; equally long.
pub fn overlap<'a, T>(sent: &'a [T], received: &'a [T], delay: i64) -> (&'a [T], &'a [T]) {
    let skip = |by: i64| usize::try_from(by).unwrap_or(0);
    let a = sent.get(skip(delay.saturating_neg())..).unwrap_or_default();
    let b = received.get(skip(delay)..).unwrap_or_default();
    let len = a.len().min(b.len());
    (&a[..len], &b[..len])
}

/// How alike two sounds are, sample by sample, whatever their loudness: their correlation from -1 to 1, which is 1 for the
/// same and about 0 for strangers. Two silent ones are the same; silence and sound are strangers. The longer is cut.
pub fn similarity(a: &[i16], b: &[i16]) -> f32 {
    let (aa, bb, ab) = products(a, b);
    if aa == 0.0 && bb == 0.0 {
        1.0
    } else if aa == 0.0 || bb == 0.0 {
        0.0
    } else {
        (ab / (aa.sqrt() * bb.sqrt())) as f32
    }
}

/// How much louder `received` is than `sent`, in dB, by their power. The longer is cut.
pub fn gain_db(sent: &[i16], received: &[i16]) -> f32 {
    let (aa, bb, _) = products(sent, received);
    if aa == bb {
        0.0
    } else {
        ratio_to_db((bb / aa).sqrt() as f32)
    }
}

/// Delays, in pieces of the envelope, that deserve a closer look.
const CANDIDATES: usize = 16;

/// Stretches of the sound that the closer look compares, and how long each is, in pieces of the envelope: 4 of 0.4 s.
const PROBES: usize = 4;
const PROBE_HOPS: usize = 80;

/// Loudness of each whole piece of `hop` samples: the root of its power.
fn envelope(pcm: &[i16], hop: usize) -> Vec<f32> {
    pcm.chunks_exact(hop)
        .map(|piece| {
            let power: f32 = piece.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
            (power / hop as f32).sqrt()
        })
        .collect()
}

/// Every `factor`th average of twice as many samples: so wide that a delay of half a step does not hide the sound.
fn decimate(pcm: &[i16], factor: usize) -> Vec<f32> {
    if factor == 1 {
        return pcm.iter().map(|s| f32::from(*s)).collect();
    }
    let sums: Vec<f32> = pcm
        .chunks_exact(factor)
        .map(|piece| piece.iter().map(|s| f32::from(*s)).sum())
        .collect();
    let share = 0.5 / factor as f32;
    sums.windows(2).map(|w| (w[0] + w[1]) * share).collect()
}

/// The delays at which the envelopes correlate best, apart from each other; `None` if one is silent.
fn coarse(sent: &[f32], received: &[f32]) -> Option<Vec<i64>> {
    // Smoothed, else a delay of half a piece would hide it.
    let centred = |envelope: &[f32]| -> Vec<f32> {
        let mean = envelope.iter().sum::<f32>() / envelope.len() as f32;
        envelope
            .windows(3)
            .map(|w| (w[0] + 2.0 * w[1] + w[2]) / 4.0 - mean)
            .collect()
    };
    if sent.iter().all(|e| *e == 0.0) || received.iter().all(|e| *e == 0.0) {
        return None;
    }
    let (sent, received) = (centred(sent), centred(received));
    let lags = 10 - sent.len() as i64..=received.len() as i64 - 10;
    let mut scored: Vec<(f32, i64)> = lags
        .map(|lag| {
            let a = &sent[usize::try_from(-lag).unwrap_or(0)..];
            let b = &received[usize::try_from(lag).unwrap_or(0)..];
            (dot(a, b), lag)
        })
        .collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: Vec<i64> = Vec::with_capacity(CANDIDATES);
    for (_, lag) in scored {
        if chosen.iter().all(|c| c.abs_diff(lag) > 2) {
            chosen.push(lag);
            if chosen.len() == CANDIDATES {
                break;
            }
        }
    }
    Some(chosen)
}

/// The loudest stretches of the sent sound that the received one covers at a delay of `lag`, as ranges of the sent
/// sound, both counted in steps of `factor` samples.
fn probes(
    loud: &[f32],
    hop: usize,
    factor: usize,
    lag: i64,
    received: usize,
) -> Vec<std::ops::Range<usize>> {
    let scale = |hops: usize| hops * hop / factor;
    let covered = |start: usize, end: usize| {
        scale(start) as i64 + lag >= 0 && scale(end) as i64 + lag <= received as i64
    };
    let mut scored: Vec<(f32, std::ops::Range<usize>)> = Vec::new();
    for (i, stretch) in loud.chunks(PROBE_HOPS).enumerate() {
        let start = i * PROBE_HOPS;
        // At the edges of what is covered a stretch shrinks to its covered part.
        let mut inside = (start..start + stretch.len()).filter(|h| covered(*h, h + 1));
        let first = inside.next();
        let last = inside.next_back().or(first);
        if let (Some(first), Some(last)) = (first, last) {
            let power = loud[first..=last].iter().map(|e| e * e).sum();
            scored.push((power, scale(first)..scale(last + 1)));
        }
    }
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .into_iter()
        .take(PROBES)
        .map(|(_, range)| range)
        .collect()
}

/// The delay among `lags` at which the probes correlate best.
fn finest(
    sent: &[f32],
    received: &[f32],
    probes: &[std::ops::Range<usize>],
    lags: std::ops::RangeInclusive<i64>,
) -> Option<i64> {
    let mut best: Option<(i64, f32)> = None;
    for lag in lags {
        let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
        for probe in probes {
            let a = sent.get(probe.clone()).unwrap_or_default();
            let start = probe.start as i64 + lag;
            let Ok(start) = usize::try_from(start) else {
                continue;
            };
            let b = received.get(start..).unwrap_or_default();
            let len = a.len().min(b.len());
            let (a, b) = (&a[..len], &b[..len]);
            aa += dot(a, a);
            bb += dot(b, b);
            ab += dot(a, b);
        }
        if aa > 0.0 && bb > 0.0 {
            let score = ab / (aa.sqrt() * bb.sqrt());
            if best.is_none_or(|(_, s)| score > s) {
                best = Some((lag, score));
            }
        }
    }
    best.map(|(lag, _)| lag)
}

/// Power of each and the product of both, over the shorter.
fn products(a: &[i16], b: &[i16]) -> (f64, f64, f64) {
    let (mut aa, mut bb, mut ab) = (0i64, 0i64, 0i64);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (i64::from(*a), i64::from(*b));
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    (aa as f64, bb as f64, ab as f64)
}

#[cfg(test)]
mod tests;
