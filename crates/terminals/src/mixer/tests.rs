use std::time::Duration;

use msp_core::terminal::{Connection, FrameSink, FrameSource, Terminal};
use msp_core::time::Instant;

use super::*;
use crate::testing::{noise, port};

struct Party {
    member: Arc<MixerMember>,
    mouth: Box<dyn FrameSource>,
    ear: Box<dyn FrameSink>,
    samples: usize,
}

impl Party {
    fn new(mixer: &Arc<Mixer>, hz: u32) -> Self {
        Self::of(mixer.join(), hz)
    }

    fn of(member: Arc<MixerMember>, hz: u32) -> Self {
        let connect = |direction| member.connect(port(direction, hz).0);
        match (connect(Direction::Capture), connect(Direction::Render)) {
            (Ok(Connection::Source(mouth)), Ok(Connection::Sink(ear))) => Self {
                member,
                mouth,
                ear,
                samples: hz as usize / 100,
            },
            other => panic!("{other:?}"),
        }
    }

    fn say(&mut self, tick: u64, sound: &[i16]) {
        self.ear.push(time(tick), sound);
    }

    fn hear(&mut self, tick: u64) -> Vec<i16> {
        let mut frame = vec![0; self.samples];
        self.mouth.pull(time(tick), &mut frame);
        frame
    }
}

fn time(tick: u64) -> FrameTime {
    FrameTime {
        at: Instant::ZERO + Duration::from_millis(10 * tick + 5),
        position: 0,
    }
}

const RATE: ClockRate = ClockRate::HZ_8000;

fn level(n: i16) -> [i16; 80] {
    [n; 80]
}

// Shows: in a conference each hears all others sample by sample, 20 ms later, and not itself (C11)
#[test]
fn c11_each_hears_all_others_and_not_itself() {
    let mixer = Mixer::new(RATE).unwrap();
    let mut parties: Vec<_> = (0..5).map(|_| Party::new(&mixer, 8_000)).collect();
    let said: Vec<_> = (0..5).map(|n| noise(80 * (20 + n))).collect();
    for tick in 0..20 {
        let at = 80 * tick as usize;
        for (n, party) in parties.iter_mut().enumerate() {
            party.say(tick, &said[n][80 * n..][at..at + 80]);
        }
        for (n, party) in parties.iter_mut().enumerate() {
            let heard = party.hear(tick);
            if tick < DELAY {
                assert_eq!(heard, [0; 80]);
                continue;
            }
            let at = at - 160;
            for i in 0..80 {
                let others = (0..5).filter(|o| *o != n);
                let sum: i32 = others.map(|o| i32::from(said[o][80 * o + at + i])).sum();
                let cut = sum.clamp(i16::MIN.into(), i16::MAX.into());
                assert_eq!(i32::from(heard[i]), cut, "{n} at {tick}");
            }
        }
    }
    assert!(parties.iter().all(|p| p.member.late_frames() == 0));
}

#[test]
fn sums_are_cut_off_only_where_they_leave() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut a, mut b, mut c, mut d] = [(); 4].map(|()| Party::new(&mixer, 8_000));
    for tick in 0..6 {
        a.say(tick, &level(30_000));
        b.say(tick, &level(30_000));
        c.say(tick, &level(-31_000));
        let heard = [&mut a, &mut b, &mut c, &mut d].map(|p| p.hear(tick)[7]);
        if tick >= DELAY {
            assert_eq!(heard, [-1_000, -1_000, i16::MAX, 29_000]);
        }
    }
}

// Shows: streams of 20 ms packets on threads out of step lose nothing in a conference, and nobody waits
#[test]
fn members_need_not_keep_step() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut a, mut b] = [(); 2].map(|()| Party::new(&mixer, 8_000));
    let sound = noise(80 * 100);
    let mut heard = Vec::new();
    // The one works off two frames each 20 ms; the other the same, by up to 15 ms earlier or later.
    for turn in 0..50 {
        let late = turn % 3 == 1;
        let ticks = [2 * turn, 2 * turn + 1];
        let mut say = |yes: bool| {
            for tick in ticks.iter().filter(|_| yes) {
                let at = 80 * *tick as usize;
                a.say(*tick, &sound[at..at + 80]);
            }
        };
        say(!late);
        for tick in ticks {
            heard.extend(b.hear(tick));
        }
        say(late);
    }
    assert_eq!(heard[160..], sound[..80 * 98]);
    assert_eq!(a.member.late_frames(), 0);
}

