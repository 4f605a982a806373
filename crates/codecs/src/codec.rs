//! The traits that a codec implements.

use std::fmt;

use crate::{CodecError, CodecInfo};

/// Turns the sound of one stream into payloads. Coding a frame neither allocates nor blocks.
pub trait Encoder: Send {
    /// Encodes `pcm`, channels interleaved, into the front of `out` and returns the bytes written.
    ///
    /// All of `pcm` becomes one payload. [`CodecInfo::max_payload_bytes`] says how long `out` must be.
    ///
    /// # Errors
    /// [`OutputTooSmall`](crate::CodecErrorKind::OutputTooSmall) and
    /// [`FrameLength`](crate::CodecErrorKind::FrameLength), both the caller's fault.
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;

    /// Forgets the sound so far, as if newly made: another source follows.
    fn reset(&mut self);
}

/// Turns the payloads of one stream into sound. Decoding a frame neither allocates nor blocks.
pub trait Decoder: Send {
    /// Decodes one payload into the front of `out` and returns the samples written, of all channels together.
    ///
    /// An empty payload is no sound. [`CodecInfo::max_samples`] says how long `out` must be. Any bytes may come:
    /// they are the peer's.
    ///
    /// # Errors
    /// [`PayloadLength`](crate::CodecErrorKind::PayloadLength) and
    /// [`PayloadContent`](crate::CodecErrorKind::PayloadContent) for what the peer sent,
    /// [`OutputTooSmall`](crate::CodecErrorKind::OutputTooSmall) for the caller's buffer.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Forgets the sound so far, as if newly made: another source follows.
    fn reset(&mut self);
}

/// One codec: what it is, and how to make one for a stream. Making may allocate, so it is not for a media thread.
pub trait CodecFactory: Send + Sync {
    /// What the codec is; the same at each call.
    fn info(&self) -> &CodecInfo;

    /// A new encoder.
    fn encoder(&self) -> Box<dyn Encoder>;

    /// A new decoder.
    fn decoder(&self) -> Box<dyn Decoder>;
}

impl fmt::Debug for dyn CodecFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodecFactory({})", self.info())
    }
}

/// What a listener hears of `pcm` over a perfect network: encoded and decoded offline in frames of the codec's
/// default length, the last one as short as it comes.
///
/// # Errors
/// Those of the codec; our own have none for any `pcm`.
pub fn round_trip(codec: &dyn CodecFactory, pcm: &[i16]) -> Result<Vec<i16>, CodecError> {
    let info = codec.info();
    let frame = info.samples_in(info.default_ptime).max(1);
    let mut payload = vec![0; info.max_payload_bytes(info.default_ptime)];
    let mut heard = vec![0; info.max_samples(payload.len()).max(frame)];
    let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
    let mut out = Vec::with_capacity(pcm.len());
    for frame in pcm.chunks(frame) {
        let len = encoder.encode(frame, &mut payload)?;
        let samples = decoder.decode(payload.get(..len).unwrap_or_default(), &mut heard)?;
        out.extend_from_slice(heard.get(..samples).unwrap_or_default());
    }
    Ok(out)
}
