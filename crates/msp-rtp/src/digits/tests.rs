use super::*;
use msp_core::link::Digit;
use msp_core::time::{ClockRate, Instant};
use proptest::prelude::*;
use std::time::Duration;

const CLOCK: ClockRate = ClockRate::HZ_8000;

fn digit(c: char) -> Digit {
    Digit::from_char(c).unwrap()
}

/// What a sender sends: the tick in milliseconds, and the packet.
fn run(sender: &mut DigitSender, ticks: u32) -> Vec<(u32, EventPacket)> {
    let mut sent = Vec::new();
    for n in 0..ticks {
        sender.tick(1000 + n * 80, true);
        while let Some(packet) = sender.poll() {
            sent.push((n * 10, packet));
        }
    }
    sent
}

fn sender(interval_ms: u64) -> DigitSender {
    let mut sender = DigitSender::new(DigitTiming::default());
    sender.set_format(CLOCK, Duration::from_millis(interval_ms));
    sender
}

fn event(event: u8, end: bool, duration: u16) -> [u8; 4] {
    EventPayload {
        event,
        end,
        volume: 10,
        duration,
    }
    .bytes()
}

struct Ear {
    receiver: DigitReceiver,
    at: Instant,
    presses: Vec<char>,
    releases: Vec<(char, u32)>,
    drops: usize,
}

impl Ear {
    fn new() -> Self {
        Self {
            receiver: DigitReceiver::default(),
            at: Instant::from_millis(1000),
            presses: Vec::new(),
            releases: Vec::new(),
            drops: 0,
        }
    }

    fn pass(&mut self, ms: u64) {
        self.at += Duration::from_millis(ms);
        self.receiver.tick(self.at);
        self.drain();
    }

    fn hear(&mut self, timestamp: u32, payload: &[u8]) {
        self.drops += usize::from(
            self.receiver
                .take(&EventHeard {
                    at: self.at,
                    timestamp,
                    payload,
                    clock: CLOCK,
                })
                .is_err(),
        );
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(press) = self.receiver.poll() {
            let key = press.digit.to_char();
            if press.ended {
                self.releases.push((key, press.ticks));
            } else {
                self.presses.push(key);
            }
        }
    }
}

// Shows: digits sent and heard, each once | RFC 4733
#[test]
fn a_digit_is_a_marked_packet_updates_and_three_final_ones() {
    let mut s = sender(20);
    assert!(s.press(digit('5'), None));
    let sent = run(&mut s, 20);
    let told: Vec<_> = sent
        .iter()
        .map(|(ms, p)| (*ms, p.marker, p.timestamp, p.payload))
        .collect();
    let update = |ms, marker, duration| (ms, marker, 1000, event(5, false, duration));
    let last = |ms| (ms, false, 1000, event(5, true, 800));
    assert_eq!(
        told,
        [
            update(10, true, 160),
            update(30, false, 320),
            update(50, false, 480),
            update(70, false, 640),
            last(90),
            last(110),
            last(130)
        ]
    );
    assert!(s.is_idle());
}

#[test]
fn digits_wait_for_each_other_with_a_gap() {
    let mut s = sender(50);
    for c in "1#".chars() {
        assert!(s.press(digit(c), Some(Duration::from_millis(80))));
    }
    let sent = run(&mut s, 60);
    let second = sent.iter().find(|(_, p)| p.payload[0] == 11).unwrap().1;
    assert!(second.marker);
    // 80 ms down; copies at 70, 120 and 170 ms; then the next, whose first packet tells 50 ms.
    assert_eq!(second.timestamp, 1000 + 18 * 80);
    assert_eq!(
        sent.iter()
            .filter(|(_, p)| p.payload[1] & 0x80 != 0)
            .count(),
        6
    );
}

#[test]
fn at_most_64_digits_wait() {
    let mut s = sender(20);
    for _ in 0..MAX_WAITING {
        assert!(s.press(digit('1'), None));
    }
    assert!(!s.press(digit('1'), None));
    s.clear();
    assert!(s.is_idle());
}

#[test]
fn a_short_digit_is_marked_in_its_final_packet_only_once() {
    let mut s = sender(60);
    assert!(s.press(digit('0'), Some(Duration::from_millis(10))));
    let markers: Vec<_> = run(&mut s, 30).iter().map(|(_, p)| p.marker).collect();
    assert_eq!(markers, [true, false, false]);
}

