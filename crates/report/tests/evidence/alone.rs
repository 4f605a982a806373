//! What one end of a call knows by itself: its verdict holds for good calls and fails for each fault with its own reason.

use std::time::Duration;

use msp_core::event::{Cause, EventKind, MspEvent, Scope};
use msp_core::id::{AddressId, CallKey};
use msp_core::time::Instant;
use msp_core::trace::{PlayoutAction, TraceBody, TraceEntry, Way};
use tipring_report::model::Outcome;
use tipring_report::{Limits, Phone, Reason, Recording, ReportBuilder, Verdict};

use crate::sample::{Call, Conditions, End, RATE, call, call_with, decode};

/// `end` as a phone that knows of nobody but itself.
fn alone(end: &End) -> Phone {
    Phone::new(end.name, end.entries.clone())
        .recorded(recording(&end.heard))
        .captured(end.given.clone())
}

fn recording(heard: &[i16]) -> Recording {
    Recording {
        samples: heard.to_vec(),
        rate: RATE,
        position: 0,
    }
}

fn judge(phone: &Phone) -> Verdict {
    Verdict::judge_alone(phone, &Limits::default())
}

/// Whose hearing is wrong, and why.
fn codes(verdict: &Verdict) -> Vec<(&str, &'static str)> {
    verdict
        .all_reasons()
        .map(|(direction, reason)| (direction.map_or("call", |(_, to)| to), reason.code()))
        .collect()
}

#[track_caller]
fn fails(phone: &Phone, expected: &[(&str, &str)]) {
    assert_eq!(codes(&judge(phone)), expected);
}

fn is_media_in(entry: &TraceEntry) -> bool {
    matches!(entry.body, TraceBody::Media { way: Way::In, .. })
}

#[test]
fn a_clean_call_holds_from_either_end() {
    let call = call(&Conditions::default());
    for (end, peer) in [(&call.alice, "bob"), (&call.bob, "alice")] {
        let verdict = judge(&alone(end));
        assert!(verdict.holds(), "{:?}", codes(&verdict));
        assert_eq!(verdict.seen_by.as_deref(), Some(end.name));
        assert_eq!(verdict.judged_s, None);
        let [sending, hearing] = verdict.directions.as_slice() else {
            panic!("two directions");
        };
        assert_eq!((&*sending.from, &*sending.to), (end.name, peer));
        assert_eq!((&*hearing.from, &*hearing.to), (peer, end.name));
        assert_eq!((sending.sent_packets, hearing.sent_packets), (300, 300));
        // It cannot hear what the other end hears.
        assert_eq!(sending.recorded, 0);
        assert_eq!(hearing.recorded, end.heard.len() as u64);
        assert_eq!(hearing.equal + 320, hearing.recorded);
        assert_eq!(hearing.named["silence"], 320);
        assert_eq!(hearing.delay_ms, Some(60.0));
    }
}

