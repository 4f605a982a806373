//! No frame asks the allocator for anything once its parts are made.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use msp_core::link::Digit;
use msp_core::time::ClockRate;
use msp_dsp::{
    CadenceGenerator, Concealer, Country, DtmfDetector, DtmfGenerator, DtmfShape, Gain, LevelMeter,
    MediaClassDetector, Partial, ProgressTone, Resampler, ScaleWish, TimeScale, ToneDetector,
    ToneGenerator, ToneSpec,
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn frames_allocate_nothing() {
    let (narrow, wide) = (ClockRate::HZ_8000, ClockRate::new(44_100).unwrap());
    let mut tone = ToneGenerator::new(
        narrow,
        &[Partial {
            hz: 440.0,
            dbfs: -9.0,
        }],
    )
    .unwrap();
    let mut gain = Gain::default();
    let mut meter = LevelMeter::default();
    let mut concealer = Concealer::new(narrow).unwrap();
    let mut up = Resampler::new(narrow, wide).unwrap();
    let mut down = Resampler::new(wide, narrow).unwrap();
    let (mut frame, mut wide_frame, mut back) = ([0; 80], [0; 442], [0; 82]);
    let scale = TimeScale::new(narrow).unwrap();
    let wish = ScaleWish {
        samples: 60,
        most: 120,
        likeness: 0.5,
    };
    let (mut sound, mut scaled) = ([0; 400], 0);
    let made = count(|| {
        for n in 0..500 {
            tone.fill(&mut frame);
            gain.set_db(-(n % 7) as f32);
            gain.apply(&mut frame);
            // Gaps of one to nine frames.
            if n % 50 < n / 50 {
                concealer.conceal(&mut frame);
            } else {
                concealer.good(&mut frame);
            }
            meter.add(&frame);
            sound.copy_within(80.., 0);
            sound[320..].copy_from_slice(&frame);
            scaled += usize::from(scale.compress(&mut sound, &wish).is_some());
            scaled += usize::from(scale.stretch(&mut sound, 120, &wish).is_some());
            let wide = up.process(&frame, &mut wide_frame);
            down.process(&wide_frame[..wide.produced], &mut back);
        }
    });
    assert_eq!(made, 0);
    assert!(meter.level().peak > 0.1 && scaled > 100);
    assert!(count(|| drop(vec![0])) > 0, "the count counts");
}

#[test]
fn hearing_allocates_nothing() {
    for rate in [ClockRate::HZ_8000, ClockRate::new(48_000).unwrap()] {
        let digits: Vec<Digit> = "0123456789".chars().filter_map(Digit::from_char).collect();
        let mut generator = DtmfGenerator::new(rate, &digits, DtmfShape::default()).unwrap();
        let mut detector = DtmfDetector::new(rate).unwrap();
        let silence_and_a_digit = [[0.0; 3], [697.0, 1336.0, 0.0]].map(|frequencies| ToneSpec {
            tag: 1,
            frequencies,
            min_duration: std::time::Duration::from_millis(90),
        });
        let mut tones = ToneDetector::new(rate, &silence_and_a_digit).unwrap();
        let mut classes = MediaClassDetector::new(rate).unwrap();
        let ringing = ProgressTone::Ringback.cadence(Country::UnitedKingdom);
        let mut ringing = CadenceGenerator::new(rate, ringing).unwrap();
        let (mut frame, mut events, mut heard) = ([0; 333], 0, 0);
        let (mut pips, mut changes) = ([0; 333], 0);
        let made = count(|| {
            while generator.fill(&mut frame) > 0 {
                detector.process(&frame, |_| events += 1);
                tones.process(&frame, |_| heard += 1);
                ringing.fill(&mut pips);
                classes.process(&pips, |_| changes += 1);
            }
            detector.finish(|_| events += 1);
            tones.finish(|_| heard += 1);
        });
        assert_eq!((made, events), (0, 20));
        assert!(heard >= 2, "the digit 0");
        assert!(changes >= 1, "it rings");
    }
}