#[test]
fn a_long_key_goes_in_segments_and_is_one_digit() {
    let mut s = sender(50);
    assert!(s.press(digit('9'), Some(Duration::from_secs(20))));
    let sent = run(&mut s, 2100);
    let mut ear = Ear::new();
    let full = sent
        .iter()
        .filter(|(_, p)| p.payload[1] & 0x80 == 0 && p.payload[2..] == [255, 255])
        .count();
    assert_eq!(full, 6, "two whole segments, three times each");
    assert_eq!(sent.iter().filter(|(_, p)| p.marker).count(), 1);
    let mut clock = 0;
    for (ms, p) in &sent {
        ear.pass(u64::from(ms - clock));
        clock = *ms;
        ear.hear(p.timestamp, &p.payload);
    }
    assert_eq!(ear.presses, ['9']);
    assert_eq!(ear.releases, [('9', 160_000)]);
}

// Shows: digits sent and heard, each once
#[test]
fn a_digit_without_start_marker_or_updates_is_heard_once() {
    let mut ear = Ear::new();
    for _ in 0..3 {
        ear.hear(7777, &event(3, true, 800));
        ear.pass(20);
    }
    assert_eq!(ear.presses, ['3']);
    assert_eq!(ear.releases, [('3', 800)]);
}

// Shows: digits sent and heard, each once
#[test]
fn a_digit_whose_end_is_lost_ends_by_silence_or_by_the_next() {
    let mut ear = Ear::new();
    ear.hear(0, &event(1, false, 160));
    ear.hear(0, &event(1, false, 320));
    ear.pass(100);
    ear.hear(4000, &event(1, false, 160));
    assert_eq!(ear.presses, ['1', '1']);
    ear.pass(250);
    assert_eq!(ear.releases, [('1', 320), ('1', 160)]);
    ear.hear(4000, &event(1, true, 800));
    assert_eq!(ear.presses.len(), 2, "a copy that came much too late");
}

#[test]
fn reordered_packets_add_nothing() {
    let mut ear = Ear::new();
    for (timestamp, duration, end) in [
        (0, 320, false),
        (0, 160, false),
        (0, 800, true),
        (0, 480, false),
        (8000, 160, false),
        (0, 800, true),
        (8000, 800, true),
    ] {
        ear.hear(timestamp, &event(2, end, duration));
    }
    assert_eq!(ear.presses, ['2', '2']);
    assert_eq!(ear.releases, [('2', 800), ('2', 800)]);
}

#[test]
fn a_timestamp_that_moves_with_each_update_is_one_digit() {
    let mut ear = Ear::new();
    for n in 1..=5u16 {
        ear.hear(u32::from(n) * 160, &event(4, n == 5, n * 160));
        ear.pass(20);
    }
    assert_eq!(ear.presses, ['4']);
    assert_eq!(ear.releases, [('4', 800)]);
}

#[test]
fn bad_events_and_floods_are_counted() {
    let mut ear = Ear::new();
    ear.hear(0, &[5, 0, 0]);
    for code in 16..=255 {
        ear.hear(0, &event(code, true, 800));
    }
    assert_eq!((ear.drops, ear.presses.len()), (241, 0));
    for n in 0..1000u32 {
        ear.hear(100_000 + n * 1000, &event((n % 16) as u8, true, 8));
        ear.pass(1);
    }
    assert!(ear.presses.len() <= 40, "{}", ear.presses.len());
}

proptest! {
    /// Whatever single packets get lost on the way, as long as one of each event arrives: each digit once, in order.
    #[test]
    fn each_digit_is_heard_once(
        keys in prop::collection::vec(0u8..16, 1..12),
        interval in 1u64..=6,
        lost in prop::collection::vec(any::<bool>(), 400),
    ) {
        let mut s = sender(interval * 10);
        for key in &keys {
            prop_assert!(s.press(Digit::from_event(*key).unwrap(), None));
        }
        let sent = run(&mut s, 700);
        let mut ear = Ear::new();
        let mut clock = 0;
        for (n, (ms, packet)) in sent.iter().enumerate() {
            ear.pass(u64::from(ms - clock));
            clock = *ms;
            // The last copy of each always arrives.
            let last = sent.get(n + 1).is_none_or(|(_, next)| next.timestamp != packet.timestamp);
            if last || !lost[n % lost.len()] {
                ear.hear(packet.timestamp, &packet.payload);
            }
        }
        let expected: Vec<_> = keys.iter().map(|k| Digit::from_event(*k).unwrap().to_char()).collect();
        prop_assert_eq!(&ear.presses, &expected);
        prop_assert_eq!(ear.releases.len(), expected.len());
    }

    #[test]
    fn any_bytes_do_no_harm(packets in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..8)), 0..100)) {
        let mut ear = Ear::new();
        for (timestamp, payload) in packets {
            ear.hear(timestamp, &payload);
        }
        ear.pass(1000);
        prop_assert_eq!(ear.presses.len(), ear.releases.len());
    }
}
