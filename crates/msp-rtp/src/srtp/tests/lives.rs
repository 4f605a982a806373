//! Roll-overs, replays, and what outlives a change of key, source or process.

use std::collections::BTreeSet;

use super::*;

const SUITE: Suite = Suite::AesCm128HmacSha1Tag80;

// Shows: no packet is taken twice | RFC 3711
#[test]
fn a_packet_passes_once_and_late_ones_pass_within_the_window() {
    for suite in Suite::ALL {
        let (mut alice, mut bob) = pair(suite);
        let first = u16::MAX - 150;
        let all: Vec<_> = (0..300)
            .map(|n| sends(&mut alice, &rtp(1, first.wrapping_add(n), b"sound")))
            .collect();
        assert!(hears(&mut bob, &all[299]).is_ok());
        for behind in [1, 63, 64, 126, 127] {
            let late = &all[299 - behind];
            assert!(hears(&mut bob, late).is_ok(), "{suite:?} {behind}");
            assert_eq!(hears(&mut bob, late), Err(DropReason::Replayed), "{behind}");
        }
        for behind in [0, 128, 129, 200, 299] {
            let heard = hears(&mut bob, &all[299 - behind]);
            assert_eq!(heard, Err(DropReason::Replayed), "{suite:?} {behind}");
        }
        let reports: Vec<_> = (0..200)
            .map(|_| closed(&mut alice, Component::Report, &report(1)).unwrap())
            .collect();
        let mut hear = |n: usize| opened(&mut bob, Component::Report, &reports[n]).is_ok();
        let heard = [199, 199, 72, 72, 71, 198].map(&mut hear);
        assert_eq!(heard, [true, false, true, false, false, true]);
    }
}

/// A window as one would write it who has all the memory there is.
#[derive(Default)]
struct Model {
    seen: BTreeSet<u64>,
}

impl Model {
    fn take(&mut self, index: u64) -> bool {
        let highest = self.seen.last().copied().unwrap_or(0);
        let taken = index + 128 > highest && !self.seen.contains(&index);
        if taken {
            self.seen.insert(index);
        }
        taken
    }
}

// Shows: the replay window does what a plain list of all numbers does | RFC 3711
#[test]
fn the_window_agrees_with_a_list_of_all_numbers() {
    let mut random = Random::new(11);
    for _ in 0..200 {
        let (mut window, mut model) = (Window::default(), Model::default());
        let mut at = 100_000 + random.next() % 1000;
        for _ in 0..2000 {
            at += match random.next() % 50 {
                0 => random.next() % 300,
                n => n % 2,
            };
            let index = at - random.next() % 140;
            let admitted = window.admits(index);
            if admitted {
                window.mark(index);
            }
            assert_eq!(admitted, model.take(index), "{index} {window:?}");
            assert_eq!(window.likeliest(index as u16), index);
        }
    }
}

// Shows: the roll-over counter holds through loss, however long | interop row 55
#[test]
fn roll_overs_are_found_again_after_any_loss_up_to_a_turn() {
    for suite in [SUITE, Suite::AeadAes256Gcm] {
        // Whatever is lost at the beginning, and how much afterwards.
        for lost in [1_u32, 100, 32_000, 33_000, 60_000, 65_535, 70_000, 98_000] {
            let (mut alice, mut bob) = pair(suite);
            let mut sequence = 65_530_u16;
            for n in 0..200_000_u32 {
                // Packets that are lost need not be encrypted: only their number counts.
                let packet = rtp(1, sequence, b"sound");
                sequence = sequence.wrapping_add(1);
                let heard = n < 4 || (n > 10 && n < 60) || n > 60 + lost;
                if !heard && n % 1000 != 0 {
                    continue;
                }
                let sent = sends(&mut alice, &packet);
                if heard && (n % 500 == 0 || n < 100 || n < 100 + lost) {
                    assert_eq!(hears(&mut bob, &sent), Ok(packet), "{suite:?} {lost} {n}");
                }
            }
        }
        // The first that is heard is after the roll-over.
        let (mut alice, mut bob) = pair(suite);
        sends(&mut alice, &rtp(1, u16::MAX, b"sound"));
        let sent = sends(&mut alice, &rtp(1, 0, b"sound"));
        assert!(hears(&mut bob, &sent).is_ok());
    }
}

// Shows: roll-overs of each source by itself, also when it comes back | interop row 55
#[test]
fn each_source_has_its_own_roll_overs() {
    let (mut alice, mut bob) = pair(SUITE);
    for turn in 0..3 {
        for ssrc in [1, 2] {
            for sequence in (0..u16::MAX).step_by(20_000) {
                if ssrc == 2 && turn > 1 {
                    continue;
                }
                let packet = rtp(ssrc, sequence, b"sound");
                let sent = sends(&mut alice, &packet);
                assert_eq!(hears(&mut bob, &sent), Ok(packet), "{ssrc} {turn}");
            }
        }
    }
    let next = |s: u32| bob.state.receive.find(Ssrc(s)).media.next() >> 16;
    assert_eq!([next(1), next(2)], [2, 1]);
}

