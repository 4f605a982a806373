use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

struct Bench {
    latch: Latch,
    ms: u64,
}

impl Bench {
    fn new(signalled: &str) -> Self {
        let mut latch = Latch::new(LatchPolicy::default());
        latch.signal(addr(signalled));
        Self { latch, ms: 0 }
    }

    fn hear(&mut self, from: &str, seq: u16) -> Verdict {
        self.ms += 20;
        let now = Instant::from_millis(self.ms);
        self.latch
            .check(now, addr(from), Ssrc(1), SequenceNumber(seq), false)
    }
}

const PEER: &str = "192.0.2.1:4000";
const NAT: &str = "198.51.100.7:9999";
const EVIL: &str = "203.0.113.66:666";

#[test]
fn nothing_passes_before_the_peer_is_known() {
    let mut b = Bench {
        latch: Latch::default(),
        ms: 0,
    };
    for seq in 0..10 {
        assert_eq!(b.hear(PEER, seq), Verdict::Wait);
    }
    assert_eq!(b.latch.target(), None);
}

#[test]
fn the_signalled_address_locks_with_its_second_packet() {
    let mut b = Bench::new(PEER);
    assert_eq!(b.hear(PEER, 10), Verdict::Wait);
    assert_eq!(b.hear(PEER, 11), Verdict::Proven);
    assert_eq!(b.latch.locked(), Some(addr(PEER)));
    for seq in 0..1000 {
        assert_eq!(b.hear(EVIL, seq), Verdict::Stranger);
    }
    assert_eq!(b.hear(PEER, 12), Verdict::Pass);
}

#[test]
fn packets_out_of_sequence_prove_nothing() {
    let mut b = Bench::new(PEER);
    for seq in [1, 3, 5, 4, 8] {
        assert_eq!(b.hear(PEER, seq), Verdict::Wait);
    }
    assert_eq!(b.hear(PEER, 9), Verdict::Proven);
}

// Shows: symmetric RTP: the source is learned, then locked; strangers are not heard | RFC 4961
#[test]
fn a_peer_behind_a_nat_is_learned_and_locked_after_the_window() {
    let mut b = Bench::new(PEER);
    for seq in 0..3 {
        assert_eq!(b.hear(NAT, seq), Verdict::Wait);
    }
    assert_eq!(b.hear(NAT, 3), Verdict::Proven);
    assert_eq!(b.latch.target(), Some(addr(NAT)));
    assert_eq!(b.latch.locked(), None);
    assert_eq!(b.hear(EVIL, 0), Verdict::Stranger);
    b.ms += 3000;
    assert_eq!(b.hear(NAT, 150), Verdict::Pass);
    assert_eq!(b.latch.locked(), Some(addr(NAT)));
    assert_eq!(b.hear(PEER, 0), Verdict::Stranger, "the window is over");
}

#[test]
fn the_signalled_address_replaces_a_stranger_in_the_window_and_never_back() {
    let mut b = Bench::new(PEER);
    for seq in 0..4 {
        b.hear(EVIL, seq);
    }
    assert_eq!(b.latch.target(), Some(addr(EVIL)));
    assert_eq!(b.hear(PEER, 50), Verdict::Wait);
    assert_eq!(b.hear(EVIL, 4), Verdict::Pass);
    assert_eq!(b.hear(PEER, 51), Verdict::Proven);
    assert_eq!(b.latch.locked(), Some(addr(PEER)));
    for seq in 5..100 {
        assert_eq!(b.hear(EVIL, seq), Verdict::Stranger);
    }
}

// Shows: symmetric RTP: the source is learned, then locked; strangers are not heard
#[test]
fn a_flood_of_strangers_cannot_keep_the_peer_from_proving_itself() {
    let mut b = Bench::new(PEER);
    for n in 0..50u16 {
        let from = format!("203.0.113.{}:{}", n % 100, 1000 + n);
        b.hear(&from, n);
    }
    assert_eq!(b.hear(PEER, 1), Verdict::Wait);
    for n in 0..50u16 {
        let from = format!("203.0.113.{}:{}", n % 100, 3000 + n);
        b.hear(&from, n);
    }
    assert_eq!(b.hear(PEER, 2), Verdict::Proven);
}

#[test]
fn a_silent_peer_is_not_replaced_unless_policy_says_so() {
    let mut b = Bench::new(PEER);
    b.hear(PEER, 1);
    b.hear(PEER, 2);
    b.ms += 60_000;
    for seq in 0..10 {
        assert_eq!(b.hear(NAT, seq), Verdict::Stranger);
    }

    let policy = LatchPolicy {
        relatch_after: Some(Duration::from_secs(5)),
        ..LatchPolicy::default()
    };
    let mut b = Bench {
        latch: Latch::new(policy),
        ms: 0,
    };
    b.latch.signal(addr(PEER));
    b.hear(PEER, 1);
    b.hear(PEER, 2);
    assert_eq!(b.hear(NAT, 0), Verdict::Stranger);
    b.ms += 5000;
    assert_eq!(b.hear(NAT, 1), Verdict::Wait);
    assert_eq!(b.hear(NAT, 2), Verdict::Wait);
    assert_eq!(b.hear(NAT, 3), Verdict::Wait);
    assert_eq!(b.hear(NAT, 4), Verdict::Proven);
}

