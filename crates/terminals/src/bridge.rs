//! Two terminals that give each other's sound: what joins two calls.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{Connection, StreamPort, Terminal, TerminalClass, next_terminal_id};

use crate::pipe::Pipe;

static CLASS: TerminalClass = TerminalClass::BRIDGE;

/// Two frames: as much as the streams of 20 ms packets move at once.
const RESERVE: Duration = Duration::from_millis(20);

/// One end of a bridge: class `bridge`. It renders what it gets to the other end's capture stream, and captures what the
/// other end gets.
///
/// Two ends are [joined](Self::join) before they are selected. Each may be on one stream of each direction, of the same call
/// or not. Sound takes 20 ms from one end to the other, so that two media threads need not keep step; at most 60 ms wait each
/// way, and when more comes than is taken, the oldest is dropped and counted.
#[derive(Debug)]
pub struct Bridge {
    id: TerminalId,
    controls: Arc<AudioControls>,
    ways: OnceLock<Ways>,
}

/// From one end to the other, and back.
#[derive(Debug)]
struct Ways {
    there: Arc<Pipe>,
    back: Arc<Pipe>,
}

impl Bridge {
    /// An end that is joined to none yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            ways: OnceLock::new(),
        })
    }

    /// The two ends of a new bridge.
    pub fn pair() -> (Arc<Self>, Arc<Self>) {
        let (one, other) = (Self::new(), Self::new());
        // Nobody else knows them.
        let _joined = one.join(&other);
        (one, other)
    }

    /// Makes this and `other` the two ends of one bridge, for good.
    ///
    /// # Errors
    /// [`ErrorKind::PeerAlreadySet`] if one of them is an end of a bridge already, or both are the same.
    pub fn join(&self, other: &Self) -> Result<()> {
        static JOINING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = JOINING.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |end: &Self| end.ways.get().is_some();
        if self.id == other.id || taken(self) || taken(other) {
            return Err(Error::new(ErrorKind::PeerAlreadySet, self.name()));
        }
        let pipe = || Arc::new(Pipe::with_reserve(RESERVE));
        let (there, back) = (pipe(), pipe());
        other.ways.get_or_init(|| Ways {
            there: back.clone(),
            back: there.clone(),
        });
        self.ways.get_or_init(|| Ways { there, back });
        Ok(())
    }

    /// Samples for the other end that were dropped because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.ways.get().map_or(0, |w| w.there.dropped())
    }
}

impl Terminal for Bridge {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        CLASS.as_str()
    }

    fn class(&self) -> &TerminalClass {
        &CLASS
    }

    fn direction(&self) -> Direction {
        Direction::Bidirectional
    }

    fn capacity(&self) -> usize {
        2
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        let ways = self.ways.get();
        let ways = ways.ok_or_else(|| Error::new(ErrorKind::PeerNotSet, self.name()))?;
        match port.direction {
            Direction::Capture => ways.back.connect_mouth(&port, self.name()),
            Direction::Render => ways.there.connect_ear(&port, self.name()),
            Direction::Bidirectional => Err(Error::new(ErrorKind::InvalidDirection, self.name())),
        }
    }
}

/// Makes [`Bridge`]s that are joined to none yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct BridgeFactory;

impl TerminalFactory for BridgeFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(Bridge::new())
    }
}

#[cfg(test)]
mod tests {
    use msp_core::terminal::{FrameSink, FrameSource, Pulled};

    use super::*;
    use crate::testing::{TIME, noise, port};

    fn ends(bridge: &Bridge) -> (Box<dyn FrameSource>, Box<dyn FrameSink>) {
        let connect = |direction| bridge.connect(port(direction, 8_000).0);
        match (connect(Direction::Capture), connect(Direction::Render)) {
            (Ok(Connection::Source(mouth)), Ok(Connection::Sink(ear))) => (mouth, ear),
            other => panic!("{other:?}"),
        }
    }

