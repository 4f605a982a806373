//! How much of anything a message may hold before it is refused.

/// Caps on what is read; a message beyond one is refused with [`ErrorKind::Limit`](crate::ErrorKind::Limit).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a message in a datagram or a stream.
    pub message: usize,
    /// Bytes of the start line and all header fields.
    pub header_bytes: usize,
    /// Header fields.
    pub headers: usize,
    /// Bytes of one header field, its continuation lines included, or of the start line.
    pub line: usize,
    /// Bytes of a URI.
    pub uri: usize,
    /// Bytes of a tag, a branch, a Call-ID or a display name.
    pub token: usize,
    /// Via values.
    pub vias: usize,
    /// Route values, and Record-Route values.
    pub routes: usize,
    /// Contact values.
    pub contacts: usize,
    /// Values of Accept, Allow, Require, Supported and their like.
    pub list: usize,
    /// Bytes of a body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 65_535,
            header_bytes: 32 * 1024,
            headers: 256,
            line: 8 * 1024,
            uri: 1024,
            token: 512,
            vias: 70,
            routes: 32,
            contacts: 64,
            list: 32,
            body: 64 * 1024,
        }
    }
}
