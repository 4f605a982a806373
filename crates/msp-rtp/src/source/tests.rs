use super::*;
use proptest::prelude::*;

const CLOCK: ClockRate = ClockRate::HZ_8000;

fn source(first: u16) -> Source {
    Source::new(Ssrc(1), SequenceNumber(first), CLOCK, Instant::ZERO)
}

fn valid(first: u16) -> Source {
    let mut s = source(first);
    assert_eq!(
        s.sequence(SequenceNumber(first), false),
        Sequence::Probation
    );
    assert!(matches!(
        s.sequence(SequenceNumber(first.wrapping_add(1)), false),
        Sequence::Validated { .. }
    ));
    s
}

// Shows: sequence numbers: probation, wrap, restarts, loss | RFC 3550 A.1, A.3
#[test]
fn two_packets_in_a_row_make_a_source_valid() {
    let s = valid(100);
    assert_eq!((s.expected(), s.received, s.lost()), (2, 2, 0));

    let mut s = source(100);
    for seq in [100, 102, 104, 103] {
        assert_eq!(s.sequence(SequenceNumber(seq), false), Sequence::Probation);
    }
    assert!(matches!(
        s.sequence(SequenceNumber(104), false),
        Sequence::Validated { .. }
    ));
    assert_eq!((s.base_seq, s.received), (103, 2));
}

#[test]
fn validation_may_lie_on_the_wrap() {
    let s = valid(65_535);
    assert_eq!((s.expected(), s.extended_highest()), (2, 65_536));
}

#[test]
fn who_is_vouched_for_needs_no_probation() {
    let mut s = source(7);
    assert_eq!(
        s.sequence(SequenceNumber(7), true),
        Sequence::Validated { place: 7 }
    );
    assert_eq!((s.expected(), s.received), (1, 1));
}

// Shows: sequence numbers: probation, wrap, restarts, loss
#[test]
fn losses_reordering_and_duplicates_are_told_apart() {
    let mut s = valid(10);
    for seq in [13, 12, 12, 15, 15] {
        s.sequence(SequenceNumber(seq), false);
    }
    assert_eq!((s.reordered, s.duplicates), (1, 2));
    // 10, 11, 12, 13, 15 came, two of them twice; 14 is missing.
    assert_eq!((s.expected(), s.received, s.lost()), (6, 7, -1));
}

/// The limits of appendix A.1, on either side.
// Shows: sequence numbers: probation, wrap, restarts, loss
#[test]
fn jumps_are_told_from_gaps_by_the_limits_of_the_rfc() {
    for (ahead, taken) in [
        (1, true),
        (99, true),
        (101, true),
        (2999, true),
        (3000, false),
        (3001, false),
        (32_767, false),
        (32_768, false),
        (65_436, false),
        (65_437, true),
        (65_535, true),
    ] {
        let mut s = valid(1000);
        // The number before the highest was there already: take one that was not.
        let ahead = if ahead == 65_535 { 65_534 } else { ahead };
        let got = s.sequence(SequenceNumber(1001u16.wrapping_add(ahead)), false);
        assert_eq!(matches!(got, Sequence::Taken { .. }), taken, "{ahead}");
        assert_eq!(got == Sequence::Jump, !taken, "{ahead}");
    }
}

#[test]
fn a_restart_is_believed_with_the_second_packet_and_places_go_on() {
    let mut s = valid(50_000);
    assert_eq!(s.sequence(SequenceNumber(100), false), Sequence::Jump);
    assert_eq!(
        s.sequence(SequenceNumber(101), false),
        Sequence::Taken { place: 50_002 }
    );
    assert_eq!(
        s.sequence(SequenceNumber(102), false),
        Sequence::Taken { place: 50_003 }
    );
    assert_eq!((s.expected(), s.lost()), (2, 0));
    // One that strays does not restart anything.
    assert_eq!(s.sequence(SequenceNumber(30_000), false), Sequence::Jump);
    assert!(matches!(
        s.sequence(SequenceNumber(103), false),
        Sequence::Taken { .. }
    ));
}