// Shows: members of a conference are muted, louder for the others, or heard by one alone
#[test]
fn who_is_muted_louder_or_whispers_is_heard_by_whom_it_should() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut agent, mut caller, mut coach] = [(); 3].map(|()| Party::new(&mixer, 8_000));
    let mut tick = 0;
    let mut run = |agent: &mut Party, caller: &mut Party, coach: &mut Party| {
        let mut heard = [0; 3];
        for _ in 0..6 {
            for (party, n) in [
                (&mut *agent, 100),
                (&mut *caller, 1_000),
                (&mut *coach, 10_000),
            ] {
                party.say(tick, &level(n));
            }
            heard = [&mut *agent, &mut *caller, &mut *coach].map(|p| p.hear(tick)[79]);
            tick += 1;
        }
        heard
    };
    assert_eq!(
        run(&mut agent, &mut caller, &mut coach),
        [11_000, 10_100, 1_100]
    );
    let to_agent = Voice::One(agent.member.id());
    coach.member.set_voice(to_agent).unwrap();
    assert_eq!(
        run(&mut agent, &mut caller, &mut coach),
        [11_000, 100, 1_100]
    );
    coach
        .member
        .set_voice(Voice::One(caller.member.id()))
        .unwrap();
    assert_eq!(
        run(&mut agent, &mut caller, &mut coach),
        [1_000, 10_100, 1_100]
    );
    coach.member.set_voice(Voice::Nobody).unwrap();
    assert_eq!(
        run(&mut agent, &mut caller, &mut coach),
        [1_000, 100, 1_100]
    );
    assert_eq!(coach.member.level_dbov(), SILENCE_DB);
    agent.member.set_gain_db(20.0);
    coach.member.set_voice(Voice::All).unwrap();
    assert_eq!(
        run(&mut agent, &mut caller, &mut coach),
        [11_000, 11_000, 2_000]
    );
    let stranger = Mixer::new(RATE).unwrap().join();
    for voice in [Voice::One(stranger.id()), Voice::One(coach.member.id())] {
        let refused = coach.member.set_voice(voice).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidTerminal);
    }
    assert_eq!(coach.member.voice(), Voice::All, "nothing was changed");
}

#[test]
fn a_whisper_goes_on_after_the_terminal_was_selected_anew() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut agent, coach] = [(); 2].map(|()| Party::new(&mixer, 8_000));
    let member = coach.member.clone();
    member.set_voice(Voice::One(agent.member.id())).unwrap();
    drop(coach);
    for tick in 0..8 {
        let mut coach = Party::of(member.clone(), 8_000);
        coach.say(tick, &level(500));
        let heard = agent.hear(tick);
        assert_eq!(heard, [if tick < DELAY { 0 } else { 500 }; 80]);
    }
}

#[test]
fn streams_of_all_rates_are_in_one_conference() {
    let mixer = Mixer::new(ClockRate::new(48_000).unwrap()).unwrap();
    let [mut narrow, mut wide] = [8_000, 48_000].map(|hz| Party::new(&mixer, hz));
    let (mut at_narrow, mut at_wide) = (Vec::new(), Vec::new());
    for tick in 0..50 {
        narrow.say(tick, &[3_000; 80]);
        wide.say(tick, &[-5_000; 480]);
        at_narrow.extend(narrow.hear(tick));
        at_wide.extend(wide.hear(tick));
    }
    for (heard, level) in [(&at_narrow[1_600..], -5_000), (&at_wide[9_600..], 3_000i16)] {
        assert!(heard.iter().all(|s| (s - level).abs() < 60), "{level}");
    }
}

#[test]
fn the_loudest_has_the_floor_until_somebody_is_clearly_louder() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut a, mut b] = [(); 2].map(|()| Party::new(&mixer, 8_000));
    let mut say = |tick, one, other| {
        a.say(tick, &level(one));
        b.say(tick, &level(other));
        mixer.active_speaker()
    };
    let [first, second] = [0, 1].map(|n| Some(mixer.members()[n].id()));
    assert_eq!(say(0, 10, 10), None);
    assert_eq!(say(1, 2_000, 10), first);
    assert_eq!(say(2, 2_000, 2_500), first, "2 dB louder");
    assert_eq!(say(3, 2_000, 4_000), second);
    // The level falls within a second, not within a syllable.
    assert_eq!(say(4, 10, 10), second);
    assert_eq!((5..300).map(|tick| say(tick, 10, 10)).last(), Some(None));
}

#[test]
fn who_is_put_on_hold_loses_the_floor() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut a, mut b] = [(); 2].map(|()| Party::new(&mixer, 8_000));
    a.say(0, &level(9_000));
    b.say(0, &level(1_000));
    assert_eq!(mixer.active_speaker(), Some(a.member.id()));
    for tick in 1..20 {
        b.say(tick, &level(1_000));
    }
    assert_eq!(mixer.active_speaker(), Some(b.member.id()));
}

#[test]
fn what_comes_after_others_heard_its_time_is_counted() {
    let mixer = Mixer::new(RATE).unwrap();
    let [mut a, mut b] = [(); 2].map(|()| Party::new(&mixer, 8_000));
    b.hear(5);
    a.say(5, &level(1));
    assert_eq!(a.member.late_frames(), 0);
    a.say(3, &level(1));
    assert_eq!(a.member.late_frames(), 1);
}

#[test]
fn rooms_are_known_by_their_names_as_long_as_somebody_is_in() {
    let factory = MixerFactory::default();
    let spec = |room: &str| TerminalSpec::audio(Direction::Bidirectional).with("room", room);
    let enter = |spec: &TerminalSpec| {
        let made = factory.create(spec).unwrap();
        made.downcast::<MixerMember>().unwrap()
    };
    let (a, b, c) = (
        enter(&spec("one")),
        enter(&spec("one")),
        enter(&spec("two")),
    );
    a.set_voice(Voice::One(b.id())).unwrap();
    assert!(a.set_voice(Voice::One(c.id())).is_err());
    let other = factory
        .create(&spec("one").with("rate", "8000"))
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::InvalidArgument);
    drop((a, b));
    let d = enter(&spec("one").with("rate", "8000"));
    assert_eq!(factory.rooms.lock().unwrap().len(), 2);
    drop((c, d));
    enter(&spec("three"));
    assert_eq!(factory.rooms.lock().unwrap().len(), 1);
}