#[test]
fn sources_are_bounded_and_only_authentic_packets_bring_them_in() {
    let (mut alice, mut bob) = pair(SUITE);
    for ssrc in 0..200 {
        // Of ours there are few.
        let mut alice = srtp(&master(SUITE, 7));
        let mut sent = sends(&mut alice, &rtp(ssrc, 1, b"sound"));
        assert!(hears(&mut bob, &sent).is_ok());
        sent[3] ^= 1;
        sent[9] ^= 1;
        assert_eq!(hears(&mut bob, &sent), Err(DropReason::NotAuthentic));
    }
    let sources = bob.state.receive.sources();
    assert_eq!(sources.len(), MAX_RECEIVED);
    assert_eq!(sources[0].ssrc, Ssrc(199));
    for ssrc in 0..MAX_SENT as u32 {
        sends(&mut alice, &rtp(ssrc, 1, b"sound"));
    }
    // To forget one of ours would be to send twice under one number.
    let more = closed(&mut alice, Component::Media, &rtp(99, 1, b"sound"));
    assert_eq!(more, Err(DropReason::SendFailed));
    sends(&mut alice, &rtp(0, 2, b"sound"));
}

#[test]
fn nothing_is_sent_twice_under_one_number() {
    for suite in Suite::ALL {
        let mut alice = pair(suite).0;
        sends(&mut alice, &rtp(1, 5, b"sound"));
        let again = closed(&mut alice, Component::Media, &rtp(1, 5, b"other"));
        assert_eq!(again, Err(DropReason::SendFailed));
        sends(&mut alice, &rtp(1, 4, b"sent out of order"));
    }
}

// Shows: a key is used up before its numbers begin anew | RFC 3711
#[test]
fn a_key_that_is_used_up_sends_nothing_more() {
    for suite in Suite::ALL {
        let (mut alice, mut bob) = pair(suite);
        let source = alice.state.send.touch(Ssrc(1));
        source.media = Window::after(LAST_MEDIA - 1);
        source.reports = Window::after(LAST_REPORT);
        *bob.state.receive.touch(Ssrc(1)) = *alice.state.send.touch(Ssrc(1));
        for sequence in [u16::MAX - 1, u16::MAX] {
            let packet = rtp(1, sequence, b"sound");
            let sent = sends(&mut alice, &packet);
            assert_eq!(hears(&mut bob, &sent), Ok(packet));
        }
        let over = closed(&mut alice, Component::Media, &rtp(1, 0, b"sound"));
        assert_eq!(over, Err(DropReason::SendFailed));
        let last = closed(&mut alice, Component::Report, &report(1)).unwrap();
        assert!(opened(&mut bob, Component::Report, &last).is_ok());
        let over = closed(&mut alice, Component::Report, &report(1));
        assert_eq!(over, Err(DropReason::SendFailed));
    }
}

/// Both ends after some roll-overs.
fn far_along() -> (Srtp, Srtp, Vec<u8>) {
    let (mut alice, mut bob) = pair(SUITE);
    let mut last = Vec::new();
    for n in 0..12_u32 {
        last = sends(&mut alice, &rtp(1, (n * 20_000) as u16, b"sound"));
        assert!(hears(&mut bob, &last).is_ok());
    }
    (alice, bob, last)
}

// Shows: roll-overs and replays outlive the process and a re-offer with the same key | interop row 55
#[test]
fn a_saved_state_goes_on_where_it_was() {
    let (alice, bob, last) = far_along();
    let (mut alice2, mut bob2) = pair(SUITE);
    alice2.resume(alice.state().unwrap());
    bob2.resume(bob.state().unwrap());
    assert_eq!((alice2.state(), bob2.state()), (alice.state(), bob.state()));
    assert_eq!(hears(&mut bob2, &last), Err(DropReason::Replayed));
    let packet = rtp(1, 40_000, b"sound");
    let sent = sends(&mut alice2, &packet);
    assert_eq!(hears(&mut bob2, &sent), Ok(packet));
    // Without it, nothing is found any more: that is what it is for.
    let mut stranger = pair(SUITE).1;
    assert_eq!(hears(&mut stranger, &sent), Err(DropReason::NotAuthentic));
}

// Shows: roll-overs stay under a new key; a peer that begins anew is heard as well | RFC 3711, interop row 55
#[test]
fn a_new_key_keeps_the_roll_overs() {
    for peer_keeps in [true, false] {
        let (alice, bob, last) = far_along();
        let key = master(SUITE, 8);
        let (mut alice2, mut bob2) = (srtp(&key), srtp(&key));
        bob2.resume(bob.state().unwrap());
        if peer_keeps {
            alice2.resume(alice.state().unwrap());
        }
        assert_eq!(hears(&mut bob2, &last), Err(DropReason::NotAuthentic));
        // Under the new key a number may come that was there under the old.
        let mut sequence = 23_456_u16;
        for n in 0..10 {
            let packet = rtp(1, sequence, b"sound");
            let sent = sends(&mut alice2, &packet);
            assert_eq!(hears(&mut bob2, &sent), Ok(packet), "{peer_keeps} {n}");
            assert_eq!(hears(&mut bob2, &sent), Err(DropReason::Replayed));
            sequence = sequence.wrapping_add(20_000);
        }
        let report = report(1);
        let sent = closed(&mut alice2, Component::Report, &report).unwrap();
        assert_eq!(opened(&mut bob2, Component::Report, &sent), Ok(report));
    }
}

// Shows: what was sent under a key is remembered while a call is plain | RFC 3711
#[test]
fn a_session_that_was_plain_for_a_while_goes_on_where_it_was() {
    let mut session = crate::Session::new(&crate::SessionConfig::new(1, Default::default()));
    let (alice, _, _) = far_along();
    let state = alice.state().cloned();
    assert!(session.set_protect(Some(Box::new(alice))).is_none());
    assert!(session.set_protect(None).is_none(), "it is kept");
    session.set_protect(Some(Box::new(pair(SUITE).0)));
    let back = session.set_protect(Some(Box::new(pair(SUITE).0))).unwrap();
    assert_eq!(back.state(), state.as_ref());
}
