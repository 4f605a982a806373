use super::*;
use msp_core::id::SequenceNumber;
use msp_core::stats::DropReason;
use proptest::prelude::*;
use rtcp_types::{Compound, Packet};

fn sender(packets: u64) -> SenderState {
    SenderState {
        ssrc: Ssrc(0x0102_0304),
        sequence: SequenceNumber(1),
        timestamp: 0,
        packets,
        octets: packets * 160,
    }
}

fn heard(packets: u16) -> Source {
    let mut source = Source::new(
        Ssrc(99),
        SequenceNumber(0),
        ClockRate::HZ_8000,
        Instant::ZERO,
    );
    for seq in 0..packets {
        source.sequence(SequenceNumber(seq), false);
    }
    source
}

#[test]
fn the_epoch_of_unix_is_70_years_after_that_of_ntp() {
    let wall = WallClock::new(1_500_000_000);
    assert_eq!(wall.ntp(Instant::ZERO), (2_208_988_801 << 32) | (1 << 31));
}

#[test]
fn what_we_write_is_read_by_others() {
    let mut reporter = Reporter::new("x@y", WallClock::new(0), 1);
    let mut buffer = [0; 256];
    let mut source = heard(10);
    reporter.start(Instant::ZERO);
    reporter.sender_report(Instant::from_millis(9000), Ssrc(99), 0x0001_2345_6789_0000);
    let subject = Subject {
        sender: &sender(50),
        timestamp: 777,
        source: Some(&mut source),
    };
    let now = Instant::from_millis(10_000);
    let range = reporter.bye(now, subject, Bye { ssrc: Ssrc(5) }, &mut buffer);
    let bytes = &buffer[range.unwrap()];
    let packets: Vec<_> = Compound::parse(bytes)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let [Packet::Sr(sr), Packet::Sdes(sdes), Packet::Bye(bye)] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!((sr.ssrc(), sr.rtp_timestamp()), (0x0102_0304, 777));
    assert_eq!((sr.packet_count(), sr.octet_count()), (50, 8000));
    let block = sr.report_blocks().next().unwrap();
    assert_eq!((block.ssrc(), block.extended_sequence_number()), (99, 9));
    assert_eq!(block.last_sender_report_timestamp(), 0x2345_6789);
    assert_eq!(block.delay_since_last_sender_report_timestamp(), 1 << 16);
    let chunk = sdes.chunks().next().unwrap();
    assert_eq!(chunk.items().next().unwrap().value(), b"x@y");
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [5]);
    let names = Reports::new(bytes).find_map(|r| match r {
        Ok(Report::Names(names)) => names.cname(Ssrc(0x0102_0304)),
        _ => None,
    });
    assert_eq!(names, Some("x@y"));
}

#[test]
fn who_sends_nothing_is_a_receiver_two_reports_later() {
    let mut reporter = Reporter::new("x", WallClock::new(0), 7);
    reporter.start(Instant::ZERO);
    let mut kinds = Vec::new();
    let mut packets = 0;
    for second in 0..60 {
        packets += if second < 20 { 50 } else { 0 };
        let mut buffer = [0; 256];
        let state = sender(packets);
        let subject = Subject {
            sender: &state,
            timestamp: 0,
            source: None,
        };
        if let Some(range) =
            reporter.poll(Instant::from_millis(second * 1000), subject, &mut buffer)
        {
            kinds.push((second, buffer[range.start + 1]));
        }
    }
    assert!(kinds.len() > 6);
    for (second, kind) in kinds {
        match second {
            1..=20 => assert_eq!(kind, 200, "{second}"),
            40.. => assert_eq!(kind, 201, "{second}"),
            _ => {}
        }
    }
}

