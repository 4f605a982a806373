use super::*;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

fn ms(n: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(n)
}

// Shows: what belongs to calls is read before what would begin | overload
#[test]
fn what_belongs_to_calls_comes_first() {
    let mut inbox = Inbox::new();
    assert_eq!(inbox.put_stranger(ms(0), 'n'), Ok(()));
    assert_eq!(inbox.put_known('a'), Ok(()));
    assert_eq!(inbox.put_known('b'), Ok(()));
    let turns: Vec<_> = std::iter::from_fn(|| inbox.next(ms(1))).collect();
    let all = ['a', 'b', 'n'].map(Turn::Serve);
    assert_eq!(turns, all);
    assert!(inbox.is_empty());
}

// Shows: a request that waited too long is refused, in bounds, and beyond them dropped | overload
#[test]
fn what_waited_too_long_is_refused_while_that_costs_little() {
    let mut inbox = Inbox::new();
    for n in 0..200 {
        assert_eq!(inbox.put_stranger(ms(0), n), Ok(()));
    }
    assert_eq!(inbox.put_stranger(ms(50), 200), Ok(()));
    // In time to the millisecond.
    assert_eq!(inbox.next(ms(100)), Some(Turn::Serve(0)));
    let late: Vec<_> = (1..200).filter_map(|_| inbox.next(ms(101))).collect();
    let refused = late.iter().filter(|t| matches!(t, Turn::Refuse(_))).count();
    let dropped = late.iter().filter(|t| **t == Turn::Drop).count();
    assert_eq!((refused, dropped), (128, 71));
    // Each that is served pays for four refusals more.
    assert_eq!(inbox.next(ms(101)), Some(Turn::Serve(200)));
    for n in 0..5 {
        assert_eq!(inbox.put_stranger(ms(0), n), Ok(()));
    }
    for n in 0..4 {
        assert_eq!(inbox.next(ms(101)), Some(Turn::Refuse(n)));
    }
    assert_eq!(inbox.next(ms(101)), Some(Turn::Drop));
    assert_eq!(inbox.next(ms(101)), None);
}

// Shows: where more come than could even be refused most hear nothing, until fewer come | overload
#[test]
fn in_a_crowd_few_are_refused() {
    let mut inbox = Inbox::new();
    let mut refused = Vec::new();
    for tenth in 2..=5 {
        // One is in time, the others are late.
        let crowd = if tenth < 4 { 40 } else { 6 };
        for n in 0..crowd {
            let at = if n == 0 { ms(100 * tenth) } else { ms(0) };
            assert_eq!(inbox.put_stranger(at, n), Ok(()));
        }
        let now = ms(100 * tenth);
        let turns: Vec<_> = std::iter::from_fn(|| inbox.next(now)).collect();
        refused.push(
            turns
                .iter()
                .filter(|t| matches!(t, Turn::Refuse(_)))
                .count(),
        );
    }
    // The burst, then what is worth one and, once the crowd is seen to be gone, four.
    assert_eq!(refused, [39, 39, 5, 5]);
    assert_eq!(inbox.refusals, 128 - 39 + 1 - 39 + 1 - 5 + 4 - 5);
}

// Shows: what waits is bounded | overload
#[test]
fn both_classes_are_bounded() {
    let mut inbox = Inbox::new();
    for n in 0..MOST_KNOWN {
        assert_eq!(inbox.put_known(n), Ok(()));
    }
    assert_eq!(inbox.put_known(0), Err(Full));
    for _ in 0..MOST_KNOWN {
        assert!(matches!(inbox.next(ms(0)), Some(Turn::Serve(_))));
    }
    for n in 0..MOST_STRANGERS {
        assert_eq!(inbox.put_stranger(ms(0), n), Ok(()));
    }
    // The oldest makes room.
    assert_eq!(inbox.put_stranger(ms(0), 0), Err(Full));
    assert_eq!(inbox.next(ms(0)), Some(Turn::Serve(1)));
}