    // Shows: a bridge joins two calls: each hears the other, bit for bit, and not itself
    #[test]
    fn each_end_hears_the_other() {
        let (a, b) = Bridge::pair();
        let ((mut a_mouth, mut a_ear), (mut b_mouth, mut b_ear)) = (ends(&a), ends(&b));
        let (from_a, from_b) = (noise(800), noise(1_600));
        let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
        let mut frame = [0; 80];
        for (one, other) in from_a.chunks(80).zip(from_b[800..].chunks(80)) {
            a_ear.push(TIME, one);
            b_ear.push(TIME, other);
            for (mouth, heard) in [(&mut a_mouth, &mut at_a), (&mut b_mouth, &mut at_b)] {
                mouth.pull(TIME, &mut frame);
                heard.extend(frame);
            }
        }
        assert_eq!(at_a[160..], from_b[800..1_440], "20 ms later");
        assert_eq!(at_b[160..], from_a[..640]);
        assert_eq!((a.dropped(), b.dropped()), (0, 0));
    }

    // Shows: an end of a bridge that is joined to none, or to a second one, is refused (C23)
    #[test]
    fn c23_an_end_without_another_and_a_second_pairing_are_refused() {
        let (a, b) = Bridge::pair();
        let lone = Bridge::new();
        let unpaired = lone.connect(port(Direction::Render, 8_000).0);
        assert_eq!(unpaired.unwrap_err().kind(), ErrorKind::PeerNotSet);
        for (one, other) in [(&lone, &a), (&b, &lone), (&lone, &lone)] {
            let refused = one.join(other).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PeerAlreadySet);
        }
        lone.join(&Bridge::new()).unwrap();
    }

    #[test]
    fn an_end_is_on_one_call_and_another_hears_nothing_of_the_last() {
        let (a, b) = Bridge::pair();
        let (a_ends, (mut b_mouth, b_ear)) = (ends(&a), ends(&b));
        let again = a.connect(port(Direction::Render, 8_000).0);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::TerminalInUse);
        let (a_mouth, mut a_ear) = a_ends;
        a_ear.push(TIME, &[1_000; 240]);
        drop((a_mouth, a_ear, b_ear));
        let mut frame = [0; 80];
        assert_eq!(
            b_mouth.pull(TIME, &mut frame),
            Pulled::Sound,
            "it was on its way"
        );
        drop(b_mouth);
        let (_a_ends, (mut b_mouth, _b_ear)) = (ends(&a), ends(&b));
        assert_eq!(b_mouth.pull(TIME, &mut frame), Pulled::Nothing);
    }

    #[test]
    fn what_waited_before_the_call_began_is_no_delay() {
        let (a, b) = Bridge::pair();
        let ((_a_mouth, mut a_ear), (mut b_mouth, _b_ear)) = (ends(&a), ends(&b));
        let sound = noise(80 * 40);
        let (mut heard, mut frame) = (Vec::new(), [0; 80]);
        for (n, piece) in sound.chunks(80).enumerate() {
            a_ear.push(TIME, piece);
            if n >= 20 {
                b_mouth.pull(TIME, &mut frame);
                heard.extend(frame);
            }
        }
        let last = &heard[heard.len() - 80..];
        assert_eq!(last, &sound[80 * 37..80 * 38], "20 ms");
    }

    #[test]
    fn a_side_that_is_late_by_a_packet_makes_no_gap() {
        let (a, b) = Bridge::pair();
        let ((_a_mouth, mut a_ear), (mut b_mouth, _b_ear)) = (ends(&a), ends(&b));
        let sound = noise(80 * 40);
        let (mut heard, mut frame) = (Vec::new(), [0; 80]);
        let mut packets = sound.chunks(160);
        // Both work off packets of 20 ms; in the tenth turn the one comes after the other.
        for turn in 0..20 {
            let late = turn == 10;
            let packet = packets.next().unwrap();
            if !late {
                a_ear.push(TIME, packet);
            }
            for _ in 0..2 {
                b_mouth.pull(TIME, &mut frame);
                heard.extend(frame);
            }
            if late {
                a_ear.push(TIME, packet);
            }
        }
        assert_eq!(heard[160..], sound[..80 * 38]);
    }
}