#[test]
fn a_restart_a_little_behind_is_believed_with_the_fifth_packet() {
    for back in [1, 50, 99] {
        let mut s = valid(1000);
        for seq in 1002..1200 {
            s.sequence(SequenceNumber(seq), false);
        }
        let first = 1199 - back;
        for n in 0..4 {
            let got = s.sequence(SequenceNumber(first + n), false);
            assert!(
                back <= n || got != Sequence::Taken { place: 1200 },
                "{back}"
            );
        }
        for n in 4..10 {
            let got = s.sequence(SequenceNumber(first + n), false);
            assert!(matches!(got, Sequence::Taken { .. }), "{back}");
        }
    }
}

#[test]
fn the_fraction_lost_is_of_the_time_since_the_last_report() {
    let mut s = valid(0);
    for seq in 2..100 {
        if seq % 4 != 0 {
            s.sequence(SequenceNumber(seq), false);
        }
    }
    assert_eq!(s.lost(), 24);
    assert_eq!(s.report_loss(), ((24 * 256 / 100) as u8, 24));
    for seq in 100..150 {
        s.sequence(SequenceNumber(seq), false);
    }
    assert_eq!(s.report_loss(), (0, 24));
    assert_eq!(s.report_loss(), (0, 24), "nothing expected");
}

/// RFC 3550 appendix A.8 by hand: differences of 8 ms, then none.
// Shows: interarrival jitter | RFC 3550 A.8
#[test]
fn jitter_is_a_sixteenth_of_each_difference() {
    let mut s = valid(0);
    s.arrival(Instant::from_millis(0), 0, CLOCK);
    s.arrival(Instant::from_millis(28), 160, CLOCK);
    assert!((s.jitter - 4.0).abs() < 1e-9, "64 ticks / 16");
    s.arrival(Instant::from_millis(48), 320, CLOCK);
    assert!((s.jitter - 3.75).abs() < 1e-9);
    assert!((s.jitter_max - 4.0).abs() < 1e-9);
    assert_eq!(s.jitter_duration(), Duration::from_nanos(468_750));
}

#[test]
fn jitter_knows_the_wrap_and_survives_leaps() {
    let mut s = valid(0);
    s.arrival(Instant::from_millis(0), u32::MAX - 79, CLOCK);
    s.arrival(Instant::from_millis(20), 80, CLOCK);
    assert!(s.jitter < 1e-9);
    for leap in [1 << 31, 0, u32::MAX, 7] {
        s.arrival(Instant::from_millis(40), leap, CLOCK);
        assert!(s.jitter < 100.0 * 8.0);
    }
}

proptest! {
    /// Whatever numbers come, counters stay sane and places of packets that are ahead grow.
    #[test]
    fn any_numbers_leave_the_counters_sane(
        first: u16,
        steps in prop::collection::vec(prop_oneof![8 => 0u16..4, 1 => any::<u16>()], 1..300),
    ) {
        let mut s = source(first);
        let mut seq = first;
        let mut highest = i64::MIN;
        for step in steps {
            seq = seq.wrapping_add(step);
            match s.sequence(SequenceNumber(seq), false) {
                Sequence::Taken { place } | Sequence::Validated { place } => {
                    if place > highest {
                        highest = place;
                    } else {
                        prop_assert!(highest - place <= i64::from(MAX_MISORDER));
                    }
                }
                _ => {}
            }
            prop_assert!(s.expected() as i64 - s.lost() == s.received as i64 || !s.is_valid());
            prop_assert!(s.lost() <= s.expected() as i64);
            let (_, total) = s.clone().report_loss();
            prop_assert!((-0x80_0000..=0x7f_ffff).contains(&total));
        }
    }

    /// A wrap in any place loses nothing.
    #[test]
    fn streams_wrap_without_loss(first: u16, n in 2u32..70_000) {
        let mut s = source(first);
        for i in 0..n {
            s.sequence(SequenceNumber(first.wrapping_add(i as u16)), false);
        }
        prop_assert_eq!((s.expected(), s.lost()), (u64::from(n), 0));
    }
}
