//! Digits as pairs of tones (ITU-T Q.23), made and heard.

use msp_core::link::Digit;

mod detector;
mod generator;

pub use detector::{DtmfDetector, DtmfEvent};
pub use generator::{DtmfGenerator, DtmfShape};

/// The low frequencies, one for each row of keys, then the high ones, one for each column, in Hz (Q.23 table 1).
const FREQUENCIES: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];

const ROWS: usize = 4;

/// What the keys show, row by row.
const KEYS: [[char; 4]; ROWS] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// The digit of a row and a column.
fn digit(row: usize, column: usize) -> Option<Digit> {
    KEYS.get(row)
        .and_then(|keys| keys.get(column))
        .and_then(|key| Digit::from_char(*key))
}

/// The low and the high frequency of a digit.
fn pair(digit: Digit) -> (f32, f32) {
    let key = digit.to_char();
    let mut pair = (FREQUENCIES[0], FREQUENCIES[ROWS]);
    for (row, keys) in KEYS.iter().enumerate() {
        for (column, shown) in keys.iter().enumerate() {
            if *shown == key {
                pair = (FREQUENCIES[row], FREQUENCIES[ROWS + column]);
            }
        }
    }
    pair
}
