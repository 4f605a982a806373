//! The verdict holds for good calls, clean and impaired, and fails for each planted fault with its own reason.

use std::time::Duration;

use crate::sample::{Call, Conditions, RATE, call, call_with, decode, speech};
use msp_codecs::{Pcma, Pcmu};
use msp_core::trace::{PlayoutAction, TraceBody, TraceEntry, Way};
use tipring_report::{Limits, Network, Phone, Reason, Recording, Sound, Verdict};

fn judge(call: &Call) -> Verdict {
    Verdict::judge(
        &call.alice.phone(),
        &call.bob.phone(),
        &call.alice.network,
        &call.bob.network,
        &Limits::default(),
    )
}

/// Who heard whom, and why it is wrong.
fn codes(verdict: &Verdict) -> Vec<(&str, &'static str)> {
    verdict
        .all_reasons()
        .map(|(direction, reason)| (direction.map_or("call", |(_, to)| to), reason.code()))
        .collect()
}

#[test]
fn a_clean_call_holds_and_its_delay_is_known_to_the_sample() {
    for (a_law, lead_in) in [(false, 0), (true, 0), (false, 7)] {
        let verdict = judge(&call(&Conditions {
            a_law,
            lead_in,
            ..Conditions::default()
        }));
        assert!(verdict.holds(), "{:?}", codes(&verdict));
        for direction in &verdict.directions {
            assert_eq!(direction.unexplained, 0);
            assert_eq!(direction.equal + 320, direction.recorded);
            assert_eq!(direction.named["silence"], 320);
            assert_eq!(direction.delay_ms, Some(72.0));
            assert_eq!(direction.delay_samples, Some(320 + 160 * lead_in as i64));
        }
    }
}

#[test]
fn a_bad_network_explains_what_it_did() {
    let call = call(&Conditions {
        loss: 0.05,
        jitter: Duration::from_millis(80),
        seconds: 20,
        ..Conditions::default()
    });
    let verdict = judge(&call);
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    assert!(verdict.directions.iter().all(|d| d.named["concealed"] > 0));

    // The same call over a network that was asked for nothing is too little.
    let mut innocent = call;
    innocent.alice.network = Network::default();
    assert_eq!(codes(&judge(&innocent)), [("bob", "too_little_heard")]);
}

#[test]
fn every_packet_lost() {
    let mut call = call(&Conditions::default());
    for end in [&mut call.alice, &mut call.bob] {
        end.entries.retain(|e| {
            !matches!(
                e.body,
                TraceBody::Media { way: Way::In, .. } | TraceBody::Playout { .. }
            )
        });
        end.heard.clear();
    }
    assert_eq!(
        codes(&judge(&call)),
        [("bob", "nothing_heard"), ("alice", "nothing_heard")]
    );
}

#[test]
fn files_swapped() {
    let mut call = call(&Conditions::default());
    std::mem::swap(&mut call.alice.sound, &mut call.bob.sound);
    let verdict = judge(&call);
    assert_eq!(
        codes(&verdict),
        [("bob", "wrong_sound"), ("alice", "wrong_sound")]
    );
    assert!(
        verdict
            .all_reasons()
            .all(|(_, r)| matches!(r, Reason::WrongSound { swapped: true, .. }))
    );
}