/// RFC 3550 section 6.3: on average one in 5 s, and never two within 2 s.
#[test]
fn reports_keep_their_distance() {
    let mut total = 0;
    for seed in 0..50 {
        let mut reporter = Reporter::new("x", WallClock::new(0), seed);
        reporter.start(Instant::ZERO);
        let mut last = None;
        for tick in 0..60_000u64 {
            let now = Instant::from_millis(tick * 10);
            let state = sender(tick);
            let subject = Subject {
                sender: &state,
                timestamp: 0,
                source: None,
            };
            if reporter.poll(now, subject, &mut [0; 256]).is_some() {
                if let Some(last) = last {
                    assert!(now.saturating_since(last) >= Duration::from_millis(2040));
                }
                last = Some(now);
                total += 1;
            }
        }
    }
    let average = 50.0 * 600.0 / f64::from(total);
    assert!((4.5..5.5).contains(&average), "{average}");
}

#[test]
fn the_round_trip_is_what_is_left_of_the_time_since_our_report() {
    let wall = WallClock::new(1_700_000_000_000_000_000);
    let mut reporter = Reporter::new("x", wall, 1);
    let sent = Instant::from_millis(5000);
    let block = |delay| Block {
        ssrc: Ssrc(1),
        fraction: 0,
        lost: -3,
        highest: 0,
        jitter: 80,
        last_sr: (wall.ntp(sent) >> 16) as u32,
        delay,
    };
    reporter.block(Instant::from_millis(7100), &block(2 << 16));
    let mut stats = SendStats::default();
    reporter.stats(ClockRate::HZ_8000, &mut stats);
    let trip = stats.round_trip.unwrap();
    assert!((99..=101).contains(&trip.as_millis()), "{trip:?}");
    assert_eq!(stats.remote_lost, -3);
    assert_eq!(stats.remote_jitter, Duration::from_millis(10));
    // Nonsense changes nothing.
    reporter.block(Instant::from_millis(7100), &block(900 << 16));
    reporter.stats(ClockRate::HZ_8000, &mut stats);
    assert_eq!(stats.round_trip, Some(trip));
}

#[test]
fn a_broken_packet_does_not_hide_the_whole_ones_around_it() {
    // A receiver report, a sender report that is too short, a goodbye, and the rest of something.
    let bytes = [
        0x80, 201, 0, 1, 0, 0, 0, 9, 0x80, 200, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 9, 0x81,
    ];
    let read: Vec<_> = Reports::new(&bytes).map(|r| r.map(|_| ())).collect();
    let bad = Err(DropReason::BadReport);
    assert_eq!(read, [Ok(()), bad, Ok(()), bad]);
}

#[test]
fn a_source_that_begins_with_zeros_is_read() {
    let bytes = [
        0x82, 202, 0, 5, // two chunks
        0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0, // item, end, padding
        0, 0, 0, 2, 1, 1, b'c', 0,
    ];
    let Some(Ok(Report::Names(names))) = Reports::new(&bytes).next() else {
        panic!();
    };
    assert_eq!(names.cname(Ssrc(1)), Some("ab"));
    assert_eq!(names.cname(Ssrc(2)), Some("c"));
}

proptest! {
    /// Valid compounds with one to three bytes changed, each length field among them.
    #[test]
    fn damaged_reports_never_panic(
        changes in prop::collection::vec((0usize..84, any::<u8>()), 1..4),
        cut in 0usize..84,
    ) {
        let mut buffer = [0; 256];
        let mut source = heard(10);
        let mut reporter = Reporter::new("someone@example", WallClock::new(0), 1);
        let subject = Subject { sender: &sender(50), timestamp: 1, source: Some(&mut source) };
        let range = reporter.bye(Instant::ZERO, subject, Bye { ssrc: Ssrc(5) }, &mut buffer).unwrap();
        let mut bytes = buffer[range].to_vec();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        for report in Reports::new(&bytes).flatten() {
            for block in report.blocks() {
                reporter.block(Instant::from_millis(5), &block);
            }
            match report {
                Report::Names(names) => prop_assert!(names.count() < 100),
                Report::Bye(bye) => {
                    let _ = (bye.ssrcs().count(), bye.reason().map(<[u8]>::len));
                }
                Report::Sender(sr) => { let _ = sr.ntp_timestamp(); }
                _ => {}
            }
        }
    }
}
