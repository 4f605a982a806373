//! How much of a description is taken.

/// What a description may have at most; more is refused with an error that names the limit.
///
/// The figures are those of cautious peers: pjproject takes 16 media of 32 formats and 68 attributes.
#[derive(Debug)]
pub struct Limits;

impl Limits {
    /// Bytes of the whole text.
    pub const BYTES: usize = 65_536;
    /// Lines of the whole text: the attributes of all sections, and some more. What is read of them stays
    /// below 400 KiB.
    pub const LINES: usize = 2_304;
    /// m= lines.
    pub const MEDIA: usize = 16;
    /// Formats of an m= line.
    pub const FORMATS: usize = 32;
    /// a= lines of a section.
    pub const ATTRIBUTES: usize = 128;
    /// Keys, fingerprints and sources of a medium, each; more are ignored.
    pub const KEYS: usize = 16;
    /// ICE candidates of a medium; more are ignored.
    pub const CANDIDATES: usize = 32;
}
