//! What a conference costs: run with `cargo bench -p msp-terminals`.
#![allow(clippy::unwrap_used, reason = "a measurement fails by it")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Duration;

use msp_core::id::{CallKey, StreamId};
use msp_core::media::Direction;
use msp_core::terminal::{
    AudioFormat, Connection, FRAME, FrameSink, FrameSource, FrameTime, StreamPort, Terminal,
    TerminalEvents,
};
use msp_core::time::{ClockRate, Instant};
use msp_terminals::{Mixer, MixerMember};

const MEMBERS: usize = 100;
const SECONDS: u64 = 20;
/// What is allowed for a member and a frame.
const ALLOWED: f64 = 1_000.0;

fn main() {
    for (hz, of_streams) in [(8_000, 8_000), (48_000, 48_000), (48_000, 8_000)] {
        let ns = conference(hz, of_streams);
        println!(
            "measured: a member's frame in a conference of {MEMBERS}, mixed at {hz} Hz, streams of {of_streams} Hz | \
             {ns:.0} ns | {ALLOWED:.0} ns (the most allowed for G.711) | {:.2}",
            ALLOWED / ns
        );
    }
}

fn conference(hz: u32, of_streams: u32) -> f64 {
    let mixer = Mixer::new(ClockRate::new(hz).unwrap()).unwrap();
    let members: Vec<_> = (0..MEMBERS).map(|_| mixer.join()).collect();
    let rate = ClockRate::new(of_streams).unwrap();
    let mut sides: Vec<_> = members.iter().map(|m| connect(m, rate)).collect();
    let samples = AudioFormat::mono(rate).samples(FRAME);
    let mut frame = vec![0i16; samples];
    let voice: Vec<i16> = (0..samples * 64)
        .map(|n| (n * 7_919 % 8_000) as i16 - 4_000)
        .collect();
    let begun = std::time::Instant::now();
    for tick in 0..SECONDS * 100 {
        let time = FrameTime {
            at: Instant::from_millis(10 * tick),
            position: tick * samples as u64,
        };
        for (n, (mouth, ear)) in sides.iter_mut().enumerate() {
            let at = (n % 64) * samples;
            ear.push(time, &voice[at..at + samples]);
            mouth.pull(time, &mut frame);
            black_box(&frame);
        }
    }
    let spent: Duration = begun.elapsed();
    spent.as_nanos() as f64 / (SECONDS * 100 * MEMBERS as u64) as f64
}

fn connect(member: &MixerMember, rate: ClockRate) -> (Box<dyn FrameSource>, Box<dyn FrameSink>) {
    let port = |direction| StreamPort {
        call: CallKey(1),
        stream: StreamId(0),
        direction,
        format: AudioFormat::mono(rate),
        events: TerminalEvents::new(|_, _, _| {}),
    };
    let sides = [Direction::Capture, Direction::Render].map(|d| member.connect(port(d)).unwrap());
    match sides {
        [Connection::Source(mouth), Connection::Sink(ear)] => (mouth, ear),
        other => panic!("{other:?}"),
    }
}