#[test]
fn a_new_signalled_address_is_looked_for_while_the_old_is_heard() {
    let mut b = Bench::new(PEER);
    b.hear(PEER, 1);
    b.hear(PEER, 2);
    b.latch.signal(addr("192.0.2.2:5000"));
    assert_eq!(b.hear(PEER, 3), Verdict::Pass);
    assert_eq!(b.hear(EVIL, 1), Verdict::Stranger, "while the old is there");
    assert_eq!(b.hear("192.0.2.2:5000", 70), Verdict::Wait);
    assert_eq!(b.hear("192.0.2.2:5000", 71), Verdict::Proven);
    assert_eq!(b.hear(PEER, 4), Verdict::Stranger);
    assert_eq!(b.latch.locked(), Some(addr("192.0.2.2:5000")));
}

#[test]
fn a_moved_peer_behind_a_nat_is_learned_once_the_old_has_gone() {
    let mut b = Bench::new(PEER);
    b.hear(PEER, 1);
    b.hear(PEER, 2);
    b.latch.signal(addr("10.0.0.1:5000"));
    b.ms += 500;
    for seq in 0..3 {
        assert_eq!(b.hear(NAT, seq), Verdict::Wait);
    }
    assert_eq!(b.hear(NAT, 3), Verdict::Proven);
}

// RFC 3264 section 8.3.1: media go to the new address from the new agreement on.
#[test]
fn media_go_to_a_newly_signalled_address_at_once() {
    let mut b = Bench::new(PEER);
    b.hear(PEER, 1);
    b.hear(PEER, 2);
    b.latch.signal(addr("10.0.0.1:5000"));
    assert_eq!(b.latch.target(), Some(addr("10.0.0.1:5000")));
    assert_eq!(b.hear(PEER, 3), Verdict::Pass, "still on its way");
    assert_eq!(b.latch.target(), Some(addr("10.0.0.1:5000")));
    b.ms += 500;
    for seq in 0..4 {
        b.hear(NAT, seq);
    }
    assert_eq!(b.latch.target(), Some(addr(NAT)), "where it was found");
}

#[test]
fn a_peer_behind_a_nat_that_repeats_its_address_or_comes_back_to_it_stays_where_it_was_found() {
    let inside = addr("10.0.0.1:5000");
    let mut b = Bench::new("10.0.0.1:5000");
    for seq in 0..4 {
        b.hear(NAT, seq);
    }
    b.latch.signal(inside);
    assert_eq!(b.latch.target(), Some(addr(NAT)));
    b.latch.signal(addr(PEER));
    assert_eq!(b.latch.target(), Some(addr(PEER)));
    b.latch.signal(inside);
    assert_eq!(b.latch.target(), Some(addr(NAT)));
    assert_eq!(b.hear(NAT, 4), Verdict::Pass);
    assert_eq!(b.latch.locked(), Some(addr(NAT)));
}

#[test]
fn a_peer_that_comes_back_through_another_port_of_its_nat_is_learned() {
    let mut b = Bench::new("10.0.0.1:5000");
    for seq in 0..4 {
        b.hear(NAT, seq);
    }
    b.latch.signal(addr(PEER));
    b.latch.signal(addr("10.0.0.1:5000"));
    b.ms += 500;
    for seq in 0..4 {
        b.hear("198.51.100.7:7777", seq);
    }
    assert_eq!(b.latch.target(), Some(addr("198.51.100.7:7777")));
}

#[test]
fn authentic_packets_that_are_still_on_their_way_do_not_bring_the_old_address_back() {
    let mut b = Bench::new(PEER);
    let now = Instant::from_millis(1);
    let seq = SequenceNumber(9);
    let check = |b: &mut Bench, from| b.latch.check(now, addr(from), Ssrc(1), seq, true);
    check(&mut b, PEER);
    b.latch.signal(addr("192.0.2.2:5000"));
    assert_eq!(check(&mut b, PEER), Verdict::Pass);
    assert_eq!(b.latch.target(), Some(addr("192.0.2.2:5000")));
    assert_eq!(check(&mut b, NAT), Verdict::Proven);
    assert_eq!(b.latch.target(), Some(addr(NAT)));
}

#[test]
fn who_was_authentic_before_its_address_was_signalled_is_the_peer() {
    let mut b = Bench {
        latch: Latch::default(),
        ms: 0,
    };
    let now = Instant::from_millis(1);
    b.latch
        .check(now, addr(NAT), Ssrc(1), SequenceNumber(1), true);
    b.latch.signal(addr("10.0.0.1:5000"));
    assert_eq!(b.latch.target(), Some(addr(NAT)));
}

#[test]
fn authentic_packets_move_the_latch_at_once() {
    let mut b = Bench::new(PEER);
    let now = Instant::from_millis(1);
    let seq = SequenceNumber(9);
    let check = |b: &mut Bench, from| b.latch.check(now, addr(from), Ssrc(1), seq, true);
    assert_eq!(check(&mut b, NAT), Verdict::Proven);
    assert_eq!(check(&mut b, NAT), Verdict::Pass);
    assert_eq!(check(&mut b, PEER), Verdict::Proven, "a rebinding");
}

#[test]
fn reports_come_from_the_host_of_the_media() {
    let mut b = Bench::new(PEER);
    assert!(b.latch.admits_report(addr("192.0.2.1:4001")));
    assert!(!b.latch.admits_report(addr(EVIL)));
    for seq in 0..4 {
        b.hear(NAT, seq);
    }
    assert!(b.latch.admits_report(addr("198.51.100.7:10000")));
}

#[test]
fn state_is_plain_data() {
    let mut b = Bench::new(PEER);
    b.hear(PEER, 1);
    let saved = *b.latch.state();
    let mut other = Latch::default();
    other.restore(&saved);
    let now = Instant::from_millis(99);
    assert_eq!(
        other.check(now, addr(PEER), Ssrc(1), SequenceNumber(2), false),
        Verdict::Proven
    );
}
