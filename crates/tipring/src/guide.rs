// The examples of the guide as tests: only documentation tests compile this, and name each by its line in the guide.
#![doc = include_str!("../../../docs/guide.md")]