#[test]
fn a_little_loss_is_explained_and_too_much_fails() {
    let lossy = |loss| {
        call(&Conditions {
            loss,
            jitter: Duration::from_millis(50),
            seconds: 20,
            ..Conditions::default()
        })
    };
    let verdict = judge(&alone(&lossy(0.02).bob));
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    assert!(verdict.directions[1].named["concealed"] > 0);

    let verdict = judge(&alone(&lossy(0.5).bob));
    assert_eq!(codes(&verdict), [("bob", "too_much_lost")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    let Reason::TooMuchLost { lost, due, limit } = *reason else {
        panic!("{reason}");
    };
    assert!((400..600).contains(&lost), "{lost}");
    assert!((990..=1000).contains(&due), "{due}");
    assert_eq!(limit, 0.03);
}

#[test]
fn loss_that_the_peer_reports() {
    let mut call = call(&Conditions::default());
    for entry in &mut call.bob.entries {
        if let TraceBody::Stats { stats, .. } = &mut entry.body {
            stats.sent.packets = 300;
            stats.sent.remote_lost = 150;
        }
    }
    // Without a report the number says nothing.
    assert!(judge(&alone(&call.bob)).holds());
    for entry in &mut call.bob.entries {
        if let TraceBody::Stats { stats, .. } = &mut entry.body {
            stats.sent.round_trip = Some(Duration::from_millis(24));
        }
    }
    fails(&alone(&call.bob), &[("alice", "too_much_lost")]);
}

#[test]
fn a_peer_that_sends_nothing() {
    let mut call = call(&Conditions::default());
    call.bob.entries.retain(|e| !is_media_in(e));
    for entry in &mut call.bob.entries {
        if let TraceBody::Playout { segment, .. } = &mut entry.body {
            (segment.action, segment.rtp_timestamp) = (PlayoutAction::Silence, None);
        }
    }
    call.bob.heard.fill(0);
    let verdict = judge(&alone(&call.bob));
    assert_eq!(codes(&verdict), [("bob", "one_way_silent")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(*reason, Reason::OneWaySilent { packets: 0 });
    // Nor was there anything to record, if the stream never began.
    let nothing = Phone::new("bob", call.bob.entries.clone());
    fails(&nothing, &[("bob", "one_way_silent")]);
}

/// A call in which the second end sends silence.
fn muted() -> Call {
    call_with(
        &Conditions::default(),
        |first, pcm| {
            if !first {
                pcm.fill(0);
            }
        },
        |_, codec, payload| decode(codec, payload),
    )
}

#[test]
fn a_peer_that_is_muted() {
    let verdict = judge(&alone(&muted().alice));
    assert_eq!(codes(&verdict), [("alice", "one_way_silent")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(*reason, Reason::OneWaySilent { packets: 300 });
}

#[test]
fn an_end_that_was_given_nothing_is_silent_by_wish_and_one_that_was_given_sound_is_not() {
    let call = muted();
    assert!(judge(&alone(&call.bob)).holds());

    let talks = alone(&call.bob).captured(call.alice.given);
    let verdict = judge(&talks);
    assert_eq!(codes(&verdict), [("alice", "not_sent")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    assert_eq!(*reason, Reason::NotSent { packets: 300 });
}

#[test]
fn a_peer_that_may_not_send_need_not() {
    let mut call = muted();
    for entry in &mut call.alice.entries {
        if let TraceBody::Agreed { params, .. } = &mut entry.body {
            params[0].direction = msp_core::media::MediaDirection::SendOnly;
        }
    }
    assert!(judge(&alone(&call.alice)).holds());
}

#[test]
fn samples_that_are_not_those_of_the_packets() {
    let clean = call(&Conditions::default());
    let at = clean.bob.heard.len() / 2;
    let at = (at..)
        .find(|at| clean.bob.heard[*at].unsigned_abs() > 1000)
        .unwrap();
    let with = |change: &dyn Fn(&mut Vec<i16>)| {
        let mut heard = clean.bob.heard.clone();
        change(&mut heard);
        alone(&clean.bob).recorded(recording(&heard))
    };
    fails(
        &with(&|heard| drop(heard.drain(at..at + 160))),
        &[("bob", "unexplained_samples")],
    );
    let flipped = judge(&with(&|heard| heard[at] ^= 1));
    assert_eq!(codes(&flipped), [("bob", "unexplained_samples")]);
    assert_eq!(flipped.directions[1].unexplained, 1);
    fails(
        &with(&|heard| {
            heard.splice(0..0, [0; 2400]);
            heard.truncate(clean.bob.heard.len());
        }),
        &[("bob", "shifted")],
    );
    fails(
        &with(&|heard| heard.iter_mut().for_each(|s| *s /= 10)),
        &[("bob", "too_soft")],
    );
    fails(
        &with(&|heard| heard.clone_from(&clean.alice.heard)),
        &[("bob", "wrong_sound")],
    );
}

#[test]
fn sound_that_came_and_was_not_played() {
    // The log owns up to it: it is explained, and wrong nevertheless.
    let mut call = call(&Conditions::default());
    let mut stopped = Instant::ZERO;
    for entry in &mut call.bob.entries {
        if let TraceBody::Playout { segment, .. } = &mut entry.body
            && segment.samples > 8000
        {
            segment.samples = 8000;
            stopped = entry.at + Duration::from_secs(1);
        }
    }
    let silence = TraceEntry {
        at: stopped,
        call: None,
        body: TraceBody::Playout {
            stream: msp_core::id::StreamId(1),
            segment: msp_core::trace::PlayoutSegment {
                position: 8320,
                samples: u32::try_from(call.bob.heard.len()).unwrap() - 8320,
                action: PlayoutAction::Silence,
                rtp_timestamp: None,
            },
        },
    };
    call.bob.entries.push(silence);
    call.bob.heard[8320..].fill(0);
    fails(&alone(&call.bob), &[("bob", "too_little_heard")]);
}

#[test]
fn a_stranger_is_not_the_peer() {
    // Packets that the latch kept out, under the timestamps of those that were let in.
    let mut call = call(&Conditions::default());
    let strange: Vec<TraceEntry> = call
        .bob
        .entries
        .iter()
        .filter(|e| is_media_in(e))
        .cloned()
        .filter_map(|mut e| match &mut e.body {
            TraceBody::Media { bytes, dropped, .. } if bytes.len() == 172 => {
                let mut noise = bytes.to_vec();
                noise[8] ^= 0x55;
                noise[12..].fill(0x2a);
                (*bytes, *dropped) = (noise.into(), Some(msp_core::stats::DropReason::WrongSource));
                e.at += Duration::from_millis(1);
                Some(e)
            }
            _ => None,
        })
        .collect();
    assert_eq!(strange.len(), 300);
    call.bob.entries.extend(strange);
    let verdict = judge(&alone(&call.bob));
    assert!(verdict.holds(), "{:?}", codes(&verdict));
}

#[test]
fn a_call_that_begins_with_a_pause() {
    let late = call(&Conditions {
        delay: Duration::from_millis(520),
        ..Conditions::default()
    });
    let verdict = judge(&alone(&late.bob));
    assert_eq!(codes(&verdict), [("bob", "slow_start")]);
    let (_, reason) = verdict.all_reasons().next().unwrap();
    let Reason::SlowStart { ms, limit_ms } = *reason else {
        panic!("{reason}");
    };
    // 3 ms until it is sent, 520 ms of network, 60 ms of buffer.
    assert!((ms - 583.0).abs() < 20.0, "{ms}");
    assert_eq!(limit_ms, 500.0);
}

#[test]
fn a_peer_that_ceases_to_send() {
    let mut call = call(&Conditions::default());
    let last = call.bob.entries.last().unwrap().at;
    let event = |cause| TraceEntry {
        at: last,
        call: None,
        body: TraceBody::Event(MspEvent {
            at: last,
            scope: Scope::call(AddressId(1), CallKey(7)),
            kind: EventKind::StreamInactive,
            cause,
            error: None,
        }),
    };
    // A stream that stops because somebody wanted it to is no loss.
    call.bob.entries.push(event(Cause::LocalRequest));
    assert!(judge(&alone(&call.bob)).holds());
    call.bob.entries.push(event(Cause::MediaTimeout));
    fails(&alone(&call.bob), &[("bob", "ceased")]);
}

#[test]
fn no_answer_and_no_recording() {
    let call = call(&Conditions::default());
    let is_answer = |e: &TraceEntry| matches!(&e.body, TraceBody::Signal { bytes, .. } if bytes.starts_with(b"SIP/2.0 200"));
    let mut unanswered = call.alice.clone();
    unanswered.entries.retain(|e| !is_answer(e));
    fails(&alone(&unanswered), &[("call", "not_connected")]);
    fails(
        &Phone::new("alice", Vec::new()),
        &[("call", "not_connected")],
    );

    let deaf = Phone::new("bob", call.bob.entries.clone());
    fails(&deaf, &[("bob", "incomplete")]);
    let mut other_rate = recording(&call.bob.heard);
    other_rate.rate = msp_core::time::ClockRate::new(16_000).unwrap();
    fails(
        &alone(&call.bob).recorded(other_rate),
        &[("bob", "incomplete")],
    );
}

#[test]
fn a_log_that_says_nothing_of_what_was_heard() {
    let mut call = call(&Conditions::default());
    call.bob.entries.retain(|e| match &e.body {
        TraceBody::Playout { segment, .. } => segment.action == PlayoutAction::Silence,
        _ => true,
    });
    fails(
        &alone(&call.bob),
        &[("bob", "unexplained_samples"), ("bob", "too_little_heard")],
    );
}

#[test]
fn what_there_was_no_room_for_is_not_judged() {
    let call = call(&Conditions::default());
    let short = alone(&call.bob).recorded(recording(&call.bob.heard[..16_000]));
    fails(
        &short,
        &[("bob", "incomplete"), ("bob", "too_little_heard")][..1],
    );
    let verdict = judge(&short.cut());
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    assert_eq!(verdict.judged_s, Some(2.0));
    assert_eq!(verdict.directions[1].recorded, 16_000);

    // The trace was full before the recording was.
    let mut full = call.bob;
    let mut logged = 0;
    for entry in &mut full.entries {
        if let TraceBody::Playout { segment, .. } = &mut entry.body {
            segment.samples = segment.samples.min(24_000);
            logged += u64::from(segment.samples);
        }
    }
    assert_eq!(logged, 24_320);
    fails(
        &alone(&full),
        &[("bob", "unexplained_samples"), ("bob", "too_little_heard")],
    );
    let verdict = judge(&alone(&full).cut());
    assert!(verdict.holds(), "{:?}", codes(&verdict));
    assert_eq!(verdict.directions[1].recorded, logged);
}

#[test]
fn a_report_tells_what_one_end_knows_and_what_it_does_not() {
    let good = call(&Conditions::default());
    for (end, outcome, says) in [
        (
            &good.bob,
            Outcome::Holds,
            "Good, as far as this end can tell",
        ),
        (&muted().alice, Outcome::Fails, "The verdict does not hold"),
    ] {
        let phone = alone(end);
        let verdict = judge(&phone);
        let report = ReportBuilder::new("tipring 0.1.0")
            .phone(phone)
            .verdict(verdict)
            .build();
        assert_eq!(report.outcome, outcome);
        let mut page = Vec::new();
        report.write_html(&mut page).unwrap();
        assert!(String::from_utf8(page).unwrap().contains(says));
        let [sent, heard] = report.directions.as_slice() else {
            panic!("two directions");
        };
        assert!(sent.sent_dbov.is_some() && heard.heard_dbov.is_some());
        assert!(sent.waveform.is_some());
        assert!(!heard.waveform.as_ref().unwrap().heard.is_empty());
    }
}
