//! What turns sound into payloads and back: the codec traits, their registry, G.711 and L16.
//!
//! A [`CodecFactory`] describes a codec and makes an [`Encoder`] or a [`Decoder`] for one stream. Making may
//! allocate; coding a frame never does. A [`CodecRegistry`] lists factories in the order of preference: our
//! own from [`CodecRegistry::builtin`], and whatever an application registers.
//!
//! ```
//! use msp_codecs::CodecRegistry;
//!
//! let codecs = CodecRegistry::builtin();
//! let pcma = codecs.find("pcma", 8000, 1).expect("built in");
//! let (mut encoder, mut decoder) = (pcma.encoder(), pcma.decoder());
//!
//! let (mut payload, mut heard) = ([0; 160], [0; 160]);
//! let len = encoder.encode(&[1000; 160], &mut payload)?;
//! let samples = decoder.decode(&payload[..len], &mut heard)?;
//! assert_eq!((len, samples, heard[0]), (160, 160, 1008));
//! # Ok::<(), msp_codecs::CodecError>(())
//! ```
//!
//! Not in here: codecs that compress further than G.711, and comfort noise.
#![forbid(unsafe_code)]

mod codec;
mod error;
pub mod g711;
mod info;
mod l16;
mod registry;

pub use codec::{CodecFactory, Decoder, Encoder, round_trip};
pub use error::{CodecError, CodecErrorKind};
pub use g711::{Pcma, Pcmu};
pub use info::{CodecInfo, Framing};
pub use l16::L16;
pub use registry::CodecRegistry;