#[test]
fn a_strange_sound() {
    let mut call = call(&Conditions::default());
    call.alice.sound = Sound::through(&Pcmu, &speech(6.0, 300.0, 99)).unwrap();
    let verdict = judge(&call);
    assert_eq!(codes(&verdict), [("bob", "wrong_sound")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert!(
        matches!(reason, Reason::WrongSound { swapped: false, similarity } if *similarity < 0.6)
    );
}

/// Where a phone hears something loud in the middle of the call.
fn loud_place(heard: &[i16]) -> usize {
    (heard.len() / 2..)
        .find(|at| {
            heard[*at..at + 160]
                .iter()
                .filter(|s| s.unsigned_abs() > 500)
                .count()
                > 80
        })
        .unwrap()
}

#[test]
fn one_frame_cut_out() {
    let mut call = call(&Conditions::default());
    let at = loud_place(&call.bob.heard);
    call.bob.heard.drain(at..at + 160);
    let verdict = judge(&call);
    assert_eq!(codes(&verdict), [("bob", "unexplained_samples")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    let Reason::UnexplainedSamples { first, count, .. } = reason else {
        panic!("{reason}");
    };
    assert!((at as i64..at as i64 + 80).contains(first), "{first} {at}");
    assert_eq!(*count, 160);
}

#[test]
fn one_frame_silenced_and_one_sample_flipped() {
    let clean = call(&Conditions::default());
    let at = loud_place(&clean.bob.heard);
    let mut silenced = clean.clone();
    silenced.bob.heard[at..at + 160].fill(0);
    let mut flipped = clean;
    flipped.bob.heard[at] ^= 1;
    for (call, most) in [(silenced, 160), (flipped, 1)] {
        let verdict = judge(&call);
        assert_eq!(codes(&verdict), [("bob", "unexplained_samples")]);
        let unexplained = verdict.directions[0].unexplained;
        assert!((1..=most).contains(&unexplained), "{unexplained}");
    }
}

#[test]
fn a_shift_that_playout_does_not_know() {
    let mut call = call(&Conditions::default());
    call.bob.heard.splice(0..0, [0; 2400]);
    let played = call.bob.heard.len() - 2400;
    call.bob.heard.truncate(played);
    let verdict = judge(&call);
    assert_eq!(codes(&verdict), [("bob", "shifted")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(*reason, Reason::Shifted { ms: 300.0 });
}

#[test]
fn a_recording_that_began_before_the_stream_was_made() {
    let call = call(&Conditions::default());
    let before = [vec![0; 400], call.bob.heard.clone()].concat();
    let bob = call.bob.phone().recorded(Recording {
        samples: before,
        rate: RATE,
        position: -400,
    });
    let (alice, network) = (call.alice.phone(), Network::default());
    let verdict = Verdict::judge(&alice, &bob, &network, &network, &Limits::default());
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    let forth = &verdict.directions[0];
    assert_eq!(forth.named["silence"], 400 + 320);
    assert_eq!((forth.unexplained, forth.delay_ms), (0, Some(72.0)));
    assert_eq!(forth.delay_samples, Some(320 + 400));
}

#[test]
fn a_delay_that_nobody_asked_for() {
    let verdict = judge(&call(&Conditions {
        delay: Duration::from_millis(312),
        ..Conditions::default()
    }));
    assert_eq!(
        codes(&verdict),
        [("bob", "too_late"), ("alice", "too_late")]
    );
}

#[test]
fn twenty_decibels_too_soft() {
    for (factor, code) in [(0.1, "too_soft"), (1.9, "too_loud")] {
        let call = call_with(
            &Conditions::default(),
            |first, pcm| {
                if first {
                    for sample in pcm {
                        *sample = (f64::from(*sample) * factor) as i16;
                    }
                }
            },
            |_, codec, payload| decode(codec, payload),
        );
        let verdict = judge(&call);
        assert_eq!(codes(&verdict), [("bob", code)]);
        if let Some((_, Reason::TooSoft { db })) = verdict.all_reasons().next() {
            assert!((db - 20.0).abs() < 0.5, "{db}");
        }
    }
}

#[test]
fn one_direction_muted() {
    let call = call_with(
        &Conditions::default(),
        |first, pcm| {
            if !first {
                pcm.fill(0);
            }
        },
        |_, codec, payload| decode(codec, payload),
    );
    let verdict = judge(&call);
    assert_eq!(codes(&verdict), [("alice", "one_way_silent")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(*reason, Reason::OneWaySilent { packets: 300 });
}

#[test]
fn a_law_read_as_mu_law() {
    let conditions = Conditions {
        a_law: true,
        ..Conditions::default()
    };
    let call = call_with(
        &conditions,
        |_, _| {},
        |first, codec, payload| {
            if first {
                decode(codec, payload)
            } else {
                decode(&Pcmu, payload)
            }
        },
    );
    let verdict = judge(&call);
    assert_eq!(codes(&verdict), [("bob", "wrong_law")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(
        reason.to_string(),
        "the wrong law: PCMA was decoded as PCMU"
    );
}

#[test]
fn no_answer_and_no_evidence() {
    let mut unanswered = call(&Conditions::default());
    unanswered
        .alice
        .entries
        .retain(|e| !matches!(e.body, TraceBody::Signal { way: Way::In, .. }));
    assert_eq!(codes(&judge(&unanswered)), [("call", "not_connected")]);

    let call = call(&Conditions::default());
    let verdict = Verdict::judge(
        &Phone::new("alice", call.alice.entries.clone()),
        &call.bob.phone(),
        &call.alice.network,
        &call.bob.network,
        &Limits::default(),
    );
    assert_eq!(
        codes(&verdict),
        [("bob", "incomplete"), ("alice", "incomplete")]
    );
}

#[test]
fn a_recording_that_ends_too_early_and_a_log_with_a_hole() {
    let clean = call(&Conditions::default());
    let mut short = clean.clone();
    short.bob.heard.truncate(8000);
    assert_eq!(
        codes(&judge(&short)),
        [("bob", "incomplete"), ("bob", "too_little_heard")]
    );

    let mut hole = clean;
    let entries = &mut hole.bob.entries;
    let (at, rest) = entries
        .iter_mut()
        .enumerate()
        .find_map(|(at, e)| match &mut e.body {
            TraceBody::Playout { segment, .. } if segment.action == PlayoutAction::Normal => {
                let mut rest = *segment;
                segment.samples = 8000;
                rest.position += 8080;
                rest.samples -= 8080;
                rest.rtp_timestamp = rest.rtp_timestamp.map(|t| t.wrapping_add(8080));
                Some((at, rest))
            }
            _ => None,
        })
        .unwrap();
    let mut entry = entries[at].clone();
    if let TraceBody::Playout { segment, .. } = &mut entry.body {
        *segment = rest;
    }
    entries.insert(at + 1, entry);
    let verdict = judge(&hole);
    assert_eq!(codes(&verdict), [("bob", "unexplained_samples")]);
    assert_eq!(verdict.directions[0].unexplained, 80);
}

#[test]
fn a_bad_network_hides_no_fault() {
    let bad = Conditions {
        loss: 0.05,
        jitter: Duration::from_millis(50),
        seconds: 12,
        a_law: true,
        ..Conditions::default()
    };
    let clean = call(&bad);
    assert!(judge(&clean).holds());
    let at = loud_place(&clean.bob.heard);

    let mut cut = clean.clone();
    cut.bob.heard.drain(at..at + 160);
    let mut shifted = clean.clone();
    shifted.bob.heard.splice(0..0, [0; 2400]);
    shifted.bob.heard.truncate(clean.bob.heard.len());
    let mut swapped = clean.clone();
    swapped.alice.sound = clean.bob.sound.clone();
    let mut strange = clean;
    strange.alice.sound = Sound::through(&Pcma, &speech(12.0, 300.0, 99)).unwrap();
    let soft = call_with(
        &bad,
        |first, pcm| {
            for sample in pcm.iter_mut().filter(|_| first) {
                *sample /= 10;
            }
        },
        |_, codec, payload| decode(codec, payload),
    );
    let law = call_with(
        &bad,
        |_, _| {},
        |first, codec, payload| match first {
            true => decode(codec, payload),
            false => decode(&Pcmu, payload),
        },
    );
    for (call, code) in [
        (cut, "unexplained_samples"),
        (shifted, "shifted"),
        (swapped, "wrong_sound"),
        (strange, "wrong_sound"),
        (soft, "too_soft"),
        (law, "wrong_law"),
    ] {
        assert_eq!(codes(&judge(&call)), [("bob", code)]);
    }
}

#[test]
fn a_sender_that_was_late_paused_its_file_and_let_time_go_on() {
    // The timestamps of its packets jump by 40 ms in the middle, the sound does not: that is no fault of the call.
    let mut call = call(&Conditions::default());
    let jump = |entries: &mut Vec<TraceEntry>| {
        for entry in entries {
            match &mut entry.body {
                TraceBody::Media { bytes, .. } if bytes[1] & 0x7f == 0 => {
                    let mut changed = bytes.to_vec();
                    let sequence = u16::from_be_bytes([changed[2], changed[3]]);
                    if sequence.wrapping_sub(65_500) >= 150 {
                        let timestamp = u32::from_be_bytes(changed[4..8].try_into().unwrap());
                        changed[4..8].copy_from_slice(&timestamp.wrapping_add(320).to_be_bytes());
                    }
                    *bytes = changed.into();
                }
                _ => {}
            }
        }
    };
    jump(&mut call.alice.entries);
    jump(&mut call.bob.entries);
    for end in [&mut call.alice, &mut call.bob] {
        let at = end
            .entries
            .iter()
            .position(|e| matches!(&e.body, TraceBody::Playout { segment, .. } if segment.samples > 30_000))
            .unwrap();
        let mut rest = end.entries[at].clone();
        if let TraceBody::Playout { segment, .. } = &mut end.entries[at].body {
            segment.samples = 150 * 160;
        }
        if let TraceBody::Playout { segment, .. } = &mut rest.body {
            segment.position += 150 * 160;
            segment.samples -= 150 * 160;
            segment.rtp_timestamp = segment
                .rtp_timestamp
                .map(|t| t.wrapping_add(150 * 160 + 320));
        }
        rest.at += Duration::from_secs(3);
        end.entries.insert(at + 1, rest);
    }
    let verdict = judge(&call);
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    assert!(verdict.directions.iter().all(|d| d.unexplained == 0));
}