proptest! {
    // Whatever comes when: what belongs to calls is served in order and never shed, nothing is served late, and there
    // are no more refusals than a burst and four for each that was served.
    #[test]
    fn nothing_is_served_late_and_no_call_is_shed(steps in prop::collection::vec((0u8..4, 0u64..60), 1..400)) {
        let mut inbox = Inbox::new();
        let (mut now, mut put, mut got, mut served, mut refused) = (0, 0, 0, 0, 0);
        for (what, later) in steps {
            now += later;
            match what {
                0 => {
                    prop_assert_eq!(inbox.put_known((true, put)), Ok(()));
                    put += 1;
                }
                1 => prop_assert_eq!(inbox.put_stranger(ms(now), (false, now)), Ok(())),
                _ => match inbox.next(ms(now)) {
                    Some(Turn::Serve((true, n))) => {
                        prop_assert_eq!(n, got);
                        got += 1;
                    }
                    Some(Turn::Serve((false, at))) => {
                        prop_assert_eq!(put, got);
                        prop_assert!(now - at <= 100);
                        served += 1;
                    }
                    Some(Turn::Refuse((within, at))) => {
                        prop_assert!(!within && now - at > 100);
                        refused += 1;
                    }
                    Some(Turn::Drop) | None => {}
                },
            }
        }
        prop_assert!(refused <= 128 + 4 * served);
    }
}

/// What a message costs a server that can take 200 calls in a second, in microseconds: as measured, where a datagram's
/// way out of the system counts most of what is turned away.
const INVITE: u64 = 3000;
const ACK: u64 = 700;
const BYE: u64 = 1300;
const REFUSAL: u64 = 150;
const DATAGRAM: u64 = 20;
const CAPACITY: u64 = 1_000_000 / (INVITE + ACK + BYE);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Said {
    Invite,
    Ack,
    Bye,
}

/// How many calls a second are answered of `offered` in a second, by a server that takes time for all that it does, to
/// callers who send an INVITE again as long as they hear nothing (RFC 3261 section 17.1.1.2), and who acknowledge and end
/// at once what is answered. All numbers are microseconds.
fn answered(offered: u64) -> u64 {
    const SECONDS: u64 = 20;
    let at = |us: u64| Instant::ZERO + Duration::from_micros(us);
    let mut inbox = Inbox::new();
    let mut coming = BinaryHeap::new();
    for n in 0..offered * SECONDS {
        coming.push(Reverse((n * 1_000_000 / offered, Said::Invite, n, 500_000)));
    }
    let mut heard = std::collections::HashSet::new();
    let (mut now, mut done) = (0, 0);
    while now < SECONDS * 1_000_000 {
        while let Some(Reverse((when, said, call, again))) = coming.peek().copied() {
            if when > now {
                break;
            }
            coming.pop();
            if said != Said::Invite {
                now += DATAGRAM;
                assert_eq!(inbox.put_known((said, call)), Ok(()));
            } else if !heard.contains(&call) {
                now += DATAGRAM;
                // The oldest makes room; its caller asks again.
                let _full = inbox.put_stranger(at(when), (said, call));
                if again <= 16_000_000 {
                    coming.push(Reverse((when + again, said, call, again * 2)));
                }
            }
        }
        match inbox.next(at(now)) {
            None => match coming.peek() {
                Some(Reverse((when, ..))) => now = now.max(*when),
                None => break,
            },
            Some(Turn::Serve((Said::Invite, call))) => {
                now += INVITE;
                heard.insert(call);
                coming.push(Reverse((now, Said::Ack, call, 0)));
                coming.push(Reverse((now, Said::Bye, call, 0)));
            }
            Some(Turn::Serve((Said::Ack, _))) => now += ACK,
            Some(Turn::Serve((Said::Bye, _))) => {
                now += BYE;
                // The first seconds are those of the onset.
                done += u64::from(now > 5_000_000);
            }
            Some(Turn::Refuse((_, call))) => {
                now += REFUSAL;
                heard.insert(call);
            }
            Some(Turn::Drop) => {}
        }
    }
    done / (SECONDS - 5)
}

// Shows: at three times what a server can take 90 % of that is answered, at ten times 70 % | overload
#[test]
fn a_server_that_is_asked_for_too_much_does_what_it_can() {
    assert!(answered(CAPACITY * 9 / 10) >= CAPACITY * 9 / 10 - 2);
    for (times, percent) in [(3, 90), (10, 70)] {
        let answered = answered(times * CAPACITY);
        println!("{times} times: {answered} of {CAPACITY}");
        assert!(
            answered * 100 >= CAPACITY * percent,
            "{times}: {answered} of {CAPACITY}"
        );
    }
}
